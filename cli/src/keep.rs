//! `--keep`, `--trigger`, `--trigger-drop` and `--after`: what they mean.
//!
//! Owns the flags and what is said of a trigger. Watching for drops is in `drops`.

mod drops;

use crate::args::Args;
use crate::output::Origin;
use crate::plan::{self, Wanted, usage};
use crate::report;
use crate::size;
pub(crate) use drops::Drops;
use drops::Heard;
use pktrail::keep::{Cause, Keep, Triggered, Window};
use pktrail::signals::Signals;
use pktrail::{Filter, LinkType, Result, Sink};
use serde_json::json;
use std::time::Duration;

/// Memory where only a time is given, in bytes.
const MEMORY: usize = 512 << 20;
/// Time after a trigger where none is given.
const AFTER: Duration = Duration::from_secs(5);

/// Finds mistakes before anything is opened.
pub(crate) fn check(args: &Args) -> Result<()> {
    window(args)?;
    drops::check(args)
}

/// How much is to be kept, if `--keep` was given.
pub(crate) fn window(args: &Args) -> Result<Option<Window>> {
    let Some(text) = &args.keep else {
        let flags = [
            ("--trigger", args.trigger.is_some()),
            ("--trigger-drop", args.trigger_drop.is_some()),
            ("--after", args.after.is_some()),
        ];
        return match flags.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(usage(format!("{flag} has a meaning only with --keep"))),
            None => Ok(None),
        };
    };
    let after = match args.after {
        Some(seconds) => Duration::try_from_secs_f64(seconds)
            .map_err(|_| usage(format!("--after: '{seconds}' is not a number of seconds")))?,
        None => AFTER,
    };
    let (mut span, mut bytes) = (None, None);
    for word in text.split(',') {
        match time(word) {
            Some(time) if span.is_none() => span = Some(time),
            None if bytes.is_none() => bytes = Some(memory(word)?),
            _ => return Err(usage(format!("--keep: '{text}' says the same thing twice"))),
        }
    }
    Ok(Some(Window {
        span,
        bytes: bytes.unwrap_or(MEMORY),
        after,
    }))
}

/// A number with a unit of time.
fn time(word: &str) -> Option<Duration> {
    let units = [("ms", 0.001), ("min", 60.0), ("s", 1.0), ("h", 3600.0)];
    let scaled = |(unit, seconds): &(&str, f64)| {
        let number: f64 = word.strip_suffix(unit)?.parse().ok()?;
        Duration::try_from_secs_f64(number * seconds).ok()
    };
    units.iter().find_map(scaled)
}

fn memory(word: &str) -> Result<usize> {
    let bytes = size::parse("--keep", word).map_err(|_| {
        usage(format!(
            "--keep: '{word}' is neither a time (30s, 5min) nor a size (512M)"
        ))
    })?;
    match usize::try_from(bytes) {
        Ok(bytes) if bytes >= Window::LEAST_BYTES => Ok(bytes),
        _ => Err(usage(format!(
            "--keep: {word} is too little memory; give {} KiB or more",
            Window::LEAST_BYTES >> 10
        ))),
    }
}

/// The trigger's filter for frames of a link type.
fn compile(args: &Args, text: &str, link_type: LinkType) -> Result<Filter> {
    Wanted::Expression(text.to_owned())
        .for_file(args, link_type, plan::SNAPLEN_MAX)
        .map_err(|error| error.context(format!("--trigger, for {link_type}")))
}

/// Finds a mistake in the trigger before a file is made.
pub(crate) fn check_trigger(args: &Args, origin: &Origin) -> Result<()> {
    let Some(text) = &args.trigger else {
        return Ok(());
    };
    let mut known: Vec<_> = origin.interfaces.iter().map(|i| i.link_type).collect();
    known.dedup();
    if known.is_empty() {
        known.push(LinkType::ETHERNET);
    }
    known
        .iter()
        .try_for_each(|link_type| compile(args, text, *link_type).map(drop))
}

