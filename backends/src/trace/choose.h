/* Which packets are followed.
 *
 * Owns the user's choice and the table of followed buffers. What fitted once is followed, and not
 * looked at again, so that a rewritten packet is not lost.
 */
#pragma once

#include "buffer.h"
#include "filter.h"

#define MOST_CPUS 1024
#define MOST_NAMESPACES 16
#define MOST_INTERFACES 8

/* Chooses packets; set before loading, read by settings.rs. Of each list one has to fit, if
 * there is any.
 */
const volatile struct {
	/* Bytes of each packet that are copied. */
	u32 snap;
	/* Whether anything is chosen. Else everything is reported, and nothing looked up. */
	u32 selective;
	u32 filtered;
	u32 namespaces;
	u32 interfaces;
	u32 mark;
	u32 mark_mask;
	u32 process;
	u32 by_process_name;
	/* Events are only counted. */
	u32 counting;
	/* What did not fit does not fit at the next point either: the choice depends on nothing but
	 * the packet from its network header on.
	 */
	u32 judges_once;
	u32 unused;
	u32 namespace[MOST_NAMESPACES];
	u64 interface_name[MOST_INTERFACES][2];
	u64 process_name[2];
} settings;

/* Where this machine has the arguments of a function; set before loading, by settings.rs. */
const volatile struct {
	u32 register_count;
	/* In `struct pt_regs`. */
	u32 registers[8];
	u32 stack_pointer;
	/* From there to the first argument on the stack. */
	u32 stack_skip;
} machine SEC(".rodata.machine");

/* How an argument leads to the buffer. */
enum way {
	WAY_DIRECT = 0,
	WAY_BEHIND = 1,
	WAY_MEMBER = 2,
};

/* What an argument of a function tells beside the packet. */
enum table {
	TABLE_NONE = 0,
	/* `struct xt_table`, the first. */
	TABLE_XT = 1,
	/* `struct nft_chain`, the second. */
	TABLE_NFT = 2,
	/* `struct ip_vs_conn`, the second. */
	TABLE_IPVS = 3,
};

/* What a function returns. */
enum returns {
	RETURNS_SIGNED = 1 << 24,
	RETURNS_ADDRESS = 1 << 25,
	RETURNS_PIECES = 1 << 26,
};

enum stage {
	MOVING = 0,
	/* It passed INPUT: where it shows up again, it is another packet. */
	ARRIVED = 1,
};

/* Buffers that are followed wherever they go, until they are freed: by their address, and by that
 * of their data, which clones share. Sets of four, a cache line each, without locks: a free cell is
 * taken by an exchange, and where none is free the one that was not seen for longest.
 */
#define SETS 16384
#define WAYS 4

struct set {
	u64 address[WAYS];
	/* When it was seen last; the lowest bit is its stage. */
	u64 seen[WAYS];
} followed[SETS] SEC(".bss.followed");

/* A cache line for each CPU. */
struct count {
	u64 produced;
	u64 lost;
	/* Buffers that were followed no longer since others needed their places. */
	u64 displaced;
	u64 unused[5];
} counts[MOST_CPUS] SEC(".bss.counts");

/* Whether a buffer was ever followed: until then none is looked up. */
u32 are_followed;

/* Not heard of for so long, the end of a buffer was missed. */
#define STALE_NS 2000000000ull

INLINE struct set *set_of(u64 address)
{
	return &followed[(address >> 6 ^ address >> 20) & (SETS - 1)];
}

/* Where it is written when a buffer was seen, if it is followed. */
INLINE volatile u64 *find(u64 address)
{
	volatile struct set *set = set_of(address);

	if (!*(volatile u32 *)&are_followed)
		return 0;
	if (set->address[0] == address)
		return &set->seen[0];
	if (set->address[1] == address)
		return &set->seen[1];
	if (set->address[2] == address)
		return &set->seen[2];
	if (set->address[3] == address)
		return &set->seen[3];
	return 0;
}

