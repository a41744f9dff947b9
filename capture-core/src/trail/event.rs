//! An event: one packet seen at one point at one time.
//!
//! Owns what a point reports. How it came out of the kernel is the source's.

use super::hook::Hook;
use super::packet::Packet;
use super::point::PointId;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Who runs while the packet is at the point, for itself and not interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process id (thread group).
    pub pid: u32,
    /// The thread that runs.
    pub thread: u32,
    /// The number of its cgroup: the inode of its directory in cgroup2, 0 if it is not known.
    pub cgroup: u64,
    /// Its name.
    pub name: Name,
}

/// The name of a thread, 15 bytes at most, without memory of its own.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Name([u8; 16]);

impl Name {
    /// From bytes that a zero may end.
    pub fn new(bytes: &[u8]) -> Self {
        let mut name = [0; 16];
        let text = bytes.iter().take(15).take_while(|byte| **byte != 0);
        for (to, from) in name.iter_mut().zip(text) {
            *to = *from;
        }
        Self(name)
    }

    /// Whether it is `name`, which may have been cut to fit.
    pub fn is_start_of(&self, name: &str) -> bool {
        let (own, name) = (self.as_str().as_bytes(), name.as_bytes());
        name == own || own.len() == 15 && name.starts_with(own)
    }

    /// The name; `?` if it is no text.
    pub fn as_str(&self) -> &str {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or(&[]);
        std::str::from_utf8(text).unwrap_or("?")
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The bytes of a packet as they were at a point, cut at the snap length. They are a part of
/// memory that events share.
#[derive(Clone, Default)]
pub struct Frame {
    memory: Option<Arc<Vec<u8>>>,
    range: Range<usize>,
    link_bytes: usize,
    device_type: u16,
}

impl Frame {
    /// The bytes `range` of `memory`, of which `link_bytes` lie before the network header.
    /// `device_type` is the kernel's ARPHRD number.
    pub fn new(
        memory: Arc<Vec<u8>>,
        range: Range<usize>,
        link_bytes: usize,
        device_type: u16,
    ) -> Self {
        Self {
            memory: Some(memory),
            range,
            link_bytes,
            device_type,
        }
    }

    /// All that was copied: from the link header on, where there is one.
    pub fn bytes(&self) -> &[u8] {
        let memory = self.memory.as_deref();
        memory
            .and_then(|memory| memory.get(self.range.clone()))
            .unwrap_or(&[])
    }

    /// The bytes from the network header on.
    pub fn network(&self) -> &[u8] {
        self.bytes().get(self.link_bytes..).unwrap_or(&[])
    }

    /// Bytes of the link header, 0 where it is not made yet or the device has none.
    pub fn link_bytes(&self) -> usize {
        self.link_bytes
    }

    /// The kernel's number for the kind of device (`ARPHRD_ETHER` is 1), 0 if it is not known.
    pub fn device_type(&self) -> u16 {
        self.device_type
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        (self.bytes(), self.link_bytes, self.device_type)
            == (other.bytes(), other.link_bytes, other.device_type)
    }
}

impl Eq for Frame {}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.range.len())
    }
}

/// What is known of the transport checksum (`skb->ip_summed`, include/linux/skbuff.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// Nothing: it has to be verified.
    #[default]
    None,
    /// Verified.
    Unnecessary,
    /// The device summed all bytes.
    Complete,
    /// Only the pseudo header is summed: a device or software has to complete it.
    Partial,
}

impl Checksum {
    /// From the kernel's number.
    pub fn from_kernel(number: u8) -> Self {
        match number & 3 {
            0 => Self::None,
            1 => Self::Unnecessary,
            2 => Self::Complete,
            _ => Self::Partial,
        }
    }
}

/// What happens to the buffer beyond what the point's role says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Happening {
    /// Nothing.
    #[default]
    Seen,
    /// It is thrown away.
    Dropped {
        /// The kernel's name without SKB_DROP_REASON_, or a subsystem's own.
        reason: String,
        /// The function that did it; empty if it is not known.
        function: String,
    },
    /// It was made from another buffer: clone, copy, segment, fragment.
    MadeFrom {
        /// The address of that buffer.
        parent: u64,
    },
    /// Its data went into another buffer (receive offload, coalescing).
    MergedInto {
        /// The address of that buffer.
        target: u64,
    },
    /// The function of an earlier event returned. Nothing else is known: the buffer may be gone.
    Returned(Returned),
    /// A hook of netfilter, or a table there, judges it.
    Judged {
        /// The hook, if it is one of the five.
        hook: Option<Hook>,
        /// The table; empty for a whole hook.
        table: Name,
        /// The chain; empty where tables have none of their own.
        chain: Name,
    },
    /// A queueing discipline of a device has it.
    Queued {
        /// Its name, as tc(8) calls it.
        discipline: Name,
    },
    /// IPVS sends it to a server.
    Balanced {
        /// The virtual service.
        service: SocketAddr,
        /// The server that was chosen.
        server: SocketAddr,
        /// How.
        forwarding: Forwarding,
    },
}

