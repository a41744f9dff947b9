/* Observers at devices: of traffic control, and in front of the buffers (XDP).
 *
 * Owns what these programs are given. They only look: traffic control goes on with its next
 * program, and XDP passes the frame on.
 */
#pragma once

#include "report.h"

/* Go on with the next program, or as if there were none. */
#define TCX_NEXT -1
#define XDP_PASS 2
#define ETHERNET 14
#define ARPHRD_LOOPBACK 772

enum {
	SLOT_TCX_INGRESS = 200,
	SLOT_TCX_EGRESS = 201,
	SLOT_XDP = 202,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct xdp_rxq_info {
	struct net_device *dev;
};

struct xdp_buff {
	void *data;
	void *data_end;
	void *data_hard_start;
	struct xdp_rxq_info *rxq;
};

#pragma clang attribute pop

/* The address of a context as a number, which the verifier knows as a pointer of its own. */
INLINE u64 address_of(void *context)
{
	u64 pointer = (u64)context, address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return address;
}

/* The context is the buffer. */
INLINE int report_at_tc(void *ctx, u16 slot)
{
	if (is_counted())
		return TCX_NEXT;
	struct place place = { .skb = address_of(ctx), .slot = slot, .role = PICKS };

	observe(&place);
	return TCX_NEXT;
}

SEC("tcx/ingress") int tcx_ingress(void *ctx)
{
	return report_at_tc(ctx, SLOT_TCX_INGRESS);
}

SEC("tcx/egress") int tcx_egress(void *ctx)
{
	return report_at_tc(ctx, SLOT_TCX_EGRESS);
}

/* A frame that may have no buffer yet: what is known of it. */
struct frame {
	u64 start;
	u64 device;
	/* Where its memory begins, which will be the buffer's head. */
	u64 head;
	u32 size;
	u16 protocol;
};

/* Whether a frame that is not followed fits. It belongs to no process and has no mark. */
INLINE int is_chosen_frame(const struct frame *frame)
{
	struct packet packet = {};
	struct place nowhere = {};

	if (settings.process || settings.by_process_name || settings.mark)
		return 0;
	if (settings.namespaces && !is_chosen_namespace(&nowhere, frame->device))
		return 0;
	if (settings.interfaces && !is_chosen_interface(frame->device))
		return 0;
	if (!settings.filtered)
		return frame->protocol == IPV4 || frame->protocol == IPV6;
	packet.start = frame->start;
	packet.linear = frame->size;
	packet.layer = LINK_LAYER;
	if (READ(net_device, frame->device, type) != ARPHRD_ETHER) {
		packet.start += ETHERNET;
		packet.linear -= ETHERNET;
		packet.layer = NETWORK_LAYER;
	}
	packet.length = packet.linear;
	packet.interface = READ(net_device, frame->device, ifindex);
	packet.protocol = __builtin_bswap16(frame->protocol);
	return packet_filter(&packet);
}

/* Followed by its data, as clones are: the buffer that it gets is picked up by what picks up. */
INLINE int is_wanted_frame(const struct frame *frame)
{
	return find(frame->head) || is_chosen_frame(frame);
}

NOINLINE int report_frame(const struct frame *frame)
{
	struct record record = { .slot = SLOT_XDP };

	if (settings.selective ? !is_wanted_frame(frame) :
				 frame->protocol != IPV4 && frame->protocol != IPV6)
		return 0;
	record.time_ns = bpf_ktime_get_ns();
	record.head = frame->head;
	record.length = frame->size;
	record.protocol = frame->protocol;
	record.link_bytes = ETHERNET;
	record.data_bytes = frame->size > settings.snap ? settings.snap : frame->size;
	read_device(&record, frame->device);
	emit(&record, frame->start);
	return 0;
}

SEC("xdp") int xdp_observer(void *ctx)
{
	u64 buffer = address_of(ctx);
	struct frame frame = {};
	u64 receiver;
	u16 type;

	if (is_counted())
		return XDP_PASS;
	receiver = READ_ADDRESS(xdp_buff, buffer, rxq);
	frame.start = READ_ADDRESS(xdp_buff, buffer, data);
	frame.size = READ_ADDRESS(xdp_buff, buffer, data_end) - frame.start;
	frame.head = READ_ADDRESS(xdp_buff, buffer, data_hard_start);
	frame.device = READ_ADDRESS(xdp_rxq_info, receiver, dev);
	type = READ(net_device, frame.device, type);
	if (frame.size < ETHERNET || (type != ARPHRD_ETHER && type != ARPHRD_LOOPBACK))
		return XDP_PASS;
	bpf_probe_read_kernel(&frame.protocol, 2, (void *)(frame.start + 12));
	report_frame(&frame);
	return XDP_PASS;
}
