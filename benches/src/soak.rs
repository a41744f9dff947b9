//! A long run: half the full rate, files that are rotated and written over, and
//! every frame of every file looked at in time. Memory must stay flat.
//!
//! Owns what happens in the run and its judgement; the words and the files of
//! its record are in `soak_report`.

use crate::load::{self, Load, Sent, beside};
use crate::measure::{self, Checks, Plan};
use crate::numbers::Sequence;
use crate::peer::{Output, PEERS, Peer, Report};
use crate::process::{Memory, Running};
use crate::testbed;
use pktrail::{Error, ErrorKind, Result};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What to do.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How long the load lasts.
    pub duration: Duration,
    /// Size of the frames, as `pkt-load --size` takes it.
    pub size: String,
    /// Frames per second; half the full rate if not given.
    pub rate: Option<u64>,
    /// Size of the ring in MiB.
    pub ring_mib: u32,
    /// Size of each file in millions of bytes.
    pub file_mb: u64,
    /// How many files there are before the oldest is written over.
    pub files: u64,
    /// Time between samples.
    pub sample: Duration,
    /// A folder for the files.
    pub folder: PathBuf,
}

/// The state of things at a moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Seconds since the begin of the load.
    pub seconds: f64,
    /// Memory of pktrail.
    pub memory: Memory,
    /// CPU seconds that it has used.
    pub cpu_s: f64,
    /// Finished files.
    pub files: u64,
    /// What they hold together.
    pub sequence: Sequence,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Soaked {
    /// Frames per second that were wanted.
    pub rate: u64,
    /// What was sent; nothing where the generator could not say.
    pub sent: Option<Sent>,
    /// What pktrail reported.
    pub report: Option<Report>,
    /// The samples.
    pub samples: Vec<Sample>,
    /// Files checked, and what they hold together.
    pub files: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// Frames lost, by the records of the files.
    pub lost_logged: u64,
    /// What all files hold.
    pub sequence: Sequence,
    /// What was wrong, a sentence each.
    pub faults: Vec<String>,
}

/// Priority of generator and capture (nice(1)): others may build meanwhile.
const NICE: i32 = -10;
/// Most that memory may grow from the first tenth of the run to the last: what
/// an allocator may do, and far less than a leak of a byte for each frame.
const FLAT_KIB: u64 = 1024;

/// Runs it, in the namespace of [`testbed::enter`], until the time is over or
/// `stop` is set. `told` is called with each sample.
///
/// # Errors
/// `NotFound` for a missing program; `System` where one fails. What is wrong
/// with the frames is no error, but in [`Soaked::faults`].
pub fn soak(wanted: &Wanted, stop: &AtomicBool, told: impl Fn(&Sample)) -> Result<Soaked> {
    let rate = match wanted.rate {
        Some(rate) => rate,
        None => full_rate(wanted)? / 2,
    };
    let capture = Capture::start(wanted)?;
    let load = Load {
        size: wanted.size.clone(),
        frames: pktrail::inject::MAX_COUNT,
        rate,
        seconds: wanted.duration.as_secs(),
    };
    let mut run = Run {
        soaked: Soaked {
            rate,
            ..Soaked::default()
        },
        capture,
        begin: Instant::now(),
        log_at: 0,
        told,
    };
    let load = run.while_loaded(load.start(NICE)?, stop, wanted)?;
    match load::finish(load) {
        Ok(sent) => run.soaked.sent = Some(sent),
        Err(error) => run.fault(format!("{error:#}")),
    }
    run.capture.running.wait_until_quiet();
    run.sample();
    run.capture.running.interrupt()?;
    run.look_at_finished();
    run.judge()?;
    Ok(run.soaked)
}

/// How many frames a second the generator sends while somebody drains the ring.
fn full_rate(wanted: &Wanted) -> Result<u64> {
    let plan = Plan {
        size: wanted.size.clone(),
        frames: 2_000_000,
        rate: 0,
        output: Output::Null,
        ring_mib: wanted.ring_mib,
        checks: Checks::Report,
        lossy_checks: false,
        folder: wanted.folder.clone(),
    };
    let outcome = measure::measure(peer("drain")?, &plan)?;
    Ok((outcome.sent as f64 / outcome.load_s.max(1e-9)) as u64)
}

fn peer(name: &str) -> Result<&'static Peer> {
    let missing = || Error::new(ErrorKind::NotFound, format!("{name} is not in the table"));
    let mut peers = PEERS.iter();
    peers.find(|peer| peer.name == name).ok_or_else(missing)
}

