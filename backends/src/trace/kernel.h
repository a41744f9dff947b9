/* The little of the kernel that the trace programs need: types whose fields are found on the
 * running kernel by CO-RE, and helpers by their fixed numbers (include/uapi/linux/bpf.h).
 * Owns no program.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
#define UINT(name, value) int(*name)[value]
#define TYPE(name, value) typeof(value) *name
#define ARRAY(name, value) typeof(value) *name[]

enum {
	MAP_ARRAY_OF_MAPS = 12,
	MAP_PERCPU_ARRAY = 6,
	MAP_LRU_HASH = 9,
	MAP_RINGBUF = 27,
};

/* Flag of bpf_map_update_elem. */
#define NO_EXIST 1
/* Flag of bpf_ringbuf_submit: nobody sleeps on the ring. */
#define NO_WAKEUP 1

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *, const void *, const void *, u64) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_get_current_comm)(void *buffer, u32 size) = (void *)16;
static u64 (*const bpf_get_current_task)(void) = (void *)35;
static u64 (*const bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*const bpf_get_attach_cookie)(void *context) = (void *)174;
static long (*const bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static long (*const bpf_get_func_arg)(void *context, u32 number, u64 *value) = (void *)183;
static long (*const bpf_get_func_ret)(void *context, u64 *value) = (void *)184;
static void *(*const bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;

/* What __builtin_preserve_field_info tells of a field. */
enum {
	FIELD_BYTE_OFFSET = 0,
	FIELD_EXISTS = 2,
	FIELD_LSHIFT_U64 = 4,
	FIELD_RSHIFT_U64 = 5,
};

#define OFFSET(type, field) \
	__builtin_preserve_field_info(((struct type *)0)->field, FIELD_BYTE_OFFSET)
#define EXISTS(type, field) \
	__builtin_preserve_field_info(((struct type *)0)->field, FIELD_EXISTS)

/* Since Linux 6.2: an address as a pointer to a type, through which members are loaded without a
 * call; what cannot be read is 0. Before that, every member costs a call.
 */
extern void *bpf_rdonly_cast(const void *address, u32 type) __attribute__((section(".ksyms"), weak));

/* Only asked for: Linux 6.3 has it. */
extern void *bpf_cpumask_create(void) __attribute__((section(".ksyms"), weak));

#define TYPE_ON_TARGET 1
#define AS(type, address)                                                      \
	((struct type *)bpf_rdonly_cast((void *)(address),                     \
		__builtin_btf_type_id(*(struct type *)0, TYPE_ON_TARGET)))

/* Reads a member of a kernel structure at an address; 0 where it cannot be read. */
#define READ(type, address, field)                                             \
	({                                                                     \
		typeof(((struct type *)0)->field) value = 0;                   \
		if (bpf_rdonly_cast)                                           \
			value = AS(type, address)->field;                      \
		else                                                           \
			bpf_probe_read_kernel(&value, sizeof(value),           \
				(void *)((address) + OFFSET(type, field)));    \
		value;                                                         \
	})

/* The same for a member that is an address: as a number, not as a pointer, with which the verifier
 * would not let be counted.
 */
#define READ_ADDRESS(type, address, field) \
	((u64)READ(timespec64, (address) + OFFSET(type, field), tv_sec))

/* The same for a type of a module, to which no pointer can be made: the lowest 32 bits there. */
#define READ_FAR(type, address, field) \
	((u32)READ(timespec64, (address) + OFFSET(type, field), tv_sec))

/* The same for a member of a few bits. */
#define READ_BITS(type, address, field)                                        \
	({                                                                     \
		u64 bits = 0;                                                  \
		if (bpf_rdonly_cast)                                           \
			bits = *((u8 *)AS(type, address) + OFFSET(type, field)); \
		else                                                           \
			bpf_probe_read_kernel(&bits, 1,                        \
				(void *)((address) + OFFSET(type, field)));    \
		bits <<= __builtin_preserve_field_info(                        \
			((struct type *)0)->field, FIELD_LSHIFT_U64);          \
		bits >> __builtin_preserve_field_info(                         \
			((struct type *)0)->field, FIELD_RSHIFT_U64);          \
	})

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	u32 inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	char name[16];
	s32 ifindex;
	u16 type;
	possible_net_t nd_net;
};

struct sock_common {
	u16 skc_num;
	u16 skc_family;
	u8 skc_state;
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
	u16 sk_type;
	u16 sk_protocol;
};

struct Qdisc_ops {
	char id[16];
};

struct Qdisc {
	const struct Qdisc_ops *ops;
};

typedef struct {
	int counter;
} atomic_t;

struct skb_shared_info {
	atomic_t dataref;
	u16 gso_size;
	u16 gso_segs;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	u32 len;
	u32 data_len;
	u16 queue_mapping;
	u8 pkt_type : 3;
	u8 ip_summed : 2;
	u32 mark;
	u32 vlan_all;
	u16 vlan_proto;
	u16 vlan_tci;
	u16 protocol;
	u16 network_header;
	u16 mac_header;
	u32 tail;
	u32 end;
	unsigned char *head;
	unsigned char *data;
};

/* Before Linux 6.2 a bit says whether there is a tag. */
struct sk_buff___bit {
	u8 vlan_present : 1;
};

struct task_struct {
	void *stack;
};

struct nf_hook_state {
	u8 hook;
	u8 pf;
	struct net_device *in;
	struct net_device *out;
	struct net *net;
};

/* Of modules, which may not be there. */
struct xt_table {
	const char name[32];
};

struct nft_table {
	char *name;
};

struct nft_chain {
	struct nft_table *table;
	char *name;
};

struct nft_pktinfo {
	const struct nf_hook_state *state;
};

/* A connection of IPVS. */
union nf_inet_addr {
	u32 all[4];
};

struct ip_vs_conn {
	u16 vport;
	u16 dport;
	u16 af;
	union nf_inet_addr vaddr;
	union nf_inet_addr daddr;
	u32 flags;
};

/* Two numbers of 64 bits. */
struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

#pragma clang attribute pop
