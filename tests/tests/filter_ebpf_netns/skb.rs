//! Filters for packets inside the kernel, in a raw tracepoint's program that is given packets.

use crate::dice::Dice;
use crate::{grammar, packets};
use pktrail::skb_filter::{SkbPacket, SkbProgram};
use pktrail_core::filter::{NoNames, SkbFilter, Target};
use pktrail_core::{Filter, Flags, FrameInfo, Interface, LinkType};
use std::net::Ipv4Addr;

const INDEX: u32 = 7;

pub(crate) fn compile(text: &str) -> Option<SkbFilter> {
    let target = Target {
        netmask: Some(Ipv4Addr::UNSPECIFIED),
        ..Target::new(LinkType::ETHERNET, 65_535)
    };
    SkbFilter::compile(text, &target, &mut NoNames).ok()
}

/// What the interpreter says of the frame as it would be delivered.
fn here(filter: Option<&Filter>, frame: &packets::Frame, link_type: LinkType, out: bool) -> bool {
    let flags = match out {
        true => Flags::OUTBOUND,
        false => Flags::INBOUND.with(Flags::UNICAST),
    };
    let info = FrameInfo {
        caplen: frame.bytes.len() as u32,
        len: frame.len,
        flags,
        ..FrameInfo::default()
    };
    let interface = Interface {
        link_type,
        index: Some(INDEX),
        ..Interface::default()
    };
    filter.is_some_and(|filter| filter.run(&frame.bytes, &info, &interface) > 0)
}

/// Compares both layers; a tag beside the packet is compared where its being there cannot matter
/// otherwise.
fn agrees(text: &str, link: &[packets::Frame], network: &[packets::Frame]) -> usize {
    let Some(filter) = compile(text) else {
        return 0;
    };
    let program = SkbProgram::load(&filter).unwrap_or_else(|e| panic!("{text}: {e:#}"));
    let mut compared = 0;
    let mut compare = |packet: &SkbPacket<'_>, expected: bool| {
        let kernel = program.accepts(packet).expect("runs");
        assert_eq!(kernel, expected, "{text:?}\n{packet:02x?}");
        compared += 1;
    };
    for (at, frame) in link.iter().enumerate() {
        let out = at % 3 == 0;
        let mut packet = SkbPacket {
            linear: &frame.bytes,
            length: frame.len,
            interface: INDEX,
            packet_type: if out { 4 } else { 0 },
            ..SkbPacket::default()
        };
        let expected = here(filter.link.as_ref(), frame, LinkType::ETHERNET, out);
        compare(&packet, expected);
        let whole = frame.bytes.len() == frame.len as usize;
        if let Some((tag, rest)) = stripped(&frame.bytes)
            && whole
            && tells_of_tags(text)
        {
            packet.tag = Some(tag);
            packet.linear = &rest;
            packet.length -= 4;
            compare(&packet, expected);
        }
    }
    for (at, frame) in network.iter().enumerate() {
        let out = at % 3 == 0;
        let packet = SkbPacket {
            is_network: true,
            linear: &frame.bytes,
            length: frame.len,
            interface: INDEX,
            packet_type: if out { 4 } else { 0 },
            ..SkbPacket::default()
        };
        let expected = here(filter.network.as_ref(), frame, LinkType::RAW, out);
        compare(&packet, expected);
    }
    compared
}

/// The frame without its outer tag, as a kernel has it.
fn stripped(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    match bytes.get(12..16)? {
        [0x81, 0, high, low] | [0x88, 0xa8, high, low] => {
            let rest = [&bytes[..12], &bytes[16..]].concat();
            Some((u16::from_be_bytes([*high, *low]), rest))
        }
        _ => None,
    }
}

/// Whether the expression asks for a tag first, and for nothing that the tag's place would change.
fn tells_of_tags(text: &str) -> bool {
    let plain = ["[", "len", "less", "greater", "llc", "or", "not", "byte"];
    text.starts_with("vlan") && !plain.iter().any(|word| text.contains(word))
}

