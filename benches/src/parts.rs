//! The parts of the comparison: which runs are made, in which order.
//!
//! Programs take turns within a round, a different one first in each, so that
//! none is always behind another. What a run is stands in `measure`.

use crate::capacity::{Probe, Search};
use crate::load::{CAPTURE_CPU, on_cpu};
use crate::measure::{Checks, Outcome, Plan, measure};
use crate::options::{Options, Part, mean_len};
use crate::peer::{Output, Peer, Usual};
use crate::report::{Kind, Row};
use pktrail::{Error, ErrorKind, Result};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Most bytes that any format here adds to a frame.
const MAX_FRAME_HEADER: f64 = 96.0;
/// More bytes a second than any disk here takes.
const MAX_DISK_RATE: f64 = 2.6e9;
/// Largest file, and what is left free beside it.
const MAX_FILE_BYTES: f64 = 64e9;
const LEAVE_FREE: f64 = 8e9;
/// Files up to this size are judged by capinfos too in every long run, those up
/// to the second in the first one; greater ones not, because that takes minutes.
const SMALL_FILE: u64 = 4_000_000_000;
const LARGE_FILE: u64 = 20_000_000_000;

/// Where a search begins.
#[derive(Clone, Copy)]
struct Start {
    /// The rate, 0 for as fast as the generator goes.
    rate: u64,
    /// How fast that is, or was when it was last seen.
    full: u64,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            rate: 0,
            full: 1_500_000,
        }
    }
}

/// The runs made so far.
pub struct Bench<'a> {
    options: &'a Options,
    tell: fn(&Row),
    /// What was measured.
    pub rows: Vec<Row>,
    /// What failed, a sentence each.
    pub failures: Vec<String>,
}

