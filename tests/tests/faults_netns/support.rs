//! A load of numbered frames, the program that captures it, and what is found in
//! its files.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pktrail::file::{FileSource, Options};
use pktrail::inject::{Injector, NUMBER_AT, Sizes};
use pktrail::{Next, Result, Source};
use pktrail_benches::testbed;
use pktrail_tests::files::Folder;
use pktrail_tests::program;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Length of a frame of the load.
pub(crate) const LENGTH: u64 = 1500;
/// Longest time that a program may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a pcapng file begins with.
const SECTION: [u8; 4] = [10, 13, 13, 10];
/// Bytes before the data of a record of pcap.
const PCAP_HEAD: usize = 16;
/// The load comes in so many pieces a second.
const PIECES_PER_SECOND: u64 = 20;

/// Numbered frames on [`testbed::INTERFACE`], on a thread of their own.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Begins to send `rate` frames a second in the namespace of the calling thread.
    pub(crate) fn start(rate: u64) -> Self {
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let mut injector =
            Injector::new(testbed::INTERFACE, Sizes::Fixed(LENGTH as u16)).expect("an injector");
        let thread = thread::spawn(move || {
            let mut due = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                injector.run(rate / PIECES_PER_SECOND).expect("frames");
                count.store(injector.sent().expect("a count"), Ordering::Release);
                due += Duration::from_secs(1) / PIECES_PER_SECOND as u32;
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Self {
            stop,
            sent,
            thread: Some(thread),
        }
    }

    /// How many frames have been sent, at least.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Ends the load: how many frames were sent.
    pub(crate) fn end(mut self) -> u64 {
        self.join();
        self.sent()
    }

    fn join(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A test that fails already does not have to fail twice.
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the load failed");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

/// The program, capturing the load. It is killed if it is still there at the end.
pub(crate) struct Capture {
    child: Child,
    said: PathBuf,
}

impl Capture {
    /// Starts it in the namespace of the calling thread, and waits until it listens.
    pub(crate) fn start(folder: &Folder, words: &[&str]) -> Self {
        let said = folder.path("said");
        let child = Command::new(program::path())
            .args(["-i", testbed::INTERFACE, "--json"])
            .args(words)
            .stderr(File::create(&said).expect("a file can be made"))
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut capture = Self { child, said };
        let begin = Instant::now();
        while !capture.said().contains("listening") {
            let ended = capture.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "it ended: {}", capture.said());
            assert!(begin.elapsed() < PATIENCE, "it says: {}", capture.said());
            thread::sleep(Duration::from_millis(2));
        }
        capture
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Ends it without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is ours");
        let status = self.child.wait().expect("it ends");
        assert!(!status.success(), "it was killed: {}", self.said());
    }

    /// Asks it to end, as Ctrl-C does, and waits.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, Signal::SIGINT).expect("it is there");
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return (status, self.said());
            }
            assert!(begin.elapsed() < PATIENCE, "it goes on: {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A frame in a file: its number, and how many the file says were lost before it.
pub(crate) type Seen = (u64, u64);

/// The frames in a file by our own reader, the bytes of the whole blocks, and how
/// reading ended.
pub(crate) fn read(path: &Path) -> (Vec<Seen>, u64, Result<()>) {
    let mut seen = Vec::new();
    let mut source = match FileSource::open(path, Options::default()) {
        Ok(source) => source,
        Err(error) => return (seen, 0, Err(error)),
    };
    let ended = loop {
        match source.next_batch(Duration::from_secs(1)) {
            Ok(Next::Batch(batch)) => seen.extend(batch.iter().map(|frame| {
                let number = frame.data[NUMBER_AT..].first_chunk().expect("eight bytes");
                (u64::from_be_bytes(*number), frame.info.lost_before.into())
            })),
            Ok(Next::End) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    (seen, source.offset(), ended)
}

/// The same frames by tshark, and whether it was content with the end of the file.
pub(crate) fn tshark(path: &Path) -> (Vec<Seen>, bool) {
    let output = Command::new("tshark")
        .args([
            "-n",
            "-T",
            "fields",
            "-e",
            "udp.payload",
            "-e",
            "frame.drop_count",
            "-r",
        ])
        .arg(path)
        .output()
        .expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let seen = text.lines().map(|line| {
        let number = line
            .get(..16)
            .and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let lost = line.split('\t').nth(1).unwrap_or_default();
        (number.expect("a number"), lost.parse().unwrap_or(0))
    });
    (seen.collect(), output.status.success())
}

/// How many frames tcpdump reads.
fn tcpdump(path: &Path) -> usize {
    let output = Command::new("tcpdump")
        .args(["-nqt", "-r"])
        .arg(path)
        .output()
        .expect("tcpdump runs");
    String::from_utf8_lossy(&output.stdout).lines().count()
}

/// Every reader finds the same frames in the file. The frames, and the bytes behind
/// the last whole block.
pub(crate) fn check_file(path: &Path) -> (Vec<Seen>, u64) {
    let name = path.display();
    let bytes = fs::read(path).expect("the file");
    let (seen, whole, ended) = read(path);
    let behind = bytes.get(whole as usize..).expect("not more than there is");
    assert_eq!(ended.is_ok(), behind.is_empty(), "{name}: {ended:?}");
    // A block that is cut, not a hole and not garbage: its type is there, and its
    // length is more than the rest of the file. A record of pcap begins with times, and has its
    // length behind them.
    let word = |at: usize| Some(u32::from_le_bytes(*behind.get(at..)?.first_chunk()?));
    let is_pcap = !bytes.starts_with(&SECTION);
    let length_at = if is_pcap { 8 } else { 4 };
    assert!(word(0) != Some(0), "{name}: zeros from {whole} on");
    assert!(
        word(length_at).is_none_or(|len| {
            let len = len as usize + if is_pcap { PCAP_HEAD } else { 0 };
            len > behind.len() && len < 1 << 20
        }),
        "{name}: damaged at {whole}"
    );
    let (by_tshark, is_content) = tshark(path);
    assert!(by_tshark == seen, "{name}: tshark reads other frames");
    assert!(is_content || !behind.is_empty(), "{name}: tshark complains");
    assert_eq!(tcpdump(path), seen.len(), "{name}: tcpdump");
    (seen, behind.len() as u64)
}

/// No frame comes twice or late, and where some are missing the file says how many.
pub(crate) fn check_order(seen: &[Seen]) -> u64 {
    check_order_but(seen, 0)
}

/// The same, where so many frames may be missing unsaid.
pub(crate) fn check_order_but(seen: &[Seen], unsaid: u64) -> u64 {
    let (mut next, mut lost) = (0, 0);
    for (number, before) in seen {
        assert!(*number >= next, "{number} comes after {next}");
        lost += before;
        next = number + 1;
    }
    let lacking = next - seen.len() as u64;
    assert_eq!(lacking, lost + unsaid, "frames lacking and lost");
    lost
}

/// The files of a rotation, oldest first.
pub(crate) fn in_order(first: &Path) -> Vec<PathBuf> {
    let prefix = first.file_name().and_then(|name| name.to_str()).unwrap();
    let entries = fs::read_dir(first.parent().unwrap()).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut paths: Vec<_> = paths
        .filter(|path| name(path).starts_with(prefix))
        .collect();
    paths.sort_by_key(|path| (name(path).len(), name(path)));
    paths
}

/// The account that the program printed at its end.
pub(crate) fn account(said: &str) -> Value {
    let line = said
        .lines()
        .rev()
        .find(|line| line.starts_with("{\"account\""));
    let line = line.unwrap_or_else(|| panic!("no account in: {said}"));
    let value: Value = serde_json::from_str(line).expect("JSON");
    value["account"].clone()
}

pub(crate) fn count(value: &Value) -> u64 {
    value.as_u64().expect("a count")
}
