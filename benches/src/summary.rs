//! What people read of a comparison: the summary and the panels of its plot.

use crate::bounds;
use crate::plot::Panel;
use crate::report::{FIGURES, Figure, Kind, Row, capacity, confirmed, distinct, median};
use std::fmt::Write as _;

/// The summary: `introduction`, what was wanted, tables, and whether the files
/// hold.
pub fn summary(rows: &[Row], introduction: &str) -> String {
    let mut text = introduction.to_owned();
    let _ = write!(text, "\n## What is wanted\n\n{}", bounds::table(rows));
    for (kind, title) in [
        (Kind::Null, "To /dev/null, full rate"),
        (Kind::Held, "To the disk, a rate that all can hold"),
    ] {
        let rows: Vec<Row> = rows
            .iter()
            .filter(|row| row.kind == kind)
            .cloned()
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n## {title}\n\n{}", load_line(&rows, kind));
        for figure in FIGURES {
            let _ = writeln!(text, "\n{}, {} (median):\n", figure.name, figure.unit);
            text.push_str(&table(&rows, figure, kind));
        }
    }
    text.push_str(&capacities(rows));
    let _ = write!(text, "\n## Memory\n\n{}", memory(rows));
    let _ = write!(text, "\n## Files and reports\n\n{}", soundness(rows));
    text
}

fn sizes(rows: &[Row]) -> Vec<String> {
    distinct(rows, |row| row.plan.size.clone())
}

fn load_line(rows: &[Row], kind: Kind) -> String {
    let peers = distinct(rows, |row| row.peer);
    let rates: Vec<String> = sizes(rows)
        .iter()
        .map(|size| {
            let of = |peer: &&str| median(rows, kind, size, peer, Row::load_rate);
            let rates: Vec<f64> = peers.iter().filter_map(of).collect();
            let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
            let most = rates.iter().copied().fold(0.0, f64::max);
            format!("{:.2} to {:.2} M/s of {size}", least / 1e6, most / 1e6)
        })
        .collect();
    format!(
        "Frames sent, medians of the programs: {}.",
        rates.join(", ")
    )
}

fn table(rows: &[Row], figure: &Figure, kind: Kind) -> String {
    let sizes = sizes(rows);
    let mut text = format!("| program | {} |\n|---|", sizes.join(" | "));
    text.push_str(&"---:|".repeat(sizes.len()));
    text.push('\n');
    for peer in distinct(rows, |row| row.peer) {
        let cells: Vec<String> = sizes
            .iter()
            .map(|size| {
                let value = median(rows, kind, size, peer, figure.value);
                let digits = figure.digits;
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
            })
            .collect();
        let _ = writeln!(text, "| {peer} | {} |", cells.join(" | "));
    }
    text
}

/// The highest rates without loss.
fn capacities(rows: &[Row]) -> String {
    let long: Vec<Row> = rows
        .iter()
        .filter(|row| matches!(row.kind, Kind::Confirm | Kind::Dd))
        .cloned()
        .collect();
    if long.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n## To the disk, the highest rate without loss\n\n\
         Short probes close in on the rate, long runs begin there and close in again until they \
         know it to 6 %. Medians and extremes of such searches. The generator \
         cannot go faster than the rate at which its row says so. dd writes as many zeros as \
         the file that comes next will hold, from the same CPU.\n\n\
         | size | program | M frames/s | least | most | runs | seconds | file, MB/s | \
         pktrail is |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for size in sizes(&long) {
        let own = capacity(&long, &size, "pktrail", Row::load_rate);
        for peer in distinct(&long, |row| row.peer) {
            let runs = confirmed(&long, &size, peer);
            let Some(rate) = capacity(&long, &size, peer, Row::load_rate) else {
                continue;
            };
            let rates = || runs.iter().map(|row| row.load_rate());
            let is_full = runs.iter().all(|row| row.plan.rate == 0);
            let seconds = runs
                .iter()
                .map(|row| row.outcome.load_s)
                .fold(0.0, f64::max);
            let _ = writeln!(
                text,
                "| {size} | {peer} | {:.3}{} | {:.3} | {:.3} | {} | {seconds:.0} | {:.0} | \
                 {:.1} × |",
                rate / 1e6,
                if is_full { ", the generator's" } else { "" },
                rates().fold(f64::INFINITY, f64::min) / 1e6,
                rates().fold(0.0, f64::max) / 1e6,
                runs.len(),
                capacity(&long, &size, peer, Row::file_mb_s).unwrap_or_default(),
                own.unwrap_or_default() / rate.max(1.0),
            );
        }
        if let Some(dd) = median(&long, Kind::Dd, &size, "dd", Row::file_mb_s) {
            let runs = long.iter().filter(|row| row.is(Kind::Dd, &size, "dd"));
            let runs = runs.count();
            let _ = writeln!(text, "| {size} | dd | | | | {runs} | | {dd:.0} | |");
        }
    }
    text
}

