//! `pktrail trace`: where packets go in the kernel, a block of text for each.
//!
//! Owns the flags and the text. What is followed and judged is in the libraries.

use crate::commands::parse;
use crate::{plan, print, report};
use clap::Parser;
use pktrail::filter::Target;
use pktrail::names::SystemNames;
use pktrail::signals::Signals;
use pktrail::trace::{Followed, Selection, Summary, Tracer};
use pktrail::trail::hook::Gap;
use pktrail::trail::{Change, Checksum, Hop, Relation, Role, Settings, Trail, Verdict};
use pktrail::{Control, Filter, LinkType, Result};
use std::ffi::OsString;
use std::fmt::Write;
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
    /// End after so many trails
    #[arg(short = 'c', long, value_name = "COUNT")]
    count: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// Only packets that are dropped
    #[arg(long)]
    drops: bool,
    /// Say what is attached
    #[arg(short, long)]
    verbose: bool,
    /// Filter expression
    #[arg(value_name = "EXPRESSION")]
    expression: Vec<String>,
}

/// Runs the command.
pub(crate) fn command(words: Vec<OsString>) -> Result<ExitCode> {
    let Some(args) = parse::<Trace>(words)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let selection = Selection {
        namespaces: args.netns.clone(),
        filter: filter(&args.expression)?,
        ring_bytes: None,
    };
    let control = Control::default();
    Signals::install(&control)?;
    let stop = control.flag();
    let tracer = Tracer::open(&selection)?;
    say_plan(&tracer, args.verbose);
    let mut followed = Followed::new(tracer, Settings::default());
    let end = args
        .duration
        .map(|s| Instant::now() + Duration::from_secs(s));
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 && !stop.load(Ordering::Relaxed) && end.is_none_or(|end| Instant::now() < end) {
        let trails = followed.next(Duration::from_millis(50))?;
        show(trails, &mut followed, &args, &mut left)?;
    }
    let (trails, summary) = followed.finish()?;
    show(trails, &mut followed, &args, &mut left)?;
    say_summary(&summary);
    Ok(ExitCode::from(u8::from(summary.lost > 0)))
}

fn filter(words: &[String]) -> Result<Option<Filter>> {
    if words.is_empty() {
        return Ok(None);
    }
    let text = words.join(" ");
    let target = Target::new(LinkType::RAW, 65_535);
    Filter::compile(&text, &target, &mut SystemNames::new())
        .map(Some)
        .map_err(|error| plan::picture(error, &text))
}

