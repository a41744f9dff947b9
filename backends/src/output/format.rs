//! The two formats behind one face, and where their blocks end.

use crate::pcap::{self, Precision};
use crate::pcapng::{self, Packing, Section, Statistics};
use crate::{Batch, Frame, Interface, LinkType, Note, Result};
use std::sync::Arc;

/// What a file is written as.
#[derive(Clone, Debug)]
pub struct Format(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Pcapng(pcapng::Encoder),
    Pcap(pcap::Encoder),
}

impl Default for Format {
    /// pcapng that names this library.
    fn default() -> Self {
        Self::pcapng(pcapng::Encoder::new(Section {
            application: Some(concat!("pktrail ", env!("CARGO_PKG_VERSION")).into()),
            ..Section::default()
        }))
    }
}

impl Format {
    /// pcapng as `encoder` makes it.
    pub fn pcapng(encoder: pcapng::Encoder) -> Self {
        Self(Kind::Pcapng(encoder))
    }

    /// pcap with times of `precision`; `snaplen` in bytes, 0 for the most.
    pub fn pcap(precision: Precision, snaplen: u32) -> Self {
        Self(Kind::Pcap(pcap::Encoder::new(precision, snaplen)))
    }

    pub(super) fn is_pcapng(&self) -> bool {
        matches!(self.0, Kind::Pcapng(_))
    }

    /// How a source may pack frames for it.
    pub(super) fn packing(&self) -> Option<Packing> {
        match &self.0 {
            Kind::Pcapng(encoder) => Some(encoder.packing()),
            Kind::Pcap(_) => None,
        }
    }

