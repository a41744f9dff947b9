//! What the command line means: modes, styles and numbers, checked before
//! anything is opened.

use crate::args::Args;
use crate::size;
use pktrail::filter::{Target, caret};
use pktrail::names::SystemNames;
use pktrail::text::{Dump, Style, Time};
use pktrail::{Error, ErrorKind, Filter, LinkType, Program, Result};
use std::fs;
use std::path::Path;

/// Most bytes captured of a packet: what readers accept.
pub(crate) const SNAPLEN_MAX: u32 = 262_144;

/// A mistake on the command line.
pub(crate) fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}

/// Finds mistakes in the flags before anything is opened.
pub(crate) fn check(args: &Args) -> Result<()> {
    style(args)?;
    snaplen(args)?;
    ring_bytes(args)?;
    link_type(args)?;
    seconds("--stats", args.stats)?;
    if args.monitor {
        let kind = ErrorKind::Unsupported {
            feature: "monitor mode",
            since: "",
        };
        let message = "-I: monitor mode is not supported: switch the interface by `iw dev NAME set \
                       type monitor` and capture on it";
        return Err(Error::new(kind, message));
    }
    Ok(())
}

/// How to print.
pub(crate) fn style(args: &Args) -> Result<Style> {
    Ok(Style {
        numeric: args.numeric > 0,
        no_domain: args.no_domain,
        verbose: args.verbose,
        quiet: args.quiet,
        link_header: args.link_header,
        dump: dump(args),
        absolute_seq: args.absolute_seq,
        time: time(args.time)?,
        nano: is_nano(args)?,
        number: args.number,
        no_checksums: args.no_checksums,
        ..Style::default()
    })
}

fn dump(args: &Args) -> Dump {
    match (args.hex_ascii, args.hex, args.ascii) {
        (1, ..) => Dump::HexAscii,
        (2.., ..) => Dump::HexAsciiLink,
        (0, 1, _) => Dump::Hex,
        (0, 2.., _) => Dump::HexLink,
        (0, 0, 1) => Dump::Ascii,
        (0, 0, 2..) => Dump::AsciiLink,
        (0, 0, 0) => Dump::None,
    }
}

fn time(count: u8) -> Result<Time> {
    Ok(match count {
        0 => Time::OfDay,
        1 => Time::None,
        2 => Time::Epoch,
        3 => Time::SincePrevious,
        4 => Time::DateTime,
        5 => Time::SinceFirst,
        _ => return Err(usage("only -t, -tt, -ttt, -tttt and -ttttt have a meaning")),
    })
}

/// Whether times have nanoseconds.
pub(crate) fn is_nano(args: &Args) -> Result<bool> {
    match args.precision.as_deref() {
        None => Ok(args.nano),
        Some("nano") => Ok(true),
        Some("micro") => Ok(false),
        Some(other) => Err(usage(format!(
            "--time-stamp-precision: '{other}' is neither micro nor nano"
        ))),
    }
}

/// The snap length: 0 means all, as in tcpdump.
pub(crate) fn snaplen(args: &Args) -> Result<u32> {
    match args.snaplen.unwrap_or(0) {
        0 => Ok(SNAPLEN_MAX),
        bytes if bytes <= SNAPLEN_MAX => Ok(bytes),
        bytes => Err(usage(format!(
            "-s: {bytes} is more than the largest snap length, {SNAPLEN_MAX}"
        ))),
    }
}

/// The ring size that was asked for, in bytes.
pub(crate) fn ring_bytes(args: &Args) -> Result<Option<u64>> {
    match (&args.ring, args.buffer_kib) {
        (Some(text), _) => size::parse("--ring", text).map(Some),
        (None, Some(0)) => Err(usage("-B: a ring of 0 KiB holds nothing")),
        (None, Some(kib)) => {
            let bytes = kib
                .checked_mul(1024)
                .ok_or_else(|| usage("-B: too large"))?;
            Ok(Some(bytes))
        }
        (None, None) => Ok(None),
    }
}

/// The link type that was asked for.
pub(crate) fn link_type(args: &Args) -> Result<Option<LinkType>> {
    let Some(name) = &args.link_type else {
        return Ok(None);
    };
    let known = LinkType::from_name(name);
    known.map(Some).ok_or_else(|| {
        usage(format!(
            "-y: '{name}' is not a link type; -L lists those of an interface"
        ))
    })
}

/// Which packets are wanted.
#[derive(Clone)]
pub(crate) enum Wanted {
    /// A program, made elsewhere.
    Program(Filter),
    /// An expression, to be compiled for what is captured or read.
    Expression(String),
}

