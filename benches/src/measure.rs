//! One measured run: a program captures on one CPU while another takes the load.

use crate::numbers::{self, Found};
use crate::peer::{Output, Peer, Report};
use crate::testbed;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pktrail::{Error, ErrorKind, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The CPU that injects, and with it the kernel's work up to the ring.
pub const LOAD_CPU: u32 = 0;
/// The CPU of the capturing program.
pub const CAPTURE_CPU: u32 = 1;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Size of the frames, as `pkt-load --size` takes it.
    pub size: String,
    /// Frames to send.
    pub frames: u64,
    /// Frames per second; 0 for as fast as it goes.
    pub rate: u64,
    /// Where captured frames go.
    pub output: Output,
    /// Size of the capturing program's ring in MiB.
    pub ring_mib: u32,
    /// A folder for the file and for what the program says.
    pub folder: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Frames sent.
    pub sent: u64,
    /// Time that the load took, in seconds.
    pub load_s: f64,
    /// What the program reported.
    pub report: Report,
    /// What its file holds; nothing without a file.
    pub found: Option<Found>,
    /// The packets that capinfos counts in it.
    pub capinfos: Option<u64>,
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// CPU seconds of the program in user mode, from start to end.
    pub user_s: f64,
    /// CPU seconds of the program in the kernel, from start to end.
    pub system_s: f64,
    /// CPU seconds of both kinds that it had used when the load began.
    pub start_s: f64,
}

impl Outcome {
    /// CPU seconds from the begin of the load to the end of the program.
    pub fn cpu_s(&self) -> f64 {
        (self.user_s + self.system_s - self.start_s).max(0.0)
    }

    /// Frames kept: in the file where there is one, or as reported.
    pub fn kept(&self) -> u64 {
        self.found
            .as_ref()
            .map_or(self.report.captured, |found| found.frames)
    }

    /// Frames that are neither kept nor reported as lost. Negative where more
    /// are reported than are missing.
    pub fn unsaid(&self) -> i64 {
        self.sent.cast_signed() - self.kept().cast_signed() - self.report.lost.cast_signed()
    }
}

/// A started program, killed when dropped, and files of its own that go with it.
struct Running {
    child: Child,
    files: Vec<PathBuf>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// Runs `peer` under the load of `plan`, in the namespace of [`testbed::enter`].
///
/// # Errors
/// `NotFound` for a missing program; `System` where one fails or says nothing
/// that can be understood; `Damaged` where its file cannot be read.
pub fn measure(peer: &Peer, plan: &Plan) -> Result<Outcome> {
    let file = match plan.output {
        Output::Null => PathBuf::from("/dev/null"),
        // Each writes its native format: ours is known by the name.
        Output::Disk if peer.ours => plan.folder.join("pkt-live.pcapng"),
        Output::Disk => plan.folder.join("pkt-live.cap"),
    };
    let mut running = start(peer, plan, &file)?;
    if !testbed::wait_for_tap(Duration::from_secs(20)) {
        let said = fs::read_to_string(&running.files[0]).unwrap_or_default();
        return Err(failed(peer, "does not capture", &said));
    }
    let pid = running.child.id();
    let start_s = cpu_seconds(pid);
    let (sent, load_s) = load(plan)?;
    wait_until_quiet(pid);
    let (user_s, system_s) = stop(&mut running)?;
    let said = fs::read_to_string(&running.files[0]).unwrap_or_default();
    let report = (peer.report)(&said).ok_or_else(|| failed(peer, "reports nothing", &said))?;
    let mut outcome = Outcome {
        sent,
        load_s,
        report,
        user_s,
        system_s,
        start_s,
        ..Outcome::default()
    };
    if plan.output == Output::Disk {
        outcome.file_bytes = fs::metadata(&file).map_or(0, |file| file.len());
        outcome.found = Some(numbers::check(&file, sent)?);
        outcome.capinfos = Some(capinfos(&file)?);
    }
    Ok(outcome)
}

/// A program of ours, from beside the running one, or one on the path.
pub fn program(peer: &Peer) -> PathBuf {
    if peer.ours {
        beside(peer.program)
    } else {
        peer.program.into()
    }
}

fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name(name)
}

