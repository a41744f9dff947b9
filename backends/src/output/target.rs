//! One open file, pipe or device that is being written.

use super::ahead;
use super::compress::{Compression, Compressor};
use super::direct::{self, Direct, Failure, Piece};
use super::format::Format;
use crate::{Block, Error, Result};
use crossbeam_channel::Receiver;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// Frames handed over, whatever became of them.
    taken: u64,
    /// Full blocks on their way, which follow those bytes.
    direct: Option<Direct>,
    notice: Option<String>,
    /// How it went to give the file its name, if that is done meanwhile.
    named: Option<Receiver<io::Result<()>>>,
}

impl Target {
    /// Creates or empties a file. A FIFO waits for its reader. `direct`: full
    /// blocks of a regular file go past the page cache.
    pub(super) fn open(path: &Path, direct: bool) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        let new = options.clone().create_new(true).open(path);
        let is_new = new.is_ok();
        let file = new
            .or_else(|_| options.create(true).truncate(true).open(path))
            .map_err(|cause| Error::io(format!("cannot write to {}", path.display()), cause))?;
        let target = Self::over(file, path);
        Ok(Self {
            is_new,
            direct: (direct && target.is_regular).then(Direct::default),
            ..target
        })
    }

    /// A new file that has been opened before and is given its name meanwhile.
    pub(super) fn unnamed(
        file: File,
        path: &Path,
        direct: bool,
        named: Receiver<io::Result<()>>,
    ) -> Self {
        let target = Self::over(file, path);
        Self {
            direct: (direct && target.is_regular).then(Direct::default),
            named: Some(named),
            ..target
        }
    }

    /// Writes the last that belongs into the file, and waits until all of it is
    /// there: then the file ends where its last block does.
    pub(super) fn finish(&mut self, tail: &[u8], frames: u64, format: &Format) -> Result<()> {
        if let Some(named) = self.named.take()
            && let Err(cause) = ahead::wait(&named)
        {
            // Nobody can find what is in it.
            self.frames = 0;
            self.is_regular = false;
            return Err(ahead::refused(&self.path, cause));
        }
        let mut written = match tail {
            [] => self.settle(format),
            tail => self.write(tail, frames, format),
        };
        if written.is_ok() {
            written = self.end_compression();
        }
        written.map_err(|cause| Error::io(format!("cannot write to {}", self.name()), cause))
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
            taken: 0,
            direct: None,
            notice: None,
            named: None,
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

    /// Bytes that have been written.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same, with what is on its way.
    pub(super) fn end(&self) -> u64 {
        self.bytes + self.direct.as_ref().map_or(0, Direct::bytes)
    }

    /// Frames that have been written.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames that were handed over and are not in the file, or not yet.
    pub(super) fn missing(&self) -> u64 {
        self.taken.saturating_sub(self.frames)
    }

    /// An error with what it means for the file and for `lost` frames.
    pub(super) fn describe(&self, error: Error, lost: u64) -> Error {
        if error.kind() == crate::ErrorKind::BrokenPipe {
            return error;
        }
        let (name, bytes) = (self.name(), self.stored_bytes());
        let valid = format!(
            "{name} is valid and holds {} frames in {bytes} bytes",
            self.frames
        );
        let lost = match lost {
            0 => None,
            1 => Some("1 frame is lost".into()),
            lost => Some(format!("{lost} frames are lost")),
        };
        match (lost, self.is_regular && bytes > 0) {
            (Some(lost), true) => error.context(format!("{lost}; {valid}")),
            (Some(lost), false) => error.context(lost),
            (None, true) => error.context(valid),
            (None, false) => error,
        }
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

    /// Something that a person should know, once.
    pub(super) fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    /// Writes whole blocks of `format` that hold `frames` frames. If that
    /// fails, what was written of a last cut block is taken back where the file
    /// allows it, and `bytes` and `frames` say what is there.
    pub(super) fn write(&mut self, bytes: &[u8], frames: u64, format: &Format) -> io::Result<()> {
        self.taken += frames;
        if let Some(compressor) = &mut self.compressor {
            let result = compressor.write(bytes, frames);
            self.bytes += bytes.len() as u64;
            self.frames = compressor.frames();
            return result;
        }
        self.settle(format)?;
        if let Some(direct) = &mut self.direct
            && direct.leave(&self.file)?
        {
            self.file.seek(SeekFrom::Start(self.bytes))?;
        }
        match write_all(bytes, |rest, _| self.file.write(rest)) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                self.frames += frames;
                Ok(())
            }
            Err((done, cause)) => {
                self.keep(bytes.get(..done).unwrap_or_default(), format);
                Err(cause)
            }
        }
    }

    /// What blocks must be a multiple of, in bytes, to go past the page cache;
    /// `None` if none do.
    pub(super) fn unit(&self) -> Option<usize> {
        self.direct.as_ref().map(|_| direct::UNIT)
    }

    /// Whether blocks are on their way.
    pub(super) fn is_under_way(&self) -> bool {
        self.direct
            .as_ref()
            .is_some_and(|direct| direct.bytes() > 0)
    }

    /// Starts to write the first `len` bytes of `memory`, a multiple of
    /// [`unit`](Self::unit), as [`write`](Self::write) would: `bytes` and
    /// `frames` do not count them before they are there, and an error may be one
    /// of an earlier block.
    pub(super) fn start(
        &mut self,
        memory: Arc<dyn Block>,
        len: usize,
        frames: u64,
        format: &Format,
    ) -> io::Result<()> {
        self.align(format)?;
        let piece = Piece {
            memory,
            len,
            frames,
        };
        if let Some(direct) = &mut self.direct
            && let Err(reason) = direct.enter(&self.file)
        {
            self.give_up_direct(&reason);
        }
        let at = self.end();
        match &mut self.direct {
            Some(direct) => direct.start(&self.file, piece, at)?,
            None => return self.write(piece.bytes(), frames, format),
        }
        self.taken += frames;
        self.look(format, false)
    }

    /// Takes note of the blocks that have arrived.
    pub(super) fn look_now(&mut self, format: &Format) -> io::Result<()> {
        self.look(format, false)
    }

    /// Waits until every block has arrived.
    pub(super) fn settle(&mut self, format: &Format) -> io::Result<()> {
        self.look(format, true)
    }

    fn look(&mut self, format: &Format, all: bool) -> io::Result<()> {
        let Some(direct) = &mut self.direct else {
            return Ok(());
        };
        let news = direct.news(all);
        self.bytes += news.bytes;
        self.frames += news.frames;
        if let Some(reason) = news.refusal {
            self.give_up_direct(&reason);
        }
        match news.failure {
            Some(failure) => Err(self.fail(failure, format)),
            None => Ok(()),
        }
    }

    /// Fills the file up to where a block can go past the page cache.
    fn align(&mut self, format: &Format) -> io::Result<()> {
        let unit = direct::UNIT as u64;
        if self.direct.is_none() || self.end().is_multiple_of(unit) {
            return Ok(());
        }
        let padding = format.padding(direct::UNIT, self.end());
        self.write(&padding, 0, format)
    }

    /// From now on everything goes through the page cache.
    fn give_up_direct(&mut self, reason: &io::Error) {
        let name = self.name();
        if let Some(direct) = &mut self.direct
            && direct.refuse()
        {
            self.notice = Some(format!(
                "{name} is written through the page cache: direct writes are refused there \
                 ({reason})"
            ));
        }
    }

    /// A block has failed, and nothing behind it is written. The file is cut
    /// back to its last whole block.
    fn fail(&mut self, failure: Failure, format: &Format) -> io::Error {
        // Waits until nobody writes to the file any more.
        drop(self.direct.take());
        let bytes = failure.piece.memory.bytes();
        let there = bytes.get(..failure.there).unwrap_or_default();
        let (whole, frames) = format.whole(there, false);
        self.bytes += whole as u64;
        self.frames += frames;
        // The first error is the one to report.
        let _ = self.file.set_len(self.bytes);
        failure.cause
    }

    /// Counts what is whole of the bytes written before an error, and takes the
    /// rest back.
    fn keep(&mut self, written: &[u8], format: &Format) {
        let (whole, frames) = format.whole(written, self.bytes == 0);
        self.bytes += whole as u64;
        self.frames += frames;
        if self.is_regular {
            // The first error is the one to report.
            let _ = take_back(&mut self.file, (written.len() - whole) as u64);
        }
    }
}

