//! The encoder, byte by byte, and by an independent reader.

use super::*;
use crate::{Flags, FrameInfo};
use std::sync::Arc;

fn ethernet(name: &str) -> Interface {
    Interface {
        name: name.to_owned(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    }
}

fn batch(frames: Vec<FrameInfo>, interfaces: Vec<Interface>) -> Batch {
    Batch::new((0..=255).collect::<Vec<u8>>(), frames, Arc::new(interfaces))
}

#[test]
fn a_plain_frame_is_32_bytes_and_its_data() {
    let mut encoder = Encoder::new(Section::default());
    let mut out = Vec::new();
    encoder.interface(&ethernet("eth0"), &mut out).unwrap();
    out.clear();
    let info = FrameInfo {
        timestamp_ns: 0x0102_0304_0506_0708,
        offset: 16,
        caplen: 5,
        len: 60,
        ..FrameInfo::default()
    };
    encoder
        .batch(&batch(vec![info], vec![ethernet("eth0")]), &mut out)
        .unwrap();
    let expected = [
        6, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 5, 0, 0, 0, 60, 0, 0, 0, 16,
        17, 18, 19, 20, 0, 0, 0, 40, 0, 0, 0,
    ];
    assert_eq!(out, expected);
}

#[test]
fn what_is_known_of_a_frame_becomes_options_before_those_it_came_with() {
    let info = FrameInfo {
        caplen: 4,
        len: 4,
        lost_before: 7,
        queue: Some(3),
        flags: Flags::INBOUND.with(Flags::CHECKSUM_NOT_READY),
        options_offset: 100,
        options_len: 8,
        ..FrameInfo::default()
    };
    let mut encoder = Encoder::new(Section::default());
    let mut out = Vec::new();
    encoder.interface(&ethernet("eth0"), &mut out).unwrap();
    out.clear();
    encoder
        .batch(&batch(vec![info], vec![ethernet("eth0")]), &mut out)
        .unwrap();
    let expected = [
        2, 0, 4, 0, 1, 2, 0, 0, // flags
        4, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0, // dropcount
        6, 0, 4, 0, 3, 0, 0, 0, // queue
        100, 101, 102, 103, 104, 105, 106, 107, // carried
        0, 0, 0, 0, // end
        76, 0, 0, 0,
    ];
    assert_eq!(out[32..], expected);
    assert_eq!(out.len(), 76);
}

#[test]
fn a_new_file_begins_with_the_section_and_the_interfaces_known() {
    let mut encoder = Encoder::new(Section::default());
    let mut first = Vec::new();
    encoder.section(&mut first);
    let table = [ethernet("eth0"), ethernet("eth1")];
    encoder.interfaces(&table, &mut first).unwrap();
    let mut second = Vec::new();
    encoder.section(&mut second);
    encoder.interfaces(&table, &mut second).unwrap();
    assert_eq!(first, second);
    assert!(first.len() > 100);
}

#[test]
fn a_second_link_type_is_refused_and_leaves_no_trace() {
    let mut encoder = Encoder::new(Section::default());
    let mut out = Vec::new();
    encoder.interfaces(&[ethernet("eth0")], &mut out).unwrap();
    let before = out.clone();
    let tun = Interface {
        link_type: LinkType::RAW,
        ..ethernet("tun0")
    };
    let table = [ethernet("eth0"), ethernet("eth1"), tun];
    let error = encoder.interfaces(&table, &mut out).unwrap_err();
    assert!(
        error.to_string().contains("tun0 has link type 101"),
        "{error}"
    );
    assert_eq!(out, before);
    let mut mixed = Encoder::new(Section::default()).with_mixed_link_types(true);
    mixed.interfaces(&table, &mut out).unwrap();
}

#[test]
fn a_long_frame_is_cut_and_an_unknown_interface_replaced() {
    let mut encoder = Encoder::new(Section::default());
    let info = FrameInfo {
        caplen: 300_000,
        len: 300_000,
        interface: 9,
        ..FrameInfo::default()
    };
    let long = Batch::new(
        vec![1; 300_000],
        vec![info],
        Arc::new(vec![ethernet("eth0")]),
    );
    let mut out = Vec::new();
    encoder.interfaces(&long.interfaces, &mut out).unwrap();
    out.clear();
    encoder.batch(&long, &mut out).unwrap();
    assert_eq!(out.len(), 32 + MAX_CAPTURED as usize);
    assert_eq!(out[8..12], [0; 4]);
    assert_eq!(out[20..24], MAX_CAPTURED.to_le_bytes());
    assert_eq!(out[24..28], 300_000_u32.to_le_bytes());
}

#[test]
fn notes_keep_their_place_and_custom_blocks_their_word() {
    let note = |before, block_type| Note {
        before,
        block_type,
        body: vec![1, 2, 3, 4, 5],
    };
    let mut batch = batch(vec![FrameInfo::default(); 2], vec![ethernet("eth0")]);
    batch.notes = vec![note(0, 4), note(1, 0x4000_0bad), note(1, 10), note(2, 77)];
    let mut out = Vec::new();
    let mut encoder = Encoder::new(Section::default());
    encoder.interfaces(&batch.interfaces, &mut out).unwrap();
    out.clear();
    encoder.batch(&batch, &mut out).unwrap();
    let mut types = Vec::new();
    let mut rest = &out[..];
    while let [kind, _, _, _, len, 0, 0, 0, ..] = rest {
        types.push(*kind);
        rest = &rest[usize::from(*len)..];
    }
    assert_eq!(types, [4, 6, 10, 6, 77]);
    assert!(rest.is_empty());

    // Names and secrets hold for the frames of the next file too.
    let mut next = Vec::new();
    encoder.section(&mut next);
    let (names, secrets) = (&out[..20], &next[next.len() - 20..]);
    assert_eq!((names[0], secrets[0]), (4, 10));
    assert_eq!(next[next.len() - 40..next.len() - 20], *names);
}

#[test]
fn one_reservation_is_enough_for_a_batch() {
    let info = FrameInfo {
        caplen: 253,
        len: 253,
        lost_before: 1,
        queue: Some(0),
        flags: Flags::INBOUND,
        options_offset: 0,
        options_len: 16,
        ..FrameInfo::default()
    };
    let batch = batch(vec![info; 50], vec![ethernet("eth0")]);
    let mut encoder = Encoder::new(Section::default());
    let mut out = Vec::new();
    encoder.batch(&batch, &mut out).unwrap();
    assert!(bound(&batch) >= 50 * (28 + 256 + 28 + 16 + 8));
    out.clear();
    let capacity = out.capacity();
    encoder.batch(&batch, &mut out).unwrap();
    assert_eq!(out.capacity(), capacity);
}

#[test]
fn padding_has_the_asked_length_or_is_refused() {
    let mut out = Vec::new();
    assert!(padding(12, &mut out) && padding(4096, &mut out));
    assert_eq!(out.len(), 12 + 4096);
    assert!(!padding(8, &mut out) && !padding(14, &mut out) && !padding(0, &mut out));
}

/// A section, an interface with all options, three frames, padding, statistics.
fn a_file_with_everything() -> Vec<u8> {
    let section = Section {
        hardware: Some("box".to_owned()),
        comments: vec!["one".to_owned(), "two".to_owned()],
        ..Section::default()
    };
    let interface = Interface {
        netns: Some("blue".to_owned()),
        description: Some("uplink".to_owned()),
        mac: Some([2, 0, 0, 0, 0, 1]),
        addresses: vec![
            ("192.0.2.1".parse().unwrap(), 20),
            ("2001:db8::1".parse().unwrap(), 64),
        ],
        speed_bps: Some(1_000_000_000),
        hardware: Some("veth".to_owned()),
        os: Some("linux".to_owned()),
        filter: Some("tcp port 80".to_owned()),
        ..ethernet("eth0")
    };
    let info = FrameInfo {
        timestamp_ns: 1_700_000_000_123_456_789,
        caplen: 7,
        len: 70,
        lost_before: 2,
        queue: Some(5),
        flags: Flags::OUTBOUND,
        ..FrameInfo::default()
    };
    let mut encoder = Encoder::new(section);
    let mut out = Vec::new();
    encoder.section(&mut out);
    encoder
        .batch(&batch(vec![info; 3], vec![interface]), &mut out)
        .unwrap();
    assert!(padding(64, &mut out));
    let statistics = Statistics {
        timestamp_ns: 1_700_000_000_123_456_789,
        start_ns: Some(1),
        received: Some(10),
        delivered: Some(3),
        ..Statistics::default()
    };
    encoder.statistics(&statistics, &mut out);
    out
}

#[test]
fn an_independent_reader_sees_what_was_written() {
    use pcap_file::pcapng::{Block, PcapNgParser};
    let out = a_file_with_everything();
    let (mut rest, mut parser) = PcapNgParser::new(&out).unwrap();
    let mut packets = 0;
    while !rest.is_empty() {
        let (after, block) = parser.next_block(rest).unwrap();
        rest = after;
        match block {
            Block::EnhancedPacket(packet) => {
                packets += 1;
                assert_eq!(packet.data.as_ref(), [0, 1, 2, 3, 4, 5, 6]);
                assert_eq!(packet.original_len, 70);
                let options = format!("{:?}", packet.options);
                // It does not know the queue by name.
                let queue = "Unknown(UnknownOption { code: 6, length: 4, value: [5, 0, 0, 0] })";
                assert_eq!(options, format!("[Flags(2), DropCount(2), {queue}]"));
            }
            Block::InterfaceStatistics(read) => {
                let options = format!("{:?}", read.options);
                assert!(
                    options.contains("IsbIfRecv(10), IsbUsrDeliv(3)"),
                    "{options}"
                );
            }
            _ => {}
        }
    }
    assert_eq!(packets, 3);
    let read = format!("{:?} {:?}", parser.section(), parser.interfaces());
    for part in [
        "Hardware(\"box\")",
        "Comment(\"two\")",
        "IfName(\"eth0@blue\")",
        "IfDescription(\"uplink\")",
        "IfIpv4Addr([192, 0, 2, 1, 255, 255, 240, 0])",
        "IfSpeed(1000000000)",
        "IfTsResol(9)",
        "IfOs(\"linux\")",
        "IfHardware(\"veth\")",
    ] {
        assert!(read.contains(part), "{part} is not in {read}");
    }
}
