//! Frames of the link layers, and ARP.

use super::super::build::*;
use super::{ARP, IP4, IP6};
use etherparse::PacketBuilder;

pub(crate) fn arp() -> Vec<Vec<u8>> {
    let packet = |hardware: u16, protocol: u16, operation: u16, lens: (u8, u8)| {
        let (hln, pln) = (usize::from(lens.0), usize::from(lens.1));
        let bytes: Vec<u8> = (1..=255).collect();
        join(&[
            &hardware.to_be_bytes(),
            &protocol.to_be_bytes(),
            &[lens.0, lens.1],
            &operation.to_be_bytes(),
            &bytes[..hln],
            &bytes[40..40 + pln],
            &bytes[80..80 + hln],
            &bytes[120..120 + pln],
        ])
    };
    let mut frames = Vec::new();
    for operation in [1, 2, 3, 4, 8, 9, 10, 0, 77] {
        frames.push(ether(ARP, &packet(1, IP4, operation, (6, 4))));
        frames.push(ether(0x8035, &packet(1, IP4, operation, (6, 4))));
    }
    let mut request = packet(1, IP4, 1, (6, 4));
    request[18..24].fill(0);
    frames.push(ether_padded(ARP, &request));
    for hardware in [0, 6, 7, 23, 24, 32, 99] {
        frames.push(ether(ARP, &packet(hardware, IP4, 2, (6, 4))));
    }
    for operation in [1, 2, 3, 4, 8, 9, 10] {
        for lens in [(0, 4), (8, 4), (6, 0), (6, 16), (0, 0), (20, 4), (6, 6)] {
            frames.push(ether(ARP, &packet(32, IP4, operation, lens)));
        }
        frames.push(ether(ARP, &packet(1, 0x1000, operation, (6, 4))));
        frames.push(ether(ARP, &packet(1, IP6, operation, (6, 16))));
        frames.push(ether(ARP, &packet(1, 0x1234, operation, (6, 4))));
        for lens in [(2, 4), (3, 4), (4, 4), (1, 4), (0, 4)] {
            frames.push(ether(ARP, &packet(15, IP4, operation, lens)));
        }
    }
    for operation in [1, 2, 8, 9, 10, 3] {
        for lens in [
            [0x14, 0, 4, 0x14, 0, 4],
            [8, 3, 4, 0, 2, 4],
            [0, 0, 0, 0, 0, 6],
        ] {
            frames.push(ether(ARP, &atm_arp(operation, lens)));
        }
    }
    frames
}

/// ATM ARP (RFC 2225): lengths of source number, subaddress and protocol
/// address, and of those of the target.
fn atm_arp(operation: u16, lens: [u8; 6]) -> Vec<u8> {
    let [
        source,
        source_sub,
        source_protocol,
        target,
        target_sub,
        target_protocol,
    ] = lens;
    let total: u8 = lens.iter().sum();
    let addresses: Vec<u8> = (1..=total).collect();
    join(&[
        &[0, 19, 8, 0, source, source_sub],
        &operation.to_be_bytes(),
        &[source_protocol, target, target_sub, target_protocol],
        &addresses,
    ])
}

/// Frames by another maker of headers.
pub(crate) fn built() -> Vec<Vec<u8>> {
    let write = |len: usize, write: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = Vec::with_capacity(len);
        write(&mut frame);
        frame
    };
    let ends = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let payload = b"some words\r\nand\rmore\n";
    let tcp = |frame: &mut Vec<u8>| {
        PacketBuilder::ethernet2(ends.0, ends.1)
            .ipv4(A4, B4, 63)
            .tcp(33_000, 4_000, 77, 1_024)
            .psh()
            .ack(99)
            .write(frame, payload)
            .unwrap();
    };
    let udp = |frame: &mut Vec<u8>| {
        PacketBuilder::ethernet2(ends.0, ends.1)
            .ipv6(A6, B6, 63)
            .udp(33_000, 4_000)
            .write(frame, payload)
            .unwrap();
    };
    let tagged = |frame: &mut Vec<u8>| {
        PacketBuilder::ethernet2(ends.0, ends.1)
            .single_vlan(100.try_into().unwrap())
            .ipv4(A4, B4, 63)
            .icmpv4_echo_request(7, 8)
            .write(frame, payload)
            .unwrap();
    };
    vec![write(128, &tcp), write(128, &udp), write(128, &tagged)]
}