fn start(peer: &Peer, plan: &Plan, file: &Path) -> Result<Running> {
    let said = plan.folder.join("pkt-live.said");
    let io = |error| Error::io(format!("cannot write {}", said.display()), error);
    let log = fs::File::create(&said).map_err(io)?;
    let child = Command::new("taskset")
        .args(["-c", &CAPTURE_CPU.to_string()])
        .arg(program(peer))
        .args(peer.arguments(testbed::INTERFACE, file, plan.ring_mib))
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(io)?)
        .stderr(log)
        .spawn()
        .map_err(|error| Error::io("cannot start taskset", error))?;
    let mut files = vec![said];
    if plan.output == Output::Disk {
        files.push(file.to_owned());
    }
    Ok(Running { child, files })
}

fn load(plan: &Plan) -> Result<(u64, f64)> {
    let output = Command::new(beside("pkt-load"))
        .args(["-i", testbed::INTERFACE, "--size", &plan.size])
        .args(["--cpu", &LOAD_CPU.to_string()])
        .args(["--count", &plan.frames.to_string()])
        .args(["--rate", &plan.rate.to_string()])
        .output()
        .map_err(|error| Error::io("cannot start pkt-load", error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        let rest = said.split_once(&format!("\"{name}\":"))?.1;
        rest.split([',', '}']).next()?.parse::<f64>().ok()
    };
    match (output.status.success(), field("frames"), field("seconds")) {
        (true, Some(frames), Some(seconds)) => Ok((frames as u64, seconds)),
        _ => Err(Error::new(
            ErrorKind::System,
            format!(
                "pkt-load failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        )),
    }
}

/// CPU seconds of all threads of a process so far, by the scheduler's own count.
fn cpu_seconds(pid: u32) -> f64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0.0;
    };
    let nanoseconds: u64 = threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    nanoseconds as f64 / 1e9
}

/// Waits until a process has nothing more to do: less than 1 % of a CPU for one
/// and a half seconds, longer than any program here leaves frames in a block
/// of its ring (libpcap: one second). Half a minute at most.
fn wait_until_quiet(pid: u32) {
    let begin = Instant::now();
    let mut before = cpu_seconds(pid);
    while begin.elapsed() < Duration::from_secs(30) {
        thread::sleep(Duration::from_millis(1500));
        let now = cpu_seconds(pid);
        if now - before < 0.015 {
            return;
        }
        before = now;
    }
}

/// Ends the program as a person would; its CPU seconds in user mode and kernel.
fn stop(running: &mut Running) -> Result<(f64, f64)> {
    let usage = || {
        getrusage(UsageWho::RUSAGE_CHILDREN)
            .map_err(|error| Error::io("getrusage for ended children", error.into()))
    };
    // The children that ended before this one are in the first count already.
    let before = usage()?;
    kill(
        Pid::from_raw(running.child.id().cast_signed()),
        Signal::SIGINT,
    )
    .map_err(|error| Error::io("cannot end the capture", error.into()))?;
    running
        .child
        .wait()
        .map_err(|error| Error::io("cannot wait for the capture", error))?;
    let after = usage()?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok((
        seconds(after.user_time() - before.user_time()),
        seconds(after.system_time() - before.system_time()),
    ))
}

fn capinfos(file: &Path) -> Result<u64> {
    let output = Command::new("capinfos")
        .args(["-c", "-M", "-T", "-r"])
        .arg(file)
        .output()
        .map_err(|error| Error::io("cannot start capinfos", error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim()
        .rsplit('\t')
        .next()
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            Error::new(
                ErrorKind::Damaged,
                format!("capinfos refuses the file: {}", said.trim()),
            )
        })
}

fn failed(peer: &Peer, what: &str, said: &str) -> Error {
    Error::new(
        ErrorKind::System,
        format!("{} {what}. It said: {}", peer.name, said.trim()),
    )
}