    /// Starts a file. For pcap the link type must be known; if it is not, the
    /// header comes with the first frames, or with [`end`](Self::end).
    pub(super) fn begin(&mut self, interfaces: &[Interface], out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Kind::Pcapng(encoder) => {
                encoder.section(out);
                encoder.interfaces(interfaces, out)
            }
            Kind::Pcap(encoder) => {
                let of_first = interfaces.first().map(|interface| interface.link_type);
                if let Some(link_type) = encoder.link_type().or(of_first) {
                    encoder.header(link_type, out);
                }
                Ok(())
            }
        }
    }

    /// What the format asks for before a file without frames may end.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if let Kind::Pcap(encoder) = &mut self.0
            && encoder.link_type().is_none()
        {
            encoder.header(LinkType::ETHERNET, out);
        }
    }

    /// Makes ready for the frames of a batch: interfaces that are new.
    pub(super) fn prepare(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Kind::Pcapng(encoder) => encoder.interfaces(&batch.interfaces, out),
            Kind::Pcap(encoder) => encoder.prepare(batch, out),
        }
    }

    /// Appends a whole batch, after [`prepare`](Self::prepare).
    pub(super) fn batch(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Kind::Pcapng(encoder) => match batch.packed_bytes() {
                Some(bytes) => {
                    encoder.interfaces(&batch.interfaces, out)?;
                    out.extend_from_slice(bytes);
                    Ok(())
                }
                None => encoder.batch(batch, out),
            },
            Kind::Pcap(encoder) => encoder.batch(batch, out),
        }
    }

    /// Turns the memory of a batch into what stands in the file, where nobody
    /// else uses it and the format allows it. How many bytes of it are to be
    /// written; `None` if the batch is as it was, and has to be copied.
    pub(super) fn in_place(&self, batch: &mut Batch) -> Option<usize> {
        let [block] = &mut batch.blocks[..] else {
            return None;
        };
        if !batch.notes.is_empty() {
            return None;
        }
        let memory = Arc::get_mut(block)?.bytes_mut();
        match (&self.0, batch.packed) {
            (Kind::Pcapng(_), Some(packed)) => Some(packed.bytes),
            (Kind::Pcapng(encoder), None) => encoder.in_place(&batch.frames, memory),
            (Kind::Pcap(encoder), _) => encoder.in_place(&batch.frames, memory),
        }
    }

    pub(super) fn frame(&self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        match &self.0 {
            Kind::Pcapng(encoder) => encoder.frame(frame, out),
            Kind::Pcap(encoder) => encoder.frame(frame, out),
        }
    }

    pub(super) fn note(&mut self, note: &Note, out: &mut Vec<u8>) {
        if let Kind::Pcapng(encoder) = &mut self.0 {
            encoder.note(note, out);
        }
    }

    /// A padding block that takes a file of `end` bytes to a multiple of `unit`.
    pub(super) fn padding(&self, unit: usize, end: u64) -> Vec<u8> {
        let past = (end % unit as u64) as usize;
        let mut padding = Vec::new();
        // The rest may be too short for a block.
        if matches!(self.0, Kind::Pcapng(_)) && !pcapng::padding(unit - past, &mut padding) {
            pcapng::padding(2 * unit - past, &mut padding);
        }
        padding
    }

    pub(super) fn statistics(&self, statistics: &Statistics, out: &mut Vec<u8>) {
        if let Kind::Pcapng(encoder) = &self.0 {
            encoder.statistics(statistics, out);
        }
    }

    /// Most bytes that a batch can add to a file, new interfaces aside.
    pub(super) fn growth(&self, batch: &Batch) -> u64 {
        if let Some(packed) = batch.packed {
            return packed.bytes as u64;
        }
        let per_frame = match &self.0 {
            // The head, the padding, the options of our own and the tail.
            Kind::Pcapng(_) => 80,
            Kind::Pcap(_) => 16,
        };
        let frame = |info: &crate::FrameInfo| {
            per_frame + u64::from(info.caplen) + u64::from(info.options_len)
        };
        let frames: u64 = batch.frames.iter().map(frame).sum();
        let notes: u64 = batch
            .notes
            .iter()
            .map(|note| note.body.len() as u64 + 16)
            .sum();
        frames + notes
    }

    /// How much of `bytes`, which begins with a block, is whole blocks: their
    /// length, and the number of frames in them. `at_start`: the bytes are the
    /// beginning of a file.
    pub(super) fn whole(&self, bytes: &[u8], at_start: bool) -> (usize, u64) {
        let (mut end, mut frames) = (0, 0);
        loop {
            let rest = bytes.get(end..).unwrap_or_default();
            let (len, is_frame) = match &self.0 {
                Kind::Pcapng(_) => (u32_at(rest, 4), u32_at(rest, 0) == Some(6)),
                Kind::Pcap(_) if at_start && end == 0 => (Some(24), false),
                Kind::Pcap(_) => (u32_at(rest, 8).and_then(|len| len.checked_add(16)), true),
            };
            match len {
                Some(len @ 12..) if len as usize <= rest.len() => {
                    end += len as usize;
                    frames += u64::from(is_frame);
                }
                _ => return (end, frames),
            }
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameInfo;

    fn batch(count: usize) -> Batch {
        let info = FrameInfo {
            caplen: 61,
            len: 61,
            ..FrameInfo::default()
        };
        let interface = Interface {
            link_type: LinkType::ETHERNET,
            ..Interface::default()
        };
        Batch::new(vec![7; 61], vec![info; count], Arc::new(vec![interface]))
    }

    #[test]
    fn whole_blocks_are_found_at_every_cut() {
        for mut format in [Format::default(), Format::pcap(Precision::Micro, 0)] {
            let mut out = Vec::new();
            let batch = batch(3);
            format.begin(&batch.interfaces, &mut out).unwrap();
            let mut ends = vec![out.len()];
            for frame in batch.iter() {
                format.frame(&frame, &mut out);
                ends.push(out.len());
            }
            for cut in ends[0]..=out.len() {
                let frames = ends.iter().filter(|end| **end <= cut).count() - 1;
                let found = format.whole(&out[..cut], true);
                assert_eq!(found, (ends[frames], frames as u64), "cut at {cut}");
            }
            assert_eq!(format.whole(&out[ends[1]..], false).1, 2);
            assert_eq!(format.whole(&out[..5], true), (0, 0));
        }
    }

    #[test]
    fn the_growth_is_never_guessed_too_small() {
        for mut format in [Format::default(), Format::pcap(Precision::Nano, 0)] {
            let mut batch = batch(100);
            for info in &mut batch.frames {
                info.queue = Some(1);
                info.lost_before = 9;
                info.flags = crate::Flags::INBOUND;
                info.options_len = 8;
            }
            let mut out = Vec::new();
            format.prepare(&batch, &mut out).unwrap();
            let before = out.len();
            format.batch(&batch, &mut out).unwrap();
            assert!((out.len() - before) as u64 <= format.growth(&batch));
        }
    }
}
