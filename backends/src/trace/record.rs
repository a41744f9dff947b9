//! What the programs write into the rings, read with every length checked.
//!
//! Owns the layout of `struct record` in `record.h`.

use super::slot;
use pktrail_core::trail::hook::Hook;
use pktrail_core::trail::{
    Checksum, Event, Forwarding, Happening, Name, Packet, Process, Returned, Sender,
};
use std::net::{IpAddr, SocketAddr};

/// Bytes before the headers of the packet.
const HEAD: usize = 152;
const DATA_BYTES: usize = 108;

/// The numbers of `enum kind`.
const DROPPED: u8 = 1;
const RETURNED: u8 = 2;
const MADE_FROM: u8 = 3;
const MERGED: u8 = 4;
const JUDGED: u8 = 5;
const BALANCED: u8 = 6;
const QUEUED: u8 = 7;
/// Of the families that number their hooks alike: `NFPROTO_IPV4`, `NFPROTO_BRIDGE`, `NFPROTO_IPV6`.
const FAMILIES: [u8; 3] = [2, 7, 10];

/// One record, apart from what an [`Event`] holds already.
pub(super) struct Record<'a> {
    pub(super) event: Event,
    /// For a packet that is dropped: the address of the code that freed it, and the kernel's
    /// number of the reason.
    pub(super) dropped: Option<(u64, u32)>,
    pub(super) interface_name: &'a str,
    /// What was copied of the packet, from the link header on if there is one.
    pub(super) data: &'a [u8],
    /// Bytes of `data` before the network header.
    pub(super) link_bytes: usize,
    pub(super) device_type: u16,
}

/// Leaves out what lies behind the data: rooms in a ring have fixed sizes. `None` if it is not a
/// record of ours.
pub(super) fn trim(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..size(bytes)?)
}

fn size(bytes: &[u8]) -> Option<usize> {
    HEAD.checked_add(usize::from(half(bytes, DATA_BYTES)?))
}

/// The record at `at` of `batch`, and where the next one begins.
pub(super) fn next(batch: &[u8], at: usize) -> Option<(Record<'_>, usize)> {
    let rest = batch.get(at..)?;
    let (record, _) = rest.split_at_checked(size(rest)?)?;
    Some((Record::read(record)?, at + record.len()))
}

impl<'a> Record<'a> {
    /// `None` if it is not a record of ours.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let slot = half(bytes, 88)?;
        let point = slot::point(slot, *bytes.get(111)?)?;
        let data = bytes.get(HEAD..)?;
        let link_bytes = usize::from(half(bytes, 106)?);
        let network = data.get(link_bytes..).unwrap_or(&[]);
        let (value, kind) = (long(bytes, 32)?, *bytes.get(113)?);
        let mut event = Event::new(long(bytes, 0)?, point, long(bytes, 16)?);
        event.sequence = long(bytes, 8)?;
        event.cpu = u32::from(half(bytes, 90)?);
        event.head = long(bytes, 24)?;
        event.socket = long(bytes, 48)?;
        event.netns = word(bytes, 56)?;
        event.interface = word(bytes, 60)?;
        event.mark = word(bytes, 72)?;
        event.length = word(bytes, 76)?;
        event.paged = word(bytes, 80)?;
        event.segment_size = half(bytes, 92)?;
        event.segments = half(bytes, 94)?;
        event.queue = half(bytes, 96)?;
        event.protocol = u16::from_be(half(bytes, 98)?);
        let tag = (u16::from_be(half(bytes, 100)?), half(bytes, 102)?);
        event.vlan = (tag.0 != 0).then_some(tag);
        event.checksum = Checksum::from_kernel(*bytes.get(110)?);
        event.packet = Packet::read(network, event.length);
        event.process = process(bytes)?;
        event.sender = Sender::from_kernel(*bytes.get(117)?, *bytes.get(116)?, half(bytes, 114)?);
        event.happening = match kind {
            RETURNED => Happening::Returned(match word(bytes, 84)? {
                0 => Returned::Number(value.cast_signed()),
                _ => Returned::Address(value),
            }),
            JUDGED => judged(bytes)?,
            BALANCED => balanced(bytes)?,
            QUEUED => Happening::Queued {
                discipline: Name::new(bytes.get(32..48)?),
            },
            MADE_FROM => Happening::MadeFrom { parent: value },
            MERGED => Happening::MergedInto { target: value },
            _ => Happening::Seen,
        };
        Some(Self {
            event,
            dropped: (kind == DROPPED).then_some((value, word(bytes, 84)?)),
            interface_name: text(bytes.get(120..136)?),
            data,
            link_bytes,
            device_type: half(bytes, 104)?,
        })
    }
}

