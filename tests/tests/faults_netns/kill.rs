//! kill -9 at random moments under load: every file opens, holds whole blocks up to
//! a last one that may be cut, and lacks at most what was on its way.

use super::support::{Capture, LENGTH, Load, check_file, check_order_but, in_order};
use pktrail_benches::testbed;
use pktrail_tests::files::Folder;
use std::fs;
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
const WAYS: [(&str, &[&str]); 6] = [
    ("blocks, direct", &["--block", "256K"]),
    ("blocks, rotated", &["--block", "256K", "-C", "3"]),
    ("copied", &["--block", "64K"]),
    ("copied, -U", &["--block", "64K", "-U"]),
    ("copied, rotated", &["--block", "64K", "-C", "2"]),
    ("two rings", &["--block", "128K", "--fanout", "2:lb"]),
];

/// What was found after one kill.
struct Found {
    files: usize,
    frames: u64,
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
    let next = seen.last().map_or(0, |(number, _)| number + 1);
    assert!(next <= sent_by_then, "{next} of {sent_by_then}");
    let missing = sent.saturating_sub(next) + on_its_way;
    let rings = words.iter().filter(|word| **word == "--fanout").count() as u64 + 1;
    let most = (rings * RING + BUFFER) / LENGTH;
    assert!(missing <= most, "{missing} frames are missing: {words:?}");
    Found {
        files: paths.len(),
        frames: seen.len() as u64,
        lost,
        missing,
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