/// The sink with memory before it, if that was asked for.
pub(crate) fn before(
    sink: Box<dyn Sink>,
    args: &Args,
    origin: &Origin,
    signals: &Signals,
    drops: Option<&Drops>,
) -> Result<Box<dyn Sink>> {
    let Some(window) = window(args)? else {
        return Ok(sink);
    };
    let heard = drops.map(|drops| drops.heard().clone());
    let mut keep = Keep::new(sink, window)?
        .live(origin.live_since_ns.is_some())
        .on_flag(signals.recording());
    if let Some(heard) = &heard {
        keep = keep.on_drop(heard.flag());
    }
    keep = keep.observed(Box::new(move |triggered| {
        say(&triggered, &window, heard.as_ref());
    }));
    if let Some(text) = args.trigger.clone() {
        let args = args.clone();
        keep = keep.on_match(Box::new(move |link_type| compile(&args, &text, link_type)));
    }
    Ok(Box::new(keep))
}

/// Says that a recording begins.
fn say(triggered: &Triggered, window: &Window, heard: Option<&Heard>) {
    let reason = heard.filter(|_| triggered.cause == Cause::Drop);
    let reason = reason.map(Heard::reason);
    let (by, cause) = match triggered.cause {
        Cause::Flag => ("signal", "SIGUSR2".to_owned()),
        Cause::Frame => ("packet", "a packet".to_owned()),
        Cause::Drop => {
            let reason = reason.as_deref().unwrap_or_default();
            ("drop", format!("a drop ({reason})"))
        }
    };
    let since = triggered.from_ns.unwrap_or(triggered.at_ns);
    let reach = Duration::from_nanos(triggered.at_ns.saturating_sub(since)).as_secs_f64();
    let json = || {
        json!({"triggered": {
            "by": by,
            "reason": reason,
            "time": report::time(triggered.at_ns),
            "packets": triggered.frames,
            "seconds": reach,
            "is_short": triggered.is_short,
        }})
    };
    let text = || {
        let mut text = format!(
            "pktrail: triggered by {cause}: {} of the last {reach:.3} s, and {:.3} s to come",
            report::packets(triggered.frames),
            window.after.as_secs_f64()
        );
        if let (true, Some(span)) = (triggered.is_short, window.span) {
            let span = span.as_secs_f64();
            text.push_str(&format!(
                "; there was no memory for {span} s: give more, as --keep {span}s,SIZE"
            ));
        }
        text
    };
    report::either(json, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn of(words: &[&str]) -> Result<Option<Window>> {
        window(&Args::try_parse_from(std::iter::once(&"pktrail").chain(words)).unwrap())
    }

    #[test]
    fn a_time_a_size_or_both() {
        let window = |text| of(&["--keep", text]).unwrap().unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(
            window("30s"),
            Window {
                span: Some(seconds(30)),
                bytes: MEMORY,
                after: AFTER
            }
        );
        assert_eq!(window("512M").bytes, 512 << 20);
        assert_eq!(window("512m").span, None);
        assert_eq!(window("2min").span, Some(seconds(120)));
        assert_eq!(window("250ms").span, Some(Duration::from_millis(250)));
        let both = window("1.5h,2G");
        assert_eq!((both.span, both.bytes), (Some(seconds(5_400)), 2 << 30));
        let after = of(&["--keep", "1s", "--after", "0"]).unwrap().unwrap();
        assert_eq!(after.after, Duration::ZERO);
    }

    #[test]
    fn mistakes_are_said() {
        assert!(of(&[]).unwrap().is_none());
        let all: [&[&str]; 8] = [
            &["--keep", "soon"],
            &["--keep", "1s,2s"],
            &["--keep", "1M,2M"],
            &["--keep", "1k"],
            &["--keep", "1s", "--after", "-1"],
            &["--trigger", "tcp"],
            &["--trigger-drop"],
            &["--after", "3"],
        ];
        for words in all {
            assert!(of(words).is_err(), "{words:?}");
        }
    }
}
