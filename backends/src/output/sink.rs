//! The sink that writes files: its state, and what it says of the frames it took.
//! How they get into a file is in `frames`, what else happens to a file in `file`.

mod file;
mod frames;

use super::ahead::{self, Ahead, Make};
use super::closer::{Closer, Ended, Settings};
use super::compress::Compression;
use super::format::Format;
use super::stage::Stage;
use super::target::Target;
use super::{FileRecord, Output, opening};
use crate::pcapng::Indexer;
use crate::pcapng::Packing;
use crate::rotation::Rotation;
use crate::{Account, Batch, Error, Flow, Interface, Losses, Result, Sink};
use crossbeam_channel::Receiver;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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
    /// Files that are being ended, oldest first.
    closing: VecDeque<Receiver<Ended>>,
    /// How further files are made, until there is somebody who makes them.
    pub(super) make: Option<Make>,
    ahead: Option<Ahead>,
    target: Option<Target>,
    /// Batches without frames that came before the first file, whose name may
    /// depend on the first frame's time.
    early: Vec<Batch>,
    /// The file that is being written.
    record: FileRecord,
    index: Indexer,
    /// What is not worth a write yet.
    stage: Stage,
    /// Frames in it.
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
            closing: VecDeque::new(),
            make: Some(ahead::unnamed),
            ahead: None,
            target: None,
            early: Vec::new(),
            record: FileRecord::default(),
            index: Indexer::default(),
            stage: Stage::new(),
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

    /// Frames that were taken and are neither in a file nor counted otherwise.
    fn missing(&self) -> u64 {
        let arrived = self.arrived + self.target.as_ref().map_or(0, Target::frames);
        self.taken - arrived - self.unwanted - self.refused
    }

    /// After an error: the file is left as it is, and what did not arrive is
    /// counted.
    fn give_up(&mut self, error: Error) -> Error {
        if self.state == State::Open {
            self.state = State::Failed;
        }
        let handed_over = self.hand_over();
        // What arrived is known then. The first error is the one to report.
        let _ = self.look_behind(true);
        match handed_over {
            Ok(()) => error,
            Err(also) => error.context(format!("{also:#}")),
        }
    }
}

impl Sink for FileSink {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        let count = batch.count() as u64;
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
        let ended = self.look_behind(true);
        if matches!(self.state, State::Open | State::Full) {
            self.state = State::Finished;
        }
        self.ahead = None;
        result.and(ended).and(self.closer.join())
    }

    fn packing(&self) -> Option<Packing> {
        self.format.packing()
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
        self.look_behind(false)?;
        self.look_ahead()?;
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
