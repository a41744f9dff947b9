//! Frames of every protocol that the language names, with tags, tunnels,
//! options, fragments and extension headers, whole and cut.

use crate::dice::Dice;

pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) len: u32,
}

pub(crate) const HOSTS: &[[u8; 4]] = &[
    [10, 0, 0, 1],
    [10, 0, 0, 2],
    [10, 1, 2, 3],
    [192, 168, 1, 1],
    [192, 168, 7, 9],
    [224, 0, 0, 251],
    [240, 0, 0, 1],
    [255, 255, 255, 255],
];
pub(crate) const HOSTS6: &[[u16; 8]] = &[
    [0xfe80, 0, 0, 0, 0, 0, 0, 1],
    [0xfe80, 0, 0, 0, 0, 0, 0, 2],
    [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1],
    [0x2001, 0xdb8, 2, 0, 0, 0, 0, 1],
    [0xff02, 0, 0, 0, 0, 0, 0, 0xfb],
];
pub(crate) const MACS: &[[u8; 6]] = &[
    [2, 0, 0, 0, 0, 1],
    [2, 0, 0, 0, 0, 2],
    [0xff; 6],
    [1, 0, 0x5e, 0, 0, 0xfb],
];
pub(crate) const PORTS: &[u16] = &[22, 53, 80, 443, 1024, 1500, 8080, 6081, 4789, 50000];
pub(crate) const VLANS: &[u16] = &[1, 100, 200];

/// Frames for one link type (its DLT number), a fifth of them cut.
pub(crate) fn frames(link: i32, count: usize, dice: &mut Dice) -> Vec<Frame> {
    (0..count)
        .map(|_| {
            let mut bytes = frame(link, dice);
            let len = bytes.len() as u32;
            if dice.once_in(5) {
                bytes.truncate(1 + dice.below(bytes.len()));
            }
            Frame { bytes, len }
        })
        .collect()
}

fn frame(link: i32, dice: &mut Dice) -> Vec<u8> {
    let mut frame = Vec::new();
    match link {
        1 => ethernet(dice, &mut frame, 2),
        113 | 276 => cooked(link, dice, &mut frame),
        12 | 228 | 229 => {
            ip(dice, &mut frame, 2);
        }
        0 | 108 => {
            let mut packet = Vec::new();
            let six = ip(dice, &mut packet, 2);
            let family: u32 = if six { 10 } else { 2 };
            match link {
                0 => frame.extend(family.to_le_bytes()),
                _ => frame.extend(family.to_be_bytes()),
            }
            frame.extend(packet);
        }
        9 => {
            frame.extend([0xff, 3]);
            ppp(dice, &mut frame);
        }
        _ => panic!("link type {link}"),
    }
    frame
}

