//! The headers of a packet, as far as a trail needs them.
//!
//! Owns reading tuple, fingerprint and inner packet from the bytes at the network header. Bytes
//! may end anywhere.

use super::fingerprint::{Core, Fingerprint, hash};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of payload that the fingerprint looks at.
const PAYLOAD_BYTES: usize = 32;
/// The UDP port of VXLAN (RFC 7348).
const VXLAN_PORT: u16 = 4789;
/// Packets in packets that are looked into.
const DEPTH: u8 = 2;

const ICMP: u8 = 1;
const IPIP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN: u8 = 41;
const GRE: u8 = 47;
const ICMP6: u8 = 58;

/// Both ends and the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// The sender; port 0 where the protocol has none.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// The IP protocol number.
    pub protocol: u8,
}

impl Tuple {
    fn has_ports(&self) -> bool {
        matches!(self.protocol, TCP | UDP) && self.source.port() != 0
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_ports() {
            write!(f, "{} > {}", self.source, self.destination)
        } else {
            write!(f, "{} > {}", self.source.ip(), self.destination.ip())
        }
    }
}

/// What TCP says, for segments and retransmits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The sequence number of the first byte.
    pub sequence: u32,
    /// Sequence numbers that it takes: bytes of data, and one each for SYN and FIN.
    pub length: u32,
    /// The number of the next byte that is expected from the other side.
    pub acknowledgement: u32,
    /// The flags (RFC 9293 section 3.1), low eight.
    pub flags: u8,
    /// Value and echo of the timestamps option, 0 without.
    pub timestamps: u64,
}

/// The headers of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who to whom.
    pub tuple: Tuple,
    /// What does not change on the way.
    pub fingerprint: Fingerprint,
    /// TTL or hop limit.
    pub ttl: u8,
    /// For TCP.
    pub segment: Option<Segment>,
    /// Type and code, for ICMP of either version.
    pub icmp: Option<(u8, u8)>,
    /// The packet inside, for VXLAN, IP in IP and plain GRE.
    pub inner: Option<Box<Packet>>,
}

impl Packet {
    /// Reads the bytes from the network header on. `whole` is what the buffer holds from there,
    /// also of what was not copied; 0 if it is not known.
    ///
    /// `None` if it is neither IPv4 nor IPv6, or too short for its headers.
    pub fn read(bytes: &[u8], whole: u32) -> Option<Self> {
        read(bytes, whole, DEPTH)
    }

    /// Whether it is a piece of a datagram.
    pub fn is_fragment(&self) -> bool {
        self.fingerprint.core.fragment.is_some()
    }

    /// Whether this is a piece that was cut from `larger`, by segmentation or fragmentation.
    pub fn is_piece_of(&self, larger: &Self) -> Option<Piece> {
        let (small, large) = (&self.fingerprint.core, &larger.fingerprint.core);
        let ends = |packet: &Self| {
            let Tuple {
                source,
                destination,
                ..
            } = packet.tuple;
            (source.ip(), destination.ip())
        };
        if small.protocol != large.protocol || ends(self) != ends(larger) {
            return None;
        }
        if self.is_fragment() && !larger.is_fragment() {
            // IPv6 numbers fragments in a header of their own, which the whole has not.
            let same = small.version == 6 || small.id == large.id;
            return (same && small.length <= large.length).then_some(Piece::Fragment);
        }
        if self.tuple != larger.tuple || small.length >= large.length {
            return None;
        }
        let (part, whole) = (self.segment?, larger.segment?);
        // A retransmit of a part has acknowledgement and timestamps of its own time.
        if (part.acknowledgement, part.timestamps) != (whole.acknowledgement, whole.timestamps) {
            return None;
        }
        let offset = part.sequence.wrapping_sub(whole.sequence);
        (part.length > 0 && offset.checked_add(part.length)? <= whole.length)
            .then_some(Piece::Segment)
    }

    /// Whether it is `part` with more joined to it: receive offload, reassembly.
    pub fn grew_from(&self, part: &Self) -> bool {
        if part.is_fragment() {
            return part.is_piece_of(self) == Some(Piece::Fragment);
        }
        let longer = self.fingerprint.core.length > part.fingerprint.core.length;
        match (self.segment, part.segment) {
            // What only acknowledges is no part of what comes after it.
            (Some(a), Some(b)) => {
                self.tuple == part.tuple && a.sequence == b.sequence && b.length > 0 && longer
            }
            _ => false,
        }
    }

