//! Reading the frames of a ring block where they lie.
//!
//! Owns the layout of a TPACKET_V3 frame (`linux/if_packet.h`: `struct
//! tpacket3_hdr`, then `struct sockaddr_ll`), putting VLAN tags and cooked
//! headers back in front of the data, and turning the kernel's status into frame
//! flags. Works on plain memory: no offset found there is used unchecked.

use pktrail_core::{Flags, FrameInfo, Marks};

/// Bytes the kernel writes at the front of each frame that are read here.
const HEADER: usize = 48 + 20;
/// The smallest distance from one frame to the next.
const SMALLEST_FRAME: usize = 96;
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
    /// What to write down as the queue.
    pub(crate) queue: Option<u32>,
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
    /// Reads `count` frames, the first at `first` in `memory`, to the end of
    /// `frames`. `interface` gives the index in the batch's table for the
    /// kernel's interface index.
    pub(crate) fn walk(
        &self,
        memory: &mut [u8],
        first: usize,
        count: u32,
        frames: &mut Vec<FrameInfo>,
        mut interface: impl FnMut(u32) -> u32,
    ) -> Found {
        let mut found = Found::default();
        // The count is the kernel's, but memory is never asked for on its word.
        frames.reserve((count as usize).min(memory.len() / SMALLEST_FRAME + 1));
        let mut at = first;
        let mut youngest = 0;
        for done in 0..count {
            let Some((mut info, ifindex, next)) = self.frame(memory, at) else {
                found.unreadable = count - done;
                break;
            };
            info.interface = interface(ifindex);
            found.unordered |= info.timestamp_ns < youngest;
            youngest = info.timestamp_ns;
            frames.push(info);
            if next == 0 {
                found.unreadable = count - done - 1;
                break;
            }
            // A distance of almost 4 GiB is caught by the next frame's checks.
            at += next as usize;
        }
        found
    }

    /// One frame: what is known of it, its interface and the distance to the
    /// next. `None` if any part of it lies outside the memory.
    fn frame(&self, memory: &mut [u8], at: usize) -> Option<(FrameInfo, u32, u32)> {
        let memory = memory.get_mut(at..)?;
        let header: [u8; HEADER] = *memory.first_chunk()?;
        let status = u32_at(&header, 20);
        let mac = usize::from(u16_at(&header, 24));
        let captured = u32_at(&header, 12);
        // Room for what may be put back before the data.
        let room_from = mac.checked_sub(HEADER)?;
        memory.get(mac..mac.checked_add(captured as usize)?)?;
        let mut info = FrameInfo {
            timestamp_ns: u64::from(u32_at(&header, 4)) * 1_000_000_000
                + u64::from(u32_at(&header, 8)),
            caplen: captured,
            len: u32_at(&header, 16).max(captured),
            queue: self.queue,
            flags: flags(status, header[58]),
            ..FrameInfo::default()
        };
        if status & TS_RAW_HARDWARE != 0 {
            info.marks = info.marks.with(Marks::HARDWARE_TIMESTAMP);
        }
        let tag = (status & VLAN_VALID != 0).then(|| tag(status, &header));
        let grown = match (self.link, tag) {
            (Link::Ethernet, Some(tag)) if captured as usize >= TWO_ADDRESSES => {
                restore_tag(memory, mac, room_from, tag)?
            }
            (Link::Cooked, tag) => write_cooked(memory, mac, room_from, tag, &header)?,
            _ => 0,
        };
        if tag.is_some() && (grown == TAG || grown == SLL2 + TAG) {
            info.marks = info.marks.with(Marks::VLAN_RESTORED);
        }
        info.offset = u32::try_from(at + mac - grown).ok()?;
        let grown = u32::try_from(grown).ok()?;
        info.caplen = (info.caplen + grown).min(self.snaplen);
        info.len = info.len.saturating_add(grown);
        Some((info, u32_at(&header, 52), u32_at(&header, 0)))
    }
}

/// The kernel's status and packet type, as pcapng writes them.
fn flags(status: u32, packet_type: u8) -> Flags {
    let mut flags = match packet_type {
        0 => Flags::INBOUND.with(Flags::UNICAST),
        1 => Flags::INBOUND.with(Flags::BROADCAST),
        2 => Flags::INBOUND.with(Flags::MULTICAST),
        3 => Flags::INBOUND.with(Flags::PROMISCUOUS),
        4 => Flags::OUTBOUND,
        _ => Flags::default(),
    };
    for (bit, flag) in [
        (CSUM_NOT_READY, Flags::CHECKSUM_NOT_READY),
        (CSUM_VALID, Flags::CHECKSUM_VALID),
        (GSO_TCP, Flags::TCP_SEGMENTATION),
    ] {
        if status & bit != 0 {
            flags = flags.with(flag);
        }
    }
    flags
}

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

