//! The record of a run.
//!
//! Owns the arithmetic of medians and bounds, and the text.

use crate::events::Run;
use crate::load::DATAGRAM;
use crate::{Profile, Round, Tracing};
use pktrail_benches::machine;
use std::fmt::Write as _;

/// Bounds, in per cent of the rate without a tracer, points of these, and seconds.
const NO_MATCH: f64 = 5.0;
const ALL: f64 = 35.0;
const ABOVE_COUNTING: f64 = 15.0;
const ATTACH_S: f64 = 1.0;

pub(crate) fn text(rounds: &[Round], profiles: &[Profile], runs: &[Run], command: &str) -> String {
    let mut text = format!(
        "# What tracing costs\n\n{}\nCommand: `{command}`. Medians; rounds are interleaved. \
         Datagrams of {DATAGRAM} bytes sent one a call, and a TCP stream, between two namespaces \
         over veth; the sender alone on one CPU, by its priority, who receives and who reads \
         events on the other, before all else. Who receives datagrams does not sleep, so that \
         none has to wake it.\n\n",
        machine::describe()
    );
    costs(&mut text, rounds);
    bounds(&mut text, rounds, runs);
    profile(&mut text, profiles);
    to_file(&mut text, runs);
    raw(&mut text, rounds);
    text
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rate(rounds: &[Round], load: &str, tracing: Tracing) -> f64 {
    let rounds = rounds.iter();
    let rounds = rounds.filter(|r| r.load == load && r.tracing == tracing);
    median(rounds.map(|r| r.rate).collect())
}

/// In per cent.
fn slower(rounds: &[Round], load: &str, tracing: Tracing) -> f64 {
    100.0 * (1.0 - rate(rounds, load, tracing) / rate(rounds, load, Tracing::Nobody))
}

fn costs(text: &mut String, rounds: &[Round]) {
    text.push_str("| load | tracing | rate | slower than without |\n|---|---|---:|---:|\n");
    for load in ["UDP", "TCP"] {
        for tracing in Tracing::EACH {
            let rate = rate(rounds, load, tracing);
            let rate = match load {
                "UDP" => format!("{rate:.0} packets/s"),
                _ => format!("{:.2} GB/s", rate / 1e9),
            };
            let slower = slower(rounds, load, tracing);
            let name = tracing.name();
            let _ = writeln!(text, "| {load} | {name} | {rate} | {slower:.1} % |");
        }
    }
}

fn bounds(text: &mut String, rounds: &[Round], runs: &[Run]) {
    text.push_str("\n## Bounds\n\n| what | bound | here | |\n|---|---:|---:|---|\n");
    let mut row = |what: &str, bound: String, here: String, met: bool| {
        let met = if met { "met" } else { "not met" };
        let _ = writeln!(text, "| {what} | {bound} | {here} | {met} |");
    };
    for load in ["UDP", "TCP"] {
        let [counting, none, all] = [Tracing::Counting, Tracing::NoMatch, Tracing::All]
            .map(|tracing| slower(rounds, load, tracing));
        let percent = |number: f64| format!("{number:.1} %");
        let what = format!("{load}, no packet matches: slower by");
        row(&what, percent(NO_MATCH), percent(none), none <= NO_MATCH);
        let what = format!("{load}, every packet matches: slower by");
        row(&what, percent(ALL), percent(all), all <= ALL);
        let above = all - counting;
        let what = format!("{load}, every packet matches: points above counting");
        let (bound, here) = (format!("{ABOVE_COUNTING:.1}"), format!("{above:.1}"));
        row(&what, bound, here, above <= ABOVE_COUNTING);
    }
    let longest = |time: fn(&Round) -> f64| rounds.iter().map(time).fold(0.0, f64::max);
    let seconds = |number: f64| format!("{number:.2} s");
    for (what, longest) in [
        (
            "attach, the longest of all rounds",
            longest(|round| round.times.attach_s),
        ),
        (
            "detach, the longest of all rounds",
            longest(|round| round.times.detach_s),
        ),
    ] {
        row(
            what,
            seconds(ATTACH_S),
            seconds(longest),
            longest <= ATTACH_S,
        );
    }
    let whole = runs.iter().find(|run| run.is_whole());
    let reached = whole.map_or(0.0, |run| run.produced as f64 / run.seconds);
    row(
        "events/s to a pcapng for 10 s without loss",
        "500000".to_owned(),
        format!("{reached:.0}"),
        reached >= 495e3,
    );
}

fn profile(text: &mut String, profiles: &[Profile]) {
    text.push_str(
        "\n## Profile\n\nThe programs by the kernel's own measure (kernel.bpf_stats_enabled), on \
         both CPUs, during a UDP flood. The measure itself is in each time, about as much as a run \
         that only counts takes here; what calling a program costs is not.\n\n\
         | tracing | runs for a datagram | a run |\n|---|---:|---:|\n",
    );
    for each in profiles {
        let (name, runs, ns) = (each.tracing.name(), each.runs_each, each.ns_each);
        let _ = writeln!(text, "| {name} | {runs:.1} | {ns:.0} ns |");
    }
}

fn to_file(text: &mut String, runs: &[Run]) {
    text.push_str(
        "\n## Events to a file\n\n`pktrail trace --json -w FILE 'udp port 4000'` and datagrams at \
         a given rate; the account is the program's, the frames are counted by capinfos (two for \
         each datagram).\n\n\
         | events/s wanted | produced/s | shown | lost | datagrams | frames | CPU of the program | \
         peak | file |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for run in runs {
        let _ = writeln!(
            text,
            "| {:.0} | {:.0} | {} | {} | {} | {} | {:.0} % | {:.0} MiB | {:.0} MiB |",
            run.wanted,
            run.produced as f64 / run.seconds,
            run.shown,
            run.lost,
            run.datagrams,
            run.frames,
            100.0 * run.cpu_s / run.seconds,
            run.peak_mib,
            run.file_mib,
        );
    }
}

fn raw(text: &mut String, rounds: &[Round]) {
    text.push_str("\n## Raw\n\nload,tracing,rate,produced,shown,lost,late,attach_s,detach_s\n");
    for round in rounds {
        let events = &round.events;
        let _ = writeln!(
            text,
            "{},{},{:.0},{},{},{},{},{:.3},{:.3}",
            round.load,
            round.tracing.name(),
            round.rate,
            events.produced,
            events.shown,
            events.lost,
            events.late,
            round.times.attach_s,
            round.times.detach_s,
        );
    }
}
