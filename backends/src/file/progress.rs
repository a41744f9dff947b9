//! How far the reading of a file has come.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far the reading of a file has come, as another thread may ask.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Bytes read of the file as it lies on the disk, compressed or not. 0 for
    /// a pipe.
    pub fn read_bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A reader that counts for it.
    pub(super) fn counting<R: Read>(&self, input: R) -> Counting<R> {
        Counting {
            input,
            progress: self.clone(),
        }
    }
}

pub(super) struct Counting<R> {
    input: R,
    progress: Progress,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.progress.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
