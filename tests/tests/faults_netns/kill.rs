//! kill -9 at random moments under load: every file opens, holds whole blocks up to
//! a last one that may be cut, and lacks at most what was on its way.

use super::support::{Capture, LENGTH, Load, Seen, check_file, check_order_but, in_order};
use pktrail_benches::testbed;
use pktrail_tests::files::Folder;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// Frames a second: a ring lasts for an eighth of a second.
const RATE: u64 = 40_000;
const RING: u64 = 8 << 20;
/// What the program copies at most before it is on the disk: five memories of a MiB
/// and a quarter, and a batch.
const BUFFER: u64 = 7 << 20;

/// Files that may be ended at the same time, and the one that is written.
const ENDING: usize = 3;

/// Ways to write.
const WAYS: [(&str, &[&str]); 8] = [
    ("blocks, direct", &["--block", "256K"]),
    ("blocks, rotated", &["--block", "256K", "-C", "3"]),
    ("copied", &["--block", "64K"]),
    ("copied, -U", &["--block", "64K", "-U"]),
    ("copied, rotated", &["--block", "64K", "-C", "2"]),
    ("two rings", &["--block", "128K", "--fanout", "2:lb"]),
    ("pcap", &["--block", "64K", "--format", "pcap"]),
    (
        "a file for each ring",
        &["--block", "128K", "--fanout", "2:lb", "--file-per-ring"],
    ),
];

/// What was found after one kill.
struct Found {
    files: usize,
    frames: u64,
    /// The number behind the last of them.
    next: u64,
    /// Frames that the files say were lost before one of theirs.
    lost: u64,
    /// Sent before the kill, and not there.
    missing: u64,
    /// Bytes behind the last whole block.
    cut: u64,
}

#[test]
fn a_killed_capture_lacks_only_what_was_on_its_way() {
    testbed::enter().expect("a namespace");
    let kills = std::env::var("PKTRAIL_KILLS").ok();
    let kills = kills.map_or(20, |text| text.parse().expect("PKTRAIL_KILLS is a number"));
    let mut random = Random::seeded();
    println!("seed {}", random.0);
    println!("way, ms under load, files, frames, lost, missing of sent, bytes cut");
    for number in 0..kills {
        let (name, words) = WAYS[number % WAYS.len()];
        let pause = Duration::from_millis(random.below(500));
        // Every second time a little after a file has begun to grow.
        let growing =
            (number / WAYS.len() % 2 == 1).then(|| Duration::from_micros(random.below(3_000)));
        let found = kill_after(pause, growing, words);
        println!(
            "{name}, {}, {}, {}, {}, {}, {}",
            pause.as_millis(),
            found.files,
            found.frames,
            found.lost,
            found.missing,
            found.cut
        );
    }
}

fn kill_after(pause: Duration, growing: Option<Duration>, words: &[&str]) -> Found {
    let folder = Folder::new("faults-kill");
    let path = folder.path("out");
    let mut all = vec!["--ring", "8M", "-w", path.to_str().unwrap()];
    all.extend(words);
    let capture = Capture::start(&folder, &all);
    let load = Load::start(RATE);
    sleep(pause);
    if let Some(more) = growing {
        let size = || {
            in_order(&path)
                .iter()
                .flat_map(fs::metadata)
                .map(|file| file.len())
                .sum()
        };
        let (before, begin): (u64, _) = (size(), Instant::now());
        while size() == before {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "nothing is written"
            );
        }
        sleep(more);
    }
    let sent = load.sent();
    capture.kill();
    let sent_by_then = load.end();

    let paths = in_order(&path);
    let rings = words.iter().filter(|word| **word == "--fanout").count() as u64 + 1;
    let most = (rings * RING + BUFFER) / LENGTH;
    let found = match words.last() {
        Some(&"--file-per-ring") => side_by_side(&paths, sent),
        Some(&"pcap") => without_counts(&paths, sent),
        _ => one_behind_the_other(&paths, sent),
    };
    let next = found.next;
    assert!(next <= sent_by_then, "{next} of {sent_by_then}");
    let missing = found.missing;
    assert!(missing <= most, "{missing} frames are missing: {words:?}");
    found
}

/// The number behind the last frame.
fn next(seen: &[Seen]) -> u64 {
    seen.last().map_or(0, |(number, _)| number + 1)
}

/// A file for each ring: each in order, and all together hold each frame once.
fn side_by_side(paths: &[PathBuf], sent: u64) -> Found {
    assert_eq!(paths.len(), 2, "{paths:?}");
    let (mut seen, mut cut) = (Vec::new(), 0);
    for path in paths {
        let (frames, behind) = check_file(path);
        assert!(frames.is_sorted(), "{}", path.display());
        seen.extend(frames);
        cut += behind;
    }
    seen.sort_unstable();
    assert!(
        seen.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "each once"
    );
    let frames = seen.len() as u64;
    let lost = seen.iter().map(|(_, lost)| lost).sum();
    Found {
        files: paths.len(),
        frames,
        next: next(&seen),
        lost,
        missing: sent.saturating_sub(frames + lost),
        cut,
    }
}

/// A file of pcap, which does not say what was lost.
fn without_counts(paths: &[PathBuf], sent: u64) -> Found {
    let [path] = paths else { panic!("{paths:?}") };
    let (seen, cut) = check_file(path);
    assert!(seen.is_sorted(), "{}", path.display());
    let frames = seen.len() as u64;
    Found {
        files: 1,
        frames,
        next: next(&seen),
        lost: 0,
        missing: sent.saturating_sub(frames),
        cut,
    }
}

fn one_behind_the_other(paths: &[PathBuf], sent: u64) -> Found {
    let (mut seen, mut cut, mut on_its_way) = (Vec::new(), 0, 0);
    for (number, path) in paths.iter().enumerate() {
        let (frames, behind) = check_file(path);
        // The end of a file is written beside the begin of the next one, so it may be on its way
        // too: of the files that were ended last, not of those before.
        if let (Some((last, _)), Some((first, lost))) = (seen.last(), frames.first()) {
            let hole: u64 = first - last - 1 - lost;
            assert!(
                hole == 0 || number + ENDING > paths.len(),
                "{hole} before {}",
                path.display()
            );
            on_its_way += hole;
        }
        assert!(
            behind == 0 || number + 1 == paths.len(),
            "{}: only the last file may be cut",
            path.display()
        );
        seen.extend(frames);
        cut = behind;
    }
    let lost = check_order_but(&seen, on_its_way);
    let next = next(&seen);
    Found {
        files: paths.len(),
        frames: seen.len() as u64,
        next,
        lost,
        missing: sent.saturating_sub(next) + on_its_way,
        cut,
    }
}

/// Numbers for the moments (xorshift64).
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        Self(now.as_nanos() as u64 | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
