//! ICMPv6 messages: errors with what they embed, neighbour discovery with every
//! option, multicast listeners, node information, renumbering, RPL.

use super::{DESTINATION6, Made, SOURCE6, checksum, ip6, packet6};

const TARGET: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x42];

/// A message with its right checksum.
fn summed(mut message: Vec<u8>) -> Made {
    if message.len() >= 4 {
        message[2..4].fill(0);
        let len = (message.len() as u32).to_be_bytes();
        let parts: [&[u8]; 5] = [&SOURCE6, &DESTINATION6, &len, &[0, 0, 0, 58], &message];
        let sum = checksum(&parts);
        message[2..4].copy_from_slice(&sum);
    }
    ip6(58, &message)
}

fn message(kind: u8, code: u8, rest: &[&[u8]]) -> Vec<u8> {
    [&[kind, code, 0, 0], rest.concat().as_slice()].concat()
}

fn errors() -> Vec<Vec<u8>> {
    let udp = packet6(17, &[0x30, 0x39, 0, 53, 0, 8, 0, 0]);
    let tcp = packet6(6, &[0x30, 0x39, 0, 80, 0, 0, 0, 0]);
    let options = packet6(
        0,
        &[43, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2],
    );
    let fragment = packet6(44, &[6, 0, 0, 1, 0, 0, 0, 0, 1, 1, 2, 2]);
    let later = packet6(44, &[6, 0, 1, 0, 0, 0, 0, 0, 1, 1, 2, 2]);
    let authentic = packet6(51, &[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2]);
    let other = packet6(58, &[128, 0, 0, 0]);
    let embedded = [udp, tcp, options, fragment, later, authentic, other];
    let mut messages = Vec::new();
    for kind in 1..5 {
        for code in 0..6 {
            for packet in &embedded {
                if code == 4 || packet == &embedded[0] {
                    messages.push(message(kind, code, &[&[0, 0, 5, 0], packet]));
                }
            }
        }
    }
    messages
}

fn plain() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for kind in [
        128, 129, 138, 141, 142, 144, 145, 146, 147, 148, 200, 201, 250, 0, 100,
    ] {
        messages.push(message(kind, 0, &[&[0x12, 0x34, 0xc0, 1], &TARGET]));
        messages.push(message(kind, 0, &[&[0x12, 0x34, 0x40, 1]]));
        messages.push(message(kind, 1, &[]));
    }
    messages.push(vec![128]);
    messages.push(vec![155, 1]);
    messages
}

/// A neighbour discovery option of `units` times 8 bytes.
fn option(kind: u8, units: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, units];
    bytes.extend(value);
    bytes.resize(usize::from(units) * 8, 0);
    bytes
}

fn options() -> Vec<Vec<u8>> {
    let prefix = |flags: u8, valid: [u8; 4]| {
        [
            &[64, flags][..],
            &valid,
            &[0, 0, 14, 16, 0, 0, 0, 0],
            &TARGET,
        ]
        .concat()
    };
    let names = b"\0\0\0\0\0\x3c\x07example\x03com\0\x01a\0\0\0\0\0\0";
    let route = [&[48, 0x08, 0, 0, 0, 60][..], &TARGET].concat();
    let mut options = vec![
        option(1, 1, &[2, 0, 0, 0, 0, 1]),
        option(2, 2, &[2, 0, 0, 0, 0, 2, 1, 2, 3]),
        option(3, 4, &prefix(0xc0, [0xff; 4])),
        option(3, 4, &prefix(0x20, [0, 0, 1, 0])),
        option(3, 5, &prefix(0, [0; 4])),
        option(4, 4, &[0, 0, 0, 0, 0, 0, 0x60, 1, 2, 3]),
        option(5, 1, &[0, 0, 0, 0, 5, 220]),
        option(5, 2, &[0, 0, 0, 0, 5, 220]),
        option(7, 1, &[0, 0, 0, 0, 3, 232]),
        option(8, 1, &[0, 0, 0, 1, 7, 8]),
        option(25, 3, &[&[0, 0, 0, 0, 0, 60][..], &TARGET].concat()),
        option(
            25,
            5,
            &[&[0, 0, 0xff, 0xff, 0xff, 0xff][..], &TARGET, &TARGET].concat(),
        ),
        option(31, 4, names),
        option(31, 2, &[0, 0, 0, 0, 0, 1, 0xc0, 0]),
        option(14, 1, &[1, 2, 3, 4, 5, 6]),
    ];
    for (units, flags) in [(1, 0), (2, 8), (3, 0x10), (3, 0x18), (4, 0)] {
        let mut value = route.clone();
        value[1] = flags;
        options.push(option(
            24,
            units,
            &value[..value.len().min(usize::from(units) * 8 - 2)],
        ));
    }
    options
}

fn discovery() -> Vec<Vec<u8>> {
    let bodies: [(u8, Vec<u8>); 6] = [
        (133, vec![0; 4]),
        (134, vec![64, 0xc8, 7, 8, 0, 0, 0x75, 0x30, 0, 0, 3, 232]),
        (135, [&[0; 4][..], &TARGET].concat()),
        (136, [&[0xe0, 0, 0, 0][..], &TARGET].concat()),
        (137, [&[0; 4][..], &TARGET, &SOURCE6].concat()),
        (147, vec![0x12, 0x34, 0xc0, 0]),
    ];
    let mut messages = Vec::new();
    for (kind, body) in &bodies {
        messages.push(message(*kind, 0, &[body]));
        messages.push(message(
            *kind,
            0,
            &[body, &option(1, 1, &[2, 0, 0, 0, 0, 1])],
        ));
        messages.push(message(*kind, 0, &[body, &options().concat()]));
        messages.push(message(*kind, 0, &[body, &[1, 0, 0, 0]]));
        messages.push(message(*kind, 0, &[body, &[1, 2, 0, 0, 0, 0, 0, 0]]));
        messages.push(message(*kind, 0, &[body, &[1]]));
    }
    for one in options() {
        messages.push(message(134, 0, &[&bodies[1].1, &one]));
        let first = option(1, 1, &[9; 6]);
        messages.push(message(134, 0, &[&bodies[1].1, &first, &one, &first]));
    }
    for flags in [0, 0x20, 0x02, 0x58] {
        messages.push(message(134, 0, &[&[64, flags, 0, 0], &[0; 8]]));
    }
    messages.push(message(136, 0, &[&[0x40, 0, 0, 0], &TARGET]));
    messages.push(message(136, 0, &[&[0; 4], &TARGET]));
    messages
}

