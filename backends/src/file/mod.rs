//! The backend `file`: frames from capture files, pipes and standard input.
//!
//! Owns opening, waiting, following and decompressing. What the bytes mean is
//! in the core's `read`; writing files is in `output`; repairing them in
//! [`repair`](repair()); reading a part of them in `part`, what that is found by in
//! `index`.

mod index;
mod input;
mod moment;
mod part;
mod progress;
mod repair;
mod row;
#[cfg(test)]
mod tests;

use crate::read::{Format, Reader};
use crate::{
    Batch, Error, Filter, Interface, Next, Obstacle, Placement, Result, Source, SourceAccount,
    pcapng,
};
pub use index::{Indexed, add_index};
use input::{FOLLOW_INTERVAL, Input, Piece};
pub use moment::Moment;
use part::Chosen;
pub use part::Part;
pub use progress::Progress;
pub use repair::{Repair, examine, repair, repair_observed};
pub(crate) use row::BACKEND;
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Another process is still writing the file: wait for more at its end, and
    /// for the rest of a block that is not wholly there. The source then never
    /// ends by itself; a pipe does, when its writer closes it.
    pub follow: bool,
}

/// A source of the frames of one capture file: pcap or pcapng, of either byte
/// order, plain or compressed by gzip, Zstandard or LZ4.
pub struct FileSource {
    name: String,
    input: Input,
    reader: Reader,
    /// Read ahead to learn the interfaces.
    pending: Option<Batch>,
    /// The input failed; what came before is handed out first.
    failed: Option<Error>,
    ended: bool,
    last_ns: u64,
    /// What is left out, if not all frames are wanted.
    chosen: Option<Chosen>,
    /// Frames handed out.
    received: u64,
    progress: Progress,
}

