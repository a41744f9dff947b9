//! The long run as a program: says how it goes, and records it. Needs root.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use pktrail::{Error, ErrorKind, Result};
use pktrail_benches::soak::{self, Soaked, Wanted};
use pktrail_benches::{machine, soak_report, testbed};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::{fs, io};

const USAGE: &str = "\
Usage: pkt-soak [--duration 30m] [--size mix] [--rate FRAMES_PER_SECOND] [--ring MIB]
                [--file-mb N] [--keep FILES] [--files FOLDER] [--into FOLDER]
Captures for long at half the full rate, with rotation, and checks every frame. Needs root.
  --duration  5m, 90s or seconds (default 30m; 6 hours at most)
  --file-mb   size of each file in millions of bytes (default 500)
  --keep      files before the oldest is written over (default 24)
  --files     where capture files go meanwhile (default .)
  --into      where soak.md, soak.csv and soak.svg go (default: soak.md is printed)
Interrupted, it ends in good order and records what it has.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "-h" || word == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let result = parse(&words).and_then(|(wanted, into)| run(&wanted, into.as_deref()));
    match result {
        Ok(soaked) if soaked.faults.is_empty() && soaked.is_flat() => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("pkt-soak: something is wrong; the summary says what");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("pkt-soak: {error:#}");
            match error.kind() {
                ErrorKind::Usage => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

fn parse(words: &[String]) -> Result<(Wanted, Option<PathBuf>)> {
    let mut wanted = Wanted {
        duration: Duration::from_secs(30 * 60),
        size: "mix".to_owned(),
        rate: None,
        ring_mib: 256,
        file_mb: 500,
        files: 24,
        sample: Duration::from_secs(10),
        folder: PathBuf::from("."),
    };
    let mut into = None;
    for pair in words.chunks(2) {
        let [flag, value] = pair else {
            return Err(usage(format!("{} needs a value", pair[0])));
        };
        let number = || -> Result<u64> {
            let wrong = |_| usage(format!("{flag} {value}: not a number"));
            value.parse().map_err(wrong)
        };
        match flag.as_str() {
            "--duration" => wanted.duration = duration(value)?,
            "--size" => wanted.size.clone_from(value),
            "--rate" => wanted.rate = Some(number()?.max(1)),
            "--ring" => wanted.ring_mib = number()?.clamp(1, 4096) as u32,
            "--file-mb" => wanted.file_mb = number()?.clamp(1, 4000),
            "--keep" => wanted.files = number()?.clamp(2, 1000),
            "--files" => wanted.folder = PathBuf::from(value),
            "--into" => into = Some(PathBuf::from(value)),
            _ => return Err(usage(format!("unknown flag {flag}\n{USAGE}"))),
        }
    }
    // A short trial needs more than one sample too.
    wanted.sample = wanted.sample.min(wanted.duration / 6);
    Ok((wanted, into))
}

fn duration(text: &str) -> Result<Duration> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let seconds = number.parse::<u64>().ok().map(|number| number * unit);
    let seconds = seconds.filter(|seconds| (5..=6 * 3600).contains(seconds));
    let wrong = || {
        usage(format!(
            "--duration {text}: 5 seconds to 6 hours, as 5m or 90s"
        ))
    };
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

fn run(wanted: &Wanted, into: Option<&Path>) -> Result<Soaked> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Error::io("cannot catch signals", error))?;
    }
    let about = machine::describe();
    testbed::enter()?;
    let soaked = soak::soak(wanted, &stop, |sample| {
        eprintln!("{}", soak_report::progress(sample));
    })?;
    let summary = soak_report::summary(wanted, &soaked, &about);
    let Some(folder) = into else {
        println!("{summary}");
        return Ok(soaked);
    };
    let write = |name: &str, text: &str| -> io::Result<()> { fs::write(folder.join(name), text) };
    fs::create_dir_all(folder)
        .and_then(|()| write("soak.md", &summary))
        .and_then(|()| write("soak.csv", &soak_report::csv(&soaked.samples)))
        .and_then(|()| write("soak.svg", &soak_report::svg(&soaked.samples)))
        .map_err(|error| Error::io(format!("cannot write into {}", folder.display()), error))?;
    Ok(soaked)
}
