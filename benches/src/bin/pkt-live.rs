//! The live comparison: every program captures the same load, in turn, several
//! times; the figures are written into a folder. Needs root.
//!
//! Owns the order of runs and the folder; one run is in `measure`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use pktrail::inject::{MAX_LEN, MIN_LEN};
use pktrail::{Error, ErrorKind, Result};
use pktrail_benches::measure::{CAPTURE_CPU, LOAD_CPU, Plan, measure};
use pktrail_benches::peer::{Output, PEERS, Peer};
use pktrail_benches::report::{self, Row};
use pktrail_benches::{machine, plot, testbed};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: pkt-live [--runs N] [--sizes 64,1500,mix] [--rates full,40000] [--outputs null,disk]
                [--programs NAME,...] [--frames N] [--seconds S] [--ring MIB]
                [--files FOLDER] [--into FOLDER] [--note SENTENCE]
Compares capture programs under the same load, in a network namespace of its own. Needs root.
  --frames   frames of each run at full rate (default 2000000)
  --seconds  length of each run at another rate (default 3)
  --files    where capture files go meanwhile (default .); 2 GB at most, removed after each run
  --into     where raw.csv, summary.md, plot.svg, command.txt and machine.txt go (default: only
             the summary is printed)";

/// Most bytes of one capture file: what bounds the frames of a run.
const MAX_FILE_BYTES: u64 = 2_000_000_000;
/// Most bytes that any format here adds to a frame.
const MAX_FRAME_HEADER: u64 = 96;

