//! Where the bytes of a capture file come from: regular files, pipes, standard
//! input, any reader; and gzip, Zstandard and LZ4, known by their first bytes.

use super::progress::Progress;
use crate::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How much is taken from a pipe at once, in bytes.
const PIPE_CHUNK: usize = 256 << 10;

/// Chunks of a pipe that wait to be parsed.
const PIPE_QUEUE: usize = 8;

/// How compressed data is called in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstandard,
    Lz4,
}

impl Compression {
    /// Knows compressed data by its first four bytes.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A frame, or a frame to be skipped, which LZ4 has as well.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Self::Zstandard)
            }
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "Zstandard",
            Self::Lz4 => "LZ4",
        }
    }

    /// Decompresses, over all members or frames that follow each other.
    fn decoder(self, input: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let decoder: Box<dyn Read + Send> = match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Zstandard => Box::new(zstd::stream::read::Decoder::new(input)?),
            Self::Lz4 => Box::new(Lz4Frames(Some(FrameDecoder::new(BufReader::new(input))))),
        };
        Ok(Box::new(Decoder {
            compression: self,
            decoder,
        }))
    }
}

/// A decoder whose own errors say that the data is damaged.
struct Decoder {
    compression: Compression,
    decoder: Box<dyn Read + Send>,
}

impl Read for Decoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(out).map_err(|cause| {
            if cause.raw_os_error().is_some() || cause.kind() == io::ErrorKind::Interrupted {
                return cause;
            }
            let what = format!(
                "the {} data is damaged or cut: {cause}",
                self.compression.name()
            );
            io::Error::new(io::ErrorKind::InvalidData, what)
        })
    }
}

/// LZ4 frames, one after another, each with a decoder of its own: one decoder
/// ends with its frame, and takes no second one with blocks of another size.
struct Lz4Frames(Option<FrameDecoder<BufReader<Box<dyn Read + Send>>>>);

impl Read for Lz4Frames {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.0 else {
                return Ok(0);
            };
            let read = decoder.read(out)?;
            if read > 0 || out.is_empty() || decoder.get_mut().fill_buf()?.is_empty() {
                return Ok(read);
            }
            let input = self.0.take().map(FrameDecoder::into_inner);
            self.0 = input.map(FrameDecoder::new);
        }
    }
}

/// What an input had to give.
pub(crate) enum Piece {
    /// Bytes, which were put where they were asked to be.
    Read,
    /// Bytes of a pipe.
    Bytes(Vec<u8>),
    /// Nothing within the timeout.
    Nothing,
    /// Nothing any more.
    End,
}

/// An opened input.
pub(crate) enum Input {
    /// Reading never waits: a regular file, perhaps compressed.
    File(Box<dyn Read + Send>),
    /// A regular file that another process is writing.
    Followed(Followed),
    /// Reading may wait, so a thread of its own does it.
    Pipe(Receiver<io::Result<Vec<u8>>>),
}

impl Input {
    /// Opens a file, a FIFO, or standard input as `-`.
    pub(crate) fn open(path: &Path, follow: bool, progress: &Progress) -> Result<Self> {
        if is_fifo(path) {
            // Opening waits for a writer, and a signal must get through meanwhile.
            let path = path.to_owned();
            return Self::pipe_from(move || File::open(path).map(|file| Box::new(file) as _));
        }
        let file = if path == Path::new("-") {
            let stdin = io::stdin().as_fd().try_clone_to_owned();
            File::from(stdin.map_err(|cause| Error::io("cannot use standard input", cause))?)
        } else {
            let named = |cause| Error::io(format!("cannot open {}", path.display()), cause);
            File::open(path).map_err(named)?
        };
        let named = |cause| Error::io(format!("cannot read {}", path.display()), cause);
        let kind = file.metadata().map_err(named)?.file_type();
        if kind.is_dir() {
            let what = format!("{} is a directory, not a capture file", path.display());
            return Err(Error::new(ErrorKind::Usage, what));
        }
        if !kind.is_file() {
            return Self::pipe(Box::new(file));
        }
        Self::regular(file, follow, progress).map_err(named)?.ok_or_else(|| {
            let what = format!(
                "{} is compressed, and a compressed file cannot be followed; decompress it by a \
                 pipe and read that",
                path.display()
            );
            Error::new(ErrorKind::Usage, what)
        })
    }