fn memory(rows: &[Row]) -> String {
    let mut text = String::from(
        "Peak resident memory of all runs (VmHWM) without the mapping of the ring (Rss of the \
         mappings named `socket:` in smaps), watched until the program's end.\n\n\
         | program | beside the ring, MiB | ring, MiB |\n|---|---:|---:|\n",
    );
    let programs: Vec<Row> = programs(rows);
    for peer in distinct(&programs, |row| row.peer) {
        let own = || programs.iter().filter(|row| row.peer == peer);
        let most = |of: fn(&Row) -> u64| own().map(of).max().unwrap_or(0) as f64 / 1024.0;
        let _ = writeln!(
            text,
            "| {peer} | {:.1} | {:.0} |",
            most(|row| row.outcome.memory.peak_kib),
            most(|row| row.outcome.memory.ring_kib),
        );
    }
    text
}

/// All runs but those of dd.
fn programs(rows: &[Row]) -> Vec<Row> {
    let programs = rows.iter().filter(|row| row.kind != Kind::Dd);
    programs.cloned().collect()
}

fn soundness(rows: &[Row]) -> String {
    let mut text = String::from(
        "A file is sound when its numbers ascend without repetition or strangers, and capinfos \
         and tshark, where they were asked, find as many packets. Files of probes, and of long \
         runs in which something was lost, are not looked at. Unsaid is what is neither kept nor \
         reported lost: the largest of all runs, with its sign.\n\n\
         | program | runs | files | sound | by capinfos | by tshark | unsaid |\n\
         |---|---:|---:|---:|---:|---:|---:|\n",
    );
    let programs = programs(rows);
    for peer in distinct(&programs, |row| row.peer) {
        let own: Vec<&Row> = programs.iter().filter(|row| row.peer == peer).collect();
        let count = |is: fn(&Row) -> bool| own.iter().filter(|row| is(row)).count();
        let files = count(|row| row.outcome.found.is_some());
        let unsaid = own
            .iter()
            .map(|row| row.outcome.unsaid())
            .max_by_key(|unsaid| unsaid.unsigned_abs());
        let _ = writeln!(
            text,
            "| {peer} | {} | {files} | {} | {} | {} | {} |",
            own.len(),
            files - count(|row| row.outcome.is_unsound()),
            count(|row| row.outcome.capinfos.is_some()),
            count(|row| row.outcome.tshark.is_some()),
            unsaid.unwrap_or(0)
        );
    }
    text
}

/// The panels of the plot.
pub fn panels(rows: &[Row]) -> Vec<Panel> {
    let peers = distinct(rows, |row| row.peer);
    let mut panels = Vec::new();
    for (kind, title) in [
        (Kind::Null, "To /dev/null, full rate"),
        (Kind::Held, "To the disk, a rate that all can hold"),
    ] {
        let own: Vec<Row> = rows
            .iter()
            .filter(|row| row.kind == kind)
            .cloned()
            .collect();
        for figure in FIGURES {
            let value = |size: &str, peer: &str| median(&own, kind, size, peer, figure.value);
            panels.push(Panel {
                title: title.to_owned(),
                unit: format!("{}, {}", figure.name, figure.unit),
                groups: groups(&sizes(&own), &peers, value),
            });
        }
    }
    let long = |row: &&Row| matches!(row.kind, Kind::Confirm | Kind::Dd);
    let long: Vec<Row> = rows.iter().filter(long).cloned().collect();
    panels.push(Panel {
        title: "To the disk, the highest rate without loss".to_owned(),
        unit: "millions of frames per second".to_owned(),
        groups: groups(&sizes(&long), &peers, |size, peer| {
            Some(capacity(&long, size, peer, Row::load_rate)? / 1e6)
        }),
    });
    panels.push(Panel {
        title: "To the disk, the highest rate without loss".to_owned(),
        unit: "MB of file per second".to_owned(),
        groups: groups(&sizes(&long), &peers, |size, peer| {
            let dd = || median(&long, Kind::Dd, size, peer, Row::file_mb_s);
            capacity(&long, size, peer, Row::file_mb_s).or_else(dd)
        }),
    });
    panels.retain(|panel| !panel.groups.is_empty());
    panels
}

fn groups(
    sizes: &[String],
    peers: &[&'static str],
    value: impl Fn(&str, &str) -> Option<f64>,
) -> Vec<(String, Vec<(&'static str, f64)>)> {
    let group = |size: &String| {
        let bars = peers
            .iter()
            .filter_map(|peer| Some((*peer, value(size, peer)?)));
        (size.clone(), bars.collect())
    };
    sizes.iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::row;

    #[test]
    fn the_summary_shows_what_a_file_hides() {
        let mut strange = row(1, "b", "64", 50);
        strange.outcome.report.lost = 20;
        strange.outcome.capinfos = Some(51);
        let text = summary(&[row(1, "a", "64", 100), strange], "# Title\n");
        assert!(text.contains("| a | 100.00 |"), "{text}");
        assert!(text.contains("| a | 1 | 1 | 1 | 1 | 0 | 0 |"), "{text}");
        assert!(text.contains("| b | 1 | 1 | 0 | 1 | 0 | 30 |"), "{text}");
    }

    #[test]
    fn a_long_run_with_a_loss_is_no_capacity() {
        let mut rows = [row(1, "a", "64", 99), row(1, "a", "64", 100)];
        rows.iter_mut().for_each(|row| row.kind = Kind::Confirm);
        let text = summary(&rows, "");
        assert!(
            text.contains("| 64 | a | 0.000, the generator's |"),
            "{text}"
        );
        assert_eq!(confirmed(&rows, "64", "a").len(), 1);
        assert_eq!(panels(&rows).len(), 2);
    }
}
