//! Compression while writing, on threads of its own.
//!
//! With gzip each piece that is written becomes a member of its own, so several
//! are compressed at a time; they reach the file in order. With Zstandard the
//! file is one frame, on which libzstd works with several threads: tshark 4.0
//! finds no second frame beyond the first 128 KiB of a file. Either way the file
//! can be read up to the last piece that is whole, also after a crash.
//!
//! The queue is bounded: when the threads cannot keep up the writer waits, the
//! ring fills, and the loss happens and is counted there.

use crate::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// How files are compressed while they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard, with its level from 1 (fast) to 22.
    Zstandard(i32),
    /// gzip, with its level from 0 (none) to 9.
    Gzip(u32),
}

impl FromStr for Compression {
    type Err = Error;

    /// Reads `zstd[:1-22]` (3) or `gz[:0-9]` (6).
    ///
    /// # Errors
    /// `Usage`.
    fn from_str(text: &str) -> Result<Self> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let level = level.map(str::parse::<u32>);
        match (name, level) {
            ("zstd" | "zst", None) => Ok(Self::Zstandard(3)),
            ("zstd" | "zst", Some(Ok(level @ 1..=22))) => Ok(Self::Zstandard(level as i32)),
            ("gz" | "gzip", None) => Ok(Self::Gzip(6)),
            ("gz" | "gzip", Some(Ok(level @ 0..=9))) => Ok(Self::Gzip(level)),
            _ => Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "'{text}' is no compression: give zstd, zstd:1 to zstd:22, gz, or gz:0 to gz:9"
                ),
            )),
        }
    }
}

/// One gzip member.
fn member(bytes: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let out = Vec::with_capacity(bytes.len() / 2);
    let mut encoder = GzEncoder::new(out, flate2::Compression::new(level));
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Most threads that compress.
const MOST_THREADS: usize = 8;
/// Pieces for each thread that may wait.
const QUEUE: usize = 3;

/// Compresses what is written to one file.
pub(super) struct Compressor {
    compression: Compression,
    file: Arc<File>,
    is_regular: bool,
    /// What was written before the threads began.
    head: Vec<u8>,
    threads: Option<Threads>,
    done: Arc<Done>,
}

struct Threads {
    to: Queue,
    handles: Vec<JoinHandle<()>>,
}

enum Queue {
    /// To the thread that owns the frame: pieces, and the packets in them.
    Frame(Sender<(Vec<u8>, u64)>),
    /// To the threads that make members, and to the one that puts them in order.
    Members(Sender<Work>, Sender<Pending>),
}

/// A piece to be compressed.
struct Work {
    bytes: Vec<u8>,
    to: Sender<io::Result<Vec<u8>>>,
}

/// Its place in the file.
struct Pending {
    from: Receiver<io::Result<Vec<u8>>>,
    frames: u64,
}

/// What has reached the file.
#[derive(Default)]
struct Done {
    frames: AtomicU64,
    bytes: AtomicU64,
    error: Mutex<Option<io::Error>>,
}

impl Compressor {
    pub(super) fn new(compression: Compression, file: File, is_regular: bool) -> Self {
        Self {
            compression,
            file: Arc::new(file),
            is_regular,
            head: Vec::new(),
            threads: None,
            done: Arc::default(),
        }
    }

    /// Packets that have reached the file so far.
    pub(super) fn frames(&self) -> u64 {
        self.done.frames.load(Ordering::Acquire)
    }

    /// Compressed bytes in the file so far.
    pub(super) fn bytes(&self) -> u64 {
        self.done.bytes.load(Ordering::Acquire)
    }

    /// Takes a piece that ends with a whole block. An error may be one of an
    /// earlier piece; after it, what has not reached the file never will.
    pub(super) fn write(&mut self, bytes: &[u8], frames: u64) -> io::Result<()> {
        // The file is opened before the program drops its privileges; threads
        // that began then would keep them. Its header has no frames.
        if frames == 0 && self.threads.is_none() {
            self.head.extend_from_slice(bytes);
            return Ok(());
        }
        let mut piece = std::mem::take(&mut self.head);
        piece.extend_from_slice(bytes);
        self.send(piece, frames)
    }

    fn send(&mut self, bytes: Vec<u8>, frames: u64) -> io::Result<()> {
        if self.threads.is_none() {
            self.threads = Some(self.start()?);
        }
        let sent = match self.threads.as_ref().map(|threads| &threads.to) {
            None => false,
            Some(Queue::Frame(pieces)) => pieces.send((bytes, frames)).is_ok(),
            Some(Queue::Members(work, order)) => {
                let (to, from) = bounded(1);
                // The order first: it is what bounds the pieces under way.
                order.send(Pending { from, frames }).is_ok()
                    && work.send(Work { bytes, to }).is_ok()
            }
        };
        if sent {
            return Ok(());
        }
        self.finish()?;
        Err(io::Error::other("the threads that compress have ended"))
    }

    fn start(&self) -> io::Result<Threads> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let count = processors.clamp(1, MOST_THREADS);
        match self.compression {
            Compression::Zstandard(level) => self.start_frame(level, count),
            Compression::Gzip(level) => self.start_members(level, count),
        }
    }

    fn start_frame(&self, level: i32, count: usize) -> io::Result<Threads> {
        let (to, pieces) = bounded(count * QUEUE);
        let out = Out::new(&self.file, self.is_regular, &self.done);
        let thread = thread::Builder::new().name("compress-write".into());
        let handle = thread.spawn(move || {
            let result = one_frame(&pieces, &out, level, count);
            result.unwrap_or_else(|error| out.fail(error));
        })?;
        Ok(Threads {
            to: Queue::Frame(to),
            handles: vec![handle],
        })
    }

    fn start_members(&self, level: u32, count: usize) -> io::Result<Threads> {
        let (work, pieces) = bounded::<Work>(count * QUEUE);
        let (order, pending) = bounded::<Pending>(count * QUEUE);
        let mut handles = Vec::with_capacity(count + 1);
        for number in 0..count {
            let pieces = pieces.clone();
            let thread = thread::Builder::new().name(format!("compress-{number}"));
            handles.push(thread.spawn(move || {
                for piece in pieces {
                    // Nobody waits for it if an earlier one could not be written.
                    let _ = piece.to.send(member(&piece.bytes, level));
                }
            })?);
        }
        let out = Out::new(&self.file, self.is_regular, &self.done);
        let thread = thread::Builder::new().name("compress-write".into());
        handles.push(thread.spawn(move || {
            let result = in_order(&pending, &out);
            result.unwrap_or_else(|error| out.fail(error));
        })?);
        Ok(Threads {
            to: Queue::Members(work, order),
            handles,
        })
    }

    /// Waits until everything has reached the file; the first error, once.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if !self.head.is_empty() {
            let head = std::mem::take(&mut self.head);
            self.send(head, 0)?;
        }
        if let Some(threads) = self.threads.take() {
            drop(threads.to);
            for handle in threads.handles {
                if handle.join().is_err() {
                    return Err(io::Error::other("a thread that compresses has ended"));
                }
            }
        }
        let error = self.done.error.lock();
        match error.unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // A header alone is not worth a file.
        self.head.clear();
        let _ = self.finish();
    }
}

