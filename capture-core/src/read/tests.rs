//! The reader against sound files of both formats and orders, and against
//! every kind of damage to them.

use super::sample::Sample;
use super::*;
use crate::{Flags, LinkType, pcapng};

/// A frame, with what matters of it and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    info: FrameInfo,
    data: Vec<u8>,
    options: Vec<u8>,
}

/// All frames and notes, and how the input ended.
struct Outcome {
    frames: Vec<Seen>,
    notes: Vec<Note>,
    interfaces: Vec<Interface>,
    sections: Vec<Section>,
    end: Result<()>,
}

fn take(batch: &Batch, outcome: &mut Outcome) {
    let seen = |frame: crate::Frame<'_>| Seen {
        // Where the bytes lie is the reader's business.
        info: FrameInfo {
            offset: 0,
            options_offset: 0,
            ..*frame.info
        },
        data: frame.data.to_vec(),
        options: frame.options.to_vec(),
    };
    let before = outcome.frames.len();
    outcome.frames.extend(batch.iter().map(seen));
    outcome
        .notes
        .extend(batch.notes.iter().cloned().map(|mut note| {
            note.before += before;
            note
        }));
    for frame in batch.iter() {
        assert_eq!(frame.data.len(), frame.info.caplen as usize);
        assert_eq!(frame.options.len(), frame.info.options_len as usize);
    }
}

