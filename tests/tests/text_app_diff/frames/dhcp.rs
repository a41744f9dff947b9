//! BOOTP and DHCP messages: every option, in every length that means something.

use super::{Made, udp};

fn header(op: u8, hardware: [u8; 3], flags: u16) -> Vec<u8> {
    let mut message = vec![op];
    message.extend(hardware);
    message.extend([0x12, 0x34, 0x56, 0x78, 0, 5]);
    message.extend(flags.to_be_bytes());
    message.resize(236, 0);
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    message
}

fn with_options(options: &[u8]) -> Vec<u8> {
    let mut message = header(1, [1, 6, 0], 0x8000);
    message.extend([99, 130, 83, 99]);
    message.extend(options);
    message
}

fn option(code: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![code, value.len() as u8];
    bytes.extend(value);
    bytes
}

fn plain() -> Vec<Vec<u8>> {
    let mut messages = vec![header(1, [1, 6, 0], 0), header(2, [1, 6, 3], 0x8000)];
    messages.push(header(7, [6, 8, 0], 0x1234));
    for vendor in [&b"CMU\0"[..], &[0; 4], &[1, 2, 3, 4]] {
        let mut message = header(2, [1, 6, 0], 0);
        message[12..28].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 3, 10, 0, 0, 4]);
        message[44..48].copy_from_slice(b"host");
        message[108..112].copy_from_slice(b"boot");
        message.extend(vendor);
        message.extend([3, 0, 0, 0]);
        message.extend((1..33).collect::<Vec<u8>>());
        messages.push(message);
    }
    for (at, len) in [(44, 64), (108, 128)] {
        let mut message = with_options(&[255]);
        message[at..at + len].fill(b'x');
        messages.push(message);
    }
    messages
}

fn options() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for code in 1..255 {
        for len in [0, 1, 2, 3, 4, 5, 8, 9] {
            let value: Vec<u8> = (0..len).map(|byte| byte + 1).collect();
            all.push(option(code, &value));
        }
    }
    for message in 0..15 {
        all.push(option(53, &[message]));
    }
    all.push(option(55, &(0..=254).collect::<Vec<u8>>()));
    for kind in [0, 1, 6, 7, 15, 23, 24, 99] {
        all.push(option(61, &[kind, 2, 0, 0, 0, 0, 1]));
    }
    for flags in [0, 5, 0x1f, 0xf0] {
        all.push(option(81, &[flags, 1, 2, b'a', b'.', b'b']));
    }
    all.push(option(
        82,
        &[1, 2, b'x', 7, 2, 1, 9, 5, 1, 2, 3, 4, 5, 6, 3, 1, 2, 3, 0],
    ));
    all.push(option(82, &[1, 9, 1]));
    let routes = [
        24, 192, 0, 2, 10, 0, 0, 1, 0, 10, 0, 0, 254, 17, 172, 16, 128, 10, 0, 0, 2,
    ];
    for code in [121, 249] {
        all.push(option(code, &routes));
        all.push(option(code, &routes[..19]));
        all.push(option(code, &[33, 1, 2, 3, 4, 5]));
    }
    all.push(option(77, &[3, b'a', b'b', b'c', 1, b'd']));
    all.push(option(77, &[3, b'a', b'b', b'c', 0, 1]));
    all.push(option(77, &[3, b'a', b'b', b'c', 9, 1]));
    all.push(option(12, b"host\x01\xff"));
    all
}

pub(crate) fn all() -> Vec<Made> {
    let mut messages = plain();
    // Several to a message, so that there are not too many frames to cut.
    for some in options().chunks(60) {
        let mut bytes = some.concat();
        bytes.extend([0, 0, 0, 255, 0, 12, 1, b'a']);
        messages.push(with_options(&bytes));
    }
    messages.push(with_options(&[53, 1, 1, 0, 255]));
    messages.push(with_options(&[53, 1, 1, 0, 0, 12, 9, b'a']));
    messages
        .iter()
        .map(|message| udp(68, 67, message))
        .collect()
}
