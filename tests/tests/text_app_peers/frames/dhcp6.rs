//! DHCPv6 messages: every option, in every length that means something.

use super::{DESTINATION6, Made, SOURCE6, udp6};

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = code.to_be_bytes().to_vec();
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes
}

fn options() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for code in 0..115 {
        for len in [0, 1, 2, 3, 4, 5, 12, 16, 17, 24, 25, 32] {
            let value: Vec<u8> = (0..len).map(|byte| byte + 1).collect();
            all.push(option(code, &value));
        }
    }
    for kind in 1..5 {
        for len in [2, 4, 8, 10, 14] {
            let mut value = vec![0, kind];
            value.resize(len, 7);
            all.push(option(1, &value));
        }
    }
    let address = [&SOURCE6[..], &[0, 0, 1, 0, 0, 0, 2, 0]].concat();
    let status = option(13, b"\0\x02no more");
    let held = option(5, &[&address[..], &status].concat());
    all.push(option(3, &[&[0; 12][..], &held].concat()));
    all.push(option(
        25,
        &[
            &[1; 12][..],
            &option(26, &[&[0; 8][..], &[64], &SOURCE6].concat()),
        ]
        .concat(),
    ));
    all.push(option(45, &[held.clone(), status.clone()].concat()));
    all.push(option(3, &[&[0; 12][..], &held[..30]].concat()));
    for kind in 0..4 {
        let query = [&[kind][..], &SOURCE6, &option(6, &[0, 23, 0, 24])].concat();
        all.push(option(44, &query));
    }
    for (protocol, algorithm, more) in [
        (2, 1, 0),
        (2, 1, 19),
        (2, 2, 20),
        (2, 1, 24),
        (3, 1, 17),
        (3, 1, 9),
        (9, 0, 4),
    ] {
        let mut value = vec![protocol, algorithm, algorithm - algorithm / 2];
        value.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        value.extend((0..more).map(|byte| byte + 1));
        all.push(option(11, &value));
    }
    for code in [5, 11, 7] {
        all.push(option(19, &[code]));
    }
    for code in [0u16, 10, 11, 255, 256] {
        all.push(option(13, &code.to_be_bytes()));
    }
    all.push(option(24, b"\x07example\x03com\0\x01a\0"));
    all.push(option(21, b"\x07example\xc0\0"));
    all.push(option(64, b"\x04aftr\x07example\0"));
    all.push(option(64, b"\x04aftr\x09example\0"));
    all.push(option(41, b"CET-1CEST\0x"));
    let ntp = [
        option(1, &SOURCE6),
        option(3, b"\x03ntp\0"),
        option(2, &[1]),
        option(9, &[1, 2]),
    ];
    all.push(option(56, &ntp.concat()));
    all.push(option(56, &[0, 1, 0, 9, 1, 2]));
    all.push(option(56, &[0, 3, 0, 0, 0xc0, 0, 1, 2]));
    all.push(option(56, &[0, 3, 0, 2, 0xc0, 0, 1, 2]));
    all
}

fn message(kind: u8, options: &[u8]) -> Vec<u8> {
    [&[kind, 0x12, 0x34, 0x56], options].concat()
}

pub(crate) fn all() -> Vec<Made> {
    let mut messages: Vec<Vec<u8>> = (0..17)
        .map(|kind| message(kind, &option(14, &[])))
        .collect();
    for some in options().chunks(40) {
        messages.push(message(1, &some.concat()));
    }
    for one in options().split_off(115 * 12) {
        messages.push(message(7, &[one, option(14, &[])].concat()));
    }
    for kind in [12, 13] {
        let mut relayed = vec![kind, 1];
        relayed.extend(SOURCE6);
        relayed.extend(DESTINATION6);
        relayed.extend(option(9, &message(1, &option(8, &[0, 1]))));
        relayed.extend(option(18, b"eth0.100-long"));
        messages.push(relayed.clone());
        messages.push(relayed[..20].to_vec());
        let mut outer = relayed[..34].to_vec();
        outer.extend(option(9, &relayed));
        messages.push(outer);
    }
    messages.push(message(3, &[0, 1, 0, 9, 1]));
    messages.push(message(3, &[0, 1, 0]));
    messages.push(vec![1, 2, 3]);
    messages.iter().map(|it| udp6(546, 547, it)).collect()
}
