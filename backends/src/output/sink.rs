//! The sink that writes files.

use super::closer::{Closer, Settings};
use super::compress::Compression;
use super::format::Format;
use super::target::Target;
use super::{FileRecord, Output, counts, opening};
use crate::pcapng::{self, Indexer};
use crate::rotation::{Rotation, Turn};
use crate::{Account, Batch, Block, Error, ErrorKind, Flow, Interface, Losses, Result, Sink};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Bytes collected for one write(2).
const BUFFER: usize = 1 << 20;
/// A batch that adds more than this is written in parts.
const LARGEST_PART: u64 = 2 << 20;
/// A batch that adds at least this much, and has its block of memory for itself,
/// is not copied: the block is written.
const LEAST_BLOCK: u64 = 128 << 10;
/// How long whole blocks may wait in the buffer.
const FLUSH_NS: u64 = 1_000_000_000;

/// Writes frames to a file, to one file after the other, or to a pipe.
///
/// Each write(2) ends with a whole block, so that the file is valid up to its
/// last whole block at every moment. After a failed write the file is cut back
/// to that point, and the frames that are not in it are counted: as lost on the
/// disk, or as surplus if it was the reader of a pipe that has gone.
pub struct FileSink {
    path: PathBuf,
    format: Format,
    /// `None` for the standard output and for a single file.
    rotation: Option<Rotation>,
    is_live: bool,
    packet_buffered: bool,
    compression: Option<Compression>,
    direct: bool,
    statistics_every_ns: Option<u64>,
    closer: Closer,
    target: Option<Target>,
    /// Batches without frames that came before the first file, whose name may
    /// depend on the first frame's time.
    early: Vec<Batch>,
    /// The file that is being written.
    record: FileRecord,
    index: Indexer,
    buffer: Vec<u8>,
    /// Frames in the buffer.
    buffered: u64,
    interfaces: Arc<Vec<Interface>>,
    started_ns: u64,
    flushed_ns: u64,
    counted_ns: u64,
    account: Account,
    /// What was lost when the file before was finished.
    lost_before: Losses,
    state: State,
    /// Frames handed to the sink.
    taken: u64,
    /// Of those: in the files before, not wanted, refused by the format.
    arrived: u64,
    unwanted: u64,
    refused: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The last file is complete.
    Full,
    /// The reader of the pipe has gone.
    Gone,
    /// Nothing more can be written.
    Failed,
    Finished,
}

impl FileSink {
    /// Opens the first file, and the file log.
    ///
    /// # Errors
    /// `Usage` for rules that make no sense, and what opening a file can meet.
    pub fn open(output: Output) -> Result<Self> {
        let mut output = output;
        let rotation = opening::rotation(&output)?;
        let log = match output.file_log.take() {
            Some(path) => Some((opening::log(&path, output.owner)?, path)),
            None => None,
        };
        let now = now_ns();
        let owner = output.owner;
        let nanoseconds = |every: Duration| u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        let mut sink = Self {
            path: output.path,
            format: output.format,
            rotation,
            is_live: output.is_live,
            packet_buffered: output.packet_buffered,
            compression: output.compression,
            direct: output.direct && output.is_live,
            statistics_every_ns: output.statistics_every.map(nanoseconds),
            closer: Closer::new(Settings {
                sync: output.sync,
                command: output.command,
                command_wait: output.command_wait,
                log,
                observer: output.observer,
            }),
            target: None,
            early: Vec::new(),
            record: FileRecord::default(),
            index: Indexer::default(),
            buffer: Vec::with_capacity(BUFFER + BUFFER / 4),
            buffered: 0,
            interfaces: Arc::new(output.interfaces),
            started_ns: now,
            flushed_ns: now,
            counted_ns: now,
            account: Account::default(),
            lost_before: Losses::default(),
            state: State::Open,
            taken: 0,
            arrived: 0,
            unwanted: 0,
            refused: 0,
        };
        // The name may depend on the first frame's time.
        let waits = !sink.is_live && sink.rotation.is_some();
        if !waits {
            // On failure the sink is dropped, and a file made for nothing goes.
            sink.begin(now)?;
            if let (Some((user, group)), Some(target)) = (owner, &sink.target) {
                opening::give(target, user, group)?;
            }
        }
        Ok(sink)
    }

