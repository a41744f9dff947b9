//! Summaries over many trails: what dropped most, what took longest, what was passed most.
//!
//! Owns counting and ranking.

use super::path::Trail;
use super::point::PointId;
use super::verdict::Verdict;
use super::words;
use std::collections::HashMap;
use std::fmt::Write;

/// What to rank by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Reason, function, hook and table of drops.
    Drops,
    /// Time between one point and the next.
    Latency,
    /// Points that were passed.
    Points,
}

/// Adds up trails, in memory that does not grow with their number.
#[derive(Clone, Debug, Default)]
pub struct Top {
    trails: u64,
    drops: HashMap<String, u64>,
    steps: HashMap<(PointId, PointId), Spans>,
    points: HashMap<PointId, u64>,
}

/// Time spans of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// How many.
    pub count: u64,
    /// Their sum in nanoseconds.
    pub total_ns: u64,
    /// The longest.
    pub longest_ns: u64,
}

impl Spans {
    /// The mean in nanoseconds.
    pub fn mean_ns(self) -> u64 {
        self.total_ns.checked_div(self.count).unwrap_or(0)
    }
}

/// One row of a ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub what: String,
    /// How often.
    pub count: u64,
    /// The times, for latency.
    pub spans: Option<Spans>,
}

impl Top {
    /// Counts a trail.
    pub fn add(&mut self, trail: &Trail) {
        self.trails += 1;
        if let Verdict::Dropped(dropped) = &trail.verdict {
            let rule = dropped.rule.as_ref();
            let rule = rule.map_or(String::new(), |rule| format!(", rule {rule}"));
            *self.drops.entry(format!("{dropped}{rule}")).or_default() += 1;
        }
        let mut before = None;
        for hop in &trail.hops {
            let point = hop.event.point;
            *self.points.entry(point).or_default() += 1;
            if let Some(before) = before {
                let spans = self.steps.entry((before, point)).or_default();
                spans.count += 1;
                spans.total_ns = spans.total_ns.saturating_add(hop.since_ns);
                spans.longest_ns = spans.longest_ns.max(hop.since_ns);
            }
            before = Some(point);
        }
    }

    /// Trails that were counted.
    pub fn trails(&self) -> u64 {
        self.trails
    }

    /// The first `most` rows: drops and points by number, latency by the longest time.
    pub fn rows(&self, by: By, most: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = match by {
            By::Drops => counted(self.drops.iter().map(|(what, n)| (what.clone(), *n))),
            By::Points => {
                let named = |(point, n): (&PointId, &u64)| (words::point(*point), *n);
                counted(self.points.iter().map(named))
            }
            By::Latency => {
                let row = |((from, to), spans): (&(PointId, PointId), &Spans)| Row {
                    what: format!("{} → {}", words::point(*from), words::point(*to)),
                    count: spans.count,
                    spans: Some(*spans),
                };
                self.steps.iter().map(row).collect()
            }
        };
        rows.sort_unstable_by(|a, b| {
            let rank = |row: &Row| (row.spans.map(|spans| spans.longest_ns), row.count);
            rank(b).cmp(&rank(a)).then_with(|| a.what.cmp(&b.what))
        });
        rows.truncate(most);
        rows
    }

    /// The same as text.
    pub fn text(&self, by: By, most: usize) -> String {
        let title = match by {
            By::Drops => "drops by reason and place",
            By::Latency => "longest steps: longest, mean, times",
            By::Points => "points by packets",
        };
        let mut text = format!("{title} ({} packets)\n", self.trails);
        for row in self.rows(by, most) {
            let _ = match row.spans {
                None => writeln!(text, "{:>10}  {}", row.count, row.what),
                Some(spans) => writeln!(
                    text,
                    "{:>12} {:>12} {:>8}  {}",
                    words::span(spans.longest_ns),
                    words::span(spans.mean_ns()),
                    row.count,
                    row.what
                ),
            };
        }
        text
    }
}

fn counted(rows: impl Iterator<Item = (String, u64)>) -> Vec<Row> {
    let row = |(what, count)| Row {
        what,
        count,
        spans: None,
    };
    rows.map(row).collect()
}
