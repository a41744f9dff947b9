//! Files that follow one another under load, and limits: no frame is lost between,
//! each file is as long as its blocks, and its index finds what is in it.

use super::support::{Capture, Load, account, check_file, check_order, count, in_order, read};
use pktrail::file::{FileSource, Moment, Options, Part};
use pktrail::{Next, Source};
use pktrail_benches::testbed;
use pktrail_tests::files::Folder;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Frames a second, 30 MB: what comes in the time of the load fits the ring.
const RATE: u64 = 20_000;
const LOAD: Duration = Duration::from_millis(1_500);

/// The files of a capture with these words, and how many frames were sent.
fn files(folder: &Folder, words: &[&str]) -> (Vec<std::path::PathBuf>, u64, u64) {
    let path = folder.path("out");
    let mut all = vec![
        "--ring",
        "64M",
        "--block",
        "256K",
        "-w",
        path.to_str().unwrap(),
    ];
    all.extend(words);
    let capture = Capture::start(folder, &all);
    let load = Load::start(RATE);
    sleep(LOAD);
    let sent = load.end();
    let is_limited = words
        .iter()
        .any(|word| ["-c", "--max-files"].contains(word));
    let (status, said) = match is_limited {
        true => capture.end(),
        false => capture.stop(),
    };
    assert!(status.success(), "{words:?}: {said}");
    let account = account(&said);
    assert_eq!(count(&account["lost"]["ring"]), 0, "{said}");
    (in_order(&path), sent, count(&account["delivered"]))
}

#[test]
fn long_frames_are_written_where_the_kernel_put_them() {
    testbed::enter().expect("a namespace");
    let folder = Folder::new("faults-in-place");
    let (paths, sent, delivered) = files(&folder, &[]);
    assert_eq!(delivered, sent);
    let bytes = std::fs::read(&paths[0]).expect("the file");
    let (packets, padded) = padded(&bytes);
    assert_eq!(packets, sent);
    // The last one of a block has nobody behind it, and the first block may be copied.
    assert!(padded * 10 > packets * 9, "{padded} of {packets}");
}

/// How many enhanced packet blocks there are, and how many have the option of padding that
/// stands where the kernel's header was.
fn padded(bytes: &[u8]) -> (u64, u64) {
    let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("four bytes"));
    let (mut packets, mut padded, mut at) = (0, 0, 0);
    while at < bytes.len() {
        let len = word(at + 4) as usize;
        if word(at) == 6 {
            packets += 1;
            let mut option = at + 28 + (word(at + 20) as usize).next_multiple_of(4);
            while option + 4 < at + len {
                let (code, size) = (word(option) & 0xffff, (word(option) >> 16) as usize);
                padded += u64::from(code == 19_373);
                option += 4 + size.next_multiple_of(4);
                if code == 0 {
                    break;
                }
            }
        }
        at += len;
    }
    (packets, padded)
}

#[test]
fn no_frame_is_lost_between_files() {
    testbed::enter().expect("a namespace");
    for (words, least) in [
        (&["-C", "3"][..], 8),
        (&["--rotate-packets", "2500"], 8),
        (&["-G", "1"], 2),
        (&["-C", "3", "-G", "1", "--rotate-packets", "1777"], 10),
    ] {
        let folder = Folder::new("faults-rotation");
        let (paths, sent, delivered) = files(&folder, words);
        assert!(paths.len() >= least, "{words:?}: {} files", paths.len());
        let mut seen = Vec::new();
        for path in &paths {
            let (frames, behind) = check_file(path);
            assert_eq!(behind, 0, "{}", path.display());
            check_index(path, frames.len());
            seen.extend(frames);
        }
        assert_eq!(check_order(&seen), 0);
        let all = (seen.len() as u64, delivered);
        assert_eq!(all, (sent, sent), "{words:?}");
    }
}

#[test]
fn a_limit_is_exact_under_load() {
    testbed::enter().expect("a namespace");
    for (words, expected) in [
        (&["-c", "12345"][..], 12_345),
        (&["--rotate-packets", "2500", "--max-files", "3"], 7_500),
        (&["--rotate-packets", "2500", "-c", "6000"], 6_000),
    ] {
        let folder = Folder::new("faults-limit");
        let (paths, _, delivered) = files(&folder, words);
        let seen: Vec<_> = paths.iter().flat_map(|path| check_file(path).0).collect();
        assert_eq!(check_order(&seen), 0);
        assert_eq!(
            (seen.len(), delivered),
            (expected, expected as u64),
            "{words:?}"
        );
        for path in &paths {
            let frames = read(path).0.len();
            check_index(path, frames);
        }
    }
}

/// The index finds the frames of the middle of the file, and no others.
fn check_index(path: &Path, frames: usize) {
    let mut times = Vec::new();
    let mut source = FileSource::open(path, Options::default()).expect("opens");
    while let Next::Batch(batch) = source.next_batch(Duration::ZERO).expect("reads") {
        times.extend(batch.frames.iter().map(|info| info.timestamp_ns));
    }
    assert_eq!(times.len(), frames);
    let whole = source.offset();
    let time = |at: usize| times.get(at).copied();
    let (Some(from), Some(to)) = (time(frames / 2), time(frames / 2 + frames / 20)) else {
        return;
    };
    let part = Part {
        from: Some(Moment::at(from)),
        to: Some(Moment::at(to)),
        flow: None,
    };
    let mut source = FileSource::open_part(path, Options::default(), part).expect("opens");
    let mut found = Vec::new();
    while let Next::Batch(batch) = source.next_batch(Duration::ZERO).expect("reads") {
        found.extend(batch.frames.iter().map(|info| info.timestamp_ns));
    }
    times.retain(|time| (from..to).contains(time));
    assert_eq!(found, times, "{}", path.display());
    let read = source.offset();
    assert!(whole < 2 << 20 || read < whole, "{read} of {whole} bytes");
}