    /// Whether further files can be made with the rights of this moment, where
    /// there may be further files. To be called when privileges have been
    /// dropped, before the capture begins.
    ///
    /// # Errors
    /// `Permission` mostly, with what to do.
    pub fn preflight(&self) -> Result<()> {
        let planned = self
            .rotation
            .as_ref()
            .is_some_and(|rotation| rotation.rules().is_planned());
        match planned {
            true => opening::check_folder(&self.path),
            false => Ok(()),
        }
    }

    /// Opens the first file.
    fn begin(&mut self, now_ns: u64) -> Result<()> {
        let path = match &mut self.rotation {
            Some(rotation) => PathBuf::from(rotation.first(now_ns)?),
            None => self.path.clone(),
        };
        self.open_target(&path)
    }

    fn open_target(&mut self, path: &Path) -> Result<()> {
        // What the format refuses, it refuses before there is a file.
        self.format.begin(&self.interfaces, &mut self.buffer)?;
        let is_stdout = self.rotation.is_none() && path.as_os_str() == "-";
        let target = match is_stdout {
            true => Target::stdout(),
            false => Target::open(path, self.direct && self.compression.is_none()),
        };
        let mut target = target.inspect_err(|_| self.buffer.clear())?;
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
    fn go_on(&mut self, name: &str, remove: Option<String>) -> Result<()> {
        self.end_file(now_ns())?;
        if let Some(path) = remove {
            self.closer.remove(path.into())?;
        }
        self.open_target(Path::new(name))
    }

    /// Writes out what belongs to the file and hands it over to be closed.
    fn end_file(&mut self, now_ns: u64) -> Result<()> {
        if self.target.is_none() {
            return Ok(());
        }
        if self.state != State::Failed && self.state != State::Gone {
            self.put_statistics(now_ns, true);
            self.format.end(&mut self.buffer);
            self.flush()?;
            self.settle()?;
            self.put_index()?;
            self.end_compression()
                .map_err(|cause| self.write_error(cause))?;
        }
        self.hand_over()
    }

    /// Hands the file to the closer as it is.
    fn hand_over(&mut self) -> Result<()> {
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
    fn settle(&mut self) -> Result<()> {
        let settled = self
            .target
            .as_mut()
            .map(|target| target.settle(&self.format));
        settled
            .unwrap_or(Ok(()))
            .map_err(|cause| self.write_error(cause))
    }

    /// Writes the buffer.
    fn flush(&mut self) -> Result<()> {
        let Some(target) = &mut self.target else {
            return Ok(());
        };
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.index.written_at(target.end());
        let result = target.write(&self.buffer, self.buffered, &self.format);
        self.buffer.clear();
        self.buffered = 0;
        result.map_err(|cause| self.write_error(cause))
    }

    /// Waits for the threads that compress, and counts what has arrived.
    fn end_compression(&mut self) -> io::Result<()> {
        let ended = self.target.as_mut().map(Target::end_compression);
        ended.unwrap_or(Ok(()))
    }

    /// Says what a failed write(2) means for the file and for the frames.
    fn write_error(&mut self, cause: io::Error) -> Error {
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
    fn put_index(&mut self) -> Result<()> {
        if let Some(target) = &self.target
            && self.compression.is_none()
            && self.format.is_pcapng()
            && target.is_regular()
            && target.path().as_os_str() != "-"
        {
            self.index.put(target.bytes(), &mut self.buffer);
        }
        self.flush()
    }

    /// Frames that were taken and are neither in a file nor counted otherwise.
    fn missing(&self) -> u64 {
        let arrived = self.arrived + self.target.as_ref().map_or(0, Target::frames);
        self.taken - arrived - self.unwanted - self.refused
    }

    /// Takes what came before there was a file.
    fn take_early(&mut self) -> Result<()> {
        for batch in std::mem::take(&mut self.early) {
            self.take(batch)?;
        }
        Ok(())
    }

    fn take(&mut self, batch: Batch) -> Result<Flow> {
        if self.target.is_none() {
            let Some(first) = batch.frames.first() else {
                self.early.push(batch);
                return Ok(Flow::Continue);
            };
            self.begin(first.timestamp_ns)?;
            self.take_early()?;
        }
        if batch.interfaces.len() > self.interfaces.len() {
            self.interfaces = Arc::clone(&batch.interfaces);
        }
        self.prepare(&batch)?;
        let growth = self.format.growth(&batch);
        // Written in place, a block can be as long as its memory.
        let memory = batch.blocks.first().map_or(0, |block| block.bytes().len());
        let most = growth.max(memory as u64);
        let file_bytes = self.file_bytes();
        let packets = self.record.packets;
        let fits = self
            .rotation
            .as_ref()
            .is_none_or(|rotation| rotation.fits(&batch, file_bytes, packets, most));
        let batch = match fits && growth >= LEAST_BLOCK {
            true => match self.take_block(batch)? {
                Some(batch) => batch,
                None => return Ok(Flow::Continue),
            },
            false => batch,
        };
        if !fits || growth > LARGEST_PART {
            return self.take_in_parts(&batch);
        }
        self.format.batch(&batch, &mut self.buffer)?;
        self.buffered += batch.frames.len() as u64;
        for info in &batch.frames {
            self.record.add(info);
            self.index.frame(info);
        }
        if !batch.notes.is_empty() {
            self.index.other();
        }
        if self.packet_buffered || self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(Flow::Continue)
    }

    /// Writes the batch's own memory, if it can be made part of the file where
    /// it lies. Otherwise the batch comes back.
    fn take_block(&mut self, mut batch: Batch) -> Result<Option<Batch>> {
        let Some(len) = self.format.in_place(&mut batch) else {
            return Ok(Some(batch));
        };
        for info in &batch.frames {
            self.record.add(info);
        }
        self.flush()?;
        // What is in the buffer belongs to another place.
        batch.frames.iter().for_each(|info| self.index.frame(info));
        let Some(target) = &mut self.target else {
            return Ok(None);
        };
        self.index.written_at(target.end());
        let frames = batch.frames.len() as u64;
        let aligned = |block: &mut Arc<dyn Block>| {
            let unit = target.unit()?;
            let memory = Arc::get_mut(block)?.bytes_mut();
            let at_page = memory.as_ptr().align_offset(unit) == 0;
            at_page.then(|| pcapng::pad_to(unit, len, memory))?
        };
        let result = match batch.blocks.pop() {
            None => Ok(()),
            Some(mut block) => match aligned(&mut block) {
                Some(len) => target.start(block, len, frames, &self.format),
                None => {
                    let bytes = block.bytes().get(..len).unwrap_or_default();
                    target.write(bytes, frames, &self.format)
                }
            },
        };
        let notice = target.take_notice();
        result.map_err(|cause| self.write_error(cause))?;
        if let Some(notice) = notice {
            self.closer.say(notice)?;
        }
        Ok(None)
    }

    /// What the format refuses, it refuses before anything is written: the
    /// frames before stay.
    fn prepare(&mut self, batch: &Batch) -> Result<()> {
        let before = self.buffer.len();
        let prepared = self
            .format
            .prepare(batch, &mut self.buffer)
            .inspect_err(|_| {
                self.refused += batch.frames.len() as u64;
                // Whatever this meets, the refusal comes first.
                let _ = self.flush();
                self.state = State::Failed;
            });
        if self.buffer.len() > before {
            self.index.other();
        }
        prepared
    }

    /// Frame by frame: the batch may belong into several files.
    fn take_in_parts(&mut self, batch: &Batch) -> Result<Flow> {
        let mut notes = batch.notes.iter().peekable();
        for (index, frame) in batch.iter().enumerate() {
            let bytes = self.file_bytes();
            let turn = match &mut self.rotation {
                Some(rotation) => {
                    rotation.before_frame(frame.info.timestamp_ns, bytes, self.record.packets)?
                }
                None => Turn::Stay,
            };
            if self.turn(turn)? == Flow::Stop {
                self.unwanted += (batch.frames.len() - index) as u64;
                return Ok(Flow::Stop);
            }
            while let Some(note) = notes.next_if(|note| note.before <= index) {
                self.format.note(note, &mut self.buffer);
                self.index.other();
            }
            self.format.frame(&frame, &mut self.buffer);
            self.buffered += 1;
            self.record.add(frame.info);
            self.index.frame(frame.info);
            if self.buffer.len() >= BUFFER {
                self.flush()?;
            }
        }
        notes.for_each(|note| self.format.note(note, &mut self.buffer));
        if self.packet_buffered {
            self.flush()?;
        }
        Ok(Flow::Continue)
    }

    fn turn(&mut self, turn: Turn) -> Result<Flow> {
        match turn {
            Turn::Stay => Ok(Flow::Continue),
            Turn::Next { name, remove } => {
                self.go_on(&name, remove)?;
                Ok(Flow::Continue)
            }
            Turn::Stop => {
                self.end_file(now_ns())?;
                self.state = State::Full;
                Ok(Flow::Stop)
            }
        }
    }

    /// The length of the file, with what is still in the buffer.
    fn file_bytes(&self) -> u64 {
        let written = self.target.as_ref().map_or(0, Target::end);
        written + self.buffer.len() as u64
    }

    /// Appends the interfaces' counts as of the last tick.
    fn put_statistics(&mut self, now_ns: u64, is_end: bool) {
        self.counted_ns = now_ns;
        let (start_ns, interfaces) = (self.started_ns, &self.interfaces);
        for counted in counts::of(&self.account, interfaces, start_ns, now_ns, is_end) {
            self.format.statistics(&counted, &mut self.buffer);
        }
    }

    /// After an error: the file is left as it is, and what did not arrive is
    /// counted.
    fn give_up(&mut self, error: Error) -> Error {
        if self.state == State::Open {
            self.state = State::Failed;
        }
        match self.hand_over() {
            Ok(()) => error,
            Err(also) => error.context(format!("{also:#}")),
        }
    }
}

impl Sink for FileSink {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        let count = batch.frames.len() as u64;
        self.taken += count;
        match self.state {
            State::Open => self.take(batch).map_err(|error| self.give_up(error)),
            State::Failed => Ok(Flow::Stop),
            State::Full | State::Gone | State::Finished => {
                self.unwanted += count;
                Ok(Flow::Stop)
            }
        }
    }

    fn tick(&mut self, now_ns: u64, account: &Account) -> Result<Flow> {
        self.account.clone_from(account);
        if self.state != State::Open {
            return Ok(Flow::Stop);
        }
        if self.target.is_none() {
            return Ok(Flow::Continue);
        }
        self.at_clock(now_ns).map_err(|error| self.give_up(error))
    }

    fn finish(&mut self, account: &Account) -> Result<()> {
        self.account.clone_from(account);
        let mut result = Ok(());
        if self.state == State::Open {
            let now = now_ns();
            result = match self.target {
                // Reading a file that has no frames still makes one.
                None => self.begin(now).and_then(|()| self.take_early()),
                Some(_) => Ok(()),
            };
            result = result
                .and_then(|()| self.end_file(now))
                .map_err(|error| self.give_up(error));
        }
        if matches!(self.state, State::Open | State::Full) {
            self.state = State::Finished;
        }
        result.and(self.closer.join())
    }

    fn surplus(&self) -> u64 {
        match self.state {
            State::Gone => self.unwanted + self.missing(),
            _ => self.unwanted,
        }
    }

    fn losses(&self) -> Losses {
        let disk = match self.state {
            State::Failed => self.missing(),
            _ => 0,
        };
        Losses {
            writer: self.refused,
            disk,
            ..Losses::default()
        }
    }
}

impl FileSink {
    fn at_clock(&mut self, now_ns: u64) -> Result<Flow> {
        if let Some(target) = &mut self.target {
            let looked = target.look_now(&self.format);
            looked.map_err(|cause| self.write_error(cause))?;
        }
        if self.is_live
            && let Some(rotation) = &mut self.rotation
        {
            let turn = rotation.at_clock(now_ns)?;
            if self.turn(turn)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        let is_due = |every: u64| now_ns.saturating_sub(self.counted_ns) >= every;
        if self.statistics_every_ns.is_some_and(is_due) {
            self.put_statistics(now_ns, false);
        }
        if now_ns.saturating_sub(self.flushed_ns) >= FLUSH_NS {
            self.flushed_ns = now_ns;
            self.flush()?;
        }
        Ok(Flow::Continue)
    }
}

impl Drop for FileSink {
    /// A run that ended without `finish` loses nothing that can be saved; one
    /// that never began leaves no file.
    fn drop(&mut self) {
        if self.state == State::Open {
            let _ = self.flush();
        }
        if self.taken == 0
            && let Some(target) = &self.target
        {
            target.remove_if_useless();
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