/// Writes all; `write` is given what is left and how much was written before. On
/// failure, how many bytes that was.
fn write_all(
    bytes: &[u8],
    mut write: impl FnMut(&[u8], usize) -> io::Result<usize>,
) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while let Some(rest @ [_, ..]) = bytes.get(done..) {
        match write(rest, done) {
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
mod faults;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcapng;

    /// Memory of four pages that begins `off` bytes after a page does, full of
    /// padding blocks of 16 bytes which carry a number.
    pub(super) struct Pages(Vec<u8>, usize);

    impl Pages {
        pub(super) fn block(number: u8, off: usize) -> Arc<dyn Block> {
            let mut memory = vec![0; 6 * direct::UNIT];
            let start = memory.as_ptr().align_offset(direct::UNIT) + off;
            let mut block = Vec::new();
            pcapng::padding(16, &mut block);
            block[8] = number;
            memory[start..start + LEN].copy_from_slice(&block.repeat(LEN / 16));
            Arc::new(Self(memory, start))
        }
    }

    pub(super) const LEN: usize = 4 * direct::UNIT;

    impl Block for Pages {
        fn bytes(&self) -> &[u8] {
            &self.0[self.1..][..LEN]
        }
        fn bytes_mut(&mut self) -> &mut [u8] {
            &mut self.0[self.1..][..LEN]
        }
    }

    /// Small writes and blocks in turn; the file is as expected.
    fn check(name: &str, off: usize, direct: Direct) -> Option<String> {
        let name = format!("pktrail-target-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let format = Format::default();
        let mut target = Target::open(&path, true).unwrap();
        target.direct = Some(direct);
        let mut small = Vec::new();
        pcapng::padding(20, &mut small);
        let mut expected = Vec::new();
        for round in 0..3 {
            target.write(&small, 1, &format).unwrap();
            expected.extend_from_slice(&small);
            let past = expected.len() % direct::UNIT;
            pcapng::padding(direct::UNIT - past, &mut expected);
            for number in 0..20 {
                let block = Pages::block(round * 20 + number, off);
                expected.extend_from_slice(block.bytes());
                target.start(block, LEN, 10, &format).unwrap();
                assert_eq!(target.end(), expected.len() as u64);
                target.look_now(&format).unwrap();
            }
        }
        target.settle(&format).unwrap();
        assert_eq!(
            (target.frames(), target.bytes()),
            (603, expected.len() as u64)
        );
        assert!(fs::read(&path).unwrap() == expected);
        fs::remove_file(&path).unwrap();
        target.take_notice()
    }

    #[test]
    fn blocks_and_small_writes_take_turns_without_a_hole() {
        assert_eq!(check("direct", 0, Direct::default()), None);
        assert_eq!(check("buffered", 0, Direct::refused()), None);
    }

    #[test]
    fn what_the_disk_refuses_goes_through_the_page_cache() {
        let is_said = |notice: &String| notice.contains("through the page cache");
        // Most file systems refuse memory at an odd address, not all.
        let notice = check("refused", 1, Direct::default());
        assert!(notice.as_ref().is_none_or(is_said), "{notice:?}");
        let mut target = Target::over(File::open("/dev/null").unwrap(), Path::new("a"));
        target.direct = Some(Direct::default());
        let reason = || io::Error::from_raw_os_error(libc::EINVAL);
        target.give_up_direct(&reason());
        assert!(target.take_notice().as_ref().is_some_and(is_said));
        target.give_up_direct(&reason());
        assert_eq!(target.take_notice(), None, "once is enough");
    }

    #[test]
    fn blocks_after_one_that_failed_are_taken_back() {
        for direct in [Direct::default, Direct::refused] {
            let path = std::env::temp_dir();
            let path = path.join(format!("pktrail-target-failed-{}", std::process::id()));
            let format = Format::default();
            let mut target = Target::open(&path, true).unwrap();
            target.direct = Some(direct());
            target
                .write(Pages::block(0, 0).bytes(), 1, &format)
                .unwrap();
            let start = |target: &mut Target, number| {
                target.start(Pages::block(number, 0), LEN, 10, &format)
            };
            for number in 0..4 {
                start(&mut target, number).unwrap();
            }
            target.settle(&format).unwrap();
            // From now on the file can only be read.
            target.file = File::open(&path).unwrap();
            target.direct = Some(direct());
            let mut failed = None;
            for number in 0..4 {
                failed = failed.or(start(&mut target, number).err());
            }
            let failed = failed.or(target.settle(&format).err()).unwrap();
            assert_eq!(failed.raw_os_error(), Some(libc::EBADF));
            assert_eq!((target.frames(), target.bytes()), (41, 5 * LEN as u64));
            assert_eq!(fs::metadata(&path).unwrap().len(), 5 * LEN as u64);
            fs::remove_file(&path).unwrap();
        }
    }

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
        write_all(&bytes, |rest, _| wide.write(rest)).unwrap();
        assert_eq!(wide.taken, bytes);
        let mut full = narrow(50);
        let (done, cause) = write_all(&bytes, |rest, _| full.write(rest)).unwrap_err();
        assert_eq!((done, cause.kind()), (50, ErrorKind::StorageFull));
    }
}
