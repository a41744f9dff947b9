//! IPv6 and its extension headers.

use super::super::build::*;
use super::{ELSEWHERE, IP4};

pub(crate) fn ip6() -> Vec<Vec<u8>> {
    let datagram = udp(6, (1_000, 2_000), b"payload");
    let good = ipv6(17, &datagram);
    let edit = |edits: &[(usize, u8)]| {
        let mut packet = good.clone();
        for &(at, value) in edits {
            packet[at] = value;
        }
        packet
    };
    let mut packets = vec![good.clone()];
    for edits in [
        &[(0, 0x45)][..],
        &[(0, 0x70)],
        &[(0, 0x6b)],
        &[(1, 0xf0)],
        &[(1, 0x0f), (3, 1)],
        &[(5, 0)],
        &[(5, 1)],
        &[(5, 8)],
        &[(5, 100)],
        &[(4, 1)],
        &[(7, 0)],
    ] {
        packets.push(edit(edits));
    }
    packets.push(join(&[&good, &[0; 9]]));
    let payload: Vec<u8> = (1..=60).collect();
    let extensions = [0, 43, 44, 58, 60, 62, 135, 2, 143];
    for next in (0..=255).filter(|next| !ELSEWHERE.contains(next) && !extensions.contains(next)) {
        packets.push(ipv6(next, &payload));
        packets.push(ipv6(next, &[]));
    }
    packets.push(ipv6(2, &payload));
    packets.push(ipv6(143, &ether(IP4, &ipv4(17, &udp(4, (1, 2), b"deep")))));
    packets.push(ipv6(4, &ipv4(17, &udp(4, (1_000, 2_000), b"4 in 6"))));
    packets.push(ipv6(41, &good));
    for (next, offset, more) in [
        (17, 0u16, 1u8),
        (17, 8, 0),
        (17, 0, 0),
        (6, 0xfff8, 1),
        (59, 0, 0),
    ] {
        let [high, low] = offset.to_be_bytes();
        let fragment = [next, 0, high, low | more, 1, 2, 3, 4];
        packets.push(ipv6(44, &join(&[&fragment, &datagram])));
        packets.push(ipv6(44, &fragment));
    }
    packets
}

/// An options header with its own right length, where `options` fit it.
fn options_header(next: u8, options: &[u8]) -> Vec<u8> {
    let mut header = join(&[&[next, 0], options]);
    let len = header.len().next_multiple_of(8);
    header.resize(len, 0);
    header[1] = (len / 8 - 1) as u8;
    header
}

pub(crate) fn ip6_options() -> Vec<Vec<u8>> {
    let datagram = udp(6, (1_000, 2_000), b"payload");
    let home = join(&[&[0xc9, 16], &B6]);
    let lists: Vec<Vec<u8>> = vec![
        vec![],
        vec![1, 4, 0, 0, 0, 0],
        vec![5, 2, 0, 0, 1, 0],
        vec![5, 2, 0, 9],
        vec![5, 3, 0, 9],
        vec![1, 0, 1, 0, 0, 5],
        vec![5],
        vec![0, 0, 0, 0, 5, 2],
        vec![0xc2, 4, 0, 1, 0, 0],
        vec![0xc2, 4, 0, 0, 1, 0],
        vec![0xc2, 4, 0, 1, 0, 0, 0xc2, 4, 0, 2, 0, 0],
        vec![0xc2, 5, 0, 1, 0, 0],
        vec![0, 0, 0xc2, 4, 0, 1],
        home.clone(),
        join(&[&[0xc9, 18], &B6, &[0, 0]]),
        join(&[&[0xc9, 22], &B6, &[1, 0, 9, 2, 1, 2]]),
        join(&[&[0xc9, 20], &B6, &[1, 9, 9, 2]]),
        vec![0xc9, 4, 1, 2, 3, 4],
        vec![0xc9, 15, 1],
        vec![0x1e, 4, 1, 2, 3, 4],
        vec![0x1e, 40],
        vec![1, 40],
    ];
    let mut packets = Vec::new();
    for list in &lists {
        for (kind, next) in [(0, 17), (60, 17), (0, 59), (60, 59)] {
            let packet = ipv6(kind, &join(&[&options_header(next, list), &datagram]));
            let mut jumbo = packet.clone();
            jumbo[4..6].fill(0);
            packets.push(packet);
            packets.push(jumbo);
        }
    }
    let pad = |next| options_header(next, &[1, 4, 0, 0, 0, 0]);
    for chain in [[0, 0], [60, 0], [60, 60], [0, 60]] {
        packets.push(ipv6(
            chain[0],
            &join(&[&pad(chain[1]), &pad(17), &datagram]),
        ));
    }
    packets.push(ipv6(0, &pad(17)));
    packets.push(ipv6(0, &[17, 9, 1, 4]));
    packets.push(ipv6(60, &[17]));
    packets.push(ipv6(0, &[]));
    packets
}

pub(crate) fn routing() -> Vec<Vec<u8>> {
    let hops = join(&[&A6, &B6, &A6]);
    let mut packets = Vec::new();
    for kind in [0, 1, 2, 3, 4, 9] {
        for len in [0, 1, 2, 4, 6, 8] {
            for middle in [[0, 0, 0, 0], [1, 2, 3, 4]] {
                let header = join(&[
                    &[17, len, kind, 1],
                    &middle,
                    &hops[..usize::from(len).min(6) * 8],
                ]);
                for datagram in [udp(6, (1_000, 2_000), b"payload"), tcp(6, SEGMENT)] {
                    packets.push(ipv6(43, &join(&[&header, &datagram])));
                }
                let segment = join(&[&[6], &header[1..], &tcp(6, SEGMENT)]);
                packets.push(ipv6(43, &segment));
            }
        }
    }
    packets
}

pub(crate) fn mobility() -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = (1..=60).collect();
    let options: [&[u8]; 9] = [
        &[],
        &[0, 0, 1, 0],
        &[1, 2, 0, 0],
        &[2, 2, 0, 5, 1, 0],
        &[3, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        &[4, 4, 1, 2, 3, 4],
        &[5, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        &[9, 2, 1, 1],
        &[2, 1, 7, 5, 2, 1, 1, 3, 2, 1, 1],
    ];
    let mut packets = Vec::new();
    for kind in 0..=9 {
        for len in 0..=4u8 {
            let header = join(&[
                &[59, len, kind, 0, 0xab, 0xcd],
                &bytes[..usize::from(len) * 8 + 2],
            ]);
            packets.push(ipv6(135, &header));
            packets.push(ipv6(62, &header));
        }
        for option in options {
            let body = match kind {
                0 => 2,
                1 | 2 => 10,
                5 | 6 => 6,
                _ => 18,
            };
            let mut header = join(&[&[59, 0, kind, 0, 0, 0], &bytes[..body], option]);
            header.resize(header.len().next_multiple_of(8), 0);
            header[1] = (header.len() / 8 - 1) as u8;
            packets.push(ipv6(135, &header));
        }
    }
    packets
}
