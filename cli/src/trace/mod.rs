//! `pktrail trace`: where packets go in the kernel.
//!
//! Owns the flags and what they mean. What is followed and judged is in the libraries; how a trail
//! is shown is in `show`.

mod file;
mod json;
mod plan;
mod show;

use crate::commands::parse;
use crate::plan::{picture, usage};
use crate::{report, size};
use clap::{Parser, ValueEnum};
use pktrail::filter::{SkbFilter, Target};
use pktrail::names::SystemNames;
use pktrail::signals::Signals;
use pktrail::trace::{Followed, Method, RulePlan, Selection, Summary, Tracer};
use pktrail::trail::top::By;
use pktrail::trail::{Settings, Wanted};
use pktrail::{Control, LinkType, Result};
pub(crate) use plan::doctor;
use serde_json::json;
use show::Shown;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Shows the trail of each packet through the kernel, and how it ended.
#[derive(Parser)]
#[command(name = "pktrail trace", bin_name = "pktrail trace")]
struct Trace {
    /// Network namespace to pick packets up in; may be given several times. Without: all
    #[arg(long, value_name = "NAME")]
    netns: Vec<String>,
    /// Only packets that pass this interface (NAME or NAME@NETNS); may be given several times
    #[arg(long, value_name = "NAME")]
    ifname: Vec<String>,
    /// Only packets that this process sends or reads; may be given several times
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Only packets that processes of this name send or read; may be given several times
    #[arg(long, value_name = "NAME")]
    comm: Vec<String>,
    /// Only packets with this mark, or these bits of it; may be given several times
    #[arg(long, value_name = "MARK[/MASK]")]
    mark: Vec<String>,
    /// Only packets that are dropped
    #[arg(long)]
    drops: bool,
    /// Only packets that are under way at least so long: 500us, 2ms, 1s
    #[arg(long, value_name = "TIME")]
    min_latency: Option<String>,
    /// End after so many trails
    #[arg(short = 'c', long, value_name = "COUNT")]
    count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// Write the packets as each device saw them to a pcapng file, with their trails as comments
    #[arg(short = 'w', long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Draw the way of packets on the map of Linux' packet flow: FILE ends with .svg or .html
    #[arg(long, value_name = "FILE")]
    diagram: Option<PathBuf>,
    /// Print trails as well while writing a file
    #[arg(long)]
    print: bool,
    /// Bytes that are copied of each packet
    #[arg(short = 's', long, value_name = "BYTES")]
    snapshot_length: Option<u32>,
    /// Show a summary at the end instead of trails; may be given several times
    #[arg(long, value_name = "WHAT", value_enum)]
    top: Vec<Ranking>,
    /// Show the rules of nftables and iptables that packets meet
    #[arg(long)]
    rules: bool,
    /// JSON (docs/json.md)
    #[arg(long)]
    json: bool,
    /// Say what is attached, and show every hop on a line of its own
    #[arg(short, long)]
    verbose: bool,
    /// Points to attach to: names, layers (nf, tcp…), patterns with *, /expressions/, functions of
    /// the kernel, all, or default: tracepoints and the places between the tables of netfilter.
    /// `default,tc,xdp:observer` adds what looks at each device
    #[arg(long, value_name = "LIST")]
    points: Option<String>,
    /// Size of the ring of each CPU, a power of two: 4m, 16m
    #[arg(long, value_name = "SIZE")]
    ring: Option<String>,
    /// How functions are attached to. Without: the best that the kernel takes
    #[arg(long, value_name = "METHOD", value_enum)]
    attach: Option<Attach>,
    /// Filter expression
    #[arg(value_name = "EXPRESSION")]
    expression: Vec<String>,
}

/// What `--top` ranks.
#[derive(Clone, Copy, ValueEnum)]
enum Ranking {
    /// Reason, function, hook and table of drops
    Drops,
    /// The longest steps from one point to the next
    Latency,
    /// The points that most packets passed
    Points,
}

