//! `pktrail bench`: what was measured, in words and as JSON.

use crate::commands::parse;
use crate::plan::usage;
use crate::{print_either, report, run, size};
use clap::Parser;
use pktrail::Result;
use pktrail::bench::{Bench, Disk, Limit, MARGIN, Report, Stage};
use pktrail::inject::{MAX_LEN, MIN_LEN, Sizes};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measures what this machine can capture, with made-up packets, and says whether ring, CPU or
/// disk is the limit and what rate is safe. Root alone sees what the kernel puts into a real ring,
/// on a device in a network namespace made for it; the rest needs no privilege.
#[derive(Parser)]
#[command(name = "pktrail bench", bin_name = "pktrail bench")]
struct Args {
    /// Bytes of each packet, or mix: 7 of 64, 4 of 576 and 1 of 1500
    #[arg(long, value_name = "BYTES|mix", default_value = "1500")]
    size: String,
    /// Seconds for each measurement; there are one to three
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    duration: u64,
    /// Write to this file too, to measure the disk; removed at the end
    #[arg(short = 'w', value_name = "FILE")]
    write: Option<PathBuf>,
    /// A simulated disk instead, that takes so many bytes a second, with suffixes (500M)
    #[arg(long = "disk-rate", value_name = "BYTES", conflicts_with = "write")]
    disk_rate: Option<String>,
    /// Size of the ring in bytes, with suffixes
    #[arg(long, value_name = "BYTES", default_value = "64M")]
    ring: String,
    /// JSON (docs/json.md)
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn command(words: Vec<OsString>) -> Result<ExitCode> {
    let Some(args) = parse::<Args>(words)? else {
        return Ok(ExitCode::SUCCESS);
    };
    report::use_json(args.json);
    let bench = Bench {
        sizes: sizes(&args.size)?,
        duration: Duration::from_secs(args.duration),
        ring_bytes: ring_bytes(&args.ring)?,
        disk: match (&args.write, &args.disk_rate) {
            (Some(path), _) => Disk::File(path.clone()),
            (None, Some(rate)) => Disk::Simulated(size::parse("--disk-rate", rate)?),
            (None, None) => Disk::None,
        },
    };
    let (control, _signals) = run::control()?;
    let found = bench.run(&control)?;
    print_either(
        args.json,
        || as_json(&bench, &found),
        || text(&bench, &found),
    )
}

fn sizes(text: &str) -> Result<Sizes> {
    let len = text
        .parse()
        .ok()
        .filter(|len| (MIN_LEN..=MAX_LEN).contains(len));
    match (text, len) {
        ("mix", _) => Ok(Sizes::Mix),
        (_, Some(len)) => Ok(Sizes::Fixed(len)),
        _ => Err(usage(format!(
            "--size: '{text}' is not mix or {MIN_LEN} to {MAX_LEN}"
        ))),
    }
}

/// Most bytes of a ring: a mistake in the suffix must not take all memory.
const MOST_RING: u64 = 16 << 30;

fn ring_bytes(text: &str) -> Result<usize> {
    let bytes = size::parse("--ring", text)?;
    match usize::try_from(bytes) {
        Ok(ring) if bytes <= MOST_RING => Ok(ring),
        _ => Err(usage(format!("--ring: '{text}' is more than 16 GiB"))),
    }
}

fn gbit(rate: f64, mean_len: f64) -> f64 {
    rate * mean_len * 8.0 / 1e9
}

fn text(bench: &Bench, found: &Report) -> String {
    let speed = |rate: f64| {
        let gbit = gbit(rate, found.mean_len);
        format!("{:.2} M packets/s, {gbit:.1} Gbit/s", rate / 1e6)
    };
    let cpu = &found.cpu;
    let mut text = format!(
        "cpu   {} through the engine to /dev/null, {:.0} ns of CPU time a packet\n",
        speed(cpu.rate()),
        cpu.cpu_seconds * 1e9 / cpu.frames.max(1) as f64,
    );
    text.push_str(&match &found.kernel {
        Ok(kernel) => format!(
            "kernel {} through a real ring of {} MiB, filled by one CPU, {} packets lost\n",
            speed(kernel.rate()),
            found.ring_bytes >> 20,
            kernel.lost,
        ),
        Err(reason) => format!("kernel not measured: {reason}\n"),
    });
    if let Some(disk) = &found.disk {
        let to = match &bench.disk {
            Disk::File(path) => {
                let rate = disk.bytes as f64 / 1e6 / disk.seconds.max(1e-9);
                format!("to {}, {rate:.0} MB/s", path.display())
            }
            _ => "to the simulated disk".to_owned(),
        };
        text.push_str(&format!("disk  {} {to}\n", speed(disk.rate())));
    }
    if let (Some(disk), Some(rate)) = (&found.disk, found.ring_rate()) {
        text.push_str(&format!(
            "ring  {} for the longest pause of the disk, {:.1} ms, into {} MiB\n",
            speed(rate),
            disk.longest_pause_s * 1e3,
            found.ring_bytes >> 20,
        ));
    }
    let (limit, _) = found.limit();
    let limit = match limit {
        Limit::Cpu if found.disk.is_none() => "the CPU (no disk was measured: -w FILE)",
        Limit::Cpu => "the CPU",
        Limit::Kernel => "the kernel, which fills a ring on one CPU (--fanout uses several)",
        Limit::Disk => "the disk",
        Limit::Ring => "the ring: a larger one (--ring) bridges the disk's pauses",
    };
    text.push_str(&format!(
        "limit {limit}\nsafe  {}: {:.0} % below it{}\n",
        speed(found.safe_rate()),
        MARGIN * 100.0,
        match found.kernel {
            Ok(_) => "",
            Err(_) => "; the kernel's own copy into the ring is not in these figures",
        },
    ));
    text
}

fn as_json(bench: &Bench, found: &Report) -> Value {
    let stage = |stage: &Stage| {
        json!({
            "packets": stage.frames,
            "seconds": stage.seconds,
            "cpu_seconds": stage.cpu_seconds,
            "packets_per_second": stage.rate(),
            "lost": stage.lost,
            "file_bytes": stage.bytes,
            "longest_pause_seconds": stage.longest_pause_s,
        })
    };
    json!({"bench": {
        "mean_length": found.mean_len,
        "ring_bytes": found.ring_bytes,
        "cpu": stage(&found.cpu),
        "kernel": found.kernel.as_ref().ok().map(stage),
        "kernel_missing": found.kernel.as_ref().err(),
        "disk": found.disk.as_ref().map(stage),
        "disk_is_simulated": matches!(bench.disk, Disk::Simulated(_)),
        "ring_packets_per_second": found.ring_rate(),
        "limit": found.limit().0.name(),
        "margin": MARGIN,
        "safe_packets_per_second": found.safe_rate(),
        "safe_bits_per_second": gbit(found.safe_rate(), found.mean_len) * 1e9,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_a_length_or_the_mix() {
        assert_eq!(sizes("64").unwrap(), Sizes::Fixed(64));
        assert_eq!(sizes("mix").unwrap(), Sizes::Mix);
        assert!(sizes("63").is_err() && sizes("").is_err());
        assert!(ring_bytes("17g").is_err());
    }

    #[test]
    fn what_was_measured_is_said_in_words_and_as_json() {
        let stage = |frames, longest_pause_s| Stage {
            frames,
            seconds: 1.0,
            longest_pause_s,
            ..Stage::default()
        };
        let found = Report {
            mean_len: 1500.0,
            ring_bytes: 64 << 20,
            cpu: stage(2_000_000, 0.0),
            disk: Some(stage(1_000_000, 0.01)),
            ..Report::default()
        };
        let bench = Bench {
            disk: Disk::Simulated(1),
            ..Bench::default()
        };
        let said = text(&bench, &found);
        assert!(
            said.contains("limit the disk\nsafe  0.70 M packets/s, 8.4 Gbit/s: 30 %"),
            "{said}"
        );
        let json = as_json(&bench, &found);
        assert_eq!(json["bench"]["limit"], "disk");
        assert_eq!(json["bench"]["safe_packets_per_second"], 700_000.0);
        let alone = Report {
            disk: None,
            ..found
        };
        assert!(as_json(&bench, &alone)["bench"]["disk"].is_null());
    }
}
