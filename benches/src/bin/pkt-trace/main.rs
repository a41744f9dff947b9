//! What tracing costs: a UDP flood and a TCP stream between two namespaces, without a tracer,
//! with one that only counts, with one whose filter takes nothing, and with one that follows all;
//! and how many events a second get through to a file.
//!
//! Owns the rounds; `load` has the loads, `events` drives the program, `report` writes
//! benches/runs/DATE/trace.md. Needs root, iproute2, chrt, renice, nice and capinfos, and
//! the program `pktrail` beside it, built with the feature `trace`.

#![allow(clippy::print_stdout, reason = "it reports to a terminal")]

mod events;
mod load;
mod report;

use load::{PORT, Pair, READER_CPU};
use pktrail::filter::{NoNames, SkbFilter, Target};
use pktrail::trace::{Followed, Selection, Summary, Tracer};
use pktrail::trail::Settings;
use pktrail::{Error, ErrorKind, LinkType, Result};
use pktrail_benches::testbed;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long events go to the file.
const EVENTS: Duration = Duration::from_secs(10);
/// Makes the kernel measure each run of a program.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What traces during a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracing {
    Nobody,
    Counting,
    NoMatch,
    All,
}

impl Tracing {
    pub(crate) const EACH: [Self; 4] = [Self::Nobody, Self::Counting, Self::NoMatch, Self::All];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Counting => "counting only",
            Self::NoMatch => "no packet matches",
            Self::All => "every packet matches",
        }
    }

    fn selection(self) -> Result<Option<Selection>> {
        let target = Target::new(LinkType::RAW, 65_535);
        let filter = |text: &str| SkbFilter::compile(text, &target, &mut NoNames).map(Some);
        Ok(match self {
            Self::Nobody => None,
            Self::Counting => Some(Selection {
                count_only: true,
                ..Selection::default()
            }),
            Self::NoMatch => Some(Selection {
                filter: filter("port 9 and host 192.0.2.1")?,
                ..Selection::default()
            }),
            Self::All => Some(Selection {
                filter: filter(&format!("port {PORT}"))?,
                ..Selection::default()
            }),
        })
    }
}

/// How long it took to attach and to detach, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) attach_s: f64,
    pub(crate) detach_s: f64,
}

/// A tracer on a thread of its own.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(Summary, Times)>>,
}

impl Reader {
    fn start(selection: &Selection) -> Result<Self> {
        let begin = Instant::now();
        let tracer = Tracer::open(selection)?;
        let attach_s = begin.elapsed().as_secs_f64();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let counting = selection.count_only;
        let thread = thread::spawn(move || {
            testbed::pin(READER_CPU)?;
            load::preferred()?;
            let mut followed = Followed::new(tracer, Settings::default());
            while !stopped.load(Ordering::Relaxed) {
                match counting {
                    true => thread::sleep(Duration::from_millis(10)),
                    false => drop(followed.next(Duration::from_millis(20))?),
                }
            }
            let begin = Instant::now();
            followed.tracer().detach();
            let detach_s = begin.elapsed().as_secs_f64();
            let (_, summary) = followed.finish()?;
            Ok((summary, Times { attach_s, detach_s }))
        });
        Ok(Self { stop, thread })
    }

    fn end(self) -> Result<(Summary, Times)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| Error::new(ErrorKind::Internal, "the reader panicked"))?
    }
}

/// One load during one round.
pub(crate) struct Round {
    pub(crate) load: &'static str,
    pub(crate) tracing: Tracing,
    /// Packets or bytes in a second.
    pub(crate) rate: f64,
    pub(crate) events: Summary,
    pub(crate) times: Times,
}

fn round(tracing: Tracing, load: &'static str, time: Duration) -> Result<Round> {
    let reader = tracing.selection()?.as_ref().map(Reader::start);
    let reader = reader.transpose()?;
    let rate = match load {
        "UDP" => load::flood(time, None)?.0,
        _ => load::stream(time)?,
    };
    let (events, times) = reader.map_or(Ok(Default::default()), Reader::end)?;
    Ok(Round {
        load,
        tracing,
        rate,
        events,
        times,
    })
}

/// What the programs did for a datagram, by the kernel's own measure.
pub(crate) struct Profile {
    pub(crate) tracing: Tracing,
    pub(crate) runs_each: f64,
    pub(crate) ns_each: f64,
}

/// The kernel measures until this is dropped.
struct Measuring;

impl Measuring {
    fn start() -> Result<Self> {
        let measuring = Self;
        let failed = |error| Error::io(format!("cannot write {STATISTICS}"), error);
        fs::write(STATISTICS, "1").map_err(failed)?;
        Ok(measuring)
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        let _ = fs::write(STATISTICS, "0");
    }
}

fn profile(tracing: Tracing, time: Duration) -> Result<Profile> {
    let _measuring = Measuring::start()?;
    let selection = tracing.selection()?.unwrap_or_default();
    let reader = Reader::start(&selection)?;
    let (_, sent) = load::flood(time, None)?;
    let (runs, ns) = runs();
    reader.end()?;
    Ok(Profile {
        tracing,
        runs_each: runs as f64 / sent as f64,
        ns_each: ns as f64 / runs as f64,
    })
}

/// How often the programs of this process ran, and how long in all.
fn runs() -> (u64, u64) {
    let descriptors = fs::read_dir("/proc/self/fdinfo")
        .into_iter()
        .flatten()
        .flatten();
    let texts = descriptors.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.fold((0, 0), |(runs, ns), text| {
        let number = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|number| number.trim().parse::<u64>().ok())
        };
        let (more, took) = (number("run_cnt:"), number("run_time_ns:"));
        (runs + more.unwrap_or(0), ns + took.unwrap_or(0))
    })
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| {
        let word = words.get(at).and_then(|word| word.parse().ok());
        word.unwrap_or(otherwise)
    };
    let (count, time_ms) = (number(0, 7), number(1, 600));
    let file = PathBuf::from(
        words
            .get(2)
            .map_or("target/pkt-trace.pcapng", String::as_str),
    );
    let time = Duration::from_millis(time_ms);
    let _pair = Pair::new()?;
    let mut rounds = Vec::new();
    for _ in 0..count {
        for load in ["UDP", "TCP"] {
            for tracing in Tracing::EACH {
                rounds.push(round(tracing, load, time)?);
            }
        }
    }
    let traced = Tracing::EACH.into_iter().skip(1);
    let profiles = traced.map(|tracing| profile(tracing, time));
    let profiles = profiles.collect::<Result<Vec<_>>>()?;
    let runs = events::search(EVENTS, &file);
    let _ = fs::remove_file(&file);
    let command = format!("pkt-trace {}", words.join(" "));
    let text = report::text(&rounds, &profiles, &runs?, command.trim_end());
    print!("{text}");
    Ok(())
}
