//! Frames packed while they are read: each becomes an enhanced packet block as
//! soon as it is found, right behind the one before, in the memory that it lies
//! in. Then there is no index of frames to be made and gone through.
//!
//! Owns when that pays, and how the index is made where somebody needs it after
//! all. What a block looks like is in `in_place`.

use super::block::{EPB_DROPCOUNT, EPB_FLAGS, EPB_QUEUE, PACKET_HEAD};
use super::in_place::{Place, put};
use super::options::{self, padding};
use crate::read::Order;
use crate::{Flags, FrameInfo};

/// Bytes from one frame to the next, on average, up to which moving them costs
/// less than writing the space between.
const MOST_DISTANCE: usize = 440;

/// How a sink wants frames to be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Most bytes of a frame to keep.
    pub snaplen: u32,
}

/// Frames that stand as enhanced packet blocks in the only block of a batch, one
/// right behind the other. Interfaces are numbered as in the batch's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// How many bytes of the memory they take, from its beginning on.
    pub bytes: usize,
    /// How many there are.
    pub frames: usize,
    /// The times of the first and the last, in nanoseconds since 1970.
    pub times: (u64, u64),
}

/// Packs frames one after the other.
#[derive(Debug)]
pub struct Packer {
    snaplen: u32,
    packed: Packed,
}

impl Packer {
    /// Packs frames from the beginning of some memory on, as a sink wants it.
    pub fn new(packing: Packing) -> Self {
        Self {
            snaplen: packing.snaplen,
            packed: Packed::default(),
        }
    }

    /// Whether `frames` that take so many bytes with the space between them are
    /// better packed than left where they are.
    pub fn pays(bytes: usize, frames: usize) -> bool {
        bytes <= frames.saturating_mul(MOST_DISTANCE)
    }

    /// Packs the frame that `info` says is in `memory`. What lies before `until`
    /// may be overwritten. False, and the memory as it was, where that is too
    /// little.
    #[inline(always)]
    pub fn push(&mut self, memory: &mut [u8], info: &FrameInfo, until: usize) -> bool {
        let place = Place::of(info, self.snaplen);
        let begin = self.packed.bytes;
        let end = begin + place.total;
        if (info.offset as usize) < begin + PACKET_HEAD || end > until {
            return false;
        }
        if put(memory, info, &place, begin).is_none() {
            return false;
        }
        if self.packed.frames == 0 {
            self.packed.times.0 = info.timestamp_ns;
        }
        self.packed.times.1 = info.timestamp_ns;
        self.packed.bytes = end;
        self.packed.frames += 1;
        true
    }

    /// What was packed.
    pub fn packed(&self) -> Packed {
        self.packed
    }
}

/// The index of packed frames, read from `memory`, which begins with them.
pub fn unpack(memory: &[u8], packed: Packed) -> Vec<FrameInfo> {
    let memory = memory.get(..packed.bytes).unwrap_or_default();
    let mut frames = Vec::with_capacity(packed.frames);
    let mut at = 0;
    while let Some((info, len)) = read(memory, at) {
        frames.push(info);
        at += len;
    }
    frames
}

