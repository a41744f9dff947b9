//! The file that is being written, from its first byte to the closer: what stands
//! at its beginning and its end, and what an error means for it.

use super::{FileSink, State, now_ns};
use crate::output::ahead::Ahead;
use crate::output::closer::Ending;
use crate::output::target::Target;
use crate::output::{FileRecord, counts};
use crate::pcapng::Indexer;
use crate::{Error, ErrorKind, Losses, Result, Sink};
use crossbeam_channel::TryRecvError;
use std::io;
use std::path::{Path, PathBuf};

/// What is gathered goes past the page cache, padded to whole pages, if it is at
/// least this much.
const LEAST_DIRECT: usize = 64 << 10;

impl FileSink {
    /// Opens the first file.
    pub(super) fn begin(&mut self, now_ns: u64) -> Result<()> {
        let path = match &mut self.rotation {
            Some(rotation) => PathBuf::from(rotation.first(now_ns)?),
            None => self.path.clone(),
        };
        self.open_target(&path)
    }

    pub(super) fn open_target(&mut self, path: &Path) -> Result<()> {
        // What the format refuses, it refuses before there is a file.
        self.format.begin(&self.interfaces, self.stage.out())?;
        let target = self.target_for(path);
        let mut target = target.inspect_err(|_| self.stage.clear())?;
        if let Some(compression) = self.compression {
            target.compress(compression)?;
        }
        self.target = Some(target);
        self.record = FileRecord {
            path: path.into(),
            ..FileRecord::default()
        };
        self.index = Indexer::default();
        // A reader of the file finds at least its beginning.
        self.flush()
    }

    fn target_for(&mut self, path: &Path) -> Result<Target> {
        if self.rotation.is_none() && path.as_os_str() == "-" {
            return Target::stdout();
        }
        let direct = self.direct && self.compression.is_none();
        let made = self.ahead.as_mut().and_then(|it| it.take(path, direct));
        made.map_or_else(|| Target::open(path, direct), Ok)
    }

    /// Has further files made ahead of time. By now the program has dropped its
    /// privileges, and the thread that makes them has none either.
    pub(super) fn look_ahead(&mut self) -> Result<()> {
        if let (Some(_), Some(make), true) = (&self.rotation, self.make.take(), self.is_live) {
            self.ahead = Some(Ahead::new(&self.record.path, make)?);
        }
        Ok(())
    }

    /// Ends the file and begins the next.
    pub(super) fn go_on(&mut self, name: &str, remove: Option<String>) -> Result<()> {
        self.end_file(now_ns())?;
        if let Some(path) = remove {
            self.closer.remove(path.into())?;
        }
        self.open_target(Path::new(name))
    }

    /// Puts down what belongs at the end of the file and hands it over.
    pub(super) fn end_file(&mut self, now_ns: u64) -> Result<()> {
        if self.target.is_some() && self.state == State::Open {
            self.put_statistics(now_ns, true);
            self.format.end(self.stage.out());
            if self.stage.len() >= LEAST_DIRECT {
                self.flush()?;
            }
            self.put_index();
        }
        self.hand_over()
    }

    /// Hands the file to the closer, which brings it to its end: so neither what
    /// is still on its way nor the disk holds up the next file. Where nothing can
    /// follow, or after an error, it ends here.
    pub(super) fn hand_over(&mut self) -> Result<()> {
        let Some(target) = self.target.take() else {
            return Ok(());
        };
        let is_well = self.state == State::Open;
        let (tail, frames) = match is_well {
            true => (self.stage.as_slice().to_vec(), self.buffered),
            false => (Vec::new(), 0),
        };
        self.stage.clear();
        self.buffered = 0;
        let is_regular = target.is_regular();
        let mut ending = Ending {
            target,
            tail,
            frames,
            format: self.format.clone(),
            record: std::mem::take(&mut self.record),
            goes_if_useless: self.refused > 0,
        };
        if is_well && is_regular {
            ending.record.lost = self.lost_since_then();
            self.closing.push_back(self.closer.end(ending)?);
            return Ok(());
        }
        let (ended, file) = ending.end();
        self.arrived += ended.frames;
        // After an error that is told already another says nothing new.
        let result = match ended.error {
            Some(error) if is_well => Err(self.failed(error)),
            _ => Ok(()),
        };
        if let Some((file, mut record)) = file {
            record.lost = self.lost_since_then();
            self.closer.finish(file, record)?;
        }
        result
    }

