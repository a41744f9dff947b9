//! Memory that frames are copied into: a piece of fixed length that the bytes
//! of the frames fill from the front, and what is known of them from the back.
//! So a piece takes exactly its length, whatever the frames' sizes are.

use crate::{Batch, Block, Flags, Frame, FrameInfo, Interface, Marks};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that one frame takes beside its data and options.
pub(super) const RECORD: usize = 4 * WORDS;
const WORDS: usize = 12;
/// In the word of the marks: the queue is known.
const HAS_QUEUE: u32 = 1 << 8;

/// A piece of memory with frames in it.
pub(super) struct Chunk {
    memory: Memory,
    /// Bytes used at the front.
    used: usize,
    /// Records at the back.
    count: usize,
    /// The records before this one are of frames that have expired.
    first: usize,
    /// Where it belongs to a recording: the time from which frames are wanted.
    due_from_ns: Option<u64>,
}

impl Chunk {
    /// An empty piece over `memory`, of a recording or of none.
    pub(super) fn new(memory: Memory, due_from_ns: Option<u64>) -> Self {
        Self {
            memory,
            used: 0,
            count: 0,
            first: 0,
            due_from_ns,
        }
    }

    /// The time from which frames are wanted, if it belongs to a recording.
    pub(super) fn due_from_ns(&self) -> Option<u64> {
        self.due_from_ns
    }

    /// Makes it part of a recording, unless it is part of one.
    pub(super) fn want(&mut self, from_ns: u64) {
        self.due_from_ns.get_or_insert(from_ns);
    }

    /// The memory, for other frames.
    pub(super) fn into_memory(self) -> Memory {
        self.memory
    }

    /// How many bytes a frame takes.
    pub(super) fn cost(frame: &Frame<'_>) -> usize {
        RECORD + frame.data.len() + frame.options.len()
    }

    /// Copies a frame; `false` if it has no room here.
    pub(super) fn push(&mut self, frame: &Frame<'_>) -> bool {
        let back = self.memory.0.len() - self.count * RECORD;
        let data_end = self.used + frame.data.len();
        let end = data_end + frame.options.len();
        if end + RECORD > back {
            return false;
        }
        let (offset, options_offset) = (self.used, data_end);
        let record = record(frame, offset as u32, options_offset as u32);
        let bytes = &mut self.memory.0;
        let places = [
            (offset..data_end, frame.data),
            (data_end..end, frame.options),
            (back - RECORD..back, record.as_slice()),
        ];
        for (place, from) in places {
            if let Some(place) = bytes.get_mut(place) {
                place.copy_from_slice(from);
            }
        }
        self.used = end;
        self.count += 1;
        true
    }

    /// Frames that have not expired.
    pub(super) fn frames(&self) -> usize {
        self.count - self.first
    }

    /// The time of the oldest of them.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        (self.first < self.count).then(|| self.info(self.first).timestamp_ns)
    }

    /// The time of the last one.
    pub(super) fn last_ns(&self) -> Option<u64> {
        (self.first < self.count).then(|| self.info(self.count - 1).timestamp_ns)
    }

    /// Lets the oldest one expire.
    pub(super) fn expire_one(&mut self) {
        self.first += 1;
    }

    /// Hands the memory over with the frames that are not older than `from_ns`.
    pub(super) fn into_batch(self, from_ns: u64, interfaces: Arc<Vec<Interface>>) -> Batch {
        let infos = (self.first..self.count).map(|index| self.info(index));
        let frames: Vec<_> = infos.filter(|info| info.timestamp_ns >= from_ns).collect();
        Batch::new(self.memory, frames, interfaces)
    }

    fn info(&self, index: usize) -> FrameInfo {
        let back = self.memory.0.len() - index * RECORD;
        let record = self.memory.0.get(back - RECORD..back).unwrap_or_default();
        let word = |at: usize| {
            let bytes = record.get(4 * at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        FrameInfo {
            timestamp_ns: u64::from(word(0)) << 32 | u64::from(word(1)),
            block: 0,
            offset: word(2),
            caplen: word(3),
            len: word(4),
            interface: word(5),
            lost_before: word(6),
            queue: (word(8) & HAS_QUEUE != 0).then(|| word(7)),
            flags: Flags(word(9)),
            marks: Marks(word(8) as u8),
            options_offset: word(10),
            options_len: word(11),
        }
    }
}

fn record(frame: &Frame<'_>, offset: u32, options_offset: u32) -> [u8; RECORD] {
    let info = frame.info;
    let has_queue = if info.queue.is_some() { HAS_QUEUE } else { 0 };
    let words: [u32; WORDS] = [
        (info.timestamp_ns >> 32) as u32,
        info.timestamp_ns as u32,
        offset,
        frame.data.len() as u32,
        info.len,
        info.interface,
        info.lost_before,
        info.queue.unwrap_or(0),
        u32::from(info.marks.0) | has_queue,
        info.flags.0,
        options_offset,
        frame.options.len() as u32,
    ];
    let mut record = [0; RECORD];
    for (place, word) in record.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    record
}

/// Memory that is counted while it is there, wherever it is.
pub(super) struct Memory(Vec<u8>, Arc<AtomicUsize>);

impl Memory {
    /// `len` bytes, added to `all` until they are dropped.
    pub(super) fn new(len: usize, all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(len, Ordering::Relaxed);
        Self(vec![0; len], Arc::clone(all))
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Another thread that sees the count go down may use that much more.
        self.1.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

impl Block for Memory {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
