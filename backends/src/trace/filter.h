/* What a filter is told of a packet, and the room for the filter's own instructions.
 *
 * Does not own where a packet begins. `packet_filter` has no meaning until `trace::with_filter`
 * (filter.rs) has put its instructions there, which are made by `SkbFilter` of pktrail-core.
 */
#pragma once

#include "kernel.h"

#define WINDOW 128
/* Instructions; more is a filter that is too large. */
#define FILTER_ROOM 16384

enum {
	LINK_LAYER = 0,
	NETWORK_LAYER = 1,
};

/* The layout is known by capture-core/src/filter/ebpf/skb.rs and backends/src/skb_filter.rs.
 *
 * A packet begins with its Ethernet header where it has one: the device is Ethernet, `mac_header`
 * is set, and 14 to 22 bytes before the network header, which is so neither before the header was
 * made nor after a tunnel's came before it. Else with the network header.
 */
struct packet {
	/* The address of the first byte, and how many bytes can be read there. */
	u64 start;
	u32 linear;
	/* Length from there on, with what is not linear. */
	u32 length;
	u32 layer;
	u32 interface;
	u32 mark;
	u32 queue;
	/* EtherType. */
	u32 protocol;
	u32 packet_type;
	u32 tag_present;
	u32 tag;
	/* Room for what the filter reads at once. A caller need not fill it, but for kernels before
	 * 6.3, memory on the stack must have been written.
	 */
	u8 window[WINDOW];
};

/* 1 if the packet matches. One copy for all programs of an object. It takes 144 bytes of stack
 * at most. What stands here is replaced: it only keeps the room, and the compiler in ignorance.
 */
#define STRING_(x) #x
#define STRING(x) STRING_(x)
__attribute__((noinline)) int packet_filter(struct packet *packet)
{
	int matches;

	asm volatile("%0 = 1\n"
		     ".rept " STRING(FILTER_ROOM) "\n"
		     "goto +0\n"
		     ".endr\n"
		     : "=r"(matches)
		     : "r"(packet)
		     : "memory");
	return matches;
}