fn listeners() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for kind in [130, 131, 132] {
        messages.push(message(kind, 0, &[&[3, 232, 0, 0], &TARGET]));
        messages.push(message(kind, 0, &[&[3, 232, 0, 0], &TARGET, &[1, 2]]));
    }
    for (delay, rest) in [
        ([3, 232], [0, 0, 0, 0]),
        ([0x80, 1], [0x0a, 125, 0, 2]),
        ([0xff, 0xff], [0x07, 0x8f, 0, 2]),
        ([0, 0], [0x08, 0xff, 0, 3]),
    ] {
        messages.push(message(
            130,
            0,
            &[&delay, &[0, 0], &TARGET, &rest, &SOURCE6, &SOURCE6],
        ));
    }
    let mut records = vec![0, 0, 0, 8];
    for kind in 0..8 {
        records.extend([kind, 0, 0, kind % 3]);
        records.extend(TARGET);
        for _ in 0..kind % 3 {
            records.extend(SOURCE6);
        }
    }
    messages.push(message(143, 0, &[&records]));
    records[3] = 9;
    messages.push(message(143, 0, &[&records]));
    records[7] = 99;
    messages.push(message(143, 0, &[&records]));
    messages.push(message(143, 0, &[&[0, 0]]));
    messages
}

fn node_information() -> Vec<Vec<u8>> {
    let nonce = [1, 2, 3, 4, 5, 6, 7, 8];
    let name = b"\x04host\x07example\0\0";
    let pascal = b"\x04host";
    let subjects: [&[u8]; 7] = [
        &[],
        &TARGET,
        name,
        pascal,
        &[10, 0, 0, 1],
        b"\x09ab",
        b"\x02ab\0\x01",
    ];
    let mut messages = vec![message(139, 0, &[&nonce])];
    for code in 0..4 {
        for kind in 0..6 {
            for subject in subjects {
                let flags = [kind * 23, kind * 7];
                messages.push(message(139, code, &[&[0, kind], &flags, &nonce, subject]));
                let flags = [kind * 31, code + 1];
                let ttl = [0, 0, 0, 60];
                messages.push(message(
                    140,
                    code,
                    &[&[0, kind], &flags, &nonce, &ttl, subject],
                ));
                messages.push(message(140, code, &[&[0, kind], &flags, &nonce, subject]));
            }
        }
    }
    messages
}

fn renumbering() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for code in [0, 1, 2, 255] {
        for (flags, reserved) in [(0, 0), (0xf8, 1)] {
            let head = [0, 0, 0, 9, 3, flags, 0, 100, 0, 0, 0, reserved];
            for (operation, len) in [(1, 7), (2, 11), (3, 3), (9, 4), (1, 0), (1, 15)] {
                let part = [operation, len, 1, 48, 32, 64, 0, 0];
                let uses = |times: [u8; 4], flags: u8| {
                    [
                        &[64, 16, 0xc0, 0x40][..],
                        &times,
                        &times,
                        &[flags, 0, 0, 0],
                        &TARGET,
                    ]
                    .concat()
                };
                let both = [uses([0xff; 4], 0xc0), uses([0, 0, 1, 0], 0)].concat();
                messages.push(message(138, code, &[&head, &part, &TARGET, &both]));
            }
        }
    }
    messages
}

fn rpl() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let options = [
        0, 1, 2, 0, 0, 2, 0, 5, 2, 0, 64, 8, 3, 1, 2, 3, 9, 0, 77, 1, 1, 0,
    ];
    for mode in [0x00, 0x88, 0x93, 0x1f, 0x3c] {
        let dio = [&[1, 2, 1, 0, mode, 7, 0, 0][..], &TARGET].concat();
        messages.push(message(155, 1, &[&dio, &options]));
        messages.push(message(155, 1, &[&dio[..23]]));
    }
    for code in [0, 2, 3, 4, 0x81, 0x84] {
        for flags in [0, 0x40, 0x80, 0xc0] {
            messages.push(message(155, code, &[&[1, flags, 2, 3], &TARGET, &options]));
            messages.push(message(155, code, &[&[1, flags, 2, 3], &options]));
            messages.push(message(155, code, &[&[1, flags, 2, 3]]));
        }
    }
    messages.push(message(155, 2, &[&[1, 0, 2, 3], &TARGET, &[5, 40, 1]]));
    messages.push(message(155, 2, &[&[1, 0, 2, 3], &TARGET, &[5]]));
    messages
}

pub(crate) fn all() -> Vec<Made> {
    let messages = [
        errors(),
        plain(),
        discovery(),
        listeners(),
        node_information(),
        renumbering(),
        rpl(),
    ]
    .concat();
    let mut frames = vec![ip6(58, &messages[0]), ip6(58, &messages[60])];
    frames.extend(messages.into_iter().map(summed));
    frames
}
