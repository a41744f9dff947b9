//! Blocks made as the kernel makes them, and what is read of them.

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

/// A block of frames with the given times, each of `len` bytes of its own.
pub(crate) fn numbered(times: &[u64], len: usize) -> Vec<u8> {
    let data: Vec<Vec<u8>> = (0..times.len()).map(|at| vec![at as u8; len]).collect();
    let frame = |(ns, data)| Made { ns, data, ..PLAIN };
    let frames: Vec<Made<'_>> = (times.iter().copied().zip(data.iter().map(Vec::as_slice)))
        .map(frame)
        .collect();
    block(&frames)
}

fn walker(link: Link) -> Walker {
    Walker {
        snaplen: MAX_CAPLEN,
        link,
    }
}

fn walk(walker: &Walker, memory: &mut [u8], count: u32) -> (Vec<FrameInfo>, Found) {
    let mut frames = Vec::new();
    let interface = |index| {
        assert_eq!(index, 7);
        1
    };
    let found = walker.walk(memory, (0, count), interface, |_, info, _| {
        frames.push(info)
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
    assert_eq!((frames[1].queue, frames[1].interface), (None, 1));
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
                let keep = |_: &mut [u8], info, _| frames.push(info);
                let found = walker(link).walk(&mut memory, (0, 3), |_| 0, keep);
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
            let keep = |_: &mut [u8], info, _| frames.push(info);
            let found = walker(link).walk(&mut memory, (first, 1), |_| 0, keep);
            assert!(found.unreadable == 1 || frames.len() == 1);
        }
    }
}
