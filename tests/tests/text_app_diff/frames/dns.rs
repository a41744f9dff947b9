//! DNS messages: every type that is shown, both transports, damage.

use super::{Made, tcp, udp, udp6};

/// A name in labels.
fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// A pointer to the name of the first question.
const QUESTION: [u8; 2] = [0xc0, 12];

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [id, flags].into_iter().chain(counts) {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

fn question(owner: &[u8], kind: u16, class: u16) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes
}

fn record(owner: &[u8], kind: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = question(owner, kind, class);
    bytes.extend(ttl.to_be_bytes());
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// A response to a question for `example.com` with one answer of each kind.
fn answers(kinds: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = header(4660, 0x8180, [1, kinds.len() as u16, 0, 0]);
    bytes.extend(question(&name("example.com"), 1, 1));
    for (index, (kind, data)) in kinds.iter().enumerate() {
        bytes.extend(record(&QUESTION, *kind, 1, 3661 * index as u32, data));
    }
    bytes
}

fn usual() -> Vec<(u16, Vec<u8>)> {
    let soa = [
        name("ns.example.com"),
        name("root.example.com"),
        vec![0; 19],
        vec![7],
    ]
    .concat();
    let ip6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    vec![
        (1, vec![192, 0, 2, 1]),
        (28, ip6.to_vec()),
        (5, QUESTION.to_vec()),
        (2, [&[3, b'n', b's', b'1'][..], &QUESTION].concat()),
        (12, name("")),
        (
            15,
            [&[0, 10, 4, b'm', b'a', b'i', b'l'][..], &QUESTION].concat(),
        ),
        (
            33,
            [&[0, 1, 0, 2, 0x13, 0x88][..], &name("sip.example.com")].concat(),
        ),
        (6, soa),
        (16, b"\x05hello\x02\x07\xe9".to_vec()),
        (16, Vec::new()),
        (39, name("other.example")),
    ]
}

fn unusual() -> Vec<(u16, Vec<u8>)> {
    let suffix = [1, 2, 3, 4, 5, 6, 7, 8];
    let tsig = [
        name("hmac-sha256"),
        vec![
            0, 0, 0x60, 0, 0, 0, 1, 44, 0, 4, 1, 2, 3, 4, 0x12, 0x34, 0, 0, 0, 0,
        ],
    ]
    .concat();
    vec![
        (13, b"\x03CPU\x05Linux".to_vec()),
        (43, vec![0, 1, 8, 2, 1, 2, 3, 4]),
        (46, vec![0; 20]),
        (47, name("next.example")),
        (48, vec![1, 0, 3, 8, 9, 9]),
        (44, vec![1, 1, 2]),
        (99, b"\x06v=spf1".to_vec()),
        (256, b"\0\x0a\0\x01https://example.com/".to_vec()),
        (104, b"one long string".to_vec()),
        (38, [&[64][..], &suffix, &QUESTION].concat()),
        (38, [&[0][..], &suffix, &suffix].concat()),
        (38, [&[128][..], &QUESTION].concat()),
        (38, vec![129]),
        (250, tsig),
        (65, vec![0, 1, 0]),
        (257, vec![0; 3]),
    ]
}

/// An OPT record with options, each a code and a value.
fn opt(ttl: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (code, value) in options {
        data.extend(code.to_be_bytes());
        data.extend((value.len() as u16).to_be_bytes());
        data.extend(*value);
    }
    record(&[0], 41, 1232, ttl, &data)
}

fn edns() -> Vec<Vec<u8>> {
    let cookies = [7; 41];
    let options: Vec<(u16, &[u8])> = vec![
        (1, &[1, 2]),
        (3, b"ns"),
        (5, &[3, 8, 13, 200]),
        (6, &[1, 2, 3, 4, 9]),
        (7, &[1, 2]),
        (8, &[0, 1, 24, 0, 192, 0, 2]),
        (8, &[0, 2, 56, 1, 0x20, 1, 0xd, 0xb8, 0, 0, 0]),
        (8, &[0, 1, 33, 0, 192, 0, 2, 1, 0]),
        (8, &[0, 3, 0, 0]),
        (8, &[0, 1, 0]),
        (9, &[0, 0, 1, 0]),
        (9, &[0]),
        (10, &cookies[..8]),
        (10, &cookies[..9]),
        (10, &cookies[..24]),
        (10, &cookies),
        (11, &[0, 105]),
        (11, &[0]),
        (12, &[0; 20]),
        (12, &[]),
        (13, b"\x02fr\0"),
        (14, &[0, 1, 0, 2]),
        (14, &[0]),
        (16, &[1, 2]),
        (4242, &[0xab]),
    ];
    let request = |additional: Vec<u8>| {
        let mut bytes = header(1, 0x0120, [1, 0, 0, 1]);
        bytes.extend(question(&name("example.com"), 28, 1));
        bytes.extend(additional);
        bytes
    };
    let mut response = header(1, 0x8181, [1, 0, 0, 1]);
    response.extend(question(&name("example.com"), 1, 1));
    response.extend(opt(0x0100_0000, &[]));
    let mut unknown = header(1, 0x818f, [1, 0, 0, 1]);
    unknown.extend(question(&name("example.com"), 1, 1));
    unknown.extend(opt(0xff00_8000, &[]));
    let mut messages = vec![request(opt(0x8000, &options)), response, unknown];
    messages.extend(options.iter().map(|&option| request(opt(0, &[option]))));
    messages
}

fn requests() -> Vec<Vec<u8>> {
    let one = |flags: u16| {
        let mut bytes = header(0xbeef, flags, [1, 0, 0, 0]);
        bytes.extend(question(&name("www.example.com"), 1, 1));
        bytes
    };
    let mut messages: Vec<Vec<u8>> = (0..16).map(|opcode| one(opcode << 11 | 0x100)).collect();
    messages.extend([0, 0x10, 0x7f, 0x6cf].map(one));
    for (kind, class) in [(255, 3), (65, 4), (1, 255), (252, 7)] {
        let mut bytes = header(1, 0x100, [1, 0, 0, 0]);
        bytes.extend(question(&name("a"), kind, class));
        messages.push(bytes);
    }
    let mut update = header(9, 0x2800, [1, 1, 2, 1]);
    update.extend(question(&name("example.com"), 6, 1));
    update.extend(record(&QUESTION, 1, 254, 0, &[]));
    update.extend(record(&QUESTION, 1, 1, 60, &[1, 2, 3, 4]));
    update.extend(record(&QUESTION, 28, 255, 0, &[]));
    update.extend(record(&QUESTION, 16, 1, 0, b"\x01a"));
    messages.push(update);
    let mut two = header(9, 0x100, [2, 0, 0, 0]);
    two.extend(question(&name("a.example"), 1, 1));
    two.extend(question(&name("b.example"), 28, 1));
    messages.push(two);
    messages.push(header(1, 0x100, [0, 0, 0, 0]));
    messages.push(header(1, 0x0900, [2, 3, 0, 0]));
    messages.push(vec![0; 11]);
    messages
}

fn responses() -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = (0..16)
        .map(|code| {
            let mut bytes = header(7, 0x8000 | code | code << 7 & 0x780, [1, 0, 0, 0]);
            bytes.extend(question(&name("example.com"), 1, 1));
            bytes
        })
        .collect();
    messages.push(answers(&usual()));
    messages.push(answers(&unusual()));
    messages.extend(usual().into_iter().map(|one| answers(&[one])));
    messages.extend(unusual().into_iter().map(|one| answers(&[one])));
    let mut sections = header(3, 0x85b0, [1, 1, 2, 2]);
    sections.extend(question(&name("example.com"), 15, 1));
    sections.extend(record(
        &QUESTION,
        15,
        3,
        5,
        &[&[0, 5][..], &QUESTION].concat(),
    ));
    for kind in [2, 2, 5] {
        sections.extend(record(&QUESTION, kind, 1, 172_800, &QUESTION));
    }
    sections.extend(opt(0, &[]));
    messages.push(sections);
    let mut none = header(3, 0x8180, [0, 1, 0, 0]);
    none.extend(record(&name("x.y"), 1, 200, 5, &[9, 9, 9, 9]));
    messages.push(none);
    let mut two = header(9, 0x8500, [2, 0, 0, 0]);
    two.extend(question(&name("a.example"), 1, 1));
    two.extend(question(&name("b.example"), 28, 1));
    messages.push(two);
    messages
}

