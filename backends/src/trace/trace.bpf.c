/* Programs that report packets at tracepoints and between the tables of netfilter.
 *
 * Owns what an event holds and which packets are followed. Every event has a number of its CPU,
 * also if the ring had no room for it, so that a gap tells what was lost. What an event means
 * is not decided here.
 */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define SNAP 192
#define NAMESPACES 16

/* Set before loading: the namespaces to begin in; none means all. */
const volatile struct {
	u32 count;
	u32 inode[NAMESPACES];
} namespaces;

/* The layout is read by backends/src/trace/record.rs. */
struct record {
	u64 time_ns;
	u64 sequence;
	u64 skb;
	u64 head;
	u64 location;
	u32 netns;
	u32 interface;
	u32 pid;
	u32 mark;
	u32 length;
	u32 reason;
	u16 slot;
	u16 cpu;
	u16 gso_size;
	u16 queue;
	u8 checksum;
	u8 hook;
	u8 family;
	u8 unused;
	u16 header_bytes;
	u16 whole;
	char interface_name[16];
	char process[16];
	u8 data[SNAP];
};

#define HEAD (sizeof(struct record) - SNAP)

struct count {
	u64 produced;
	u64 lost;
};

struct {
	UINT(type, MAP_RINGBUF);
	UINT(max_entries, 4 << 20);
} events SEC(".maps");

struct {
	UINT(type, MAP_PERCPU_ARRAY);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct count);
} counts SEC(".maps");

/* Buffers that are followed wherever they go, until they are freed. */
struct {
	UINT(type, MAP_LRU_HASH);
	UINT(max_entries, 65536);
	TYPE(key, u64);
	TYPE(value, u8);
} followed SEC(".maps");

/* The packet that this CPU is handing to a socket: it passed INPUT, and nothing came since. */
struct arriving {
	u64 skb;
	u16 protocol;
	/* Destination port, or the identifier of an ICMP echo. */
	u16 port;
};

struct {
	UINT(type, MAP_PERCPU_ARRAY);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct arriving);
} arriving SEC(".maps");

enum role {
	PASS = 0,
	/* The link header has been pulled: the packet begins at data. */
	RECEIVED = 1,
	/* The buffer ends here. */
	ENDS = 2,
	/* `dev` has been overwritten. */
	NO_DEVICE = 4,
};

INLINE int is_chosen(u32 netns)
{
	if (!namespaces.count)
		return 1;
	for (u32 at = 0; at < NAMESPACES; at++)
		if (at < namespaces.count && namespaces.inode[at] == netns)
			return netns != 0;
	return 0;
}

INLINE u8 checksum_of(struct sk_buff *skb)
{
	u64 bits = 0;

	bpf_probe_read_kernel(&bits, 1, (void *)skb +
		__builtin_preserve_field_info(skb->ip_summed, FIELD_BYTE_OFFSET));
	bits <<= __builtin_preserve_field_info(skb->ip_summed, FIELD_LSHIFT_U64);
	return bits >> __builtin_preserve_field_info(skb->ip_summed, FIELD_RSHIFT_U64);
}

INLINE void read_device(struct record *record, struct net_device *device)
{
	record->interface = device->ifindex;
	record->netns = device->nd_net.net->ns.inum;
	bpf_probe_read_kernel(record->interface_name, sizeof(record->interface_name),
			      device->name);
}

/* Copies what lies linear from the network header on. Returns how much that is. */
INLINE u32 read_headers(struct record *record, struct sk_buff *skb, int role)
{
	u16 protocol = skb->protocol;
	unsigned char *head = skb->head;
	u64 tail = (u64)head + skb->tail;
	u64 from = (u64)head + skb->network_header;
	u64 size;

	/* IPv4 and IPv6, as a little-endian machine reads them. */
	if (protocol != 0x0008 && protocol != 0xdd86)
		return 0;
	if (role & RECEIVED || skb->network_header == 0xffff || !skb->network_header)
		from = (u64)skb->data;
	if (from >= tail)
		return 0;
	size = tail - from;
	if (size > SNAP)
		size = SNAP;
	if (bpf_probe_read_kernel(record->data, size, (void *)from))
		return 0;
	record->whole = skb->len;
	return size;
}

INLINE void number(struct record *record, u32 size)
{
	u32 zero = 0;
	struct count *count = bpf_map_lookup_elem(&counts, &zero);

	if (!count)
		return;
	record->cpu = bpf_get_smp_processor_id();
	/* An interrupt may report between these lines: numbers are taken at once. */
	record->sequence = __sync_fetch_and_add(&count->produced, 1);
	record->time_ns = bpf_ktime_get_ns();
	if (bpf_ringbuf_output(&events, record, size, 0))
		__sync_fetch_and_add(&count->lost, 1);
}

INLINE void report(struct record *record, struct sk_buff *skb, int role)
{
	u64 key = (u64)skb;
	u8 one = 1;
	u32 bytes;
	int known;
	struct sock *sk;

	if (!skb)
		return;
	known = bpf_map_lookup_elem(&followed, &key) != 0;
	if (!known && role & ENDS && namespaces.count)
		return;
	if (!record->netns && !(role & NO_DEVICE))
		read_device(record, skb->dev);
	/* Read once: the verifier knows a checked pointer, not a place that was checked. */
	sk = skb->sk;
	asm volatile("" : "+r"(sk));
	if (!record->netns && sk)
		record->netns = sk->__sk_common.skc_net.net->ns.inum;
	if (!known && !is_chosen(record->netns))
		return;
	bytes = read_headers(record, skb, role);
	if (!known && !bytes)
		return;
	if (role & ENDS)
		bpf_map_delete_elem(&followed, &key);
	else if (!known)
		bpf_map_update_elem(&followed, &key, &one, 0);
	record->skb = key;
	record->head = (u64)skb->head;
	record->length = skb->len;
	record->mark = skb->mark;
	record->queue = skb->queue_mapping;
	record->checksum = checksum_of(skb);
	bpf_probe_read_kernel(&record->gso_size, sizeof(record->gso_size),
		&((struct skb_shared_info *)(skb->head + skb->end))->gso_size);
	record->header_bytes = bytes;
	if (bytes > SNAP)
		bytes = SNAP;
	number(record, HEAD + bytes);
}

