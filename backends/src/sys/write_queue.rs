//! Writes to a file that the kernel carries out while this program goes on
//! (io_uring(7)), one after the other in the order in which they were started:
//! whatever ends the program, the file has no hole.

use io_uring::{IoUring, opcode, squeue, types};
use pktrail_core::Block;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

/// Writes under way.
pub(crate) struct WriteQueue {
    uring: IoUring,
    /// In the order in which they were started.
    writes: VecDeque<Write>,
    /// The number of the first of them.
    first: u64,
    /// Whether the kernel has refused a call: then an entry may never have been
    /// handed over, and must not be later, when its file may be closed.
    broken: bool,
    /// What the disk does with the writes to come.
    #[cfg(test)]
    faults: VecDeque<Fault>,
}

/// What a test lets the disk do with a write.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Writes it.
    None,
    /// Writes so many bytes of it.
    Short(usize),
    /// Writes nothing, and ends with this error number.
    Error(i32),
}

/// A write, and the memory that it reads.
pub(crate) struct Write {
    /// The memory.
    pub(crate) memory: Arc<dyn Block>,
    /// How many bytes of it are to be written.
    pub(crate) len: usize,
    /// Bytes written, or the error number, negative; `None` before the end.
    result: Option<i32>,
    #[cfg(test)]
    fault: Fault,
}

impl Write {
    /// How many bytes were written, of a write that has ended.
    pub(crate) fn result(&self) -> io::Result<usize> {
        #[cfg(test)]
        if let Fault::Error(code) = self.fault {
            return Err(io::Error::from_raw_os_error(code));
        }
        match self.result.map(usize::try_from) {
            Some(Ok(count)) => Ok(count),
            Some(Err(_)) => Err(io::Error::from_raw_os_error(-self.result.unwrap_or(0))),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl WriteQueue {
    /// A queue for up to `depth` writes.
    pub(crate) fn new(depth: u32) -> io::Result<Self> {
        Ok(Self {
            uring: IoUring::new(depth)?,
            writes: VecDeque::new(),
            first: 0,
            broken: false,
            #[cfg(test)]
            faults: VecDeque::new(),
        })
    }

    /// The next writes end as `faults` say.
    #[cfg(test)]
    pub(crate) fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// How many writes are under way, or ended and not taken.
    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }

    /// Starts to write the first `len` bytes of `memory` at `offset`. The memory
    /// is kept until the write is taken by [`next`](Self::next).
    pub(crate) fn start(
        &mut self,
        file: BorrowedFd<'_>,
        memory: Arc<dyn Block>,
        len: usize,
        offset: u64,
    ) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let bytes = memory.bytes();
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let size = u32::try_from(len).map_err(|_| invalid())?;
        if len > bytes.len() {
            return Err(invalid());
        }
        #[cfg(test)]
        let (fault, size) = {
            let fault = self.faults.pop_front().unwrap_or(Fault::None);
            match fault {
                Fault::None => (fault, size),
                Fault::Short(most) => (fault, size.min(u32::try_from(most).unwrap_or(size))),
                Fault::Error(_) => (fault, 0),
            }
        };
        let entry = opcode::Write::new(types::Fd(file.as_raw_fd()), bytes.as_ptr(), size)
            .offset(offset)
            .build()
            .flags(squeue::Flags::IO_DRAIN)
            .user_data(self.first + self.writes.len() as u64);
        // From here on the memory stays, whatever happens.
        self.writes.push_back(Write {
            memory,
            len,
            result: None,
            #[cfg(test)]
            fault,
        });
        // SAFETY: the kernel reads `size` bytes from the memory, which is as long
        // (checked above). `writes` holds a reference to it until the write has
        // ended (`next`, `drop`), and while there is one nobody can get it
        // mutably or free it. The file is open during this call, which hands the
        // entry over; then the kernel holds the file.
        let pushed = unsafe { self.uring.submission().push(&entry) };
        if pushed.is_err() {
            self.writes.pop_back();
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        self.enter(0)
    }

    /// The oldest write, once it has ended; `None` if it has not, or if there is
    /// none. `wait`: until it has.
    pub(crate) fn next(&mut self, wait: bool) -> io::Result<Option<Write>> {
        loop {
            self.reap();
            match self.writes.front() {
                None => return Ok(None),
                Some(write) if write.result.is_some() => {
                    self.first += 1;
                    return Ok(self.writes.pop_front());
                }
                Some(_) if !wait => return Ok(None),
                Some(_) => self.enter(1)?,
            }
        }
    }

    fn reap(&mut self) {
        let (first, writes) = (self.first, &mut self.writes);
        for ended in self.uring.completion() {
            let place = usize::try_from(ended.user_data().wrapping_sub(first));
            if let Some(write) = place.ok().and_then(|place| writes.get_mut(place)) {
                write.result = Some(ended.result());
            }
        }
    }

    /// Hands over what was started, and waits for `want` of them to end.
    fn enter(&mut self, want: usize) -> io::Result<()> {
        while !self.broken {
            match self.uring.submit_and_wait(want) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    self.broken = true;
                    return Err(cause);
                }
                Ok(_) => return Ok(()),
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

impl Drop for WriteQueue {
    /// The kernel reads the memory to the end.
    fn drop(&mut self) {
        while !self.writes.is_empty() {
            if self.next(true).is_err() {
                // Nobody knows what the kernel still does with it.
                std::mem::forget(std::mem::take(&mut self.writes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    #[test]
    fn writes_end_in_order_and_give_their_memory_back() {
        let path = std::env::temp_dir().join(format!("pktrail-queue-{}", std::process::id()));
        let file = File::create(&path).expect("a file");
        let mut queue = match WriteQueue::new(8) {
            Ok(queue) => queue,
            // A sandbox may refuse it; then the sink does without.
            Err(cause) if cause.raw_os_error() == Some(libc::EPERM) => return,
            Err(cause) => panic!("{cause}"),
        };
        let blocks: Vec<Arc<dyn Block>> = (0..8_u8)
            .map(|number| Arc::new(vec![number; 5000]) as Arc<dyn Block>)
            .collect();
        for (number, block) in (0..).zip(&blocks) {
            let memory = Arc::clone(block);
            queue
                .start(file.as_fd(), memory, 4999, number * 4999)
                .expect("starts");
        }
        assert_eq!((queue.len(), Arc::strong_count(&blocks[3])), (8, 2));
        for block in &blocks {
            let write = queue.next(true).expect("ends").expect("is there");
            assert_eq!(write.result().expect("written"), 4999);
            assert!(Arc::ptr_eq(&write.memory, block));
        }
        assert!(queue.next(true).expect("none").is_none());
        assert_eq!(Arc::strong_count(&blocks[3]), 1);
        let long = Arc::new(vec![0; 10]);
        assert!(queue.start(file.as_fd(), long, 11, 0).is_err());
        // One that fails says so.
        let reading = File::open(&path).expect("the file");
        let memory = Arc::clone(&blocks[0]);
        queue.start(reading.as_fd(), memory, 10, 0).expect("starts");
        let write = queue.next(true).expect("ends").expect("is there");
        assert_eq!(
            write.result().expect_err("fails").raw_os_error(),
            Some(libc::EBADF)
        );
        let written = fs::read(&path).expect("the file");
        assert!((0..8 * 4999).all(|at| usize::from(written[at]) == at / 4999));
        fs::remove_file(&path).expect("ours");
    }
}
