//! Frames, interfaces and notes to pcapng blocks, appended to a vector.
//!
//! What the files keep to, so that tshark 4.0 and tcpdump 4.99 open them: one
//! section, little-endian; nanoseconds, always said; one snap length in all
//! interfaces; one link type unless asked; at most [`MAX_CAPTURED`] bytes of a
//! frame. No time offset and no custom block of our own.

use super::block::{self, MAX_CAPTURED};
use super::options::{self, padding as pad_len};
use super::{Packing, Section, Statistics};
use crate::{Batch, Error, ErrorKind, Frame, FrameInfo, Interface, LinkType, Note, Result};
use std::net::IpAddr;

/// Most bytes of names and secrets that are carried from file to file.
const MOST_KEPT: usize = 16 << 20;

/// Makes pcapng of batches. It never fails halfway: after an error the output
/// is as it was before the call.
///
/// Call [`section`](Self::section) at the start of each file: it brings the
/// interfaces, names and decryption secrets known so far with it.
#[derive(Clone, Debug)]
pub struct Encoder {
    header: Vec<u8>,
    /// The interface blocks known so far, as they stand in a file.
    interfaces: Vec<u8>,
    /// The blocks of names and secrets seen so far, which hold for all frames
    /// after them and so for every file.
    kept: Vec<u8>,
    count: u32,
    link_type: Option<LinkType>,
    mixed_link_types: bool,
    snaplen: u32,
}

impl Encoder {
    /// An encoder for files that say `section`, with a snap length of
    /// [`MAX_CAPTURED`] and one link type a file.
    pub fn new(section: Section) -> Self {
        let mut header = Vec::new();
        put_section(&section, &mut header);
        Self {
            header,
            interfaces: Vec::new(),
            kept: Vec::new(),
            count: 0,
            link_type: None,
            mixed_link_types: false,
            snaplen: MAX_CAPTURED,
        }
    }

    /// The same with another snap length, for all interfaces of a file (libpcap
    /// refuses a file with two). Longer frames are cut to it. 0 and what is
    /// above [`MAX_CAPTURED`] mean [`MAX_CAPTURED`].
    #[must_use]
    pub fn with_snaplen(mut self, snaplen: u32) -> Self {
        self.snaplen = match snaplen {
            0 => MAX_CAPTURED,
            other => other.min(MAX_CAPTURED),
        };
        self
    }

    /// The same, but a file may hold several link types. Wireshark reads such
    /// files, libpcap and tcpdump do not.
    #[must_use]
    pub fn with_mixed_link_types(mut self, allowed: bool) -> Self {
        self.mixed_link_types = allowed;
        self
    }

    /// How frames may be packed that are to be appended as they are. Their
    /// interfaces must have been added before, in the order of the batch's table.
    pub fn packing(&self) -> Packing {
        Packing {
            snaplen: self.snaplen,
        }
    }

    /// Most bytes of a frame in a file.
    pub(super) fn snaplen(&self) -> u32 {
        self.snaplen
    }

    /// How many interfaces the file has.
    pub(super) fn interface_count(&self) -> u32 {
        self.count
    }

    /// Starts a file: the section header, and the interfaces, names and
    /// secrets known so far.
    pub fn section(&mut self, out: &mut Vec<u8>) {
        out.reserve(self.header.len() + self.interfaces.len() + self.kept.len());
        out.extend_from_slice(&self.header);
        out.extend_from_slice(&self.interfaces);
        out.extend_from_slice(&self.kept);
    }

    /// Adds an interface; returns its index.
    pub fn interface(&mut self, interface: &Interface, out: &mut Vec<u8>) -> Result<u32> {
        self.check_link_type(interface)?;
        let id = self.count;
        let start = out.len();
        put_interface(interface, self.snaplen, out);
        self.interfaces.extend_from_slice(&out[start..]);
        self.count += 1;
        Ok(id)
    }

