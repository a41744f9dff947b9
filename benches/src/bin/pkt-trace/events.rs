//! How many events a second get through the program into a pcapng file.
//!
//! Owns driving `pktrail trace -w` and the search for the highest rate without loss. The program's
//! account says what was lost; capinfos counts the packets of the file.

use crate::load::{self, PORT};
use pktrail::{Error, ErrorKind, Result};
use pktrail_benches::process::Running;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Events in a second that are tried, the most first.
const RATES: [f64; 9] = [
    500e3, 450e3, 400e3, 350e3, 300e3, 250e3, 200e3, 150e3, 100e3,
];
/// Events of a datagram from one namespace to the other: OUTPUT, queue, device, received, INPUT,
/// socket.
const EACH: f64 = 6.0;

/// One run of the program.
pub(crate) struct Run {
    pub(crate) wanted: f64,
    pub(crate) seconds: f64,
    pub(crate) datagrams: u64,
    pub(crate) produced: u64,
    pub(crate) shown: u64,
    pub(crate) lost: u64,
    /// CPU time of the program, and its largest size.
    pub(crate) cpu_s: f64,
    pub(crate) peak_mib: f64,
    pub(crate) file_mib: f64,
    /// Packets of the file, as capinfos counts them.
    pub(crate) frames: u64,
}

impl Run {
    /// Nothing is missing: neither an event nor a frame of those that each datagram makes, one
    /// where it left and one where it came in.
    pub(crate) fn is_whole(&self) -> bool {
        self.lost == 0 && self.shown == self.produced && self.frames == 2 * self.datagrams
    }
}

/// Tries rates until one gets through whole.
pub(crate) fn search(time: Duration, file: &Path) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for rate in RATES {
        runs.push(run(rate, time, file)?);
        if runs.last().is_some_and(Run::is_whole) {
            break;
        }
    }
    Ok(runs)
}

fn run(wanted: f64, time: Duration, file: &Path) -> Result<Run> {
    let program = std::env::current_exe().map_err(|e| Error::io("where this program is", e))?;
    let program = program.with_file_name("pktrail");
    let failed = |cause| Error::io(format!("cannot run {}", program.display()), cause);
    let mut child = Command::new("nice")
        .args(["-n", "-15"])
        .arg(&program)
        .args(["trace", "--json", "-w"])
        .arg(file)
        .arg(format!("udp port {PORT}"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let errors = child.stderr.take();
    let mut running = Running::new(child, Vec::new());
    let said = thread::spawn(move || {
        let mut said = String::new();
        let _ = errors.map(|mut errors| errors.read_to_string(&mut said));
        said
    });
    thread::sleep(Duration::from_secs(1));
    let before = running.cpu_seconds();
    let (rate, datagrams) = load::flood(time, Some(wanted / EACH))?;
    thread::sleep(Duration::from_millis(200));
    let peak_mib = running.memory().peak_kib as f64 / 1024.0;
    let cpu_s = running.cpu_seconds() - before;
    running.interrupt()?;
    let said = said.join().unwrap_or_default();
    let events = said.lines().find_map(|line| {
        let value: Value = serde_json::from_str(line).ok()?;
        value.get("events").cloned()
    });
    let events = events.ok_or_else(|| {
        let what = format!("the program gave no account: {said}");
        Error::new(ErrorKind::System, what)
    })?;
    let number = |key: &str| events.get(key).and_then(Value::as_u64).unwrap_or(0);
    let size = std::fs::metadata(file).map_or(0, |status| status.len());
    Ok(Run {
        wanted,
        seconds: datagrams as f64 / rate,
        datagrams,
        produced: number("produced"),
        shown: number("shown"),
        lost: number("lost"),
        cpu_s,
        peak_mib,
        file_mib: size as f64 / 1048576.0,
        frames: frames(file)?,
    })
}

/// The packets of a file.
fn frames(file: &Path) -> Result<u64> {
    let failed = |said: String| Error::new(ErrorKind::System, format!("`capinfos` failed: {said}"));
    let output = Command::new("capinfos")
        .args(["-T", "-r", "-M", "-c"])
        .arg(file)
        .output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = text
        .split_whitespace()
        .last()
        .and_then(|count| count.parse().ok());
    count.ok_or_else(|| failed(text))
}