/// The frame whose block begins at `at`, and how long that is.
fn read(memory: &[u8], at: usize) -> Option<(FrameInfo, usize)> {
    let block = memory.get(at..)?;
    let head: &[u8; PACKET_HEAD] = block.first_chunk()?;
    let word = |at| Order::Little.u32(head, at);
    let total = word(4) as usize;
    let caplen = word(20);
    let mut info = FrameInfo {
        timestamp_ns: u64::from(word(12)) << 32 | u64::from(word(16)),
        offset: u32::try_from(at + PACKET_HEAD).ok()?,
        caplen,
        len: word(24),
        interface: word(8),
        ..FrameInfo::default()
    };
    let end = total.checked_sub(4).filter(|_| total <= block.len())?;
    let mut option_at = PACKET_HEAD + caplen as usize + padding(caplen as usize);
    while let Ok(Some(option)) = options::next(block, option_at, end, Order::Little) {
        let value = option_at + 4;
        match option.code {
            EPB_FLAGS => info.flags = Flags(Order::Little.u32(block, value)),
            EPB_QUEUE => info.queue = Some(Order::Little.u32(block, value)),
            EPB_DROPCOUNT => info.lost_before = Order::Little.u32(block, value),
            _ => {}
        }
        option_at = option.next;
    }
    Some((info, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE: u8 = 0xee;

    /// Frames in memory with `before` bytes before each.
    fn made(count: usize, before: usize) -> (Vec<u8>, Vec<FrameInfo>) {
        let (mut memory, mut frames) = (Vec::new(), Vec::new());
        for number in 0..count {
            memory.resize(memory.len() + before, STALE);
            let len = 1 + number * 37 % 200;
            frames.push(FrameInfo {
                timestamp_ns: 1_700_000_000_000_000_000 + number as u64 * 1000,
                offset: memory.len() as u32,
                caplen: len as u32,
                len: len as u32 + 9,
                interface: (number % 2) as u32,
                lost_before: if number % 5 == 0 { 3 } else { 0 },
                queue: (number % 7 == 0).then_some(2),
                flags: Flags(number as u32 % 3),
                ..FrameInfo::default()
            });
            memory.extend((0..len).map(|at| (number + at) as u8));
            memory.resize(memory.len().next_multiple_of(8), STALE);
        }
        (memory, frames)
    }

    fn data<'a>(memory: &'a [u8], info: &FrameInfo) -> &'a [u8] {
        &memory[info.offset as usize..][..info.caplen as usize]
    }

    #[test]
    fn what_was_packed_reads_as_it_was() {
        let (mut memory, frames) = made(300, 84);
        let original = memory.clone();
        let mut packer = Packer::new(Packing { snaplen: 150 });
        for (number, info) in frames.iter().enumerate() {
            let until = frames.get(number + 1).map_or(memory.len(), |next| {
                // Where the header of the next would begin.
                next.offset as usize - 84
            });
            assert!(packer.push(&mut memory, info, until), "frame {number}");
        }
        let packed = packer.packed();
        assert_eq!(packed.frames, 300);
        assert_eq!(packed.times.1, frames[299].timestamp_ns);
        let again = unpack(&memory, packed);
        assert_eq!(again.len(), 300);
        for (now, before) in again.iter().zip(&frames) {
            let caplen = before.caplen.min(150);
            assert_eq!(
                data(&memory, now),
                &data(&original, before)[..caplen as usize]
            );
            let expected = FrameInfo {
                offset: now.offset,
                caplen,
                ..*before
            };
            assert_eq!(*now, expected);
        }
    }

    #[test]
    fn what_has_no_room_is_left_as_it_is() {
        let (mut memory, frames) = made(2, 84);
        let mut packer = Packer::new(Packing { snaplen: 150 });
        let before = memory.clone();
        assert!(!packer.push(&mut memory, &frames[0], 40), "the next begins");
        let near = FrameInfo {
            offset: 20,
            ..frames[0]
        };
        assert!(!packer.push(&mut memory, &near, 1000), "no room for a head");
        assert_eq!(memory, before);
        assert_eq!(packer.packed(), Packed::default());
    }

    #[test]
    fn a_cut_or_strange_block_ends_the_index() {
        let (mut memory, frames) = made(3, 84);
        let mut packer = Packer::new(Packing { snaplen: 150 });
        let len = memory.len();
        for info in &frames {
            packer.push(&mut memory, info, len);
        }
        let packed = packer.packed();
        for bytes in 0..packed.bytes {
            let cut = Packed { bytes, ..packed };
            assert!(unpack(&memory, cut).len() < 3, "cut at {bytes}");
        }
        memory[4..8].copy_from_slice(&[0; 4]);
        assert!(unpack(&memory, packed).is_empty());
    }
}
