//! The demo's traffic, captured by pktrail and tcpdump at once. Needs root, tcpdump and what
//! `scripts/traffic` uses.
//!
//! Owns the comparison of live captures: the same frames at the same time, and the same words
//! for them with each of tcpdump's ways to print. Single protocols are compared in `text_peers`.

use pktrail_tests::program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Two namespaces joined by a veth pair, and a folder. All go with the value.
struct Lan {
    prefix: String,
    folder: PathBuf,
}

impl Lan {
    fn new() -> Self {
        let prefix = format!("pkt-traffic-{}", std::process::id());
        let folder = std::env::temp_dir().join(&prefix);
        fs::create_dir_all(&folder).expect("a temporary folder can be made");
        let lan = Self { prefix, folder };
        lan.script("lan", &[&lan.prefix]);
        lan
    }

    fn script(&self, name: &str, arguments: &[&str]) {
        let status = Command::new(format!("{ROOT}/scripts/{name}"))
            .args(arguments)
            .stdin(Stdio::null())
            .status()
            .expect("the script runs");
        assert!(status.success(), "scripts/{name} {arguments:?} failed");
    }

    /// Starts a capture in the second namespace, and waits until it listens.
    fn capture(&self, program: &Path, flags: &[&str], file: &str) -> Capture {
        let file = self.folder.join(file);
        let said = file.with_extension("said");
        let child = Command::new("ip")
            .args(["netns", "exec", &format!("{}-b", self.prefix)])
            .arg(program)
            .args(flags)
            .args(["-i", "veth0", "-w"])
            .arg(&file)
            .stderr(fs::File::create(&said).expect("a file can be made"))
            .spawn()
            .expect("ip runs");
        let capture = Capture { child, file, said };
        let begin = Instant::now();
        while !capture.said().contains("listening") && !capture.has_begun() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "it says: {}",
                capture.said()
            );
            sleep(Duration::from_millis(20));
        }
        capture
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let script = format!("{ROOT}/scripts/lan");
        let _ = Command::new(script).args([&self.prefix, "down"]).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A capture that runs. Dropping it kills it.
struct Capture {
    child: Child,
    file: PathBuf,
    said: PathBuf,
}

impl Capture {
    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    fn has_begun(&self) -> bool {
        fs::metadata(&self.file).is_ok_and(|file| file.len() > 0)
    }

    /// Ends it as a person would, and returns its file.
    fn end(mut self) -> PathBuf {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success(), "the capture had ended: {}", self.said());
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "{status}: {}", self.said());
        self.file.clone()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program prints for a file.
fn printed(program: &Path, flags: &[&str], file: &Path) -> String {
    let output = Command::new(program)
        .args(flags)
        .arg("-r")
        .arg(file)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} {flags:?}: {said}",
        program.display()
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines from the first ARP request to the last frame with two tags: what the two captures
/// saw of the time before and after is not the same.
fn traffic(lines: &str) -> Vec<&str> {
    let lines: Vec<&str> = lines.lines().collect();
    let first = lines
        .iter()
        .position(|line| line.contains("who-has 192.0.2.2"));
    let last = lines.iter().rposition(|line| line.contains("0x88a8"));
    match (first, last) {
        (Some(first), Some(last)) => lines[first..=last].to_vec(),
        _ => panic!("the traffic is not in the capture:\n{}", lines.join("\n")),
    }
}

/// Fails on the first line that differs, with both.
fn assert_same(ours: &[&str], theirs: &[&str], what: &str) {
    for (number, (our, their)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(our, their, "{what}: line {}", number + 1);
    }
    assert_eq!(ours.len(), theirs.len(), "{what}: one prints more lines");
}

/// The time of each frame of the traffic, in seconds.
fn times(file: &Path) -> Vec<f64> {
    let text = printed(Path::new("tcpdump"), &["-n", "-e", "-tt"], file);
    let time = |line: &&str| line.split(' ').next().and_then(|word| word.parse().ok());
    traffic(&text)
        .iter()
        .map(|line| time(line).expect("a line begins with a time"))
        .collect()
}

/// Each socket reads the clock for itself where nobody did so before, so the times of a frame
/// differ by microseconds, and by more on a busy machine.
fn assert_near(ours: &[f64], theirs: &[f64]) {
    for (number, (our, their)) in ours.iter().zip(theirs).enumerate() {
        let apart = (our - their).abs();
        assert!(
            apart < 0.05,
            "frame {}: {our} and {their} are {apart} s apart",
            number + 1
        );
    }
}

/// Ways to print: each by itself, and with those that change what the others show.
const WAYS: &[&[&str]] = &[
    &[],
    &["-n"],
    &["-n", "-e"],
    &["-n", "-v"],
    &["-n", "-vv"],
    &["-n", "-vvv"],
    &["-n", "-t"],
    &["-n", "-tt"],
    &["-n", "-ttt"],
    &["-n", "-tttt"],
    &["-n", "-ttttt"],
    &["-n", "-S"],
    &["-n", "-q"],
    &["-n", "-x"],
    &["-n", "-xx"],
    &["-n", "-X"],
    &["-n", "-XX"],
    &["-n", "-A"],
    &["-n", "-#"],
    &["-n", "-e", "-v", "-S", "-XX"],
    &["-n", "-e", "-q", "-t", "-A"],
    &["-N", "-v", "-e"],
];

#[test]
fn pktrail_captures_and_prints_what_tcpdump_does() {
    let lan = Lan::new();
    let tcpdump = Path::new("tcpdump");
    // Without the flags it would leave its last second in the ring.
    let reference = lan.capture(tcpdump, &["-U", "--immediate-mode"], "theirs.pcap");
    let capture = lan.capture(program::path(), &[], "ours.pcapng");
    lan.script(
        "traffic",
        &[&format!("{}-a", lan.prefix), &format!("{}-b", lan.prefix)],
    );
    let ours = capture.end();
    let theirs = reference.end();

    let flags = ["-n", "-e", "-t", "-xx"];
    let (our, their) = (
        printed(tcpdump, &flags, &ours),
        printed(tcpdump, &flags, &theirs),
    );
    assert_same(
        &traffic(&our),
        &traffic(&their),
        "the frames, as tcpdump shows both files",
    );
    assert!(
        traffic(&our).len() > 300,
        "only {} lines",
        traffic(&our).len()
    );
    assert_near(&times(&ours), &times(&theirs));

    for way in WAYS {
        for file in [&ours, &theirs] {
            let (our, their) = (
                printed(program::path(), way, file),
                printed(tcpdump, way, file),
            );
            let (our, their): (Vec<_>, Vec<_>) = (our.lines().collect(), their.lines().collect());
            assert_same(&our, &their, &format!("{way:?} over {}", file.display()));
        }
    }
}
