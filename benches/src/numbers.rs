//! Checks a capture file of numbered frames: which are there, in which order.
//!
//! Reads by the crate `pcap-file`, not by pktrail's own readers, which are
//! among what is judged.

use crate::past_cache::PastCache;
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use pktrail::inject::NUMBER_AT;
use pktrail::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a file holds of the frames that were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Numbered frames, each counted once.
    pub frames: u64,
    /// Numbers that came more than once.
    pub duplicates: u64,
    /// Frames that came after one with a greater number.
    pub disordered: u64,
    /// Frames with a number that was never sent, or too short to have one.
    pub foreign: u64,
    /// Captured bytes of all frames.
    pub bytes: u64,
}

impl Found {
    /// Whether nothing but loss happened.
    pub fn is_sound(&self) -> bool {
        self.duplicates == 0 && self.disordered == 0 && self.foreign == 0
    }
}

/// Looks for the numbers 0 to `sent` - 1 in a pcap or pcapng file. Memory: a bit
/// for each number.
///
/// # Errors
/// `NotFound` and `Damaged` as for any file; the last also for a file that ends
/// within a frame.
pub fn check(path: &Path, sent: u64) -> Result<Found> {
    let mut tally = Tally::new(sent);
    frames(path, |frame| tally.add(frame))?;
    Ok(tally.found)
}

/// Numbers that go on from file to file, for as long as it takes. Memory: none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// The number that should come next.
    pub next: u64,
    /// Frames in order.
    pub frames: u64,
    /// Numbers left out so far.
    pub missing: u64,
    /// Frames with the number of one before them, or a smaller one.
    pub disordered: u64,
    /// Frames without a number.
    pub foreign: u64,
}

impl Sequence {
    /// Goes through the next file. Returns how many packets it holds.
    ///
    /// # Errors
    /// As [`check`].
    pub fn check(&mut self, path: &Path) -> Result<u64> {
        let mut packets = 0;
        frames(path, |frame| {
            packets += 1;
            self.add(frame);
        })?;
        Ok(packets)
    }

    fn add(&mut self, frame: &[u8]) {
        match number(frame) {
            None => self.foreign += 1,
            Some(number) if number < self.next => self.disordered += 1,
            Some(number) => {
                self.missing += number - self.next;
                self.next = number + 1;
                self.frames += 1;
            }
        }
    }
}

fn number(frame: &[u8]) -> Option<u64> {
    let bytes = frame.get(NUMBER_AT..NUMBER_AT + 8)?;
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// Calls `each` with the data of every packet of a pcap or pcapng file.
fn frames(path: &Path, mut each: impl FnMut(&[u8])) -> Result<()> {
    let name = path.display();
    let io = |error| Error::io(format!("cannot read {name}"), error);
    let mut magic = [0; 4];
    let file = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    file.map_err(io)?;
    let input = PastCache::open(path).map_err(io)?;
    let damaged = |error: pcap_file::PcapError| {
        Error::new(ErrorKind::Damaged, format!("{name} is damaged: {error}"))
    };
    if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
        let mut reader = PcapNgReader::new(input).map_err(damaged)?;
        while let Some(block) = reader.next_block() {
            match block.map_err(damaged)? {
                Block::EnhancedPacket(packet) => each(&packet.data),
                Block::SimplePacket(packet) => each(&packet.data),
                Block::InterfaceDescription(interface) => ethernet(interface.linktype)?,
                _ => {}
            }
        }
    } else {
        let mut reader = PcapReader::new(input).map_err(damaged)?;
        ethernet(reader.header().datalink)?;
        while let Some(packet) = reader.next_packet() {
            each(&packet.map_err(damaged)?.data);
        }
    }
    Ok(())
}

fn ethernet(link: DataLink) -> Result<()> {
    if link == DataLink::ETHERNET {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        format!("numbered frames are Ethernet; this file says {link:?}"),
    ))
}

struct Tally {
    sent: u64,
    seen: Vec<u64>,
    next: u64,
    found: Found,
}

impl Tally {
    fn new(sent: u64) -> Self {
        Self {
            sent,
            seen: vec![0; sent.div_ceil(64) as usize],
            next: 0,
            found: Found::default(),
        }
    }

    fn add(&mut self, frame: &[u8]) {
        self.found.bytes += frame.len() as u64;
        let Some(number) = number(frame).filter(|number| *number < self.sent) else {
            self.found.foreign += 1;
            return;
        };
        let bit = 1 << (number % 64);
        let word = &mut self.seen[(number / 64) as usize];
        if *word & bit != 0 {
            self.found.duplicates += 1;
            return;
        }
        *word |= bit;
        self.found.frames += 1;
        if number < self.next {
            self.found.disordered += 1;
        } else {
            self.next = number + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sent: u64, numbers: &[u64]) -> Found {
        let mut tally = Tally::new(sent);
        for number in numbers {
            let mut frame = vec![0; 64];
            frame[NUMBER_AT..NUMBER_AT + 8].copy_from_slice(&number.to_be_bytes());
            tally.add(&frame);
        }
        tally.found
    }

    #[test]
    fn loss_alone_is_sound() {
        let found = tally(100, &[0, 1, 63, 64, 99]);
        assert_eq!(found.frames, 5);
        assert_eq!(found.bytes, 5 * 64);
        assert!(found.is_sound());
    }

    #[test]
    fn a_sequence_goes_on_from_file_to_file() {
        let mut sequence = Sequence::default();
        let mut add = |number: u64| {
            let mut frame = vec![0; 64];
            frame[NUMBER_AT..NUMBER_AT + 8].copy_from_slice(&number.to_be_bytes());
            sequence.add(&frame);
        };
        for number in [0, 1, 4, 4, 3, 5] {
            add(number);
        }
        sequence.add(&[0; NUMBER_AT]);
        let expected = Sequence {
            next: 6,
            frames: 4,
            missing: 2,
            disordered: 2,
            foreign: 1,
        };
        assert_eq!(sequence, expected);
    }

    #[test]
    fn disorder_duplicates_and_strangers_are_told_apart() {
        let found = tally(100, &[0, 2, 1, 2, 100, 3]);
        let counts = (
            found.frames,
            found.disordered,
            found.duplicates,
            found.foreign,
        );
        assert_eq!(counts, (4, 1, 1, 1));
        let mut short = Tally::new(1);
        short.add(&[0; NUMBER_AT + 7]);
        assert_eq!(short.found.foreign, 1);
    }
}
