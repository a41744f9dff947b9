//! The index at the end of a file: which times stand where, so that a reader
//! seeks instead of reading all of it.
//!
//! It is a local block (type [`INDEX_BLOCK`]), the last of the file, which every
//! reader skips. Its body, in little-endian words: version 1 (4 bytes), number
//! of stretches (4), offset of the block itself (8); for each stretch its
//! offset, the times of its oldest and youngest frame (8 bytes each, in
//! nanoseconds since 1970), its frames and its flags (4 each); then 8 bytes of
//! FNV-1a over all that. A stretch ends where the next begins. A table of the
//! flows in each stretch may stand before it: see [`flows`](super::flows).

use super::block::{FRAMING, INDEX_BLOCK};
use super::flows::{self, Digest, Flows, ReadAt};
use crate::{FlowKey, FlowPattern, FrameInfo};
use std::ops::Range;

const VERSION: u32 = 1;
/// Version, number and offset.
const HEAD: usize = 16;
const ENTRY: usize = 32;
const HASH: usize = 8;
/// Flag: something that is no frame stands there, which others may refer to.
const OTHERS: u32 = 1;
/// More stretches than this are joined two by two.
const MOST: usize = flows::MOST_STRETCHES;
/// More than this are not read.
const MOST_READ: usize = 16_384;
/// A stretch is at least so long at first, in bytes.
const LEAST_SPAN: u64 = 256 << 10;

/// Most bytes that an index block takes in a file.
const LARGEST: usize = FRAMING + HEAD + MOST_READ * ENTRY + HASH;

/// A part of a file, from its offset to that of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins, in bytes from the beginning of the file.
    pub offset: u64,
    /// Time of its oldest frame, in nanoseconds since 1970.
    pub first_ns: u64,
    /// Time of its youngest frame, in nanoseconds since 1970.
    pub last_ns: u64,
    /// Frames in it.
    pub frames: u32,
    /// Interfaces, names or secrets stand in it too: it is always read.
    pub has_others: bool,
}

impl Stretch {
    const EMPTY: Self = Self {
        offset: 0,
        first_ns: u64::MAX,
        last_ns: 0,
        frames: 0,
        has_others: false,
    };

    fn is_empty(&self) -> bool {
        self.frames == 0 && !self.has_others
    }

    fn add(&mut self, frames: u32, (oldest, youngest): (u64, u64)) {
        self.first_ns = self.first_ns.min(oldest);
        self.last_ns = self.last_ns.max(youngest);
        self.frames = self.frames.saturating_add(frames);
    }

    /// Takes what follows it in.
    fn join(&mut self, next: &Self) {
        self.first_ns = self.first_ns.min(next.first_ns);
        self.last_ns = self.last_ns.max(next.last_ns);
        self.frames = self.frames.saturating_add(next.frames);
        self.has_others |= next.has_others;
    }
}

/// Collects an index while a file is written.
#[derive(Clone, Debug)]
pub struct Indexer {
    stretches: Vec<Stretch>,
    /// What has been put together but not been written.
    open: Stretch,
    /// The flows of each stretch and of what is open, if they are wanted.
    flows: Option<(Vec<Digest>, Digest)>,
    least_span: u64,
}

impl Default for Indexer {
    fn default() -> Self {
        Self {
            stretches: Vec::new(),
            open: Stretch::EMPTY,
            flows: None,
            least_span: LEAST_SPAN,
        }
    }
}

impl Indexer {
    /// One that also takes note of flows. It costs about 100 ns for each frame, and a
    /// KiB of memory for each stretch, 16 MiB at most.
    pub fn with_flows() -> Self {
        Self {
            flows: Some(Default::default()),
            ..Self::default()
        }
    }

    /// The flow of a frame that goes into the next piece.
    pub fn flow(&mut self, key: &FlowKey) {
        if let Some((_, open)) = &mut self.flows {
            open.add(key);
        }
    }

    /// A frame that goes into the next piece that is written.
    #[inline]
    pub fn frame(&mut self, info: &FrameInfo) {
        self.open.add(1, (info.timestamp_ns, info.timestamp_ns));
    }