    /// Adds the interfaces of a table that are not in the file yet. A table
    /// only ever grows, so their place in it is their index in the file.
    pub fn interfaces(&mut self, table: &[Interface], out: &mut Vec<u8>) -> Result<()> {
        let new = table.get(self.count as usize..).unwrap_or_default();
        if new.is_empty() {
            return Ok(());
        }
        // All or nothing.
        let mut after = self.clone();
        let start = out.len();
        for interface in new {
            if let Err(error) = after.interface(interface, out) {
                out.truncate(start);
                return Err(error);
            }
        }
        *self = after;
        Ok(())
    }

    /// Appends a frame as an enhanced packet block. Its interface must have
    /// been added before.
    pub fn frame(&self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        put_frame(frame, self.count.saturating_sub(1), self.snaplen, out);
    }

    /// Appends an interface statistics block.
    pub fn statistics(&self, statistics: &Statistics, out: &mut Vec<u8>) {
        put_statistics(statistics, out);
    }

    /// Appends a block that was kept as a note. Custom blocks that say they
    /// must not be copied are left out. Names and secrets are appended to the
    /// files after this one too, the first 16 MiB of them.
    pub fn note(&mut self, note: &Note, out: &mut Vec<u8>) {
        if note.block_type == block::CUSTOM_NO_COPY {
            return;
        }
        let start = out.len();
        put_block(note.block_type, out, |out| {
            out.extend_from_slice(&note.body);
            options::pad(note.body.len(), out);
        });
        let holds_on = [block::NAME_RESOLUTION, block::DECRYPTION_SECRETS];
        let block = &out[start..];
        if holds_on.contains(&note.block_type) && self.kept.len() + block.len() <= MOST_KEPT {
            self.kept.extend_from_slice(block);
        }
    }

    /// Appends a batch: the interfaces that are new, the frames and the notes
    /// in their order. One reservation of memory, none per frame.
    pub fn batch(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<()> {
        self.interfaces(&batch.interfaces, out)?;
        if self.count == 0 && !batch.frames.is_empty() {
            return Err(Error::new(
                ErrorKind::Internal,
                "a batch has frames but no interface to write them under",
            ));
        }
        out.reserve(bound(batch));
        let last_interface = self.count.saturating_sub(1);
        if batch.notes.is_empty() {
            for frame in batch.iter() {
                put_frame(&frame, last_interface, self.snaplen, out);
            }
            return Ok(());
        }
        let mut notes = batch.notes.iter().peekable();
        for (index, frame) in batch.iter().enumerate() {
            while let Some(note) = notes.next_if(|note| note.before <= index) {
                self.note(note, out);
            }
            put_frame(&frame, last_interface, self.snaplen, out);
        }
        notes.for_each(|note| self.note(note, out));
        Ok(())
    }

    fn check_link_type(&mut self, interface: &Interface) -> Result<()> {
        let first = *self.link_type.get_or_insert(interface.link_type);
        if self.mixed_link_types || first == interface.link_type {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Usage,
            format!(
                "interface {} has link type {}, but the file has link type {}, and tcpdump reads \
                 no file with two; write the interfaces to different files",
                match interface.full_name() {
                    name if name.is_empty() => format!("number {}", self.count),
                    name => name,
                },
                interface.link_type.0,
                first.0
            ),
        ))
    }
}

/// Appends a padding block of exactly `len` bytes, which every reader skips:
/// at least 12 and a multiple of 4. Returns whether `len` allows one.
pub fn padding(len: usize, out: &mut Vec<u8>) -> bool {
    if len < block::FRAMING || !len.is_multiple_of(4) || u32::try_from(len).is_err() {
        return false;
    }
    put_block(block::PADDING_BLOCK, out, |out| {
        out.resize(out.len() + len - block::FRAMING, 0);
    });
    true
}

/// Most bytes that the frames and notes of a batch can take.
fn bound(batch: &Batch) -> usize {
    let frame = |info: &FrameInfo| {
        block::PACKET_HEAD + info.caplen as usize + info.options_len as usize + TAIL
    };
    let frames: usize = batch.frames.iter().map(frame).sum();
    let notes: usize = batch.notes.iter().map(|note| note.body.len() + 16).sum();
    frames + notes
}

/// Most bytes after the data of a frame, options carried from elsewhere aside:
/// padding 3, flags 8, drop count 12, queue 8, end of options 4, length 4.
pub(super) const TAIL: usize = 40;