pub(crate) fn vlan() -> Vec<Vec<u8>> {
    let inner = ipv4(17, &udp(4, (1_000, 2_000), b"tagged"));
    let mut frames = Vec::new();
    for tag in [0x8100u16, 0x88a8, 0x9100, 0x9200] {
        for tci in [0u16, 100, 0x1064, 0xe001, 0xffff] {
            frames.push(ether(
                tag,
                &join(&[&tci.to_be_bytes(), &IP4.to_be_bytes(), &inner]),
            ));
        }
        frames.push(ether(
            tag,
            &join(&[&[0, 5], &[0x81, 0, 0x20, 6], &[0x86, 0xdd], &ipv6(59, &[])]),
        ));
        frames.push(ether(tag, &[0, 5, 0x12, 0x34, 1, 2, 3]));
        frames.push(ether(tag, &[0, 5, 0, 7, 0x4e, 0x4f, 3, 1, 2, 3, 4, 5]));
        frames.push(ether(tag, &[0, 5]));
    }
    frames
}

pub(crate) fn llc() -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = vec![vec![], vec![6], vec![6, 6], vec![2, 2, 0]];
    let rest = [9, 8, 7, 6, 5, 4, 3, 2, 1];
    for saps in [
        [0, 0],
        [2, 3],
        [6, 4],
        [4, 6],
        [0x0e, 0x4f],
        [0x7e, 0x8f],
        [0x12, 0x34],
    ] {
        for control in [
            &[0x03][..],
            &[0x13],
            &[0xe3],
            &[0xaf],
            &[0x63],
            &[0x43],
            &[0x0f],
            &[0x6f],
            &[0x87],
            &[0xff],
            &[0x01, 0x02],
            &[0x05, 0x01],
            &[0x09, 0xff],
            &[0x0d, 0],
            &[0x00, 0x00],
            &[0x7e, 0x03],
        ] {
            payloads.push(join(&[&saps, control, &rest]));
        }
        for exchange in [
            &[][..],
            &[0x81],
            &[0x81, 1],
            &[0x81, 1, 2],
            &[0x81, 1, 2, 3],
            &[9, 9],
        ] {
            payloads.push(join(&[&saps, &[0xaf], exchange]));
            payloads.push(join(&[&saps, &[0xbf], exchange]));
        }
    }
    payloads.extend(snap());
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for payload in &payloads {
        frames.push(ether(payload.len() as u16, payload));
        frames.push(ether_padded(payload.len() as u16, payload));
        frames.push(ether(payload.len() as u16 + 40, payload));
        frames.push(ether(0x8870, payload));
    }
    frames
}

/// What goes by the access points of SNAP and of IP.
fn snap() -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let packet = ipv4(17, &udp(4, (1_000, 2_000), b"llc"));
    payloads.push(join(&[&[6, 6, 3], &packet]));
    for oui in [
        [0, 0, 0],
        [0, 0, 0xf8],
        [8, 0, 7],
        [0, 0, 0x0c],
        [0, 0x80, 0xc2],
        [1, 2, 3],
    ] {
        for kind in [[8, 0], [0x12, 0x34], [0x86, 0xdd], [0, 2], [0, 0x0b]] {
            payloads.push(join(&[&[0xaa, 0xaa, 3], &oui, &kind, &packet]));
        }
    }
    payloads.push(vec![0xaa, 0xaa, 3, 0, 0, 0, 8]);
    payloads.push(vec![0xaa, 0xaa, 3]);
    let bridged = ether(IP4, &packet);
    let bridge = [0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0];
    payloads.push(join(&[&bridge, &[7, 0, 0], &bridged]));
    payloads.push(join(&[&bridge, &[1, 0, 0], &bridged]));
    payloads.push(join(&[&bridge, &[1, 0]]));
    payloads
}

pub(crate) fn ethertypes() -> Vec<Vec<u8>> {
    let mut kinds = vec![
        1_501, 0x05dd, 0x0600, 0x1234, 0x6558, 0x6004, 0x6007, 0x893a,
    ];
    kinds.extend([
        0x8038, 0x805b, 0x88b5, 0xffff, 0x0200, 0x6001, 0x6002, 0x3c14,
    ]);
    let payload: Vec<u8> = (0..45).collect();
    let mut frames = Vec::new();
    for kind in kinds {
        for len in [0, 1, 2, 15, 16, 17, 45] {
            frames.push(ether(kind, &payload[..len]));
        }
    }
    frames.push(ether_padded(0xfffe, b"padded"));
    frames
}