    /// Frames that go there, given the times of the oldest and the youngest.
    pub fn frames(&mut self, frames: usize, times: (u64, u64)) {
        self.open
            .add(u32::try_from(frames).unwrap_or(u32::MAX), times);
    }

    /// Something else goes there, which must be read whatever is looked for.
    pub fn other(&mut self) {
        self.open.has_others = true;
    }

    /// That piece begins at `offset`. One without frames needs no place of its
    /// own.
    pub fn written_at(&mut self, offset: u64) {
        let mut next = std::mem::replace(&mut self.open, Stretch::EMPTY);
        if next.is_empty() {
            return;
        }
        next.offset = offset;
        let is_near = |last: &Stretch| offset.saturating_sub(last.offset) < self.least_span;
        let last = self.stretches.last_mut().filter(|last| is_near(last));
        if let Some((flows, open)) = &mut self.flows {
            let open = std::mem::take(open);
            match flows.last_mut().filter(|_| last.is_some()) {
                Some(last) => last.join(&open),
                None => flows.push(open),
            }
        }
        match last {
            Some(last) => last.join(&next),
            None => self.stretches.push(next),
        }
        if self.stretches.len() > MOST {
            self.coarsen();
        }
    }

    /// Makes room: the index of a file of any length stays small.
    fn coarsen(&mut self) {
        self.least_span = self.least_span.saturating_mul(2);
        let joined = self.stretches.chunks(2).filter_map(|pair| {
            let (first, rest) = pair.split_first()?;
            let mut whole = *first;
            rest.iter().for_each(|next| whole.join(next));
            Some(whole)
        });
        self.stretches = joined.collect();
        if let Some((flows, _)) = &mut self.flows {
            let joined = flows.chunks(2).filter_map(|pair| {
                let (first, rest) = pair.split_first()?;
                let mut whole = first.clone();
                rest.iter().for_each(|next| whole.join(next));
                Some(whole)
            });
            *flows = joined.collect();
        }
    }

    /// Appends the index block, which will stand at `offset`, with the table of flows
    /// before it, unless the file is so short that there is nothing to be gained.
    pub fn put(&self, offset: u64, out: &mut Vec<u8>) {
        if self.stretches.len() < 2 {
            return;
        }
        let before = out.len();
        if let Some((flows, _)) = &self.flows {
            flows::put(flows, offset, out);
        }
        let offset = offset + (out.len() - before) as u64;
        let total = FRAMING + HEAD + self.stretches.len() * ENTRY + HASH;
        // At most LARGEST.
        let total = (total as u32).to_le_bytes();
        out.extend(INDEX_BLOCK.to_le_bytes());
        out.extend(total);
        let body = out.len();
        out.extend(VERSION.to_le_bytes());
        out.extend((self.stretches.len() as u32).to_le_bytes());
        out.extend(offset.to_le_bytes());
        for stretch in &self.stretches {
            for number in [stretch.offset, stretch.first_ns, stretch.last_ns] {
                out.extend(number.to_le_bytes());
            }
            let flags = if stretch.has_others { OTHERS } else { 0 };
            out.extend(stretch.frames.to_le_bytes());
            out.extend(flags.to_le_bytes());
        }
        let hash = hash(out.get(body..).unwrap_or_default());
        out.extend(hash.to_le_bytes());
        out.extend(total);
    }
}

/// The index of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    stretches: Vec<Stretch>,
    /// Where the index itself begins, with the table of flows before it.
    end: u64,
    flows: Option<Flows>,
}

impl Index {
    /// Finds the index of a file that is `len` bytes long. `None` if there is none,
    /// or it is damaged, or says what cannot be: such a file is read as one without.
    pub fn find(len: u64, read: &mut ReadAt<'_>) -> Option<Self> {
        let block_len = u32_at(&read(len.checked_sub(4)?, 4).ok()?, 0)?;
        if block_len as usize > LARGEST {
            return None;
        }
        let offset = len.checked_sub(block_len.into())?;
        let block = read(offset, block_len as usize).ok()?;
        let mut index = Self::parse(&block, offset)?;
        let last = index.stretches.last().map_or(0, |last| last.offset);
        let flows = Flows::before(offset, index.stretches.len(), read);
        index.flows = flows.filter(|flows| flows.offset > last);
        index.end = index.flows.map_or(offset, |flows| flows.offset);
        Some(index)
    }

