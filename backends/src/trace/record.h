/* What an event is on its way to user space. Read by record.rs, which owns the same layout.
 *
 * Owns the layout alone.
 */
#pragma once

/* What `value` of a record is. */
enum kind {
	KIND_SEEN = 0,
	/* The address of the code that freed the packet. */
	KIND_DROPPED = 1,
	/* The return value of the function; `reason` is 1 if it is an address. Nothing else is known of
	 * the buffer, which may be gone.
	 */
	KIND_RETURNED = 2,
	/* The buffer that this one was made from. */
	KIND_MADE_FROM = 3,
	/* The buffer that this one's data went into. */
	KIND_MERGED = 4,
	/* A hook or table judges it: `hook` and `family` are of the hook, `value` and `cgroup` are the
	 * name of the table and `process_name` that of its chain, where they are known.
	 */
	KIND_JUDGED = 5,
	/* IPVS sends it to a server: `value` and `cgroup` are the address of the server and
	 * `process_name` that of the service, `reason` their ports (server, service), as in the frame;
	 * `hook` is how it is sent, `family` theirs.
	 */
	KIND_BALANCED = 6,
	/* A queueing discipline has it: `value` and `cgroup` are its name. */
	KIND_QUEUED = 7,
};

struct record {
	u64 time_ns;
	u64 sequence;
	u64 skb;
	u64 head;
	u64 value;
	u64 cgroup;
	/* The address of the socket that the buffer belongs to. */
	u64 socket;
	u32 netns;
	u32 interface;
	/* The task that runs, if this is done for it and not in an interrupt; else 0. */
	u32 thread;
	u32 process;
	u32 mark;
	u32 length;
	/* Of `length`, what lies in pages. */
	u32 paged;
	u32 reason;
	u16 slot;
	u16 cpu;
	u16 gso_size;
	u16 gso_segments;
	u16 queue;
	/* As in the frame: big-endian. */
	u16 protocol;
	u16 vlan_protocol;
	u16 vlan_tag;
	/* ARPHRD_* of the device. */
	u16 device_type;
	/* Bytes of `data` before the network header. */
	u16 link_bytes;
	u16 data_bytes;
	u8 checksum;
	u8 hook;
	u8 family;
	u8 kind;
	/* Of the socket that the packet was sent by, where that is told: IPPROTO_*, SOCK_*, AF_*. */
	u16 socket_protocol;
	u8 socket_type;
	u8 socket_family;
	u8 unused[2];
	char interface_name[16];
	char process_name[16];
	u8 data[];
};