    /// Takes note of the files that have ended. `all`: waits for the others.
    pub(super) fn look_behind(&mut self, all: bool) -> Result<()> {
        let mut result = Ok(());
        while let Some(first) = self.closing.front() {
            let ended = match all {
                true => first.recv().ok(),
                false => match first.try_recv() {
                    Err(TryRecvError::Empty) => break,
                    ended => ended.ok(),
                },
            };
            self.closing.pop_front();
            let Some(ended) = ended else {
                continue;
            };
            self.arrived += ended.frames;
            if let Some(error) = ended.error {
                result = result.and(Err(self.failed(error)));
            }
        }
        result
    }

    /// What was lost since the file before was handed over.
    fn lost_since_then(&mut self) -> Losses {
        let mut lost = self.account.lost;
        let own = self.losses();
        lost.disk = lost.disk.max(own.disk);
        lost.writer = lost.writer.max(own.writer);
        let since = lost.since(&self.lost_before);
        self.lost_before = lost;
        since
    }

    /// What an error means for all that comes.
    fn failed(&mut self, error: Error) -> Error {
        self.state = match error.kind() {
            ErrorKind::BrokenPipe => State::Gone,
            _ => State::Failed,
        };
        error
    }

    /// Writes what has been gathered. It goes the way of blocks where it is much,
    /// and where blocks are on their way, since a small write waits for them.
    pub(super) fn flush(&mut self) -> Result<()> {
        let Some(target) = &mut self.target else {
            return Ok(());
        };
        if self.stage.is_empty() {
            return Ok(());
        }
        self.index.written_at(target.end());
        let frames = std::mem::take(&mut self.buffered);
        let is_worth_it = self.stage.len() >= LEAST_DIRECT || target.is_under_way();
        let lent = match target.unit() {
            Some(_) if is_worth_it && self.format.is_pcapng() => self.stage.lend(),
            _ => None,
        };
        let result = match lent {
            Some((memory, len)) => target.start(memory, len, frames, &self.format),
            None => {
                let result = target.write(self.stage.as_slice(), frames, &self.format);
                self.stage.clear();
                result
            }
        };
        let notice = target.take_notice();
        result.map_err(|cause| self.write_error(cause))?;
        notice.map_or(Ok(()), |notice| self.closer.say(notice))
    }

    /// Says what a failed write(2) means for the file and for the frames.
    pub(super) fn write_error(&mut self, cause: io::Error) -> Error {
        let Some(target) = &self.target else {
            return Error::io("cannot write", cause);
        };
        let error = Error::io(format!("cannot write to {}", target.name()), cause);
        let error = self.failed(error);
        // Only then is it known what is missing. Whatever that meets comes second.
        let _ = self.look_behind(true);
        let lost = self.losses().disk;
        match &self.target {
            Some(target) => target.describe(error, lost),
            None => error,
        }
    }

    /// Appends the index of a finished file in which a reader can seek.
    fn put_index(&mut self) {
        if let Some(target) = &self.target
            && self.compression.is_none()
            && self.format.is_pcapng()
            && target.is_regular()
            && target.path().as_os_str() != "-"
        {
            self.index.written_at(target.end());
            let end = target.end() + self.stage.len() as u64;
            self.index.put(end, self.stage.out());
        }
    }

    /// The length of the file, with what is still in the buffer.
    pub(crate) fn file_bytes(&self) -> u64 {
        let written = self.target.as_ref().map_or(0, Target::end);
        written + self.stage.len() as u64
    }

    /// Appends the interfaces' counts as of the last tick.
    pub(super) fn put_statistics(&mut self, now_ns: u64, is_end: bool) {
        self.counted_ns = now_ns;
        let (start_ns, interfaces) = (self.started_ns, &self.interfaces);
        for counted in counts::of(&self.account, interfaces, start_ns, now_ns, is_end) {
            self.format.statistics(&counted, self.stage.out());
        }
    }
}
