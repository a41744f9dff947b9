//! The files of tests/corpus/read: what each gives, and how its damage is named. Needs nothing.

use pktrail::file::{FileSource, Options, examine};
use pktrail::{Next, Result, Source};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A file, its frames, and a part of the error it ends with; empty if sound.
const FILES: &[(&str, u64, &str)] = &[
    (
        "cut.pcapng",
        1,
        "block 6 (enhanced packet, type 6) at offset 448: the file is cut",
    ),
    ("every-block-big.pcapng", 5, ""),
    ("every-block-little.pcapng", 5, ""),
    ("kuznetzov.pcap", 1, ""),
    (
        "long-block.pcapng",
        0,
        "block 4 (enhanced packet, type 6) at offset 276: its length is",
    ),
    (
        "long-option.pcapng",
        1,
        "block 4 (enhanced packet, type 6) at offset 84: its option 1 is",
    ),
    (
        "long-record.pcap",
        1,
        "packet record 2 at offset 45: it says that 2147483647 bytes",
    ),
    ("micro-big.pcap", 3, ""),
    ("micro-little.pcap", 3, ""),
    ("nano-big.pcap", 1, ""),
    (
        "no-interface.pcapng",
        0,
        "block 2 (enhanced packet, type 6) at offset 28: it is of interface 0",
    ),
    (
        "no-magic.pcapng",
        1,
        "block 4 (section header, type 0x0a0d0d0a) at offset 84: the byte-order",
    ),
    (
        "two-lengths.pcapng",
        0,
        "block 4 (enhanced packet, type 6) at offset 276: its length is 124",
    ),
    (
        "version-2.pcapng",
        0,
        "block 1 (section header, type 0x0a0d0d0a) at offset 0: pcapng version 2",
    ),
    (
        "zeros.pcapng",
        1,
        "block 6 at offset 448: only zeros are there",
    ),
];

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/read"))
}

/// How many frames come, and how it ends.
fn read(name: &str) -> (u64, Result<()>) {
    let mut frames = 0;
    let mut source = match FileSource::open(corpus().join(name), Options::default()) {
        Ok(source) => source,
        Err(error) => return (0, Err(error)),
    };
    loop {
        match source.next_batch(Duration::ZERO) {
            Ok(Next::Batch(batch)) => frames += batch.frames.len() as u64,
            Ok(_) => return (frames, Ok(())),
            Err(error) => return (frames, Err(error)),
        }
    }
}

#[test]
fn each_file_gives_its_frames_and_names_its_damage() {
    for (name, frames, damage) in FILES {
        let (count, end) = read(name);
        assert_eq!(count, *frames, "{name}");
        match end {
            Ok(()) => assert!(damage.is_empty(), "{name} is damaged"),
            Err(error) => {
                let text = format!("{error:#}");
                assert!(
                    !damage.is_empty() && text.contains(damage),
                    "{name}: {text}"
                );
                assert!(text.contains(name), "{text}");
            }
        }
    }
}

#[test]
fn examining_finds_the_same_frames() {
    for (name, frames, damage) in FILES {
        let Ok(found) = examine(corpus().join(name)) else {
            assert_eq!(*name, "version-2.pcapng");
            continue;
        };
        assert_eq!(found.kept_frames, *frames, "{name}");
        assert_eq!(found.reason.is_none(), damage.is_empty(), "{name}");
        assert_eq!(found.cut_bytes == 0, damage.is_empty(), "{name}");
    }
}

#[test]
fn every_file_has_its_row() {
    let names = fs::read_dir(corpus()).expect("the corpus is there");
    let there: BTreeSet<String> = names
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a plain name")
        })
        .filter(|name| name != "README.md")
        .collect();
    let listed = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(there, listed);
}
