//! Frames to pcap records, appended to a vector, little-endian.

use crate::pcapng::MAX_CAPTURED;
use crate::{Batch, Error, ErrorKind, Frame, FrameInfo, Interface, LinkType, Result};

/// The unit of the times in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Microseconds: what every reader knows.
    #[default]
    Micro,
    /// Nanoseconds, by another magic number.
    Nano,
}

impl Precision {
    fn magic(self) -> u32 {
        match self {
            Self::Micro => 0xa1b2_c3d4,
            Self::Nano => 0xa1b2_3c4d,
        }
    }

    /// Nanoseconds in a unit.
    fn unit_ns(self) -> u64 {
        match self {
            Self::Micro => 1_000,
            Self::Nano => 1,
        }
    }
}

/// Makes pcap of batches. A file has one link type: that of the first frame,
/// or the one that [`header`](Self::header) was given.
#[derive(Clone, Debug)]
pub struct Encoder {
    precision: Precision,
    snaplen: u32,
    link_type: Option<LinkType>,
}

impl Encoder {
    /// An encoder for times of `precision`. `snaplen` is what the header says,
    /// in bytes; longer frames are cut to it. 0 and what is above
    /// [`MAX_CAPTURED`] mean [`MAX_CAPTURED`].
    pub fn new(precision: Precision, snaplen: u32) -> Self {
        let snaplen = match snaplen {
            0 => MAX_CAPTURED,
            other => other.min(MAX_CAPTURED),
        };
        Self {
            precision,
            snaplen,
            link_type: None,
        }
    }

    /// The link type of the file, once known.
    pub fn link_type(&self) -> Option<LinkType> {
        self.link_type
    }

    /// Starts a file of frames with `link_type`.
    pub fn header(&mut self, link_type: LinkType, out: &mut Vec<u8>) {
        self.link_type = Some(link_type);
        out.extend_from_slice(&self.precision.magic().to_le_bytes());
        // Version 2.4, then two fields that are always zero.
        out.extend_from_slice(&[2, 0, 4, 0]);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.snaplen.to_le_bytes());
        out.extend_from_slice(&u32::from(link_type.0).to_le_bytes());
    }

    /// Appends a frame. Its link type must be that of the file.
    pub fn frame(&self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        put_frame(frame, self.precision.unit_ns(), self.snaplen, out);
    }

    /// Makes ready for the frames of a batch: appends the file's header if there
    /// was none yet, and refuses frames of a second link type; the output is
    /// then as it was before.
    pub fn prepare(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<()> {
        let Some(first) = batch.frames.first() else {
            return Ok(());
        };
        let of_first = batch.interface(first).map(|interface| interface.link_type);
        let link_type = self.link_type.or(of_first).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "a batch has frames but no interface")
        })?;
        check_link_types(batch, link_type)?;
        if self.link_type.is_none() {
            self.header(link_type, out);
        }
        Ok(())
    }

    /// Appends the frames of a batch, with the file's header before them if
    /// there was none yet. Refuses frames of a second link type; the output is
    /// then as it was before.
    pub fn batch(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<()> {
        self.prepare(batch, out)?;
        let bytes: usize = batch
            .frames
            .iter()
            .map(|info| 16 + info.caplen as usize)
            .sum();
        out.reserve(bytes);
        for frame in batch.iter() {
            put_frame(&frame, self.precision.unit_ns(), self.snaplen, out);
        }
        Ok(())
    }
}

/// Looks at the frames only where the interfaces differ.
impl Encoder {
    /// Turns memory into records where it lies: `frames`, all of block 0, move
    /// down, each behind the one before. Returns how many bytes are to be written.
    /// Their link type must be that of the file.
    ///
    /// `None`, and the memory as it was, where there is too little space between
    /// frames, or they lie in another order.
    pub fn in_place(&self, frames: &[FrameInfo], memory: &mut [u8]) -> Option<usize> {
        let mut end = 0;
        for info in frames {
            let (from, captured) = (info.offset as usize, info.caplen as usize);
            let is_inside = from <= memory.len() && captured <= memory.len() - from;
            if info.block != 0 || !is_inside || from < end + RECORD_HEAD {
                return None;
            }
            end = from + captured;
        }
        let unit_ns = self.precision.unit_ns();
        let mut at = 0;
        for info in frames {
            let (from, len) = (info.offset as usize, info.caplen.min(self.snaplen));
            let head = record_head(info, len, unit_ns);
            at += RECORD_HEAD;
            memory.copy_within(from..from + len as usize, at);
            *memory.get_mut(at - RECORD_HEAD..)?.first_chunk_mut()? = head;
            at += len as usize;
        }
        Some(at)
    }
}

/// Bytes of a record before its data.
const RECORD_HEAD: usize = 16;

