//! pcapng blocks to frames, interfaces and notes. Frames stay where they are;
//! their options are turned to little-endian and gathered in place.

use super::block::{self, FRAMING, PACKET_HEAD};
use super::time::Clock;
use super::{describe, notes, options};
use crate::read::{Found, MAX_BATCH, MAX_BLOCK, MAX_DESCRIPTIONS, Order, Progress, Stop, damaged};
use crate::{Error, ErrorKind, Flags, FrameInfo, Note};
use std::sync::Arc;

/// What is wrong with a block, as the end of a sentence.
pub(crate) type Checked<T> = Result<T, String>;

/// Reads the blocks of one file.
#[derive(Debug)]
pub(crate) struct Parser {
    order: Order,
    /// The interfaces of this section, in order.
    local: Vec<Local>,
    /// Where the section's interfaces begin in the table of the whole file.
    base: u32,
    /// Where the next block begins.
    offset: u64,
    blocks: u64,
    /// Bytes of section headers and interface descriptions so far.
    descriptions: usize,
}

/// What is needed of an interface for each frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub(crate) clock: Clock,
    snaplen: u32,
}

/// One block that is wholly there.
struct Block<'a> {
    kind: u32,
    /// Type and lengths included.
    bytes: &'a mut [u8],
    /// Where it begins in the batch's memory.
    at: usize,
}