fn read(bytes: &[u8]) -> Outcome {
    let mut reader = Reader::new();
    let mut input = bytes;
    let mut outcome = Outcome {
        frames: Vec::new(),
        notes: Vec::new(),
        interfaces: Vec::new(),
        sections: Vec::new(),
        end: Ok(()),
    };
    outcome.end = loop {
        match reader.batch_from(&mut input) {
            Ok(Some(batch)) => take(&batch, &mut outcome),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(reader.frames(), outcome.frames.len() as u64);
    assert!(
        matches!(reader.batch_from(&mut input), Ok(None)),
        "it ends once"
    );
    outcome.interfaces = reader.interfaces().to_vec();
    outcome.sections = reader.sections().to_vec();
    outcome
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    Sample::new(Order::Little).option(code, value)
}

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

#[test]
fn every_block_type_is_read_in_either_byte_order() {
    for order in ORDERS {
        let outcome = read(&Sample::everything(order).bytes);
        outcome.end.unwrap();
        let data: Vec<_> = outcome.frames.iter().map(|frame| &frame.data[..]).collect();
        let expected: [&[u8]; 5] = [b"abcde", b"abcd", b"simpl", b"old", b"last"];
        assert_eq!(data, expected);
        let first = &outcome.frames[0];
        assert_eq!(first.info.timestamp_ns, 1_700_000_000_123_456_789);
        assert_eq!(first.info.flags, Flags(0x205));
        assert_eq!((first.info.lost_before, first.info.queue), (7, Some(3)));
        assert_eq!((first.info.caplen, first.info.len), (5, 105));
        let options = [
            option(1, b"first"),
            option(5, &0x1122_3344_5566_7788_u64.to_le_bytes()),
            option(1, b"second one"),
            option(2988, &[&32473_u32.to_le_bytes()[..], b"text"].concat()),
        ];
        assert_eq!(first.options, options.concat());
        assert_eq!(
            outcome.frames[1].info.timestamp_ns,
            1_700_000_001_000_001_000
        );
        let old = 0x0006_0a24_1000_0000_u64 * 1000;
        assert_eq!(outcome.frames[3].info.timestamp_ns, old);
        assert_eq!(outcome.frames[3].info.lost_before, 4);
        let places: Vec<_> = outcome
            .frames
            .iter()
            .map(|frame| frame.info.interface)
            .collect();
        assert_eq!(places, [0, 1, 0, 1, 2]);
        // 1.5 s in units of 2^-20 s, and an offset of 1000 s.
        assert_eq!(outcome.frames[4].info.timestamp_ns, 1_001_500_000_000);
    }
}

#[test]
fn interfaces_and_sections_say_what_the_file_says() {
    for order in ORDERS {
        let outcome = read(&Sample::everything(order).bytes);
        let eth0 = Interface {
            name: "eth0".to_owned(),
            description: Some("uplink".to_owned()),
            link_type: LinkType::ETHERNET,
            snaplen: 262_144,
            mac: Some([2, 0, 0, 0, 0, 1]),
            addresses: vec![
                ("192.0.2.1".parse().unwrap(), 24),
                ("2001::".parse().unwrap(), 64),
            ],
            speed_bps: Some(10_000_000_000),
            hardware: Some("e1000".to_owned()),
            os: Some("linux".to_owned()),
            filter: Some("tcp port 80".to_owned()),
            options: [
                option(10, &[7, 0, 0, 0]),
                option(13, &[4]),
                option(1, "läuft".as_bytes()),
            ]
            .concat(),
            ..Interface::default()
        };
        assert_eq!(outcome.interfaces[0], eth0);
        assert_eq!(outcome.interfaces[1].name, "eth1");
        assert_eq!(outcome.interfaces[2].link_type, LinkType::RAW);
        let section = Section {
            hardware: Some("box".to_owned()),
            os: Some("os 1".to_owned()),
            application: Some("app".to_owned()),
            comments: vec!["läuft".to_owned()],
        };
        assert_eq!(outcome.sections, [section, Section::default()]);
    }
}

#[test]
fn notes_come_in_order_and_little_endian() {
    let little = read(&Sample::everything(Order::Little).bytes);
    let big = read(&Sample::everything(Order::Big).bytes);
    assert_eq!(little.notes, big.notes);
    let places: Vec<_> = little
        .notes
        .iter()
        .map(|note| (note.before, note.block_type))
        .collect();
    assert_eq!(places, [(1, 4), (2, 10), (4, 0xbad), (4, 0x4bcd), (4, 5)]);
    let statistics = &little.notes[4].body;
    assert_eq!(statistics[..4], [1, 0, 0, 0]);
    // The times were microseconds.
    let ns = 0x0006_0a24_1000_0000_u64 * 1000;
    assert_eq!(statistics[4..8], ((ns >> 32) as u32).to_le_bytes());
    assert_eq!(statistics[8..12], (ns as u32).to_le_bytes());
    assert_eq!(statistics[12..24], option(4, &1000_u64.to_le_bytes()));
    assert_eq!(statistics[24..36], option(2, &[0, 0, 0, 0, 0xe8, 3, 0, 0]));
}

#[test]
fn what_is_read_and_written_again_says_the_same() {
    for order in ORDERS {
        let sample = Sample::everything(order);
        let before = read(&sample.bytes);
        let mut reader = Reader::new();
        let mut encoder =
            pcapng::Encoder::new(before.sections[0].clone()).with_mixed_link_types(true);
        let mut out = Vec::new();
        encoder.section(&mut out);
        let mut input = &sample.bytes[..];
        while let Some(batch) = reader.batch_from(&mut input).unwrap() {
            encoder.batch(&batch, &mut out).unwrap();
        }
        let after = read(&out);
        after.end.unwrap();
        assert_eq!(after.frames, before.frames);
        assert_eq!(after.notes, before.notes);
        assert_eq!(after.sections, before.sections[..1]);
        for (after, before) in after.interfaces.iter().zip(&before.interfaces) {
            assert_eq!(after.snaplen, 262_144);
            assert_eq!(
                *after,
                Interface {
                    snaplen: 262_144,
                    ..before.clone()
                }
            );
        }
    }
}

#[test]
fn pcap_is_read_in_either_order_and_every_variant() {
    for order in ORDERS {
        for (magic, unit, more) in [
            (0xa1b2_c3d4, 1_000, &[][..]),
            (0xa1b2_3c4d, 1, &[]),
            (0xa1b2_cd34, 1_000, &[0, 0, 0, 1, 8, 0, 4, 0]),
        ] {
            let mut sample = Sample::new(order);
            // Four bytes of frame check sequence.
            sample.pcap_header(magic, 65_535, 1 | 1 << 26 | 2 << 28);
            sample.pcap_record(1_700_000_000, 999_999, more, b"data");
            let outcome = read(&sample.bytes);
            outcome.end.unwrap();
            assert_eq!(outcome.frames.len(), 1);
            let frame = &outcome.frames[0];
            assert_eq!(
                frame.info.timestamp_ns,
                1_700_000_000_000_000_000 + 999_999 * unit
            );
            assert_eq!((&frame.data[..], frame.info.len), (&b"data"[..], 104));
            let sent = if more.is_empty() {
                Flags(0)
            } else {
                Flags::OUTBOUND
            };
            assert_eq!(frame.info.flags, sent);
            assert_eq!(outcome.interfaces[0].link_type, LinkType::ETHERNET);
            assert_eq!(outcome.interfaces[0].options, option(13, &[32]));
        }
    }
}

/// The blocks whole within the first `len` bytes.
fn whole(sample: &Sample, len: usize) -> usize {
    let ends = sample
        .starts
        .iter()
        .skip(1)
        .copied()
        .chain([sample.bytes.len()]);
    ends.filter(|end| *end <= len).count()
}

#[test]
fn a_file_cut_at_any_byte_gives_its_whole_frames_and_names_the_cut() {
    for order in ORDERS {
        for (sample, word) in [
            (Sample::everything(order), "block"),
            (Sample::pcap(order), "packet record"),
        ] {
            let all = read(&sample.bytes);
            for len in 0..sample.bytes.len() {
                let outcome = read(&sample.bytes[..len]);
                assert_eq!(outcome.frames, all.frames[..outcome.frames.len()]);
                let blocks = whole(&sample, len);
                if blocks > 0 && sample.starts[blocks] == len {
                    outcome.end.unwrap();
                    continue;
                }
                let error = outcome.end.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged);
                if len >= 24 {
                    let number = if word == "block" { blocks + 1 } else { blocks };
                    let place = format!("{word} {number}");
                    let offset = format!("at offset {}: the file is cut", sample.starts[blocks]);
                    let text = error.to_string();
                    assert!(
                        text.contains(&place) && text.contains(&offset),
                        "{len}: {text}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_false_length_is_named_and_costs_no_frame_before_it() {
    for order in ORDERS {
        for (sample, word) in [
            (Sample::everything(order), "block"),
            (Sample::pcap(order), "packet record"),
        ] {
            let all = read(&sample.bytes);
            for &(place, block) in &sample.lengths {
                let true_length = order.u32(&sample.bytes, place);
                let false_ones = [
                    0,
                    1,
                    3,
                    4,
                    true_length.wrapping_sub(4),
                    true_length + 4,
                    true_length + 1,
                    0x0100_0000,
                    0x7fff_fffc,
                    u32::MAX,
                ];
                for length in false_ones {
                    let mut bytes = sample.bytes.clone();
                    bytes[place..place + 4].copy_from_slice(&sample.n32(length));
                    let outcome = read(&bytes);
                    let before = read(&bytes[..sample.starts[block]]).frames;
                    assert_eq!(outcome.frames[..before.len()], before, "frames before");
                    assert_eq!(before, all.frames[..before.len()]);
                    let number = if word == "block" { block + 1 } else { block };
                    let named = outcome.end.as_ref().is_err_and(|error| {
                        let text = error.to_string();
                        text.contains(&format!("{word} {number} "))
                            || text.contains(&format!("{word} {number}:"))
                    });
                    // A length that is given once and still fits cannot be told
                    // from a true one: a captured length too short in a block,
                    // any that leads to something like a record in pcap.
                    let once = word == "packet record"
                        || place == sample.starts[block] + 20 && length <= true_length + 4;
                    assert!(
                        named || once,
                        "{order:?} {place} {length}: {:?}",
                        outcome.end
                    );
                }
            }
        }
    }
}

#[test]
fn any_false_number_costs_no_frame_before_it() {
    // Lengths of options, records and secrets, captured and original lengths,
    // interface numbers: whatever a number at an even place is.
    for order in ORDERS {
        for sample in [Sample::everything(order), Sample::pcap(order)] {
            let all = read(&sample.bytes).frames;
            let starts = sample.starts.iter().copied();
            let mut before: Vec<(usize, usize)> = starts
                .map(|start| (start, read(&sample.bytes[..start]).frames.len()))
                .collect();
            before.reverse();
            for place in (0..sample.bytes.len() - 3).step_by(2) {
                let first = before.iter().find(|(start, _)| *start <= place);
                let safe = first.map_or(0, |(_, frames)| *frames);
                let number = order.u16(&sample.bytes, place);
                for false_one in [
                    0,
                    1,
                    3,
                    number ^ 4,
                    number.wrapping_add(1),
                    0x7fff,
                    u16::MAX,
                ] {
                    let mut bytes = sample.bytes.clone();
                    bytes[place..place + 2].copy_from_slice(&sample.n16(false_one));
                    let outcome = read(&bytes);
                    assert_eq!(outcome.frames[..safe], all[..safe], "{order:?} {place}");
                }
            }
        }
    }
}

#[test]
fn damage_in_either_format_never_panics() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    let samples: Vec<_> = ORDERS
        .iter()
        .flat_map(|order| [Sample::everything(*order), Sample::pcap(*order)])
        .collect();
    let mut failed = 0;
    for round in 0..40_000 {
        let mut bytes = samples[round % samples.len()].bytes.clone();
        for _ in 0..=next() % 3 {
            let place = next() % bytes.len();
            bytes[place] = match next() % 4 {
                0 => 0,
                1 => 0xff,
                2 => bytes[place] ^ 1 << (next() % 8),
                _ => next() as u8,
            };
        }
        let outcome = read(&bytes);
        failed += usize::from(outcome.end.is_err());
        // What was read can be written and read again.
        let mut out = Vec::new();
        let mut encoder = pcapng::Encoder::new(Section::default()).with_mixed_link_types(true);
        encoder.section(&mut out);
        let mut reader = Reader::new();
        reader.push(&bytes);
        while let Ok(Some(batch)) = reader.next_batch() {
            encoder.batch(&batch, &mut out).unwrap();
        }
        let again = read(&out);
        again.end.unwrap();
        assert_eq!(again.frames, outcome.frames);
    }
    assert!(failed > 10_000, "{failed}");
}

/// An endless input that counts what is asked of it.
struct Endless {
    start: Vec<u8>,
    given: usize,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *out {
            *byte = self.start.get(self.given).copied().unwrap_or(0x55);
            self.given += 1;
        }
        Ok(out.len())
    }
}

#[test]
fn a_false_length_cannot_make_the_reader_hold_more_than_a_block() {
    for order in ORDERS {
        for length in [
            MAX_BLOCK as u32,
            MAX_BLOCK as u32 + 4,
            0x7fff_fffc,
            u32::MAX - 3,
        ] {
            let mut sample = Sample::everything(order);
            let start = sample.bytes.len();
            sample.packet(0, 0, b"x", &[]);
            let false_length = sample.n32(length);
            sample.bytes[start + 4..start + 8].copy_from_slice(&false_length);
            sample.bytes.truncate(start + 30);
            let mut input = Endless {
                start: sample.bytes,
                given: 0,
            };
            let mut reader = Reader::new();
            let error = loop {
                match reader.batch_from(&mut input) {
                    Ok(batch) => assert!(batch.is_some()),
                    Err(error) => break error,
                }
                assert!(reader.buffer.capacity() <= MAX_BLOCK + 4 * CHUNK);
            };
            assert!(reader.buffer.capacity() <= MAX_BLOCK + 4 * CHUNK);
            assert!(input.given <= MAX_BLOCK + 4 * CHUNK, "{}", input.given);
            assert!(
                error.to_string().contains(&format!("at offset {start}")),
                "{error}"
            );
        }
    }
}

#[test]
fn a_length_that_is_only_a_claim_takes_no_memory() {
    let mut sample = Sample::everything(Order::Little);
    let start = sample.bytes.len();
    sample.block(77, &[b"short"]);
    sample.bytes[start + 4..start + 8].copy_from_slice(&(MAX_BLOCK as u32).to_le_bytes());
    let mut reader = Reader::new();
    let mut input = &sample.bytes[..];
    while let Ok(Some(_)) = reader.batch_from(&mut input) {}
    assert!(
        reader.buffer.capacity() <= 2 * CHUNK,
        "{}",
        reader.buffer.capacity()
    );
}

#[test]
fn frames_arrive_however_the_bytes_are_cut_into_pieces() {
    let sample = Sample::everything(Order::Little);
    let all = read(&sample.bytes).frames;
    for piece in [1, 2, 7, 64, 1000] {
        let mut reader = Reader::new();
        let mut count = 0;
        for bytes in sample.bytes.chunks(piece) {
            reader.push(bytes);
            while let Some(batch) = reader.next_batch().unwrap() {
                for frame in batch.iter() {
                    assert_eq!(frame.data, all[count].data);
                    count += 1;
                }
            }
        }
        reader.end().unwrap();
        assert_eq!(count, all.len());
        assert_eq!(reader.offset(), sample.bytes.len() as u64);
        assert_eq!(reader.blocks(), sample.starts.len() as u64);
    }
}

#[test]
fn large_files_come_in_batches_and_their_frames_where_they_were() {
    let mut sample = Sample::new(Order::Little);
    sample.section(&[]);
    sample.interface(1, 0, &sample.option(9, &[9]));
    for number in 0..4000_u32 {
        sample.packet(0, u64::from(number), &[number as u8; 1500], &[]);
    }
    let mut reader = Reader::new();
    let mut input = &sample.bytes[..];
    let mut frames = 0;
    let mut batches = 0;
    while let Some(batch) = reader.batch_from(&mut input).unwrap() {
        batches += 1;
        let bytes = batch.blocks[0].bytes();
        assert!(bytes.len() <= CHUNK + 1600);
        for frame in batch.iter() {
            assert_eq!(frame.info.timestamp_ns, frames);
            assert!(bytes.as_ptr_range().contains(&frame.data.as_ptr()));
            assert!(frame.data.iter().all(|byte| *byte == frames as u8));
            frames += 1;
        }
    }
    assert_eq!(frames, 4000);
    assert!((6..=9).contains(&batches), "{batches}");
}

#[test]
fn blocks_that_give_nothing_hide_neither_frames_nor_damage() {
    let mut sample = Sample::new(Order::Little);
    sample.section(&[]);
    sample.interface(1, 0, &[]);
    let padding = vec![0; MAX_BATCH + 4];
    sample.block(0x8050_4144, &[&padding]);
    sample.block(0x8050_4144, &[&padding]);
    let mut reader = Reader::new();
    reader.push(&sample.bytes);
    assert!(reader.next_batch().unwrap().is_none());
    reader.end().unwrap();

    sample.packet(0, 0, b"frame", &[]);
    let mut reader = Reader::new();
    reader.push(&sample.bytes);
    assert_eq!(reader.next_batch().unwrap().unwrap().frames.len(), 1);
    assert!(reader.next_batch().unwrap().is_none());
    reader.end().unwrap();

    let mut sample = Sample::new(Order::Little);
    sample.section(&[]);
    sample.packet(0, 0, b"of no interface", &[]);
    let mut reader = Reader::new();
    reader.push(&sample.bytes);
    let error = reader
        .next_batch()
        .map(|batch| batch.is_some())
        .unwrap_err();
    assert!(error.to_string().contains("block 2"), "{error}");
    assert!(reader.next_batch().unwrap().is_none());
    reader.end().unwrap();
}

#[test]
fn zeros_at_the_end_are_named_or_waited_out() {
    for sample in [Sample::everything(Order::Little), Sample::pcap(Order::Big)] {
        let mut bytes = sample.bytes.clone();
        bytes.resize(bytes.len() + 100, 0);
        let error = read(&bytes).end.unwrap_err();
        assert!(error.to_string().contains("only zeros"), "{error}");

        let mut reader = Reader::new().following();
        reader.push(&bytes);
        while reader.next_batch().unwrap().is_some() {}
        assert_eq!(reader.reread(), Some(sample.bytes.len() as u64));
        assert_eq!(reader.reread(), None);
        reader.end().unwrap();
    }
}

#[test]
fn what_is_no_capture_file_is_said_so() {
    for (bytes, hint) in [
        (&b""[..], "empty"),
        (b"\x0a\x0d", "0a 0d"),
        (b"snoop\0\0\0\0\0\0\x02", "snoop"),
        (b"GMBU\x00\x02", "Network Monitor"),
        (&[0; 64], "never written"),
        (b"#!/bin/sh\n", "neither pcap nor pcapng"),
    ] {
        let error = read(bytes).end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.to_string().contains(hint), "{error}");
    }
    let mut sample = Sample::pcap(Order::Little);
    sample.bytes[4] = 9;
    let error = read(&sample.bytes).end.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }));
}