/// Names that no sound message has.
fn damaged() -> Vec<Vec<u8>> {
    let label = [b'x'; 63];
    let mut long = Vec::new();
    for _ in 0..6 {
        long.push(63);
        long.extend(label);
    }
    long.push(0);
    let names: [&[u8]; 12] = [
        &[0xc0, 12],
        &[0xc0, 14],
        &[0xff, 0xff],
        &[1, b'a', 0xc0, 12],
        &[0x41, 12, 0xab, 0xc0, 0],
        &[0x41, 16, 0xab, 0xcd, 1, b'z', 0],
        &[0x41, 3, 0xe0, 0],
        &[0x42, 1, 0],
        &[0x80, 0],
        &[1, b'a', 0x80],
        &[40, b'a', b'b'],
        &long,
    ];
    let mut messages = Vec::new();
    for owner in names {
        let mut request = header(1, 0x100, [1, 0, 0, 0]);
        request.extend(question(owner, 1, 1));
        messages.push(request);
        let mut response = header(1, 0x8180, [1, 2, 0, 0]);
        response.extend(question(&name("ok"), 1, 1));
        response.extend(record(owner, 1, 1, 0, &[1, 2, 3, 4]));
        response.extend(record(&[0xc0, 12], 5, 1, 0, owner));
        messages.push(response);
    }
    // Pointers that each lead to the one before.
    let mut chain = header(1, 0x8180, [0, 1, 0, 0]);
    chain.extend([0xc0, 0]);
    for at in 0..200u16 {
        chain.extend((0xc000 | (12 + at * 2)).to_be_bytes());
    }
    messages.push(chain);
    messages
}

pub(crate) fn all() -> Vec<Made> {
    let mut frames = Vec::new();
    for message in [requests(), responses(), edns(), damaged()].concat() {
        frames.push(udp(40_000, 53, &message));
        frames.push(udp(5353, 5353, &message));
        let len = (message.len() as u16).to_be_bytes();
        frames.push(tcp(53, 40_000, &[&len[..], &message].concat()));
    }
    let mut mdns = header(0, 0x8400, [1, 1, 0, 0]);
    mdns.extend(question(&name("_http._tcp.local"), 12, 0x8001));
    mdns.extend(record(&QUESTION, 12, 0x8001, 120, &QUESTION));
    frames.push(udp6(5353, 5353, &mdns));
    mdns[2] = 0;
    frames.push(udp6(5353, 5353, &mdns));
    frames.push(udp6(53, 1024, &answers(&usual())));
    frames.push(tcp(53, 1024, &[0]));
    frames.push(tcp(53, 1024, &[0, 9, 1]));
    frames.push(tcp(53, 1024, &[0, 1, 1]));
    frames.push(udp(5355, 1024, &requests()[0]));
    frames
}