    /// Reads an index block that stands at `offset`.
    fn parse(block: &[u8], offset: u64) -> Option<Self> {
        let len = u32::try_from(block.len()).ok()?;
        let is_block = u32_at(block, 0)? == INDEX_BLOCK
            && u32_at(block, 4)? == len
            && u32_at(block, block.len().checked_sub(4)?)? == len;
        let body = block.get(8..block.len() - 4)?;
        let (body, sum) = body.split_at_checked(body.len().checked_sub(HASH)?)?;
        if !is_block || u64_at(sum, 0)? != hash(body) || u32_at(body, 0)? != VERSION {
            return None;
        }
        let entries = body.get(HEAD..)?;
        let count = u32_at(body, 4)? as usize;
        if u64_at(body, 8)? != offset || entries.len() != count.checked_mul(ENTRY)? {
            return None;
        }
        let stretches = entries.chunks_exact(ENTRY).map(stretch);
        let stretches = stretches.collect::<Option<Vec<_>>>()?;
        let ascends = stretches
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.offset < b.offset));
        let is_inside = stretches.last().is_some_and(|last| last.offset < offset);
        (ascends && is_inside).then_some(Self {
            stretches,
            end: offset,
            flows: None,
        })
    }

    /// Where the index begins, and what is before it ends.
    pub fn offset(&self) -> u64 {
        self.end
    }

    /// Whether there is a table of the flows.
    pub fn has_flows(&self) -> bool {
        self.flows.is_some()
    }

    /// The stretches in the file's order.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// The time of the oldest frame in the first stretch that has one.
    pub fn first_ns(&self) -> Option<u64> {
        let mut with_frames = self.stretches.iter().filter(|stretch| stretch.frames > 0);
        with_frames.next().map(|stretch| stretch.first_ns)
    }

    /// For each stretch whether flows that `pattern` names may be in it; `None` if
    /// that is not known.
    pub fn holding(&self, pattern: &FlowPattern, read: &mut ReadAt<'_>) -> Option<Vec<bool>> {
        self.flows?.find(pattern, read)
    }

    /// Which parts of the file to read for the frames from `from_ns` on and
    /// before `to_ns`, and how many frames are in the others. `may_hold`: whether to
    /// read a stretch, where it is known that others hold nothing that is wanted.
    pub fn select(
        &self,
        from_ns: u64,
        to_ns: u64,
        may_hold: Option<&[bool]>,
    ) -> (Vec<Range<u64>>, u64) {
        let begin = self
            .stretches
            .first()
            .map_or(self.end, |first| first.offset);
        let mut parts = Vec::from([Range {
            start: 0,
            end: begin,
        }]);
        let mut left_out = 0;
        let ends = self.stretches.iter().skip(1).map(|next| next.offset);
        let stretches = self.stretches.iter().zip(ends.chain([self.end]));
        for (number, (stretch, end)) in stretches.enumerate() {
            let is_near = stretch.last_ns >= from_ns && stretch.first_ns < to_ns;
            let may_hold = may_hold.and_then(|may_hold| may_hold.get(number));
            let is_wanted = is_near && may_hold.copied().unwrap_or(true) && stretch.frames > 0;
            if !is_wanted && !stretch.has_others {
                left_out += u64::from(stretch.frames);
                continue;
            }
            match parts.last_mut() {
                Some(part) if part.end == stretch.offset => part.end = end,
                _ => parts.push(stretch.offset..end),
            }
        }
        (parts, left_out)
    }
}

fn stretch(entry: &[u8]) -> Option<Stretch> {
    Some(Stretch {
        offset: u64_at(entry, 0)?,
        first_ns: u64_at(entry, 8)?,
        last_ns: u64_at(entry, 16)?,
        frames: u32_at(entry, 24)?,
        has_others: u32_at(entry, 28)? & OTHERS != 0,
    })
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// FNV-1a, 64 bits: it finds damage, not malice.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    hash_on(0xcbf2_9ce4_8422_2325, bytes)
}