/// What follows a frame's data, built in place to be appended at once.
pub(super) struct Tail {
    bytes: [u8; TAIL],
    len: usize,
}

impl Tail {
    /// The padding after `data` bytes.
    #[inline]
    pub(super) fn after(data: usize) -> Self {
        Self {
            bytes: [0; TAIL],
            len: pad_len(data),
        }
    }

    /// The options that stand for what is known of a frame.
    #[inline]
    pub(super) fn describe(&mut self, info: &FrameInfo) {
        if info.flags.0 != 0 {
            self.option(block::EPB_FLAGS, info.flags.0.to_le_bytes());
        }
        if info.lost_before != 0 {
            let count = u64::from(info.lost_before);
            self.option(block::EPB_DROPCOUNT, count.to_le_bytes());
        }
        if let Some(queue) = info.queue {
            self.option(block::EPB_QUEUE, queue.to_le_bytes());
        }
    }

    /// The beginning of a padding option, before `len` zeros: a custom option
    /// that is not to be copied into other files.
    #[inline]
    pub(super) fn begin_padding(&mut self, len: u16) {
        self.number(u32::from(block::OPT_PADDING) | u32::from(len + 4) << 16);
        self.number(block::ENTERPRISE);
    }

    /// The end of options, if there are any, and the length of the block.
    #[inline]
    pub(super) fn close(&mut self, has_options: bool, total: u32) {
        if has_options {
            self.number(0);
        }
        self.number(total);
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline]
    fn option<const N: usize>(&mut self, code: u16, value: [u8; N]) {
        let at = self.len;
        self.bytes[at..at + 2].copy_from_slice(&code.to_le_bytes());
        self.bytes[at + 2..at + 4].copy_from_slice(&(N as u16).to_le_bytes());
        self.bytes[at + 4..at + 4 + N].copy_from_slice(&value);
        self.len = at + 4 + N;
    }

    #[inline]
    fn number(&mut self, value: u32) {
        self.bytes[self.len..self.len + 4].copy_from_slice(&value.to_le_bytes());
        self.len += 4;
    }
}

/// An enhanced packet block before its data: `data` bytes of it, `total` bytes
/// of the block.
#[inline]
pub(super) fn packet_head(
    info: &FrameInfo,
    interface: u32,
    data: usize,
    total: usize,
) -> [u8; block::PACKET_HEAD] {
    let mut head = [0; block::PACKET_HEAD];
    let words = [
        block::ENHANCED_PACKET,
        // At most MAX_CAPTURED, and options shorter than a block that was read.
        total as u32,
        interface,
        (info.timestamp_ns >> 32) as u32,
        info.timestamp_ns as u32,
        data as u32,
        info.len,
    ];
    for (place, word) in head.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    head
}

/// One frame. `last_interface` guards against an index that the file has not:
/// one such frame would make the whole file unreadable.
#[inline]
fn put_frame(frame: &Frame<'_>, last_interface: u32, snaplen: u32, out: &mut Vec<u8>) {
    let info = frame.info;
    let data = frame.data.get(..snaplen as usize).unwrap_or(frame.data);
    // Anything else would break the framing of the block.
    let carried = match frame.options.len() % 4 {
        0 => frame.options,
        _ => &[],
    };
    let mut tail = Tail::after(data.len());
    let options_start = tail.len();
    tail.describe(info);
    let has_options = tail.len() > options_start || !carried.is_empty();
    let end = if has_options { 4 } else { 0 };
    let total = block::PACKET_HEAD + data.len() + tail.len() + carried.len() + end + 4;
    let interface = info.interface.min(last_interface);
    out.extend_from_slice(&packet_head(info, interface, data.len(), total));
    out.extend_from_slice(data);
    if !carried.is_empty() {
        out.extend_from_slice(tail.as_slice());
        out.extend_from_slice(carried);
        tail = Tail::after(0);
    }
    tail.close(has_options, total as u32);
    out.extend_from_slice(tail.as_slice());
}

/// Appends a block whose body `fill` appends, a multiple of four bytes long.
fn put_block(block_type: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&block_type.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    fill(out);
    // Bodies are far shorter than 4 GiB: texts of 64 KiB, or what was read.
    let total = ((out.len() - start + 4) as u32).to_le_bytes();
    out.extend_from_slice(&total);
    out[start + 4..start + 8].copy_from_slice(&total);
}

