/* What is told of a packet.
 *
 * Owns the rings, the numbers, and how a record is filled. Every event has a number of its CPU,
 * also if the ring had no room for it, so that a gap tells what was lost.
 */
#pragma once

#include "choose.h"

struct ring {
	UINT(type, MAP_RINGBUF);
	UINT(max_entries, 4096);
};

/* A ring for each CPU, made before the programs run. */
struct {
	UINT(type, MAP_ARRAY_OF_MAPS);
	UINT(max_entries, MOST_CPUS);
	UINT(key_size, 4);
	ARRAY(values, struct ring);
} rings SEC(".maps");

/* The packet that a CPU is handing to a socket: it passed INPUT, and nothing came since. */
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

/* Kernels before 6.4 forget the bound of a number that waits on the stack: it is shown again right
 * before the call, by a comparison that the compiler cannot leave out.
 */
#define TRY(bytes_)                                                      \
	if (size <= bytes_) {                                            \
		to = bpf_ringbuf_reserve(ring, sizeof(*to) + bytes_, 0); \
		if (!to)                                                 \
			goto lost;                                       \
		*to = *record;                                           \
		asm volatile("" : "+r"(size));                           \
		if (size && (size > bytes_ ||                            \
			     bpf_probe_read_kernel(to->data, size, (void *)from))) \
			to->data_bytes = 0;                              \
		bpf_ringbuf_submit(to, NO_WAKEUP);                       \
		return 0;                                                \
	}

/* Gives the event its number and puts it into the ring of this CPU. */
NOINLINE int emit(struct record *record, u64 from)
{
	u32 cpu = bpf_get_smp_processor_id() & (MOST_CPUS - 1);
	struct count *count = &counts[cpu];
	u64 size = record->data_bytes;
	struct record *to;
	void *ring;

	record->cpu = cpu;
	/* An interrupt may report between these lines: numbers are taken at once. */
	record->sequence = __sync_fetch_and_add(&count->produced, 1);
	ring = bpf_map_lookup_elem(&rings, &cpu);
	if (!ring)
		goto lost;
	TRY(0)
	TRY(96)
	TRY(128)
	TRY(192)
	TRY(256)
	TRY(512)
	TRY(1024)
	TRY(2048)
	TRY(4096)
	TRY(16384)
lost:
	__sync_fetch_and_add(&count->lost, 1);
	return 0;
}

/* Notes who is on its way to a socket. */
NOINLINE int arrive(u64 skb, u64 network)
{
	u32 zero = 0;
	struct arriving *now = bpf_map_lookup_elem(&arriving, &zero);
	u8 header[44];
	u32 transport = 20;

	if (!now)
		return 0;
	now->skb = 0;
	/* What lies behind a short packet is not looked at. */
	if (bpf_probe_read_kernel(header, sizeof(header), (void *)network))
		return 0;
	now->protocol = header[9];
	if (header[0] >> 4 == 6) {
		now->protocol = header[6];
		transport = 40;
	}
	/* Ports follow each other; the identifier of an echo comes third. */
	if (now->protocol == 58) {
		if (bpf_probe_read_kernel(&now->port, 2, (void *)network + transport + 4))
			return 0;
	} else if (now->protocol == 1) {
		now->port = *(u16 *)(header + 24);
	} else if (transport == 40) {
		now->port = *(u16 *)(header + 42);
	} else {
		now->port = *(u16 *)(header + 22);
	}
	now->port = __builtin_bswap16(now->port);
	now->skb = skb;
	return 0;
}

INLINE void nobody_arrives(void)
{
	u32 zero = 0;
	struct arriving *now = bpf_map_lookup_elem(&arriving, &zero);

	if (now)
		now->skb = 0;
}

INLINE void read_buffer(struct record *record, u64 skb)
{
	u64 shared = READ_ADDRESS(sk_buff, skb, head) + READ(sk_buff, skb, end);

	record->skb = skb;
	record->head = READ_ADDRESS(sk_buff, skb, head);
	record->length = READ(sk_buff, skb, len);
	record->paged = READ(sk_buff, skb, data_len);
	record->mark = READ(sk_buff, skb, mark);
	record->queue = READ(sk_buff, skb, queue_mapping);
	record->protocol = READ(sk_buff, skb, protocol);
	record->checksum = READ_BITS(sk_buff, skb, ip_summed);
	read_vlan(record, skb);
	record->gso_size = READ(skb_shared_info, shared, gso_size);
	record->gso_segments = READ(skb_shared_info, shared, gso_segs);
}

/* Where the packet is: by the place, the buffer's device, or its socket. */
INLINE void read_whereabouts(struct record *record, const struct place *place)
{
	u64 device = device_of(place);

	record->socket = READ_ADDRESS(sk_buff, place->skb, sk);
	if (device)
		read_device(record, device);
	if (!record->netns && record->socket)
		record->netns = netns_of_socket(record->socket);
}