struct Options {
    runs: u32,
    sizes: Vec<String>,
    rates: Vec<u64>,
    outputs: Vec<Output>,
    programs: Vec<&'static Peer>,
    frames: u64,
    seconds: u64,
    ring_mib: u32,
    files: PathBuf,
    into: Option<PathBuf>,
    note: String,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "-h" || word == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match parse(&words) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("pkt-live: {error:#}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options, &words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pkt-live: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn parse(words: &[String]) -> Result<Options> {
    let mut options = Options {
        runs: 5,
        sizes: ["64", "1500", "mix"].map(String::from).to_vec(),
        rates: vec![0, 40_000],
        outputs: vec![Output::Null, Output::Disk],
        programs: PEERS.iter().filter(|peer| peer.usual).collect(),
        frames: 2_000_000,
        seconds: 3,
        ring_mib: 64,
        files: PathBuf::from("."),
        into: None,
        note: String::new(),
    };
    for pair in words.chunks(2) {
        let [flag, value] = pair else {
            return Err(usage(format!("{} needs a value", pair[0])));
        };
        let number = || -> Result<u64> {
            let wrong = || usage(format!("{flag} {value}: not a number"));
            value.parse().map_err(|_| wrong())
        };
        let list = || value.split(',');
        match flag.as_str() {
            "--runs" => options.runs = number()?.clamp(1, 1000) as u32,
            "--frames" => options.frames = number()?,
            "--seconds" => options.seconds = number()?.clamp(1, 600),
            "--ring" => options.ring_mib = number()?.clamp(1, 4096) as u32,
            "--sizes" => options.sizes = list().map(String::from).collect(),
            "--rates" => options.rates = list().map(rate).collect::<Result<_>>()?,
            "--outputs" => options.outputs = list().map(output).collect::<Result<_>>()?,
            "--programs" => options.programs = list().map(program).collect::<Result<_>>()?,
            "--files" => options.files = PathBuf::from(value),
            "--into" => options.into = Some(PathBuf::from(value)),
            "--note" => options.note.clone_from(value),
            _ => return Err(usage(format!("unknown flag {flag}"))),
        }
    }
    for size in &options.sizes {
        largest(size)?;
    }
    Ok(options)
}

fn rate(word: &str) -> Result<u64> {
    match word {
        "full" => Ok(0),
        word => word
            .parse()
            .map_err(|_| usage(format!("{word} is no rate: a number, or full"))),
    }
}

fn output(word: &str) -> Result<Output> {
    match word {
        "null" => Ok(Output::Null),
        "disk" => Ok(Output::Disk),
        _ => Err(usage(format!("{word} is no output: null or disk"))),
    }
}

fn program(word: &str) -> Result<&'static Peer> {
    let names = || {
        PEERS
            .iter()
            .map(|peer| peer.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    PEERS
        .iter()
        .find(|peer| peer.name == word)
        .ok_or_else(|| usage(format!("{word} is none of the programs: {}", names())))
}

/// The largest frame of a size as the generator takes it.
fn largest(size: &str) -> Result<u64> {
    if size == "mix" {
        return Ok(1500);
    }
    let len = size.parse().ok();
    len.filter(|len| (MIN_LEN..=MAX_LEN).contains(len))
        .map(u64::from)
        .ok_or_else(|| usage(format!("{size} is no size: {MIN_LEN} to {MAX_LEN}, or mix")))
}

/// One round of every case; programs take turns within a case.
fn plans(options: &Options) -> Result<Vec<Plan>> {
    let mut plans = Vec::new();
    for output in &options.outputs {
        for rate in &options.rates {
            for size in &options.sizes {
                let wanted = match rate {
                    0 => options.frames,
                    rate => rate * options.seconds,
                };
                let most = MAX_FILE_BYTES / (largest(size)? + MAX_FRAME_HEADER);
                plans.push(Plan {
                    size: size.clone(),
                    frames: wanted.min(most),
                    rate: *rate,
                    output: *output,
                    ring_mib: options.ring_mib,
                    folder: options.files.clone(),
                });
            }
        }
    }
    Ok(plans)
}

fn run(options: &Options, words: &[String]) -> Result<()> {
    let about = machine::describe();
    testbed::enter()?;
    let plans = plans(options)?;
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for run in 1..=options.runs {
        for plan in &plans {
            let mut turn: Vec<&Peer> = options
                .programs
                .iter()
                .copied()
                .filter(|peer| peer.writes || plan.output == Output::Null)
                .collect();
            // A different one first in each round, so that none is always behind another.
            let first = run as usize % turn.len().max(1);
            turn.rotate_left(first);
            for peer in turn {
                match measure(peer, plan) {
                    Ok(outcome) => {
                        let row = Row {
                            run,
                            peer: peer.name,
                            plan: plan.clone(),
                            outcome,
                        };
                        eprintln!("{}", progress(&row, options.runs));
                        rows.push(row);
                    }
                    // The others have taken long, and stand for themselves.
                    Err(error) => {
                        eprintln!("{run}/{} {}: {error:#}", options.runs, peer.name);
                        failures.push(format!("{}, run {run}: {error:#}", peer.name));
                    }
                }
            }
        }
    }
    // The tables show the programs in their usual order, not in that of the last turn.
    let place = |name: &str| PEERS.iter().position(|peer| peer.name == name);
    rows.sort_by_key(|row| (row.run, place(row.peer)));
    let mut summary = report::summary(&rows, &introduction(options, &about));
    for failure in &failures {
        summary.push_str(&format!("\nFailed: {failure}\n"));
    }
    match &options.into {
        Some(folder) => write(folder, options, words, &about, &rows, &summary)?,
        None => print!("{summary}"),
    }
    if failures.is_empty() {
        return Ok(());
    }
    let message = format!("{} runs failed; the others are recorded", failures.len());
    Err(Error::new(ErrorKind::System, message))
}

fn progress(row: &Row, runs: u32) -> String {
    let outcome = &row.outcome;
    format!(
        "{}/{runs} {:<12} {:<4} {:<22} sent {:>8} kept {:>8} lost {:>8} unsaid {:>3} CPU {:.3} s",
        row.run,
        row.peer,
        row.plan.size,
        row.case(),
        outcome.sent,
        outcome.kept(),
        outcome.report.lost,
        outcome.unsaid(),
        outcome.cpu_s(),
    )
}

fn introduction(options: &Options, about: &str) -> String {
    let note = match options.note.as_str() {
        "" => String::new(),
        note => format!("\n{note}\n"),
    };
    format!(
        "# Live comparison\n\n\
         Medians of {} runs, the programs taking turns. The load is injected on CPU {LOAD_CPU} \
         as if a veth had received it; the programs capture on CPU {CAPTURE_CPU} with rings of {} \
         MiB. `drain` takes pktrail's batches and drops them: the least that a use of the library \
         costs. \
         Compare the rows of one table, not the figures of two machines.\n{note}\n\
         ```\n{about}```\n",
        options.runs, options.ring_mib,
    )
}

fn write(
    folder: &Path,
    options: &Options,
    words: &[String],
    about: &str,
    rows: &[Row],
    summary: &str,
) -> Result<()> {
    let mut commands = format!("pkt-live {}\n\n", quoted(words));
    let mut versions = format!("{about}\n");
    for peer in &options.programs {
        let arguments = peer.arguments(testbed::INTERFACE, Path::new("FILE"), options.ring_mib);
        commands.push_str(&format!(
            "taskset -c {CAPTURE_CPU} {} {}\n",
            peer.program,
            arguments.join(" ")
        ));
        versions.push_str(&format!("{:<12} {}\n", peer.name, machine::version(peer)));
    }
    let io = |error| Error::io(format!("cannot write into {}", folder.display()), error);
    fs::create_dir_all(folder).map_err(io)?;
    let files = [
        ("command.txt", commands.as_str()),
        ("machine.txt", &versions),
        ("raw.csv", &report::csv(rows)),
        ("summary.md", summary),
        ("plot.svg", &plot::svg(rows)),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).map_err(io)?;
    }
    Ok(())
}

/// The command line without the paths in it, which are the machine's own affair.
fn quoted(words: &[String]) -> String {
    words
        .chunks(2)
        .filter(|pair| pair[0] != "--files" && pair[0] != "--into")
        .flatten()
        .map(|word| {
            if word.contains(' ') {
                format!("'{word}'")
            } else {
                word.clone()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}
