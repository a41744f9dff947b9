//! Figures of many runs: what a run was, medians, and the raw table. What people
//! read of them is in `summary`, what is wanted of them in `bounds`.

use crate::measure::{Outcome, Plan};

/// What a run was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CPU time at full rate to `/dev/null`.
    Null,
    /// CPU time at a rate that all can write to the disk.
    Held,
    /// A short run in the search for the highest rate without loss.
    Probe,
    /// A long run at that rate, or below it where it lost something.
    Confirm,
    /// dd beside such a run.
    Dd,
}

impl Kind {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Held => "held",
            Self::Probe => "probe",
            Self::Confirm => "confirm",
            Self::Dd => "dd",
        }
    }
}

/// One measured run, and what it was.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it was made for.
    pub kind: Kind,
    /// Which repetition, from 1.
    pub run: u32,
    /// The program.
    pub peer: &'static str,
    /// The load.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it is what its search has found.
    pub is_best: bool,
}

impl Row {
    /// Whether it is of a kind, a size and a program.
    pub fn is(&self, kind: Kind, size: &str, peer: &str) -> bool {
        self.kind == kind && self.plan.size == size && self.peer == peer
    }

    fn kept_percent(&self) -> f64 {
        self.outcome.kept() as f64 * 100.0 / self.outcome.sent.max(1) as f64
    }

    /// CPU time of the program for each frame that it kept, in nanoseconds.
    pub fn cpu_ns(&self) -> f64 {
        self.outcome.cpu_s() * 1e9 / self.outcome.kept().max(1) as f64
    }

    /// Frames sent in a second.
    pub fn load_rate(&self) -> f64 {
        self.outcome.sent as f64 / self.outcome.load_s.max(1e-9)
    }

    /// Millions of bytes written to the file in a second of load.
    pub fn file_mb_s(&self) -> f64 {
        self.outcome.file_bytes as f64 / 1e6 / self.outcome.load_s.max(1e-9)
    }
}

/// A figure that a table shows: its name, unit, and where it comes from.
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Digits after the point.
    pub digits: usize,
    /// Where it comes from.
    pub value: fn(&Row) -> f64,
}

/// The figures of the summary and the plot.
pub const FIGURES: &[Figure] = &[
    Figure {
        name: "frames kept",
        unit: "%",
        digits: 2,
        value: Row::kept_percent,
    },
    Figure {
        name: "CPU time of the capturing program per frame kept",
        unit: "ns",
        digits: 0,
        value: Row::cpu_ns,
    },
];

/// Distinct values in the order of their first appearance.
pub fn distinct<T: PartialEq>(rows: &[Row], of: impl Fn(&Row) -> T) -> Vec<T> {
    let mut values = Vec::new();
    for value in rows.iter().map(of) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// The median of a figure over the repetitions of one kind, size and program.
pub fn median(
    rows: &[Row],
    kind: Kind,
    size: &str,
    peer: &str,
    value: fn(&Row) -> f64,
) -> Option<f64> {
    let chosen = rows.iter().filter(|row| row.is(kind, size, peer));
    middle(chosen.map(value).collect())
}

/// The long runs of a program that its searches have found.
pub fn confirmed<'a>(rows: &'a [Row], size: &'a str, peer: &'a str) -> Vec<&'a Row> {
    let runs = rows.iter().filter(|row| row.is(Kind::Confirm, size, peer));
    runs.filter(|row| row.is_best).collect()
}

/// The median of a figure of those.
pub fn capacity(rows: &[Row], size: &str, peer: &str, value: fn(&Row) -> f64) -> Option<f64> {
    let runs = confirmed(rows, size, peer);
    middle(runs.into_iter().map(value).collect())
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some(f64::midpoint(values[half - 1], values[half])),
    }
}

/// Every figure of every run, a line each, with a header.
pub fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "part,run,program,output,size,rate_wanted,sent,load_s,captured_reported,lost_reported,\
         in_file,duplicates,disordered,foreign,capinfos,tshark,file_bytes,unsaid,\
         user_s,system_s,before_load_s,cpu_s,ring_kib,peak_beside_ring_kib,best\n",
    );
    for row in rows {
        let (plan, outcome) = (&row.plan, &row.outcome);
        let count = |count: Option<u64>| count.map_or_else(String::new, |it| it.to_string());
        let found = |of: fn(&crate::numbers::Found) -> u64| count(outcome.found.as_ref().map(of));
        let fields = [
            row.kind.name().to_owned(),
            row.run.to_string(),
            row.peer.to_owned(),
            plan.output.name().to_owned(),
            plan.size.clone(),
            plan.rate.to_string(),
            outcome.sent.to_string(),
            format!("{:.6}", outcome.load_s),
            outcome.report.captured.to_string(),
            outcome.report.lost.to_string(),
            found(|found| found.frames),
            found(|found| found.duplicates),
            found(|found| found.disordered),
            found(|found| found.foreign),
            count(outcome.capinfos),
            count(outcome.tshark),
            outcome.file_bytes.to_string(),
            outcome.unsaid().to_string(),
            format!("{:.6}", outcome.user_s),
            format!("{:.6}", outcome.system_s),
            format!("{:.6}", outcome.start_s),
            format!("{:.6}", outcome.cpu_s()),
            outcome.memory.ring_kib.to_string(),
            outcome.memory.peak_kib.to_string(),
            u8::from(row.is_best).to_string(),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measure::Checks;
    use crate::numbers::Found;
    use crate::peer::{Output, Report};
    use std::path::PathBuf;

    /// A run to the disk in which `kept` of 100 frames were kept.
    pub(crate) fn row(run: u32, peer: &'static str, size: &str, kept: u64) -> Row {
        Row {
            kind: Kind::Held,
            run,
            peer,
            plan: Plan {
                size: size.to_owned(),
                frames: 100,
                rate: 0,
                output: Output::Disk,
                ring_mib: 64,
                checks: Checks::Capinfos,
                lossy_checks: true,
                folder: PathBuf::new(),
            },
            outcome: Outcome {
                sent: 100,
                load_s: 0.5,
                report: Report {
                    captured: kept,
                    lost: 100 - kept,
                },
                found: Some(Found {
                    frames: kept,
                    ..Found::default()
                }),
                capinfos: Some(kept),
                user_s: 2.0,
                system_s: 1.0,
                start_s: 0.5,
                ..Outcome::default()
            },
            is_best: kept == 100,
        }
    }

    #[test]
    fn medians_are_of_one_kind_size_and_program() {
        let rows = [
            row(1, "a", "64", 10),
            row(2, "a", "64", 30),
            row(3, "a", "64", 20),
            row(1, "a", "1500", 90),
            row(1, "b", "64", 50),
            row(2, "b", "64", 60),
        ];
        let kept = |size, peer| median(&rows, Kind::Held, size, peer, FIGURES[0].value);
        assert_eq!(kept("64", "a"), Some(20.0));
        assert_eq!(kept("64", "b"), Some(55.0));
        assert_eq!(kept("1500", "b"), None);
        let cpu = median(&rows, Kind::Held, "64", "a", Row::cpu_ns);
        // 2.5 s after the begin of the load, for 20 frames.
        assert_eq!(cpu.map(f64::round), Some(125_000_000.0));
    }

    #[test]
    fn the_raw_table_has_a_field_for_each_heading() {
        let text = csv(&[row(1, "a", "64", 100)]);
        let fields: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(fields, [25, 25]);
    }
}
