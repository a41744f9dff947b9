//! Finished files: closed, reported, handed to the user's command. On a thread
//! of its own, so that none of it holds up the capture.

use super::format::Format;
use super::target::Target;
use super::{FileRecord, Observer};
use crate::sys::file;
use crate::{Error, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What happened to a finished file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A file is complete and closed.
    Finished(FileRecord),
    /// The command for a finished file could not be started or has failed.
    CommandFailed {
        /// The file.
        path: PathBuf,
        /// A sentence about what went wrong.
        reason: String,
    },
    /// The command for a finished file is still at work, and nobody waits for
    /// it any more.
    CommandLeft {
        /// The file.
        path: PathBuf,
    },
    /// Something that a person should know of how files are written.
    Notice(String),
    /// Something is wrong with a finished file or with the file log; the end of
    /// the capture will report the first of these.
    Failed(String),
}

pub(super) struct Settings {
    pub(super) sync: bool,
    pub(super) command: Option<OsString>,
    pub(super) command_wait: Duration,
    pub(super) log: Option<(File, PathBuf)>,
    pub(super) observer: Option<Observer>,
}

/// A file in which the last is still to be written.
pub(super) struct Ending {
    pub(super) target: Target,
    pub(super) tail: Vec<u8>,
    /// Frames in it.
    pub(super) frames: u64,
    pub(super) format: Format,
    pub(super) record: FileRecord,
    /// Whether it goes if there is no frame in it.
    pub(super) goes_if_useless: bool,
}

/// What became of one.
pub(super) struct Ended {
    /// Frames in the file.
    pub(super) frames: u64,
    /// What went wrong, in a sentence.
    pub(super) error: Option<Error>,
}

impl Ending {
    /// Ends the file: what became of it, and the file if it stays.
    pub(super) fn end(mut self) -> (Ended, Option<(File, FileRecord)>) {
        let target = &mut self.target;
        let result = target.finish(&self.tail, self.frames, &self.format);
        let error = result
            .err()
            .map(|error| target.describe(error, target.missing()));
        let frames = target.frames();
        let ended = Ended { frames, error };
        if self.goes_if_useless && target.remove_if_useless() {
            return (ended, None);
        }
        self.record.packets = frames;
        self.record.bytes = self.target.stored_bytes();
        (ended, Some((self.target.into_file(), self.record)))
    }
}

enum Job {
    End(Box<Ending>, Sender<Ended>),
    Finish(File, FileRecord),
    Remove(PathBuf),
    Say(String),
}

/// The thread begins with the first finished file or notice: by then the program has
/// dropped its privileges, and the thread and the commands have none either.
pub(super) struct Closer {
    settings: Option<Settings>,
    running: Option<(Sender<Job>, JoinHandle<Result<()>>)>,
}

impl Closer {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings: Some(settings),
            running: None,
        }
    }

    /// Takes a file over that is complete.
    pub(super) fn finish(&mut self, file: File, record: FileRecord) -> Result<()> {
        self.send(Job::Finish(file, record))
    }

    /// Takes a file over that is to be ended: where it says what became of it.
    pub(super) fn end(&mut self, ending: Ending) -> Result<Receiver<Ended>> {
        let (to, ended) = bounded(1);
        self.send(Job::End(Box::new(ending), to))?;
        Ok(ended)
    }

    /// Removes a file that is no longer kept.
    pub(super) fn remove(&mut self, path: PathBuf) -> Result<()> {
        self.send(Job::Remove(path))
    }

    /// Tells the observer something.
    pub(super) fn say(&mut self, text: String) -> Result<()> {
        self.send(Job::Say(text))
    }

    /// Waits until all files are closed, and for their commands as long as was
    /// set: the first error of all.
    pub(super) fn join(&mut self) -> Result<()> {
        let Some((to, thread)) = self.running.take() else {
            return Ok(());
        };
        drop(to);
        let internal = |_| Error::new(crate::ErrorKind::Internal, "the closing thread panicked");
        thread.join().map_err(internal).flatten()
    }

    fn send(&mut self, job: Job) -> Result<()> {
        if let Some(settings) = self.settings.take() {
            let (to, from) = unbounded();
            let thread = thread::Builder::new()
                .name("closer".into())
                .spawn(move || Work::new(settings).run(&from))
                .map_err(|cause| Error::io("cannot start the thread that closes files", cause))?;
            self.running = Some((to, thread));
        }
        if let Some((to, _)) = &self.running {
            // It ends only when the sender does.
            let _ = to.send(job);
        }
        Ok(())
    }
}

