//! The file that is being written, from its first byte to the closer: what stands
//! at its beginning and its end, and what an error means for it.

use super::{FileSink, State, now_ns};
use crate::output::target::Target;
use crate::output::{FileRecord, counts};
use crate::pcapng::Indexer;
use crate::{Error, ErrorKind, Result, Sink};
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
        let is_stdout = self.rotation.is_none() && path.as_os_str() == "-";
        let target = match is_stdout {
            true => Target::stdout(),
            false => Target::open(path, self.direct && self.compression.is_none()),
        };
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

    /// Ends the file and begins the next.
    pub(super) fn go_on(&mut self, name: &str, remove: Option<String>) -> Result<()> {
        self.end_file(now_ns())?;
        if let Some(path) = remove {
            self.closer.remove(path.into())?;
        }
        self.open_target(Path::new(name))
    }

    /// Writes out what belongs to the file and hands it over to be closed.
    pub(super) fn end_file(&mut self, now_ns: u64) -> Result<()> {
        if self.target.is_none() {
            return Ok(());
        }
        if self.state != State::Failed && self.state != State::Gone {
            self.put_statistics(now_ns, true);
            self.format.end(self.stage.out());
            self.flush()?;
            self.settle()?;
            self.put_index()?;
            self.end_compression()
                .map_err(|cause| self.write_error(cause))?;
        }
        self.hand_over()
    }

    /// Hands the file to the closer as it is.
    pub(super) fn hand_over(&mut self) -> Result<()> {
        // After an error that is told already this one says nothing new.
        let _ = self.end_compression();
        let Some(mut target) = self.target.take() else {
            return Ok(());
        };
        // Whatever this meets, another error came before.
        let _ = target.settle(&self.format);
        self.arrived += target.frames();
        if self.refused > 0 && target.remove_if_useless() {
            return Ok(());
        }
        let mut lost = self.account.lost;
        let own = self.losses();
        lost.disk = lost.disk.max(own.disk);
        lost.writer = lost.writer.max(own.writer);
        let mut record = std::mem::take(&mut self.record);
        record.packets = target.frames();
        record.bytes = target.stored_bytes();
        record.lost = lost.since(&self.lost_before);
        self.lost_before = lost;
        self.closer.finish(target.into_file(), record)
    }

    /// Waits until everything that was written has arrived.
    pub(super) fn settle(&mut self) -> Result<()> {
        let settled = self
            .target
            .as_mut()
            .map(|target| target.settle(&self.format));
        settled
            .unwrap_or(Ok(()))
            .map_err(|cause| self.write_error(cause))
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

    /// Waits for the threads that compress, and counts what has arrived.
    pub(super) fn end_compression(&mut self) -> io::Result<()> {
        let ended = self.target.as_mut().map(Target::end_compression);
        ended.unwrap_or(Ok(()))
    }

    /// Says what a failed write(2) means for the file and for the frames.
    pub(super) fn write_error(&mut self, cause: io::Error) -> Error {
        let Some(target) = &self.target else {
            return Error::io("cannot write", cause);
        };
        let name = target.name();
        let (frames, bytes) = (target.frames(), target.stored_bytes());
        let is_regular = target.is_regular();
        let error = Error::io(format!("cannot write to {name}"), cause);
        if error.kind() == ErrorKind::BrokenPipe {
            self.state = State::Gone;
            return error;
        }
        self.state = State::Failed;
        let valid = format!("{name} is valid and holds {frames} frames in {bytes} bytes");
        let lost = match self.losses().disk {
            0 => None,
            1 => Some("1 frame is lost".into()),
            lost => Some(format!("{lost} frames are lost")),
        };
        match (lost, is_regular && bytes > 0) {
            (Some(lost), true) => error.context(format!("{lost}; {valid}")),
            (Some(lost), false) => error.context(lost),
            (None, true) => error.context(valid),
            (None, false) => error,
        }
    }

    /// Appends the index of a finished file in which a reader can seek.
    pub(super) fn put_index(&mut self) -> Result<()> {
        if let Some(target) = &self.target
            && self.compression.is_none()
            && self.format.is_pcapng()
            && target.is_regular()
            && target.path().as_os_str() != "-"
        {
            self.index.put(target.bytes(), self.stage.out());
        }
        self.flush()
    }

    /// The length of the file, with what is still in the buffer.
    pub(super) fn file_bytes(&self) -> u64 {
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