/// The file, for the thread that writes it.
struct Out {
    file: Arc<File>,
    is_regular: bool,
    done: Arc<Done>,
}

impl Out {
    fn new(file: &Arc<File>, is_regular: bool, done: &Arc<Done>) -> Self {
        Self {
            file: Arc::clone(file),
            is_regular,
            done: Arc::clone(done),
        }
    }

    /// Notes what can be read now: so many bytes and packets more.
    fn arrived(&self, bytes: u64, frames: u64) {
        self.done.bytes.fetch_add(bytes, Ordering::Release);
        self.done.frames.fetch_add(frames, Ordering::Release);
    }

    /// Cuts the file back to what was noted, and keeps the error.
    fn fail(&self, error: io::Error) {
        if self.is_regular {
            // The first error is the one to report.
            let _ = self.file.set_len(self.done.bytes.load(Ordering::Acquire));
        }
        let mut first = self
            .done
            .error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *first = Some(error);
    }
}

/// Writes members in their order, until one fails.
fn in_order(pending: &Receiver<Pending>, out: &Out) -> io::Result<()> {
    for piece in pending {
        let gone = |_| Err(io::Error::other("a thread that compresses has ended"));
        let bytes = piece.from.recv().unwrap_or_else(gone)?;
        (&*out.file).write_all(&bytes)?;
        out.arrived(bytes.len() as u64, piece.frames);
    }
    Ok(())
}

/// Pieces between two flushes at most: what is not flushed cannot be counted.
const MOST_UNFLUSHED: u32 = 16;

/// Writes all pieces into one Zstandard frame. It is flushed whenever nothing
/// waits, so that what is in the file can be read; under load the threads of
/// libzstd have several pieces to work on.
fn one_frame(
    pieces: &Receiver<(Vec<u8>, u64)>,
    out: &Out,
    level: i32,
    threads: usize,
) -> io::Result<()> {
    let counted = Counted {
        file: &out.file,
        bytes: 0,
    };
    let mut encoder = zstd::stream::write::Encoder::new(counted, level)?;
    encoder.include_checksum(true)?;
    encoder.multithread(u32::try_from(threads).unwrap_or(1))?;
    let (mut frames, mut unflushed) = (0, 0);
    for (bytes, more) in pieces {
        encoder.write_all(&bytes)?;
        frames += more;
        unflushed += 1;
        if pieces.is_empty() || unflushed >= MOST_UNFLUSHED {
            encoder.flush()?;
            let written = std::mem::take(&mut encoder.get_mut().bytes);
            out.arrived(written, std::mem::take(&mut frames));
            unflushed = 0;
        }
    }
    let end = encoder.finish()?;
    out.arrived(end.bytes, frames);
    Ok(())
}

/// Counts what goes into the file.
struct Counted<'a> {
    file: &'a File,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        let of = |text: &str| text.parse::<Compression>().ok();
        assert_eq!(of("zstd"), Some(Compression::Zstandard(3)));
        assert_eq!(of("zstd:19"), Some(Compression::Zstandard(19)));
        assert_eq!(of("gz"), Some(Compression::Gzip(6)));
        assert_eq!(of("gz:0"), Some(Compression::Gzip(0)));
        for text in [
            "",
            "zstd:",
            "zstd:0",
            "zstd:23",
            "gz:10",
            "lz4",
            "zstd:fast",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_device_that_is_full_ends_it_with_the_right_count() {
        for compression in [Compression::Gzip(1), Compression::Zstandard(1)] {
            full_device(compression);
        }
    }

    fn full_device(compression: Compression) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut compressor = Compressor::new(compression, full, false);
        let mut result = Ok(());
        for _ in 0..100 {
            result = compressor.write(&[7; 1_000], 1);
            if result.is_err() {
                break;
            }
        }
        let error = result.and_then(|()| compressor.finish()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!((compressor.frames(), compressor.bytes()), (0, 0));
    }
}