    /// Whether the data of `part` lies within this segment's.
    pub fn holds(&self, part: &Self) -> bool {
        let (Some(whole), Some(part_of)) = (self.segment, part.segment) else {
            return false;
        };
        let offset = part_of.sequence.wrapping_sub(whole.sequence);
        let end = offset.checked_add(part_of.length);
        self.tuple == part.tuple && part_of.length > 0 && end.is_some_and(|e| e <= whole.length)
    }

    /// Whether it carries what `earlier` carried, in a buffer of its own.
    pub fn repeats(&self, earlier: &Self) -> bool {
        match (self.segment, earlier.segment) {
            (Some(a), Some(b)) => {
                let has_data = a.length > 0 && b.length > 0;
                self.tuple == earlier.tuple && has_data && a.sequence == b.sequence
            }
            _ => false,
        }
    }
}

/// How a packet was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// TCP segmentation.
    Segment,
    /// IP fragmentation.
    Fragment,
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// What the IP header says, and what follows it.
struct Network<'a> {
    source: IpAddr,
    destination: IpAddr,
    version: u8,
    protocol: u8,
    id: u32,
    ttl: u8,
    fragment: Option<(u16, bool)>,
    /// Bytes behind all IP headers, as the header says.
    length: u32,
    payload: &'a [u8],
}

fn read(bytes: &[u8], whole: u32, depth: u8) -> Option<Packet> {
    let network = match byte(bytes, 0)? >> 4 {
        4 => ipv4(bytes, whole)?,
        6 => ipv6(bytes, whole)?,
        _ => return None,
    };
    let is_first = network.fragment.is_none_or(|(offset, _)| offset == 0);
    let transport = match is_first {
        true => transport(&network)?,
        false => Transport::default(),
    };
    let inner = inner(&network, transport.ports.1, depth);
    let (from, to) = transport.ports;
    Some(Packet {
        tuple: Tuple {
            source: SocketAddr::new(network.source, from),
            destination: SocketAddr::new(network.destination, to),
            protocol: network.protocol,
        },
        fingerprint: Fingerprint {
            core: Core {
                version: network.version,
                protocol: network.protocol,
                id: network.id,
                fragment: network.fragment,
                length: network.length,
                sequence: transport.sequence,
                extra: transport.extra,
            },
            payload: payload_hash(&network, transport.header),
        },
        ttl: network.ttl,
        segment: transport.segment,
        icmp: transport.icmp,
        inner: inner.map(Box::new),
    })
}

/// What the transport header says.
#[derive(Default)]
struct Transport {
    ports: (u16, u16),
    /// Its size in bytes.
    header: usize,
    sequence: u64,
    extra: u64,
    segment: Option<Segment>,
    icmp: Option<(u8, u8)>,
}

fn transport(network: &Network<'_>) -> Option<Transport> {
    let payload = network.payload;
    match network.protocol {
        TCP => tcp(network),
        UDP => Some(Transport {
            ports: (half(payload, 0)?, half(payload, 2)?),
            header: 8,
            ..Transport::default()
        }),
        ICMP | ICMP6 => {
            let kind = (byte(payload, 0)?, byte(payload, 1)?);
            let number = matches!(kind.0, 0 | 8 | 128 | 129).then(|| half(payload, 6));
            let number = u64::from(number.flatten().unwrap_or(0));
            Some(Transport {
                header: 8,
                sequence: 1 << 32 | u64::from(kind.0) << 16 | number,
                icmp: Some(kind),
                ..Transport::default()
            })
        }
        _ => Some(Transport::default()),
    }
}

fn tcp(network: &Network<'_>) -> Option<Transport> {
    let payload = network.payload;
    let words = byte(payload, 12)? >> 4;
    let header = usize::from(words) * 4;
    let (sequence, acknowledgement) = (word(payload, 4)?, word(payload, 8)?);
    let flags = byte(payload, 13)?;
    // SYN and FIN take a number each.
    let numbers = u32::from(flags & 1) + u32::from(flags >> 1 & 1);
    let data = network.length.saturating_sub(u32::from(words) * 4);
    let timestamps = timestamps(payload, header);
    Some(Transport {
        ports: (half(payload, 0)?, half(payload, 2)?),
        header,
        sequence: u64::from(sequence) << 32 | u64::from(acknowledgement),
        extra: timestamps.rotate_left(8) ^ u64::from(flags),
        segment: Some(Segment {
            sequence,
            length: data.saturating_add(numbers),
            acknowledgement,
            flags,
            timestamps,
        }),
        icmp: None,
    })
}

