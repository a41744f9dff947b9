//! An event: one packet seen at one point at one time.
//!
//! Owns what a point reports. How it came out of the kernel is the source's.

use super::packet::Packet;
use super::point::PointId;

/// Who runs while the packet is at the point. It need not be who sent it: packets are received
/// in the time of whoever is interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process id (thread group).
    pub pid: u32,
    /// Its name, 15 bytes at most.
    pub name: String,
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
    /// A function returned.
    Returned {
        /// What.
        value: i64,
    },
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
    /// Bytes of each segment, 0 for a packet that is none of many.
    pub segment_size: u16,
    /// The queue of the device.
    pub queue: u16,
    /// The checksum's state.
    pub checksum: Checksum,
    /// The headers, if they could be read.
    pub packet: Option<Packet>,
}

impl Event {
    /// An event that says only where, when and which buffer.
    pub fn new(time_ns: u64, point: PointId, skb: u64) -> Self {
        Self {
            time_ns,
            cpu: 0,
            sequence: 0,
            point,
            skb,
            head: 0,
            happening: Happening::Seen,
            interface: 0,
            netns: 0,
            process: None,
            mark: 0,
            length: 0,
            segment_size: 0,
            queue: 0,
            checksum: Checksum::None,
            packet: None,
        }
    }
}
