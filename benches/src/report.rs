//! Figures of many runs: the raw table, medians, and the summary for people.

use crate::measure::{Outcome, Plan};
use std::fmt::Write as _;

/// One measured run, and what it was.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which repetition, from 1.
    pub run: u32,
    /// The program.
    pub peer: &'static str,
    /// The load.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
}

impl Row {
    /// Output and rate in words: what the tables are by.
    pub fn case(&self) -> String {
        let rate = match self.plan.rate {
            0 => "full rate".to_owned(),
            rate => format!("{rate} frames/s"),
        };
        format!("{}, {rate}", self.plan.output.name())
    }

    fn kept_percent(&self) -> f64 {
        self.outcome.kept() as f64 * 100.0 / self.outcome.sent.max(1) as f64
    }

    fn cpu_ns(&self) -> f64 {
        self.outcome.cpu_s() * 1e9 / self.outcome.kept().max(1) as f64
    }

    fn load_rate(&self) -> f64 {
        self.outcome.sent as f64 / self.outcome.load_s.max(1e-9)
    }

    /// Whether the file holds anything but what was sent, or not what is said.
    fn is_unsound(&self) -> bool {
        let Some(found) = &self.outcome.found else {
            return false;
        };
        let packets = found.frames + found.duplicates + found.foreign;
        !found.is_sound() || self.outcome.capinfos != Some(packets)
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
    value: fn(&Row) -> f64,
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

/// The median of a figure over the repetitions of one case, size and program.
pub fn median(rows: &[Row], figure: &Figure, case: &str, size: &str, peer: &str) -> Option<f64> {
    let chosen = rows
        .iter()
        .filter(|row| row.case() == case && row.plan.size == size && row.peer == peer);
    middle(chosen.map(figure.value).collect())
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
        "run,program,output,size,rate_wanted,sent,load_s,captured_reported,lost_reported,\
         in_file,duplicates,disordered,foreign,capinfos,file_bytes,unsaid,\
         user_s,system_s,before_load_s,cpu_s\n",
    );
    for row in rows {
        let (plan, outcome) = (&row.plan, &row.outcome);
        let found = |of: fn(&crate::numbers::Found) -> u64| {
            let value = outcome.found.as_ref().map(of);
            value.map_or_else(String::new, |value| value.to_string())
        };
        let fields = [
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
            outcome
                .capinfos
                .map_or_else(String::new, |count| count.to_string()),
            outcome.file_bytes.to_string(),
            outcome.unsaid().to_string(),
            format!("{:.6}", outcome.user_s),
            format!("{:.6}", outcome.system_s),
            format!("{:.6}", outcome.start_s),
            format!("{:.6}", outcome.cpu_s()),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

/// The summary: `introduction`, medians by case, and whether the files hold.
pub fn summary(rows: &[Row], introduction: &str) -> String {
    let mut text = introduction.to_owned();
    let sizes = distinct(rows, |row| row.plan.size.clone());
    for case in distinct(rows, Row::case) {
        let _ = writeln!(text, "\n## {case}\n\n{}", load_line(rows, &case, &sizes));
        for figure in FIGURES {
            let _ = writeln!(text, "\n{}, {} (median):\n", figure.name, figure.unit);
            text.push_str(&table(rows, figure, &case, &sizes));
        }
    }
    text.push_str("\n## Files and reports\n\n");
    text.push_str(&soundness(rows));
    text
}

fn load_line(rows: &[Row], case: &str, sizes: &[String]) -> String {
    let rates: Vec<String> = sizes
        .iter()
        .filter_map(|size| {
            let chosen = rows
                .iter()
                .filter(|row| row.case() == case && row.plan.size == *size);
            let rate = middle(chosen.map(Row::load_rate).collect())?;
            Some(format!("{:.2} M/s of {size}", rate / 1e6))
        })
        .collect();
    format!("Frames sent, median of all programs: {}.", rates.join(", "))
}

fn table(rows: &[Row], figure: &Figure, case: &str, sizes: &[String]) -> String {
    let mut text = format!("| program | {} |\n|---|", sizes.join(" | "));
    text.push_str(&"---:|".repeat(sizes.len()));
    text.push('\n');
    for peer in distinct(rows, |row| row.peer) {
        let cells: Vec<String> = sizes
            .iter()
            .map(|size| {
                let value = median(rows, figure, case, size, peer);
                value.map_or_else(
                    || "-".to_owned(),
                    |value| format!("{value:.0$}", figure.digits),
                )
            })
            .collect();
        if cells.iter().any(|cell| cell != "-") {
            let _ = writeln!(text, "| {peer} | {} |", cells.join(" | "));
        }
    }
    text
}

fn soundness(rows: &[Row]) -> String {
    let mut text = String::from(
        "A file is sound when its numbers ascend without repetition or strangers and capinfos \
         counts as many packets. Unsaid is what is neither kept nor reported lost: the largest \
         of all runs, with its sign.\n\n\
         | program | runs | files | sound | unsaid |\n|---|---:|---:|---:|---:|\n",
    );
    for peer in distinct(rows, |row| row.peer) {
        let own: Vec<&Row> = rows.iter().filter(|row| row.peer == peer).collect();
        let files = own.iter().filter(|row| row.outcome.found.is_some()).count();
        let unsound = own.iter().filter(|row| row.is_unsound()).count();
        let unsaid = own
            .iter()
            .map(|row| row.outcome.unsaid())
            .max_by_key(|unsaid| unsaid.unsigned_abs());
        let _ = writeln!(
            text,
            "| {peer} | {} | {files} | {} | {} |",
            own.len(),
            files - unsound,
            unsaid.unwrap_or(0)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Found;
    use crate::peer::{Output, Report};
    use std::path::PathBuf;

    fn row(run: u32, peer: &'static str, size: &str, kept: u64) -> Row {
        Row {
            run,
            peer,
            plan: Plan {
                size: size.to_owned(),
                frames: 100,
                rate: 0,
                output: Output::Disk,
                ring_mib: 64,
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
        }
    }

    #[test]
    fn medians_are_of_one_case_size_and_program() {
        let rows = [
            row(1, "a", "64", 10),
            row(2, "a", "64", 30),
            row(3, "a", "64", 20),
            row(1, "a", "1500", 90),
            row(1, "b", "64", 50),
            row(2, "b", "64", 60),
        ];
        let kept = |size, peer| median(&rows, &FIGURES[0], "disk, full rate", size, peer);
        assert_eq!(kept("64", "a"), Some(20.0));
        assert_eq!(kept("64", "b"), Some(55.0));
        assert_eq!(kept("1500", "b"), None);
        let cpu = median(&rows, &FIGURES[1], "disk, full rate", "64", "a");
        // 2.5 s after the begin of the load, for 20 frames.
        assert_eq!(cpu.map(f64::round), Some(125_000_000.0));
    }

    #[test]
    fn the_summary_shows_what_a_file_hides() {
        let mut strange = row(1, "b", "64", 50);
        strange.outcome.report.lost = 20;
        strange.outcome.capinfos = Some(51);
        let text = summary(&[row(1, "a", "64", 100), strange], "# Title\n");
        assert!(text.contains("| a | 100.00 |"), "{text}");
        assert!(text.contains("| a | 1 | 1 | 1 | 0 |"), "{text}");
        assert!(text.contains("| b | 1 | 1 | 0 | 30 |"), "{text}");
    }

    #[test]
    fn the_raw_table_has_a_field_for_each_heading() {
        let text = csv(&[row(1, "a", "64", 100)]);
        let fields: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(fields, [20, 20]);
    }
}