fn cooked(link: i32, dice: &mut Dice, frame: &mut Vec<u8>) {
    let mut payload = Vec::new();
    let protocol = match dice.below(8) {
        0 => {
            arp(dice, &mut payload);
            dice.of(&[0x0806, 0x8035])
        }
        1 => {
            llc(dice, &mut payload);
            dice.of(&[1, 4, 4, 4])
        }
        2 => dice.of(&[0x8137, 0x809b, 0x80f3, 0x88cc, 0x42, 0x6003]),
        _ => match ip(dice, &mut payload, 2) {
            true => 0x86dd,
            false => 0x0800u16,
        },
    };
    let kind = dice.of(&[0u8, 1, 2, 3, 4]);
    if link == 113 {
        frame.extend([0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
        frame.extend(protocol.to_be_bytes());
    } else {
        frame.extend(protocol.to_be_bytes());
        frame.extend([0, 0, 0, 0, 0, dice.of(&[2, 3]), 0, 1, kind, 6]);
        frame.extend([2, 0, 0, 0, 0, 1, 0, 0]);
    }
    frame.extend(payload);
}

fn ppp(dice: &mut Dice, frame: &mut Vec<u8>) {
    let mut packet = Vec::new();
    let protocol: u16 = match dice.below(8) {
        0 => dice.of(&[0x23, 0x2b, 0x31, 0x27, 0xc021]),
        1 => {
            mpls(dice, &mut packet);
            0x0281
        }
        _ => match ip(dice, &mut packet, 1) {
            true => 0x57,
            false => 0x21,
        },
    };
    frame.extend(protocol.to_be_bytes());
    frame.extend(packet);
}

fn ethernet(dice: &mut Dice, frame: &mut Vec<u8>, tunnels: usize) {
    frame.extend(dice.of(MACS));
    frame.extend(dice.of(&MACS[..2]));
    for _ in 0..dice.of(&[0, 0, 0, 0, 0, 1, 1, 2]) {
        frame.extend(dice.of(&[0x8100u16, 0x8100, 0x88a8, 0x9100]).to_be_bytes());
        frame.extend((dice.of(VLANS) | dice.of(&[0, 0x2000])).to_be_bytes());
    }
    let mut typed = |kind: u16| frame.extend(kind.to_be_bytes());
    match dice.below(24) {
        0 | 1 => {
            typed(dice.of(&[0x0806, 0x0806, 0x8035]));
            arp(dice, frame);
        }
        2 | 3 => {
            typed(dice.of(&[40, 1500, 60]));
            llc(dice, frame);
        }
        4 => {
            typed(dice.of(&[
                0x88cc, 0x8137, 0x809b, 0x80f3, 0x6003, 0x6004, 0x8863, 0x9000,
            ]));
            frame.extend((0..60).map(|_| dice.number() as u8));
        }
        5 => {
            typed(0x8847);
            mpls(dice, frame);
        }
        6 => {
            typed(0x8864);
            frame.extend([0x11, 0, 0, dice.of(&[1, 2]), 0, 100]);
            ppp(dice, frame);
        }
        _ => {
            let mut packet = Vec::new();
            let six = ip(dice, &mut packet, tunnels);
            frame.extend(if six { [0x86, 0xdd] } else { [8, 0] });
            frame.extend(packet);
        }
    }
}

fn mpls(dice: &mut Dice, frame: &mut Vec<u8>) {
    let labels = dice.of(&[1, 1, 2]);
    for left in (0..labels).rev() {
        let label = dice.of(&[16u32, 1024]) << 12 | u32::from(left == 0) << 8 | 64;
        frame.extend(label.to_be_bytes());
    }
    ip(dice, frame, 0);
}

fn arp(dice: &mut Dice, frame: &mut Vec<u8>) {
    frame.extend([0, 1, 8, 0, 6, 4, 0, dice.of(&[1, 2])]);
    frame.extend(dice.of(MACS));
    frame.extend(dice.of(HOSTS));
    frame.extend(dice.of(MACS));
    frame.extend(dice.of(HOSTS));
}

fn llc(dice: &mut Dice, frame: &mut Vec<u8>) {
    match dice.below(8) {
        0 => frame.extend([0x42, 0x42, 3]),
        1 => frame.extend([0xe0, 0xe0, 3]),
        2 => frame.extend([0xf0, 0xf0, dice.number() as u8]),
        3 => frame.extend([0xff, 0xff, 0]),
        4 => frame.extend([0xaa, 0xaa, 3, 8, 0, 7, 0x80, 0x9b]),
        5 => frame.extend([
            0xaa,
            0xaa,
            3,
            0,
            0,
            0,
            dice.of(&[0x80, 0x81]),
            dice.of(&[0xf3, 0x37]),
        ]),
        6 => frame.extend([
            0x42,
            0x42,
            dice.of(&[3, 0x63, 1, 5, 9, 0x43, 0x6f, 0xaf, 0xe3, 0x87]),
        ]),
        _ => {
            frame.extend([
                0xfe,
                0xfe,
                3,
                dice.of(&[0x81, 0x82, 0x83, 0x83, 0x83]),
                27,
                1,
                0,
            ]);
            frame.push(dice.of(&[15, 16, 17, 18, 20, 24, 25, 26, 27]));
        }
    }
    frame.extend((0..50).map(|at| at as u8));
}

/// An IP packet; true if its version is 6.
fn ip(dice: &mut Dice, frame: &mut Vec<u8>, tunnels: usize) -> bool {
    let six = dice.once_in(3);
    match six {
        true => ipv6(dice, frame, tunnels),
        false => ipv4(dice, frame, tunnels),
    }
    six
}

const PROTOCOLS: &[u8] = &[
    6, 6, 6, 6, 17, 17, 17, 1, 2, 9, 47, 50, 51, 58, 103, 112, 132, 4, 41,
];

fn ipv4(dice: &mut Dice, frame: &mut Vec<u8>, tunnels: usize) {
    let options = dice.of(&[0, 0, 0, 0, 4, 20]);
    let protocol = dice.of(PROTOCOLS);
    let mut payload = Vec::new();
    transport(dice, &mut payload, protocol, tunnels);
    frame.extend([0x45 + (options / 4) as u8, dice.of(&[0, 0, 0, 0x10, 0xb8])]);
    frame.extend(((20 + options + payload.len()) as u16).to_be_bytes());
    frame.extend((dice.number() as u16).to_be_bytes());
    frame.extend(
        dice.of(&[0u16, 0, 0x4000, 0x4000, 0x4000, 0x2000, 0x00b9])
            .to_be_bytes(),
    );
    frame.extend([dice.of(&[64, 63, 255, 1]), protocol, 0x12, 0x34]);
    frame.extend(dice.of(HOSTS));
    frame.extend(dice.of(HOSTS));
    frame.extend((0..options).map(|at| at as u8 + 1));
    frame.extend(payload);
}

fn ipv6(dice: &mut Dice, frame: &mut Vec<u8>, tunnels: usize) {
    let protocol = dice.of(PROTOCOLS);
    let mut payload = Vec::new();
    let mut next = Vec::new();
    for _ in 0..dice.of(&[0, 0, 0, 0, 1, 1, 2]) {
        next.push(dice.of(&[0u8, 60, 43, 44, 51]));
    }
    next.push(protocol);
    for pair in next.windows(2) {
        let length: u8 = if pair[0] == 44 {
            0
        } else {
            dice.of(&[0, 0, 1])
        };
        let bytes = match pair[0] {
            51 => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        payload.extend([pair[1], length]);
        payload.extend(vec![0; bytes - 2]);
    }
    transport(dice, &mut payload, protocol, tunnels);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([next[0], dice.of(&[64, 255])]);
    for _ in 0..2 {
        frame.extend(dice.of(HOSTS6).iter().flat_map(|word| word.to_be_bytes()));
    }
    frame.extend(payload);
}

fn transport(dice: &mut Dice, payload: &mut Vec<u8>, protocol: u8, tunnels: usize) {
    match protocol {
        6 | 132 => {
            payload.extend(dice.of(PORTS).to_be_bytes());
            payload.extend(dice.of(PORTS).to_be_bytes());
            payload.extend([0, 0, 0, 1, 0, 0, 0, 2, dice.of(&[0x50, 0x80])]);
            payload.extend([dice.of(&[2, 16, 18, 1, 0x11, 4, 0x18]), 1, 0, 0, 0, 0, 0]);
        }
        17 => {
            let port = dice.of(PORTS);
            payload.extend(dice.of(PORTS).to_be_bytes());
            payload.extend(port.to_be_bytes());
            payload.extend([0, 100, 0, 0]);
            match port {
                6081 if tunnels > 0 => geneve(dice, payload, tunnels - 1),
                4789 if tunnels > 0 => {
                    payload.extend([dice.of(&[8, 8, 8, 0]), 0, 0, 0, 0, 0, dice.of(&[1, 2]), 0]);
                    ethernet(dice, payload, tunnels - 1);
                }
                _ => {}
            }
        }
        1 | 58 => payload.extend([dice.of(&[0, 3, 8, 128, 129, 135]), dice.of(&[0, 1]), 0, 0]),
        _ => {}
    }
    let more = dice.of(&[0, 6, 18, 40, 200]);
    payload.extend((0..more).map(|at| (at * 7) as u8));
}

fn geneve(dice: &mut Dice, payload: &mut Vec<u8>, tunnels: usize) {
    let options = dice.of(&[0u8, 0, 1, 2]);
    let mut inner = Vec::new();
    let kind: u16 = match dice.below(3) {
        0 => {
            if ip(dice, &mut inner, tunnels) {
                0x86dd
            } else {
                0x0800
            }
        }
        _ => {
            ethernet(dice, &mut inner, tunnels);
            0x6558
        }
    };
    payload.extend([options | dice.of(&[0, 0, 0, 0x40]), 0]);
    payload.extend(kind.to_be_bytes());
    payload.extend([0, 0, dice.of(&[1, 2]), 0]);
    payload.extend(vec![0; usize::from(options) * 4]);
    payload.extend(inner);
}

/// A frame of everyday traffic: mostly TCP over IPv4 to a few services, some of
/// it to hosts and networks that filters name.
pub(crate) fn common(dice: &mut Dice) -> Frame {
    let mut bytes = Vec::new();
    let kind = dice.below(1000);
    bytes.extend(match kind {
        0..30 => dice.of(MACS),
        _ => [2, 0, 0, 0, dice.below(8) as u8, dice.below(32) as u8],
    });
    bytes.extend([2, 0, 0, 0, dice.below(8) as u8, dice.below(32) as u8]);
    match kind {
        // Address resolution, bridges and neighbours.
        0..22 => {
            bytes.extend([8, 6]);
            arp(dice, &mut bytes);
        }
        22..26 => {
            bytes.extend([0, 40]);
            llc(dice, &mut bytes);
        }
        26..30 => {
            bytes.extend([0x88, 0xcc]);
            bytes.extend([0; 60]);
        }
        30..50 => {
            bytes.extend([0x81, 0, 0, dice.of(&[100, 200])]);
            common_typed(dice, &mut bytes);
        }
        50..55 => {
            let mut packet = Vec::new();
            let six = common_ip(dice, &mut packet);
            bytes.extend([
                0x88,
                0x64,
                0x11,
                0,
                0,
                27,
                0,
                100,
                0,
                if six { 0x57 } else { 0x21 },
            ]);
            bytes.extend(packet);
        }
        55..60 => {
            bytes.extend([0x88, 0x47, 0, 1, 1, 64]);
            common_ip(dice, &mut bytes);
        }
        _ => common_typed(dice, &mut bytes),
    }
    let len = bytes.len() as u32;
    Frame { bytes, len }
}

fn common_typed(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let mut packet = Vec::new();
    let six = common_ip(dice, &mut packet);
    bytes.extend(if six { [0x86, 0xdd] } else { [8, 0] });
    bytes.extend(packet);
}

/// An IP packet; true if its version is 6.
fn common_ip(dice: &mut Dice, bytes: &mut Vec<u8>) -> bool {
    let six = dice.below(100) < 22;
    let protocol: u8 = match dice.below(1000) {
        0..780 => 6,
        780..960 => 17,
        960..985 if six => 58,
        960..985 => 1,
        985..990 => 47,
        990..995 => 50,
        _ => 2,
    };
    let service = match protocol {
        6 => dice.of(&[
            443, 443, 443, 443, 443, 443, 80, 80, 22, 25, 8080, 3306, 5432, 9200,
        ]),
        _ => dice.of(&[443, 443, 443, 53, 53, 53, 123, 4789, 5004, 6081]),
    };
    let client = 32768 + dice.below(28000) as u16;
    let ports = match dice.once_in(2) {
        true => [service, client],
        false => [client, service],
    };
    let payload = dice.of(&[0, 0, 0, 40, 200, 1400, 1400, 1400]);
    let mut transport = Vec::new();
    match protocol {
        1 | 58 => transport.extend([dice.of(&[8, 0, 3, 128, 129, 135, 136]), 0, 0, 0]),
        2 | 47 | 50 => {}
        _ => transport.extend(ports.iter().flat_map(|port| port.to_be_bytes())),
    }
    if protocol == 6 {
        transport.extend([0, 0, 0, 1, 0, 0, 0, 2, dice.of(&[0x50, 0x80, 0x80])]);
        transport.extend([
            dice.of(&[16, 16, 16, 16, 24, 24, 2, 18, 17, 4]),
            1,
            0,
            0,
            0,
            0,
            0,
        ]);
    } else {
        transport.extend([0, 100, 0, 0]);
    }
    transport.extend((0..payload).map(|at| (at * 7) as u8));
    if six {
        bytes.extend([0x60, 0, 0, 0]);
        bytes.extend((transport.len() as u16).to_be_bytes());
        bytes.extend([protocol, 64]);
        for _ in 0..2 {
            bytes.extend(common_address6(dice));
        }
    } else {
        bytes.extend([0x45, dice.of(&[0, 0, 0, 0, 0x10, 0xb8])]);
        bytes.extend((20 + transport.len() as u16).to_be_bytes());
        bytes.extend((dice.number() as u16).to_be_bytes());
        let fragment = match dice.below(200) {
            0 => 0x2000u16,
            1 => 0x00b9,
            _ => 0x4000,
        };
        bytes.extend(fragment.to_be_bytes());
        bytes.extend([64, protocol, 0, 0]);
        for _ in 0..2 {
            bytes.extend(common_address(dice));
        }
    }
    bytes.extend(transport);
    six
}

fn common_address(dice: &mut Dice) -> [u8; 4] {
    let [a, b, c, d] = dice.number().to_be_bytes();
    match dice.below(10) {
        0 => dice.of(&[
            [10, 0, 0, 1],
            [10, 0, 0, 2],
            [10, 0, 0, 3],
            [8, 8, 8, 8],
            [10, 0, 1, 1],
        ]),
        1..4 => [10, b % 8, c % 4, d],
        4 | 5 => [192, 168, c % 4, d],
        6 => dice.of(&[
            [224, 0, 0, 251],
            [255, 255, 255, 255],
            [239, 1, 2, 3],
            [172, 16, 1, 1],
        ]),
        _ => [a % 223 + 1, b, c, d],
    }
}

fn common_address6(dice: &mut Dice) -> [u8; 16] {
    let mut address = [0u8; 16];
    let (head, tail) = match dice.below(10) {
        0 => ([0xfe, 0x80, 0, 0, 0, 0], 1 + dice.below(3) as u8),
        1 | 2 => (
            [0x20, 1, 0x0d, 0xb8, 0, dice.below(3) as u8],
            1 + dice.below(9) as u8,
        ),
        3 => ([0xff, 2, 0, 0, 0, 0], 0xfb),
        4 => ([0xfd, 0, 0, 1, 0, 0], dice.number() as u8),
        _ => (
            [0x2a, 0, 0x14, dice.number() as u8, 0x40, 1],
            dice.number() as u8,
        ),
    };
    address[..6].copy_from_slice(&head);
    address[15] = tail;
    address
}