#[test]
fn the_list_of_expressions_is_judged_inside_the_kernel_as_here() {
    let mut dice = Dice::new(7);
    let mut link = packets::frames(1, 60, &mut dice);
    link.extend((0..40).map(|_| packets::common(&mut dice)));
    let network = packets::frames(12, 60, &mut dice);
    let list = include_str!("../filter_libpcap_peers/expressions.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let compared: usize = lines.map(|text| agrees(text, &link, &network)).sum();
    println!("{compared} packets compared");
    assert!(compared > 60_000);
}

#[test]
fn random_expressions_are_judged_inside_the_kernel_as_here() {
    let mut dice = Dice::new(11);
    let mut compared = 0;
    for _ in 0..400 {
        let link = packets::frames(1, 25, &mut dice);
        let network = packets::frames(12, 25, &mut dice);
        compared += agrees(&grammar::expression(1, &mut dice), &link, &network);
    }
    println!("{compared} packets compared");
    assert!(compared > 10_000);
}

/// A tag beside the packet is found by those that ask for it, and by nobody else.
#[test]
fn a_tag_beside_the_packet_is_seen() {
    let mut dice = Dice::new(13);
    let frames = packets::frames(1, 600, &mut dice);
    let mut seen = 0;
    for text in ["vlan", "vlan 100", "vlan 100 and tcp", "vlan and vlan 200"] {
        let filter = compile(text).expect(text);
        assert!(filter.network.is_none(), "raw IP has no tags");
        let program = SkbProgram::load(&filter).expect(text);
        for frame in &frames {
            let Some((tag, rest)) = stripped(&frame.bytes) else {
                continue;
            };
            let packet = SkbPacket {
                linear: &rest,
                length: rest.len() as u32,
                tag: Some(tag),
                ..SkbPacket::default()
            };
            let expected = here(filter.link.as_ref(), frame, LinkType::ETHERNET, false);
            assert_eq!(program.accepts(&packet).expect("runs"), expected, "{text}");
            seen += usize::from(expected);
        }
    }
    assert!(seen > 100, "{seen}");
}

/// Far places are read when they are asked for; what is not linear is not there.
#[test]
fn far_bytes_are_read_on_demand() {
    let mut bytes = vec![0u8; 3000];
    bytes[2000] = 77;
    bytes[14] = 0x45;
    for (text, linear, expected) in [
        ("link[2000] = 77", 3000, true),
        ("link[2000] = 77", 2001, true),
        ("link[2000] = 77", 2000, false),
        ("link[1999:2] = 77", 2001, true),
        ("link[1999:2] = 77", 2000, false),
        ("link[link[14] * 28 + 68] = 77", 3000, true),
        ("link[link[14] * 28 + 68] = 77", 2000, false),
        ("link[len - 1000] = 77", 3000, true),
        ("len = 3000", 100, true),
    ] {
        let program = SkbProgram::load(&compile(text).expect(text)).expect(text);
        let packet = SkbPacket {
            linear: &bytes[..linear],
            length: 3000,
            ..SkbPacket::default()
        };
        assert_eq!(program.accepts(&packet).expect("runs"), expected, "{text}");
    }
}

/// What the kernel knows beside the bytes can be asked by number, as in classic BPF.
#[test]
fn facts_beside_the_packet_are_seen() {
    let packet = SkbPacket {
        linear: &[0; 60],
        length: 60,
        interface: 3,
        mark: 0x1234,
        queue: 5,
        protocol: 0x86dd,
        packet_type: 4,
        tag: Some(100),
        ..SkbPacket::default()
    };
    for text in [
        "link[-4096:4] = 0x86dd",
        "link[-4092:4] = 4",
        "ifindex 3",
        "outbound",
        "link[-4076:4] = 0x1234",
        "link[-4072:4] = 5",
        "link[-4052:4] = 100",
        "link[-4048:4] = 1",
    ] {
        let program = SkbProgram::load(&compile(text).expect(text)).expect(text);
        assert!(program.accepts(&packet).expect("runs"), "{text}");
        let not = format!("not ({text})");
        let program = SkbProgram::load(&compile(&not).expect(text)).expect(text);
        assert!(!program.accepts(&packet).expect("runs"), "{text}");
    }
}
