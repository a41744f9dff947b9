//! The load generator, judged by tcpdump: what is injected arrives, whole and in order. Then
//! pktrail's own source, judged by the generator's numbers. Needs root and network namespaces.
//!
//! Each test makes a namespace for its own thread; it is gone with the thread.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pktrail::af_packet::{AfPacket, Options};
use pktrail::inject::{Injector, NUMBER_AT, Sizes};
use pktrail::{Filter, Next, Program, Source, SourceAccount};
use pktrail_benches::numbers::{self, Found};
use pktrail_benches::testbed;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A capture by tcpdump into a file, both gone with the value.
struct Capture {
    tcpdump: Child,
    path: PathBuf,
}

impl Capture {
    fn start(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pkt-{name}-{}.pcap", std::process::id()));
        let tcpdump = Command::new("tcpdump")
            .args([
                "-i",
                testbed::INTERFACE,
                "-n",
                "-B",
                "65536",
                "-Z",
                "root",
                "-w",
            ])
            .arg(&path)
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump starts");
        let capture = Self { tcpdump, path };
        assert!(
            testbed::wait_for_tap(Duration::from_secs(20)),
            "tcpdump captures"
        );
        capture
    }

    /// Ends tcpdump, which drains its ring first, and hands the file out.
    fn stop(&mut self) -> &Path {
        let pid = Pid::from_raw(self.tcpdump.id().cast_signed());
        // What is still in a block that is not full comes when the block's time is over.
        std::thread::sleep(Duration::from_secs(2));
        kill(pid, Signal::SIGINT).expect("tcpdump is there");
        let mut said = String::new();
        let stderr = self.tcpdump.stderr.as_mut().expect("stderr is a pipe");
        stderr
            .read_to_string(&mut said)
            .expect("tcpdump speaks text");
        assert!(
            self.tcpdump.wait().expect("tcpdump ends").success(),
            "{said}"
        );
        assert!(said.contains("\n0 packets dropped by kernel"), "{said}");
        &self.path
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
        let _ = fs::remove_file(&self.path);
    }
}

/// How many frames of each length tshark finds, IPv4 checksums and lengths being right.
fn lengths(path: &Path) -> BTreeMap<u32, u32> {
    let output = Command::new("tshark")
        .args(["-o", "ip.check_checksum:TRUE", "-T", "fields"])
        .args([
            "-e",
            "frame.len",
            "-e",
            "ip.checksum.status",
            "-e",
            "ip.len",
            "-e",
            "udp.length",
        ])
        .arg("-r")
        .arg(path)
        .output()
        .expect("tshark runs");
    assert!(output.status.success());
    let mut counts = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let fields: Vec<u32> = line
            .split('\t')
            .map(|field| field.parse().unwrap())
            .collect();
        let len = fields[0];
        assert_eq!(fields, [len, 1, len - 14, len - 34], "{line}");
        *counts.entry(len).or_default() += 1;
    }
    counts
}

fn all(frames: u64, bytes: u64) -> Found {
    Found {
        frames,
        bytes,
        ..Found::default()
    }
}

#[test]
fn every_frame_arrives_once_and_in_order() {
    testbed::enter().expect("a namespace");
    for len in [64, 65, 576, 1500, 1514] {
        let mut capture = Capture::start("fixed");
        let mut injector = Injector::new(testbed::INTERFACE, Sizes::Fixed(len)).unwrap();
        // Several runs, to see that the numbers go on from one to the next.
        for count in [1, 63, 64, 65, 9807] {
            assert_eq!(injector.run(count).unwrap(), count);
        }
        assert_eq!(injector.sent().unwrap(), 10_000);
        let path = capture.stop();
        let found = numbers::check(path, 10_000).unwrap();
        assert_eq!(found, all(10_000, 10_000 * u64::from(len)));
        assert_eq!(lengths(path), [(u32::from(len), 10_000)].into());
    }
}

#[test]
fn the_mix_has_its_shares_and_sound_headers() {
    testbed::enter().expect("a namespace");
    let mut capture = Capture::start("mix");
    let mut injector = Injector::new(testbed::INTERFACE, Sizes::Mix).unwrap();
    assert_eq!(injector.run(12_000).unwrap(), 12_000);
    let path = capture.stop();
    let bytes = 1000 * (7 * 64 + 4 * 576 + 1500);
    assert_eq!(numbers::check(path, 12_000).unwrap(), all(12_000, bytes));
    assert_eq!(
        lengths(path),
        [(64, 7000), (576, 4000), (1500, 1000)].into()
    );
}