fn say_plan(tracer: &Tracer, verbose: bool) {
    let plan = tracer.plan();
    let places: usize = plan.attached.iter().map(|(_, places)| places).sum();
    report::note(&format!(
        "tracing at {} points, {places} places{}",
        plan.attached.len(),
        match plan.refused.len() {
            0 => String::new(),
            refused => format!("; {refused} refused"),
        }
    ));
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

fn say_summary(summary: &Summary) {
    report::note(&format!(
        "{} events: {} shown, {} left out by the filter, {} lost, {} late",
        summary.produced, summary.shown, summary.left_out, summary.lost, summary.late
    ));
}

/// Prints trails of packets whose headers were seen, at most `left`.
fn show(trails: Vec<Trail>, followed: &mut Followed, args: &Trace, left: &mut u64) -> Result<()> {
    let trails = trails.into_iter().filter(|trail| trail.packet.is_some());
    for trail in trails.filter(|trail| !args.drops || trail.verdict.is_drop()) {
        if *left == 0 {
            break;
        }
        *left -= 1;
        print(&block(&trail, followed.tracer()))?;
    }
    Ok(())
}

/// One packet.
fn block(trail: &Trail, tracer: &mut Tracer) -> String {
    let mut text = format!("packet {}", trail.id);
    if let Some(packet) = &trail.packet {
        let protocol = match packet.tuple.protocol {
            1 | 58 => "ICMP".to_owned(),
            6 => "TCP".to_owned(),
            17 => "UDP".to_owned(),
            other => format!("protocol {other}"),
        };
        let _ = write!(text, ": {} {protocol}", packet.tuple);
        if let Some((kind, code)) = packet.icmp {
            let _ = write!(text, " type {kind} code {code}");
        }
        let _ = write!(text, ", {} bytes", packet.fingerprint.core.length);
    }
    if let Some(edge) = trail.edge {
        let relation = match edge.relation {
            Relation::Clone => "clone",
            Relation::Segment => "segment",
            Relation::Fragment => "fragment",
            Relation::Retransmit => "retransmit",
            _ => "child",
        };
        let sure = if edge.certain { "" } else { ", probably" };
        let _ = write!(text, " ({relation} of packet {}{sure})", edge.from);
    }
    text.push('\n');
    for hop in &trail.hops {
        line(&mut text, hop, tracer);
    }
    if trail.left_out > 0 {
        let _ = writeln!(text, "  … {} more", trail.left_out);
    }
    let verdict = match &trail.verdict {
        Verdict::Sent { interface, netns } | Verdict::Forwarded { interface, netns } => {
            format!("{} by {}", trail.verdict, place(tracer, *netns, *interface))
        }
        other => other.to_string(),
    };
    let _ = writeln!(text, "  = {verdict}");
    if let Verdict::Dropped(dropped) = &trail.verdict
        && let Some(cause) = dropped.cause
    {
        let _ = writeln!(text, "    {}", cause.sentence);
        if let Some(advice) = cause.advice {
            let _ = writeln!(text, "    Try: {advice}");
        }
    }
    text
}

fn line(text: &mut String, hop: &Hop, tracer: &mut Tracer) {
    let event = &hop.event;
    let since_us = hop.since_ns / 1000;
    let place = place(tracer, event.netns, event.interface);
    let name = match Gap::by_name(event.point.name()) {
        Some(gap) => match gap.before() {
            Some(table) => format!("{} after {table}", gap.hook),
            None => format!("{} begins", gap.hook),
        },
        None => event.point.name().to_owned(),
    };
    let _ = write!(text, "  {since_us:>8} us  {name:<30} {place}");
    if matches!(event.point.role(), Role::Read)
        && let Some(process) = &event.process
    {
        let _ = write!(text, "  {} ({})", process.name, process.pid);
    }
    for change in &hop.changes {
        let _ = write!(text, "  {}", words(change));
    }
    if hop.late {
        text.push_str("  (late)");
    }
    text.push('\n');
}

/// `interface@namespace`, with numbers for what has no name.
fn place(tracer: &mut Tracer, netns: u32, index: u32) -> String {
    let interface = match tracer.interface_name(netns, index) {
        Some(name) => name.to_owned(),
        None if index == 0 && netns == 0 => return String::new(),
        None if index == 0 => "-".to_owned(),
        None => format!("#{index}"),
    };
    match (netns, tracer.netns_name(netns)) {
        (0, _) => interface,
        (_, Some(name)) => format!("{interface}@{name}"),
        (inode, None) => format!("{interface}@net:{inode}"),
    }
}

fn words(change: &Change) -> String {
    match change {
        Change::Rewritten { from, to } => format!("[{from} → {to}]"),
        Change::Wrapped { outer } => format!("[in {outer}]"),
        Change::Unwrapped => "[unwrapped]".to_owned(),
        Change::Grown { length } => format!("[grown to {length} bytes]"),
        Change::Ttl { from, to } => format!("[ttl {from} → {to}]"),
        Change::Mark { from, to } => format!("[mark {from:#x} → {to:#x}]"),
        Change::Checksum { from, to } => {
            format!("[checksum {} → {}]", state(*from), state(*to))
        }
        Change::Rejoined { certain: true } => "[in another buffer]".to_owned(),
        Change::Rejoined { certain: false } => "[probably, in another buffer]".to_owned(),
        _ => String::new(),
    }
}

fn state(checksum: Checksum) -> &'static str {
    match checksum {
        Checksum::None => "none",
        Checksum::Unnecessary => "valid",
        Checksum::Complete => "complete",
        Checksum::Partial => "partial",
    }
}