impl<'a> Bench<'a> {
    /// Nothing measured yet; `tell` is called after each run.
    pub fn new(options: &'a Options, tell: fn(&Row)) -> Self {
        Self {
            options,
            tell,
            rows: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Makes all runs, in the namespace of [`enter`](crate::testbed::enter).
    ///
    /// # Errors
    /// `Usage` for a size that is none. A run that fails is noted; the others
    /// have taken long, and stand for themselves.
    pub fn run(&mut self) -> Result<()> {
        let options = self.options;
        if options.parts.contains(&Part::Null) {
            self.rounds(Kind::Null, &options.sizes)?;
        }
        if options.parts.contains(&Part::Held) {
            self.rounds(Kind::Held, &["1500".to_owned()])?;
        }
        if options.parts.contains(&Part::Capacity) {
            self.capacity()?;
        }
        Ok(())
    }

    /// The programs that can do it, in the order of one round.
    fn turn(&self, kind: Kind, run: u32) -> Vec<&'static Peer> {
        let programs = self.options.programs.iter().copied();
        let to_null = kind == Kind::Null;
        let takes_part = |peer: &&Peer| match to_null {
            true => peer.usual != Usual::Disk,
            false => peer.writes,
        };
        let mut turn: Vec<_> = programs.filter(takes_part).collect();
        let first = run as usize % turn.len().max(1);
        turn.rotate_left(first);
        turn
    }

    fn rounds(&mut self, kind: Kind, sizes: &[String]) -> Result<()> {
        for run in 1..=self.options.runs {
            for size in sizes {
                let plan = self.plan(kind, size, 0, 0)?;
                for peer in self.turn(kind, run) {
                    let _ = self.measure(kind, run, peer, plan.clone());
                }
            }
        }
        Ok(())
    }

    /// What one run does. `rate` 0 is the generator's own, which is about `full`.
    fn plan(&self, kind: Kind, size: &str, rate: u64, full: u64) -> Result<Plan> {
        let options = self.options;
        let about = if rate == 0 { full } else { rate };
        let (rate, frames, checks) = match kind {
            Kind::Null => (0, options.frames, Checks::Report),
            Kind::Held => (
                options.held_rate,
                options.held_rate * options.seconds,
                Checks::Tshark,
            ),
            Kind::Confirm => (rate, about * options.confirm_seconds, Checks::Numbers),
            _ => (rate, about * options.probe_seconds, Checks::Report),
        };
        let output = match kind {
            Kind::Null => Output::Null,
            _ => Output::Disk,
        };
        let frames = match output {
            Output::Null => frames,
            Output::Disk => self.fitting(frames, about.max(rate), mean_len(size)?)?,
        };
        Ok(Plan {
            size: size.to_owned(),
            frames,
            rate,
            output,
            ring_mib: match output {
                Output::Null => options.ring_mib,
                Output::Disk => options.disk_ring_mib,
            },
            checks,
            lossy_checks: kind == Kind::Held,
            folder: options.files.clone(),
        })
    }

    /// As many frames as the disk has room for.
    fn fitting(&self, frames: u64, rate: u64, mean_len: f64) -> Result<u64> {
        let room = (room(&self.options.files)? - LEAVE_FREE).clamp(0.0, MAX_FILE_BYTES);
        let per_frame = mean_len + MAX_FRAME_HEADER;
        // What does not get onto the disk needs no room there.
        let share = (MAX_DISK_RATE / (rate.max(1) as f64 * per_frame)).min(1.0);
        let most = (room / (per_frame * share)) as u64;
        if most < frames / 2 {
            let message = format!(
                "{} has too little room: {:.0} GB are free, {:.0} GB wanted",
                self.options.files.display(),
                (room + LEAVE_FREE) / 1e9,
                frames as f64 * per_frame * share / 1e9
            );
            return Err(Error::new(ErrorKind::System, message));
        }
        Ok(frames.min(most))
    }

    /// One run, noted in any case.
    fn measure(&mut self, kind: Kind, run: u32, peer: &Peer, plan: Plan) -> Option<&Row> {
        if plan.output == Output::Disk {
            // What the run before has left in the page cache.
            let _ = Command::new("sync").status();
        }
        match measure(peer, &plan) {
            Ok(outcome) => {
                let row = Row {
                    kind,
                    run,
                    peer: peer.name,
                    plan,
                    outcome,
                    is_best: false,
                };
                (self.tell)(&row);
                self.rows.push(row);
                self.rows.last()
            }
            Err(error) => {
                let what = format!("{} {} run {run}", peer.name, kind.name());
                self.failures.push(format!("{what}: {error:#}"));
                None
            }
        }
    }

    fn capacity(&mut self) -> Result<()> {
        let sizes = &self.options.disk_sizes;
        let mut starts = Vec::new();
        for size in sizes {
            for peer in self.turn(Kind::Probe, 0) {
                let start = self.search(Kind::Probe, 1, size, peer, Start::default())?;
                starts.push((size, peer.name, start));
            }
        }
        for run in 1..=self.options.confirms {
            for size in sizes {
                for peer in self.turn(Kind::Confirm, run) {
                    let mut own = starts.iter_mut();
                    let own = own.find(|(of, name, _)| *of == size && *name == peer.name);
                    let Some((.., Some(start))) = own else {
                        continue;
                    };
                    if peer.name == "pktrail" && size == "1500" {
                        self.dd(
                            run,
                            &self.plan(Kind::Confirm, size, start.rate, start.full)?,
                        )?;
                    }
                    if let Some(found) = self.search(Kind::Confirm, run, size, peer, *start)? {
                        *start = found;
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks for the highest rate without loss from `start` on. Where there is
    /// none, that is noted.
    fn search(
        &mut self,
        kind: Kind,
        run: u32,
        size: &str,
        peer: &'static Peer,
        start: Start,
    ) -> Result<Option<Start>> {
        let (mut search, mut full) = (Search::from(start.rate), start.full);
        let begin = self.rows.len();
        while let Some(rate) = search.next() {
            let mut plan = self.plan(kind, size, rate, full)?;
            let bytes = plan.frames as f64 * (mean_len(size)? + MAX_FRAME_HEADER / 2.0);
            let most = if run == 1 { LARGE_FILE } else { SMALL_FILE };
            if kind == Kind::Confirm && bytes as u64 <= most {
                plan.checks = Checks::Capinfos;
            }
            let Some(row) = self.measure(kind, run, peer, plan) else {
                return Ok(None);
            };
            let sent_rate = row.load_rate();
            let kept = row.outcome.kept() as f64 / row.outcome.sent.max(1) as f64;
            search.add(Probe {
                rate: sent_rate,
                kept_rate: sent_rate * kept,
                is_whole: row.outcome.is_whole(),
            });
            if rate == 0 {
                full = sent_rate as u64;
            }
        }
        let Some(best) = search.best() else {
            self.failures.push(format!(
                "{} {} run {run}: frames of {size} are lost at every rate tried",
                peer.name,
                kind.name()
            ));
            return Ok(None);
        };
        let row = &mut self.rows[begin + best];
        row.is_best = true;
        let rate = if row.plan.rate == 0 {
            0
        } else {
            search.floor() as u64
        };
        Ok(Some(Start { rate, full }))
    }

    /// What dd writes in the place of the file that comes next.
    fn dd(&mut self, run: u32, plan: &Plan) -> Result<()> {
        let bytes = plan.frames as f64 * (mean_len(&plan.size)? + MAX_FRAME_HEADER / 2.0);
        let file = plan.folder.join("pkt-live.dd");
        let _ = Command::new("sync").status();
        let mebibytes = (bytes as u64 >> 20).max(1);
        let begin = Instant::now();
        let status = on_cpu(CAPTURE_CPU, 0)
            .args(["dd", "if=/dev/zero", "oflag=direct", "bs=1M"])
            .arg(format!("of={}", file.display()))
            .arg(format!("count={mebibytes}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| Error::io("cannot start dd", error));
        let load_s = begin.elapsed().as_secs_f64();
        let _ = fs::remove_file(&file);
        if !status?.success() {
            self.failures.push(format!("dd run {run}: it failed"));
            return Ok(());
        }
        let row = Row {
            kind: Kind::Dd,
            run,
            peer: "dd",
            plan: plan.clone(),
            is_best: false,
            outcome: Outcome {
                load_s,
                file_bytes: mebibytes << 20,
                ..Outcome::default()
            },
        };
        (self.tell)(&row);
        self.rows.push(row);
        Ok(())
    }
}

/// Bytes that are free where a folder is.
fn room(folder: &Path) -> Result<f64> {
    let output = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(folder)
        .output()
        .map_err(|error| Error::io("cannot start df", error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let bytes = said
        .lines()
        .last()
        .and_then(|line| line.trim().parse().ok());
    bytes.ok_or_else(|| Error::new(ErrorKind::System, "df does not say how much is free"))
}