impl From<Ranking> for By {
    fn from(ranking: Ranking) -> Self {
        match ranking {
            Ranking::Drops => Self::Drops,
            Ranking::Latency => Self::Latency,
            Ranking::Points => Self::Points,
        }
    }
}

/// How functions are attached to.
#[derive(Clone, Copy, ValueEnum)]
enum Attach {
    /// A trampoline for each
    Fentry,
    /// One link for all
    KprobeMulti,
    /// A breakpoint for each
    Kprobe,
}

impl From<Attach> for Method {
    fn from(attach: Attach) -> Self {
        match attach {
            Attach::Fentry => Self::Fentry,
            Attach::KprobeMulti => Self::KprobeMulti,
            Attach::Kprobe => Self::Kprobe,
        }
    }
}

/// Runs the command.
pub(crate) fn command(words: Vec<OsString>) -> Result<ExitCode> {
    let Some(args) = parse::<Trace>(words)? else {
        return Ok(ExitCode::SUCCESS);
    };
    report::use_json(args.json);
    let selection = Selection {
        namespaces: args.netns.clone(),
        filter: filter(&args.expression)?,
        points: args.points.clone(),
        method: args.attach.map(Method::from),
        snap_length: args.snapshot_length,
        keep_frames: args.write.is_some(),
        ring_bytes: ring_bytes(args.ring.as_deref())?,
        ..Selection::default()
    };
    if args.print && args.write.is_none() {
        return Err(usage("--print has a meaning only with -w FILE"));
    }
    show::check_diagram(args.diagram.as_deref())?;
    let wanted = wanted(&args)?;
    let control = Control::default();
    Signals::install(&control)?;
    let stop = control.flag();
    let tracer = Tracer::open(&selection)?;
    let mut shown = Shown::new(&args, wanted)?;
    let mut followed = Followed::new(tracer, Settings::default());
    if args.rules {
        let filter = selection.filter.as_ref();
        let rules_filter = filter.and_then(|filter| filter.network.as_ref());
        let plan = followed.watch_rules(&args.netns, rules_filter);
        say_rules(&plan);
    }
    for name in &args.ifname {
        let short = name.split('@').next().unwrap_or(name);
        if !followed.tracer().has_interface(short) {
            let what = format!("no traced namespace has an interface {short} now: waiting for one");
            report::note(&what);
        }
    }
    say_plan(followed.tracer(), args.verbose);
    let end = args
        .duration
        .map(|s| Instant::now() + Duration::from_secs(s));
    let is_over = || stop.load(Ordering::Relaxed) || end.is_some_and(|end| Instant::now() >= end);
    while !shown.is_full() && !is_over() {
        let trails = followed.next(Duration::from_millis(50))?;
        shown.take(trails, followed.tracer())?;
        for notice in followed.take_notices() {
            report::note(&notice);
        }
    }
    let (trails, summary) = followed.finish()?;
    shown.take(trails, followed.tracer())?;
    shown.finish(&summary)?;
    say_summary(&summary);
    Ok(ExitCode::from(u8::from(
        summary.lost + summary.rules_lost + summary.displaced > 0,
    )))
}

fn filter(words: &[String]) -> Result<Option<SkbFilter>> {
    if words.is_empty() {
        return Ok(None);
    }
    let text = words.join(" ");
    let target = Target::new(LinkType::RAW, 65_535);
    SkbFilter::compile(&text, &target, &mut SystemNames::new())
        .map(Some)
        .map_err(|error| picture(error, &text))
}

fn wanted(args: &Trace) -> Result<Wanted> {
    let min_latency_ns = match &args.min_latency {
        Some(text) => time_ns(text).ok_or_else(|| {
            let what = format!("--min-latency: '{text}' is no time: write 500us, 2ms or 1s");
            usage(what)
        })?,
        None => 0,
    };
    Ok(Wanted {
        drops: args.drops,
        min_latency_ns,
        interfaces: args.ifname.clone(),
        pids: args.pid.clone(),
        commands: args.comm.clone(),
        marks: args
            .mark
            .iter()
            .map(|text| {
                mark(text).ok_or_else(|| {
                    usage(format!(
                        "--mark: '{text}' is no mark: write 5, 0x10 or 0x10/0xf0"
                    ))
                })
            })
            .collect::<Result<_>>()?,
    })
}

