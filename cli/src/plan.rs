//! What the command line means: modes, styles and numbers, checked before
//! anything is opened.

use crate::args::Args;
use crate::size;
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

/// The filter: a program from a file, or an expression.
pub(crate) fn filter(args: &Args) -> Result<Option<Filter>> {
    if let Some(path) = &args.filter_file {
        if !args.expression.is_empty() {
            return Err(usage(
                "give a filter by -F or on the command line, not both",
            ));
        }
        return program(path).map(Some);
    }
    let expression = args.expression.join(" ");
    if expression.trim().is_empty() {
        Ok(None)
    } else {
        Err(not_yet(&expression))
    }
}

fn program(path: &Path) -> Result<Filter> {
    let name = path.display();
    let bytes =
        fs::read(path).map_err(|cause| Error::io(format!("-F: cannot read {name}"), cause))?;
    let text = String::from_utf8_lossy(&bytes);
    let is_program = text.trim_start().starts_with(|c: char| c.is_ascii_digit());
    if !is_program {
        return Err(not_yet(text.trim()).context(format!("-F {name}")));
    }
    let program = Program::parse(&text).map_err(|error| error.context(format!("-F {name}")))?;
    Ok(Filter {
        program,
        text: Some(format!("program {name}")),
    })
}

fn not_yet(expression: &str) -> Error {
    let kind = ErrorKind::Unsupported {
        feature: "filter expressions",
        since: "",
    };
    let message = format!(
        "filter expressions are not supported yet ('{expression}'): make a program of it with \
         'tcpdump -ddd' and give it by -F FILE"
    );
    Error::new(kind, message)
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
    fn an_expression_says_what_to_do_instead() {
        let error = filter(&args(&["port", "80"])).unwrap_err();
        assert!(error.to_string().contains("'port 80'") && error.to_string().contains("-F"));
    }
}
