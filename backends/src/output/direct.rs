//! Blocks on their way to the disk, past the page cache.
//!
//! A thread writes them, so that whoever captures goes on meanwhile. It takes
//! all that waits at once: one write(2) of up to 8 MiB keeps a disk as busy as
//! many small ones under way together would, and since it ends where the next
//! begins, the file has no hole and grows by whole blocks, whatever ends the
//! program. (With io_uring each write that lengthens a file is handed to a
//! thread of the kernel, where they wait for each other: it costs twice the CPU
//! time and is no faster, `benches/runs/2026-11-22/writer.md`.) Where blocks come
//! slowly and the ring has enough of them, it lets some gather first, since a
//! write costs more than what is in it.
//!
//! The memory of a block goes back as soon as it is written. What is small goes
//! through the page cache, with nothing under way meanwhile.

use crate::Block;
use crate::sys::file;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::AsFd;
#[cfg(test)]
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Length, place in memory and place in the file of what goes past the page
/// cache are multiples of this; no disk asks for more.
pub(super) const UNIT: usize = 4096;
/// Most pieces that wait, and with that most that are written at once.
const DEPTH: usize = 8;
/// Longest that a piece waits for others.
const PATIENCE: Duration = Duration::from_millis(200);

/// A part of a file that is still to be written.
pub(super) struct Piece {
    pub(super) memory: Arc<dyn Block>,
    /// How many bytes of it.
    pub(super) len: usize,
    /// Frames in them.
    pub(super) frames: u64,
}

impl Piece {
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.bytes().get(..self.len).unwrap_or_default()
    }
}

/// What has become of the pieces since it was last asked for.
#[derive(Default)]
pub(super) struct News {
    /// Bytes that have arrived.
    pub(super) bytes: u64,
    /// Frames in them.
    pub(super) frames: u64,
    /// What went wrong behind them: nothing more is written.
    pub(super) failure: Option<Failure>,
    /// The file system takes no direct writes; the page cache is used instead.
    pub(super) refusal: Option<io::Error>,
}

/// A piece that could not be written.
pub(super) struct Failure {
    pub(super) piece: Piece,
    /// How many bytes of it were.
    pub(super) there: usize,
    pub(super) cause: io::Error,
}

/// Pieces on their way to one file.
#[derive(Default)]
pub(super) struct Direct {
    queue: Option<Queue>,
    /// Whether the file is open for direct writes at this moment.
    is_set: bool,
    is_refused: bool,
    /// Bytes under way.
    bytes: u64,
    #[cfg(test)]
    fault: Option<(u64, Fault)>,
}

/// What a test lets the disk do with a write.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Writes so many bytes of it.
    Short(usize),
    /// Writes nothing, and ends with this error number.
    Error(i32),
}

struct Queue {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A queue of its own: a channel spins before it sleeps, which costs more than
/// all else here where there is little to do.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a first thing to write, or enough, or nothing will come any more.
    filled: Condvar,
    /// Something has been written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Piece>,
    /// Where the first of them goes.
    at: u64,
    /// When the first of them came.
    since: Option<Instant>,
    /// Somebody waits until all is written.
    is_wanted: bool,
    /// Pieces that are being written.
    taken: usize,
    has_ended: bool,
    news: News,
}