/// The hash of what `hash` is of, and these bytes behind it.
pub(super) fn hash_on(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u64 = 1 << 20;

    /// Piece n has frames of the times 10 n to 10 n + 9.
    fn indexer(pieces: u64) -> Indexer {
        let mut indexer = Indexer::default();
        // The header of the file.
        indexer.written_at(0);
        for piece in 0..pieces {
            for frame in 0..10 {
                indexer.frame(&FrameInfo {
                    timestamp_ns: 10 * piece + frame,
                    ..FrameInfo::default()
                });
            }
            indexer.written_at(100 + piece * PIECE);
        }
        indexer
    }

    fn block(indexer: &Indexer, offset: u64) -> Vec<u8> {
        let mut block = Vec::new();
        indexer.put(offset, &mut block);
        block
    }

    #[test]
    fn what_is_written_is_read() {
        let block = block(&indexer(5), 999 * PIECE);
        let index = Index::parse(&block, 999 * PIECE).unwrap();
        assert_eq!(index.stretches().len(), 5);
        assert_eq!(index.first_ns(), Some(0));
        let at = |piece: u64| 100 + piece * PIECE;
        assert_eq!(
            index.select(20, 40, None),
            (Vec::from([0..100, at(2)..at(4)]), 30)
        );
        assert_eq!(
            index.select(19, 41, None),
            (vec![0..100, at(1)..999 * PIECE], 10)
        );
        assert_eq!(
            index.select(0, u64::MAX, None),
            (
                Vec::from([Range {
                    start: 0,
                    end: 999 * PIECE
                }]),
                0
            )
        );
        assert_eq!(
            index.select(60, 70, None),
            (Vec::from([Range { start: 0, end: 100 }]), 50)
        );
    }

    #[test]
    fn descriptions_are_always_read() {
        let mut indexer = indexer(2);
        indexer.other();
        indexer.written_at(100 + 2 * PIECE);
        let block = block(&indexer, 5 * PIECE);
        let index = Index::parse(&block, 5 * PIECE).unwrap();
        let (parts, left_out) = index.select(1_000, 2_000, None);
        assert_eq!(parts, [0..100, 100 + 2 * PIECE..5 * PIECE]);
        assert_eq!(left_out, 20);
    }

    #[test]
    fn short_files_have_none_and_long_ones_a_short_one() {
        assert!(block(&indexer(1), 3 * PIECE).is_empty());
        let mut small = Indexer::default();
        for piece in 0..100 {
            small.frame(&FrameInfo::default());
            small.written_at(piece * 100);
        }
        assert!(block(&small, 20_000).is_empty(), "small pieces are joined");
        let pieces = 100_000;
        let block = block(&indexer(pieces), pieces * PIECE + 100);
        assert!(block.len() <= LARGEST);
        let index = Index::parse(&block, pieces * PIECE + 100).unwrap();
        assert!(index.stretches().len() > MOST / 4);
        let frames: u64 = index.stretches().iter().map(|s| u64::from(s.frames)).sum();
        assert_eq!(frames, 10 * pieces);
        let (parts, left_out) = index.select(500_000, 500_010, None);
        let read: u64 = parts.iter().map(|part| part.end - part.start).sum();
        assert!(read <= 100 + 16 * PIECE && left_out < 10 * pieces);
        assert!(parts[1].contains(&(100 + 50_000 * PIECE)));
    }

    #[test]
    fn every_damage_is_found() {
        let block = block(&indexer(3), 9 * PIECE);
        assert!(Index::parse(&block, 9 * PIECE + 4).is_none(), "moved");
        for at in 0..block.len() {
            let mut damaged = block.clone();
            damaged[at] ^= 0x10;
            assert!(Index::parse(&damaged, 9 * PIECE).is_none(), "byte {at}");
            assert!(
                Index::parse(&block[..at], 9 * PIECE).is_none(),
                "cut at {at}"
            );
        }
    }
}
