/* Programs that report packets at tracepoints and between the tables of netfilter.
 *
 * Owns where a program runs and what its context holds. Which packets are followed, and what is
 * told of them, is in choose.h and report.h; what an event means is not decided here.
 */
#include "device.h"
#include "report.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* A tracepoint whose argument `at`, from 0, is the buffer. The number is the row of SLOTS. */
#define POINT(number, name, at, roles)                                   \
	SEC("raw_tp/" #name) int tp_##name(u64 *ctx)                     \
	{                                                                \
		if (is_counted() || is_passed_over(ctx[at], roles))      \
			return 0;                                        \
		struct place place = {                                   \
			.skb = ctx[at],                                  \
			.context = (roles) & TASK ? (u64)ctx : 0,        \
			.slot = number,                                  \
			.role = roles,                                   \
		};                                                       \
		observe(&place);                                          \
		return 0;                                                \
	}

POINT(0, napi_gro_receive_entry, 0, RECEIVED | PICKS)
POINT(1, netif_receive_skb, 0, RECEIVED | PICKS)
POINT(2, netif_rx, 0, RECEIVED)
POINT(3, net_dev_queue, 0, PICKS | PICKS_AGAIN | TASK)
POINT(4, net_dev_start_xmit, 0, PASS)
POINT(7, skb_copy_datagram_iovec, 0, NO_DEVICE | PICKS_CLONES | TASK)
POINT(10, tcp_retransmit_skb, 1, NO_DEVICE | TASK)
POINT(11, tcp_send_reset, 1, PASS)
POINT(12, tcp_probe, 1, NO_DEVICE)
POINT(13, tcp_bad_csum, 0, PICKS)
POINT(14, icmp_send, 0, TASK)
POINT(15, sock_rcvqueue_full, 1, NO_DEVICE | TASK)
POINT(16, udp_fail_queue_rcv_skb, 2, PASS)
POINT(18, napi_gro_frags_entry, 0, RECEIVED)
POINT(19, netif_receive_skb_entry, 0, RECEIVED)
POINT(20, netif_receive_skb_list_entry, 0, RECEIVED)
POINT(21, netif_rx_entry, 0, RECEIVED)
POINT(22, net_dev_xmit, 0, NO_DEVICE)
POINT(23, tcp_hash_bad_header, 1, NO_DEVICE)
POINT(24, tcp_hash_md5_mismatch, 1, NO_DEVICE)

/* The same at a queueing discipline, which is the first argument. */
#define QUEUE(number, name, at)                                          \
	SEC("raw_tp/" #name) int tp_##name(u64 *ctx)                     \
	{                                                                \
		if (is_counted() || is_passed_over(ctx[at], PASS))       \
			return 0;                                        \
		struct place place = {                                   \
			.skb = ctx[at],                                  \
			.value = ctx[0],                                 \
			.kind = KIND_QUEUED,                             \
			.slot = number,                                  \
			.role = PASS,                                    \
		};                                                       \
		observe(&place);                                          \
		return 0;                                                \
	}

QUEUE(8, qdisc_enqueue, 2)
QUEUE(9, qdisc_dequeue, 3)

SEC("raw_tp/kfree_skb") int tp_kfree_skb(u64 *ctx)
{
	if (is_counted() || is_passed_over(ctx[0], ENDS | PICKS))
		return 0;
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
	if (is_counted() || is_passed_over(ctx[0], ENDS))
		return 0;
	struct place place = {
		.skb = ctx[0],
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
	if (is_counted())
		return 0;
	report_socket(ctx[0], 17);
	return 0;
}

/* What may become of a packet at a hook: where packets begin, and where they may have become
 * others, they are looked at.
 */
INLINE u32 role_of_hook(u8 hook)
{
	/* At INPUT a packet is looked at in any case: reassembly or a program at ingress may have made
	 * another of it.
	 */
	if (hook == HOOK_OUTPUT || hook == HOOK_INPUT)
		return NO_DEVICE | PICKS;
	return NO_DEVICE | REWRITES;
}

/* At the first two hooks the device is where the packet came from, else where it will leave. The
 * context (`struct bpf_nf_ctx`: state, buffer) is read as two numbers, since the verifier allows
 * more with numbers than with pointers of its own.
 */
INLINE void report_hook(void *ctx, u16 slot)
{
	struct place place = { .slot = slot };
	u64 state;

	if (is_counted())
		return;
	state = READ(timespec64, ctx, tv_sec);
	place.skb = READ(timespec64, ctx, tv_nsec);
	place.hook = READ(nf_hook_state, state, hook);
	place.role = role_of_hook(place.hook);
	if (is_passed_over(place.skb, place.role))
		return;
	place.family = READ(nf_hook_state, state, pf);
	if (place.hook < 2)
		place.device = READ_ADDRESS(nf_hook_state, state, in);
	else
		place.device = READ_ADDRESS(nf_hook_state, state, out);
	observe(&place);
}

/* An observer of a netfilter hook: one program for each priority, since a program is not told
 * at which it runs. It always accepts.
 */
#define GAP(number)                                                      \
	SEC("netfilter") int nf_##number(void *ctx)                      \
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

/* What a program at a function is told: slot, role, which argument is the state of a hook (from 1)
 * and what tells the table, whether the exit of the function is watched; the way to the buffer, its
 * argument (from 0) and an offset. Made in functions.rs.
 */
#define SLOT(cookie) ((u16)(cookie))
#define ROLE(cookie) ((u8)((cookie) >> 16))
#define STATE(cookie) ((cookie) >> 24 & 15)
#define JUDGE(cookie) ((cookie) >> 28 & 3)
#define EXITS(cookie) ((cookie) >> 30 & 1)
#define WAY(cookie) ((u8)((cookie) >> 32))
/* The number of the argument that tells the table, from 0. */
#define TABLE(cookie) (JUDGE(cookie) == TABLE_XT ? 0 : 1)
#define BUFFER(cookie) ((cookie) >> 40 & 0xff)
#define BEHIND(cookie) ((cookie) >> 48)

/* Which hook a function is called for. */
INLINE void read_state(struct place *place, u64 state)
{
	place->hook = READ(nf_hook_state, state, hook);
	place->family = READ(nf_hook_state, state, pf);
	place->kind = KIND_JUDGED;
	place->context = 0;
}

/* Where the names of a table and a chain are. */
INLINE void read_table(struct place *place, u64 cookie, u64 table)
{
	place->context = 0;
	if (JUDGE(cookie) == TABLE_XT && EXISTS(xt_table, name)) {
		place->value = table + OFFSET(xt_table, name);
	} else if (JUDGE(cookie) == TABLE_NFT && EXISTS(nft_chain, table)) {
		place->context = READ_ADDRESS(nft_chain, table, name);
		table = READ_ADDRESS(nft_chain, table, table);
		place->value = READ_ADDRESS(nft_table, table, name);
	} else if (JUDGE(cookie) == TABLE_IPVS) {
		place->value = table;
		place->kind = KIND_BALANCED;
	}
}

/* The way from an argument to the buffer. */
INLINE u64 read_way(struct place *place, u64 cookie, u64 argument)
{
	if (JUDGE(cookie) == TABLE_NFT && EXISTS(nft_chain, table))
		read_state(place, READ_ADDRESS(nft_pktinfo, argument, state));
	if (WAY(cookie) == WAY_DIRECT)
		return argument;
	return READ(timespec64, argument + BEHIND(cookie), tv_sec);
}

/* An argument from the registers at the entry of a function; those behind lie on the stack. */
INLINE u64 argument_of(void *ctx, u32 number)
{
	u64 value = 0, stack = 0;

	if (number < machine.register_count) {
		bpf_probe_read_kernel(&value, 8, ctx + machine.registers[number & 7]);
		return value;
	}
	bpf_probe_read_kernel(&stack, 8, ctx + machine.stack_pointer);
	stack += machine.stack_skip + 8 * (number - machine.register_count);
	bpf_probe_read_kernel(&value, 8, (void *)stack);
	return value;
}

INLINE void observe_probe(void *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	struct place place = {
		.context = (u64)ctx,
		.slot = SLOT(cookie),
		.role = ROLE(cookie),
	};

	if (is_counted())
		return;
	place.skb = read_way(&place, cookie, argument_of(ctx, BUFFER(cookie)));
	if (is_passed_over(place.skb, ROLE(cookie)))
		return;
	if (STATE(cookie))
		read_state(&place, argument_of(ctx, STATE(cookie) - 1));
	if (JUDGE(cookie))
		read_table(&place, cookie, argument_of(ctx, TABLE(cookie)));
	observe(&place);
}

SEC("kprobe.multi") int fn_multi(void *ctx)
{
	observe_probe(ctx);
	return 0;
}

SEC("kprobe") int fn_probe(void *ctx)
{
	observe_probe(ctx);
	return 0;
}

/* The address of a context as a number: the verifier knows it as a pointer. */
INLINE u64 number_of(void *ctx)
{
	u64 pointer = (u64)ctx, number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &pointer);
	return number;
}

/* A function of its own, for the stack: a filter needs most of it. */
NOINLINE int remember_call(void *ctx, u64 skb)
{
	u64 call = number_of(ctx);

	bpf_map_update_elem(&calls, &call, &skb, 0);
	return 0;
}

/* Loaded once for each function, with these instructions. */
SEC("fentry/ip_rcv") int fn_entry(void *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	u64 argument = 0;
	struct place place = {
		.context = (u64)ctx,
		.slot = SLOT(cookie),
		.role = ROLE(cookie),
	};

	if (is_counted())
		return 0;
	bpf_get_func_arg(ctx, BUFFER(cookie), &argument);
	place.skb = read_way(&place, cookie, argument);
	if (is_passed_over(place.skb, ROLE(cookie)))
		return 0;
	if (STATE(cookie)) {
		bpf_get_func_arg(ctx, STATE(cookie) - 1, &argument);
		read_state(&place, argument);
	}
	if (JUDGE(cookie)) {
		bpf_get_func_arg(ctx, TABLE(cookie), &argument);
		read_table(&place, cookie, argument);
	}
	if (observe(&place) && EXITS(cookie))
		remember_call(ctx, place.skb);
	return 0;
}

/* The same at the exit of a function whose entry was reported. */
SEC("fexit/ip_rcv") int fn_exit(void *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	u64 call = number_of(ctx), value = 0, skb;
	u64 *known;

	if (is_counted())
		return 0;
	known = bpf_map_lookup_elem(&calls, &call);
	if (!known)
		return 0;
	skb = *known;
	bpf_map_delete_elem(&calls, &call);
	bpf_get_func_ret(ctx, &value);
	report_return(skb, cookie, value);
	return 0;
}
