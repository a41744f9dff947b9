//! Capture files to batches: pcap and pcapng, told apart by their first bytes.
//!
//! A [`Reader`] is given bytes as they come and hands out batches whose frames
//! lie where they were read. It owns the buffer, the limits and the place of an
//! error; what a block or record means is in `pcapng` and `pcap`. It opens
//! nothing, decompresses nothing and does not know whether more will come.

mod order;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use crate::pcapng::{self, Section};
use crate::{Batch, Error, ErrorKind, FrameInfo, Interface, Note, Result, pcap};
pub(crate) use order::Order;
use std::io::{self, Read};
use std::sync::Arc;

/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 20;

/// The longest block or record that is believed, in bytes: a length is a claim
/// until the bytes are there, and no more than this is ever waited for.
pub const MAX_BLOCK: usize = 16 << 20;

/// A batch ends after the block that reaches this many bytes.
pub(crate) const MAX_BATCH: usize = 4 << 20;

/// Most bytes of section headers and interface descriptions in a file, which
/// stay in memory.
pub(crate) const MAX_DESCRIPTIONS: usize = 16 << 20;

/// The format of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic format.
    Pcap,
    /// Its successor.
    Pcapng,
}

/// What was found in the whole blocks at the beginning of some bytes.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) frames: Vec<FrameInfo>,
    pub(crate) notes: Vec<Note>,
    pub(crate) interfaces: Arc<Vec<Interface>>,
    pub(crate) sections: Vec<Section>,
}

/// How far a parser came.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Bytes of whole blocks.
    pub(crate) consumed: usize,
    /// Why it stopped there.
    pub(crate) stop: Stop,
}

/// Why a parser stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The next block needs this many bytes, its beginning included.
    Need(usize),
    /// Zeros where a block should be: allocated, but not yet written.
    Zeros(Error),
    /// The input is damaged.
    Damaged(Error),
}

enum Parser {
    Unknown,
    Pcap(pcap::Parser),
    Pcapng(pcapng::Parser),
}

/// Reads a capture file from bytes as they come.
pub struct Reader {
    /// What was given but not handed out.
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    offset: u64,
    /// Bytes that the buffer must hold before parsing can go on.
    need: usize,
    parser: Parser,
    interfaces: Arc<Vec<Interface>>,
    sections: Vec<Section>,
    frames: u64,
    /// Zeros are waited out instead of being damage.
    wait_on_zeros: bool,
    zeros: bool,
    failed: Option<Error>,
    ended: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader at the beginning of a file.
    pub fn new() -> Self {
        Self {
            buffer: Vec::new(),
            offset: 0,
            need: 4,
            parser: Parser::Unknown,
            interfaces: Arc::default(),
            sections: Vec::new(),
            frames: 0,
            wait_on_zeros: false,
            zeros: false,
            failed: None,
            ended: false,
        }
    }

    /// The same for a file that is being written: zeros where a block should be
    /// are space that the writer has taken but not filled yet. See
    /// [`reread`](Self::reread).
    #[must_use]
    pub fn following(mut self) -> Self {
        self.wait_on_zeros = true;
        self
    }

    /// Appends bytes that came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Reads up to 1 MiB more; returns how many bytes came, 0 at the end. Reads
    /// until it has that much, so `input` should be a file, not a pipe.
    pub fn read_from(&mut self, input: &mut impl Read) -> io::Result<usize> {
        let want = CHUNK.saturating_sub(self.buffer.len()).max(CHUNK / 4);
        // Exactly what is read: doubling would cost memory on a long block.
        self.buffer.reserve_exact(want);
        input
            .by_ref()
            .take(want as u64)
            .read_to_end(&mut self.buffer)
    }

