//! Disks that are full, broken or slow: small file systems on loop devices, in a
//! mount namespace of the test's own.

use super::support::{
    Capture, Load, Seen, account, check_file, check_order, count, in_order, read, tshark,
};
use nix::sched::{CloneFlags, unshare};
use pktrail_benches::testbed;
use pktrail_tests::files::Folder;
use pktrail_tests::netns::run;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Frames a second.
const RATE: u64 = 10_000;
const DIRECT: &[&str] = &["--block", "256K", "--ring", "4M"];
const COPIED: &[&str] = &["--block", "64K", "--ring", "4M"];
const ROTATED: &[&str] = &["--block", "256K", "--ring", "4M", "-C", "8"];
const PCAP: &[&str] = &["--block", "64K", "--ring", "4M", "--format", "pcap"];
const STORED: &[&str] = &["--block", "64K", "--ring", "4M", "--compress", "gz:0"];
const TWO_RINGS: &[&str] = &["--block", "256K", "--ring", "4M", "--fanout", "2:lb"];

/// A file system that is gone with the namespace of its thread.
struct Disk {
    image: PathBuf,
    /// Where it is mounted.
    path: PathBuf,
}

impl Disk {
    /// One of `size` MiB.
    fn new(folder: &Folder, size: u64) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        run("mount", &["--make-rprivate", "/"]);
        let (image, path) = (folder.path("image"), folder.path("disk"));
        let disk = Self { image, path };
        fs::create_dir(&disk.path).expect("a new folder");
        disk.set_size(size);
        run("mkfs.ext4", &["-q", "-O", "^has_journal", disk.image()]);
        run("mount", &["-o", "loop", disk.image(), disk.root()]);
        disk
    }

    fn image(&self) -> &str {
        self.image.to_str().expect("UTF-8")
    }

    fn root(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }

    fn set_size(&self, size: u64) {
        let image = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.image);
        let sized = image.and_then(|image| image.set_len(size << 20));
        sized.expect("the image is ours");
    }

    fn file(&self) -> PathBuf {
        self.path.join("out.pcapng")
    }

    /// From now on what is behind `size` MiB cannot be written.
    fn shrink(&self, size: u64) {
        self.set_size(size);
        let device = run("losetup", &["-n", "-O", "NAME", "-j", self.image()]);
        run("losetup", &["-c", device.trim()]);
    }

    /// Nothing can be written as long as the value is there.
    fn freeze(&self) -> Frozen<'_> {
        run("fsfreeze", &["-f", self.root()]);
        Frozen(self)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The namespace goes with the thread, but the folder goes before.
        let _ = Command::new("umount").arg(&self.path).status();
    }
}

struct Frozen<'a>(&'a Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["-u", self.0.root()]);
    }
}

/// Asserts that every frame of `account` is in one counter.
pub(crate) fn assert_sum(account: &Value) {
    let lost = &account["lost"];
    let lost: u64 = ["ring", "queue", "writer", "disk"]
        .iter()
        .map(|place| count(&lost[place]))
        .sum();
    let settled = ["delivered", "filtered", "surplus", "expired"];
    let settled: u64 = settled.iter().map(|name| count(&account[name])).sum();
    assert_eq!(count(&account["received"]), settled + lost, "{account}");
    assert_eq!(account["in_flight"], 0, "{account}");
}

/// Bytes of all files of a capture.
fn bytes(path: &Path) -> u64 {
    let files = in_order(path);
    let sizes = files.iter().flat_map(fs::metadata).map(|file| file.len());
    sizes.sum()
}

fn wait_for_bytes(path: &Path, wanted: u64) {
    let begin = Instant::now();
    while bytes(path) < wanted {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "nothing is written"
        );
        sleep(Duration::from_millis(5));
    }
}

/// The program meets an error that ends the capture: it says so in a sentence, and
/// all that it has not written is counted.
fn check_failure(disk: &Disk, folder: &Folder, words: &[&str], cause: &str, prepare: impl Fn()) {
    let path = disk.file();
    let mut all = vec!["-w", path.to_str().unwrap()];
    all.extend(words);
    let capture = Capture::start(folder, &all);
    let load = Load::start(RATE);
    wait_for_bytes(&path, 4_000_000);
    prepare();
    let (status, said) = capture.end();
    let sent = load.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(cause), "{said}");
    let (seen, behind) = check_file(&path);
    assert_eq!(behind, 0, "{cause}: bytes behind the last whole block");
    check_order(&seen);
    let account = account(&said);
    assert_sum(&account);
    assert_eq!(count(&account["delivered"]), seen.len() as u64, "{said}");
    assert!(count(&account["lost"]["disk"]) > 0, "{said}");
    assert!(count(&account["received"]) <= sent, "{said}");
    assert!(
        said.contains(&format!("valid and holds {} frames", seen.len())),
        "{said}"
    );
}

#[test]
fn a_full_disk_ends_the_capture_with_a_valid_file() {
    testbed::enter().expect("a namespace");
    for words in [DIRECT, COPIED] {
        let folder = Folder::new("faults-full");
        let disk = Disk::new(&folder, 24);
        check_failure(&disk, &folder, words, "No space left on device", || {});
    }
}

/// The frames of a compressed file, by our own reader and tshark.
fn compressed(path: &Path) -> Vec<Seen> {
    let (seen, _, ended) = read(path);
    ended.expect("it is whole up to its end");
    let (by_tshark, is_content) = tshark(path);
    assert!(by_tshark == seen && is_content, "tshark reads other frames");
    seen
}

