//! The file after this one, made ahead of time on a thread of its own, so that
//! rotation waits neither for a slow disk nor for a slow folder.
//!
//! It has no name (O_TMPFILE) until its turn comes: nobody sees a file in which
//! nothing is yet, a file of an earlier round is replaced when its place is
//! needed and not before, and a crash leaves nothing behind. Where the file
//! system knows no files without names, files are opened when their turn comes,
//! and so is the first in another folder.

use super::target::Target;
use crate::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

/// Makes a file without a name in a folder.
pub(super) type Make = fn(&Path) -> io::Result<File>;

enum Job {
    /// Make a file in this folder.
    Make(PathBuf),
    /// Give a file its name, and say how that went.
    Name(File, PathBuf, Sender<io::Result<()>>),
}

/// A file that is ready, or soon will be.
pub(super) struct Ahead {
    to: Option<Sender<Job>>,
    ready: Receiver<Option<File>>,
    thread: Option<JoinHandle<()>>,
    folder: PathBuf,
    is_asked: bool,
}

impl Ahead {
    /// Files in the folder of `path`. The thread has the rights that the caller
    /// has at this moment.
    pub(super) fn new(path: &Path, make: Make) -> Result<Self> {
        let (to, jobs) = unbounded();
        let (give, ready) = bounded(1);
        let thread = thread::Builder::new()
            .name("opener".into())
            .spawn(move || work(&jobs, &give, make))
            .map_err(|cause| Error::io("cannot start the thread that opens files", cause))?;
        let mut ahead = Self {
            to: Some(to),
            ready,
            thread: Some(thread),
            folder: folder(path).into(),
            is_asked: false,
        };
        ahead.ask();
        Ok(ahead)
    }

    fn send(&self, job: Job) {
        if let Some(to) = &self.to {
            // It ends only when the sender does.
            let _ = to.send(job);
        }
    }

    fn ask(&mut self) {
        self.is_asked = true;
        self.send(Job::Make(self.folder.clone()));
    }

    /// The file that was made, which gets the name `path` while it is written;
    /// `None` if there is none for that folder. The next will be for it.
    pub(super) fn take(&mut self, path: &Path, direct: bool) -> Option<Target> {
        if !std::mem::take(&mut self.is_asked) {
            return None;
        }
        let made = self.ready.recv().ok()?;
        if folder(path) != self.folder {
            self.folder = folder(path).into();
            self.ask();
            return None;
        }
        let file = made?;
        let copy = file.try_clone().ok()?;
        let (to, named) = bounded(1);
        self.send(Job::Name(copy, path.into(), to));
        self.ask();
        Some(Target::unnamed(file, path, direct, named))
    }
}

impl Drop for Ahead {
    /// What was made in vain is gone without a trace.
    fn drop(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(jobs: &Receiver<Job>, give: &Sender<Option<File>>, make: Make) {
    for job in jobs {
        match job {
            Job::Make(folder) => {
                // What is wrong is said when it is opened again, with its name.
                let _ = give.send(make(&folder).ok());
            }
            Job::Name(file, path, to) => {
                let _ = to.send(name(&file, &path));
            }
        }
    }
}

/// The folder that a file is in.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file without a name.
pub(super) fn unnamed(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_TMPFILE);
    options.mode(0o666).open(folder)
}

/// Gives a file without a name this one. A file that has it is replaced, if it
/// is one.
fn name(file: &File, path: &Path) -> io::Result<()> {
    let own = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    match crate::sys::file::link(&own, path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        result => return result,
    }
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if !kind.is_file() && !kind.is_symlink() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let last = path.file_name().unwrap_or_default().display();
    let between = folder(path).join(format!(".{last}.{}", std::process::id()));
    let _ = fs::remove_file(&between);
    crate::sys::file::link(&own, &between)?;
    fs::rename(&between, path).inspect_err(|_| {
        let _ = fs::remove_file(&between);
    })
}

/// What became of the name of a file.
pub(super) fn wait(named: &Receiver<io::Result<()>>) -> io::Result<()> {
    let gone = |_| io::Error::other("the thread that names files has ended");
    named.recv().map_err(gone).flatten()
}

/// The error of a name, in the words of an open.
pub(super) fn refused(path: &Path, cause: io::Error) -> Error {
    let kind = cause.kind();
    let error = Error::io(format!("cannot write to {}", path.display()), cause);
    match kind {
        io::ErrorKind::AlreadyExists => Error::new(
            ErrorKind::System,
            format!(
                "cannot write to {}: something is there that is no file; remove it",
                path.display()
            ),
        ),
        _ => error,
    }
}
