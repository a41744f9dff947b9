//! The parts of the comparison: which runs are made, in which order.
//!
//! Programs take turns within a round, a different one first in each, so that
//! none is always behind another. What a run is stands in `measure`.

use crate::capacity::{self, Probe, Search};
use crate::load::{CAPTURE_CPU, on_cpu};
use crate::measure::{Checks, Outcome, Plan, measure};
use crate::options::{Options, Part, mean_len};
use crate::peer::{Output, Peer};
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
/// How often a long run is tried at a lower rate.
const MOST_TRIES: usize = 8;

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
        let mut turn: Vec<_> = programs.filter(|peer| to_null || peer.writes).collect();
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
        let mut found = Vec::new();
        for size in sizes {
            for peer in self.turn(Kind::Probe, 0) {
                if let Some((rate, full)) = self.search(size, peer)? {
                    found.push((size, peer.name, rate, full));
                }
            }
        }
        for run in 1..=self.options.confirms {
            for size in sizes {
                for peer in self.turn(Kind::Confirm, run) {
                    let mut found = found.iter();
                    let own = found.find(|(of, name, ..)| *of == size && *name == peer.name);
                    if let Some((.., rate, full)) = own {
                        self.confirm(run, size, peer, *rate, *full)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rate to begin long runs with, and the generator's full rate.
    fn search(&mut self, size: &str, peer: &'static Peer) -> Result<Option<(u64, u64)>> {
        let (mut search, mut run, mut full) = (Search::default(), 0, 1_500_000);
        while let Some(rate) = search.next() {
            run += 1;
            let plan = self.plan(Kind::Probe, size, rate, full)?;
            let Some(row) = self.measure(Kind::Probe, run, peer, plan) else {
                return Ok(None);
            };
            let rate = row.load_rate();
            if run == 1 {
                full = rate as u64;
            }
            search.add(Probe {
                rate,
                kept_rate: rate * row.outcome.kept() as f64 / row.outcome.sent.max(1) as f64,
                is_whole: row.outcome.is_whole(),
            });
        }
        if search.floor() == 0.0 {
            let name = peer.name;
            self.failures.push(format!(
                "{name} loses frames of {size} at every rate probed"
            ));
            return Ok(None);
        }
        let rate = match search.is_unlimited() {
            true => 0,
            false => search.floor() as u64,
        };
        Ok(Some((rate, full)))
    }

    /// Long runs, each at a lower rate than the one before, until one loses
    /// nothing.
    fn confirm(&mut self, run: u32, size: &str, peer: &Peer, rate: u64, full: u64) -> Result<()> {
        let mut rate = rate;
        for _ in 0..MOST_TRIES {
            let mut plan = self.plan(Kind::Confirm, size, rate, full)?;
            let bytes = plan.frames as f64 * (mean_len(size)? + MAX_FRAME_HEADER / 2.0);
            if peer.name == "pktrail" && size == "1500" {
                self.dd(run, &plan, bytes as u64)?;
            }
            let most = if run == 1 { LARGE_FILE } else { SMALL_FILE };
            if bytes as u64 <= most {
                plan.checks = Checks::Capinfos;
            }
            let Some(row) = self.measure(Kind::Confirm, run, peer, plan) else {
                return Ok(());
            };
            if row.outcome.is_whole() {
                return Ok(());
            }
            rate = capacity::step_down(rate, row.load_rate());
        }
        self.failures.push(format!(
            "{} run {run}: no rate without loss in {MOST_TRIES} long runs of {size}",
            peer.name
        ));
        Ok(())
    }

    /// What dd writes in the place of the file that comes next.
    fn dd(&mut self, run: u32, plan: &Plan, bytes: u64) -> Result<()> {
        let file = plan.folder.join("pkt-live.dd");
        let _ = Command::new("sync").status();
        let mebibytes = (bytes >> 20).max(1);
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
