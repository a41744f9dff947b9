//! Reading the frames of a ring block where they lie.
//!
//! Owns the layout of a TPACKET_V3 frame (`linux/if_packet.h`: `struct
//! tpacket3_hdr`, then `struct sockaddr_ll`), putting VLAN tags and cooked
//! headers back in front of the data, and turning the kernel's status into frame
//! flags. Works on plain memory: no offset found there is used unchecked.

mod ahead;

use ahead::Ahead;
use pktrail_core::{Flags, FrameInfo, Marks};

/// Bytes the kernel writes at the front of each frame that are read here.
const HEADER: usize = 48 + 20;
/// The smallest distance from one frame to the next.
pub(super) const SMALLEST_FRAME: usize = 96;
/// Length of the cooked header, version 2.
pub(crate) const SLL2: usize = 20;
/// Length of a VLAN tag.
const TAG: usize = 4;
/// Bytes of an Ethernet header before the tag.
const TWO_ADDRESSES: usize = 12;
/// What capture files may hold of a frame.
pub(crate) const MAX_CAPLEN: u32 = 262_144;

const CSUM_NOT_READY: u32 = 1 << 3;
const VLAN_VALID: u32 = 1 << 4;
const VLAN_TPID_VALID: u32 = 1 << 6;
const CSUM_VALID: u32 = 1 << 7;
const GSO_TCP: u32 = 1 << 8;
const TS_RAW_HARDWARE: u32 = 1 << 31;

/// How frames of a ring are to be read.
#[derive(Clone, Debug)]
pub(crate) struct Walker {
    /// Most bytes of a frame to keep.
    pub(crate) snaplen: u32,
    /// What stands before the network header.
    pub(crate) link: Link,
}

/// What stands before the network header in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// An Ethernet header.
    Ethernet,
    /// Something else that the kernel leaves as it is.
    Other,
    /// Nothing: a cooked header is to be written there.
    Cooked,
}

/// What a walk found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Frames that the block announces and that could not be read, since the
    /// place where they should be is not inside the block.
    pub(crate) unreadable: u32,
    /// Whether a frame is older than the one before.
    pub(crate) unordered: bool,
}

impl Walker {
    /// Reads `count` frames, the first at `first` in `memory`, one after the other.
    /// `interface` gives the index in the batch's table for the kernel's interface
    /// index. `take` gets the memory, the frame, and where what is still to be read
    /// begins: before that it may write.
    #[inline]
    pub(crate) fn walk(
        &self,
        memory: &mut [u8],
        (first, count): (usize, u32),
        mut interface: impl FnMut(u32) -> u32,
        mut take: impl FnMut(&mut [u8], FrameInfo, usize),
    ) -> Found {
        let mut found = Found::default();
        let mut at = first;
        let mut youngest = 0;
        let mut ahead = Ahead::default();
        for done in 0..count {
            let Some((mut info, ifindex, next)) = self.frame(memory, at) else {
                found.unreadable = count - done;
                break;
            };
            info.interface = interface(ifindex);
            found.unordered |= info.timestamp_ns < youngest;
            youngest = info.timestamp_ns;
            // A distance of almost 4 GiB is caught by the next frame's checks.
            at = match next {
                0 => memory.len(),
                next => at + next as usize,
            };
            take(memory, info, at);
            if next == 0 {
                found.unreadable = count - done - 1;
                break;
            }
            ahead.look(memory, at, next as usize);
        }
        found
    }

    /// One frame: what is known of it, its interface and the distance to the
    /// next. `None` if any part of it lies outside the memory. Always a part of
    /// the loop around it: what is known of a frame stays in registers there.
    #[inline(always)]
    fn frame(&self, memory: &mut [u8], at: usize) -> Option<(FrameInfo, u32, u32)> {
        let memory = memory.get_mut(at..)?;
        let header: &[u8; HEADER] = memory.first_chunk()?;
        let status = u32_at(header, 20);
        let mac = usize::from(u16_at(header, 24));
        let captured = u32_at(header, 12);
        let (ifindex, next) = (u32_at(header, 52), u32_at(header, 0));
        // Room for what may be put back before the data.
        let room_from = mac.checked_sub(HEADER)?;
        memory.get(mac..mac.checked_add(captured as usize)?)?;
        let mut info = FrameInfo {
            timestamp_ns: u64::from(u32_at(header, 4)) * 1_000_000_000
                + u64::from(u32_at(header, 8)),
            caplen: captured,
            len: u32_at(header, 16).max(captured),
            flags: flags(status, header[58]),
            ..FrameInfo::default()
        };
        if status & TS_RAW_HARDWARE != 0 {
            info.marks = info.marks.with(Marks::HARDWARE_TIMESTAMP);
        }
        let grown = if status & VLAN_VALID == 0 && self.link != Link::Cooked {
            0
        } else {
            let header = *header;
            let (grown, is_tagged) = self.put_back(memory, &header, room_from)?;
            if is_tagged {
                info.marks = info.marks.with(Marks::VLAN_RESTORED);
            }
            grown
        };
        info.offset = u32::try_from(at + mac - grown).ok()?;
        let grown = u32::try_from(grown).ok()?;
        info.caplen = (info.caplen + grown).min(self.snaplen);
        info.len = info.len.saturating_add(grown);
        Some((info, ifindex, next))
    }