impl FileSource {
    /// Opens a file, a FIFO, or standard input as `-`. Of a regular file that
    /// is not followed it reads the beginning, so that
    /// [`interfaces`](Source::interfaces) and [`sections`](Self::sections) are
    /// known and a file of another kind is refused here. Of others it reads
    /// nothing yet: see [`prime`](Self::prime).
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let path = path.as_ref();
        let progress = Progress::default();
        let input = Input::open(path, options.follow, &progress)?;
        let name = match path.to_str() {
            Some("-") => "standard input".to_owned(),
            _ => path.display().to_string(),
        };
        let mut source = Self::new(name, input, options);
        source.progress = progress;
        if matches!(source.input, Input::File(_)) {
            source.prime(Duration::ZERO)?;
        }
        Ok(source)
    }

    /// A source of the frames in what `input` gives, perhaps compressed. A
    /// thread of its own reads it. `name` is for accounts and messages.
    pub fn from_reader(input: Box<dyn Read + Send>, name: impl Into<String>) -> Result<Self> {
        let input = Input::pipe(input)?;
        Ok(Self::new(name.into(), input, Options::default()))
    }

    fn new(name: String, input: Input, options: Options) -> Self {
        let reader = match options.follow {
            true => Reader::new().following(),
            false => Reader::new(),
        };
        Self {
            name,
            input,
            reader,
            pending: None,
            failed: None,
            ended: false,
            last_ns: 0,
            chosen: None,
            received: 0,
            progress: Progress::default(),
        }
    }

    /// How far reading has come, also while another thread has the source.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Waits, `timeout` at most, until the beginning of the file tells its
    /// interfaces; returns whether it does, or whether the file has ended. What
    /// is read for that is handed out by the next batch. Damage is an error
    /// only where nothing comes before it.
    pub fn prime(&mut self, timeout: Duration) -> Result<bool> {
        if self.pending.is_none() && !self.ended && self.reader.interfaces().is_empty() {
            match self.advance(timeout)? {
                Next::Batch(batch) => self.pending = Some(batch),
                Next::End => self.ended = true,
                _ => {}
            }
        }
        Ok(self.ended || self.pending.is_some() || !self.reader.interfaces().is_empty())
    }

    /// What the section headers read so far say; the first one is known once
    /// the interfaces are. Empty for pcap.
    pub fn sections(&self) -> &[pcapng::Section] {
        self.reader.sections()
    }

    /// The format, once the first bytes are read.
    pub fn format(&self) -> Option<Format> {
        self.reader.format()
    }

    /// The offset in the (decompressed) file up to which everything was handed
    /// out, in bytes: for a progress bar.
    pub fn offset(&self) -> u64 {
        self.reader.offset()
    }

    /// The file's name, as messages have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads until there is a batch, nothing comes within the timeout, or the
    /// end.
    fn advance(&mut self, timeout: Duration) -> Result<Next> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.reader.next_batch() {
                Ok(Some(batch)) => return Ok(Next::Batch(batch)),
                Ok(None) => {}
                Err(error) => return Err(self.fail(error)),
            }
            if let Some(error) = self.failed.take() {
                return Err(self.fail(error));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(next) = self.wait_for_zeros(left)? {
                return Ok(next);
            }
            let reader = &mut self.reader;
            let piece = self
                .input
                .next(left, |mut input| reader.read_from(&mut input));
            match piece {
                Ok(Piece::Read) => {}
                Ok(Piece::Bytes(bytes)) => self.reader.push(&bytes),
                Ok(Piece::Nothing) => return Ok(self.idle()),
                Ok(Piece::End) => {
                    return match self.reader.end() {
                        Ok(()) => Ok(Next::End),
                        Err(error) => Err(self.fail(error)),
                    };
                }
                // What was read before the error is parsed first.
                Err(cause) => self.failed = Some(Error::io("reading failed", cause)),
            }
        }
    }

    /// Where a followed file has zeros that its writer has still to fill: goes
    /// back to them, and waits a little.
    fn wait_for_zeros(&mut self, left: Duration) -> Result<Option<Next>> {
        let Some(offset) = self.reader.reread() else {
            return Ok(None);
        };
        if let Err(cause) = self.input.go_back(offset) {
            return Err(self.fail(Error::io("cannot seek", cause)));
        }
        if left.is_zero() {
            return Ok(Some(self.idle()));
        }
        thread::sleep(left.min(FOLLOW_INTERVAL));
        Ok(None)
    }

    /// Frames of a file come in its order, so those to come are younger than
    /// the last one.
    fn idle(&self) -> Next {
        Next::Idle {
            complete_until_ns: self.last_ns,
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        self.ended = true;
        error.context(format!("cannot read {}", self.name))
    }
}

impl Source for FileSource {
    fn set_filter(&mut self, _: &Filter) -> Result<Placement> {
        Ok(Placement::Here(Obstacle::Source))
    }

    fn next_batch(&mut self, timeout: Duration) -> Result<Next> {
        let mut next = match self.pending.take() {
            Some(batch) => Next::Batch(batch),
            None if self.ended => Next::End,
            None => self.advance(timeout)?,
        };
        match &mut next {
            Next::Batch(batch) => {
                if let Some(chosen) = &mut self.chosen {
                    chosen.apply(batch);
                }
                let last = batch.frames.last().map(|frame| frame.timestamp_ns);
                self.last_ns = last.unwrap_or(self.last_ns);
                self.received += batch.frames.len() as u64;
            }
            Next::End => self.ended = true,
            _ => {}
        }
        Ok(next)
    }

    /// What is left of the file is not read.
    fn stop(&mut self) -> Result<()> {
        self.pending = None;
        self.ended = true;
        Ok(())
    }

    fn account(&mut self) -> Result<SourceAccount> {
        let left_out = self.chosen.as_ref().map_or(0, Chosen::left_out);
        Ok(SourceAccount {
            name: self.name.clone(),
            received: self.received + left_out,
            filtered: left_out,
            ..SourceAccount::default()
        })
    }

    fn interfaces(&self) -> &[Interface] {
        self.reader.interfaces()
    }
}
