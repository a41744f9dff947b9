//! The record of a long run: its table, its summary and its picture.

use crate::plot::{Line, lines};
use crate::soak::{Sample, Soaked, Wanted};
use std::fmt::Write as _;

/// The samples, a line each, with a header.
pub fn csv(samples: &[Sample]) -> String {
    let mut text = String::from(
        "seconds,memory_beside_ring_kib,peak_beside_ring_kib,ring_kib,cpu_s,files,\
         frames_checked,missing,disordered,foreign\n",
    );
    for sample in samples {
        let (memory, sequence) = (&sample.memory, &sample.sequence);
        let _ = writeln!(
            text,
            "{:.1},{},{},{},{:.3},{},{},{},{},{}",
            sample.seconds,
            memory.now_kib,
            memory.peak_kib,
            memory.ring_kib,
            sample.cpu_s,
            sample.files,
            sequence.frames,
            sequence.missing,
            sequence.disordered,
            sequence.foreign,
        );
    }
    text
}

/// A line for a person who watches.
pub fn progress(sample: &Sample) -> String {
    format!(
        "{:>7.0} s  {:>6} KiB beside the ring  {:>5} files  {:>11} frames in order  {} missing",
        sample.seconds,
        sample.memory.now_kib,
        sample.files,
        sample.sequence.frames,
        sample.sequence.missing,
    )
}

/// The summary.
pub fn summary(wanted: &Wanted, soaked: &Soaked, about: &str) -> String {
    let mut text = format!(
        "# Soak\n\npktrail writes {} MB files, {} before the oldest is written over, with a ring \
         of {} MiB, under a load of {} frames/s of size {}: half of what the generator sends at \
         its full rate, unless it was told otherwise. Meanwhile every frame of every finished \
         file is checked by its number, read past the page cache.\n\n```\n{about}```\n\n",
        wanted.file_mb, wanted.files, wanted.ring_mib, soaked.rate, wanted.size,
    );
    let (first, last) = soaked.memory_kib();
    let peak = soaked.samples.iter().map(|sample| sample.memory.peak_kib);
    let sent = soaked.sent.unwrap_or_default();
    let report = soaked.report.unwrap_or_default();
    let rows = [
        ("duration of the load", format!("{:.0} s", sent.seconds)),
        ("frames sent", sent.frames.to_string()),
        (
            "frames in files, in order",
            soaked.sequence.frames.to_string(),
        ),
        (
            "frames missing in files",
            soaked.sequence.missing.to_string(),
        ),
        ("captured, as pktrail says", report.captured.to_string()),
        ("lost, as pktrail says", report.lost.to_string()),
        (
            "out of order or twice",
            soaked.sequence.disordered.to_string(),
        ),
        ("files", soaked.files.to_string()),
        ("bytes of all files", soaked.bytes.to_string()),
        (
            "memory beside the ring, first tenth",
            format!("{first} KiB"),
        ),
        ("memory beside the ring, last tenth", format!("{last} KiB")),
        (
            "memory beside the ring, peak",
            format!("{} KiB", peak.max().unwrap_or(0)),
        ),
        (
            "memory is flat",
            if soaked.is_flat() { "yes" } else { "**no**" }.to_owned(),
        ),
    ];
    text.push_str("| | |\n|---|---:|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text.push_str(match soaked.faults.is_empty() {
        true => "\nNumbers, files, file log and account agree.\n",
        false => "\nWrong:\n\n",
    });
    for fault in &soaked.faults {
        let _ = writeln!(text, "- {fault}");
    }
    text
}

/// Memory and frames over time, as SVG.
pub fn svg(samples: &[Sample]) -> String {
    let points = |value: &dyn Fn(&Sample) -> f64| {
        let point = |sample: &Sample| (sample.seconds, value(sample));
        samples.iter().map(point).collect()
    };
    lines(&[
        Line {
            name: "memory beside the ring, MiB",
            points: points(&|sample| sample.memory.now_kib as f64 / 1024.0),
        },
        Line {
            name: "frames found in order in finished files, millions",
            points: points(&|sample| sample.sequence.frames as f64 / 1e6),
        },
        Line {
            name: "CPU time of pktrail, seconds",
            points: points(&|sample| sample.cpu_s),
        },
    ])
}