fn check_link_types(batch: &Batch, link_type: LinkType) -> Result<()> {
    let differs = |interface: &&Interface| interface.link_type != link_type;
    if !batch.interfaces.iter().any(|interface| differs(&interface)) {
        return Ok(());
    }
    let interfaces = batch.frames.iter().filter_map(|info| batch.interface(info));
    match interfaces.into_iter().find(differs) {
        None => Ok(()),
        Some(interface) => Err(Error::new(
            ErrorKind::Usage,
            format!(
                "a pcap file holds one link type: this one holds {}, but frames of {} have {}; \
                 write pcapng, or one interface a file",
                link_type.0,
                match interface.full_name() {
                    name if name.is_empty() => "another interface".to_owned(),
                    name => name,
                },
                interface.link_type.0
            ),
        )),
    }
}

#[inline]
fn put_frame(frame: &Frame<'_>, unit_ns: u64, snaplen: u32, out: &mut Vec<u8>) {
    let data = frame.data.get(..snaplen as usize).unwrap_or(frame.data);
    out.extend_from_slice(&record_head(frame.info, data.len() as u32, unit_ns));
    out.extend_from_slice(data);
}

#[inline]
fn record_head(info: &FrameInfo, len: u32, unit_ns: u64) -> [u8; RECORD_HEAD] {
    let ns = info.timestamp_ns;
    let words = [
        // Seconds fit until 2106.
        (ns / 1_000_000_000) as u32,
        (ns % 1_000_000_000 / unit_ns) as u32,
        len,
        info.len,
    ];
    let mut head = [0; RECORD_HEAD];
    for (place, word) in head.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameInfo;
    use std::sync::Arc;

    fn batch(link_types: &[LinkType]) -> Batch {
        let interface = |link_type: &LinkType| Interface {
            name: format!("if{}", link_type.0),
            link_type: *link_type,
            ..Interface::default()
        };
        let frame = |interface| FrameInfo {
            timestamp_ns: 1_700_000_000_123_456_789,
            caplen: 3,
            len: 60,
            interface,
            ..FrameInfo::default()
        };
        let interfaces = link_types.iter().map(interface).collect();
        let frames = (0..link_types.len())
            .map(|index| frame(index as u32))
            .collect();
        Batch::new(vec![7, 8, 9], frames, Arc::new(interfaces))
    }

    #[test]
    fn the_first_frame_decides_the_link_type_and_the_precision_the_fraction() {
        for (precision, magic, fraction) in [
            (Precision::Micro, 0xa1b2_c3d4_u32, 123_456_u32),
            (Precision::Nano, 0xa1b2_3c4d, 123_456_789),
        ] {
            let mut out = Vec::new();
            Encoder::new(precision, 0)
                .batch(&batch(&[LinkType::RAW]), &mut out)
                .unwrap();
            assert_eq!(out[..4], magic.to_le_bytes());
            assert_eq!(out[16..20], 262_144_u32.to_le_bytes());
            assert_eq!(out[20..24], [101, 0, 0, 0]);
            assert_eq!(out[24..28], 1_700_000_000_u32.to_le_bytes());
            assert_eq!(out[28..32], fraction.to_le_bytes());
            assert_eq!(out[32..], [3, 0, 0, 0, 60, 0, 0, 0, 7, 8, 9]);
        }
    }

    #[test]
    fn what_is_laid_out_in_place_is_what_is_copied() {
        let (mut memory, mut frames) = (Vec::new(), Vec::new());
        for number in 0..50_usize {
            memory.resize(memory.len() + 16 + number % 3 * 30, 0xee);
            frames.push(FrameInfo {
                timestamp_ns: 1_700_000_000_123_456_789 + number as u64,
                offset: memory.len() as u32,
                caplen: (number * 7) as u32,
                len: 400,
                ..FrameInfo::default()
            });
            memory.extend((0..number * 7).map(|at| (at + number) as u8));
        }
        let encoder = Encoder::new(Precision::Nano, 300);
        let mut copied = Vec::new();
        let batch = Batch::new(memory.clone(), frames.clone(), Arc::default());
        for frame in batch.iter() {
            encoder.frame(&frame, &mut copied);
        }
        let len = encoder.in_place(&frames, &mut memory).unwrap();
        assert_eq!(memory[..len], copied);
        // No head fits before the second, or it is somewhere else.
        let before = memory.clone();
        frames[1].offset = frames[0].offset + 15;
        assert_eq!(encoder.in_place(&frames, &mut memory), None);
        frames[1].offset = u32::MAX;
        assert_eq!(encoder.in_place(&frames, &mut memory), None);
        assert_eq!(memory, before);
    }

    #[test]
    fn frames_of_a_second_link_type_are_refused_but_not_an_unused_interface() {
        let mut two = batch(&[LinkType::ETHERNET, LinkType::RAW]);
        let mut encoder = Encoder::new(Precision::Micro, 0);
        let mut out = Vec::new();
        let error = encoder.batch(&two, &mut out).unwrap_err();
        assert!(error.to_string().contains("if101 have 101"), "{error}");
        assert!(out.is_empty());
        two.truncate(1);
        encoder.batch(&two, &mut out).unwrap();
        assert_eq!(out.len(), 24 + 16 + 3);
        assert_eq!(encoder.link_type(), Some(LinkType::ETHERNET));
    }
}