/// How IPVS sends to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Forwarding {
    /// The destination is rewritten, and answers come back this way.
    Nat,
    /// The server is this host.
    Local,
    /// The packet is wrapped.
    Tunnel,
    /// To the server's link address: nothing is rewritten.
    Direct,
    /// Not at all: it goes to its destination.
    Bypass,
}

impl Forwarding {
    /// From the kernel's number (`IP_VS_CONN_F_FWD_MASK`, include/uapi/linux/ip_vs.h).
    pub fn from_kernel(number: u8) -> Self {
        match number & 7 {
            0 => Self::Nat,
            1 => Self::Local,
            2 => Self::Tunnel,
            3 => Self::Direct,
            _ => Self::Bypass,
        }
    }

    /// The name, as ipvsadm's manual has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nat => "NAT",
            Self::Local => "local",
            Self::Tunnel => "tunnel",
            Self::Direct => "direct routing",
            Self::Bypass => "bypass",
        }
    }
}

/// What kind of socket a packet is sent by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sender {
    /// A connection.
    Tcp,
    /// Datagrams of UDP.
    Udp,
    /// Echo requests without privilege (`net.ipv4.ping_group_range`).
    IcmpDatagram,
    /// Of a protocol that the program makes itself.
    Raw,
    /// Whole frames.
    Packet,
    /// Another.
    Other,
}

impl Sender {
    /// From the kernel's numbers: `AF_*`, `SOCK_*`, `IPPROTO_*`. `None` where there is none.
    pub fn from_kernel(family: u8, kind: u8, protocol: u16) -> Option<Self> {
        Some(match (family, kind, protocol) {
            (0, ..) | (_, 0, _) => return None,
            (17, ..) => Self::Packet,
            (_, 1, 6) => Self::Tcp,
            (_, 2, 17) => Self::Udp,
            (_, 2, 1 | 58) => Self::IcmpDatagram,
            (_, 3, _) => Self::Raw,
            _ => Self::Other,
        })
    }

    /// The kind of socket in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP socket",
            Self::Udp => "UDP socket",
            Self::IcmpDatagram => "ICMP datagram socket",
            Self::Raw => "raw socket",
            Self::Packet => "packet socket",
            Self::Other => "other socket",
        }
    }
}

/// What a function returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Returned {
    /// A number.
    Number(i64),
    /// An address, 0 for none.
    Address(u64),
}

/// One packet at one point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since 1970, by one clock for all CPUs that never steps back.
    pub time_ns: u64,
    /// The CPU that reported it.
    pub cpu: u32,
    /// Its number among this CPU's events, from 0.
    pub sequence: u64,
    /// Events of this CPU that are missing right before it, for want of room in its ring: they may
    /// have been of any packet.
    pub lost_before: u64,
    /// The point.
    pub point: PointId,
    /// The address of the buffer: its identity while it lives.
    pub skb: u64,
    /// The address of the data, which clones share; 0 if it is not known.
    pub head: u64,
    /// What happens to it.
    pub happening: Happening,
    /// The index of the interface, 0 for none.
    pub interface: u32,
    /// The inode of the network namespace, 0 if it is not known.
    pub netns: u32,
    /// Who runs, if it is somebody.
    pub process: Option<Process>,
    /// The packet mark.
    pub mark: u32,
    /// Bytes in the buffer.
    pub length: u32,
    /// Of these, the bytes that lie in pages and not behind the headers.
    pub paged: u32,
    /// Bytes of each segment, 0 for a packet that is none of many.
    pub segment_size: u16,
    /// How many segments it is, 0 or 1 for a packet that is none of many.
    pub segments: u16,
    /// The queue of the device.
    pub queue: u16,
    /// The checksum's state.
    pub checksum: Checksum,
    /// The EtherType, in the host's order.
    pub protocol: u16,
    /// The VLAN tag that was taken off or is yet to be put on: its EtherType, priority and number.
    pub vlan: Option<(u16, u16)>,
    /// The address of the socket that the buffer belongs to: its identity while it lives.
    pub socket: u64,
    /// What kind of socket that is, where it sends the packet.
    pub sender: Option<Sender>,
    /// The headers, if they could be read.
    pub packet: Option<Packet>,
    /// The bytes that were copied, if they are wanted.
    pub frame: Frame,
}

impl Event {
    /// An event that says only where, when and which buffer.
    pub fn new(time_ns: u64, point: PointId, skb: u64) -> Self {
        Self {
            time_ns,
            cpu: 0,
            sequence: 0,
            lost_before: 0,
            point,
            skb,
            head: 0,
            happening: Happening::Seen,
            interface: 0,
            netns: 0,
            process: None,
            mark: 0,
            length: 0,
            paged: 0,
            segment_size: 0,
            segments: 0,
            queue: 0,
            checksum: Checksum::None,
            protocol: 0,
            vlan: None,
            socket: 0,
            sender: None,
            packet: None,
            frame: Frame::default(),
        }
    }
}
