//! The file source and the repair of files, on files made here.

use super::*;
use crate::{FrameInfo, LinkType, pcap};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("pktrail-file-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbered frames of 100 bytes on one interface.
fn batch(count: u64) -> Batch {
    let mut bytes = Vec::new();
    let mut frames = Vec::new();
    for number in 0..count {
        frames.push(FrameInfo {
            timestamp_ns: 1_700_000_000_000_000_000 + number * 1000,
            offset: bytes.len() as u32,
            caplen: 100,
            len: 100,
            ..FrameInfo::default()
        });
        bytes.extend([number as u8; 100]);
    }
    let interface = Interface {
        name: "eth0".to_owned(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    Batch::new(bytes, frames, Arc::new(vec![interface]))
}

fn pcapng_bytes(count: u64) -> Vec<u8> {
    let section = pcapng::Section {
        os: Some("test".to_owned()),
        ..pcapng::Section::default()
    };
    let mut encoder = pcapng::Encoder::new(section);
    let mut out = Vec::new();
    encoder.section(&mut out);
    encoder.batch(&batch(count), &mut out).unwrap();
    out
}

fn pcap_bytes(count: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = pcap::Encoder::new(pcap::Precision::Nano, 0);
    encoder.batch(&batch(count), &mut out).unwrap();
    out
}

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(10);

/// Frames until the end, which checks their numbers and bytes.
fn frames(source: &mut FileSource) -> Result<u64> {
    let mut count = 0;
    loop {
        match source.next_batch(LONG)? {
            Next::Batch(batch) => count = check(&batch, count),
            Next::End => break,
            _ => panic!("nothing came in time"),
        }
    }
    assert_eq!(source.account()?.received, count);
    Ok(count)
}

fn check(batch: &Batch, mut count: u64) -> u64 {
    for frame in batch.iter() {
        assert_eq!(
            frame.info.timestamp_ns,
            1_700_000_000_000_000_000 + count * 1000
        );
        assert_eq!(frame.data, [count as u8; 100]);
        count += 1;
    }
    count
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_size(lz4_flex::frame::BlockSize::Max64KB)
        .content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;

const COMPRESSORS: [(&str, Compress); 3] = [("gzip", gzip), ("Zstandard", zst), ("LZ4", lz4)];

#[test]
fn both_formats_are_read_and_the_interfaces_known_at_once() {
    let folder = Folder::new();
    for (bytes, format) in [
        (pcapng_bytes(5000), Format::Pcapng),
        (pcap_bytes(5000), Format::Pcap),
    ] {
        let path = folder.file("a", &bytes);
        let mut source = FileSource::open(&path, Options::default()).unwrap();
        assert_eq!(source.interfaces()[0].link_type, LinkType::ETHERNET);
        assert_eq!(source.format(), Some(format));
        assert_eq!(source.account().unwrap().received, 0);
        if format == Format::Pcapng {
            assert_eq!(source.sections()[0].os.as_deref(), Some("test"));
        }
        assert_eq!(frames(&mut source).unwrap(), 5000);
        assert!(matches!(source.next_batch(SHORT), Ok(Next::End)));
    }
}

#[test]
fn compressed_files_are_known_by_content_in_one_piece_or_several() {
    let folder = Folder::new();
    let bytes = pcapng_bytes(5000);
    let (first, second) = bytes.split_at(200_001);
    for (name, compress) in COMPRESSORS {
        let several = [compress(first), compress(b""), compress(second)].concat();
        for compressed in [compress(&bytes), several] {
            let path = folder.file("no-suffix", &compressed);
            let mut source = FileSource::open(&path, Options::default()).unwrap();
            let progress = source.progress();
            assert_eq!(frames(&mut source).unwrap(), 5000, "{name}");
            assert_eq!(progress.read_bytes(), compressed.len() as u64, "{name}");
            let piped = Box::new(io::Cursor::new(compressed));
            let mut source = FileSource::from_reader(piped, "pipe").unwrap();
            assert_eq!(frames(&mut source).unwrap(), 5000, "{name} in a pipe");
        }
    }
}

#[test]
fn a_cut_compressed_file_gives_its_frames_and_then_says_so() {
    let folder = Folder::new();
    for (name, compress) in COMPRESSORS {
        let mut noisy = batch(5000);
        // Compressible only a little, so that the cut is in the middle.
        let mut state = 1_u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(500_000)
        .collect();
        noisy.blocks = vec![Arc::new(bytes)];
        let mut out = Vec::new();
        let mut encoder = pcapng::Encoder::new(pcapng::Section::default());
        encoder.section(&mut out);
        encoder.batch(&noisy, &mut out).unwrap();
        let compressed = compress(&out);
        let path = folder.file("cut", &compressed[..compressed.len() / 2]);
        let mut source = FileSource::open(&path, Options::default()).unwrap();
        let mut count = 0;
        let error = loop {
            match source.next_batch(LONG) {
                Ok(Next::Batch(batch)) => count += batch.frames.len(),
                Ok(_) => panic!("{name}: no error"),
                Err(error) => break error,
            }
        };
        assert!(count > 1000, "{name}: {count}");
        assert_eq!(error.kind(), crate::ErrorKind::Damaged, "{error:#}");
        assert!(error.to_string().contains("cannot read"), "{error}");
        assert!(matches!(source.next_batch(SHORT), Ok(Next::End)));
    }
}

#[test]
fn a_pipe_is_waited_for_and_gives_what_came() {
    let bytes = pcapng_bytes(10);
    let (reader, mut writer) = io::pipe().unwrap();
    let mut source = FileSource::from_reader(Box::new(reader), "pipe").unwrap();
    assert!(!source.prime(SHORT).unwrap());
    assert!(matches!(
        source.next_batch(SHORT),
        Ok(Next::Idle {
            complete_until_ns: 0
        })
    ));
    // All but the last bytes of the last block.
    writer.write_all(&bytes[..bytes.len() - 5]).unwrap();
    while !source.prime(LONG).unwrap() {}
    assert_eq!(source.interfaces()[0].name, "eth0");
    let mut count = 0;
    while count < 9 {
        if let Next::Batch(batch) = source.next_batch(LONG).unwrap() {
            count = check(&batch, count);
        }
    }
    let Next::Idle { complete_until_ns } = source.next_batch(SHORT).unwrap() else {
        panic!("the last frame is not whole");
    };
    assert_eq!(complete_until_ns, 1_700_000_000_000_008_000);
    writer.write_all(&bytes[bytes.len() - 5..]).unwrap();
    drop(writer);
    let Next::Batch(last) = source.next_batch(LONG).unwrap() else {
        panic!("the last frame has come");
    };
    assert_eq!(check(&last, 9), 10);
    assert!(matches!(source.next_batch(LONG), Ok(Next::End)));
}

#[test]
fn opening_a_fifo_does_not_wait_for_its_writer() {
    let folder = Folder::new();
    let path = folder.0.join("fifo");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let mut source = FileSource::open(&path, Options::default()).unwrap();
    assert!(!source.prime(SHORT).unwrap());
    fs::write(&path, pcapng_bytes(10)).unwrap();
    assert_eq!(frames(&mut source).unwrap(), 10);
}

#[test]
fn a_file_being_written_is_followed_over_partial_blocks_and_zeros() {
    let folder = Folder::new();
    for (bytes, ahead) in [(pcapng_bytes(40), 2000), (pcap_bytes(40), 0)] {
        let path = folder.file("growing", b"");
        let follow = Options { follow: true };
        let mut source = FileSource::open(&path, follow).unwrap();
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        let mut count = 0;
        for (index, piece) in bytes.chunks(333).enumerate() {
            if index % 3 == 1 {
                // Space that is taken before it is filled.
                let len = file.metadata().unwrap().len();
                file.set_len(len + ahead).unwrap();
                count = take(&mut source, count);
            }
            file.write_all(piece).unwrap();
            count = take(&mut source, count);
        }
        let end = Instant::now() + LONG;
        while count < 40 && Instant::now() < end {
            count = take(&mut source, count);
        }
        assert_eq!(count, 40);
        assert!(matches!(source.next_batch(SHORT), Ok(Next::Idle { .. })));
        file.set_len(100).unwrap();
        let error = source.next_batch(Duration::from_millis(100)).err().unwrap();
        assert!(format!("{error:#}").contains("became shorter"), "{error:#}");
    }
}

fn take(source: &mut FileSource, count: u64) -> u64 {
    match source.next_batch(Duration::from_millis(5)).unwrap() {
        Next::Batch(batch) => check(&batch, count),
        Next::Idle { .. } => count,
        _ => panic!("a followed file does not end"),
    }
}

#[test]
fn a_stopped_source_ends_with_what_it_has_handed_out() {
    let folder = Folder::new();
    let path = folder.file("long", &pcapng_bytes(20_000));
    let mut source = FileSource::open(&path, Options::default()).unwrap();
    let Next::Batch(first) = source.next_batch(LONG).unwrap() else {
        panic!("a file gives its frames at once");
    };
    source.stop().unwrap();
    assert!(matches!(source.next_batch(LONG), Ok(Next::End)));
    assert_eq!(
        source.account().unwrap().received,
        first.frames.len() as u64
    );
}

#[test]
fn what_cannot_be_opened_is_said_in_one_sentence() {
    let folder = Folder::new();
    let open = |path: &Path, follow| FileSource::open(path, Options { follow }).err().unwrap();
    let missing = open(&folder.0.join("none"), false);
    assert_eq!(missing.kind(), crate::ErrorKind::NotFound);
    assert!(missing.to_string().contains("none"));
    assert!(
        open(&folder.0, false)
            .to_string()
            .contains("is a directory")
    );
    let packed = folder.file("packed", &gzip(&pcapng_bytes(1)));
    assert!(
        open(&packed, true)
            .to_string()
            .contains("cannot be followed")
    );
    let text = folder.file("text", b"hello, world");
    let error = open(&text, false);
    assert!(
        format!("{error:#}").contains("neither pcap nor pcapng"),
        "{error:#}"
    );
    let empty = open(&folder.file("empty", b""), false);
    assert!(format!("{empty:#}").contains("empty"), "{empty:#}");
}

#[test]
fn repair_cuts_after_the_last_whole_block_and_leaves_sound_files_alone() {
    let folder = Folder::new();
    for (bytes, head) in [(pcapng_bytes(50), 2), (pcap_bytes(50), 1)] {
        let path = folder.file("a", &bytes);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let sound = repair(&path).unwrap();
        assert_eq!(
            (sound.kept_frames, sound.cut_bytes, sound.reason),
            (50, 0, None)
        );
        assert_eq!(sound.kept_blocks, 50 + head);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);

        let cut = &bytes[..bytes.len() - 7];
        let zeros = [&bytes[..], &[0; 9000]].concat();
        let noise = [&bytes[..], &[0xee; 100]].concat();
        let mut cases = vec![(cut, 49), (&zeros, 50), (&noise, 50)];
        let cut_and_zeros = [cut, &[0; 9000]].concat();
        if head == 2 {
            // A pcap record does not say where it ends; a block does.
            cases.push((&cut_and_zeros, 49));
        }
        for (damaged, kept) in cases {
            let path = folder.file("b", damaged);
            let examined = examine(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), damaged);
            let mut last = (0, 0);
            let repaired = repair_observed(&path, |done, size| last = (done, size)).unwrap();
            assert_eq!(repaired, examined);
            assert_eq!(last, (repaired.kept_bytes, damaged.len() as u64));
            assert_eq!(repaired.kept_frames, kept);
            assert!(repaired.reason.is_some());
            let after = fs::read(&path).unwrap();
            assert_eq!(after.len() as u64, repaired.kept_bytes);
            assert_eq!(after, bytes[..after.len()]);
            assert_eq!(repaired.cut_bytes as usize, damaged.len() - after.len());
            assert_eq!(repair(&path).unwrap().cut_bytes, 0);
        }
    }
}

#[test]
fn repair_refuses_what_it_would_spoil() {
    let folder = Folder::new();
    let refused = |bytes: &[u8], hint: &str| {
        let path = folder.file("refused", bytes);
        let error = repair(&path).unwrap_err();
        assert!(format!("{error:#}").contains(hint), "{error:#}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    };
    refused(b"#!/bin/sh\nexit\n", "neither pcap nor pcapng");
    refused(b"", "empty");
    refused(&gzip(&pcapng_bytes(1)), "gzip");
    refused(&pcap_bytes(1)[..10], "file is cut");
    // Damage in the middle of much that is good.
    let mut long = pcapng_bytes(150_000);
    long[1000] ^= 0xff;
    let place = long.len() / 100;
    long[place..place + 200].fill(0xee);
    refused(&long, "follow the damage");
}