NOINLINE int follow(u64 address, u64 now_ns)
{
	struct set *set = set_of(address);
	u64 oldest_ns = ~0ull;
	u32 oldest = 0;

	are_followed = 1;
	if (find(address))
		return 0;
	for (u32 way = 0; way < WAYS; way++) {
		if (!set->address[way] &&
		    !__sync_val_compare_and_swap(&set->address[way], 0, address)) {
			set->seen[way] = now_ns & ~1ull;
			return 0;
		}
		if (set->seen[way] < oldest_ns) {
			oldest_ns = set->seen[way];
			oldest = way;
		}
	}
	if (now_ns - oldest_ns < STALE_NS)
		counts[bpf_get_smp_processor_id() & (MOST_CPUS - 1)].displaced++;
	set->address[oldest & (WAYS - 1)] = address;
	set->seen[oldest & (WAYS - 1)] = now_ns & ~1ull;
	return 0;
}

INLINE void forget(u64 address)
{
	struct set *set = set_of(address);

	/* Another CPU may be giving the place to another buffer. */
	for (u32 way = 0; way < WAYS; way++)
		if (set->address[way] == address)
			__sync_val_compare_and_swap(&set->address[way], address, 0);
}

INLINE int is_same_name(const volatile u64 *wanted, const u64 *name)
{
	return wanted[0] == name[0] && wanted[1] == name[1];
}

INLINE int is_chosen_interface(u64 device)
{
	u64 name[2] = {};

	if (!device ||
	    bpf_probe_read_kernel(name, 16, (void *)(device + OFFSET(net_device, name))))
		return 0;
	for (u32 at = 0; at < MOST_INTERFACES; at++)
		if (at < settings.interfaces &&
		    is_same_name(settings.interface_name[at], name))
			return 1;
	return 0;
}

INLINE int is_chosen_namespace(const struct place *place, u64 device)
{
	u64 net = 0;
	u32 netns;

	if (device)
		net = READ_ADDRESS(net_device, device, nd_net.net);
	netns = net ? READ(net, net, ns.inum) : 0;
	if (!netns)
		netns = netns_of_socket(READ_ADDRESS(sk_buff, place->skb, sk));
	if (!netns)
		return 0;
	for (u32 at = 0; at < MOST_NAMESPACES; at++)
		if (at < settings.namespaces && settings.namespace[at] == netns)
			return 1;
	return 0;
}

INLINE int is_chosen_process(const struct place *place)
{
	u64 name[2] = {};

	if (!place->context || !is_of_task(place))
		return 0;
	if (settings.process && bpf_get_current_pid_tgid() >> 32 != settings.process)
		return 0;
	if (!settings.by_process_name)
		return 1;
	bpf_get_current_comm(name, sizeof(name));
	return is_same_name(settings.process_name, name);
}

/* Ethernet with two VLAN tags. */
#define LONGEST_LINK_HEADER 22

/* The packet that was found not to fit on this CPU last: where it shows up next, it is not looked
 * at again, once.
 */
struct judged {
	u64 skb;
	u32 length;
	u32 unused[13];
} judged[MOST_CPUS] SEC(".bss.judged");

INLINE struct judged *judged_here(void)
{
	return &judged[bpf_get_smp_processor_id() & (MOST_CPUS - 1)];
}

/* Whether nothing is to be done for the buffer at a point of this role. Most runs end here. */
INLINE int is_passed_over(u64 skb, u32 role)
{
	struct judged *last;
	u64 is_known;

	if (!settings.selective || find(skb))
		return 0;
	if (settings.judges_once && role & (ENDS | PICKS_AGAIN | REWRITES)) {
		last = judged_here();
		is_known = last->skb == skb;
		if (is_known || role & REWRITES)
			last->skb = 0;
		/* Longer by more than a link header is another packet. */
		if (role & PICKS_AGAIN && is_known &&
		    READ(sk_buff, skb, len) - last->length <= LONGEST_LINK_HEADER)
			return 1;
	}
	if (role & PICKS_CLONES)
		return !are_followed;
	return !(role & PICKS);
}