fn u16_at(header: &[u8; HEADER], at: usize) -> u16 {
    u16::from_ne_bytes([header[at], header[at + 1]])
}

fn u32_at(header: &[u8; HEADER], at: usize) -> u32 {
    u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as the kernel writes it.
    struct Made<'a> {
        ns: u64,
        status: u32,
        tci: u32,
        tpid: u16,
        packet_type: u8,
        data: &'a [u8],
    }

    const PLAIN: Made<'_> = Made {
        ns: 1_500_000_000_000_000_001,
        status: 1,
        tci: 0,
        tpid: 0,
        packet_type: 0,
        data: &[],
    };
    const MAC: usize = 108;

    /// Lays frames out one after the other at multiples of 16.
    fn block(frames: &[Made<'_>]) -> Vec<u8> {
        let mut memory = Vec::new();
        for (number, made) in frames.iter().enumerate() {
            let size = (MAC + made.data.len()).next_multiple_of(16);
            let mut out = vec![0xaa; size];
            let next = if number + 1 == frames.len() {
                0
            } else {
                size as u32
            };
            out[0..4].copy_from_slice(&next.to_ne_bytes());
            out[4..8].copy_from_slice(&((made.ns / 1_000_000_000) as u32).to_ne_bytes());
            out[8..12].copy_from_slice(&((made.ns % 1_000_000_000) as u32).to_ne_bytes());
            out[12..16].copy_from_slice(&(made.data.len() as u32).to_ne_bytes());
            out[16..20].copy_from_slice(&(made.data.len() as u32 + 10).to_ne_bytes());
            out[20..24].copy_from_slice(&made.status.to_ne_bytes());
            out[24..26].copy_from_slice(&(MAC as u16).to_ne_bytes());
            out[32..36].copy_from_slice(&made.tci.to_ne_bytes());
            out[36..38].copy_from_slice(&made.tpid.to_ne_bytes());
            out[50..52].copy_from_slice(&[0x08, 0x00]);
            out[52..56].copy_from_slice(&7u32.to_ne_bytes());
            out[56..58].copy_from_slice(&1u16.to_ne_bytes());
            out[58] = made.packet_type;
            out[59] = 6;
            out[60..66].copy_from_slice(&[2, 3, 4, 5, 6, 7]);
            out[MAC..MAC + made.data.len()].copy_from_slice(made.data);
            memory.extend_from_slice(&out);
        }
        memory
    }

    fn walker(link: Link) -> Walker {
        Walker {
            snaplen: MAX_CAPLEN,
            link,
            queue: Some(3),
        }
    }

    fn walk(walker: &Walker, memory: &mut [u8], count: u32) -> (Vec<FrameInfo>, Found) {
        let mut frames = Vec::new();
        let found = walker.walk(memory, 0, count, &mut frames, |index| {
            assert_eq!(index, 7);
            1
        });
        (frames, found)
    }

    fn data<'a>(memory: &'a [u8], info: &FrameInfo) -> &'a [u8] {
        &memory[info.offset as usize..][..info.caplen as usize]
    }

    #[test]
    fn frames_are_read_where_they_lie() {
        let first: Vec<u8> = (0..60).collect();
        let mut memory = block(&[
            Made {
                data: &first,
                ..PLAIN
            },
            Made {
                data: &[9; 20],
                ns: PLAIN.ns + 5,
                packet_type: 4,
                ..PLAIN
            },
        ]);
        let (frames, found) = walk(&walker(Link::Ethernet), &mut memory, 2);
        assert_eq!(found, Found::default());
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].timestamp_ns, PLAIN.ns);
        assert_eq!((frames[0].caplen, frames[0].len), (60, 70));
        assert_eq!(frames[0].flags, Flags::INBOUND.with(Flags::UNICAST));
        assert_eq!(frames[1].flags, Flags::OUTBOUND);
        assert_eq!((frames[1].queue, frames[1].interface), (Some(3), 1));
        assert_eq!(data(&memory, &frames[0]), first);
        assert_eq!(data(&memory, &frames[1]), [9; 20]);
    }

    #[test]
    fn vlan_tags_come_back_between_addresses_and_type() {
        let mut frame = vec![1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 0];
        frame.extend_from_slice(&[5; 30]);
        for (status, tpid, expected) in [
            (VLAN_VALID, 0, [0x81, 0, 0x20, 5]),
            (VLAN_VALID | VLAN_TPID_VALID, 0x88a8, [0x88, 0xa8, 0x20, 5]),
        ] {
            let made = Made {
                status,
                tci: 0x2005,
                tpid,
                data: &frame,
                ..PLAIN
            };
            let mut memory = block(&[made]);
            let (frames, _) = walk(&walker(Link::Ethernet), &mut memory, 1);
            let got = data(&memory, &frames[0]);
            assert_eq!(got[..12], frame[..12]);
            assert_eq!(got[12..16], expected);
            assert_eq!(got[16..], frame[12..]);
            assert!(frames[0].marks.has(Marks::VLAN_RESTORED));
            assert_eq!((frames[0].caplen, frames[0].len), (48, 58));
        }
    }

    #[test]
    fn cooked_frames_get_their_header() {
        let tagged = VLAN_VALID | VLAN_TPID_VALID;
        let mut memory = block(&[
            Made {
                data: &[0x45; 40],
                packet_type: 4,
                ..PLAIN
            },
            Made {
                data: &[0x45; 40],
                status: tagged,
                tci: 7,
                tpid: 0x88a8,
                ..PLAIN
            },
        ]);
        let (frames, _) = walk(&walker(Link::Cooked), &mut memory, 2);
        let header = [8, 0, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 2, 3, 4, 5, 6, 7, 0, 0];
        let got = data(&memory, &frames[0]);
        assert_eq!(got[..20], header);
        assert_eq!(got[20..], [0x45; 40]);
        let got = data(&memory, &frames[1]);
        assert_eq!(got[..2], [0x88, 0xa8]);
        assert_eq!(got[20..24], [0, 7, 8, 0]);
        assert_eq!((frames[1].caplen, frames[1].len), (64, 74));
        assert!(frames[1].marks.has(Marks::VLAN_RESTORED));
    }

    #[test]
    fn the_snap_length_holds_for_what_was_put_back_too() {
        let made = Made {
            status: VLAN_VALID,
            tci: 5,
            data: &[1; 64],
            ..PLAIN
        };
        let mut memory = block(&[made]);
        let walker = Walker {
            snaplen: 64,
            ..walker(Link::Ethernet)
        };
        let (frames, _) = walk(&walker, &mut memory, 1);
        assert_eq!((frames[0].caplen, frames[0].len), (64, 78));
    }

    #[test]
    fn status_becomes_flags_and_marks() {
        let status = CSUM_NOT_READY | GSO_TCP | TS_RAW_HARDWARE;
        let mut memory = block(&[Made {
            status,
            data: &[1; 64],
            packet_type: 3,
            ..PLAIN
        }]);
        let (frames, _) = walk(&walker(Link::Ethernet), &mut memory, 1);
        let flags = frames[0].flags;
        assert_eq!((flags.direction(), flags.reception()), (1, 4));
        assert!(flags.has(Flags::CHECKSUM_NOT_READY) && flags.has(Flags::TCP_SEGMENTATION));
        assert!(!flags.has(Flags::CHECKSUM_VALID));
        assert!(frames[0].marks.has(Marks::HARDWARE_TIMESTAMP));
    }

    #[test]
    fn disorder_is_seen() {
        let mut memory = block(&[
            Made {
                ns: 20,
                data: &[1; 20],
                ..PLAIN
            },
            Made {
                ns: 19,
                data: &[1; 20],
                ..PLAIN
            },
        ]);
        assert!(walk(&walker(Link::Ethernet), &mut memory, 2).1.unordered);
    }

    #[test]
    fn a_count_beyond_the_frames_is_not_believed() {
        let mut memory = block(&[Made {
            data: &[1; 20],
            ..PLAIN
        }]);
        let (frames, found) = walk(&walker(Link::Ethernet), &mut memory, u32::MAX);
        assert_eq!((frames.len(), found.unreadable), (1, u32::MAX - 1));
    }

    /// Whatever stands in a header: no panic, and every frame lies in the block.
    #[test]
    fn corrupt_headers_never_lead_outside() {
        let sound = block(&[
            Made {
                data: &[1; 40],
                status: VLAN_VALID,
                ..PLAIN
            },
            Made {
                data: &[2; 40],
                ..PLAIN
            },
            Made {
                data: &[3; 40],
                ..PLAIN
            },
        ]);
        for link in [Link::Ethernet, Link::Other, Link::Cooked] {
            for at in 0..sound.len() - 4 {
                for value in [0, 1, 0x7f, 0xff, 0xffff, 0xffff_fff0, u32::MAX] {
                    let mut memory = sound.clone();
                    memory[at..at + 4].copy_from_slice(&value.to_ne_bytes());
                    let mut frames = Vec::new();
                    let found = walker(link).walk(&mut memory, 0, 3, &mut frames, |_| 0);
                    assert!(frames.len() + found.unreadable as usize >= 3);
                    for info in &frames {
                        let end = info.offset as usize + info.caplen as usize;
                        assert!(end <= memory.len(), "offset {at} value {value}");
                    }
                }
            }
            for first in [1, sound.len() - 1, sound.len(), usize::MAX - 3, usize::MAX] {
                let mut frames = Vec::new();
                let mut memory = sound.clone();
                let found = walker(link).walk(&mut memory, first, 1, &mut frames, |_| 0);
                assert!(found.unreadable == 1 || frames.len() == 1);
            }
        }
    }
}
