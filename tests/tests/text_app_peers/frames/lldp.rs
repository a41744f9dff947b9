//! LLDP frames: every element that is shown, and elements too short.

use super::{Made, STATIONS, made};

fn element(kind: u8, value: &[u8]) -> Vec<u8> {
    let header = u16::from(kind) << 9 | value.len() as u16;
    [&header.to_be_bytes()[..], value].concat()
}

fn identifiers() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for kind in [1, 2] {
        for subtype in 0..9 {
            all.push(element(kind, &[subtype, 2, 0, 0, 0, 0, 1]));
            all.push(element(
                kind,
                &[subtype, b'e', b't', b'h', b'0', 0, b'x', b'y'],
            ));
            all.push(element(kind, &[subtype, 1]));
        }
        all.push(element(kind, &[5 - (kind - 1), 1, 10, 0, 0, 1]));
        all.push(element(kind, &[5 - (kind - 1), 6, 2, 0, 0, 0, 0, 1]));
        all.push(element(kind, &[5 - (kind - 1), 11, 2]));
        all.push(element(kind, &[5]));
    }
    all
}

fn others() -> Vec<Vec<u8>> {
    let mut all = vec![
        element(3, &[0, 120]),
        element(3, &[0]),
        element(4, b"Port 7\x01"),
        element(5, b"switch-1"),
        element(6, b"Linux 6.1\nmore"),
        element(7, &[0, 0x14, 0, 4]),
        element(7, &[0, 0xff, 0]),
        element(8, &[5, 1, 10, 0, 0, 1, 2, 0, 0, 0, 7, 0]),
        element(8, &[5, 1, 10, 0, 0, 1, 3, 0, 0, 0, 7, 3, b'o', b'i', b'd']),
        element(8, &[5, 1, 10, 0, 0, 1, 9, 0, 0, 0, 7, 9, b'o']),
        element(8, &[7, 6, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1]),
        element(8, &[3, 1, 10, 0]),
        element(8, &[9, 1]),
        element(9, &[1, 2]),
        element(127, &[0, 0x80]),
        element(127, &[0, 0x10, 0x18, 1, 2, 3]),
        element(127, b"\x00\x00\x5e\x01https://a/b.json"),
        element(127, b"\x00\x00\x5e\x02https"),
        element(127, b"\x00\x00\x5e\x01abc"),
    ];
    let bodies: [&[u8]; 8] = [
        &[],
        &[0],
        &[0, 7],
        &[2, 0, 7],
        &[0, 9, 4, b'l', b'a', b'n', b'9'],
        &[3, b'a', b'b', b'c', 0],
        &[3, 0x6c, 0x11, 0, 16],
        &[0x0f, 2, 5, 0xff, 0xff, 1],
    ];
    for kind in [0, 1, 2, 3, 4, 7, 99] {
        for body in bodies {
            for oui in [[0, 0x80, 0xc2], [0, 0x12, 0x0f]] {
                all.push(element(127, &[&oui[..], &[kind], body].concat()));
            }
        }
    }
    all
}

fn frame(payload: &[u8]) -> Made {
    let mut bytes = vec![1, 0x80, 0xc2, 0, 0, 0x0e];
    bytes.extend(STATIONS.0);
    bytes.extend([0x88, 0xcc]);
    bytes.extend(payload);
    made(bytes, payload.len())
}

pub(crate) fn all() -> Vec<Made> {
    let end = element(0, &[]);
    let usual = [
        element(1, &[4, 2, 0, 0, 0, 0, 1]),
        element(2, &[5, b'e', b't', b'h', b'0']),
        element(3, &[0, 120]),
        element(5, b"switch-1"),
        element(7, &[0, 0x14, 0, 4]),
        element(8, &[5, 1, 10, 0, 0, 1, 2, 0, 0, 0, 7, 0]),
        element(127, &[0, 0x80, 0xc2, 1, 0, 7]),
        element(127, &[0, 0x12, 0x0f, 1, 3, 0x6c, 0x11, 0, 30]),
        end.clone(),
    ]
    .concat();
    let mut frames = vec![frame(&usual), frame(&usual[..usual.len() - 9])];
    for one in [identifiers(), others()].concat() {
        frames.push(frame(&[one, element(4, b"x"), end.clone()].concat()));
    }
    frames
}
