//! The frames of a part of a file, by time and flow, found by the index at its end
//! where there is one, and by reading the whole file where there is none.

use super::FileSource;
use super::Options;
use super::input::Input;
use super::moment::Moment;
use crate::pcapng::Index;
use crate::{Batch, FlowKey, FlowPattern, Frame, Next, Result};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// Which frames of a file are wanted, by time and flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Frames of this time and later.
    pub from: Option<Moment>,
    /// Frames before this time.
    pub to: Option<Moment>,
    /// Frames of the flows that this names.
    pub flow: Option<FlowPattern>,
}

impl Part {
    /// The same with moments that no longer depend on a file, which has its
    /// first frame at `first_ns`.
    #[must_use]
    pub fn resolve(self, first_ns: u64) -> Self {
        let resolve = |moment: Moment| Moment::at(moment.resolve(first_ns));
        Self {
            from: self.from.map(resolve),
            to: self.to.map(resolve),
            flow: self.flow,
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
pub(super) struct Chosen {
    range_ns: Range<u64>,
    flow: Option<FlowPattern>,
    /// Frames that were not even read.
    unread: u64,
    /// Frames that were read and are not of the part.
    pub(super) filtered: u64,
    first_ns: u64,
    /// Whether the index told where the flow may be.
    has_flow_index: bool,
}

impl Chosen {
    fn new(part: Part, first_ns: u64, unread: u64) -> Self {
        Self {
            has_flow_index: false,
            range_ns: part.range_ns(first_ns),
            flow: part.flow,
            unread,
            filtered: 0,
            first_ns,
        }
    }

    /// Frames that count as received and are not handed out.
    pub(super) fn left_out(&self) -> u64 {
        self.unread + self.filtered
    }

    fn is_wanted(&self, frame: &Frame<'_>, batch: &Batch) -> bool {
        let is_flow = |flow: FlowPattern| {
            let key = FlowKey::of(frame, batch.interface(frame.info)?)?;
            Some(flow.matches(&key))
        };
        self.range_ns.contains(&frame.info.timestamp_ns)
            && self.flow.is_none_or(|flow| is_flow(flow) == Some(true))
    }

    /// Takes the frames that are not of the part out of a batch.
    pub(super) fn apply(&mut self, batch: &mut Batch) {
        let wanted = batch.iter().map(|frame| self.is_wanted(&frame, batch));
        let wanted: Vec<bool> = wanted.collect();
        for note in &mut batch.notes {
            let before = wanted.iter().take(note.before);
            note.before = before.filter(|wanted| **wanted).count();
        }
        let before = batch.frames.len();
        let mut wanted = wanted.into_iter();
        batch.frames.retain(|_| wanted.next().unwrap_or(false));
        self.filtered += (before - batch.frames.len()) as u64;
    }
}

impl FileSource {
    /// Opens a file as [`open`](Self::open) does, for a part of its frames. In an
    /// uncompressed file with an index only what may hold them is read. The others
    /// count as filtered.
    ///
    /// # Errors
    /// As [`open`](Self::open). A damaged index is no error.
    pub fn open_part(path: impl AsRef<Path>, options: Options, part: Part) -> Result<Self> {
        let path = path.as_ref();
        if options.follow || path == Path::new("-") {
            return Self::open(path, options)?.part(part);
        }
        let Some((mut file, index)) = indexed(path) else {
            return Self::open(path, options)?.part(part);
        };
        let first_ns = index.first_ns().unwrap_or(0);
        let range_ns = part.range_ns(first_ns);
        let may_hold = part
            .flow
            .and_then(|flow| index.holding(&flow, &mut |at, len| read_at(&mut file, at, len)));
        let (parts, unread) = index.select(range_ns.start, range_ns.end, may_hold.as_deref());
        let Some(parts) = Parts::new(file, parts) else {
            return Self::open(path, options)?.part(part);
        };
        let name = path.display().to_string();
        let mut source = Self::new(name, Input::File(Box::new(parts)), options);
        source.chosen = Some(Chosen {
            has_flow_index: may_hold.is_some(),
            ..Chosen::new(part, first_ns, unread)
        });
        source.prime(Duration::ZERO)?;
        Ok(source)
    }

    /// Hands out only a part of the file's frames, and reads all of it.
    ///
    /// # Errors
    /// Those of reading the first frame, where a time of day asks for it.
    pub fn part(mut self, part: Part) -> Result<Self> {
        let first_ns = match part.needs_first() {
            true => self.read_first()?,
            false => 0,
        };
        self.chosen = Some(Chosen::new(part, first_ns, 0));
        Ok(self)
    }

    /// The time of the first frame, in nanoseconds since 1970, where
    /// [`open_part`](Self::open_part) had to know it; otherwise 0.
    pub fn first_ns(&self) -> u64 {
        self.chosen.as_ref().map_or(0, |chosen| chosen.first_ns)
    }

    /// Whether the file's index told where the flow that is wanted may be. Otherwise
    /// everything of the wanted time is read.
    pub fn has_flow_index(&self) -> bool {
        self.chosen
            .as_ref()
            .is_some_and(|chosen| chosen.has_flow_index)
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
pub(super) fn indexed(path: &Path) -> Option<(File, Index)> {
    // Opening anything else could wait.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let len = file.metadata().ok()?.len();
    let index = Index::find(len, &mut |at, len| read_at(&mut file, at, len))?;
    Some((file, index))
}

fn read_at(file: &mut File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn word(file: &mut File, at: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at)?;
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
