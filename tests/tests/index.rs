//! The index at the end of a file, and what is read by it: the same frames as
//! without it, of a small part of the file.

use pktrail::file::{FileSource, Moment, Options, Part};
use pktrail::output::{FileSink, Output};
use pktrail::pcapng::INDEX_BLOCK;
use pktrail::rotation::Rules;
use pktrail::{
    Account, Batch, FrameInfo, Interface, LinkType, Next, Result, Sink, Source, SourceAccount,
};
use pktrail_tests::files::Folder;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const FRAMES: u32 = 40_000;
/// 2026-11-22 10:00 UTC.
const START: u64 = 1_795_341_600_000_000_000;

fn at(number: u32) -> u64 {
    START + u64::from(number) * 1_000_000
}

fn interfaces(count: usize) -> Arc<Vec<Interface>> {
    let interface = |number: usize| Interface {
        name: format!("eth{number}"),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    Arc::new((0..count).map(interface).collect())
}

/// Numbered frames, a millisecond apart; from half of them on there is a second
/// interface.
fn batch(first: u32) -> Batch {
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    let late = first >= FRAMES / 2;
    for number in first..first + 1_000 {
        let offset = bytes.len() as u32;
        bytes.extend([2; 14]);
        bytes.extend(number.to_be_bytes());
        bytes.resize(bytes.len() + 182, 0);
        frames.push(FrameInfo {
            timestamp_ns: at(number),
            offset,
            caplen: 200,
            len: 200,
            interface: u32::from(late),
            ..FrameInfo::default()
        });
    }
    Batch::new(bytes, frames, interfaces(if late { 2 } else { 1 }))
}

fn write(path: &Path, rules: Rules) {
    let mut output = Output::new(path);
    output.interfaces = interfaces(1).to_vec();
    output.rules = rules;
    let mut sink = FileSink::open(output).unwrap();
    for first in (0..FRAMES).step_by(1_000) {
        sink.write(batch(first)).unwrap();
    }
    sink.finish(&Account::default()).unwrap();
}

/// What was read: the numbers, the account, and the bytes that it took.
struct Got {
    numbers: Vec<u32>,
    account: SourceAccount,
    bytes: u64,
}

fn read(mut source: FileSource) -> Result<Got> {
    let mut numbers = Vec::new();
    loop {
        match source.next_batch(Duration::from_secs(1))? {
            Next::Batch(batch) => {
                for frame in batch.iter() {
                    let number = u32::from_be_bytes(*frame.data[14..].first_chunk().unwrap());
                    let name = &batch.interface(frame.info).unwrap().name;
                    let expected = if number < FRAMES / 2 { "eth0" } else { "eth1" };
                    assert_eq!(
                        (name.as_str(), frame.info.timestamp_ns),
                        (expected, at(number))
                    );
                    numbers.push(number);
                }
            }
            Next::End => break,
            _ => {}
        }
    }
    Ok(Got {
        numbers,
        account: source.account()?,
        bytes: source.offset(),
    })
}

fn part(path: &Path, from: u64, to: u64) -> Got {
    let wanted = Part {
        from: Some(Moment::at(from)),
        to: Some(Moment::at(to)),
        flow: None,
    };
    read(FileSource::open_part(path, Options::default(), wanted).unwrap()).unwrap()
}

/// Where the index block begins, if the last block is one.
fn index_at(file: &[u8]) -> Option<usize> {
    let word = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().unwrap());
    let at = file.len() - word(file.len() - 4) as usize;
    (word(at) == INDEX_BLOCK).then_some(at)
}

#[test]
fn a_part_is_found_without_reading_the_rest() {
    let folder = Folder::new("index-part");
    let path = folder.path("a.pcapng");
    write(&path, Rules::default());
    let file = fs::read(&path).unwrap();
    assert!(index_at(&file).is_some());
    let len = file.len() as u64;
    for (from, to) in [
        (0, 1),
        (777, 778),
        (19_990, 20_010),
        (30_000, 33_000),
        (39_999, 50_000),
    ] {
        let got = part(&path, at(from), at(to));
        assert!(
            got.numbers.iter().copied().eq(from..to.min(FRAMES)),
            "{from} to {to}"
        );
        // The account is that of the whole file.
        let filtered = u64::from(FRAMES) - got.numbers.len() as u64;
        assert_eq!(
            (got.account.received, got.account.filtered),
            (FRAMES.into(), filtered)
        );
        assert!(got.bytes < len / 3, "{} of {len} bytes read", got.bytes);
    }
    assert!(part(&path, 0, 1).numbers.is_empty());
    assert!(part(&path, u64::MAX - 1, u64::MAX).numbers.is_empty());
}