NOINLINE int report(struct place *place)
{
	u32 role = place->role;
	struct record record = {};
	struct bytes bytes;

	bytes = find_bytes(place->skb, role);
	if (!settings.selective && !is_ip(place->skb, &bytes))
		return 0;
	record.slot = place->slot;
	record.kind = place->kind;
	record.hook = place->hook;
	record.family = place->family;
	record.value = place->value;
	record.reason = place->reason;
	record.time_ns = place->now_ns ? place->now_ns : bpf_ktime_get_ns();
	read_buffer(&record, place->skb);
	read_whereabouts(&record, place);
	if (role & PICKS_AGAIN && record.socket)
		read_sender(&record);
	if (place->kind == KIND_JUDGED)
		read_judge(&record, place);
	else if (place->kind == KIND_BALANCED)
		read_server(&record, place->value);
	else if (place->kind == KIND_QUEUED)
		read_discipline(&record, place->value);
	else
		read_task(&record, place);
	record.link_bytes = bytes.link;
	record.data_bytes = bytes.size > settings.snap ? settings.snap : bytes.size;
	emit(&record, bytes.from);
	if (role & RECEIVED)
		nobody_arrives();
	else if (is_at_input(place))
		arrive(place->skb, bytes.from + bytes.link);
	return 0;
}

/* All that happens where events are only counted. */
INLINE int is_counted(void)
{
	u32 cpu;

	if (!settings.counting)
		return 0;
	cpu = bpf_get_smp_processor_id() & (MOST_CPUS - 1);
	counts[cpu].produced++;
	return 1;
}

/* Reports a packet that is followed, or is to be from here on. Returns whether it did. */
INLINE int observe(struct place *place)
{
	if (!place->skb || (settings.selective && !is_wanted(place)))
		return 0;
	report(place);
	if (place->role & ENDS && settings.selective)
		leave(place->skb);
	return 1;
}

/* Calls of functions that are to return: by the address of the context, which entry and exit of one
 * call share, the buffer that was reported.
 */
struct {
	UINT(type, MAP_LRU_HASH);
	UINT(max_entries, 16384);
	TYPE(key, u64);
	TYPE(value, u64);
} calls SEC(".maps");

/* Reports a buffer that was made from `parent`. Of a list it is the first: a walk over all would
 * need a program that is verified with more than its instructions, and the others show by what
 * they hold that they are pieces.
 */
NOINLINE int report_made(u64 skb, u64 parent, u16 slot)
{
	u64 now_ns = bpf_ktime_get_ns();
	struct place place = {
		.skb = skb,
		.value = parent,
		.slot = slot,
		.kind = KIND_MADE_FROM,
	};

	if (skb == parent)
		return 0;
	if (settings.selective) {
		follow(skb, now_ns);
		follow(READ_ADDRESS(sk_buff, skb, head), now_ns);
	}
	report(&place);
	return 0;
}

NOINLINE int report_value(u64 skb, u64 cookie, u64 value)
{
	struct record record = { .slot = cookie, .kind = KIND_RETURNED };
	u32 shift = cookie >> 16 & 63;

	/* Above a small number is anything. */
	if (cookie & RETURNS_SIGNED)
		value = (s64)(value << shift) >> shift;
	else
		value = value << shift >> shift;
	record.time_ns = bpf_ktime_get_ns();
	record.skb = skb;
	record.value = value;
	record.reason = !!(cookie & RETURNS_ADDRESS);
	emit(&record, 0);
	return 0;
}

/* A function returns; what the cookie holds is in functions.rs. */
INLINE void report_return(u64 skb, u64 cookie, u64 value)
{
	/* An address that is no error. */
	if (cookie & RETURNS_PIECES && value && value < -4095ull)
		report_made(value, skb, cookie);
	else
		report_value(skb, cookie, value);
}

/* A socket tells its program of data; `slot` is the point. */
INLINE void report_socket(u64 socket, u16 slot)
{
	struct record record = { .slot = slot };
	u32 zero = 0;
	struct arriving *now = bpf_map_lookup_elem(&arriving, &zero);
	u16 family;

	if (!now || !now->skb)
		return;
	/* AF_INET and AF_INET6. A raw socket gets a clone, which is not this buffer: its number is
	 * a protocol, no port.
	 */
	family = READ(sock, socket, __sk_common.skc_family);
	if ((family != 2 && family != 10) ||
	    READ(sock, socket, __sk_common.skc_num) != now->port)
		return;
	record.time_ns = bpf_ktime_get_ns();
	record.skb = now->skb;
	record.socket = socket;
	record.netns = netns_of_socket(socket);
	/* What is freed from here on is not seen: the address may become another packet's. */
	if (settings.selective)
		forget(now->skb);
	emit(&record, 0);
}