struct Work {
    settings: Settings,
    children: Vec<(Child, PathBuf)>,
    error: Option<Error>,
}

impl Work {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            children: Vec::new(),
            error: None,
        }
    }

    fn run(mut self, jobs: &Receiver<Job>) -> Result<()> {
        loop {
            let job = match self.children.is_empty() {
                true => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => jobs.recv_timeout(Duration::from_millis(100)),
            };
            match job {
                Ok(Job::End(ending, to)) => {
                    let (ended, file) = ending.end();
                    // Nobody listens any more if the capture has been given up.
                    let _ = to.send(ended);
                    if let Some((file, record)) = file {
                        self.finish(file, record);
                    }
                }
                Ok(Job::Finish(file, record)) => self.finish(file, record),
                Ok(Job::Remove(path)) => self.remove(path),
                Ok(Job::Say(text)) => self.tell(Event::Notice(text)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.reap();
        }
        let deadline = Instant::now() + self.settings.command_wait;
        while !self.children.is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
            self.reap();
        }
        for (_, path) in std::mem::take(&mut self.children) {
            self.tell(Event::CommandLeft { path });
        }
        self.error.map_or(Ok(()), Err)
    }

    fn finish(&mut self, file: File, record: FileRecord) {
        let name = record.path.display().to_string();
        let on_disk = match self.settings.sync {
            true => file.sync_all(),
            false => file::written_back(file.as_fd()),
        };
        if let Err(cause) = on_disk
            // Pipes and devices have nothing to bring to a disk.
            && !matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::NotSeekable)
        {
            let what = format!("cannot bring {name} to the disk: part of it will be missing there");
            self.fail(Error::io(what, cause));
        }
        if let Err(cause) = file::close(file.into()) {
            self.fail(Error::io(format!("cannot close {name}"), cause));
        }
        if let Some((log, path)) = &mut self.settings.log
            && let Err(cause) = log.write_all(record.to_json().as_bytes())
        {
            let what = format!("cannot write to the file log {}", path.display());
            self.fail(Error::io(what, cause));
        }
        if let Some(command) = self.settings.command.clone() {
            self.start(&command, record.path.clone());
        }
        self.tell(Event::Finished(record));
    }

    fn remove(&mut self, path: PathBuf) {
        match fs::remove_file(&path) {
            // The command may have renamed it.
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                let what = format!("cannot remove {}", path.display());
                self.fail(Error::io(what, cause));
            }
            _ => {}
        }
    }

    fn start(&mut self, command: &OsString, path: PathBuf) {
        match Command::new(command).arg(&path).spawn() {
            Ok(child) => {
                // Not to be nice is no reason to fail.
                let _ = file::be_nice(child.id());
                self.children.push((child, path));
            }
            Err(cause) => {
                let reason = format!("cannot run {}: {cause}", command.display());
                self.tell(Event::CommandFailed { path, reason });
            }
        }
    }

    /// Takes note of the commands that have ended.
    fn reap(&mut self) {
        let mut ended = Vec::new();
        self.children
            .retain_mut(|(child, path)| match child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) if status.success() => false,
                Ok(Some(status)) => {
                    ended.push((
                        std::mem::take(path),
                        format!("the command ended with {status}"),
                    ));
                    false
                }
                Err(cause) => {
                    ended.push((
                        std::mem::take(path),
                        format!("cannot wait for the command: {cause}"),
                    ));
                    false
                }
            });
        for (path, reason) in ended {
            self.tell(Event::CommandFailed { path, reason });
        }
    }

    fn tell(&mut self, event: Event) {
        if let Some(observer) = &mut self.settings.observer {
            observer(event);
        }
    }

    fn fail(&mut self, error: Error) {
        self.tell(Event::Failed(format!("{error:#}")));
        self.error.get_or_insert(error);
    }
}
