//! Headers put together by hand, with room for every mistake.

use pktrail_core::LinkType;
use pktrail_tests::tcpdump::Recorded;

/// Frames of one link type.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) link_type: LinkType,
    pub(crate) frames: Vec<Recorded>,
}

pub(crate) fn group(name: &'static str, link_type: LinkType, frames: Vec<Vec<u8>>) -> Group {
    Group {
        name,
        link_type,
        frames: frames.into_iter().map(Recorded::whole).collect(),
    }
}

/// Parts joined.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The Internet checksum.
pub(crate) fn sum(parts: &[&[u8]]) -> u16 {
    let bytes = join(parts);
    let mut total: u32 = bytes
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)))
        .sum();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

pub(crate) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// An Ethernet frame.
pub(crate) fn ether(kind: u16, payload: &[u8]) -> Vec<u8> {
    let addresses = [0x02, 0, 0x5e, 0x10, 0, 1, 0x00, 0x00, 0x0c, 1, 2, 3];
    join(&[&addresses, &kind.to_be_bytes(), payload])
}

/// A broadcast Ethernet frame, padded to the shortest length.
pub(crate) fn ether_padded(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = ether(kind, payload);
    frame[..6].fill(0xff);
    frame.resize(frame.len().max(60), 0);
    frame
}

pub(crate) const A4: [u8; 4] = [10, 0, 0, 1];
pub(crate) const B4: [u8; 4] = [192, 168, 20, 254];
pub(crate) const A6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1];
pub(crate) const B6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2];

/// An IPv4 packet; `options` a multiple of four bytes.
pub(crate) fn ipv4_with(next: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let total = (header_len + payload.len()) as u16;
    let mut header = vec![0x40 | (header_len / 4) as u8, 0];
    header.extend(total.to_be_bytes());
    header.extend([0x12, 0x34]);
    header.extend(fragment.to_be_bytes());
    header.extend([64, next, 0, 0]);
    header.extend(A4);
    header.extend(B4);
    header.extend(options);
    let right = sum(&[&header]);
    put16(&mut header, 10, right);
    join(&[&header, payload])
}

pub(crate) fn ipv4(next: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(next, 0x4000, &[], payload)
}

/// An IPv6 packet.
pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    join(&[&[0x60, 0, 0, 0], &len, &[next, 64], &A6, &B6, payload])
}

fn pseudo(version: u8, next: u8, len: usize) -> Vec<u8> {
    match version {
        4 => join(&[&A4, &B4, &[0, next], &(len as u16).to_be_bytes()]),
        _ => join(&[&A6, &B6, &(len as u32).to_be_bytes(), &[0, 0, 0, next]]),
    }
}

/// A UDP datagram with its checksum for an IP version.
pub(crate) fn udp(version: u8, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(ports.0.to_be_bytes());
    datagram.extend(ports.1.to_be_bytes());
    datagram.extend((8 + payload.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let right = sum(&[&pseudo(version, 17, datagram.len()), &datagram]);
    put16(&mut datagram, 6, right);
    datagram
}

/// What differs between TCP segments.
#[derive(Clone, Copy)]
pub(crate) struct Tcp<'a> {
    pub(crate) ports: (u16, u16),
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) options: &'a [u8],
    pub(crate) payload: &'a [u8],
}

pub(crate) const SEGMENT: Tcp<'static> = Tcp {
    ports: (40_000, 9_000),
    seq: 0xffff_fff0,
    ack: 0x1000,
    flags: 0x10,
    options: &[],
    payload: &[],
};

/// A TCP segment with its checksum for an IP version; options are padded.
pub(crate) fn tcp(version: u8, tcp: Tcp<'_>) -> Vec<u8> {
    let mut options = tcp.options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let mut segment = Vec::new();
    segment.extend(tcp.ports.0.to_be_bytes());
    segment.extend(tcp.ports.1.to_be_bytes());
    segment.extend(tcp.seq.to_be_bytes());
    segment.extend(tcp.ack.to_be_bytes());
    segment.extend([((20 + options.len()) * 4) as u8, tcp.flags]);
    segment.extend([0x72, 0x10, 0, 0, 0, 7]);
    segment.extend(&options);
    segment.extend(tcp.payload);
    let right = sum(&[&pseudo(version, 6, segment.len()), &segment]);
    put16(&mut segment, 16, right);
    segment
}

/// An ICMP message with its checksum; `body` follows the checksum.
pub(crate) fn icmp(kind: u8, code: u8, body: &[u8]) -> Vec<u8> {
    let mut message = join(&[&[kind, code, 0, 0], body]);
    let right = sum(&[&message]);
    put16(&mut message, 2, right);
    message
}
