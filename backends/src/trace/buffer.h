/* What a program knows of an event, and how the rest is read from the buffer.
 *
 * Owns no map. A buffer is a number here: whether the verifier knows its type depends on the
 * program, so its members are read by their offsets.
 */
#pragma once

#include "kernel.h"
#include "record.h"

enum role {
	PASS = 0,
	/* The link header has been pulled: the packet begins at data. */
	RECEIVED = 1,
	/* The buffer ends here. */
	ENDS = 2,
	/* `dev` has been overwritten. */
	NO_DEVICE = 4,
	/* Packets that are not followed yet are looked at. */
	PICKS = 8,
	/* A task may be doing this for itself. */
	TASK = 32,
	/* Clones that are not followed yet are looked at, if what they share is known. */
	PICKS_CLONES = 16,
	/* With PICKS: but not again what did not fit at the point before. */
	PICKS_AGAIN = 64,
	/* What did not fit may do so afterwards. */
	REWRITES = 128,
};

enum {
	HOOK_INPUT = 1,
	HOOK_OUTPUT = 3,
};

/* What a program knows of the event; the rest is read from the buffer. For KIND_JUDGED, `value` and
 * `context` are the addresses of the names of table and chain, for KIND_BALANCED `value` is that of
 * the connection: more would not fit the stack.
 */
struct place {
	u64 skb;
	/* The device, where the buffer's own does not tell. */
	u64 device;
	u64 value;
	/* The address of the program's context: it lies on the kernel's stack. 0 where nobody
	 * asks whose.
	 */
	u64 context;
	/* 0 until somebody asked. */
	u64 now_ns;
	u32 reason;
	u16 slot;
	u8 role;
	u8 kind;
	u8 hook;
	u8 family;
};

/* IPv4 and IPv6, as a little-endian machine reads them. */
#define IPV4 0x0008
#define IPV6 0xdd86
#define UNSET 0xffff
#define ARPHRD_ETHER 1

/* A packet's bytes in the kernel. */
struct bytes {
	u64 from;
	u32 size;
	/* Before the network header. */
	u32 link;
};

INLINE struct bytes find_bytes(u64 skb, u32 role)
{
	u64 head = READ_ADDRESS(sk_buff, skb, head);
	u64 tail = head + READ(sk_buff, skb, tail);
	u16 network_header = READ(sk_buff, skb, network_header);
	u16 mac_header = READ(sk_buff, skb, mac_header);
	u64 network = head + network_header;
	struct bytes bytes = {};
	u64 size, link;

	if (role & RECEIVED || network_header == UNSET || !network_header)
		network = READ_ADDRESS(sk_buff, skb, data);
	if (network >= tail)
		return bytes;
	link = network - head - mac_header;
	/* Longer ones are left over from another layer. */
	if (mac_header == UNSET || link > 64)
		link = 0;
	size = tail - network + link;
	bytes.from = network - link;
	bytes.link = link;
	bytes.size = size > 0xffff ? 0xffff : size;
	return bytes;
}

/* 0 if the place has none. */
INLINE u64 device_of(const struct place *place)
{
	if (place->device || place->role & NO_DEVICE)
		return place->device;
	return READ_ADDRESS(sk_buff, place->skb, dev);
}

INLINE void read_device(struct record *record, u64 device)
{
	u64 net = READ_ADDRESS(net_device, device, nd_net.net);
	u64 *name = (u64 *)record->interface_name;

	record->interface = READ(net_device, device, ifindex);
	record->device_type = READ(net_device, device, type);
	record->netns = READ(net, net, ns.inum);
	/* 16 bytes, as two numbers. */
	name[0] = READ(timespec64, device + OFFSET(net_device, name), tv_sec);
	name[1] = READ(timespec64, device + OFFSET(net_device, name), tv_nsec);
}

/* Whether the context lies on the stack of the task: else an interrupt borrowed the CPU. The
 * verifier knows a context's address as a pointer; it is read back to be a number.
 */