/// pktrail, with rotation.
struct Capture {
    running: Running,
    said: PathBuf,
    log: PathBuf,
}

impl Capture {
    fn start(wanted: &Wanted) -> Result<Self> {
        let said = wanted.folder.join("pkt-soak.said");
        let log = wanted.folder.join("pkt-soak.log");
        let io = |error| Error::io(format!("cannot write {}", said.display()), error);
        let file = File::create(&said).map_err(io)?;
        let child = load::on_cpu(load::CAPTURE_CPU, NICE)
            .arg(beside("pktrail"))
            .args(["-i", testbed::INTERFACE])
            .args(["-B", &(wanted.ring_mib * 1024).to_string()])
            .arg("-w")
            .arg(wanted.folder.join("pkt-soak.pcapng"))
            .args(["-C", &wanted.file_mb.to_string()])
            .args(["-W", &wanted.files.to_string()])
            .arg("--file-log")
            .arg(&log)
            .stdout(file.try_clone().map_err(io)?)
            .stderr(file)
            .spawn()
            .map_err(|error| Error::io("cannot start pktrail", error))?;
        let running = Running::new(child, vec![said.clone(), log.clone()]);
        if !testbed::wait_for_tap(Duration::from_secs(20)) {
            let said = fs::read_to_string(&said).unwrap_or_default();
            let message = format!("pktrail does not capture. It said: {}", said.trim());
            return Err(Error::new(ErrorKind::System, message));
        }
        Ok(Self { running, said, log })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let folder = self.said.parent().map(fs::read_dir);
        let entries = folder.into_iter().flatten().flatten().flatten();
        for entry in entries {
            if entry.file_name().to_string_lossy().starts_with("pkt-soak.") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

struct Run<F> {
    soaked: Soaked,
    capture: Capture,
    begin: Instant,
    /// Bytes of the log that were taken already.
    log_at: usize,
    told: F,
}

impl<F: Fn(&Sample)> Run<F> {
    /// Looks at files and memory until the load is over.
    fn while_loaded(
        &mut self,
        mut load: Child,
        stop: &AtomicBool,
        wanted: &Wanted,
    ) -> Result<Child> {
        let mut due = wanted.sample;
        loop {
            self.look_at_finished();
            if self.begin.elapsed() >= due {
                due += wanted.sample;
                self.sample();
            }
            let is_over = load.try_wait();
            let is_over = is_over.map_err(|error| Error::io("cannot wait for pkt-load", error))?;
            if is_over.is_some() {
                return Ok(load);
            }
            if stop.load(Ordering::Relaxed) || self.capture.running.has_ended() {
                self.fault("the run was ended early".to_owned());
                let _ = load.kill();
                return Ok(load);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn sample(&mut self) {
        let sample = Sample {
            seconds: self.begin.elapsed().as_secs_f64(),
            memory: self.capture.running.memory(),
            cpu_s: self.capture.running.cpu_seconds(),
            files: self.soaked.files,
            sequence: self.soaked.sequence.clone(),
        };
        (self.told)(&sample);
        self.soaked.samples.push(sample);
    }

    /// Checks the files that the log says are finished since the last time.
    fn look_at_finished(&mut self) {
        let mut log = String::new();
        // A line may be half there; the next look takes it.
        let _ = File::open(&self.capture.log).and_then(|mut file| file.read_to_string(&mut log));
        let whole = log.rfind('\n').map_or(0, |end| end + 1);
        let news = log.get(self.log_at..whole).unwrap_or_default();
        self.log_at = whole;
        for line in news.lines() {
            if let Err(error) = self.look_at(line) {
                self.fault(format!("{error:#}"));
            }
        }
    }

    fn look_at(&mut self, line: &str) -> Result<()> {
        let wrong = || Error::new(ErrorKind::Damaged, format!("the file log says {line}"));
        let record: Value = serde_json::from_str(line).map_err(|_| wrong())?;
        let path = Path::new(record["file"].as_str().ok_or_else(wrong)?);
        let number = |name: &str| record[name].as_u64().ok_or_else(wrong);
        let lost = record["lost"].as_object().ok_or_else(wrong)?;
        self.soaked.lost_logged += lost.values().filter_map(Value::as_u64).sum::<u64>();
        self.soaked.bytes += number("bytes")?;
        self.soaked.files += 1;
        let found = self.soaked.sequence.check(path)?;
        let logged = number("packets")?;
        if found != logged {
            let name = path.display();
            self.fault(format!(
                "{name} holds {found} packets; the log says {logged}"
            ));
        }
        Ok(())
    }

    fn fault(&mut self, sentence: String) {
        // The first ones say it; a machine that is broken would fill memory.
        if self.soaked.faults.len() < 50 {
            self.soaked.faults.push(sentence);
        }
    }

    /// Compares what was sent, what was said and what is in the files.
    fn judge(&mut self) -> Result<()> {
        let said = fs::read_to_string(&self.capture.said).unwrap_or_default();
        self.soaked.report = (peer("pktrail")?.report)(&said);
        let Soaked { sequence, sent, .. } = &mut self.soaked;
        if let Some(sent) = sent {
            sequence.missing += sent.frames.saturating_sub(sequence.next);
            sequence.next = sequence.next.max(sent.frames);
        }
        let faults = faults(&self.soaked, &said);
        self.soaked.faults.extend(faults);
        Ok(())
    }
}

/// What the account, the files and the numbers do not agree in.
fn faults(soaked: &Soaked, said: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let Soaked { sequence, sent, .. } = soaked;
    let mut claim = |holds: bool, sentence: String| {
        if !holds {
            faults.push(sentence);
        }
    };
    claim(
        sequence.disordered == 0 && sequence.foreign == 0,
        format!(
            "{} frames out of order or twice, {} without a number",
            sequence.disordered, sequence.foreign
        ),
    );
    match soaked.report {
        None => faults.push(format!("pktrail reports nothing. It said: {}", said.trim())),
        Some(report) => {
            let numbers = [
                ("frames captured", report.captured, sequence.frames),
                ("frames lost", report.lost, sequence.missing),
                (
                    "frames lost, in the file log",
                    soaked.lost_logged,
                    sequence.missing,
                ),
            ];
            for (name, reported, found) in numbers {
                claim(
                    reported == found,
                    format!("{name}: {reported} by pktrail, {found} by the numbers"),
                );
            }
            if let Some(sent) = sent {
                let unsaid = sent.frames.abs_diff(report.captured + report.lost);
                claim(
                    unsaid == 0,
                    format!("{unsaid} frames are not accounted for"),
                );
            }
        }
    }
    faults
}

impl Soaked {
    /// The most memory beside the ring in the first and in the last tenth of
    /// the samples, in KiB.
    pub fn memory_kib(&self) -> (u64, u64) {
        let count = self.samples.len().div_ceil(10);
        let most = |samples: &[Sample]| {
            let kib = samples.iter().map(|sample| sample.memory.now_kib);
            kib.max().unwrap_or(0)
        };
        let last = self.samples.len().saturating_sub(count);
        (most(&self.samples[..count]), most(&self.samples[last..]))
    }

    /// Whether memory did not grow.
    pub fn is_flat(&self) -> bool {
        let (first, last) = self.memory_kib();
        last <= first + FLAT_KIB
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soaked(frames: u64, missing: u64, report: Report) -> Soaked {
        Soaked {
            sent: Some(Sent {
                frames: frames + missing,
                seconds: 1.0,
            }),
            report: Some(report),
            lost_logged: missing,
            sequence: Sequence {
                next: frames + missing,
                frames,
                missing,
                ..Sequence::default()
            },
            ..Soaked::default()
        }
    }

    #[test]
    fn a_loss_that_is_said_is_no_fault() {
        let report = |captured, lost| Report { captured, lost };
        assert!(faults(&soaked(90, 10, report(90, 10)), "").is_empty());
        let unsaid = faults(&soaked(90, 10, report(90, 0)), "");
        assert_eq!(unsaid.len(), 2, "{unsaid:?}");
        let mut strange = soaked(90, 0, report(90, 0));
        strange.sequence.disordered = 1;
        assert_eq!(faults(&strange, "").len(), 1);
        strange.report = None;
        assert_eq!(faults(&strange, "").len(), 2);
    }

    #[test]
    fn memory_is_flat_or_grows() {
        let samples = |step: u64| {
            let sample = |at: u64| Sample {
                memory: Memory {
                    now_kib: 5000 + at * step,
                    ..Memory::default()
                },
                ..Sample::default()
            };
            Soaked {
                samples: (0..40).map(sample).collect(),
                ..Soaked::default()
            }
        };
        assert!(samples(0).is_flat());
        assert_eq!(samples(100).memory_kib(), (5300, 8900));
        assert!(!samples(100).is_flat());
    }
}
