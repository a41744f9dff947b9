//! Frames and packets in VXLAN, Geneve and GRE.

use super::{Made, SOURCE6, ip4, packet6, udp};

/// What is inside: an Ethernet frame, an IPv4 packet, an IPv6 packet.
fn inner() -> [(u16, Vec<u8>); 3] {
    let frame = udp(
        1000,
        53,
        b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01",
    )
    .bytes;
    let packet = frame[14..].to_vec();
    [
        (0x6558, frame),
        (0x0800, packet),
        (0x86dd, packet6(59, &SOURCE6)),
    ]
}

fn geneve() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for (kind, payload) in inner() {
        for options in [
            &[][..],
            &[1, 2, 0x80, 1, 0xde, 0xad, 0xbe, 0xef, 0xff, 0xf0, 1, 0],
            &[0, 9, 1, 2, 0, 0, 0, 0],
            &[1, 4, 1, 0, 0x20, 0, 3, 0xe0],
        ] {
            for (flags, reserved) in [(0, 0), (0xc0, 7), (0x3f, 0)] {
                let mut message = vec![options.len() as u8 / 4, flags];
                message.extend(kind.to_be_bytes());
                message.extend([0, 0x12, 0x34, reserved]);
                message.extend(options);
                message.extend(&payload);
                messages.push(message);
            }
        }
    }
    messages.push(vec![0x40, 0, 0, 0, 0, 0, 0, 0]);
    messages.push(vec![0, 0, 0x12, 0x34, 0, 0, 0, 0, 1, 2]);
    messages.push(vec![0x3f, 0, 8, 0, 0, 0, 0, 0, 1, 2]);
    messages.push(vec![0; 7]);
    messages
}

fn gre() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for (kind, payload) in inner() {
        for flags in [0u16, 0x8000, 0x2000, 0x1000, 0xb000, 0x0880] {
            let mut message = flags.to_be_bytes().to_vec();
            message.extend(kind.to_be_bytes());
            let words = (flags >> 15) + (flags >> 13 & 1) + (flags >> 12 & 1);
            for word in 0..words {
                message.extend([0, 0, 1, word as u8]);
            }
            message.extend(&payload);
            messages.push(message);
        }
    }
    let routes: [&[u8]; 6] = [
        &[
            8, 0, 4, 8, 10, 0, 0, 1, 10, 0, 0, 2, 0xff, 0xfe, 0, 2, 0xfd, 0xe8, 0, 0, 0, 0,
        ],
        &[8, 0, 3, 4, 10, 0, 0, 1, 0, 0, 0, 0],
        &[0xff, 0xfe, 0, 3, 1, 2, 3, 0, 0, 0, 0],
        &[0xff, 0xfe, 4, 4, 1, 2, 3, 4, 0, 0, 0, 0],
        &[0x12, 0x34, 0, 1, 9, 0, 0, 0, 0],
        &[8, 0, 0, 200, 10, 0, 0, 1],
    ];
    for route in routes {
        let mut message = vec![0x40, 0, 0x12, 0x34, 0, 1, 0, 2];
        message.extend(route);
        messages.push(message);
    }
    for flags in [0x2001u16, 0x3001, 0x3081, 0x2081] {
        let mut message = flags.to_be_bytes().to_vec();
        message.extend([0x99, 0x99, 0, 4, 0x12, 0x34]);
        message.extend([0, 0, 0, 5, 0, 0, 0, 6, 1, 2, 3, 4]);
        messages.push(message);
    }
    messages.push(vec![0, 3, 8, 0]);
    messages.push(vec![0]);
    messages
}

/// Every frame. What a tunnel carries is left as it is: damaged, it could be of
/// any protocol.
pub(crate) fn all() -> Vec<Made> {
    let mut frames = tunnels();
    for frame in &mut frames {
        for (_, payload) in inner() {
            if frame.bytes.ends_with(&payload) {
                frame.end = frame.bytes.len() - payload.len();
            }
        }
    }
    frames
}

fn tunnels() -> Vec<Made> {
    let mut frames: Vec<Made> = geneve().iter().map(|it| udp(6081, 6081, it)).collect();
    frames.extend(gre().iter().map(|it| ip4(47, it)));
    for flags in [8, 0, 0xff] {
        let mut message = vec![flags, 0, 0, 0, 0, 1, 0x42, 0];
        message.extend(&inner()[0].1);
        frames.push(udp(50_000, 4789, &message));
    }
    frames.push(udp(50_000, 4789, &[8, 0, 0]));
    frames
}
