//! TCP and its options.

use super::super::build::*;

pub(crate) fn tcp_over(version: u8) -> Vec<Vec<u8>> {
    let packet = |segment: &[u8]| match version {
        4 => ipv4(6, segment),
        _ => ipv6(6, segment),
    };
    let mut segments = conversation();
    for flags in 0..=255 {
        let ports = (1, 50_000 + u16::from(flags));
        segments.push(Tcp { flags, ..SEGMENT });
        segments.push(with_payload(
            Tcp {
                flags,
                ports,
                ..SEGMENT
            },
            b"abc",
        ));
    }
    let mut packets: Vec<_> = segments
        .iter()
        .map(|&it| packet(&tcp(version, it)))
        .collect();
    let good = tcp(version, with_payload(SEGMENT, b"payload"));
    for (at, value) in [
        (12, 0x00),
        (12, 0x40),
        (12, 0x60),
        (12, 0xf0),
        (16, 1),
        (12, 0x70),
    ] {
        let mut segment = good.clone();
        segment[at] = value;
        packets.push(packet(&segment));
    }
    for len in 0..20 {
        packets.push(packet(&good[..len]));
    }
    packets
}

fn with_payload<'a>(tcp: Tcp<'a>, payload: &'a [u8]) -> Tcp<'a> {
    Tcp { payload, ..tcp }
}

/// Both directions of conversations. All are from A to B, and swapped ports
/// stand for the other direction.
fn conversation() -> Vec<Tcp<'static>> {
    const THERE: (u16, u16) = SEGMENT.ports;
    const BACK: (u16, u16) = (SEGMENT.ports.1, SEGMENT.ports.0);
    type Row = ((u16, u16), u32, u32, u8, &'static [u8]);
    let rows: [Row; 13] = [
        (THERE, 1_000, 0, 0x02, b""),
        (BACK, 5_000, 1_001, 0x12, b""),
        (THERE, 1_001, 5_001, 0x10, b""),
        (THERE, 1_001, 5_001, 0x18, b"hello"),
        (BACK, 5_001, 1_006, 0x18, b"hello yourself"),
        (THERE, 900, 4_000, 0x18, b"before"),
        (THERE, 1_006, 5_015, 0x11, b""),
        (BACK, 5_015, 1_007, 0x14, b"go away\x01\xff"),
        (THERE, 9, 8, 0x12, b""),
        (THERE, 12, 18, 0x10, b""),
        ((5, 5), 0xffff_fff0, 0x1000, 0x18, b"same"),
        ((5, 5), 0xffff_fff9, 0x1003, 0x18, b"same"),
        (THERE, 7, 0, 0x04, &[b'x'; 40]),
    ];
    rows.into_iter()
        .map(|(ports, seq, ack, flags, payload)| Tcp {
            ports,
            seq,
            ack,
            flags,
            options: &[],
            payload,
        })
        .collect()
}

pub(crate) fn tcp_options() -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = (1..=40).collect();
    let mut options: Vec<Vec<u8>> = vec![
        vec![
            2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 4, 2, 0, 0,
        ],
        vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
        vec![1, 1, 5, 10, 0, 0, 0x20, 0, 0, 0, 0x30, 0],
        vec![0, 1, 2, 3],
        vec![1, 1, 1, 9],
        vec![1, 1, 1, 2],
        vec![254, 4, 0xf9, 0x89],
        vec![254, 8, 0xf9, 0x89, 1, 2, 3, 4],
        vec![254, 6, 1, 2, 3, 4],
        vec![254, 3, 1, 2],
    ];
    for kind in [
        2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 18, 19, 20, 28, 29, 34, 99, 253, 254,
    ] {
        for len in [0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 18, 19, 26, 40, 60] {
            let value = usize::from(len).clamp(2, 40) - 2;
            options.push(join(&[&[kind, len], &bytes[..value]]));
            if value < 36 {
                options.push(join(&[&[1, kind, len], &bytes[..value]]));
            }
        }
    }
    let mut packets = Vec::new();
    for option in &options {
        for (flags, payload) in [(0x02, &b""[..]), (0x18, b"data")] {
            let segment = tcp(
                4,
                Tcp {
                    options: option,
                    flags,
                    payload,
                    ..SEGMENT
                },
            );
            packets.push(ipv4(6, &segment));
        }
        let other = Tcp {
            ports: (9_000, 40_000),
            options: option,
            ..SEGMENT
        };
        packets.push(ipv4(6, &tcp(4, other)));
    }
    packets
}

pub(crate) fn multipath() -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = (1..=40).collect();
    let mut packets = Vec::new();
    for subtype in 0..=9u8 {
        for len in [2, 3, 4, 8, 10, 12, 16, 18, 20, 22, 24, 26, 28, 30] {
            for (low, third) in [(0, 0), (1, 1), (4, 0x85), (6, 0x1f), (1, 0x17), (0, 0x05)] {
                let mut option = vec![30, len, subtype << 4 | low, third];
                option.extend(&bytes[..usize::from(len).max(4) - 4]);
                option.truncate(len.into());
                for flags in [0x02, 0x12, 0x10] {
                    let segment = Tcp {
                        options: &option,
                        flags,
                        ..SEGMENT
                    };
                    packets.push(ipv4(6, &tcp(4, segment)));
                }
            }
        }
    }
    packets
}