    /// The frames and notes of the whole blocks that came so far; `None` if
    /// more bytes are needed. What stood before damage is handed out first, the
    /// error by the next call; after it there is nothing more.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        if let Some(error) = self.failed.take() {
            self.ended = true;
            return Err(error);
        }
        while !self.ended && self.buffer.len() >= self.need {
            self.recognise()?;
            let mut found = Found {
                interfaces: Arc::clone(&self.interfaces),
                ..Found::default()
            };
            let progress = match &mut self.parser {
                Parser::Unknown => break,
                Parser::Pcap(parser) => parser.parse(&self.buffer, &mut found),
                Parser::Pcapng(parser) => parser.parse(&mut self.buffer, &mut found),
            };
            self.stopped(progress.stop);
            if let Some(batch) = self.hand_out(progress.consumed, found) {
                return Ok(Some(batch));
            }
            if let Some(error) = self.failed.take() {
                self.ended = true;
                return Err(error);
            }
            if self.zeros {
                break;
            }
        }
        Ok(None)
    }

    /// Reads on until there is a batch; `None` at the end of sound input.
    pub fn batch_from(&mut self, input: &mut impl Read) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.next_batch()? {
                return Ok(Some(batch));
            }
            let read = self.read_from(input);
            if read.map_err(|cause| Error::io("cannot read", cause))? == 0 {
                return self.end().map(|()| None);
            }
        }
    }

    /// Says that no more bytes will come: an error if a block is cut short.
    pub fn end(&mut self) -> Result<()> {
        if let Some(error) = self.failed.take() {
            self.ended = true;
            return Err(error);
        }
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        if self.buffer.is_empty() && !matches!(self.parser, Parser::Unknown) {
            return Ok(());
        }
        Err(match &self.parser {
            Parser::Unknown if self.buffer.is_empty() => {
                damaged("the file is empty: not even a file header is there".to_owned())
            }
            Parser::Unknown => self.unrecognised(),
            Parser::Pcap(parser) => parser.cut(&self.buffer),
            Parser::Pcapng(parser) => parser.cut(&self.buffer),
        })
    }

    /// Forgets what was given but not handed out, and returns the offset in the
    /// file where to read again; `None` unless the reader stands before zeros.
    pub fn reread(&mut self) -> Option<u64> {
        if !std::mem::take(&mut self.zeros) {
            return None;
        }
        self.buffer.clear();
        Some(self.offset)
    }

    /// The offset in the (decompressed) file up to which everything was whole
    /// and good.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Frames handed out so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Blocks (pcapng) or file header and records (pcap) that were whole and
    /// good.
    pub fn blocks(&self) -> u64 {
        match &self.parser {
            Parser::Unknown => 0,
            Parser::Pcap(parser) => parser.records(),
            Parser::Pcapng(parser) => parser.blocks(),
        }
    }

    /// The format, once the first bytes have come.
    pub fn format(&self) -> Option<Format> {
        match self.parser {
            Parser::Unknown => None,
            Parser::Pcap(_) => Some(Format::Pcap),
            Parser::Pcapng(_) => Some(Format::Pcapng),
        }
    }

    /// The interfaces found so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// What the section headers found so far say. Empty for pcap.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    fn recognise(&mut self) -> Result<()> {
        if !matches!(self.parser, Parser::Unknown) {
            return Ok(());
        }
        let magic = Order::Big.u32(&self.buffer, 0);
        if magic == pcapng::SECTION_HEADER {
            self.parser = Parser::Pcapng(pcapng::Parser::new());
        } else if pcap::is_magic(magic) {
            self.parser = Parser::Pcap(pcap::Parser::new());
        } else {
            self.ended = true;
            return Err(self.unrecognised());
        }
        Ok(())
    }

    fn unrecognised(&self) -> Error {
        let start = self
            .buffer
            .get(..4.min(self.buffer.len()))
            .unwrap_or_default();
        let hex: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
        let known = match start {
            b"snoo" => ", it looks like a snoop file",
            b"GMBU" | b"RTSS" => ", it looks like a Microsoft Network Monitor file",
            [0, 0, 0, 0] => ", was it allocated but never written?",
            _ => "",
        };
        damaged(format!(
            "this is no capture file that can be read: neither pcap nor pcapng begins with \
             {}{known}",
            hex.join(" ")
        ))
    }

    fn stopped(&mut self, stop: Stop) {
        self.zeros = self.waits(&stop);
        match stop {
            _ if self.zeros => self.need = 0,
            Stop::Need(bytes) => self.need = bytes,
            Stop::Zeros(error) | Stop::Damaged(error) => self.failed = Some(error),
        }
    }

    /// Whether bytes that cannot be parsed may still be filled in by the writer
    /// of a file that is followed.
    fn waits(&self, stop: &Stop) -> bool {
        if !self.wait_on_zeros {
            return false;
        }
        match stop {
            Stop::Zeros(_) => true,
            // A block that is half filled, as far as it was read.
            Stop::Need(bytes) => *bytes <= CHUNK && self.buffer.ends_with(&[0; 8]),
            // Half of a number, and the zeros where the rest will be.
            Stop::Damaged(_) => self.buffer.ends_with(&[0; 8]),
        }
    }

    /// Takes the whole blocks out of the buffer.
    fn hand_out(&mut self, consumed: usize, found: Found) -> Option<Batch> {
        self.offset += consumed as u64;
        self.interfaces = Arc::clone(&found.interfaces);
        self.sections.extend(found.sections);
        if found.frames.is_empty() && found.notes.is_empty() {
            self.buffer.drain(..consumed.min(self.buffer.len()));
            return None;
        }
        let rest = self.buffer.split_off(consumed.min(self.buffer.len()));
        let block = std::mem::replace(&mut self.buffer, rest);
        self.frames += found.frames.len() as u64;
        let mut batch = Batch::new(block, found.frames, found.interfaces);
        batch.notes = found.notes;
        Some(batch)
    }
}

/// An error in the input.
pub(crate) fn damaged(what: String) -> Error {
    Error::new(ErrorKind::Damaged, what)
}
