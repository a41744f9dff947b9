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

/// Where one frame's block goes.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    /// Where the data is.
    from: usize,
    /// Bytes of data.
    data: usize,
    /// Bytes of options, without their end.
    options: usize,
    /// Bytes of the block, if nothing fills space.
    pub(super) total: usize,
}

impl Place {
    #[inline]
    pub(super) fn of(info: &FrameInfo, snaplen: u32) -> Self {
        let data = info.caplen.min(snaplen) as usize;
        let options = options_len(info);
        let end = if options == 0 { 0 } else { END };
        let total = PACKET_HEAD + data + pad_len(data) + options + end + TRAILER;
        let from = info.offset as usize;
        Self {
            from,
            data,
            options,
            total,
        }
    }

    /// Where the block begins if the data stays; it is known to be behind that.
    #[inline]
    fn head(&self) -> usize {
        self.from - PACKET_HEAD
    }

    /// Whether the data stays where it is, given where the block before ends.
    #[inline]
    fn can_stay(&self, end: usize) -> bool {
        let head = self.head();
        // Less space than that cannot be filled.
        head.is_multiple_of(4) && (head == end || head >= end + FRAMING)
    }

    /// Where the block begins if the data stays wherever it can.
    #[inline]
    fn begin(&self, end: usize) -> usize {
        if self.can_stay(end) { self.head() } else { end }
    }
}

/// Bytes of the options that stand for what is known of a frame.
#[inline]
fn options_len(info: &FrameInfo) -> usize {
    let flags = if info.flags.0 == 0 { 0 } else { 8 };
    let drops = if info.lost_before == 0 { 0 } else { 12 };
    let queue = if info.queue.is_none() { 0 } else { 8 };
    flags + drops + queue
}

/// What all frames need together.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Bytes of data.
    data: usize,
    /// Bytes of the blocks without any space between: what packing makes.
    packed: usize,
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
        let sums = self.sums(frames, memory.len())?;
        let snaplen = self.snaplen();
        let span = frames.last().map_or(0, |info| info.offset as usize);
        let stay = if is_worth_packing(span, sums) {
            0
        } else {
            staying(frames, snaplen, memory.len())
        };
        let (stay, packed) = frames.split_at_checked(stay)?;
        let end = spread(stay, snaplen, memory)?;
        pack(packed, snaplen, end, memory)
    }

    /// Looks whether there is room for everything, whatever stays and whatever
    /// moves: each block, with its head right before the data, must end before
    /// the next one's head. Then none can overwrite a frame that is to come.
    fn sums(&self, frames: &[FrameInfo], memory: usize) -> Option<Sums> {
        let (snaplen, known) = (self.snaplen(), self.interface_count());
        let mut sums = Sums::default();
        let mut end = 0;
        for info in frames {
            let place = Place::of(info, snaplen);
            let captured = info.caplen as usize;
            let is_inside = place.from <= memory && captured <= memory - place.from;
            let is_plain = info.block == 0 && info.options_len == 0 && info.interface < known;
            if !is_inside || !is_plain || place.from < end + PACKET_HEAD {
                return None;
            }
            end = place.head() + place.total;
            sums.data += place.data;
            sums.packed += place.total;
        }
        (sums.packed <= memory).then_some(sums)
    }
}

/// Whether it is cheaper to move the data than to write the space between.
fn is_worth_packing(span: usize, sums: Sums) -> bool {
    let saved = span.saturating_sub(sums.packed);
    saved.saturating_mul(MOVED_FOR_SAVED) > sums.data
}

/// How many frames can stay where they are. What follows the data of the last
/// may not fit the memory; then it and some before it move down, since there is
/// space to gain before each. 0 if that is not enough: then all of them do.
fn staying(frames: &[FrameInfo], snaplen: u32, memory: usize) -> usize {
    // Where the block of the frame ends, if none before it has moved.
    let end_of = |info: &FrameInfo| {
        let place = Place::of(info, snaplen);
        place.head() + place.total
    };
    let fits = |&stay: &usize| {
        let (stay, moved) = frames.split_at(stay);
        let end = stay.last().map_or(0, end_of);
        let more = moved.iter().map(|info| Place::of(info, snaplen).total);
        end + more.sum::<usize>() <= memory
    };
    let candidates = [0, 1, 4, 64].map(|moved| frames.len().saturating_sub(moved));
    candidates.into_iter().find(fits).unwrap_or(0)
}

/// Lays frames out where they are, as far as they can stay there, and fills the
/// space between them. Returns where they end.
fn spread(frames: &[FrameInfo], snaplen: u32, memory: &mut [u8]) -> Option<usize> {
    let Some(first) = frames.first() else {
        return Some(0);
    };
    let mut place = Place::of(first, snaplen);
    let mut begin = place.begin(0);
    fill_with_blocks(memory.get_mut(..begin)?);
    for pair in frames.windows(2) {
        let [info, following] = pair else { break };
        let following = Place::of(following, snaplen);
        let end = begin + place.total;
        let next = following.begin(end);
        put_padded(memory, info, &place, begin, next - end)?;
        (place, begin) = (following, next);
    }
    put(memory, frames.last()?, &place, begin)?;
    Some(begin + place.total)
}

/// Lays frames out one right behind the other, from `end` on. Returns where they
/// end.
fn pack(frames: &[FrameInfo], snaplen: u32, mut end: usize, memory: &mut [u8]) -> Option<usize> {
    for info in frames {
        let place = Place::of(info, snaplen);
        put(memory, info, &place, end)?;
        end += place.total;
    }
    Some(end)
}