INLINE int is_of_task(const struct place *place)
{
	u64 stack = READ_ADDRESS(task_struct, bpf_get_current_task(), stack);
	u64 context = 0;

	bpf_probe_read_kernel(&context, sizeof(context), &place->context);
	return context - stack < 16384;
}

/* Which table and chain judges the packet. The name of the table goes over two numbers. */
INLINE void read_judge(struct record *record, const struct place *place)
{
	record->value = 0;
	if (place->value)
		bpf_probe_read_kernel_str(&record->value, 16, (void *)place->value);
	if (place->context)
		bpf_probe_read_kernel_str(record->process_name, 16, (void *)place->context);
}

/* The name of a queueing discipline. */
INLINE void read_discipline(struct record *record, u64 queue)
{
	u64 operations = READ_ADDRESS(Qdisc, queue, ops);

	record->value = 0;
	bpf_probe_read_kernel_str(&record->value, 16, (void *)(operations + OFFSET(Qdisc_ops, id)));
}

/* States of what stands for a socket and is none (include/net/tcp_states.h). */
#define TIME_WAIT 6
#define NEW_SYN_RECEIVED 12

/* What kind of socket sends it. */
INLINE void read_sender(struct record *record)
{
	u8 state = READ(sock, record->socket, __sk_common.skc_state);

	if (state == TIME_WAIT || state == NEW_SYN_RECEIVED)
		return;
	record->socket_protocol = READ(sock, record->socket, sk_protocol);
	record->socket_type = READ(sock, record->socket, sk_type);
	record->socket_family = READ(sock, record->socket, __sk_common.skc_family);
}

/* The lowest bits of a connection's flags (include/uapi/linux/ip_vs.h). */
#define FORWARD_MASK 7

/* Which server IPVS chose. An address goes over two numbers. */
INLINE void read_server(struct record *record, u64 connection)
{
	u64 *service = (u64 *)record->process_name;
	u64 at;

	if (!EXISTS(ip_vs_conn, daddr))
		return;
	at = connection + OFFSET(ip_vs_conn, daddr);
	record->value = READ(timespec64, at, tv_sec);
	record->cgroup = READ(timespec64, at, tv_nsec);
	at = connection + OFFSET(ip_vs_conn, vaddr);
	service[0] = READ(timespec64, at, tv_sec);
	service[1] = READ(timespec64, at, tv_nsec);
	record->reason = READ_FAR(ip_vs_conn, connection, dport) & 0xffff;
	record->reason |= READ_FAR(ip_vs_conn, connection, vport) << 16;
	record->family = READ_FAR(ip_vs_conn, connection, af);
	record->hook = READ_FAR(ip_vs_conn, connection, flags) & FORWARD_MASK;
}

INLINE void read_task(struct record *record, const struct place *place)
{
	u64 numbers;

	if (!place->context || !is_of_task(place))
		return;
	numbers = bpf_get_current_pid_tgid();
	record->thread = numbers;
	record->process = numbers >> 32;
	record->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(record->process_name, sizeof(record->process_name));
}

INLINE int is_ip(u64 skb, const struct bytes *bytes)
{
	u16 protocol = READ(sk_buff, skb, protocol);

	return bytes->size && (protocol == IPV4 || protocol == IPV6);
}

INLINE u32 netns_of_socket(u64 socket)
{
	u64 net = READ_ADDRESS(sock, socket, __sk_common.skc_net.net);

	return READ(net, net, ns.inum);
}

/* The tag that lies beside the data, if there is one. */
INLINE int has_tag(u64 skb)
{
	if (EXISTS(sk_buff, vlan_all))
		return READ(sk_buff, skb, vlan_all) != 0;
	return READ_BITS(sk_buff___bit, skb, vlan_present) != 0;
}

INLINE void read_vlan(struct record *record, u64 skb)
{
	if (!has_tag(skb))
		return;
	record->vlan_protocol = READ(sk_buff, skb, vlan_proto);
	record->vlan_tag = READ(sk_buff, skb, vlan_tci);
}
