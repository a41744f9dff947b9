//! IPv4, ICMP, and what both versions of IP carry.

use super::super::build::*;
use super::ELSEWHERE;

pub(crate) fn ip4() -> Vec<Vec<u8>> {
    let datagram = udp(4, (1_000, 2_000), b"payload");
    let good = ipv4(17, &datagram);
    let edit = |edits: &[(usize, u8)]| {
        let mut packet = good.clone();
        for &(at, value) in edits {
            packet[at] = value;
        }
        packet
    };
    let mut packets = vec![good.clone()];
    for tos in [1, 2, 3, 0x10, 0xb8, 0xff] {
        packets.push(edit(&[(1, tos)]));
    }
    for ttl in [0, 1, 255] {
        packets.push(edit(&[(8, ttl)]));
    }
    for first in [0x05, 0x15, 0x35, 0x55, 0x65, 0xf5, 0x40, 0x44, 0x46, 0x4f] {
        packets.push(edit(&[(0, first)]));
    }
    for total in [0, 1, 19, 20, 21, 27, 28, 34, 36, 100] {
        packets.push(edit(&[(3, total)]));
    }
    for fragment in [
        0u16, 0x2000, 0x8000, 0xe000, 1, 0x2001, 0x1fff, 0xffff, 0x6000,
    ] {
        for next in [17, 6, 1, 40, 200, 61] {
            packets.push(ipv4_with(next, fragment, &[], &datagram));
        }
    }
    // What follows the packet is not a part of it.
    packets.push(join(&[&good, &[0; 9]]));
    packets
}

