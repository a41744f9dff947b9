//! What a small network says in a few seconds: the frames of the golden files.

use super::super::build::*;

const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
const HOST: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// The demonstration, as Ethernet frames.
pub(crate) fn demo() -> Vec<Vec<u8>> {
    let mut frames = arp();
    frames.extend(ping());
    frames.extend(name_lookup());
    frames.extend(web_page());
    frames.extend(neighbours());
    frames.extend(groups());
    frames.extend(tagged());
    frames
}

fn arp() -> Vec<Vec<u8>> {
    let packet = |operation, sender: &[u8; 6], from: [u8; 4], target: &[u8; 6], to: [u8; 4]| {
        join(&[
            &[0, 1, 8, 0, 6, 4, 0, operation],
            sender,
            &from,
            target,
            &to,
        ])
    };
    vec![
        ether_padded(0x0806, &packet(1, &HOST, A4, &[0; 6], B4)),
        ether_padded(0x0806, &packet(2, &ROUTER, B4, &HOST, A4)),
    ]
}

fn echo(kind: u8, seq: u8) -> Vec<u8> {
    let data: Vec<u8> = (0..56).collect();
    icmp(kind, 0, &join(&[&[0x12, 0x34, 0, seq], &data]))
}

fn ping() -> Vec<Vec<u8>> {
    let unreachable = |inner: &[u8]| icmp(3, 3, &join(&[&[0; 4], inner]));
    let refused = ipv4(17, &udp(4, (33_000, 33_434), b"anyone?"));
    vec![
        ether(0x0800, &ipv4(1, &echo(8, 1))),
        ether(0x0800, &ipv4(1, &echo(0, 1))),
        ether(0x0800, &refused),
        ether(0x0800, &ipv4(1, &unreachable(&refused))),
    ]
}

fn name_lookup() -> Vec<Vec<u8>> {
    let name = b"\x03www\x07example\x00";
    let query = join(&[
        &[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        name,
        &[0, 1, 0, 1],
    ]);
    let answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 80];
    let response = join(&[
        &[0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0],
        name,
        &[0, 1, 0, 1],
        &answer,
    ]);
    vec![
        ether(0x0800, &ipv4(17, &udp(4, (40_001, 53), &query))),
        ether(0x0800, &ipv4(17, &udp(4, (53, 40_001), &response))),
    ]
}

fn web_page() -> Vec<Vec<u8>> {
    const TO: (u16, u16) = (40_002, 80);
    const FROM: (u16, u16) = (80, 40_002);
    let syn = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 1, 2, 3, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    let stamp = [1, 1, 8, 10, 0, 1, 2, 9, 0, 9, 8, 7];
    let request = b"GET /index.html HTTP/1.1\r\nHost: www.example\r\n\r\n";
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nyes";
    let asked = 1_001 + request.len() as u32;
    let told = 9_001 + page.len() as u32;
    type Row<'a> = ((u16, u16), u32, u32, u8, &'a [u8], &'a [u8]);
    let rows: [Row<'_>; 7] = [
        (TO, 1_000, 0, 0x02, &syn, b""),
        (FROM, 9_000, 1_001, 0x12, &syn, b""),
        (TO, 1_001, 9_001, 0x10, &stamp, b""),
        (TO, 1_001, 9_001, 0x18, &stamp, request),
        (FROM, 9_001, asked, 0x18, &stamp, page),
        (FROM, told, asked, 0x11, &stamp, b""),
        (TO, asked, told + 1, 0x14, &[], b""),
    ];
    rows.into_iter()
        .map(|(ports, seq, ack, flags, options, payload)| {
            let segment = Tcp {
                ports,
                seq,
                ack,
                flags,
                options,
                payload,
            };
            ether(0x0800, &ipv4(6, &tcp(4, segment)))
        })
        .collect()
}

/// An ICMPv6 message with its checksum, between hosts of the same link.
fn icmp6(destination: [u8; 16], message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let len = (message.len() as u32).to_be_bytes();
    let right = sum(&[&A6, &destination, &len, &[0, 0, 0, 58], &message]);
    put16(&mut message, 2, right);
    message
}

fn to_group(next: u8, destination: [u8; 16], payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv6(next, payload);
    packet[7] = 255;
    packet[24..40].copy_from_slice(&destination);
    ether(0x86dd, &packet)
}

fn neighbours() -> Vec<Vec<u8>> {
    let all_nodes = group_address(1);
    let solicited = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2];
    let solicitation = join(&[&[135, 0, 0, 0, 0, 0, 0, 0], &B6, &[1, 1], &HOST]);
    let advertisement = join(&[&[136, 0, 0, 0, 0x60, 0, 0, 0], &B6, &[2, 1], &ROUTER]);
    let router = join(&[
        &[134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0],
        &[
            3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0,
        ],
        &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[1, 1],
        &ROUTER,
    ]);
    vec![
        to_group(58, solicited, &icmp6(solicited, &solicitation)),
        to_group(58, B6, &icmp6(B6, &advertisement)),
        to_group(
            58,
            group_address(2),
            &icmp6(group_address(2), &[133, 0, 0, 0, 0, 0, 0, 0]),
        ),
        to_group(58, all_nodes, &icmp6(all_nodes, &router)),
        to_group(58, B6, &icmp6(B6, &[128, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4])),
        ether(0x86dd, &ipv6(17, &udp(6, (40_003, 9_000), b"over IPv6"))),
        ether(
            0x86dd,
            &ipv6(
                6,
                &tcp(
                    6,
                    Tcp {
                        flags: 2,
                        ..SEGMENT
                    },
                ),
            ),
        ),
    ]
}

fn group_address(last: u8) -> [u8; 16] {
    let mut address = [0; 16];
    address[0] = 0xff;
    address[1] = 2;
    address[15] = last;
    address
}

/// Reports of group membership, by MLDv2 and by IGMPv3.
fn groups() -> Vec<Vec<u8>> {
    let to = group_address(0x16);
    let record = join(&[&[4, 0, 0, 0], &group_address(0xfb)]);
    let report = icmp6(to, &join(&[&[143, 0, 0, 0, 0, 0, 0, 1], &record]));
    let alert = [58, 0, 5, 2, 0, 0, 1, 0];
    let mut igmp = join(&[
        &[0x22, 0, 0, 0, 0, 0, 0, 1],
        &[4, 0, 0, 0],
        &[224, 0, 0, 251],
    ]);
    let right = sum(&[&igmp]);
    put16(&mut igmp, 2, right);
    vec![
        to_group(0, to, &join(&[&alert, &report])),
        ether(0x0800, &ipv4_with(2, 0x4000, &[148, 4, 0, 0], &igmp)),
    ]
}

fn tagged() -> Vec<Vec<u8>> {
    let inner = ipv4(1, &echo(8, 2));
    vec![
        ether(0x8100, &join(&[&[0, 100, 8, 0], &inner])),
        ether(
            0x88a8,
            &join(&[&[0x20, 200, 0x81, 0, 0, 100, 8, 0], &inner]),
        ),
        ether(0x88b5, b"an Ethernet type of nobody"),
    ]
}