/// The size of each ring.
fn ring_bytes(text: Option<&str>) -> Result<Option<u32>> {
    let Some(text) = text else { return Ok(None) };
    let bytes = size::parse("--ring", text)?;
    let bytes = u32::try_from(bytes).map_err(|_| usage("--ring: a ring is smaller than 4g"))?;
    Ok(Some(bytes))
}

/// A number with a unit of time.
fn time_ns(text: &str) -> Option<u64> {
    let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];
    let (number, scale) = units
        .iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    let seconds = number.parse::<f64>().ok()? * scale / 1e9;
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(time.as_nanos()).ok()
}

/// `VALUE` or `VALUE/MASK`.
fn mark(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    }
}

fn say_plan(tracer: &Tracer, verbose: bool) {
    let plan = tracer.plan();
    let places: usize = plan.attached.iter().map(|(_, places)| places).sum();
    report::note(&format!(
        "tracing at {} points, {places} places{}",
        plan.attached.len(),
        match plan.refused.len() {
            0 => String::new(),
            refused if verbose => format!("; {refused} refused"),
            refused => format!("; {refused} refused (-v says why)"),
        }
    ));
    if plan.candidates > 0 {
        report::note(&format!("functions: {}", plan::functions(plan)));
    }
    plan::advice(plan).into_iter().for_each(report::note);
    if verbose {
        for (point, places) in &plan.attached {
            let sentence = point.point().map_or("", |point| point.sentence);
            report::note(&format!("{} ({places}): {sentence}", point.name()));
        }
        for (name, why) in &plan.refused {
            report::note(&format!("not {name}: {why}"));
        }
    }
}

fn say_rules(plan: &RulePlan) {
    if plan.traced.is_empty() && plan.refused.is_empty() {
        report::note("no traced namespace has rules of nftables or iptables");
    }
    for (name, why) in &plan.refused {
        report::note(&format!("rules of {name} are not traced: {why}"));
    }
}

fn say_summary(summary: &Summary) {
    report::either(
        || {
            json!({"events": {
                "produced": summary.produced,
                "shown": summary.shown,
                "lost": summary.lost,
                "late": summary.late,
                "rules_lost": summary.rules_lost,
                "displaced": summary.displaced,
            }})
        },
        || {
            format!(
                "pktrail: {} events: {} shown, {} lost, {} late",
                summary.produced, summary.shown, summary.lost, summary.late
            )
        },
    );
    if summary.lost > 0 {
        report::note(
            "events were lost since rings were full: an expression, --netns or fewer --points \
             make fewer, `--ring SIZE` makes room for more",
        );
    }
    if summary.displaced > 0 {
        report::note(&format!(
            "more packets were under way at once than can be followed: {} buffers were lost from \
             sight; an expression or --netns follows fewer",
            summary.displaced
        ));
    }
    if summary.rules_lost > 0 {
        report::note("more rules were met than could be taken: some are missing in the trails");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time_ns("500us"), Some(500_000));
        assert_eq!(time_ns("1.5ms"), Some(1_500_000));
        assert_eq!(time_ns("2s"), Some(2_000_000_000));
        assert_eq!(time_ns("7ns"), Some(7));
        assert_eq!(time_ns("7"), None);
        assert_eq!(time_ns("-1s"), None);
    }

    #[test]
    fn marks_may_have_a_mask() {
        assert_eq!(mark("5"), Some((5, u32::MAX)));
        assert_eq!(mark("0x10/0xf0"), Some((0x10, 0xf0)));
        assert_eq!(mark("five"), None);
    }
}
