//! Reads a large file past the page cache, so that checking it neither costs
//! fresh pages nor pushes out those of the programs measured.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// O_DIRECT, as this machine's open(2) has it.
const DIRECT: i32 = libc::O_DIRECT;
/// Bytes of one read.
const CHUNK: usize = 4 << 20;
/// What addresses and lengths are multiples of: a page, which suits all disks.
const UNIT: usize = 4096;

/// A file read in large pieces.
pub struct PastCache {
    file: File,
    memory: Vec<u8>,
    /// Where the piece begins in `memory`, where what is unread does, and its end.
    begin: usize,
    next: usize,
    end: usize,
}

impl PastCache {
    /// Opens a file; through the page cache where there is no other way.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let direct = OpenOptions::new()
            .read(true)
            .custom_flags(DIRECT)
            .open(path);
        let memory = vec![0; CHUNK + UNIT];
        let begin = memory.as_ptr().align_offset(UNIT);
        Ok(Self {
            file: direct.or_else(|_| File::open(path))?,
            memory,
            begin,
            next: begin,
            end: begin,
        })
    }
}

impl Read for PastCache {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.next == self.end {
            let piece = &mut self.memory[self.begin..self.begin + CHUNK];
            let count = self.file.read(piece)?;
            (self.next, self.end) = (self.begin, self.begin + count);
        }
        let count = into.len().min(self.end - self.next);
        into[..count].copy_from_slice(&self.memory[self.next..self.next + count]);
        self.next += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn all_of_a_file_is_read_whatever_its_length() {
        let path = std::env::temp_dir();
        let path = path.join(format!("pkt-past-cache-{}", std::process::id()));
        for len in [0, 1, UNIT, CHUNK - 1, CHUNK + UNIT + 7] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            fs::write(&path, &bytes).expect("a place for temporary files");
            let mut read = Vec::new();
            let mut file = PastCache::open(&path).expect("it was just written");
            file.read_to_end(&mut read).expect("it can be read");
            assert!(read == bytes, "{len} bytes");
        }
        fs::remove_file(&path).expect("it is ours");
    }
}
