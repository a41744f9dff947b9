//! The printer as a whole: names, interfaces, and frames made to do harm.

use super::{Names, Printer, Style, Time, Transport};
use crate::{Flags, Frame, FrameInfo, Interface, LinkType};
use std::net::IpAddr;

/// Names for a few things.
struct FewNames;

impl Names for FewNames {
    fn host(&mut self, address: IpAddr) -> Option<String> {
        (address.to_string() == "10.0.0.1").then(|| "router.example.net".to_owned())
    }
    fn port(&mut self, port: u16, transport: Transport) -> Option<String> {
        ((port, transport) == (7, Transport::Udp)).then(|| "echo".to_owned())
    }
    fn ether(&mut self, address: [u8; 6]) -> Option<String> {
        (address == [2, 0, 0, 0, 0, 9]).then(|| "nine".to_owned())
    }
    fn protocol(&mut self, _: u8) -> Option<String> {
        None
    }
    fn utc_offset(&mut self, _: i64) -> i32 {
        -5_400
    }
    fn interface(&mut self, index: u32) -> Option<String> {
        (index == 3).then(|| "veth0".to_owned())
    }
}

fn print(style: Style, link_type: LinkType, data: &[u8], flags: Flags) -> String {
    let interface = Interface {
        name: "eth0".to_owned(),
        netns: Some("blue".to_owned()),
        link_type,
        ..Interface::default()
    };
    let info = FrameInfo {
        timestamp_ns: 1_000_000_000_000_000_000,
        caplen: data.len() as u32,
        len: data.len() as u32,
        flags,
        ..FrameInfo::default()
    };
    let frame = Frame {
        info: &info,
        data,
        options: &[],
    };
    let mut text = String::new();
    Printer::new(style, Box::new(FewNames)).print(&frame, &interface, &mut text);
    text
}

fn untimed() -> Style {
    Style {
        time: Time::None,
        ..Style::default()
    }
}

/// An IPv4 packet without checksum.
fn ipv4(next: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, next, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

const ECHO: [u8; 8] = [0, 7, 0, 7, 0, 8, 0, 0];

#[test]
fn names_stand_where_they_are_known() {
    let packet = ipv4(17, &ECHO);
    let raw = |style| print(style, LinkType::RAW, &packet, Flags::default());
    assert_eq!(
        raw(untimed()),
        "IP router.example.net.echo > 10.0.0.2.echo: UDP, length 0\n"
    );
    assert_eq!(
        raw(Style {
            no_domain: true,
            ..untimed()
        }),
        "IP router.echo > 10.0.0.2.echo: UDP, length 0\n"
    );
    assert_eq!(
        raw(Style {
            numeric: true,
            ..untimed()
        }),
        "IP 10.0.0.1.7 > 10.0.0.2.7: UDP, length 0\n"
    );
}

#[test]
fn times_are_local() {
    let text = |time| {
        let style = Style {
            time,
            ..Style::default()
        };
        print(style, LinkType::RAW, &[0], Flags::default())
    };
    assert_eq!(text(Time::OfDay), "00:16:40.000000 unknown ip 0\n");
    assert_eq!(
        text(Time::DateTime),
        "2001-09-09 00:16:40.000000 unknown ip 0\n"
    );
    assert_eq!(text(Time::Epoch), "1000000000.000000 unknown ip 0\n");
}

#[test]
fn interfaces_are_named_by_the_frame_or_by_its_header() {
    let named = Style {
        interface: true,
        ..untimed()
    };
    let outgoing = Flags::OUTBOUND.with(Flags::UNICAST);
    assert_eq!(
        print(named.clone(), LinkType::RAW, &[0], outgoing),
        "eth0@blue Out unknown ip 0\n"
    );
    let mut cooked = vec![
        0x08, 0x06, 0, 0, 0, 0, 0, 3, 0, 1, 1, 6, 2, 0, 0, 0, 0, 9, 0, 0,
    ];
    cooked.extend([0; 28]);
    let style = Style {
        link_header: true,
        ..untimed()
    };
    let text = print(style, LinkType::LINUX_SLL2, &cooked, outgoing);
    assert!(text.starts_with("veth0 B   ifindex 3 nine ethertype ARP (0x0806), length 48: "));
    let text = print(named, LinkType::LINUX_SLL2, &cooked, outgoing);
    assert!(text.starts_with("eth0@blue B   ARP, "));
}

#[test]
fn a_link_type_nobody_knows_is_dumped() {
    assert_eq!(
        print(untimed(), LinkType(147), b"bytes", Flags::default()),
        "UNSUPPORTED\n\t0x0000:  6279 7465 73                             bytes\n"
    );
}

/// The most verbose style, which looks at most.
fn curious() -> Style {
    Style {
        verbose: 3,
        link_header: true,
        ..Style::default()
    }
}

#[test]
fn packets_in_packets_end_before_the_stack_does() {
    let mut packet = ipv4(17, &ECHO);
    while packet.len() < 65_000 {
        packet = ipv4(4, &packet);
    }
    let text = print(curious(), LinkType::RAW, &packet, Flags::default());
    assert!(text.ends_with("[nested too deep]\n"));

    // Ethernet bridged over SNAP over Ethernet.
    let mut frame = vec![0; 14];
    while frame.len() < 1_400 {
        let head = [0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0];
        let len = (head.len() + frame.len()) as u16;
        let addresses = [2; 12];
        frame = [&addresses[..], &len.to_be_bytes(), &head, &frame].concat();
    }
    let text = print(curious(), LinkType::ETHERNET, &frame, Flags::default());
    assert!(text.ends_with("[nested too deep]\n"));

    // Errors about errors.
    let mut packet = ipv4(17, &ECHO);
    while packet.len() < 65_000 {
        let error = [&[3, 0, 0, 0, 0, 0, 0, 0][..], &packet].concat();
        packet = ipv4(1, &error);
    }
    let text = print(curious(), LinkType::RAW, &packet, Flags::default());
    assert!(text.contains("[nested too deep]"));
}

#[test]
fn long_chains_of_headers_cost_no_more_than_their_length() {
    // Tags, authentication headers, and options headers, as many as fit.
    let mut tags = vec![2; 12];
    tags.extend([0x81, 0, 0, 1].repeat(65_000));
    let text = print(curious(), LinkType::ETHERNET, &tags, Flags::default());
    assert!(text.len() < 64 * tags.len());

    let authentication = [51, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let packet = ipv4(51, &authentication.repeat(5_000));
    let text = print(curious(), LinkType::RAW, &packet, Flags::default());
    assert!(text.len() < 16 * packet.len());

    let mut packet = vec![0x60, 0, 0, 0, 0xff, 0xf8, 60, 1];
    packet.extend([0; 32]);
    packet.extend([60, 0, 0, 0, 0, 0, 0, 0].repeat(8_191));
    let text = print(curious(), LinkType::RAW, &packet, Flags::default());
    assert!(text.len() < 16 * packet.len());
}

#[test]
fn every_link_type_takes_any_bytes() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = vec![0_u8; 96];
    for round in 0..2_000_usize {
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        // Headers that lead somewhere.
        bytes[12..16].copy_from_slice(&[[8, 0, 0x45, 0], [0x86, 0xdd, 0x60, 0]][round % 2]);
        for number in [0, 1, 101, 108, 113, 228, 229, 276, 9_999] {
            let cut = &bytes[..round % bytes.len() + 1];
            print(curious(), LinkType(number), cut, Flags::default());
        }
    }
}
