//! Full blocks on their way to the disk, past the page cache.
//!
//! The memory of a block goes to the disk as it is, with several under way
//! (io_uring) where the kernel allows it. What is small goes through the page
//! cache, with nothing under way meanwhile: so the file never has a hole.

use crate::Block;
use crate::sys::file;
#[cfg(test)]
use crate::sys::write_queue::Fault;
use crate::sys::write_queue::{Write, WriteQueue};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

/// Length, place in memory and place in the file of what goes past the page
/// cache are multiples of this; no disk asks for more.
pub(super) const UNIT: usize = 4096;
/// Most blocks under way.
pub(super) const DEPTH: usize = 8;

#[derive(Default)]
pub(super) struct Direct {
    queue: Option<WriteQueue>,
    /// Whether the kernel was asked for a queue.
    asked: bool,
    /// Whether the file is open for direct writes at this moment.
    is_set: bool,
    is_refused: bool,
    /// Frames in the blocks under way.
    frames: VecDeque<u64>,
    /// Bytes under way.
    bytes: u64,
    notice: Option<String>,
}

impl Direct {
    /// As where the kernel refuses io_uring.
    #[cfg(test)]
    pub(super) fn without_queue() -> Self {
        Self {
            asked: true,
            ..Self::default()
        }
    }

    /// With a queue whose writes end as `faults` say; `None` where the kernel
    /// has no queue.
    #[cfg(test)]
    pub(super) fn with_faults(faults: &[Fault]) -> Option<Self> {
        let queue = WriteQueue::new(DEPTH as u32).ok()?;
        Some(Self {
            asked: true,
            queue: Some(queue.with_faults(faults.iter().copied())),
            ..Self::default()
        })
    }

    /// As with another file.
    #[cfg(test)]
    pub(super) fn forget_mode(&mut self) {
        self.is_set = false;
    }

    /// Bytes under way.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
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
        if !self.is_set {
            return Ok(self.is_refused);
        }
        file::set_direct(to.as_fd(), false)?;
        self.is_set = false;
        Ok(true)
    }

    /// The file system takes no direct writes. Whether that is new.
    pub(super) fn refuse(&mut self, to: &File) -> bool {
        if self.is_set {
            // Where it can be set, it can be taken back.
            let _ = file::set_direct(to.as_fd(), false);
        }
        self.is_set = false;
        !std::mem::replace(&mut self.is_refused, true)
    }

    /// Starts to write a block at `at`. False if the caller has to write it,
    /// since there is no queue or its memory does not begin where a page does.
    pub(super) fn start(
        &mut self,
        to: &File,
        block: &Arc<dyn Block>,
        len: usize,
        at: u64,
        frames: u64,
    ) -> io::Result<bool> {
        if !std::mem::replace(&mut self.asked, true) {
            match WriteQueue::new(DEPTH as u32) {
                Ok(queue) => self.queue = Some(queue),
                Err(cause) => {
                    self.notice = Some(format!(
                        "blocks are written one at a time: the kernel refuses io_uring ({cause})"
                    ));
                }
            }
        }
        let Some(queue) = &mut self.queue else {
            return Ok(false);
        };
        queue.start(to.as_fd(), Arc::clone(block), len, at)?;
        self.frames.push_back(frames);
        self.bytes += len as u64;
        Ok(true)
    }

    /// The oldest block under way, if it has ended, with the frames in it. Waits
    /// for it if `limit` blocks or more are under way.
    pub(super) fn next(&mut self, limit: usize) -> io::Result<Option<(Write, u64)>> {
        let Some(queue) = &mut self.queue else {
            return Ok(None);
        };
        let wait = queue.len() >= limit;
        let Some(write) = queue.next(wait)? else {
            return Ok(None);
        };
        self.bytes -= write.len as u64;
        let frames = self.frames.pop_front().unwrap_or_default();
        Ok(Some((write, frames)))
    }
}

/// Whether an error means that the file system or the memory is not made for
/// direct writes, and the page cache would do.
pub(super) fn is_refusal(cause: &io::Error) -> bool {
    let refusals = [libc::EINVAL, libc::EFAULT, libc::EOPNOTSUPP];
    (cause.raw_os_error()).is_some_and(|code| refusals.contains(&code))
}

/// Whether an error means no more than that the write is to be tried again.
pub(super) fn is_passing(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}