pub(crate) fn ip4_options() -> Vec<Vec<u8>> {
    let datagram = udp(4, (1_000, 2_000), b"payload");
    let addresses: Vec<u8> = (1..=32).collect();
    let mut options: Vec<Vec<u8>> = vec![
        vec![0],
        vec![1, 1, 1, 0],
        vec![1, 0, 1, 1],
        vec![148, 4, 0, 0],
        vec![148, 4, 0, 7],
        vec![148, 3, 0, 1],
        vec![148, 2, 1, 1],
        vec![130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![82, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![136, 4, 1, 2],
        vec![25, 4, 1, 2],
        vec![7],
        vec![7, 0],
        vec![7, 1],
        vec![7, 200, 4],
        vec![1, 1, 1, 7],
    ];
    for kind in [7, 131, 137] {
        for len in [2, 3, 5, 6, 7, 11, 15, 12] {
            for pointer in [0, 3, 4, 5, 8, 12, 16, 40] {
                options.push(join(&[
                    &[kind, len, pointer],
                    &addresses[..usize::from(len).max(3) - 3],
                ]));
            }
        }
    }
    for flags in [0, 1, 3, 2, 0x10, 0xf1, 0x33] {
        for len in [2, 3, 4, 8, 12, 10, 20, 16] {
            for pointer in [0, 4, 5, 9, 13, 21, 40] {
                options.push(join(&[
                    &[68, len, pointer, flags],
                    &addresses[..usize::from(len).max(4) - 4],
                ]));
            }
        }
    }
    let mut packets = Vec::new();
    for mut option in options {
        option.resize(option.len().next_multiple_of(4), 0);
        packets.push(ipv4_with(17, 0, &option, &datagram));
    }
    // The checksum of a source route's packet is that of its last hop.
    let route = [131, 7, 4, 1, 2, 3, 4, 0];
    packets.push(ipv4_with(6, 0, &route, &tcp(4, SEGMENT)));
    packets
}

pub(crate) fn ip_protocols() -> Vec<Vec<u8>> {
    let payload: Vec<u8> = (1..=60).collect();
    let mut packets = Vec::new();
    for next in (0..=255).filter(|next| !ELSEWHERE.contains(next)) {
        if ![2, 58].contains(&next) {
            packets.push(ipv4(next, &payload));
            packets.push(ipv4(next, &[]));
        }
    }
    let datagram = udp(4, (1_000, 2_000), b"payload");
    let header = |next: u8, len: u8, reserved: u8| {
        let mut bytes = vec![next, len, 0, reserved];
        bytes.extend(1..=(usize::from(len) * 4 + 4) as u8);
        bytes
    };
    for (len, reserved) in [(4, 0), (4, 3), (1, 0), (0, 0)] {
        for next in [17, 6, 51, 50, 59, 99, 4] {
            packets.push(ipv4(51, &join(&[&header(next, len, reserved), &datagram])));
        }
    }
    packets.push(ipv4(51, &header(17, 4, 0)));
    packets.push(ipv4(4, &ipv4(17, &datagram)));
    packets.push(ipv4(4, &ipv4(4, &ipv4(6, &tcp(4, SEGMENT)))));
    packets.push(ipv4(41, &ipv6(17, &udp(6, (1_000, 2_000), b"6 in 4"))));
    packets.push(ipv4(41, &ipv4(17, &datagram)));
    packets.push(ipv4(4, &ipv6(17, &datagram)));
    packets.push(ipv4(77, b"nd"));
    packets
}

pub(crate) fn udp_over(version: u8) -> Vec<Vec<u8>> {
    let packet = |next, payload: &[u8]| match version {
        4 => ipv4(next, payload),
        _ => ipv6(next, payload),
    };
    let good = udp(version, (1_000, 2_000), b"odd");
    let mut datagrams = vec![good.clone(), udp(version, (1_000, 2_000), &[])];
    for (at, value) in [
        (6, 0),
        (7, 9),
        (5, 0),
        (5, 7),
        (5, 8),
        (5, 10),
        (5, 12),
        (4, 1),
    ] {
        let mut datagram = good.clone();
        datagram[at] = value;
        datagrams.push(datagram);
    }
    let mut none = good.clone();
    none[6..8].fill(0);
    datagrams.push(none);
    for ports in [
        (7, 9),
        (80, 443),
        (65_535, 1),
        (0, 0),
        (111, 3_000),
        (9_999, 1_434),
    ] {
        datagrams.push(udp(version, ports, b"ports"));
    }
    let mut packets: Vec<_> = datagrams.iter().map(|it| packet(17, it)).collect();
    for len in 0..8 {
        packets.push(packet(17, &good[..len]));
    }
    packets
}

pub(crate) fn icmp_messages() -> Vec<Vec<u8>> {
    let body: Vec<u8> = (1..=40).collect();
    let mut packets = Vec::new();
    for kind in (0..=20).chain([30, 41, 255]) {
        if ![3, 4, 5, 11, 12].contains(&kind) {
            packets.push(ipv4(1, &icmp(kind, 0, &body)));
            packets.push(ipv4(1, &icmp(kind, 3, &body[..4])));
        }
    }
    for lifetime in [0u16, 59, 60, 3_599, 3_600, 65_535] {
        for (count, size) in [(1, 2), (2, 2), (9, 2), (1, 3)] {
            let head = join(&[&[count, size], &lifetime.to_be_bytes()]);
            let addresses = [192u8, 168, 100, 200, 255, 255, 255, 0].repeat(count.into());
            packets.push(ipv4(1, &icmp(9, 0, &join(&[&head, &addresses]))));
        }
    }
    let mut wrong = icmp(8, 0, &body);
    wrong[2] ^= 0x55;
    packets.push(ipv4(1, &wrong));
    packets.push(ipv4_with(1, 0x2000, &[], &wrong));
    packets
}

pub(crate) fn icmp_errors() -> Vec<Vec<u8>> {
    let datagram = ipv4(17, &udp(4, (1_000, 2_000), b"payload"));
    let segment = ipv4(6, &tcp(4, SEGMENT));
    let other = ipv4(1, &icmp(8, 0, &[1, 2, 3, 4]));
    let optioned = ipv4_with(17, 0, &[1, 1, 1, 0], &udp(4, (1_000, 2_000), b"payload"));
    let mut packets = Vec::new();
    for (kind, codes) in [(3, 17), (4, 2), (5, 5), (11, 3), (12, 2)] {
        for code in 0..codes {
            for inner in [&datagram, &segment, &other, &optioned] {
                for head in [[0, 0, 0, 0], [10, 9, 8, 7]] {
                    packets.push(ipv4(1, &icmp(kind, code, &join(&[&head, inner]))));
                }
            }
            packets.push(ipv4(
                1,
                &icmp(kind, code, &join(&[&[0; 4], &datagram[..28]])),
            ));
            packets.push(ipv4(1, &icmp(kind, code, &[0; 4])));
        }
    }
    let mut quoted = datagram;
    quoted.resize(128, 0);
    let objects: [&[u8]; 8] = [
        &[0, 8, 1, 1, 0x12, 0x34, 0x51, 9],
        &[0, 12, 1, 1, 0x12, 0x34, 0x50, 9, 1, 2, 3, 4],
        &[0, 8, 1, 2, 1, 2, 3, 4],
        &[0, 12, 2, 0x0a, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0, 40, 9, 9, 1, 2, 3, 4, 5, 6],
        &[0, 2, 9, 9, 1],
        &[0, 8, 0, 9, 1, 2, 3, 4],
        &[0, 8, 7, 9, 1, 2, 3, 4, 0, 8, 7, 9, 1, 2, 3, 4],
    ];
    for object in objects {
        for (version, len, kind) in [(0x20, 32, 3), (0x20, 0, 11), (0x10, 32, 12), (0x10, 0, 3)] {
            let mut extension = join(&[&[version, 0, 0, 0], object]);
            let right = sum(&[&extension]);
            put16(&mut extension, 2, right);
            for wrong in [false, true] {
                extension[2] ^= u8::from(wrong);
                let body = join(&[&[0, len, 0, 0], &quoted, &extension]);
                packets.push(ipv4(1, &icmp(kind, 0, &body)));
            }
        }
    }
    packets
}

/// Ports and protocols, all between one host and itself.
pub(crate) fn services(host: [u8; 4]) -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    // Without the ports of protocols that are decoded.
    for port in [
        1, 7, 9, 13, 37, 70, 110, 111, 143, 443, 631, 993, 1194, 3306, 5432, 6000,
    ] {
        packets.push(ipv4(17, &udp(4, (port, 40_000), b"to a service")));
        packets.push(ipv4(
            6,
            &tcp(
                4,
                Tcp {
                    ports: (40_000, port),
                    ..SEGMENT
                },
            ),
        ));
    }
    for next in (0..=255).filter(|next| !ELSEWHERE.contains(next) && ![2, 58].contains(next)) {
        packets.push(ipv4(next, &[1; 40]));
        packets.push(ipv4_with(next, 5, &[], &[1; 40]));
    }
    let datagram = ipv4(17, &udp(4, (443, 631), b"refused"));
    packets.push(ipv4(1, &icmp(3, 3, &join(&[&[0; 4], &datagram]))));
    for packet in &mut packets {
        packet[12..16].copy_from_slice(&host);
        packet[16..20].copy_from_slice(&host);
        if packet[9] == 1 && packet.len() > 48 {
            packet[40..44].copy_from_slice(&host);
            packet[44..48].copy_from_slice(&host);
        }
    }
    packets.iter().map(|it| ether(0x0800, it)).collect()
}
