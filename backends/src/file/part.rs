//! The frames of a part of a file's time, found by the index at its end where
//! there is one, and by reading the whole file where there is none.

use super::FileSource;
use super::Options;
use super::input::Input;
use super::moment::Moment;
use crate::pcapng::{Index, MAX_INDEX};
use crate::{Batch, Next, Result};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// Which frames of a file are wanted, by their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// Frames of this time and later.
    pub from: Option<Moment>,
    /// Frames before this time.
    pub to: Option<Moment>,
}

impl Between {
    /// The same with moments that no longer depend on a file, which has its
    /// first frame at `first_ns`.
    #[must_use]
    pub fn resolve(self, first_ns: u64) -> Self {
        let resolve = |moment: Moment| Moment::at(moment.resolve(first_ns));
        Self {
            from: self.from.map(resolve),
            to: self.to.map(resolve),
        }
    }

    fn range_ns(self, first_ns: u64) -> Range<u64> {
        let ns = |moment: Moment| moment.resolve(first_ns);
        self.from.map_or(0, ns)..self.to.map_or(u64::MAX, ns)
    }

    fn needs_first(self) -> bool {
        self.from.is_some_and(Moment::is_of_day) || self.to.is_some_and(Moment::is_of_day)
    }
}

/// What a source leaves out.
pub(super) struct Part {
    range_ns: Range<u64>,
    /// Frames that were not even read.
    unread: u64,
    /// Frames that were read and are not of the time.
    pub(super) filtered: u64,
    first_ns: u64,
}

impl Part {
    /// Frames that count as received and are not handed out.
    pub(super) fn left_out(&self) -> u64 {
        self.unread + self.filtered
    }

    /// Takes the frames of other times out of a batch.
    pub(super) fn apply(&mut self, batch: &mut Batch) {
        let before = batch.frames.len();
        let is_wanted = |ns: u64| self.range_ns.contains(&ns);
        for note in &mut batch.notes {
            let frames = batch.frames.iter().take(note.before);
            note.before = frames.filter(|info| is_wanted(info.timestamp_ns)).count();
        }
        batch.frames.retain(|info| is_wanted(info.timestamp_ns));
        self.filtered += (before - batch.frames.len()) as u64;
    }
}

impl FileSource {
    /// Opens a file as [`open`](Self::open) does, for the frames of a part of
    /// its time. In an uncompressed file with an index only their part is read.
    /// The others count as filtered.
    ///
    /// # Errors
    /// As [`open`](Self::open). A damaged index is no error.
    pub fn open_between(
        path: impl AsRef<Path>,
        options: Options,
        between: Between,
    ) -> Result<Self> {
        let path = path.as_ref();
        if options.follow || path == Path::new("-") {
            return Self::open(path, options)?.between(between);
        }
        let Some((file, index)) = indexed(path) else {
            return Self::open(path, options)?.between(between);
        };
        let first_ns = index.first_ns().unwrap_or(0);
        let range_ns = between.range_ns(first_ns);
        let (parts, unread) = index.select(range_ns.start, range_ns.end);
        let Some(parts) = Parts::new(file, parts) else {
            return Self::open(path, options)?.between(between);
        };
        let name = path.display().to_string();
        let mut source = Self::new(name, Input::File(Box::new(parts)), options);
        source.part = Some(Part {
            range_ns,
            unread,
            filtered: 0,
            first_ns,
        });
        source.prime(Duration::ZERO)?;
        Ok(source)
    }

    /// Hands out only frames of a part of the file's time, and reads all of it.
    ///
    /// # Errors
    /// Those of reading the first frame, where a time of day asks for it.
    pub fn between(mut self, between: Between) -> Result<Self> {
        let first_ns = match between.needs_first() {
            true => self.read_first()?,
            false => 0,
        };
        self.part = Some(Part {
            range_ns: between.range_ns(first_ns),
            unread: 0,
            filtered: 0,
            first_ns,
        });
        Ok(self)
    }

    /// The time of the first frame, in nanoseconds since 1970, where
    /// [`open_between`](Self::open_between) had to know it; otherwise 0.
    pub fn first_ns(&self) -> u64 {
        self.part.as_ref().map_or(0, |part| part.first_ns)
    }

    /// Reads on until there is a frame; 0 if there is none.
    fn read_first(&mut self) -> Result<u64> {
        loop {
            if let Some(first) = self.pending.as_ref().and_then(|batch| batch.frames.first()) {
                return Ok(first.timestamp_ns);
            }
            if self.ended {
                return Ok(0);
            }
            match self.advance(Duration::from_millis(100))? {
                Next::Batch(mut batch) => {
                    let notes = self.pending.take().map(|before| before.notes);
                    for mut note in notes.into_iter().flatten().rev() {
                        note.before = 0;
                        batch.notes.insert(0, note);
                    }
                    self.pending = Some(batch);
                }
                Next::End => self.ended = true,
                _ => {}
            }
        }
    }
}

/// The file and its index; `None` if there is none that holds.
fn indexed(path: &Path) -> Option<(File, Index)> {
    // Opening anything else could wait.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let len = file.metadata().ok()?.len();
    let block_len = u64::from(word(&mut file, len.checked_sub(4)?).ok()?);
    if block_len > MAX_INDEX as u64 {
        return None;
    }
    let offset = len.checked_sub(block_len)?;
    file.seek(SeekFrom::Start(offset)).ok()?;
    let mut block = Vec::new();
    file.by_ref().take(block_len).read_to_end(&mut block).ok()?;
    let index = Index::parse(&block, offset)?;
    Some((file, index))
}

fn word(file: &mut File, at: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Some parts of a file, as if there were no others.
struct Parts {
    file: File,
    /// What is still to be read, the next part last.
    parts: Vec<Range<u64>>,
}

impl Parts {
    /// `None` if a part does not begin and end with a block: then the index is
    /// of another file.
    fn new(mut file: File, parts: Vec<Range<u64>>) -> Option<Self> {
        for part in &parts {
            let len = word(&mut file, part.start.checked_add(4)?).ok()?;
            let end = part.start.checked_add(len.into())?;
            let is_block = len >= 12
                && end <= part.end
                && word(&mut file, end - 4).ok()? == len
                // A length at the end of the part that leads back into it.
                && u64::from(word(&mut file, part.end - 4).ok()?) <= part.end - part.start;
            if !is_block {
                return None;
            }
        }
        let first = parts.first()?.start;
        file.seek(SeekFrom::Start(first)).ok()?;
        let parts = parts.into_iter().rev().collect();
        Some(Self { file, parts })
    }
}

impl Read for Parts {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(part) = self.parts.last_mut() else {
            return Ok(0);
        };
        let left = part.end - part.start;
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let count = self.file.read(out.get_mut(..most).unwrap_or_default())?;
        part.start += count as u64;
        if part.start == part.end || count == 0 {
            self.parts.pop();
            if let Some(next) = self.parts.last() {
                self.file.seek(SeekFrom::Start(next.start))?;
            }
        }
        Ok(count)
    }
}