#[test]
fn a_paced_run_keeps_to_its_count() {
    testbed::enter().expect("a namespace");
    let mut capture = Capture::start("paced");
    let mut injector = Injector::new(testbed::INTERFACE, Sizes::Fixed(64)).unwrap();
    let injected = injector
        .run_paced(20_000, 2_345, Duration::from_secs(600))
        .unwrap();
    assert_eq!(injected.frames, 2_345);
    let found = numbers::check(capture.stop(), 2_345).unwrap();
    assert_eq!(found, all(2_345, 2_345 * 64));
}

#[test]
fn an_own_template_is_numbered_too() {
    testbed::enter().expect("a namespace");
    let mut template = vec![0xaa; 100];
    template[12..14].copy_from_slice(&[0x08, 0x00]);
    let mut capture = Capture::start("template");
    let mut injector = Injector::from_template(testbed::INTERFACE, &template).unwrap();
    assert_eq!(injector.run(500).unwrap(), 500);
    let found = numbers::check(capture.stop(), 500).unwrap();
    assert_eq!(found, all(500, 500 * 100));
}

/// A source on the test's interface that keeps everything, and is listening.
fn listening(ring_bytes: usize) -> AfPacket {
    let mut options = Options::new(testbed::INTERFACE);
    options.ring_bytes = Some(ring_bytes);
    let mut source = AfPacket::open(&options).expect("a source");
    let everything = Filter::new(Program::returning(u32::MAX), None);
    source.set_filter(&everything).expect("a filter");
    source.start().expect("a start");
    source
}

/// Stops a source and takes what it still has: the numbers of all frames.
fn numbers_to_the_end(mut source: AfPacket) -> (Vec<u64>, SourceAccount) {
    source.stop().expect("a stop");
    let mut numbers = Vec::new();
    loop {
        match source
            .next_batch(Duration::from_millis(100))
            .expect("a batch")
        {
            Next::Batch(batch) => numbers.extend(batch.iter().map(|frame| {
                let bytes = &frame.data[NUMBER_AT..NUMBER_AT + 8];
                u64::from_be_bytes(bytes.try_into().unwrap())
            })),
            Next::End => return (numbers, source.account().expect("an account")),
            _ => {}
        }
    }
}

#[test]
fn the_source_hands_out_every_frame_in_order() {
    testbed::enter().expect("a namespace");
    for sizes in [Sizes::Fixed(64), Sizes::Fixed(1500), Sizes::Mix] {
        let source = listening(64 << 20);
        let mut injector = Injector::new(testbed::INTERFACE, sizes).unwrap();
        assert_eq!(injector.run(12_000).unwrap(), 12_000);
        let (numbers, account) = numbers_to_the_end(source);
        assert_eq!(numbers, (0..12_000).collect::<Vec<_>>());
        assert_eq!((account.received, account.lost.after_tap()), (12_000, 0));
    }
}

#[test]
fn what_the_source_loses_in_a_full_ring_is_counted() {
    testbed::enter().expect("a namespace");
    let source = listening(4 << 20);
    let mut injector = Injector::new(testbed::INTERFACE, Sizes::Fixed(1500)).unwrap();
    // 15 MB into a ring of 4 MiB that nobody reads.
    assert_eq!(injector.run(10_000).unwrap(), 10_000);
    let (numbers, account) = numbers_to_the_end(source);
    assert!(account.lost.ring > 0 && !numbers.is_empty());
    assert_eq!(account.received, 10_000);
    assert_eq!(numbers.len() as u64 + account.lost.after_tap(), 10_000);
    assert!(numbers.is_sorted_by(|one, next| one < next));
}

#[test]
fn a_missing_or_vanished_interface_is_an_error() {
    testbed::enter().expect("a namespace");
    let error = Injector::new("pkt-none", Sizes::Mix).unwrap_err();
    assert!(format!("{error:#}").contains("pkt-none"), "{error:#}");

    let mut injector = Injector::new(testbed::INTERFACE, Sizes::Mix).unwrap();
    let ip = Command::new("ip")
        .args(["link", "delete", testbed::INTERFACE])
        .status();
    assert!(ip.unwrap().success());
    let error = injector.run(1).unwrap_err();
    assert!(error.to_string().contains(testbed::INTERFACE), "{error}");
    assert_eq!(injector.sent().unwrap(), 0);
}
