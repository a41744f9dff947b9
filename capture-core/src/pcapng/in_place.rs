//! Frames to pcapng where they lie: headers go into the space before and after
//! each frame, so that the block of memory itself can be written.
//!
//! Owns where each block begins and what fills the space between. It works on
//! plain memory; what the space was used for before is the business of whoever
//! made the frames' index: nothing here reads it.
//!
//! There are two ways to lay a block of memory out. *Spread*, the data stays
//! where it is and the space before the next frame becomes a padding option.
//! *Packed*, each frame moves down to the end of the one before, which costs a
//! copy of its data and saves the padding. Space at the front becomes padding
//! blocks, so that what is written always begins where the memory begins.

use super::block::{self, PACKET_HEAD, PADDING_BLOCK};
use super::encode::{Encoder, TAIL, Tail, packet_head};
use super::options::padding as pad_len;
use crate::FrameInfo;

/// Type, length and length again.
const FRAMING: usize = block::FRAMING;
/// The length after a block's options.
const TRAILER: usize = 4;
/// The end of options.
const END: usize = 4;
/// A custom option without a value: code, length, enterprise.
const EMPTY_OPTION: usize = 8;
/// Most bytes of one padding option or block: well below what readers allow.
const MOST_PADDING: usize = 32 << 10;
/// Packing is worth it where it saves a byte for each this many it moves.
const MOVED_FOR_SAVED: usize = 8;

/// How a block of memory is laid out: the first so many frames stay where they
/// are, those after them are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    stay: usize,
}

/// What a layout needs.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Bytes from the beginning of the memory to the end of the last block.
    len: usize,
    /// Bytes of data that change their place.
    moved: usize,
}

/// Where one frame's block goes.
#[derive(Clone, Copy)]
struct Place {
    /// Where the data is.
    from: usize,
    /// Bytes of data.
    data: usize,
    /// Bytes of the block, if nothing fills space.
    total: usize,
}

impl Place {
    /// `None` if the data is not in the memory.
    #[inline]
    fn of(info: &FrameInfo, snaplen: u32, memory: usize) -> Option<Self> {
        let (from, captured) = (info.offset as usize, info.caplen as usize);
        if captured > memory.checked_sub(from)? || info.block != 0 || info.options_len != 0 {
            return None;
        }
        let data = info.caplen.min(snaplen) as usize;
        let options = options_len(info);
        let end = if options == 0 { 0 } else { END };
        let total = PACKET_HEAD + data + pad_len(data) + options + end + TRAILER;
        Some(Self { from, data, total })
    }
}

impl Layout {
    const PACKED: Self = Self { stay: 0 };

    /// Where the block of the frame `number` begins, given where the block
    /// before ends. `None` if there is no room for it in front of the data.
    #[inline]
    fn begin(self, number: usize, end: usize, place: &Place, memory: usize) -> Option<usize> {
        let head = place.from.checked_sub(PACKET_HEAD)?;
        if head < end {
            return None;
        }
        let stays = number < self.stay
            && head.is_multiple_of(4)
            // Less space than this cannot be filled.
            && (head == end || head - end >= FRAMING)
            && head + place.total <= memory;
        Some(if stays { head } else { end })
    }

    /// What the layout needs; `None` if it is not possible. Since every block
    /// ends before the data of all frames after it, and 28 bytes before, none
    /// is overwritten that is still to be moved, in whatever order they lie.
    fn size(self, frames: &[FrameInfo], snaplen: u32, memory: usize) -> Option<Size> {
        let mut size = Size::default();
        for (number, info) in frames.iter().enumerate() {
            let place = Place::of(info, snaplen, memory)?;
            let begin = self.begin(number, size.len, &place, memory)?;
            if begin + PACKET_HEAD != place.from {
                size.moved += place.data;
            }
            size.len = begin + place.total;
            if size.len > memory {
                return None;
            }
        }
        Some(size)
    }
}

/// The layout that leaves most frames where they are. What follows the data of
/// the last may not fit the memory; then it and some before it move down, since
/// there is space to gain before each.
fn spread(frames: &[FrameInfo], snaplen: u32, memory: usize) -> Option<(Layout, Size)> {
    [0, 4, 64].into_iter().find_map(|last| {
        let stay = frames.len().saturating_sub(last);
        let layout = Layout { stay };
        Some((layout, layout.size(frames, snaplen, memory)?))
    })
}

/// Bytes of the options that stand for what is known of a frame.
#[inline]
fn options_len(info: &FrameInfo) -> usize {
    let flags = if info.flags.0 == 0 { 0 } else { 8 };
    let drops = if info.lost_before == 0 { 0 } else { 12 };
    let queue = if info.queue.is_none() { 0 } else { 8 };
    flags + drops + queue
}

impl Encoder {
    /// Turns memory into pcapng where it lies: `frames`, all of block 0, become
    /// enhanced packet blocks from the beginning of `memory` on. Returns how
    /// many bytes, a multiple of 4, are to be written.
    ///
    /// What is written says the same as [`frame`](Self::frame) would, and has
    /// padding as well where the frames are far apart; where little of it is
    /// data the frames are moved together. Nothing of what `memory` held
    /// between the frames remains.
    ///
    /// `None`, and the memory as it was, where that is not possible: too little
    /// space between frames, or frames that lie in another order; options
    /// carried from a file; an interface that the file does not have.
    pub fn in_place(&self, frames: &[FrameInfo], memory: &mut [u8]) -> Option<usize> {
        let snaplen = self.snaplen();
        let packed = Layout::PACKED.size(frames, snaplen, memory.len())?;
        let layout = match spread(frames, snaplen, memory.len()) {
            Some((layout, size)) if !is_worth_packing(size, packed) => layout,
            _ => Layout::PACKED,
        };
        let known = self.interface_count();
        if frames.iter().any(|info| info.interface >= known) {
            return None;
        }
        layout.put(frames, snaplen, memory)
    }
}