#[test]
fn times_of_day_are_of_the_first_packets_day() {
    let folder = Folder::new("index-day");
    let path = folder.path("a.pcapng");
    write(&path, Rules::default());
    let day = |from: u64| Moment::at(from);
    let from = "10:00:05".parse::<Moment>().unwrap();
    // Whatever zone the machine is in, both ways agree.
    let resolved = from.resolve(START);
    let wanted = Part {
        from: Some(from),
        to: Some(day(resolved + 2_000_000_000)),
        flow: None,
    };
    let by_index = FileSource::open_part(&path, Options::default(), wanted).unwrap();
    assert_eq!(by_index.first_ns(), START);
    let whole = FileSource::open(&path, Options::default()).unwrap();
    let by_reading = whole.part(wanted).unwrap();
    assert_eq!(by_reading.first_ns(), START);
    assert_eq!(
        read(by_index).unwrap().numbers,
        read(by_reading).unwrap().numbers
    );
}

#[test]
fn a_damaged_or_absent_index_is_no_harm() {
    let folder = Folder::new("index-damage");
    let path = folder.path("a.pcapng");
    write(&path, Rules::default());
    let whole = fs::read(&path).unwrap();
    let index = index_at(&whole).unwrap();
    let mut flipped = whole.clone();
    flipped[index + 40] ^= 1;
    // The index of another file, on a longer one.
    let mut moved = whole[..index].to_vec();
    moved.extend(0x8050_4144_u32.to_le_bytes());
    moved.extend([12, 0, 0, 0, 12, 0, 0, 0]);
    moved.extend(&whole[index..]);
    // Its offsets do not fit, though its own place does.
    let mut foreign = whole.clone();
    foreign[..index].rotate_right(4 * 50);
    let absent = whole[..index].to_vec();
    for (name, bytes) in [
        ("flipped", &flipped),
        ("moved", &moved),
        ("absent", &absent),
    ] {
        fs::write(&path, bytes).unwrap();
        let got = part(&path, at(30_000), at(31_000));
        assert!(got.numbers.iter().copied().eq(30_000..31_000), "{name}");
        assert_eq!(got.account.received, u64::from(FRAMES), "{name}");
        assert!(got.bytes >= index as u64, "{name}: all of it was read");
    }
    fs::write(&path, &foreign).unwrap();
    let wanted = Part::default();
    assert!(FileSource::open_part(&path, Options::default(), wanted).is_err());
    let cut = &whole[..index + 7];
    fs::write(&path, cut).unwrap();
    let source = FileSource::open_part(&path, Options::default(), wanted).unwrap();
    assert!(read(source).is_err(), "the cut is told as ever");
    assert_eq!(
        pktrail::file::repair(&path).unwrap().kept_frames,
        u64::from(FRAMES)
    );
    assert_eq!(fs::read(&path).unwrap(), absent);
}

#[test]
fn every_file_of_a_rotation_has_its_own_and_copies_make_a_new_one() {
    let folder = Folder::new("index-rotation");
    let rules = Rules {
        packets: Some(15_000),
        ..Rules::default()
    };
    write(&folder.path("r.pcapng"), rules);
    let mut names: Vec<_> = fs::read_dir(folder.root())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3);
    for (number, name) in names.iter().enumerate() {
        assert!(index_at(&fs::read(name).unwrap()).is_some());
        let first = 15_000 * number as u32;
        let got = part(name, at(first + 9_000), at(first + 9_100));
        assert!(got.numbers.iter().copied().eq(first + 9_000..first + 9_100));
    }
    // What is read is not carried into a copy: its offsets would be wrong.
    let mut source = FileSource::open(&names[0], Options::default()).unwrap();
    let copy = folder.path("copy.pcapng");
    let mut sink = FileSink::open(Output::new(&copy)).unwrap();
    while let Next::Batch(batch) = source.next_batch(Duration::ZERO).unwrap() {
        assert!(
            batch
                .notes
                .iter()
                .all(|note| note.block_type != INDEX_BLOCK)
        );
        sink.write(batch).unwrap();
    }
    sink.finish(&Account::default()).unwrap();
    assert_eq!(part(&copy, at(100), at(101)).numbers, [100]);
}

#[test]
fn other_formats_are_read_through() {
    let folder = Folder::new("index-pcap");
    let path = folder.path("a.pcap");
    let mut output = Output::new(&path);
    output.format = pktrail::output::Format::pcap(pktrail::pcap::Precision::Nano, 0);
    let mut sink = FileSink::open(output).unwrap();
    sink.write(batch(0)).unwrap();
    sink.finish(&Account::default()).unwrap();
    let wanted = Part {
        from: Some(Moment::at(at(500))),
        to: Some(Moment::at(at(510))),
        flow: None,
    };
    let mut source = FileSource::open_part(&path, Options::default(), wanted).unwrap();
    let mut count = 0;
    while let Next::Batch(batch) = source.next_batch(Duration::ZERO).unwrap() {
        count += batch.frames.len();
    }
    assert_eq!(count, 10);
}
