/* Programs that report packets at tracepoints and between the tables of netfilter.
 *
 * Owns where a program runs and what its context holds. Which packets are followed, and what is
 * told of them, is in choose.h and report.h; what an event means is not decided here.
 */
#include "report.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* A tracepoint whose argument `at`, from 0, is the buffer. The number is the row of SLOTS. */
#define POINT(number, name, at, roles)                                   \
	SEC("raw_tp/" #name) int tp_##name(u64 *ctx)                     \
	{                                                                \
		struct place place = {                                   \
			.skb = ctx[at],                                  \
			.context = (u64)ctx,                             \
			.slot = number,                                  \
			.role = roles,                                   \
		};                                                       \
		observe(&place);                                          \
		return 0;                                                \
	}

POINT(0, napi_gro_receive_entry, 0, RECEIVED | PICKS)
POINT(1, netif_receive_skb, 0, RECEIVED | PICKS)
POINT(2, netif_rx, 0, RECEIVED)
POINT(3, net_dev_queue, 0, PICKS)
POINT(4, net_dev_start_xmit, 0, PASS)
POINT(7, skb_copy_datagram_iovec, 0, NO_DEVICE | PICKS_CLONES)
POINT(8, qdisc_enqueue, 2, PASS)
POINT(9, qdisc_dequeue, 3, PASS)
POINT(10, tcp_retransmit_skb, 1, NO_DEVICE)
POINT(11, tcp_send_reset, 1, PASS)
POINT(12, tcp_probe, 1, NO_DEVICE)
POINT(13, tcp_bad_csum, 0, PICKS)
POINT(14, icmp_send, 0, PASS)
POINT(15, sock_rcvqueue_full, 1, NO_DEVICE)
POINT(16, udp_fail_queue_rcv_skb, 2, PASS)

SEC("raw_tp/kfree_skb") int tp_kfree_skb(u64 *ctx)
{
	struct place place = {
		.skb = ctx[0],
		.context = (u64)ctx,
		.value = ctx[1],
		.reason = ctx[2],
		.kind = KIND_DROPPED,
		.slot = 5,
		.role = ENDS | NO_DEVICE | PICKS,
	};

	observe(&place);
	return 0;
}

SEC("raw_tp/consume_skb") int tp_consume_skb(u64 *ctx)
{
	struct place place = {
		.skb = ctx[0],
		.context = (u64)ctx,
		.slot = 6,
		.role = ENDS | NO_DEVICE,
	};

	observe(&place);
	return 0;
}

/* A program is told of data. The buffer may be gone already, so it is not touched: it is the one
 * that this CPU is delivering, if that is for this socket. On many kernels no tracepoint sees a
 * small datagram after this.
 */
SEC("raw_tp/sk_data_ready") int tp_sk_data_ready(u64 *ctx)
{
	report_socket(ctx[0], 17);
	return 0;
}

/* At the first two hooks the device is where the packet came from, else where it will leave. The
 * context is read, not accessed, so that what it holds are numbers.
 */
INLINE void report_hook(struct bpf_nf_ctx *ctx, u16 slot)
{
	u64 addresses[2];
	struct place place = { .slot = slot, .role = NO_DEVICE };

	if (bpf_probe_read_kernel(addresses, sizeof(addresses), ctx))
		return;
	place.skb = addresses[1];
	place.hook = READ(nf_hook_state, addresses[0], hook);
	place.family = READ(nf_hook_state, addresses[0], pf);
	if (place.hook < 2)
		place.device = (u64)READ(nf_hook_state, addresses[0], in);
	else
		place.device = (u64)READ(nf_hook_state, addresses[0], out);
	/* Where packets begin, and where they may have become others. */
	if (place.hook == HOOK_OUTPUT || place.hook == HOOK_INPUT)
		place.role |= PICKS;
	observe(&place);
}

/* An observer of a netfilter hook: one program for each priority, since a program is not told
 * at which it runs. It always accepts.
 */
#define GAP(number)                                                      \
	SEC("netfilter") int nf_##number(struct bpf_nf_ctx *ctx)         \
	{                                                                \
		report_hook(ctx, 100 + number);                          \
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
