/* Counts the packets that match at three tracepoints and, where the kernel allows it, a function,
 * by what they begin with. Uses the header of the trace programs, and fills it in another way.
 */
#include "filter.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

enum { EXISTS = 2 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct net_device___here {
	s32 ifindex;
	u16 type;
};

struct sk_buff___here {
	struct net_device___here *dev;
	u32 len;
	u32 data_len;
	u16 queue_mapping;
	u8 pkt_type : 3;
	u8 vlan_present : 1;
	u32 mark;
	u32 vlan_all;
	u16 vlan_tci;
	u16 protocol;
	u16 network_header;
	u16 mac_header;
	u32 tail;
	unsigned char *head;
	unsigned char *data;
};
#pragma clang attribute pop

/* At place, layer: how many packets matched, and how many there were. */
struct counts {
	u64 matched[2];
	u64 all[2];
};

struct {
	UINT(type, 2);
	UINT(max_entries, 4);
	TYPE(key, u32);
	TYPE(value, struct counts);
} counts SEC(".maps");

#define BITS(skb, field)                                                                \
	({                                                                              \
		u64 bits_ = 0;                                                          \
		bpf_probe_read_kernel(&bits_, 1, (void *)(skb) +                        \
			__builtin_preserve_field_info((skb)->field, FIELD_BYTE_OFFSET)); \
		bits_ <<= __builtin_preserve_field_info((skb)->field, FIELD_LSHIFT_U64); \
		bits_ >> __builtin_preserve_field_info((skb)->field, FIELD_RSHIFT_U64); \
	})

INLINE int describe(struct packet *packet, struct sk_buff___here *skb, int received)
{
	u64 head = (u64)skb->head;
	u64 tail = head + skb->tail;
	u64 network = received ? (u64)skb->data : head + skb->network_header;
	u64 link = head + skb->mac_header;
	u16 type = skb->dev->type;

	packet->layer = NETWORK_LAYER;
	packet->start = network;
	if (skb->mac_header != 0xffff && (type == 1 || type == 772) && network - link >= 14 &&
	    network - link <= 22) {
		packet->layer = LINK_LAYER;
		packet->start = link;
	}
	if (packet->start < head || packet->start >= tail)
		return 0;
	packet->linear = tail - packet->start;
	packet->length = packet->linear + skb->data_len;
	packet->interface = skb->dev->ifindex;
	packet->mark = skb->mark;
	packet->queue = skb->queue_mapping;
	packet->protocol = __builtin_bswap16(skb->protocol);
	packet->packet_type = BITS(skb, pkt_type);
	/* A bit until 6.1. */
	if (__builtin_preserve_field_info(skb->vlan_present, EXISTS))
		packet->tag_present = BITS(skb, vlan_present);
	else
		packet->tag_present = skb->vlan_all != 0;
	packet->tag = skb->vlan_tci;
	return 1;
}

INLINE int count(u32 place, void *skb, int received)
{
	struct packet packet = {};
	struct counts *counts_ = bpf_map_lookup_elem(&counts, &place);
	u32 layer;

	if (!counts_ || !describe(&packet, skb, received))
		return 0;
	layer = packet.layer & 1;
	__sync_fetch_and_add(&counts_->all[layer], 1);
	if (packet_filter(&packet))
		__sync_fetch_and_add(&counts_->matched[layer], 1);
	return 0;
}

SEC("tp_btf/netif_receive_skb") int received(u64 *ctx)
{
	return count(0, (void *)ctx[0], 1);
}

SEC("tp_btf/net_dev_start_xmit") int sent(u64 *ctx)
{
	return count(1, (void *)ctx[0], 0);
}

SEC("tp_btf/kfree_skb") int dropped(u64 *ctx)
{
	return count(2, (void *)ctx[0], 0);
}

/* (net, sk, skb) */
SEC("fentry/ip_output") int output(u64 *ctx)
{
	return count(3, (void *)ctx[2], 0);
}

static long (*const bpf_skb_vlan_push)(void *skb, u16 protocol, u16 tag) = (void *)18;

/* Puts a tag beside each packet that leaves. */
SEC("tc") int tag(void *skb)
{
	bpf_skb_vlan_push(skb, __builtin_bswap16(0x8100), 0x204d);
	return 0;
}