/* Fills in where the packet lies, and what is beside it. */
INLINE int describe(struct packet *packet, const struct place *place, u64 device)
{
	u64 skb = place->skb;
	struct bytes bytes;
	u64 tail;

	packet->mark = READ(sk_buff, skb, mark);
	if ((packet->mark & settings.mark_mask) != settings.mark)
		return 0;
	bytes = find_bytes(skb, place->role);
	if (!settings.filtered)
		return is_ip(skb, &bytes);
	if (!bytes.size)
		return 0;
	if (device)
		packet->interface = READ(net_device, device, ifindex);
	packet->layer = NETWORK_LAYER;
	if (bytes.link >= 14 && bytes.link <= 22 &&
	    (!device || READ(net_device, device, type) == ARPHRD_ETHER))
		packet->layer = LINK_LAYER;
	else
		bytes.from += bytes.link;
	tail = READ_ADDRESS(sk_buff, skb, head) + READ(sk_buff, skb, tail);
	packet->start = bytes.from;
	packet->linear = tail - bytes.from;
	packet->length = READ(sk_buff, skb, len) + (READ_ADDRESS(sk_buff, skb, data) - bytes.from);
	packet->queue = READ(sk_buff, skb, queue_mapping);
	packet->protocol = __builtin_bswap16(READ(sk_buff, skb, protocol));
	packet->packet_type = READ_BITS(sk_buff, skb, pkt_type);
	packet->tag_present = has_tag(skb);
	packet->tag = READ(sk_buff, skb, vlan_tci);
	return 1;
}

/* Whether a packet that is not followed fits. */
INLINE int is_chosen(const struct place *place)
{
	u64 device = device_of(place);
	struct packet packet;

	__builtin_memset(&packet, 0, __builtin_offsetof(struct packet, window));
	/* Of Linux 6.3, since when memory on the stack need not be written first. */
	if (!bpf_cpumask_create)
		__builtin_memset(packet.window, 0, sizeof(packet.window));
	if ((settings.process || settings.by_process_name) && !is_chosen_process(place))
		return 0;
	if (settings.namespaces && !is_chosen_namespace(place, device))
		return 0;
	if (settings.interfaces && !is_chosen_interface(device))
		return 0;
	return describe(&packet, place, device) &&
	       (!settings.filtered || packet_filter(&packet));
}

/* Whether it is in a gap of INPUT, and not at a function there. */
INLINE int is_at_input(const struct place *place)
{
	return place->hook == HOOK_INPUT && place->kind == KIND_SEEN;
}

/* Whether an entry of the table is still of the packet that it was made for. */
INLINE int is_current(volatile u64 *seen, const struct place *place, u64 now_ns)
{
	u64 before = *seen;
	u64 stage = before & 1;

	if (is_at_input(place))
		stage = ARRIVED;
	*seen = (now_ns & ~1ull) | stage;
	if (!is_at_input(place) && place->role & PICKS && !(place->role & ENDS) &&
	    stage == ARRIVED)
		return 0;
	/* Another CPU's clock may be ahead. */
	return (s64)(now_ns - (before & ~1ull)) < (s64)STALE_NS;
}

/* Whether the packet is followed, from here on at the latest. */
NOINLINE int is_wanted(struct place *place)
{
	u64 head, skb = place->skb;
	volatile u64 *seen = find(skb);
	struct judged *last;

	if (seen) {
		place->now_ns = bpf_ktime_get_ns();
		if (is_current(seen, place, place->now_ns))
			return 1;
		forget(skb);
	}
	head = READ_ADDRESS(sk_buff, skb, head);
	if (place->role & PICKS_CLONES) {
		if (!find(head))
			return 0;
	} else if (!(place->role & PICKS)) {
		return 0;
	}
	if (!is_chosen(place)) {
		last = judged_here();
		last->skb = place->role & ENDS ? 0 : skb;
		last->length = READ(sk_buff, skb, len);
		return 0;
	}
	if (!(place->role & ENDS)) {
		if (!place->now_ns)
			place->now_ns = bpf_ktime_get_ns();
		follow(skb, place->now_ns);
		follow(head, place->now_ns);
	}
	return 1;
}

/* The buffer is freed; its data too, unless a clone has it. */
NOINLINE int leave(u64 skb)
{
	u64 head = READ_ADDRESS(sk_buff, skb, head);
	u64 shared = head + READ(sk_buff, skb, end);

	forget(skb);
	/* The low half counts the buffers, the high half those that only have its payload. */
	if ((READ(skb_shared_info, shared, dataref.counter) & 0xffff) <= 1)
		forget(head);
	return 0;
}
