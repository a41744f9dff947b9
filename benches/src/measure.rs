//! One measured run: a program captures on one CPU while another takes the load.

use crate::judge;
use crate::load::{self, CAPTURE_CPU, Load, beside};
use crate::numbers::{self, Found};
use crate::peer::{Output, Peer, Report};
use crate::process::{Memory, Running};
use crate::testbed;
use nix::sys::resource::{UsageWho, getrusage};
use pktrail::{Error, ErrorKind, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How closely the file of a run is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Not at all: what the program says has to do, as for `/dev/null`.
    Report,
    /// Every frame's number.
    Numbers,
    /// The numbers, and what capinfos counts.
    Capinfos,
    /// And what tshark dissects.
    Tshark,
}

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
    /// How closely the file is looked at.
    pub checks: Checks,
    /// Whether it is looked at although the program says that it is not whole.
    pub lossy_checks: bool,
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
    /// The packets that tshark finds in it.
    pub tshark: Option<u64>,
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// CPU seconds of the program in user mode, from start to end.
    pub user_s: f64,
    /// CPU seconds of the program in the kernel, from start to end.
    pub system_s: f64,
    /// CPU seconds of both kinds that it had used when the load began.
    pub start_s: f64,
    /// Memory of the program.
    pub memory: Memory,
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

    /// Whether every frame that was sent is kept, and none said to be lost.
    pub fn is_whole(&self) -> bool {
        self.kept() == self.sent && self.report.lost == 0
    }

    /// Looks at the file.
    fn look(&mut self, file: &Path, checks: Checks) -> Result<()> {
        if checks == Checks::Report {
            return Ok(());
        }
        self.found = Some(numbers::check(file, self.sent)?);
        if matches!(checks, Checks::Capinfos | Checks::Tshark) {
            self.capinfos = Some(judge::capinfos(file)?);
        }
        if checks == Checks::Tshark {
            self.tshark = Some(judge::tshark(file)?);
        }
        Ok(())
    }

    /// Whether the file holds anything but what was sent, or other programs
    /// find another number of packets in it.
    pub fn is_unsound(&self) -> bool {
        let Some(found) = &self.found else {
            return false;
        };
        let packets = found.frames + found.duplicates + found.foreign;
        let differs = |count: Option<u64>| count.is_some_and(|count| count != packets);
        !found.is_sound() || differs(self.capinfos) || differs(self.tshark)
    }

    /// Frames that are neither kept nor reported as lost. Negative where more
    /// are reported than are missing.
    pub fn unsaid(&self) -> i64 {
        self.sent.cast_signed() - self.kept().cast_signed() - self.report.lost.cast_signed()
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
    let said = plan.folder.join("pkt-live.said");
    let mut running = start(peer, plan, &file, &said)?;
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    if !testbed::wait_for_tap(Duration::from_secs(20)) {
        return Err(failed(peer, "does not capture", &read(&said)));
    }
    let start_s = running.cpu_seconds();
    running.memory();
    let load = Load {
        size: plan.size.clone(),
        frames: plan.frames,
        rate: plan.rate,
        seconds: 600,
    };
    let sent = load.run()?;
    running.wait_until_quiet();
    let (user_s, system_s) = stop(&mut running)?;
    let said = read(&said);
    let report = (peer.report)(&said).ok_or_else(|| failed(peer, "reports nothing", &said))?;
    let mut outcome = Outcome {
        sent: sent.frames,
        load_s: sent.seconds,
        report,
        user_s,
        system_s,
        start_s,
        memory: running.memory(),
        ..Outcome::default()
    };
    if plan.output == Output::Disk {
        outcome.file_bytes = fs::metadata(&file).map_or(0, |file| file.len());
        if plan.lossy_checks || outcome.is_whole() {
            outcome.look(&file, plan.checks)?;
        }
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

fn start(peer: &Peer, plan: &Plan, file: &Path, said: &Path) -> Result<Running> {
    let io = |error| Error::io(format!("cannot write {}", said.display()), error);
    let log = fs::File::create(said).map_err(io)?;
    let child = load::on_cpu(CAPTURE_CPU, 0)
        .arg(program(peer))
        .args(peer.arguments(testbed::INTERFACE, file, plan.ring_mib))
        .stdout(log.try_clone().map_err(io)?)
        .stderr(log)
        .spawn()
        .map_err(|error| Error::io("cannot start taskset", error))?;
    let mut files = vec![said.to_owned()];
    if plan.output == Output::Disk {
        files.push(file.to_owned());
    }
    Ok(Running::new(child, files))
}

/// Ends the program as a person would; its CPU seconds in user mode and kernel.
fn stop(running: &mut Running) -> Result<(f64, f64)> {
    let usage = || {
        getrusage(UsageWho::RUSAGE_CHILDREN)
            .map_err(|error| Error::io("getrusage for ended children", error.into()))
    };
    // The children that ended before this one are in the first count already.
    let before = usage()?;
    running.interrupt()?;
    let after = usage()?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok((
        seconds(after.user_time() - before.user_time()),
        seconds(after.system_time() - before.system_time()),
    ))
}

fn failed(peer: &Peer, what: &str, said: &str) -> Error {
    Error::new(
        ErrorKind::System,
        format!("{} {what}. It said: {}", peer.name, said.trim()),
    )
}