/// The hash of the payload's first bytes, if all of those are there.
fn payload_hash(network: &Network<'_>, header: usize) -> Option<u32> {
    // NAT rewrites the packet inside of an ICMP error.
    let is_error = match network.protocol {
        ICMP => !matches!(byte(network.payload, 0), Some(0 | 8)),
        ICMP6 => byte(network.payload, 0).is_some_and(|kind| kind < 128),
        _ => false,
    };
    if is_error {
        return Some(0);
    }
    let length = usize::try_from(network.length).ok()?.saturating_sub(header);
    let end = header.checked_add(length.min(PAYLOAD_BYTES))?;
    Some(hash(network.payload.get(header..end)?))
}

fn ipv4(bytes: &[u8], whole: u32) -> Option<Network<'_>> {
    let header = usize::from(byte(bytes, 0)? & 15) * 4;
    let address = |at: usize| word(bytes, at).map(|word| IpAddr::V4(Ipv4Addr::from_bits(word)));
    // A large packet of TCP segmentation beyond 64 KiB says 0.
    let total = match half(bytes, 2)? {
        0 => whole,
        total => u32::from(total),
    };
    let flags = half(bytes, 6)?;
    let (offset, more) = ((flags & 0x1fff) << 3, flags & 0x2000 != 0);
    Some(Network {
        source: address(12)?,
        destination: address(16)?,
        version: 4,
        protocol: byte(bytes, 9)?,
        id: u32::from(half(bytes, 4)?),
        ttl: byte(bytes, 8)?,
        fragment: (offset != 0 || more).then_some((offset, more)),
        length: total.saturating_sub(u32::try_from(header).ok()?),
        payload: bytes.get(header..).unwrap_or(&[]),
    })
}

fn ipv6(bytes: &[u8], whole: u32) -> Option<Network<'_>> {
    let address = |at: usize| {
        let bytes: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(bytes)))
    };
    let (source, destination) = (address(8)?, address(24)?);
    let mut length = match half(bytes, 4)? {
        0 => whole.saturating_sub(40),
        length => u32::from(length),
    };
    let (mut protocol, mut payload) = (byte(bytes, 6)?, bytes.get(40..).unwrap_or(&[]));
    let (mut id, mut fragment) = (word(bytes, 0)? & 0xf_ffff, None);
    // Hop-by-hop, routing and destination options, and the fragment header (RFC 8200 section 4).
    for _ in 0..8 {
        let size = match protocol {
            0 | 43 | 60 => (usize::from(byte(payload, 1)?) + 1) * 8,
            44 => {
                let place = half(payload, 2)?;
                fragment = Some((place & 0xfff8, place & 1 != 0));
                id = word(payload, 4)?;
                8
            }
            _ => break,
        };
        protocol = byte(payload, 0)?;
        payload = payload.get(size..).unwrap_or(&[]);
        length = length.saturating_sub(u32::try_from(size).ok()?);
    }
    Some(Network {
        source,
        destination,
        version: 6,
        protocol,
        id,
        ttl: byte(bytes, 7)?,
        fragment,
        length,
        payload,
    })
}

/// Both timestamps of the TCP timestamps option (RFC 7323), 0 without.
fn timestamps(tcp: &[u8], header: usize) -> u64 {
    let mut at = 20;
    while at < header {
        match (byte(tcp, at), byte(tcp, at + 1)) {
            (Some(0) | None, _) => break,
            (Some(1), _) => at += 1,
            (Some(8), _) => {
                let (value, echo) = (word(tcp, at + 2), word(tcp, at + 6));
                return u64::from(value.unwrap_or(0)) << 32 | u64::from(echo.unwrap_or(0));
            }
            (Some(_), Some(size @ 2..)) => at += usize::from(size),
            _ => break,
        }
    }
    0
}

fn inner(network: &Network<'_>, port: u16, depth: u8) -> Option<Packet> {
    let depth = depth.checked_sub(1)?;
    if network.fragment.is_some() {
        return None;
    }
    let payload = network.payload;
    match network.protocol {
        IPIP | IPV6_IN => read(payload, network.length, depth),
        // UDP and VXLAN headers, then Ethernet.
        UDP if port == VXLAN_PORT => {
            let bytes = payload.get(8 + 8 + 14..)?;
            read(bytes, network.length.saturating_sub(30), depth)
        }
        GRE => match (half(payload, 0)?, half(payload, 2)?) {
            (0, 0x0800 | 0x86dd) => {
                read(payload.get(4..)?, network.length.saturating_sub(4), depth)
            }
            _ => None,
        },
        _ => None,
    }
}