    /// Puts back what the kernel took off: a tag, the header of a cooked socket.
    /// Returns by how much the frame grew, and whether that was a tag.
    #[inline(never)]
    fn put_back(
        &self,
        memory: &mut [u8],
        header: &[u8; HEADER],
        room: usize,
    ) -> Option<(usize, bool)> {
        let (status, captured) = (u32_at(header, 20), u32_at(header, 12));
        let mac = usize::from(u16_at(header, 24));
        let tag = (status & VLAN_VALID != 0).then(|| tag(status, header));
        let grown = match (self.link, tag) {
            (Link::Ethernet, Some(tag)) if captured as usize >= TWO_ADDRESSES => {
                restore_tag(memory, mac, room, tag)?
            }
            (Link::Cooked, tag) => write_cooked(memory, mac, room, tag, header)?,
            _ => 0,
        };
        let is_tagged = tag.is_some() && (grown == TAG || grown == SLL2 + TAG);
        Some((grown, is_tagged))
    }
}

/// The kernel's status and packet type, as pcapng writes them.
#[inline]
fn flags(status: u32, packet_type: u8) -> Flags {
    const BY_TYPE: [Flags; 5] = [
        Flags::INBOUND.with(Flags::UNICAST),
        Flags::INBOUND.with(Flags::BROADCAST),
        Flags::INBOUND.with(Flags::MULTICAST),
        Flags::INBOUND.with(Flags::PROMISCUOUS),
        Flags::OUTBOUND,
    ];
    let by_type = BY_TYPE.get(usize::from(packet_type));
    // The bits stand in the same order there, some places further on.
    let not_ready = (status & CSUM_NOT_READY) << 6;
    let others = (status & (CSUM_VALID | GSO_TCP)) << 3;
    Flags(by_type.copied().unwrap_or_default().0 | not_ready | others)
}

const _: () = assert!(CSUM_NOT_READY << 6 == Flags::CHECKSUM_NOT_READY.0);
const _: () = assert!(CSUM_VALID << 3 == Flags::CHECKSUM_VALID.0);
const _: () = assert!(GSO_TCP << 3 == Flags::TCP_SEGMENTATION.0);

/// The tag that the kernel took off: type and control information.
fn tag(status: u32, header: &[u8; HEADER]) -> [u8; TAG] {
    let tpid = if status & VLAN_TPID_VALID != 0 {
        u16_at(header, 36)
    } else {
        0x8100
    };
    // The upper half of the field is padding (`__u32 tp_vlan_tci`).
    let tci = (u32_at(header, 32) & 0xffff) as u16;
    let [a, b] = tpid.to_be_bytes();
    let [c, d] = tci.to_be_bytes();
    [a, b, c, d]
}

/// Moves the two addresses down and puts the tag behind them. Returns by how
/// much the frame grew.
fn restore_tag(memory: &mut [u8], mac: usize, room: usize, tag: [u8; TAG]) -> Option<usize> {
    let start = mac.checked_sub(TAG)?;
    if room < TAG {
        return None;
    }
    memory.copy_within(mac..mac + TWO_ADDRESSES, start);
    let behind = start + TWO_ADDRESSES;
    memory.get_mut(behind..behind + TAG)?.copy_from_slice(&tag);
    Some(TAG)
}

/// Writes a cooked header, version 2, before the payload
/// (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>); a tag that the
/// kernel took off goes between the two, with its type in the protocol field.
fn write_cooked(
    memory: &mut [u8],
    payload: usize,
    room: usize,
    tag: Option<[u8; TAG]>,
    header: &[u8; HEADER],
) -> Option<usize> {
    let grown = if tag.is_some() { SLL2 + TAG } else { SLL2 };
    if room < grown {
        return None;
    }
    let protocol = [header[50], header[51]];
    let start = payload - grown;
    let out = memory.get_mut(start..payload)?;
    out.fill(0);
    out[4..8].copy_from_slice(&u32_at(header, 52).to_be_bytes());
    out[8..10].copy_from_slice(&u16_at(header, 56).to_be_bytes());
    out[10] = header[58];
    out[11] = header[59];
    let address = usize::from(header[59]).min(8);
    out[12..12 + address].copy_from_slice(&header[60..60 + address]);
    match tag {
        None => out[0..2].copy_from_slice(&protocol),
        Some([a, b, c, d]) => {
            out[0..2].copy_from_slice(&[a, b]);
            out[20..22].copy_from_slice(&[c, d]);
            out[22..24].copy_from_slice(&protocol);
        }
    }
    Some(grown)
}

#[inline]
fn u16_at(header: &[u8; HEADER], at: usize) -> u16 {
    u16::from_ne_bytes([header[at], header[at + 1]])
}

#[inline]
fn u32_at(header: &[u8; HEADER], at: usize) -> u32 {
    u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[cfg(test)]
pub(super) mod tests;