fn put_section(section: &Section, out: &mut Vec<u8>) {
    put_block(block::SECTION_HEADER, out, |out| {
        out.extend_from_slice(&block::BYTE_ORDER_MAGIC.to_le_bytes());
        // Version 1.0.
        out.extend_from_slice(&[1, 0, 0, 0]);
        // The length of the section is not known.
        out.extend_from_slice(&[0xff; 8]);
        options::put_comments(&section.comments, out);
        options::put_some(block::SHB_HARDWARE, section.hardware.as_deref(), out);
        options::put_some(block::SHB_OS, section.os.as_deref(), out);
        options::put_some(block::SHB_APPLICATION, section.application.as_deref(), out);
        options::put_end(out);
    });
}

fn put_interface(interface: &Interface, snaplen: u32, out: &mut Vec<u8>) {
    put_block(block::INTERFACE, out, |out| {
        out.extend_from_slice(&interface.link_type.0.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&snaplen.to_le_bytes());
        let name = interface.full_name();
        if !name.is_empty() {
            options::put_text(block::IF_NAME, &name, out);
        }
        options::put_some(block::IF_DESCRIPTION, interface.description.as_deref(), out);
        for (address, prefix) in &interface.addresses {
            put_address(*address, *prefix, out);
        }
        if let Some(mac) = interface.mac {
            options::put(block::IF_MAC, &mac, out);
        }
        if let Some(speed) = interface.speed_bps {
            options::put(block::IF_SPEED, &speed.to_le_bytes(), out);
        }
        options::put(block::IF_TSRESOL, &[9], out);
        if let Some(filter) = &interface.filter {
            // A first byte of 0 says that text follows.
            let end = filter.floor_char_boundary(usize::from(u16::MAX) - 1);
            let text = filter.as_bytes().get(..end).unwrap_or_default();
            options::put(block::IF_FILTER, &[&[0], text].concat(), out);
        }
        options::put_some(block::IF_OS, interface.os.as_deref(), out);
        options::put_some(block::IF_HARDWARE, interface.hardware.as_deref(), out);
        if interface.options.len().is_multiple_of(4) {
            out.extend_from_slice(&interface.options);
        }
        options::put_end(out);
    });
}

fn put_address(address: IpAddr, prefix: u8, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            let shift = 32_u32.saturating_sub(u32::from(prefix));
            let mask = u32::MAX.checked_shl(shift).unwrap_or(0).to_be_bytes();
            options::put(block::IF_IPV4, &[address.octets(), mask].concat(), out);
        }
        IpAddr::V6(address) => {
            let prefix = prefix.min(128);
            options::put(
                block::IF_IPV6,
                &[&address.octets()[..], &[prefix]].concat(),
                out,
            );
        }
    }
}

fn put_statistics(statistics: &Statistics, out: &mut Vec<u8>) {
    let time = |ns: u64| {
        let (high, low) = ((ns >> 32) as u32, ns as u32);
        [high.to_le_bytes(), low.to_le_bytes()].concat()
    };
    put_block(block::STATISTICS, out, |out| {
        out.extend_from_slice(&statistics.interface.to_le_bytes());
        out.extend_from_slice(&time(statistics.timestamp_ns));
        let times = [
            (block::ISB_STARTTIME, statistics.start_ns),
            (block::ISB_ENDTIME, statistics.end_ns),
        ];
        for (code, value) in times {
            if let Some(ns) = value {
                options::put(code, &time(ns), out);
            }
        }
        let counts = [
            (block::ISB_IFRECV, statistics.received),
            (block::ISB_IFDROP, statistics.interface_dropped),
            (block::ISB_FILTERACCEPT, statistics.accepted),
            (block::ISB_OSDROP, statistics.os_dropped),
            (block::ISB_USRDELIV, statistics.delivered),
        ];
        for (code, value) in counts {
            if let Some(count) = value {
                options::put(code, &count.to_le_bytes(), out);
            }
        }
        options::put_end(out);
    });
}

#[cfg(test)]
mod tests;
