//! Files that are compressed while they are written: what goes in comes out, in
//! order, and what is cut is read up to its last whole piece.

use pktrail::file::{FileSource, Options};
use pktrail::output::{Compression, FileSink, Format, Output};
use pktrail::pcap::Precision;
use pktrail::rotation::Rules;
use pktrail::{
    Account, Batch, ErrorKind, FrameInfo, Interface, LinkType, Next, Result, Sink, Source,
};
use pktrail_tests::files::Folder;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const ALL: [Compression; 3] = [
    Compression::Zstandard(1),
    Compression::Zstandard(5),
    Compression::Gzip(1),
];

fn batch(numbers: std::ops::Range<u32>) -> Batch {
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    for number in numbers {
        let offset = bytes.len() as u32;
        bytes.extend(number.to_be_bytes());
        // Not all the same, so that pieces take different times.
        bytes.extend((0..496_u32).map(|at| (at.wrapping_mul(number) >> (number % 9)) as u8));
        frames.push(FrameInfo {
            timestamp_ns: 1_700_000_000_000_000_000 + u64::from(number),
            offset,
            caplen: 500,
            len: 500,
            ..FrameInfo::default()
        });
    }
    let interface = Interface {
        name: "eth0".into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    Batch::new(bytes, frames, Arc::new(vec![interface]))
}

fn output(path: &Path, compression: Compression) -> Output {
    Output {
        compression: Some(compression),
        ..Output::new(path)
    }
}

/// The numbers in a file, and how reading it ended.
fn numbers(path: &Path) -> (Vec<u32>, Result<()>) {
    let mut numbers = Vec::new();
    let mut source = match FileSource::open(path, Options::default()) {
        Ok(source) => source,
        Err(error) => return (numbers, Err(error)),
    };
    loop {
        match source.next_batch(Duration::from_secs(1)) {
            Ok(Next::Batch(batch)) => {
                let number = |frame: pktrail::Frame<'_>| *frame.data.first_chunk().unwrap();
                numbers.extend(batch.iter().map(number).map(u32::from_be_bytes));
            }
            Ok(Next::End) => return (numbers, Ok(())),
            Ok(_) => {}
            Err(error) => return (numbers, Err(error)),
        }
    }
}

#[test]
fn what_goes_in_comes_out_in_order() {
    let folder = Folder::new("compress-order");
    for compression in ALL {
        for format in [Format::default(), Format::pcap(Precision::Nano, 0)] {
            let path = folder.path("a");
            let mut sink = FileSink::open(Output {
                format,
                packet_buffered: true,
                ..output(&path, compression)
            })
            .unwrap();
            // Pieces of many sizes: the small ones are done first.
            let (mut first, mut len) = (0, 1);
            while first < 20_000 {
                sink.write(batch(first..first + len)).unwrap();
                first += len;
                len = (len * 7) % 1_999;
            }
            sink.finish(&Account::default()).unwrap();
            assert_eq!((sink.losses().total(), sink.surplus()), (0, 0));
            let (found, end) = numbers(&path);
            assert!(end.is_ok(), "{compression:?}: {end:?}");
            assert!(found.iter().copied().eq(0..first), "{compression:?}");
        }
    }
}

#[test]
fn at_every_cut_the_whole_pieces_before_it_are_read() {
    let folder = Folder::new("compress-cut");
    for compression in ALL {
        let path = folder.path("a.pcapng");
        let mut sink = FileSink::open(Output {
            packet_buffered: true,
            ..output(&path, compression)
        })
        .unwrap();
        for piece in 0..20 {
            sink.write(batch(10 * piece..10 * piece + 10)).unwrap();
            // Pieces that wait are compressed together.
            std::thread::sleep(Duration::from_millis(20));
        }
        sink.finish(&Account::default()).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut most = 0;
        for cut in (whole.len() / 10..whole.len()).step_by(whole.len() / 40) {
            fs::write(&path, &whole[..cut]).unwrap();
            let (found, _) = numbers(&path);
            assert!(found.iter().copied().eq(0..found.len() as u32));
            assert!(found.len() >= most, "a longer file holds no less");
            most = found.len();
            // At most one piece of about a twentieth is missing.
            let at_least = (200 * cut / whole.len()).saturating_sub(60);
            assert!(
                most >= at_least,
                "{compression:?}: {most} of {at_least} at {cut}"
            );
        }
        assert!(most > 150);
    }
}

#[test]
fn rotation_counts_what_goes_in_and_the_log_what_is_there() {
    let folder = Folder::new("compress-rotation");
    let log = folder.path("log");
    let rules = Rules {
        packets: Some(1_000),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        file_log: Some(log.clone()),
        ..output(&folder.path("r.pcapng.zst"), Compression::Zstandard(1))
    })
    .unwrap();
    for first in (0..3_500).step_by(500) {
        sink.write(batch(first..first + 500)).unwrap();
    }
    sink.finish(&Account::default()).unwrap();
    let mut from = 0;
    for line in fs::read_to_string(&log).unwrap().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = Path::new(record["file"].as_str().unwrap());
        assert_eq!(record["bytes"], fs::metadata(path).unwrap().len());
        let (found, end) = numbers(path);
        assert!(end.is_ok());
        assert_eq!(record["packets"], found.len());
        let to = from + found.len() as u32;
        assert!(found.iter().copied().eq(from..to));
        from = to;
    }
    assert_eq!(from, 3_500);
}

#[test]
fn a_full_disk_is_told_and_counted() {
    let mut sink = FileSink::open(output(Path::new("/dev/full"), Compression::Gzip(1))).unwrap();
    let (mut taken, mut error) = (0, None);
    for first in (0..100_000).step_by(1_000) {
        taken += 1_000;
        if let Err(met) = sink.write(batch(first..first + 1_000)) {
            error = Some(met);
            break;
        }
    }
    assert_eq!(error.expect("no room").kind(), ErrorKind::DiskFull);
    assert_eq!(sink.losses().disk, taken);
}