/// Writes one block at `begin`.
#[inline(always)]
pub(super) fn put(memory: &mut [u8], info: &FrameInfo, place: &Place, begin: usize) -> Option<()> {
    let block = move_down(memory, place, begin)?;
    let (head, rest) = block.split_first_chunk_mut()?;
    *head = packet_head(info, info.interface, place.data, place.total);
    let tail = rest.get_mut(place.data..place.total - PACKET_HEAD)?;
    if is_usual(info) {
        // Padding, the flags, the end of options, the length: in two pieces,
        // the second over the end of the first.
        *tail.first_chunk_mut()? = [0; 4];
        *tail.last_chunk_mut()? = flags_and([0, place.total as u32], info);
        return Some(());
    }
    put_tail(tail, *info, *place);
    Some(())
}

/// Writes all that follows the data of a frame of which something unusual is
/// known. It gets copies, so that the loops around need the frame nowhere in
/// memory.
#[cold]
#[inline(never)]
fn put_tail(tail: &mut [u8], info: FrameInfo, place: Place) {
    let mut made = Tail::after(place.data);
    made.describe(&info);
    made.close(place.options != 0, place.total as u32);
    tail.copy_from_slice(made.as_slice());
}

/// Writes one block at `begin`, and fills `space` bytes behind it: in an option
/// of the block, or in blocks of padding where there is too much of it.
#[inline]
fn put_padded(
    memory: &mut [u8],
    info: &FrameInfo,
    place: &Place,
    begin: usize,
    space: usize,
) -> Option<()> {
    if !(FRAMING..=MOST_PADDING).contains(&space) {
        put(memory, info, place, begin)?;
        let end = begin + place.total;
        fill_with_blocks(memory.get_mut(end..end + space)?);
        return Some(());
    }
    let total = place.total + space;
    let block = move_down(memory, place, begin)?;
    let (head, rest) = block.split_first_chunk_mut()?;
    *head = packet_head(info, info.interface, place.data, total);
    let tail = rest.get_mut(place.data..total - PACKET_HEAD)?;
    // With padding there is an end of options; without options there was none.
    let end = if place.options == 0 { END } else { 0 };
    let zeros = space - end - EMPTY_OPTION;
    let pad = pad_len(place.data);
    let (front, rest) = if is_usual(info) {
        let (front, rest) = tail.split_at_mut_checked(pad + 16)?;
        *front.first_chunk_mut()? = [0; 4];
        *front.last_chunk_mut()? = flags_and(padding_option(zeros), info);
        (front.len(), rest)
    } else {
        let mut made = Tail::after(place.data);
        made.describe(info);
        made.begin_padding(zeros as u16);
        let (front, rest) = tail.split_at_mut_checked(made.len())?;
        front.copy_from_slice(made.as_slice());
        (front.len(), rest)
    };
    debug_assert_eq!(front, pad + place.options + EMPTY_OPTION);
    zero(rest);
    *rest.last_chunk_mut()? = (total as u32).to_le_bytes();
    Some(())
}

/// Zeros, most often a few dozen: too few to call anybody for it.
#[inline]
fn zero(bytes: &mut [u8]) {
    match bytes.len() {
        32..=64 => {
            if let Some(first) = bytes.first_chunk_mut() {
                *first = [0; 32];
            }
            if let Some(last) = bytes.last_chunk_mut() {
                *last = [0; 32];
            }
        }
        _ => bytes.fill(0),
    }
}

/// Whether of all that can be known of a frame just its flags are.
#[inline]
fn is_usual(info: &FrameInfo) -> bool {
    info.flags.0 != 0 && info.lost_before == 0 && info.queue.is_none()
}

/// The option with the flags, and two words behind it.
#[inline]
fn flags_and(words: [u32; 2], info: &FrameInfo) -> [u8; 16] {
    let code = u32::from(block::EPB_FLAGS) | 4 << 16;
    let words = [code, info.flags.0, words[0], words[1]];
    let mut bytes = [0; 16];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// The beginning of a padding option with so many zeros.
#[inline]
fn padding_option(zeros: usize) -> [u32; 2] {
    [
        u32::from(block::OPT_PADDING) | ((zeros + 4) as u32) << 16,
        block::ENTERPRISE,
    ]
}

/// Bytes that are moved at once.
const PIECE: usize = 64;
/// Frames up to this length are moved in such pieces; for longer ones it pays to
/// call memmove.
const MOST_PIECES: usize = 4 * PIECE;

/// Moves the data of a frame to where it stands in a block at `begin`, and
/// returns the memory from there on.
#[inline]
fn move_down<'a>(memory: &'a mut [u8], place: &Place, begin: usize) -> Option<&'a mut [u8]> {
    let memory = memory.get_mut(begin..)?;
    let from = place.from - begin;
    let by = from - PACKET_HEAD;
    if by == 0 {
        return Some(memory);
    }
    // The last piece is too long: what it writes beyond is behind the new place
    // of the data, and not behind the old one.
    if by >= PIECE && place.data <= MOST_PIECES && memory.len() - from >= MOST_PIECES {
        let mut at = 0;
        while at < place.data {
            let piece: [u8; PIECE] = *memory.get(from + at..)?.first_chunk()?;
            *memory.get_mut(PACKET_HEAD + at..)?.first_chunk_mut()? = piece;
            at += PIECE;
        }
    } else {
        memory.copy_within(from..from + place.data, PACKET_HEAD);
    }
    Some(memory)
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