impl Block<'_> {
    /// Without type and lengths.
    fn body(&self) -> &[u8] {
        self.bytes.get(8..self.bytes.len() - 4).unwrap_or_default()
    }
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self {
            order: Order::Little,
            local: Vec::new(),
            base: 0,
            offset: 0,
            blocks: 0,
            descriptions: 0,
        }
    }

    /// Blocks that were whole and good.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Finds the whole blocks at the beginning of `bytes`.
    pub(crate) fn parse(&mut self, bytes: &mut [u8], found: &mut Found) -> Progress {
        let mut consumed = 0;
        loop {
            if consumed >= MAX_BATCH {
                return Progress {
                    consumed,
                    stop: Stop::Need(0),
                };
            }
            let rest = bytes.get_mut(consumed..).unwrap_or_default();
            let (kind, len) = match self.framing(rest) {
                Ok(framing) => framing,
                Err(stop) => return Progress { consumed, stop },
            };
            let Some(bytes) = rest.get_mut(..len) else {
                return Progress {
                    consumed,
                    stop: Stop::Need(len),
                };
            };
            if let Err(stop) = self.trailer(kind, bytes) {
                return Progress { consumed, stop };
            }
            if let Err(what) = self.block(
                Block {
                    kind,
                    bytes,
                    at: consumed,
                },
                found,
            ) {
                let stop = Stop::Damaged(self.damage(kind, &what));
                return Progress { consumed, stop };
            }
            consumed += len;
            self.offset += len as u64;
            self.blocks += 1;
        }
    }

    /// Type and length of the block at the beginning of `rest`.
    #[inline]
    fn framing(&mut self, rest: &[u8]) -> Result<(u32, usize), Stop> {
        let kind = self.order.u32(rest, 0);
        // A section header says itself in which order its numbers are.
        let head = if kind == block::SECTION_HEADER {
            FRAMING
        } else {
            8
        };
        if rest.len() < head {
            return Err(Stop::Need(head));
        }
        if kind == block::SECTION_HEADER {
            self.order = match Order::Little.u32(rest, 8) {
                block::BYTE_ORDER_MAGIC => Order::Little,
                swapped if swapped == block::BYTE_ORDER_MAGIC.swap_bytes() => Order::Big,
                other => {
                    let what = format!("the byte-order magic is {other:#010x}, which is none");
                    return Err(Stop::Damaged(self.damage(kind, &what)));
                }
            };
        } else if self.blocks == 0 {
            let what = "the file does not begin with a section header";
            return Err(Stop::Damaged(self.damage(kind, what)));
        }
        let len = self.order.u32(rest, 4);
        if kind == 0 && len == 0 {
            return Err(Stop::Zeros(self.zeros()));
        }
        if (len as usize) < FRAMING || !len.is_multiple_of(4) || len as usize > MAX_BLOCK {
            let what = format!(
                "its length is given as {len} bytes; it must be a multiple of 4 from {FRAMING} to \
                 {MAX_BLOCK}"
            );
            return Err(Stop::Damaged(self.damage(kind, &what)));
        }
        Ok((kind, len as usize))
    }

    /// The length is given again at the end, which shows damage at once.
    #[inline]
    fn trailer(&self, kind: u32, bytes: &[u8]) -> Result<(), Stop> {
        let trailer = self.order.u32(bytes, bytes.len() - 4);
        if trailer as usize == bytes.len() {
            return Ok(());
        }
        let what = format!(
            "its length is {} bytes at its beginning and {trailer} at its end",
            bytes.len()
        );
        let error = self.damage(kind, &what);
        Err(if trailer == 0 {
            Stop::Zeros(error)
        } else {
            Stop::Damaged(error)
        })
    }

    fn block(&mut self, block: Block<'_>, found: &mut Found) -> Checked<()> {
        match block.kind {
            block::ENHANCED_PACKET => self.enhanced_packet(block, found),
            block::SIMPLE_PACKET => self.simple_packet(&block, found),
            block::OBSOLETE_PACKET => self.obsolete_packet(block, found),
            block::INTERFACE => self.interface(&block, found),
            block::SECTION_HEADER => self.section(&block, found),
            block::PADDING_BLOCK | block::INDEX_BLOCK | block::FLOWS_BLOCK => Ok(()),
            kind => {
                let body = notes::normalise(kind, block.body(), self.order, self.base, &self.local);
                let before = found.frames.len();
                found.notes.push(Note {
                    before,
                    block_type: kind,
                    body,
                });
                Ok(())
            }
        }
    }

    #[inline]
    fn enhanced_packet(&self, block: Block<'_>, found: &mut Found) -> Checked<()> {
        let word = |at| self.order.u32(block.bytes, at);
        let interface = word(8);
        let local = self.local(interface)?;
        let info = FrameInfo {
            timestamp_ns: local
                .clock
                .ns(u64::from(word(12)) << 32 | u64::from(word(16))),
            caplen: word(20),
            len: word(24),
            interface: self.base + interface,
            ..FrameInfo::default()
        };
        self.packet(block, info, found)
    }

    fn obsolete_packet(&self, block: Block<'_>, found: &mut Found) -> Checked<()> {
        let word = |at| self.order.u32(block.bytes, at);
        let interface = u32::from(self.order.u16(block.bytes, 8));
        let local = self.local(interface)?;
        let drops = self.order.u16(block.bytes, 10);
        let info = FrameInfo {
            timestamp_ns: local
                .clock
                .ns(u64::from(word(12)) << 32 | u64::from(word(16))),
            caplen: word(20),
            len: word(24),
            interface: self.base + interface,
            // All ones: not known.
            lost_before: if drops == u16::MAX { 0 } else { drops.into() },
            ..FrameInfo::default()
        };
        self.packet(block, info, found)
    }

    /// What enhanced and obsolete packet blocks have in common: data and options.
    #[inline]
    fn packet(&self, block: Block<'_>, mut info: FrameInfo, found: &mut Found) -> Checked<()> {
        if block.bytes.len() < PACKET_HEAD + 4 {
            return Err(format!(
                "it is {} bytes long, too short for a packet",
                block.bytes.len()
            ));
        }
        let room = block.bytes.len() - PACKET_HEAD - 4;
        let caplen = info.caplen as usize;
        if caplen > room {
            return Err(format!(
                "it says that {caplen} bytes were captured, but has {room}"
            ));
        }
        info.offset = (block.at + PACKET_HEAD) as u32;
        let start = PACKET_HEAD + caplen + options::padding(caplen);
        let end = block.bytes.len() - 4;
        if start < end {
            let len = packet_options(block.bytes, start..end, self.order, &mut info)?;
            info.options_offset = (block.at + start) as u32;
            info.options_len = len as u32;
        }
        found.frames.push(info);
        Ok(())
    }

    fn simple_packet(&self, block: &Block<'_>, found: &mut Found) -> Checked<()> {
        let local = self.local(0)?;
        let body = block.body();
        if body.len() < 4 {
            return Err("it is too short for a packet".to_owned());
        }
        let len = self.order.u32(body, 0);
        let caplen = if local.snaplen == 0 {
            len
        } else {
            len.min(local.snaplen)
        };
        if caplen as usize > body.len() - 4 {
            let room = body.len() - 4;
            return Err(format!(
                "it says that {caplen} bytes were captured, but has {room}"
            ));
        }
        found.frames.push(FrameInfo {
            offset: (block.at + 12) as u32,
            caplen,
            len,
            interface: self.base,
            ..FrameInfo::default()
        });
        Ok(())
    }

    fn local(&self, interface: u32) -> Checked<Local> {
        self.local.get(interface as usize).copied().ok_or_else(|| {
            format!(
                "it is of interface {interface}, but the section has described {} so far",
                self.local.len()
            )
        })
    }

    fn charge(&mut self, len: usize) -> Checked<()> {
        self.descriptions += len;
        // An interface is larger in memory than the least of its blocks.
        if self.descriptions > MAX_DESCRIPTIONS || self.base as usize + self.local.len() > 65_535 {
            return Err("the file describes too many interfaces to be sound".to_owned());
        }
        Ok(())
    }

    fn section(&mut self, block: &Block<'_>, found: &mut Found) -> Checked<()> {
        self.charge(block.bytes.len())?;
        let section = describe::section(block.body(), self.order)?;
        self.base = found.interfaces.len() as u32;
        self.local.clear();
        found.sections.push(section);
        Ok(())
    }

    fn interface(&mut self, block: &Block<'_>, found: &mut Found) -> Checked<()> {
        self.charge(block.bytes.len())?;
        let (interface, clock) = describe::interface(block.body(), self.order)?;
        self.local.push(Local {
            clock,
            snaplen: interface.snaplen,
        });
        Arc::make_mut(&mut found.interfaces).push(interface);
        Ok(())
    }

    fn damage(&self, kind: u32, what: &str) -> Error {
        let error = damaged(format!(
            "block {} ({}) at offset {}: {what}",
            self.blocks + 1,
            block::describe(kind),
            self.offset
        ));
        if what.starts_with("pcapng version") {
            let feature = "this version of pcapng";
            return error.with_kind(ErrorKind::Unsupported { feature, since: "" });
        }
        error
    }

    fn zeros(&self) -> Error {
        damaged(format!(
            "block {} at offset {}: only zeros are there: was the writer cut off? pktrail repair \
             cleans the file",
            self.blocks + 1,
            self.offset
        ))
    }

    /// The error for input that ends with these bytes, less than a block.
    pub(crate) fn cut(&self, rest: &[u8]) -> Error {
        if rest.len() < 8 {
            return damaged(format!(
                "block {} at offset {}: the file is cut: {} bytes of its header are there",
                self.blocks + 1,
                self.offset,
                rest.len()
            ));
        }
        let (kind, len) = (self.order.u32(rest, 0), self.order.u32(rest, 4));
        let there = rest.len();
        let what = if kind == block::SECTION_HEADER && there < FRAMING {
            format!("the file is cut: {there} bytes of it are there")
        } else {
            format!("the file is cut: {there} of its {len} bytes are there")
        };
        self.damage(kind, &what)
    }
}

