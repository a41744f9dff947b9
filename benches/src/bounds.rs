//! What is wanted of the figures: the claims that pktrail makes, each with its
//! bound and whether this run meets it.

use crate::peer::PEERS;
use crate::report::{Kind, Row, capacity, median};
use std::fmt::Write as _;

/// A claim, and what this run says to it.
pub struct Bound {
    /// The load.
    pub load: &'static str,
    /// What is compared.
    pub what: String,
    /// The value; nothing where a part or a program was left out.
    pub value: Option<f64>,
    /// What it is to be.
    pub wanted: Wanted,
}

/// A limit.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// At most.
    AtMost(f64),
    /// At least.
    AtLeast(f64),
}

impl Bound {
    /// Whether it is met; nothing where there is no value.
    pub fn is_met(&self) -> Option<bool> {
        let value = self.value?;
        Some(match self.wanted {
            Wanted::AtMost(limit) => value <= limit,
            Wanted::AtLeast(limit) => value >= limit,
        })
    }
}

/// All of them.
pub fn bounds(rows: &[Row]) -> Vec<Bound> {
    let mut bounds = Vec::new();
    for (load, size, peer, most) in [
        ("64 B to /dev/null, full rate", "64", "tcpdump", 0.4),
        ("64 B to /dev/null, full rate", "64", "netsniff-ng", 0.3),
        ("1,500 B to /dev/null, full rate", "1500", "tcpdump", 0.2),
    ] {
        let reference = reference(rows, size);
        let above = |name| {
            let own = median(rows, Kind::Null, size, name, Row::cpu_ns)?;
            Some(own - reference?.1)
        };
        let of = reference.map_or("a ring drain", |(name, _)| name);
        bounds.push(Bound {
            load,
            what: format!("CPU time above that of {of}: pktrail / {peer}"),
            value: ratio(above("pktrail"), above(peer)),
            wanted: Wanted::AtMost(most),
        });
    }
    for (load, size, peer, least) in [
        ("1,500 B to the disk", "1500", "tcpdump", 3.0),
        ("1,500 B to the disk", "1500", "netsniff-ng", 2.0),
        ("1,500 B to the disk", "1500", "dumpcap", 3.0),
        ("mix to the disk", "mix", "tcpdump", 2.0),
        ("mix to the disk", "mix", "netsniff-ng", 2.0),
        ("mix to the disk", "mix", "dumpcap", 2.0),
    ] {
        let rate = |name| best_rate(rows, size, name);
        bounds.push(Bound {
            load,
            what: format!("highest rate without loss: pktrail / {peer}"),
            value: ratio(rate("pktrail"), rate(peer)),
            wanted: Wanted::AtLeast(least),
        });
    }
    let dd = median(rows, Kind::Dd, "1500", "dd", Row::file_mb_s);
    bounds.push(Bound {
        load: "1,500 B to the disk",
        what: "bytes written in a second without loss: pktrail / dd oflag=direct".to_owned(),
        value: ratio(capacity(rows, "1500", "pktrail", Row::file_mb_s), dd),
        wanted: Wanted::AtLeast(0.9),
    });
    let held = |name| median(rows, Kind::Held, "1500", name, Row::cpu_ns);
    bounds.push(Bound {
        load: "1,500 B to the disk, a rate all hold",
        what: "CPU time: pktrail / tcpdump".to_owned(),
        value: ratio(held("pktrail"), held("tcpdump")),
        wanted: Wanted::AtMost(0.1),
    });
    let own = || rows.iter().filter(|row| row.peer == "pktrail");
    let peak = own().map(|row| row.outcome.memory.peak_kib).max();
    bounds.push(Bound {
        load: "all",
        what: "pktrail's peak memory beside the ring, MiB".to_owned(),
        value: peak.map(|kib| kib as f64 / 1024.0),
        wanted: Wanted::AtMost(32.0),
    });
    let unsaid = own().map(|row| row.outcome.unsaid().unsigned_abs()).max();
    bounds.push(Bound {
        load: "all",
        what: "pktrail's frames neither kept nor reported lost".to_owned(),
        value: unsaid.map(|count| count as f64),
        wanted: Wanted::AtMost(0.0),
    });
    bounds
}

/// The CPU time of a ring drain that touches nothing; where it did not take
/// part, of one that makes batches and drops them.
fn reference(rows: &[Row], size: &str) -> Option<(&'static str, f64)> {
    let of = |name| Some((name, median(rows, Kind::Null, size, name, Row::cpu_ns)?));
    of("bare").or_else(|| of("drain"))
}

/// The highest rate of a program, with what settings so ever.
fn best_rate(rows: &[Row], size: &str, name: &str) -> Option<f64> {
    let own = PEERS.iter().map(|peer| peer.name).filter(|other| {
        let rest = other.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    own.filter_map(|name| capacity(rows, size, name, Row::load_rate))
        .max_by(f64::total_cmp)
}

fn ratio(own: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(own? / other.filter(|other| *other > 0.0)?)
}

/// The table.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from("| load | value | bound | this run | |\n|---|---|---:|---:|---|\n");
    for bound in bounds(rows) {
        let wanted = match bound.wanted {
            Wanted::AtMost(limit) => format!("≤ {limit}"),
            Wanted::AtLeast(limit) => format!("≥ {limit}"),
        };
        let value = bound.value.map(|value| format!("{value:.2}"));
        let met = match bound.is_met() {
            None => "",
            Some(true) => "met",
            Some(false) => "**not met**",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {wanted} | {} | {met} |",
            bound.load,
            bound.what,
            value.as_deref().unwrap_or("not measured"),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::row;

    #[test]
    fn a_bound_is_met_or_not_or_was_not_measured() {
        let run = |kind, peer, size: &str, cpu_s, kept| {
            let mut row = row(1, peer, size, kept);
            row.kind = kind;
            (row.outcome.user_s, row.outcome.system_s) = (cpu_s, 0.0);
            row.outcome.start_s = 0.0;
            row
        };
        let rows = [
            run(Kind::Null, "bare", "64", 1.0, 100),
            run(Kind::Null, "pktrail", "64", 2.0, 100),
            run(Kind::Null, "tcpdump", "64", 6.0, 100),
            run(Kind::Null, "netsniff-ng", "64", 4.0, 100),
            run(Kind::Confirm, "pktrail", "mix", 1.0, 100),
            run(Kind::Confirm, "tcpdump", "mix", 1.0, 100),
            run(Kind::Confirm, "dumpcap", "mix", 1.0, 99),
            run(Kind::Confirm, "netsniff-ng-rw", "mix", 1.0, 100),
        ];
        let bounds = bounds(&rows);
        let found = |what: &str, load: &str| {
            let mut bounds = bounds.iter();
            let bound = bounds.find(|it| it.what.ends_with(what) && it.load.starts_with(load));
            bound.map(|bound| (bound.value, bound.is_met()))
        };
        assert_eq!(found("/ tcpdump", "64"), Some((Some(0.2), Some(true))));
        let third = found("/ netsniff-ng", "64").and_then(|(_, met)| met);
        assert_eq!(third, Some(false));
        assert_eq!(found("/ tcpdump", "mix"), Some((Some(1.0), Some(false))));
        let other_settings = found("/ netsniff-ng", "mix").and_then(|(value, _)| value);
        assert_eq!(other_settings, Some(1.0));
        // It lost a frame in the only long run.
        assert_eq!(found("/ dumpcap", "mix"), Some((None, None)));
        assert!(table(&rows).contains("| 0.20 | met |"), "{}", table(&rows));
    }
}