impl State {
    /// Whether what waits is to be written now, whatever may still come.
    fn is_enough(&self) -> bool {
        let spare = self.waiting.iter().map(|piece| piece.memory.spare()).min();
        self.has_ended || self.is_wanted || self.waiting.len() >= spare.unwrap_or(0).min(DEPTH)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, once it is as `until` says.
    fn wait(&self, event: &Condvar, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = event.wait_while(self.lock(), |state| !until(state));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, once there is something to write, or nothing will come.
    fn wait_for_enough(&self) -> MutexGuard<'_, State> {
        let is_due = |state: &State| state.has_ended || !state.waiting.is_empty();
        let state = self.wait(&self.filled, is_due);
        let left = state.since.map_or(Duration::ZERO, |since| {
            PATIENCE.saturating_sub(since.elapsed())
        });
        let waited = (self.filled).wait_timeout_while(state, left, |state| !state.is_enough());
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Direct {
    /// As where the file system refuses direct writes.
    #[cfg(test)]
    pub(super) fn refused() -> Self {
        Self {
            is_refused: true,
            ..Self::default()
        }
    }

    /// With a disk that meets a fault once, where it comes to a place in the file.
    #[cfg(test)]
    pub(super) fn with_fault(at: u64, fault: Fault) -> Self {
        Self {
            fault: Some((at, fault)),
            ..Self::default()
        }
    }

    /// Bytes under way.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes the file ready for direct writes.
    pub(super) fn enter(&mut self, to: &File) -> io::Result<()> {
        if !self.is_set && !self.is_refused {
            file::set_direct(to.as_fd(), true)?;
            self.is_set = true;
        }
        Ok(())
    }

    /// Makes the file ready for other writes, with nothing under way. Whether it
    /// was not, and its position is to be set.
    pub(super) fn leave(&mut self, to: &File) -> io::Result<bool> {
        if self.is_set {
            file::set_direct(to.as_fd(), false)?;
            self.is_set = false;
        }
        Ok(self.queue.is_some())
    }

    /// The file system takes no direct writes. Whether that is new.
    pub(super) fn refuse(&mut self) -> bool {
        self.is_set = false;
        !std::mem::replace(&mut self.is_refused, true)
    }

    /// Hands over a piece to be written at `at`, right behind the one before.
    /// Waits while too many are waiting.
    pub(super) fn start(&mut self, to: &File, piece: Piece, at: u64) -> io::Result<()> {
        let len = piece.len as u64;
        let queue = match &mut self.queue {
            Some(queue) => queue,
            none => {
                let disk = Disk {
                    file: to.try_clone()?,
                    #[cfg(test)]
                    fault: self.fault,
                };
                none.insert(Queue::new(disk)?)
            }
        };
        let shared = &queue.shared;
        let mut state = shared.wait(&shared.emptied, |state| state.waiting.len() < DEPTH);
        let is_first = state.waiting.is_empty();
        if is_first {
            (state.at, state.since) = (at, Some(Instant::now()));
        }
        state.waiting.push_back(piece);
        let is_news = is_first || state.is_enough();
        drop(state);
        if is_news {
            shared.filled.notify_one();
        }
        self.bytes += len;
        Ok(())
    }

    /// What has happened. `all`: waits until nothing is under way.
    pub(super) fn news(&mut self, all: bool) -> News {
        let Some(queue) = &self.queue else {
            return News::default();
        };
        let shared = &queue.shared;
        if all {
            shared.lock().is_wanted = true;
            shared.filled.notify_one();
        }
        let is_idle = |state: &State| state.waiting.is_empty() && state.taken == 0;
        let mut state = shared.wait(&shared.emptied, |state| !all || is_idle(state));
        state.is_wanted = false;
        let news = std::mem::take(&mut state.news);
        self.bytes -= news.bytes;
        news
    }
}

impl Queue {
    fn new(mut disk: Disk) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || work(&mut disk, &its))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }
}

impl Drop for Queue {
    /// Afterwards nobody writes to the file any more.
    fn drop(&mut self) {
        self.shared.lock().has_ended = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // It has told all that it had to tell.
            let _ = thread.join();
        }
    }
}

/// The thread: writes until nobody hands it anything any more.
fn work(disk: &mut Disk, shared: &Shared) {
    let mut has_failed = false;
    let mut pieces = Vec::with_capacity(DEPTH);
    loop {
        let mut state = shared.wait_for_enough();
        if state.waiting.is_empty() {
            return;
        }
        pieces.extend(state.waiting.drain(..));
        state.taken = pieces.len();
        let at = state.at;
        drop(state);
        // Others may be waiting for a place to put more.
        shared.emptied.notify_all();
        // What comes behind a failure is of no use.
        let news = match has_failed {
            true => News::default(),
            false => disk.write(&mut pieces, at),
        };
        has_failed |= news.failure.is_some();
        // The memory goes back before anybody hears of it.
        pieces.clear();
        let mut state = shared.lock();
        state.taken = 0;
        let told = &mut state.news;
        told.bytes += news.bytes;
        told.frames += news.frames;
        told.failure = told.failure.take().or(news.failure);
        told.refusal = told.refusal.take().or(news.refusal);
        drop(state);
        shared.emptied.notify_all();
    }
}