pub(crate) fn cooked(version: u8) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let datagram = ipv4(17, &udp(4, (1_000, 2_000), b"cooked"));
    let vlan = join(&[&[0x10, 7, 8, 0], &datagram]);
    let vlan_llc = join(&[&[0x10, 7, 0, 9, 6, 4, 3], &[1; 8]]);
    let payloads: [(u16, &[u8]); 9] = [
        (IP4, &datagram),
        (IP6, &ipv6(59, &[])),
        (0x8100, &vlan),
        (0x8100, &vlan_llc),
        (0x8100, &[0, 7]),
        (0x1234, b"unknown"),
        (4, &[0x42, 0x44, 3, 1, 2]),
        (9, b"what"),
        (0x88a8, b"tag"),
    ];
    for (kind, payload) in payloads {
        for packet_type in 0..6u8 {
            for address_len in [0, 6, 8] {
                let kind = kind.to_be_bytes();
                let address = [2, 0, 0, 0, 0, 9, 0, 0];
                let header = match version {
                    1 => join(&[&[0, packet_type, 0, 1, 0, address_len], &address, &kind]),
                    _ => join(&[
                        &kind,
                        &[
                            0,
                            0,
                            0,
                            0,
                            0xff,
                            packet_type,
                            0,
                            1,
                            packet_type,
                            address_len,
                        ],
                        &address,
                    ]),
                };
                frames.push(join(&[&header, payload]));
            }
        }
    }
    frames
}

pub(crate) fn loopback(network_order: bool) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let datagram = ipv4(17, &udp(4, (1_000, 2_000), b"looped"));
    for family in [0, 2, 6, 10, 24, 28, 30, 200] {
        let header = match network_order {
            true => u32::to_be_bytes(family),
            false => u32::to_le_bytes(family),
        };
        let payload = match family {
            24 | 28 | 30 => ipv6(17, &udp(6, (1_000, 2_000), b"looped")),
            _ => datagram.clone(),
        };
        frames.push(join(&[&header, &payload]));
        frames.push(header.to_vec());
    }
    frames
}

pub(crate) fn raw() -> Vec<Vec<u8>> {
    vec![
        ipv4(17, &udp(4, (1_000, 2_000), b"raw")),
        ipv6(17, &udp(6, (1_000, 2_000), b"raw")),
        vec![0x51, 2, 3],
        vec![0x40],
        vec![0x60],
    ]
}

/// Ethernet addresses of vendors that have names, and of some that do not.
pub(crate) fn vendors(host: [u8; 4]) -> Vec<Vec<u8>> {
    let vendors = [
        [0, 0, 0],
        [0, 0, 0x0c],
        [0, 0, 0x5e],
        [0, 0, 0x81],
        [0, 0, 0xf8],
        [0, 0x80, 0xc2],
        [0, 0xa0, 0x3e],
        [0, 0xe0, 0x2f],
        [8, 0, 7],
        [0, 0x90, 0x69],
        [8, 0, 9],
        [0, 0x12, 0x0f],
        [0, 0x12, 0xbb],
        [0, 0x1b, 0x21],
        [0, 0x23, 0x20],
        [0x5c, 0x16, 0xc7],
        [0xb0, 0xd2, 0xf5],
        [0, 0x24, 0x81],
        [0, 4, 0xea],
        [0x74, 0x87, 0x71],
        [0xa4, 0x23, 5],
        [0, 4, 0x9f],
        [0, 0x15, 0xad],
        [0, 0x10, 0x18],
        [0, 0xe0, 4],
        [0xd0, 0xf0, 0xdb],
        [2, 0, 0],
        [0xff, 0xff, 0xff],
    ];
    let mut frames = Vec::new();
    for [a, b, c] in vendors {
        let sender = [a, b, c, 0xff, 0xff, 0xff];
        let body = join(&[&[0, 1, 8, 0, 6, 4, 0, 2], &sender, &host, &[0xff; 6], &host]);
        let mut frame = ether_padded(ARP, &body);
        frame[6..12].copy_from_slice(&sender);
        frames.push(frame.clone());
        put16(&mut frame, 12, 0x1234);
        frames.push(frame);
        frames.push(ether(
            20,
            &join(&[&[0xaa, 0xaa, 3, a, b, c, 0, 9], &[7; 12]]),
        ));
    }
    frames
}