impl Layout {
    /// Lays the frames out, which has been found possible.
    fn put(self, frames: &[FrameInfo], snaplen: u32, memory: &mut [u8]) -> Option<usize> {
        let room = memory.len();
        let mut frames = frames.iter();
        let mut number = 0;
        let Some(mut info) = frames.next() else {
            return Some(0);
        };
        let mut place = Place::of(info, snaplen, room)?;
        let mut begin = self.begin(number, 0, &place, room)?;
        fill_with_blocks(memory.get_mut(..begin)?);
        loop {
            let end = begin + place.total;
            number += 1;
            let next = match frames.next() {
                Some(info) => {
                    let place = Place::of(info, snaplen, room)?;
                    Some((info, place, self.begin(number, end, &place, room)?))
                }
                None => None,
            };
            let space = next.map_or(0, |(_, _, next)| next - end);
            put(memory, info, &place, begin, space)?;
            match next {
                Some(next) => (info, place, begin) = next,
                None => return Some(end),
            }
        }
    }
}

/// Whether it is cheaper to move the data than to write the space between.
fn is_worth_packing(spread: Size, packed: Size) -> bool {
    let saved = spread.len.saturating_sub(packed.len);
    let moved = packed.moved.saturating_sub(spread.moved);
    saved.saturating_mul(MOVED_FOR_SAVED) > moved
}

/// Writes one block at `begin`, and fills `space` bytes behind it.
#[inline]
fn put(
    memory: &mut [u8],
    info: &FrameInfo,
    place: &Place,
    begin: usize,
    space: usize,
) -> Option<()> {
    let data_at = begin + PACKET_HEAD;
    if data_at != place.from {
        memory.copy_within(place.from..place.from + place.data, data_at);
    }
    let by_option = (FRAMING..=MOST_PADDING).contains(&space);
    let own = options_len(info);
    // With padding there is an end of options, without options there was none.
    let filled = match (by_option, own) {
        (false, _) => 0,
        (true, 0) => space - END,
        (true, _) => space,
    };
    let total = place.total + if by_option { space } else { 0 };
    let head = packet_head(info, info.interface, place.data, total);
    *memory.get_mut(begin..)?.first_chunk_mut()? = head;

    let mut tail = Tail::after(place.data);
    tail.describe(info);
    if filled != 0 {
        tail.begin_padding((filled - EMPTY_OPTION) as u16);
    }
    let tail_at = data_at + place.data;
    let tail_end = tail_at + tail.len();
    if filled != 0 {
        let rest = tail_end + filled - EMPTY_OPTION;
        memory
            .get_mut(tail_at..tail_end)?
            .copy_from_slice(tail.as_slice());
        memory.get_mut(tail_end..rest)?.fill(0);
        let mut close = [0; END + TRAILER];
        close[END..].copy_from_slice(&(total as u32).to_le_bytes());
        *memory.get_mut(rest..)?.first_chunk_mut()? = close;
        return Some(());
    }
    tail.close(own != 0, total as u32);
    let tail_end = tail_at + tail.len();
    memory
        .get_mut(tail_at..tail_end)?
        .copy_from_slice(tail.as_slice());
    if space != 0 && !by_option {
        fill_with_blocks(memory.get_mut(tail_end..tail_end + space)?);
    }
    Some(())
}

/// Fills memory with padding blocks: its length is 0, or 12 or more and a
/// multiple of 4. Readers limit the length of a block, so there may be many.
fn fill_with_blocks(memory: &mut [u8]) {
    memory.fill(0);
    let mut rest = memory;
    while !rest.is_empty() {
        // What remains must be long enough for a block again.
        let len = match rest.len() {
            len if len <= MOST_PADDING => len,
            len if len < MOST_PADDING + FRAMING => MOST_PADDING - FRAMING,
            _ => MOST_PADDING,
        };
        let (block, after) = rest.split_at_mut(len);
        let total = (len as u32).to_le_bytes();
        for (place, word) in block
            .chunks_exact_mut(4)
            .zip([PADDING_BLOCK.to_le_bytes(), total])
        {
            place.copy_from_slice(&word);
        }
        if let Some(last) = block.last_chunk_mut() {
            *last = total;
        }
        rest = after;
    }
}

/// Fills memory behind the last block with padding blocks, up to a multiple of
/// `unit` bytes (a power of two, 16 or more), for disks that take nothing else.
/// `len` bytes of it are written; returns how many there are then, or `None` if
/// the memory does not reach that far.
pub fn pad_to(unit: usize, len: usize, memory: &mut [u8]) -> Option<usize> {
    let mut end = len.checked_next_multiple_of(unit)?;
    if (1..FRAMING).contains(&(end - len)) {
        end += unit;
    }
    fill_with_blocks(memory.get_mut(len..end)?);
    Some(end)
}

// Every option that a frame can have fits the room for its tail.
const _: () = assert!(TAIL >= 3 + 28 + EMPTY_OPTION);

#[cfg(test)]
mod tests;