/// Takes the options that are fields out, and leaves the others little-endian
/// at the beginning of the range; returns how long they are.
fn packet_options(
    bytes: &mut [u8],
    range: std::ops::Range<usize>,
    order: Order,
    info: &mut FrameInfo,
) -> Checked<usize> {
    let mut write = range.start;
    let mut read = range.start;
    while let Some(option) = options::next(bytes, read, range.end, order)? {
        let value = read + 4;
        match (option.code, option.len) {
            (block::EPB_FLAGS, 4) => info.flags = Flags(order.u32(bytes, value)),
            (block::EPB_QUEUE, 4) => info.queue = Some(order.u32(bytes, value)),
            (block::EPB_DROPCOUNT, 8) => {
                let count = order.u64(bytes, value);
                info.lost_before = u32::try_from(count).unwrap_or(u32::MAX);
            }
            (block::OPT_PADDING, 4..)
                if is_padding(bytes.get(value..value + option.len), order) => {}
            (code, len) => {
                options::normalise(bytes, read, order, |bytes| packet_value(bytes, code, order));
                let total = 4 + len + options::padding(len);
                bytes.copy_within(read..read + total, write);
                write += total;
            }
        }
        read = option.next;
    }
    Ok(write - range.start)
}

/// Whether the value of a custom option is space that pktrail had to fill.
fn is_padding(value: Option<&[u8]>, order: Order) -> bool {
    let value = value.unwrap_or_default();
    let is_ours = order.u32(value, 0) == block::ENTERPRISE;
    is_ours && value.iter().skip(4).all(|byte| *byte == 0)
}

/// Turns the numbers in the value of a packet's option to little-endian.
fn packet_value(value: &mut [u8], code: u16, order: Order) {
    match (code, value.len()) {
        (block::EPB_PACKETID, 8) => order.normalise(value, 0, 8),
        (block::EPB_PROCESS, 8) => {
            order.normalise(value, 0, 4);
            order.normalise(value, 4, 4);
        }
        // A byte of type 1 or 2 (eBPF at TC and XDP) and a 64-bit number.
        (block::EPB_VERDICT, 9) => order.normalise(value, 1, 8),
        _ => {}
    }
}
