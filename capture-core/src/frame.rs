//! A frame: bytes seen at a point at a time, and what is known about them.

/// What is known about one frame of a [`Batch`](crate::Batch), and where its
/// bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub timestamp_ns: u64,
    /// Which of the batch's blocks holds the bytes.
    pub block: u32,
    /// Where the bytes begin in the block.
    pub offset: u32,
    /// Captured length in bytes.
    pub caplen: u32,
    /// Length on the wire in bytes, at least `caplen` in sound input.
    pub len: u32,
    /// Index in the batch's table of interfaces.
    pub interface: u32,
    /// Frames known to have been lost between the frame before and this one.
    pub lost_before: u32,
    /// Receive queue of the device, where known: packet sockets do not tell it.
    pub queue: Option<u32>,
    /// Direction, reception type, checksum and segmentation state.
    pub flags: Flags,
    /// What pktrail itself noted.
    pub marks: Marks,
    /// Where the other pcapng options of the frame begin in the block:
    /// little-endian, without the end of options, and without those that are
    /// fields here. Only frames read from a file have any.
    pub options_offset: u32,
    /// Length of those options in bytes.
    pub options_len: u32,
}

/// The flags word of the pcapng enhanced packet block (draft-ietf-opsawg-pcapng,
/// section 4.3.1, option 2), bit for bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// The frame was received.
    pub const INBOUND: Self = Self(1);
    /// The frame was sent.
    pub const OUTBOUND: Self = Self(2);
    /// Addressed to this host.
    pub const UNICAST: Self = Self(1 << 2);
    /// Addressed to a group.
    pub const MULTICAST: Self = Self(2 << 2);
    /// Addressed to everyone.
    pub const BROADCAST: Self = Self(3 << 2);
    /// Addressed to somebody else.
    pub const PROMISCUOUS: Self = Self(4 << 2);
    /// The transport checksum is still to be filled in.
    pub const CHECKSUM_NOT_READY: Self = Self(1 << 9);
    /// The kernel or the device has verified the transport checksum.
    pub const CHECKSUM_VALID: Self = Self(1 << 10);
    /// The frame is a TCP segment still to be cut up, or was put together. Live
    /// captures tell since Linux 6.3 (TP_STATUS_GSO_TCP).
    pub const TCP_SEGMENTATION: Self = Self(1 << 11);

    /// The same flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every bit of `other` is set. Not for direction and reception
    /// type, which are numbers, not bits.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Direction: 0 unknown, 1 inbound, 2 outbound.
    pub const fn direction(self) -> u32 {
        self.0 & 3
    }

    /// Reception type: 0 unknown, 1 unicast, 2 multicast, 3 broadcast,
    /// 4 promiscuous.
    pub const fn reception(self) -> u32 {
        (self.0 >> 2) & 7
    }
}

/// What pktrail itself noted about a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub u8);

impl Marks {
    /// Handed on after a younger frame, beyond the merge window.
    pub const LATE: Self = Self(1);
    /// Stamped by the device, not by the kernel.
    pub const HARDWARE_TIMESTAMP: Self = Self(2);
    /// The kernel had taken the outer VLAN tag off; it was put back.
    pub const VLAN_RESTORED: Self = Self(4);

    /// The same marks and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every mark of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One frame of a batch: what is known about it, and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What is known about the frame.
    pub info: &'a FrameInfo,
    /// The captured bytes, from the link layer on.
    pub data: &'a [u8],
    /// The pcapng options the frame came with, little-endian.
    pub options: &'a [u8],
}
