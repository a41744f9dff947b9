//! What the programs write into the ring, read with every length checked.
//!
//! Owns the layout of `struct record` in `trace.bpf.c`.

use super::slot;
use pktrail_core::trail::{Checksum, Event, Packet, PointId, Process};

/// Bytes before the headers of the packet.
const HEAD: usize = 112;

/// One record, apart from what an [`Event`] holds already.
pub(super) struct Record<'a> {
    pub(super) event: Event,
    /// The address of the code that freed the packet.
    pub(super) location: u64,
    /// The kernel's number of the drop reason.
    pub(super) reason: u32,
    pub(super) interface_name: &'a str,
    /// The packet from the network header on.
    pub(super) data: &'a [u8],
}

impl<'a> Record<'a> {
    /// `None` if it is not a record of ours.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let slot = half(bytes, 64)?;
        let point = slot::point(slot, *bytes.get(73)?)?;
        let end = HEAD.checked_add(usize::from(half(bytes, 76)?))?;
        let data = bytes.get(HEAD..end)?;
        let mut event = Event::new(long(bytes, 0)?, point, long(bytes, 16)?);
        event.sequence = long(bytes, 8)?;
        event.cpu = u32::from(half(bytes, 66)?);
        event.head = long(bytes, 24)?;
        event.netns = word(bytes, 40)?;
        event.interface = word(bytes, 44)?;
        event.mark = word(bytes, 52)?;
        event.length = word(bytes, 56)?;
        event.segment_size = half(bytes, 68)?;
        event.queue = half(bytes, 70)?;
        event.checksum = Checksum::from_kernel(*bytes.get(72)?);
        event.packet = Packet::read(data, event.length);
        let name = text(bytes.get(96..112)?);
        event.process = process(point, word(bytes, 48)?, name);
        Some(Self {
            event,
            location: long(bytes, 32)?,
            reason: word(bytes, 60)?,
            interface_name: text(bytes.get(80..96)?),
            data,
        })
    }
}

/// Nobody at a netfilter hook, and not who was interrupted (process 0).
fn process(point: PointId, pid: u32, name: &str) -> Option<Process> {
    (pid != 0 && !point.name().starts_with("nf:")).then(|| Process {
        pid,
        name: name.to_owned(),
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_ne_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_ne_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_ne_bytes)
}

/// A name that ends at a zero byte.
fn text(bytes: &[u8]) -> &str {
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or(&[]);
    std::str::from_utf8(name).unwrap_or("?")
}