/// Whose judgement it is: the names lie where other records have numbers and a process.
fn judged(bytes: &[u8]) -> Option<Happening> {
    let number = usize::from(*bytes.get(111)?);
    let known = FAMILIES.contains(bytes.get(112)?);
    Some(Happening::Judged {
        hook: Hook::ALL.get(number).copied().filter(|_| known),
        table: Name::new(bytes.get(32..48)?),
        chain: Name::new(bytes.get(136..152)?),
    })
}

/// Service and server: addresses and ports lie where other records have numbers and a process.
fn balanced(bytes: &[u8]) -> Option<Happening> {
    let is_v6 = *bytes.get(112)? == 10;
    let socket = |address: usize, port: usize| {
        let ip = match is_v6 {
            true => IpAddr::from(array::<16>(bytes, address)?),
            false => IpAddr::from(array::<4>(bytes, address)?),
        };
        Some(SocketAddr::new(ip, u16::from_be(half(bytes, port)?)))
    };
    Some(Happening::Balanced {
        server: socket(32, 84)?,
        service: socket(136, 86)?,
        forwarding: Forwarding::from_kernel(*bytes.get(111)?),
    })
}

/// The task, if the programs found that it runs for itself.
fn process(bytes: &[u8]) -> Option<Option<Process>> {
    let pid = word(bytes, 68)?;
    let process = Process {
        pid,
        thread: word(bytes, 64)?,
        cgroup: long(bytes, 40)?,
        name: Name::new(bytes.get(136..152)?),
    };
    Some((pid != 0).then_some(process))
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

#[cfg(test)]
mod tests {
    use super::*;
    use pktrail_core::trail::PointId;

    #[test]
    fn judges_and_servers_lie_where_others_have_numbers_and_names() {
        let record = |kind: u8, (hook, family): (u8, u8), parts: [(usize, &[u8]); 3]| {
            let mut bytes = vec![0; HEAD];
            let slot = slot::of_function(PointId::by_name("nft_do_chain").expect("a row"));
            bytes[88..90].copy_from_slice(&slot.to_ne_bytes());
            (bytes[111], bytes[112], bytes[113]) = (hook, family, kind);
            for (at, part) in parts {
                bytes[at..at + part.len()].copy_from_slice(part);
            }
            Record::read(&bytes).expect("a record").event.happening
        };
        let judged = record(5, (2, 2), [(32, b"filter"), (136, b"FORWARD"), (0, b"")]);
        let name = |text: &str| Name::new(text.as_bytes());
        assert_eq!(
            judged,
            Happening::Judged {
                hook: Some(Hook::Forward),
                table: name("filter"),
                chain: name("FORWARD"),
            }
        );
        let ports = [0x13, 0x89, 0x13, 0x88];
        let balanced = record(
            6,
            (3, 2),
            [(32, &[10, 0, 0, 2]), (136, &[10, 0, 0, 1]), (84, &ports)],
        );
        assert_eq!(
            balanced,
            Happening::Balanced {
                service: "10.0.0.1:5000".parse().expect("an end"),
                server: "10.0.0.2:5001".parse().expect("an end"),
                forwarding: Forwarding::Direct,
            }
        );
    }

    #[test]
    fn a_batch_falls_into_its_records_and_stops_at_rubbish() {
        let mut batch = Vec::new();
        for bytes in [0_u16, 5, 64] {
            let mut record = vec![0; HEAD + usize::from(bytes) + 8];
            record.splice(DATA_BYTES..DATA_BYTES + 2, bytes.to_ne_bytes());
            batch.extend_from_slice(trim(&record).expect("it is whole"));
        }
        let sizes = |batch: &[u8]| {
            let mut at = 0;
            let sizes = std::iter::from_fn(|| {
                let (record, next) = next(batch, at)?;
                at = next;
                Some(record.data.len())
            });
            sizes.collect::<Vec<_>>()
        };
        assert_eq!(sizes(&batch), [0, 5, 64]);
        batch.pop();
        assert_eq!(sizes(&batch), [0, 5]);
        assert!(trim(&[0; 20]).is_none());
    }
}
