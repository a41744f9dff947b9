//! Synthetic event streams: what the kernel would report, and the trails that must come out.
//!
//! Owns the frames and the stage; the stories are in the other files.

mod edges;
mod joins;
mod ordering;
mod packets;
mod rules;
mod verdicts;
mod words;

use super::event::{Checksum, Event, Happening, Name, Process};
use super::join::{Joiner, Settings};
use super::order::Ordered;
use super::packet::Packet;
use super::path::{Change, Relation, Trail};
use super::point::PointId;
use super::verdict::Verdict;

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 1, 2];
const NAT: [u8; 4] = [192, 0, 2, 5];

/// An IPv4 datagram to be.
#[derive(Clone)]
struct Datagram {
    source: [u8; 4],
    destination: [u8; 4],
    id: u16,
    ttl: u8,
    protocol: u8,
    /// Offset in bytes, more follow.
    fragment: (u16, bool),
    payload: Vec<u8>,
}

impl Datagram {
    fn new(protocol: u8, payload: Vec<u8>) -> Self {
        Self {
            source: A,
            destination: B,
            id: 7,
            ttl: 64,
            protocol,
            fragment: (0, false),
            payload,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let total = u16::try_from(20 + self.payload.len()).expect("a short datagram");
        let (offset, more) = self.fragment;
        let fragment = offset >> 3 | u16::from(more) << 13;
        let mut bytes = vec![0x45, 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(fragment.to_be_bytes());
        bytes.extend([self.ttl, self.protocol, 0, 0]);
        bytes.extend(self.source);
        bytes.extend(self.destination);
        bytes.extend(&self.payload);
        bytes
    }

    fn packet(&self) -> Packet {
        Packet::read(&self.bytes(), 0).expect("headers")
    }

    fn from(mut self, source: [u8; 4]) -> Self {
        self.source = source;
        self
    }

    fn to(mut self, destination: [u8; 4]) -> Self {
        self.destination = destination;
        self
    }

    fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }
}

fn udp(from: u16, to: u16, data: &[u8]) -> Datagram {
    let length = u16::try_from(8 + data.len()).expect("short");
    let mut payload = Vec::new();
    for number in [from, to, length, 0] {
        payload.extend(number.to_be_bytes());
    }
    payload.extend(data);
    Datagram::new(17, payload)
}

/// Acknowledgement 1000, no options.
fn tcp(sequence: u32, flags: u8, data: &[u8]) -> Datagram {
    let mut payload = Vec::new();
    payload.extend(41000_u16.to_be_bytes());
    payload.extend(80_u16.to_be_bytes());
    payload.extend(sequence.to_be_bytes());
    payload.extend(1000_u32.to_be_bytes());
    payload.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    payload.extend(data);
    Datagram::new(6, payload)
}

/// The same with timestamps.
fn stamped(sequence: u32, flags: u8, data: &[u8], value: u32) -> Datagram {
    let mut datagram = tcp(sequence, flags, &[]);
    datagram.payload[12] = 0x80;
    datagram.payload.extend([1, 1, 8, 10]);
    datagram.payload.extend(value.to_be_bytes());
    datagram.payload.extend(5_u32.to_be_bytes());
    datagram.payload.extend(data);
    datagram
}

fn echo(kind: u8, id: u16, sequence: u16) -> Datagram {
    let mut payload = vec![kind, 0, 0, 0];
    payload.extend(id.to_be_bytes());
    payload.extend(sequence.to_be_bytes());
    payload.extend([0x61; 48]);
    Datagram::new(1, payload)
}

/// Events one microsecond apart go in, trails come out.
struct Stage {
    joiner: Joiner,
    now_ns: u64,
}

impl Stage {
    fn new() -> Self {
        Self {
            joiner: Joiner::new(Settings::default()),
            now_ns: 1_000_000,
        }
    }

    /// The buffer `skb` with these headers is at `point` of interface and namespace `place`.
    fn at(&mut self, point: &str, skb: u64, place: (u32, u32), datagram: &Datagram) {
        self.with(point, skb, place, Some(datagram), |_| {});
    }

    fn with(
        &mut self,
        point: &str,
        skb: u64,
        place: (u32, u32),
        datagram: Option<&Datagram>,
        change: impl FnOnce(&mut Event),
    ) {
        self.now_ns += 1000;
        let point = PointId::by_name(point).unwrap_or_else(|| panic!("no point {point}"));
        let mut event = Event::new(self.now_ns, point, skb);
        (event.interface, event.netns) = place;
        event.packet = datagram.map(Datagram::packet);
        change(&mut event);
        self.joiner.push(Ordered { event, late: false });
    }

    fn free(&mut self, skb: u64) {
        self.with("consume_skb", skb, (0, 0), None, |_| {});
    }

    fn dropped(&mut self, skb: u64, reason: &str, function: &str) {
        self.with("kfree_skb", skb, (0, 0), None, |event| {
            event.happening = Happening::Dropped {
                reason: reason.to_owned(),
                function: function.to_owned(),
            };
        });
    }

    fn read(&mut self, skb: u64, datagram: &Datagram) {
        self.with(
            "skb_copy_datagram_iovec",
            skb,
            (0, 0),
            Some(datagram),
            |event| {
                event.process = Some(Process {
                    pid: 812,
                    thread: 812,
                    cgroup: 0,
                    name: Name::new(b"server"),
                });
            },
        );
    }

    /// Every trail, by number.
    fn trails(mut self) -> Vec<Trail> {
        self.joiner.finish();
        let mut trails: Vec<Trail> = std::iter::from_fn(|| self.joiner.pop()).collect();
        trails.sort_by_key(|trail| trail.id);
        trails
    }
}

fn points(trail: &Trail) -> Vec<&'static str> {
    let hops = trail.hops.iter();
    hops.map(|hop| hop.event.point.name()).collect()
}

fn changes(trail: &Trail) -> Vec<&Change> {
    trail.hops.iter().flat_map(|hop| &hop.changes).collect()
}

fn rejoins(trail: &Trail) -> Vec<bool> {
    let changes = changes(trail).into_iter();
    changes
        .filter_map(|change| match change {
            Change::Rejoined { certain } => Some(*certain),
            _ => None,
        })
        .collect()
}