/// The file as the thread sees it.
struct Disk {
    file: File,
    #[cfg(test)]
    fault: Option<(u64, Fault)>,
}

impl Disk {
    /// Writes the pieces one behind the other.
    fn write(&mut self, pieces: &mut Vec<Piece>, at: u64) -> News {
        let mut slices: Vec<_> = pieces.iter().map(|p| IoSlice::new(p.bytes())).collect();
        let mut rest = &mut slices[..];
        let mut news = News::default();
        let (mut done, mut failed) = (0, None);
        while !rest.is_empty() && failed.is_none() {
            match self.write_at(rest, at + done as u64) {
                Ok(0) => failed = Some(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    done += count;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(cause) if news.refusal.is_none() && is_refusal(&cause) => {
                    match file::set_direct(self.file.as_fd(), false) {
                        Ok(()) => news.refusal = Some(cause),
                        Err(_) => failed = Some(cause),
                    }
                }
                Err(cause) => failed = Some(cause),
            }
        }
        let mut there = done;
        let arrived = pieces.iter().take_while(|piece| {
            let is_whole = piece.len <= there;
            there -= if is_whole { piece.len } else { 0 };
            is_whole
        });
        let arrived = arrived.count();
        news.bytes = (done - there) as u64;
        news.frames = pieces.iter().take(arrived).map(|piece| piece.frames).sum();
        if let Some(cause) = failed
            && arrived < pieces.len()
        {
            let piece = pieces.swap_remove(arrived);
            news.failure = Some(Failure {
                piece,
                there,
                cause,
            });
        }
        news
    }

    #[cfg(not(test))]
    fn write_at(&mut self, parts: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        file::write_vectored_at(self.file.as_fd(), parts, at)
    }

    #[cfg(test)]
    fn write_at(&mut self, parts: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let here = at..at + len as u64;
        let Some((place, fault)) = self.fault.filter(|(place, _)| here.contains(place)) else {
            return file::write_vectored_at(self.file.as_fd(), parts, at);
        };
        let most = match (place - at, fault) {
            (0, Fault::Short(most)) => most,
            (0, Fault::Error(code)) => {
                self.fault = None;
                return Err(io::Error::from_raw_os_error(code));
            }
            // What lies before it is written by a call of its own.
            (before, _) => before as usize,
        };
        self.fault = self.fault.filter(|_| place != at);
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        // A write of a part of a page is not for the disk itself.
        file::set_direct(self.file.as_fd(), false)?;
        self.file.write_at(&bytes[..most.min(len)], at)
    }
}

/// Whether an error means that the file system or the memory is not made for
/// direct writes, and the page cache would do.
pub(super) fn is_refusal(cause: &io::Error) -> bool {
    let refusals = [libc::EINVAL, libc::EFAULT, libc::EOPNOTSUPP];
    (cause.raw_os_error()).is_some_and(|code| refusals.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block whose lender can do without so many.
    struct Lent(usize);

    impl Block for Lent {
        fn bytes(&self) -> &[u8] {
            &[]
        }
        fn bytes_mut(&mut self) -> &mut [u8] {
            &mut []
        }
        fn spare(&self) -> usize {
            self.0
        }
    }

    /// How many pieces come together before they are written.
    fn gathered(spare: impl Fn(usize) -> usize) -> usize {
        let mut state = State::default();
        (0..100)
            .take_while(|&at| {
                state.waiting.push_back(Piece {
                    memory: Arc::new(Lent(spare(at))),
                    len: 0,
                    frames: 0,
                });
                !state.is_enough()
            })
            .count()
            + 1
    }

    #[test]
    fn blocks_gather_where_their_lender_can_do_without() {
        assert_eq!(gathered(|_| 0), 1, "a ring of few blocks");
        assert_eq!(gathered(|_| 5), 5);
        assert_eq!(gathered(|_| 1000), DEPTH);
        assert_eq!(
            gathered(|at| if at == 2 { 0 } else { 8 }),
            3,
            "the poorest decides"
        );
        let state = State {
            is_wanted: true,
            ..State::default()
        };
        assert!(state.is_enough(), "somebody waits for it");
    }
}
