//! The live comparison: every program captures the same load, in turn, several
//! times; the figures are written into a folder. Needs root.
//!
//! Owns the folder; which runs are made is in `parts`, one run in `measure`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use pktrail::{Error, ErrorKind, Result};
use pktrail_benches::load::{CAPTURE_CPU, LOAD_CPU};
use pktrail_benches::options::{Options, USAGE};
use pktrail_benches::parts::Bench;
use pktrail_benches::peer::PEERS;
use pktrail_benches::report::{Kind, Row, csv, distinct};
use pktrail_benches::summary::{panels, summary};
use pktrail_benches::{machine, plot, testbed};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "-h" || word == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(&words) {
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

fn run(options: &Options, words: &[String]) -> Result<()> {
    let about = machine::describe();
    testbed::enter()?;
    let mut bench = Bench::new(options, |row| eprintln!("{}", progress(row)));
    let result = bench.run();
    let (mut rows, failures) = (bench.rows, bench.failures);
    // The tables show the programs in their usual order, not in that of the last turn.
    let place = |name: &str| PEERS.iter().position(|peer| peer.name == name);
    rows.sort_by_key(|row| (row.run, place(row.peer)));
    let mut summary = summary(&rows, &introduction(options, &about));
    for failure in &failures {
        summary.push_str(&format!("\nFailed: {failure}\n"));
    }
    match &options.into {
        Some(folder) => write(folder, options, words, &about, &rows, &summary)?,
        None => print!("{summary}"),
    }
    result?;
    if failures.is_empty() {
        return Ok(());
    }
    let message = format!("{} runs failed; the others are recorded", failures.len());
    Err(Error::new(ErrorKind::System, message))
}

fn progress(row: &Row) -> String {
    let outcome = &row.outcome;
    if row.kind == Kind::Dd {
        return format!("dd {} {:.0} MB/s", row.run, row.file_mb_s());
    }
    format!(
        "{:<7} {} {:<12} {:<4} {:>8.0}/s sent {:>9} kept {:>9} lost {:>9} unsaid {:>3} CPU {:.3} s \
         file {:>5.0} MB/s beside the ring {:>6} KiB",
        row.kind.name(),
        row.run,
        row.peer,
        row.plan.size,
        row.load_rate(),
        outcome.sent,
        outcome.kept(),
        outcome.report.lost,
        outcome.unsaid(),
        outcome.cpu_s(),
        row.file_mb_s(),
        outcome.memory.peak_kib,
    )
}

fn introduction(options: &Options, about: &str) -> String {
    let note = match options.note.as_str() {
        "" => String::new(),
        note => format!("\n{note}\n"),
    };
    format!(
        "# Live comparison\n\n\
         Medians of {} runs to `/dev/null` and at a rate that all hold, and of {} searches for \
         the highest rate, the programs taking turns. The load is injected on CPU {LOAD_CPU} as \
         if a veth had received it; the programs capture on CPU {CAPTURE_CPU} with rings of {} \
         MiB, {} MiB for the disk. `bare` gives ring blocks back without a look at them; `drain` \
         takes pktrail's batches and drops them: the least that a use of the library costs. \
         Compare the rows of one table, not the figures of two machines.\n{note}\n\
         ```\n{about}```\n",
        options.runs, options.confirms, options.ring_mib, options.disk_ring_mib,
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
    commands.push_str(&format!(
        "\nThe same for the disk, with a ring of {} MiB.\n",
        options.disk_ring_mib
    ));
    let io = |error| Error::io(format!("cannot write into {}", folder.display()), error);
    fs::create_dir_all(folder).map_err(io)?;
    let peers = distinct(rows, |row| row.peer);
    let files = [
        ("command.txt", commands.as_str()),
        ("machine.txt", &versions),
        ("raw.csv", &csv(rows)),
        ("summary.md", summary),
        ("plot.svg", &plot::svg(&panels(rows), &peers)),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).map_err(io)?;
    }
    Ok(())
}

/// The command line without the paths in it, which are the machine's own affair.
fn quoted(words: &[String]) -> String {
    let (mut said, mut words) = (Vec::new(), words.iter());
    while let Some(word) = words.next() {
        if word == "--files" || word == "--into" {
            words.next();
        } else if word.contains(' ') {
            said.push(format!("'{word}'"));
        } else {
            said.push(word.clone());
        }
    }
    said.join(" ")
}