#[test]
fn a_compressed_file_on_a_full_disk_holds_what_is_said() {
    testbed::enter().expect("a namespace");
    let folder = Folder::new("faults-full-gz");
    let disk = Disk::new(&folder, 24);
    let path = disk.file();
    let words = [&["-w", path.to_str().unwrap()], STORED].concat();
    let capture = Capture::start(&folder, &words);
    let load = Load::start(RATE);
    let (status, said) = capture.end();
    drop(load);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    let seen = compressed(&path);
    assert!(seen.len() > 1000, "{}", seen.len());
    check_order(&seen);
    let account = account(&said);
    assert_sum(&account);
    assert_eq!(count(&account["delivered"]), seen.len() as u64, "{said}");
    assert!(count(&account["lost"]["disk"]) > 0, "{said}");
}

#[test]
fn a_broken_disk_ends_the_capture_with_a_valid_file() {
    testbed::enter().expect("a namespace");
    let folder = Folder::new("faults-broken");
    let disk = Disk::new(&folder, 64);
    let shrink = || disk.shrink(16);
    check_failure(&disk, &folder, DIRECT, "Input/output error", shrink);
}

#[test]
fn what_the_page_cache_cannot_bring_to_a_broken_disk_is_told() {
    testbed::enter().expect("a namespace");
    let folder = Folder::new("faults-late");
    let disk = Disk::new(&folder, 64);
    let path = disk.file();
    // pcap has no padding, so it all goes through the page cache.
    let mut words = vec!["--format", "pcap", "-w", path.to_str().unwrap()];
    words.extend(COPIED);
    let capture = Capture::start(&folder, &words);
    let load = Load::start(RATE);
    disk.shrink(16);
    wait_for_bytes(&path, 20_000_000);
    // As the kernel does half a minute later. What it says to others it has still to
    // say to the program.
    let synced = File::open(&path).and_then(|file| file.sync_all());
    synced.expect_err("the disk is broken");
    drop(load);
    let (status, said) = capture.stop();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot bring") && said.contains("Input/output error"),
        "{said}"
    );
}

#[test]
fn what_a_stalled_disk_does_not_take_is_lost_in_the_ring_and_told_at_the_gap() {
    testbed::enter().expect("a namespace");
    for words in [DIRECT, COPIED, ROTATED, TWO_RINGS, PCAP, STORED] {
        let folder = Folder::new("faults-stalled");
        let disk = Disk::new(&folder, 256);
        let path = disk.file();
        let mut all = vec!["-w", path.to_str().unwrap()];
        all.extend(words);
        let capture = Capture::start(&folder, &all);
        let load = Load::start(RATE);
        wait_for_bytes(&path, 4_000_000);
        let frozen = disk.freeze();
        let before = load.sent();
        sleep(Duration::from_secs(5));
        let during = load.sent() - before;
        drop(frozen);
        // More than ring and memory held meanwhile: frames from behind the gap.
        wait_for_bytes(&path, bytes(&path) + 24_000_000);
        let sent = load.end();
        let (status, said) = capture.stop();
        let account = account(&said);
        let ring = count(&account["lost"]["ring"]);
        assert_eq!(status.code(), Some(1), "{said}");
        assert_sum(&account);
        assert_eq!(count(&account["received"]), sent, "{said}");
        assert_eq!(
            count(&account["delivered"]) + ring,
            sent,
            "nothing is lost elsewhere: {said}"
        );
        assert!(ring > during / 2, "{ring} of {during}");
        let mut seen = Vec::new();
        for path in in_order(&path) {
            if words == STORED {
                seen.extend(compressed(&path));
                continue;
            }
            let (frames, behind) = check_file(&path);
            assert_eq!(behind, 0, "{}", path.display());
            seen.extend(frames);
        }
        assert_eq!(seen.len() as u64, sent - ring, "{words:?}");
        if words != TWO_RINGS && words != PCAP {
            check_gaps(&seen, during / 2);
            continue;
        }
        // Each ring tells what it lost itself, while the other may still have had room; pcap has no
        // place for it.
        assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let told: u64 = seen.iter().map(|(_, lost)| lost).sum();
        assert_eq!(told, if words == PCAP { 0 } else { ring }, "{said}");
    }
}

#[test]
fn a_file_system_that_refuses_direct_writes_is_told_of_once() {
    testbed::enter().expect("a namespace");
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    run("mount", &["--make-rprivate", "/"]);
    let folder = Folder::new("faults-refused");
    let place = folder.path("memory");
    fs::create_dir(&place).expect("a new folder");
    let place = place.to_str().expect("UTF-8");
    run("mount", &["-t", "ramfs", "none", place]);
    let path = format!("{place}/out.pcapng");
    let capture = Capture::start(&folder, &[&["-w", &path], DIRECT].concat());
    let load = Load::start(RATE);
    sleep(Duration::from_secs(1));
    let sent = load.end();
    let (status, said) = capture.stop();
    let read = check_file(Path::new(&path));
    run("umount", &[place]);
    assert!(status.success(), "{said}");
    let notices = said.matches("written through the page cache: direct writes are refused there");
    assert_eq!(notices.count(), 1, "{said}");
    let (seen, behind) = read;
    assert_eq!((behind, seen.len() as u64), (0, sent), "{said}");
    check_gaps(&seen, 0);
}

/// Each loss is told by the frame behind the gap; one gap has `most` frames or more.
fn check_gaps(seen: &[Seen], most: u64) {
    let (mut next, mut longest) = (0, 0);
    for (number, lost) in seen {
        assert_eq!(number - next, *lost, "lost before frame {number}");
        longest = longest.max(*lost);
        next = number + 1;
    }
    assert!(longest >= most, "{longest} of {most}");
}
