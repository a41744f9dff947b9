//! A batch: what a source hands over at once.
//!
//! A batch is memory and an index of the frames in it. The memory is leased: a
//! ring block goes back to the kernel when the last batch that refers to it is
//! dropped, on whatever thread that happens.

use crate::pcapng::{self, Packed};
use crate::{FlowKey, Frame, FrameInfo, Interface};
use std::sync::Arc;

/// Memory that holds frames: a ring block, a part of a file, a vector.
/// Dropping it gives it back to whoever lent it.
pub trait Block: Send + Sync {
    /// The memory.
    fn bytes(&self) -> &[u8];
    /// The memory, to write headers between the frames.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// How many blocks like this one may be kept for a while (a part of a second)
    /// without whoever lent them running short.
    fn spare(&self) -> usize {
        0
    }
}

impl Block for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// Something in a file that is not a frame and is kept where it was: name
/// resolution, decryption secrets, a block of an unknown type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Index of the frame that it stands before; the number of frames if last.
    pub before: usize,
    /// The pcapng block type.
    pub block_type: u32,
    /// The block's body, little-endian, without type and lengths.
    pub body: Vec<u8>,
}

/// Frames in time order, and the memory that holds them.
#[derive(Default)]
pub struct Batch {
    /// The memory, by [`FrameInfo::block`].
    pub blocks: Vec<Arc<dyn Block>>,
    /// The frames.
    pub frames: Vec<FrameInfo>,
    /// Frames that have no index: only sinks that [ask](crate::Sink::packing) for
    /// such batches get any, and then there are no others in the batch.
    pub packed: Option<Packed>,
    /// The interfaces, by [`FrameInfo::interface`]. A source only ever appends.
    pub interfaces: Arc<Vec<Interface>>,
    /// What else stood between the frames.
    pub notes: Vec<Note>,
    /// Whether the frames are known to ascend in time. False where nobody has
    /// looked: then whoever has to know looks.
    pub is_sorted: bool,
    /// The number of the engine's source that it came from; of one of them, if
    /// frames of several were merged.
    pub source: u32,
}

impl Batch {
    /// Frames in one block of memory.
    pub fn new(
        block: impl Block + 'static,
        frames: Vec<FrameInfo>,
        interfaces: Arc<Vec<Interface>>,
    ) -> Self {
        Self {
            blocks: vec![Arc::new(block)],
            frames,
            packed: None,
            interfaces,
            notes: Vec::new(),
            is_sorted: false,
            source: 0,
        }
    }

    /// How many frames there are.
    pub fn count(&self) -> usize {
        self.packed
            .map_or(self.frames.len(), |packed| packed.frames)
    }

    /// Makes the index of packed frames, if there are any.
    pub fn unpack(&mut self) {
        if let (Some(packed), Some(block)) = (self.packed.take(), self.blocks.first()) {
            self.frames = pcapng::unpack(block.bytes(), packed);
        }
    }

    /// Packed frames, as they are to stand in a file.
    pub fn packed_bytes(&self) -> Option<&[u8]> {
        let block = self.blocks.first()?;
        block.bytes().get(..self.packed?.bytes)
    }

    /// The time of the first frame and of the last, in nanoseconds since 1970:
    /// the oldest and the youngest if the frames are sorted.
    pub(crate) fn ends(&self) -> Option<(u64, u64)> {
        if let Some(packed) = self.packed {
            return Some(packed.times);
        }
        let (first, last) = (self.frames.first()?, self.frames.last()?);
        Some((first.timestamp_ns, last.timestamp_ns))
    }

    /// The times of the oldest and the youngest frame, in nanoseconds since 1970.
    pub fn times(&self) -> Option<(u64, u64)> {
        let times = || self.frames.iter().map(|info| info.timestamp_ns);
        if self.is_sorted || self.packed.is_some() {
            return self.ends();
        }
        Some((times().min()?, times().max()?))
    }

    /// The frames with their bytes, in order. One whose place lies outside its
    /// block appears with no bytes: sources check their input, so that would be
    /// a mistake of the source, and must not end in a panic.
    pub fn iter(&self) -> impl Iterator<Item = Frame<'_>> {
        let blocks: Vec<&[u8]> = self.blocks.iter().map(|block| block.bytes()).collect();
        self.frames.iter().map(move |info| {
            let block = blocks.get(info.block as usize).copied().unwrap_or_default();
            Frame {
                info,
                data: slice(block, info.offset, info.caplen),
                options: slice(block, info.options_offset, info.options_len),
            }
        })
    }

    /// The flows of the frames that have one, frame by frame.
    pub fn flows(&self) -> impl Iterator<Item = FlowKey> {
        let flow = |frame: Frame<'_>| FlowKey::of(&frame, self.interface(frame.info)?);
        self.iter().filter_map(flow)
    }

    /// The interface a frame was seen on.
    pub fn interface(&self, info: &FrameInfo) -> Option<&Interface> {
        self.interfaces.get(info.interface as usize)
    }

    /// Keeps the first `count` frames, and the notes before them.
    pub fn truncate(&mut self, count: usize) {
        if count < self.count() {
            self.unpack();
            self.frames.truncate(count);
            self.notes.retain(|note| note.before <= count);
        }
    }

    /// Whether there is neither a frame nor a note.
    pub fn is_empty(&self) -> bool {
        self.count() == 0 && self.notes.is_empty()
    }
}

pub(crate) fn slice(block: &[u8], offset: u32, len: u32) -> &[u8] {
    let from = block.get(offset as usize..).unwrap_or_default();
    from.get(..len as usize).unwrap_or_default()
}
