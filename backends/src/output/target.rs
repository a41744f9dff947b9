//! One open file, pipe or device that is being written.

use super::compress::{Compression, Compressor};
use super::format::Format;
use crate::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub(super) struct Target {
    file: File,
    path: PathBuf,
    /// Whether what was written can be taken back.
    is_regular: bool,
    /// Whether the file did not exist before.
    is_new: bool,
    compressor: Option<Compressor>,
    /// Bytes written, all of whole blocks.
    bytes: u64,
    /// Frames in them.
    frames: u64,
}

impl Target {
    /// Creates or empties a file. A FIFO waits for its reader.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        let new = options.clone().create_new(true).open(path);
        let is_new = new.is_ok();
        let file = new
            .or_else(|_| options.create(true).truncate(true).open(path))
            .map_err(|cause| Error::io(format!("cannot write to {}", path.display()), cause))?;
        Ok(Self {
            is_new,
            ..Self::over(file, path)
        })
    }

    /// Removes a file that was made for nothing: one that did not exist before
    /// and that holds no frame. Returns whether it is gone.
    pub(super) fn remove_if_useless(&self) -> bool {
        self.is_new && self.frames == 0 && fs::remove_file(&self.path).is_ok()
    }

    /// The standard output. Closing it later closes a copy.
    pub(super) fn stdout() -> Result<Self> {
        let copy = io::stdout().as_fd().try_clone_to_owned();
        let copy = copy.map_err(|cause| Error::io("cannot use the standard output", cause))?;
        Ok(Self::over(File::from(copy), Path::new("-")))
    }

    fn over(file: File, path: &Path) -> Self {
        let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Self {
            file,
            path: path.into(),
            is_regular,
            is_new: false,
            compressor: None,
            bytes: 0,
            frames: 0,
        }
    }

    /// Compresses all that is written from now on.
    pub(super) fn compress(&mut self, compression: Compression) -> Result<()> {
        let failed = |cause| Error::io(format!("cannot use {}", self.name()), cause);
        let copy = self.file.try_clone().map_err(failed)?;
        self.compressor = Some(Compressor::new(compression, copy, self.is_regular));
        Ok(())
    }

    /// Waits until all that was to be compressed has reached the file.
    pub(super) fn end_compression(&mut self) -> io::Result<()> {
        let Some(compressor) = &mut self.compressor else {
            return Ok(());
        };
        let result = compressor.finish();
        self.frames = compressor.frames();
        result
    }

    /// The length of the file, which is not that of the blocks if it is
    /// compressed.
    pub(super) fn stored_bytes(&self) -> u64 {
        let compressed = self.compressor.as_ref().map(Compressor::bytes);
        compressed.unwrap_or(self.bytes)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What to call it in a sentence.
    pub(super) fn name(&self) -> String {
        match self.path.as_os_str() == "-" {
            true => "the standard output".into(),
            false => self.path.display().to_string(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn is_regular(&self) -> bool {
        self.is_regular
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// Writes whole blocks of `format` that hold `frames` frames. If that
    /// fails, what was written of a last cut block is taken back where the file
    /// allows it, and `bytes` and `frames` say what is there.
    pub(super) fn write(&mut self, bytes: &[u8], frames: u64, format: &Format) -> io::Result<()> {
        if let Some(compressor) = &mut self.compressor {
            let result = compressor.write(bytes, frames);
            self.bytes += bytes.len() as u64;
            self.frames = compressor.frames();
            return result;
        }
        match write_all(&mut self.file, bytes) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                self.frames += frames;
                Ok(())
            }
            Err((done, cause)) => {
                let written = bytes.get(..done).unwrap_or_default();
                let (whole, frames) = format.whole(written, self.bytes == 0);
                self.bytes += whole as u64;
                self.frames += frames;
                if self.is_regular {
                    // The first error is the one to report.
                    let _ = take_back(&mut self.file, (done - whole) as u64);
                }
                Err(cause)
            }
        }
    }
}

/// On failure, how many bytes were written before.
fn write_all(file: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while let Some(rest @ [_, ..]) = bytes.get(done..) {
        match file.write(rest) {
            Ok(0) => return Err((done, ErrorKind::WriteZero.into())),
            Ok(count) => done += count,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            // A standard output that somebody else has made non-blocking.
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(cause) => return Err((done, cause)),
        }
    }
    Ok(())
}

fn take_back(file: &mut File, bytes: u64) -> io::Result<()> {
    let end = file.stream_position()?.saturating_sub(bytes);
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes three bytes at a time, is interrupted in between, and is full
    /// after `room`.
    struct Narrow {
        room: usize,
        taken: Vec<u8>,
        interrupt: bool,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.interrupt = !self.interrupt;
            if self.interrupt {
                return Err(ErrorKind::Interrupted.into());
            }
            let count = bytes.len().min(3).min(self.room - self.taken.len());
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.taken.extend(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn partial_writes_are_carried_on() {
        let bytes: Vec<u8> = (0..100).collect();
        let narrow = |room| Narrow {
            room,
            taken: Vec::new(),
            interrupt: false,
        };
        let mut wide = narrow(100);
        write_all(&mut wide, &bytes).unwrap();
        assert_eq!(wide.taken, bytes);
        let mut full = narrow(50);
        let (done, cause) = write_all(&mut full, &bytes).unwrap_err();
        assert_eq!((done, cause.kind()), (50, ErrorKind::StorageFull));
    }
}