/* Notes who is on its way to a socket; `skb` 0: nobody. */
INLINE void arrive(struct record *record, u64 skb)
{
	u32 zero = 0;
	struct arriving *now = bpf_map_lookup_elem(&arriving, &zero);
	u8 *transport = record->data + 20;

	if (!now)
		return;
	now->skb = skb;
	if (!skb)
		return;
	now->protocol = record->data[9];
	if (record->data[0] >> 4 == 6) {
		now->protocol = record->data[6];
		transport = record->data + 40;
	}
	/* Ports follow each other; the identifier of an echo comes third. */
	if (now->protocol == 1 || now->protocol == 58)
		transport += 2;
	now->port = transport[2] << 8 | transport[3];
}

INLINE void report_process(struct record *record)
{
	record->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(record->process, sizeof(record->process));
}

/* A tracepoint whose argument `at`, from 0, is the buffer. The number is the row of SLOTS. */
#define POINT(number_, name, at, role)                                   \
	SEC("tp_btf/" #name) int tp_##name(u64 *ctx)                     \
	{                                                                \
		struct record record = { .slot = number_ };              \
		report_process(&record);                                 \
		report(&record, (struct sk_buff *)ctx[at], role);        \
		if ((role) & RECEIVED)                                   \
			arrive(&record, 0);                              \
		return 0;                                                \
	}

POINT(0, napi_gro_receive_entry, 0, RECEIVED)
POINT(1, netif_receive_skb, 0, RECEIVED)
POINT(2, netif_rx, 0, RECEIVED)
POINT(3, net_dev_queue, 0, PASS)
POINT(4, net_dev_start_xmit, 0, PASS)
POINT(7, skb_copy_datagram_iovec, 0, NO_DEVICE)
POINT(8, qdisc_enqueue, 2, PASS)
POINT(9, qdisc_dequeue, 3, PASS)
POINT(10, tcp_retransmit_skb, 1, NO_DEVICE)
POINT(11, tcp_send_reset, 1, PASS)
POINT(12, tcp_probe, 1, NO_DEVICE)
POINT(13, tcp_bad_csum, 0, PASS)
POINT(14, icmp_send, 0, PASS)
POINT(15, sock_rcvqueue_full, 1, NO_DEVICE)
POINT(16, udp_fail_queue_rcv_skb, 2, PASS)

SEC("tp_btf/kfree_skb") int tp_kfree_skb(u64 *ctx)
{
	struct record record = { .slot = 5 };

	report_process(&record);
	record.location = ctx[1];
	record.reason = ctx[2];
	report(&record, (struct sk_buff *)ctx[0], ENDS | NO_DEVICE);
	return 0;
}

SEC("tp_btf/consume_skb") int tp_consume_skb(u64 *ctx)
{
	struct record record = { .slot = 6 };

	report_process(&record);
	report(&record, (struct sk_buff *)ctx[0], ENDS | NO_DEVICE);
	return 0;
}

/* At the first two hooks the device is where the packet came from, else where it will leave. */
INLINE void report_hook(struct record *record, struct bpf_nf_ctx *ctx)
{
	const struct nf_hook_state *state = ctx->state;
	struct net_device *device;

	record->hook = state->hook;
	record->family = state->pf;
	record->netns = state->net->ns.inum;
	device = record->hook < 2 ? state->in : state->out;
	asm volatile("" : "+r"(device));
	if (device)
		read_device(record, device);
	report(record, ctx->skb, NO_DEVICE);
	if (record->hook == 1 && record->skb)
		arrive(record, record->skb);
}

/* A program is told of data. The buffer may be gone already, so it is not touched: it is the one
 * that this CPU is delivering, if that is for this socket. On many kernels no tracepoint sees a
 * small datagram after this.
 */
SEC("tp_btf/sk_data_ready") int tp_sk_data_ready(u64 *ctx)
{
	struct record record = { .slot = 17 };
	struct sock *sk = (struct sock *)ctx[0];
	u16 family = sk->__sk_common.skc_family;
	u16 port = sk->__sk_common.skc_num;
	u32 zero = 0;
	struct arriving *now = bpf_map_lookup_elem(&arriving, &zero);
	u64 skb;

	/* AF_INET and AF_INET6. A raw socket gets a clone, which is not this buffer: its number is
	 * a protocol, no port.
	 */
	if (!now || !now->skb || (family != 2 && family != 10) || port != now->port)
		return 0;
	skb = now->skb;
	record.netns = sk->__sk_common.skc_net.net->ns.inum;
	record.skb = skb;
	/* What is freed from here on is not seen: the address may become another packet's. */
	bpf_map_delete_elem(&followed, &skb);
	number(&record, HEAD);
	return 0;
}

/* An observer of a netfilter hook: one program for each priority, since a program is not told
 * at which it runs. It always accepts.
 */
#define GAP(number_)                                                     \
	SEC("netfilter") int nf_##number_(struct bpf_nf_ctx *ctx)        \
	{                                                                \
		struct record record = { .slot = 100 + number_ };        \
		report_hook(&record, ctx);                               \
		return 1;                                                \
	}

GAP(0)
GAP(1)
GAP(2)
GAP(3)
GAP(4)
GAP(5)
GAP(6)
GAP(7)
GAP(8)