    /// `None` if a compressed file should be followed.
    fn regular(mut file: File, follow: bool, progress: &Progress) -> io::Result<Option<Self>> {
        // Standard input may stand anywhere in its file.
        let start = file.stream_position()?;
        let head = head(&mut file)?;
        file.seek(SeekFrom::Start(start))?;
        let counted = |file| Box::new(progress.counting(file));
        Ok(match (Compression::of(&head), follow) {
            (Some(_), true) => None,
            (Some(compression), false) => Some(Self::File(compression.decoder(counted(file))?)),
            (None, true) => Some(Self::Followed(Followed {
                file,
                start,
                position: start,
            })),
            (None, false) => Some(Self::File(counted(file))),
        })
    }

    /// Reads, and decompresses, in a thread of its own.
    pub(crate) fn pipe(input: Box<dyn Read + Send>) -> Result<Self> {
        Self::pipe_from(move || Ok(input))
    }

    /// The same for an input that is opened in the thread too.
    fn pipe_from(
        open: impl FnOnce() -> io::Result<Box<dyn Read + Send>> + Send + 'static,
    ) -> Result<Self> {
        let (sender, receiver) = bounded(PIPE_QUEUE);
        thread::Builder::new()
            .name("pktrail-pipe".to_owned())
            .spawn(move || match open() {
                Ok(input) => pump(input, &sender),
                Err(error) => drop(sender.send(Err(error))),
            })
            .map_err(|cause| Error::io("cannot start a thread that reads the pipe", cause))?;
        Ok(Self::Pipe(receiver))
    }

    /// Gives bytes: those of a file by `read`, which reads into the right place
    /// and returns their number, those of a pipe as they are.
    pub(crate) fn next(
        &mut self,
        timeout: Duration,
        mut read: impl FnMut(&mut dyn Read) -> io::Result<usize>,
    ) -> io::Result<Piece> {
        match self {
            Self::File(file) => Ok(match read(file)? {
                0 => Piece::End,
                _ => Piece::Read,
            }),
            Self::Followed(followed) => followed.next(timeout, read),
            Self::Pipe(receiver) => match receiver.recv_timeout(timeout) {
                Ok(bytes) => bytes.map(Piece::Bytes),
                Err(RecvTimeoutError::Timeout) => Ok(Piece::Nothing),
                Err(RecvTimeoutError::Disconnected) => Ok(Piece::End),
            },
        }
    }

    /// Goes back to an offset from where reading began, if it is followed.
    pub(crate) fn go_back(&mut self, offset: u64) -> io::Result<()> {
        if let Self::Followed(followed) = self {
            followed.position = followed.start + offset;
            followed.file.seek(SeekFrom::Start(followed.position))?;
        }
        Ok(())
    }
}

/// How often a followed file is looked at.
pub(crate) const FOLLOW_INTERVAL: Duration = Duration::from_millis(20);

/// A regular file that another process is writing.
pub(crate) struct Followed {
    file: File,
    start: u64,
    position: u64,
}

impl Followed {
    fn next(
        &mut self,
        timeout: Duration,
        mut read: impl FnMut(&mut dyn Read) -> io::Result<usize>,
    ) -> io::Result<Piece> {
        let deadline = Instant::now() + timeout;
        loop {
            let count = read(&mut self.file)?;
            self.position += count as u64;
            if count > 0 {
                return Ok(Piece::Read);
            }
            if self.file.metadata()?.len() < self.position {
                let what = "the file became shorter while it was followed";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Piece::Nothing);
            }
            thread::sleep(left.min(FOLLOW_INTERVAL));
        }
    }
}

fn is_fifo(path: &Path) -> bool {
    path != Path::new("-") && path.metadata().is_ok_and(|it| it.file_type().is_fifo())
}

/// The first four bytes, or fewer where there are no more.
fn head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(4);
    input.take(4).read_to_end(&mut head)?;
    Ok(head)
}

/// Sends what comes until the end, an error, or nobody listens.
fn pump(mut input: Box<dyn Read + Send>, sender: &Sender<io::Result<Vec<u8>>>) {
    let opened = head(&mut input).and_then(|head| {
        let compression = Compression::of(&head);
        let whole = Box::new(Cursor::new(head).chain(input));
        match compression {
            Some(compression) => compression.decoder(whole),
            None => Ok(whole),
        }
    });
    let mut input = match opened {
        Ok(input) => input,
        Err(error) => {
            let _ = sender.send(Err(error));
            return;
        }
    };
    let mut chunk = vec![0; PIPE_CHUNK];
    loop {
        let piece = match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => Ok(chunk.get(..count).unwrap_or_default().to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = piece.is_err();
        if sender.send(piece).is_err() || failed {
            return;
        }
    }
}
