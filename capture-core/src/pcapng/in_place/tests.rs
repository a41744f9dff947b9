//! What is laid out in place, read back, is what the copying encoder writes.

use super::*;
use crate::pcapng::Section;
use crate::read::Reader;
use crate::{Batch, Flags, Interface, LinkType, Marks};
use std::sync::Arc;

/// A frame as it is in a file.
type Seen = (u64, u32, u32, u32, Option<u32>, u32, Vec<u8>);

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

fn interfaces() -> Vec<Interface> {
    let interface = |name: &str| Interface {
        name: name.into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    vec![interface("eth0"), interface("eth1")]
}

fn encoder(snaplen: u32) -> (Encoder, Vec<u8>) {
    let mut encoder = Encoder::new(Section::default()).with_snaplen(snaplen);
    let mut out = Vec::new();
    encoder.section(&mut out);
    encoder.interfaces(&interfaces(), &mut out).unwrap();
    (encoder, out)
}

/// Memory as a ring block of the kernel is: a frame every so many bytes, its
/// data `room` bytes or more behind the frame before. What lies between is not
/// zero, and must not be in a file.
struct Made {
    memory: Vec<u8>,
    frames: Vec<FrameInfo>,
}

const STALE: u8 = 0xee;

impl Made {
    fn new() -> Self {
        let (memory, frames) = (Vec::new(), Vec::new());
        Self { memory, frames }
    }

    fn frame(&mut self, dice: &mut Dice, room: usize, len: usize) {
        let number = self.frames.len();
        self.memory.resize(self.memory.len() + room, STALE);
        let offset = self.memory.len() as u32;
        self.memory
            .extend((0..len).map(|at| (number + at) as u8 & 0x7f));
        self.memory
            .resize(self.memory.len().next_multiple_of(8), STALE);
        let flags = [Flags::default(), Flags::INBOUND, Flags::OUTBOUND];
        self.frames.push(FrameInfo {
            timestamp_ns: 1_700_000_000_000_000_000 + number as u64 * 1000,
            offset,
            caplen: len as u32,
            len: len as u32 + 4,
            interface: dice.below(2) as u32,
            lost_before: if dice.one_in(4) { 7 } else { 0 },
            queue: dice.one_in(2).then_some(3),
            flags: flags[dice.below(3)],
            ..FrameInfo::default()
        });
    }

    /// A block as the kernel fills it: 84 bytes before the data of each frame,
    /// 80 where a tag was put back.
    fn ring(dice: &mut Dice, count: usize, longest: usize) -> Self {
        let mut made = Self::new();
        for _ in 0..count {
            let len = 1 + dice.below(longest);
            let tag = if dice.one_in(3) { 4 } else { 0 };
            made.frame(dice, 84 - tag, len);
            if tag != 0
                && let Some(info) = made.frames.last_mut()
            {
                info.marks = Marks::VLAN_RESTORED;
            }
        }
        made
    }

    fn copied(&self, snaplen: u32) -> Vec<Seen> {
        let (encoder, mut out) = encoder(snaplen);
        let batch = Batch::new(
            self.memory.clone(),
            self.frames.clone(),
            Arc::new(interfaces()),
        );
        for frame in batch.iter() {
            encoder.frame(&frame, &mut out);
        }
        read(&out)
    }
}

fn read(file: &[u8]) -> Vec<Seen> {
    let mut reader = Reader::new();
    reader.push(file);
    let mut seen = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        for frame in batch.iter() {
            let info = frame.info;
            assert_eq!(frame.options, [], "padding is not an option to keep");
            seen.push((
                info.timestamp_ns,
                info.len,
                info.interface,
                info.lost_before,
                info.queue,
                info.flags.0,
                frame.data.to_vec(),
            ));
        }
        assert_eq!(batch.notes, []);
    }
    reader.end().unwrap();
    seen
}

/// A layout to test, whether it is the better one or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Spread,
    Packed,
}

/// Lays out, checks the file, and returns the length.
fn check(made: &Made, snaplen: u32, layout: Option<Wanted>) -> Option<usize> {
    let (encoder, mut file) = encoder(snaplen);
    let mut memory = made.memory.clone();
    let len = match layout {
        None => encoder.in_place(&made.frames, &mut memory),
        Some(wanted) => {
            encoder.sums(&made.frames, memory.len())?;
            let snaplen = encoder.snaplen();
            let stay = match wanted {
                Wanted::Packed => 0,
                Wanted::Spread => staying(&made.frames, snaplen, memory.len()),
            };
            let (stay, packed) = made.frames.split_at(stay);
            let end = spread(stay, snaplen, &mut memory).unwrap();
            Some(pack(packed, snaplen, end, &mut memory).unwrap())
        }
    };
    let Some(len) = len else {
        assert_eq!(memory, made.memory, "untouched");
        return None;
    };
    assert!(len.is_multiple_of(4));
    // Two may stand in a number.
    let old = memory[..len]
        .windows(3)
        .position(|bytes| bytes == [STALE; 3]);
    assert_eq!(old, None, "old memory in the file");
    memory.resize(len + 8192, STALE);
    let padded = pad_to(4096, len, &mut memory).unwrap();
    assert!(padded.is_multiple_of(4096) && padded < len + 4096 + 12);
    file.extend_from_slice(&memory[..padded]);
    assert_eq!(read(&file), made.copied(snaplen), "{layout:?}");
    Some(len)
}

