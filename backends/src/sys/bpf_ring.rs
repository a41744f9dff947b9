//! The mapped ring of a BPF program: which records may be read, and when they are given back.
//!
//! The kernel writes the head of a record last, with Release (kernel/bpf/ringbuf.c); it is read
//! first, with Acquire. Records are given back many at once: each time, the line that the programs
//! look at on another CPU goes from there to here.

use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// In the head of a record (`BPF_RINGBUF_BUSY_BIT`, `BPF_RINGBUF_DISCARD_BIT`): it is not whole
/// yet; it was given up.
const BUSY: u32 = 1 << 31;
const GIVEN_UP: u32 = 1 << 30;
/// Bytes of a head (`BPF_RINGBUF_HDR_SZ`); records begin at multiples of it.
const HEAD: usize = 8;

/// A ring that programs write records to, and this reads.
pub(crate) struct EventRing {
    /// The page with our position.
    ours: MmapRaw,
    /// The page with the kernel's position, and the data, twice behind each other.
    theirs: MmapRaw,
    page: usize,
    size: usize,
    /// Bytes that have been read since the ring was made.
    read: u64,
    returned: u64,
}

impl EventRing {
    /// Maps the ring of `size` bytes behind `map`, which must be of that kind and unread.
    pub(crate) fn map(map: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        // SAFETY: it only asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).unwrap_or(4096);
        if !size.is_power_of_two() || size < page {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let number = map.as_raw_fd();
        let ours = MmapOptions::new().len(page).map_raw(number)?;
        let mut theirs = MmapOptions::new();
        let theirs = theirs.offset(page as u64).len(page + 2 * size);
        Ok(Self {
            ours,
            theirs: theirs.map_raw_read_only(number)?,
            page,
            size,
            read: 0,
            returned: 0,
        })
    }

    /// Hands each whole record to `each`, `most` at most. Returns how many these were.
    pub(crate) fn take(&mut self, most: usize, mut each: impl FnMut(&[u8])) -> usize {
        let mut taken = 0;
        let written = self.written();
        while taken < most && self.read < written {
            // Less than the size of the ring.
            let at = (self.read & (self.size as u64 - 1)) as usize;
            let head = self.head(at);
            let bytes = (head & !(BUSY | GIVEN_UP)) as usize;
            if head & BUSY != 0 || bytes > self.size - HEAD {
                break;
            }
            if head & GIVEN_UP == 0 {
                each(self.record(at, bytes));
            }
            self.read += (HEAD + bytes.next_multiple_of(HEAD)) as u64;
            taken += 1;
            if self.read - self.returned > self.size as u64 / 8 {
                self.give_back();
            }
        }
        self.give_back();
        taken
    }

    fn written(&self) -> u64 {
        // SAFETY: the first word of the mapping, which is a page at least and aligned to one; the
        // kernel writes it as one word.
        let position = unsafe { AtomicU64::from_ptr(self.theirs.as_mut_ptr().cast()) };
        position.load(Ordering::Acquire)
    }

    fn give_back(&mut self) {
        if self.returned != self.read {
            // SAFETY: the first word of the mapping, which is a page and aligned to one; the
            // kernel reads it as one word, and nobody else writes it.
            let position = unsafe { AtomicU64::from_ptr(self.ours.as_mut_ptr().cast()) };
            position.store(self.read, Ordering::Release);
            self.returned = self.read;
        }
    }

    /// The head at `at`, which is less than the size and a multiple of the size of a head.
    fn head(&self, at: usize) -> u32 {
        debug_assert!(at < self.size && at.is_multiple_of(HEAD));
        // SAFETY: it lies in the mapping, since `at` is less than the size, and is aligned; the
        // kernel writes it as one word.
        let head = unsafe {
            let head = self.theirs.as_mut_ptr().add(self.page + at);
            AtomicU32::from_ptr(head.cast())
        };
        head.load(Ordering::Acquire)
    }

    /// The record whose head is at `at` and was read as whole.
    fn record(&self, at: usize, bytes: usize) -> &[u8] {
        debug_assert!(at < self.size && bytes <= self.size - HEAD);
        // SAFETY: head and record are not longer than the size, so they end in the second
        // mapping of the data. The kernel does not write to a whole record before it was given
        // back, which needs `&mut self`.
        unsafe {
            let from = self.theirs.as_ptr().add(self.page + at + HEAD);
            std::slice::from_raw_parts(from, bytes)
        }
    }
}