impl Wanted {
    /// The filter for frames of a file.
    pub(crate) fn for_file(self, args: &Args, link_type: LinkType, snaplen: u32) -> Result<Filter> {
        match self {
            Self::Program(filter) => Ok(filter),
            Self::Expression(text) => {
                let target = target(args, link_type, snaplen);
                Filter::compile(&text, &target, &mut SystemNames::new())
                    .map_err(|error| picture(error, &text))
            }
        }
    }
}

/// What an expression is compiled for.
pub(crate) fn target(args: &Args, link_type: LinkType, snaplen: u32) -> Target {
    Target {
        any_tag: args.any_tag,
        inner: args.inner,
        ..Target::new(link_type, snaplen)
    }
}

/// The error with the expression and a caret under the place, if it names one.
pub(crate) fn picture(error: Error, text: &str) -> Error {
    match caret(text, &error) {
        Some(picture) => {
            let kind = error.kind();
            Error::new(kind, format!("{error:#}\n{picture}"))
        }
        None => error,
    }
}

/// The filter: a program or an expression from a file, or an expression.
pub(crate) fn filter(args: &Args) -> Result<Option<Wanted>> {
    if let Some(path) = &args.filter_file {
        if !args.expression.is_empty() {
            return Err(usage(
                "give a filter by -F or on the command line, not both",
            ));
        }
        return from_file(path).map(Some);
    }
    let expression = args.expression.join(" ");
    let is_empty = expression.trim().is_empty();
    Ok((!is_empty).then_some(Wanted::Expression(expression)))
}

/// A file holds an expression, as in tcpdump, or what `-ddd` prints.
fn from_file(path: &Path) -> Result<Wanted> {
    let name = path.display();
    let bytes =
        fs::read(path).map_err(|cause| Error::io(format!("-F: cannot read {name}"), cause))?;
    let text = String::from_utf8_lossy(&bytes);
    if !is_program(&text) {
        return Ok(Wanted::Expression(without_comments(&text)));
    }
    let program = Program::parse(&text).map_err(|error| error.context(format!("-F {name}")))?;
    Ok(Wanted::Program(Filter::new(
        program,
        Some(format!("program {name}")),
    )))
}

/// A number alone on the first line, which is no expression.
fn is_program(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default().trim();
    !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text with everything from `#` to the end of its line blanked, as tcpdump
/// reads such a file.
fn without_comments(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .collect();
    lines.join(" ")
}

/// A time in seconds.
pub(crate) fn seconds(flag: &str, value: Option<f64>) -> Result<Option<std::time::Duration>> {
    let Some(value) = value else { return Ok(None) };
    let duration = std::time::Duration::try_from_secs_f64(value)
        .ok()
        .filter(|d| !d.is_zero());
    duration
        .map(Some)
        .ok_or_else(|| usage(format!("{flag}: '{value}' is not a number of seconds")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn args(words: &[&str]) -> Args {
        Args::try_parse_from(std::iter::once(&"pktrail").chain(words)).unwrap()
    }

    #[test]
    fn styles_follow_tcpdump() {
        let style = style(&args(&["-nevvSq#", "-tttt", "-xx", "--nano"])).unwrap();
        assert!(style.numeric && style.link_header && style.absolute_seq && style.quiet);
        assert!(style.number && style.nano);
        assert_eq!(
            (style.verbose, style.time, style.dump),
            (2, Time::DateTime, Dump::HexLink)
        );
        assert!(time(6).is_err());
    }

    #[test]
    fn hexadecimal_with_ascii_goes_before_the_others() {
        assert_eq!(dump(&args(&["-A", "-x", "-X"])), Dump::HexAscii);
        assert_eq!(dump(&args(&["-A", "-x"])), Dump::Hex);
        assert_eq!(dump(&args(&["-AA"])), Dump::AsciiLink);
    }

    #[test]
    fn snap_lengths() {
        assert_eq!(snaplen(&args(&[])).unwrap(), SNAPLEN_MAX);
        assert_eq!(snaplen(&args(&["-s", "96"])).unwrap(), 96);
        assert!(snaplen(&args(&["-s", "262145"])).is_err());
    }

    #[test]
    fn files_hold_expressions_with_comments_or_programs() {
        assert!(is_program("4\n40 0 0 12\n"));
        assert!(!is_program("1.2.3.4\n"));
        assert_eq!(without_comments("tcp # web\nport 80"), "tcp  port 80");
    }
}