#[test]
fn ring_blocks_say_the_same_in_either_layout() {
    let mut dice = Dice(1);
    for round in 0..400 {
        let count = 1 + dice.below(60);
        let longest = [64, 300, 1514, 9000][round % 4];
        let mut made = Made::ring(&mut dice, count, longest);
        let snaplen = [0, 0, 68, 200][dice.below(4)];
        // The kernel fills a block to its end.
        made.memory
            .resize(made.memory.len() + dice.below(3) * 8, STALE);
        let spread = check(&made, snaplen, Some(Wanted::Spread));
        let packed = check(&made, snaplen, Some(Wanted::Packed));
        let chosen = check(&made, snaplen, None);
        // The last frame may end where the memory does, and there is room before it.
        assert!(spread.is_some() && packed.is_some() && chosen.is_some());
        assert!(packed <= spread);
        assert!(chosen == packed || chosen == spread);
    }
}

#[test]
fn frames_that_a_filter_took_out_leave_padding() {
    let mut dice = Dice(2);
    for round in 0..200 {
        let mut made = Made::ring(&mut dice, 80, 1514);
        let keep_one_in = 2 + round % 30;
        made.frames.retain(|_| dice.one_in(keep_one_in));
        // What is taken out is not to be found again.
        let mut memory = vec![STALE; made.memory.len()];
        for info in &made.frames {
            let range = info.offset as usize..(info.offset + info.caplen) as usize;
            memory[range.clone()].copy_from_slice(&made.memory[range]);
        }
        made.memory = memory;
        for layout in [None, Some(Wanted::Spread), Some(Wanted::Packed)] {
            assert!(check(&made, 0, layout).is_some());
        }
    }
}

#[test]
fn any_memory_gives_the_same_frames_or_is_left_alone() {
    let mut dice = Dice(3);
    let mut refused = 0;
    for _ in 0..3000 {
        let mut made = Made::new();
        for _ in 0..1 + dice.below(12) {
            let room = 30 + dice.below(100);
            let len = dice.below(120);
            made.frame(&mut dice, room, len);
        }
        if dice.one_in(5) {
            let (one, other) = (dice.below(made.frames.len()), dice.below(made.frames.len()));
            made.frames.swap(one, other);
        }
        for layout in [None, Some(Wanted::Spread), Some(Wanted::Packed)] {
            refused += usize::from(check(&made, 0, layout).is_none());
        }
    }
    assert!((1000..8000).contains(&refused), "{refused} of 9000");
}

#[test]
fn large_frames_stay_and_small_ones_are_packed() {
    let layout_of = |len: usize| {
        let mut made = Made::new();
        let mut dice = Dice(4);
        for _ in 0..50 {
            made.frame(&mut dice, 84, len);
        }
        let chosen = check(&made, 0, None);
        match chosen == check(&made, 0, Some(Wanted::Packed)) {
            true => Wanted::Packed,
            false => Wanted::Spread,
        }
    };
    assert_eq!(layout_of(60), Wanted::Packed);
    assert_eq!(layout_of(1514), Wanted::Spread);
}

#[test]
fn what_has_no_place_is_left_to_the_copying_encoder() {
    let mut dice = Dice(5);
    let made = Made::ring(&mut dice, 3, 100);
    let (encoder, _) = encoder(0);
    let spoil: [fn(&mut FrameInfo); 5] = [
        |info| info.offset = u32::MAX,
        |info| info.caplen = u32::MAX,
        |info| info.block = 1,
        |info| info.options_len = 4,
        |info| info.interface = 2,
    ];
    for spoil in spoil {
        for at in 0..3 {
            let (mut frames, mut memory) = (made.frames.clone(), made.memory.clone());
            spoil(&mut frames[at]);
            assert_eq!(encoder.in_place(&frames, &mut memory), None);
            assert_eq!(memory, made.memory);
        }
    }
    assert_eq!(encoder.in_place(&[], &mut []), Some(0));
}

#[test]
fn padding_reaches_the_next_unit_or_the_one_after() {
    for len in (0..600).step_by(4) {
        let mut memory = vec![STALE; 2048];
        let end = pad_to(512, len, &mut memory).unwrap();
        assert!(end.is_multiple_of(512) && end - len < 512 + 12);
        let (_, mut file) = encoder(0);
        file.extend_from_slice(&memory[len..end]);
        assert_eq!(read(&file), []);
    }
    assert_eq!(pad_to(512, 508, &mut [0; 600]), None);
}
