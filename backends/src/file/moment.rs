//! Moments as people write them, to say which part of a file they want.

use crate::{Error, ErrorKind, Result};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use std::str::FromStr;

/// A moment, as [`FromStr`] reads it:
///
/// - `2026-11-22T11:00:00.5Z`, or with an offset: RFC 3339
/// - `2026-11-22T11:00:00`, `2026-11-22 11:00`, `2026-11-22`: local time
/// - `1795345200.123456789`: seconds since 1970
/// - `11:00:00.25`, `11:00`: local time, on the day of the file's first frame
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(Form);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Nanoseconds since 1970.
    At(u64),
    OfDay(Time),
}

impl Moment {
    /// The moment so many nanoseconds after 1970-01-01 00:00 UTC.
    pub const fn at(ns: u64) -> Self {
        Self(Form::At(ns))
    }

    /// In nanoseconds since 1970, for a file whose first frame is of the time
    /// `first_ns`, in the system's time zone.
    pub fn resolve(self, first_ns: u64) -> u64 {
        self.resolve_in(first_ns, TimeZone::system())
    }

    /// Whether the first frame must be known to resolve it.
    pub(super) fn is_of_day(self) -> bool {
        matches!(self.0, Form::OfDay(_))
    }

    fn resolve_in(self, first_ns: u64, zone: TimeZone) -> u64 {
        match self.0 {
            Form::At(ns) => ns,
            Form::OfDay(time) => {
                let first = Timestamp::from_nanosecond(i128::from(first_ns)).unwrap_or_default();
                let day = first.to_zoned(zone.clone()).date();
                let moment = zone.to_ambiguous_timestamp(day.to_datetime(time));
                moment.compatible().map_or(first_ns, nanoseconds)
            }
        }
    }

    fn parse_in(text: &str, zone: &TimeZone) -> Result<Self> {
        if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            return seconds(text).map(Self::at).ok_or_else(|| wrong(text));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::at(nanoseconds(time)));
        }
        if let Ok(time) = text.parse::<DateTime>() {
            let time = zone.to_ambiguous_timestamp(time).compatible();
            let time = time.map_err(|cause| wrong(text).with_source(cause))?;
            return Ok(Self::at(nanoseconds(time)));
        }
        match text.parse::<Time>() {
            Ok(time) if text.contains(':') => Ok(Self(Form::OfDay(time))),
            _ => Err(wrong(text)),
        }
    }
}

impl FromStr for Moment {
    type Err = Error;

    /// # Errors
    /// `Usage`, with the forms there are.
    fn from_str(text: &str) -> Result<Self> {
        Self::parse_in(text, &TimeZone::system())
    }
}

fn nanoseconds(time: Timestamp) -> u64 {
    // Before 1970 there are no frames.
    u64::try_from(time.as_nanosecond()).unwrap_or(0)
}

/// Seconds with up to nine decimals, exactly.
fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut digits = String::from(fraction);
    if fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    digits.extend(std::iter::repeat_n('0', 9 - fraction.len()));
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(1_000_000_000)?
        .checked_add(digits.parse().ok()?)
}

fn wrong(text: &str) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!(
            "'{text}' is no time: give 2026-11-22T11:00:00Z, without the Z for local time, \
             11:00:00 on the day of the first packet, or seconds since 1970"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 1_795_305_600;
    const NS: u64 = 1_000_000_000;

    fn ns(text: &str, hours_east: i8) -> u64 {
        let zone = TimeZone::fixed(jiff::tz::offset(hours_east));
        let first = (DAY + 3_600) * NS;
        Moment::parse_in(text, &zone)
            .unwrap()
            .resolve_in(first, zone)
    }

    #[test]
    fn every_form_is_read() {
        // 2026-11-22 00:00 UTC.
        assert_eq!(ns("1795305600", 5), DAY * NS);
        assert_eq!(ns("1795305600.000000001", 0), DAY * NS + 1);
        assert_eq!(ns("1795305600.5", 0), DAY * NS + NS / 2);
        assert_eq!(ns("2026-11-22T11:00:00Z", 5), (DAY + 11 * 3_600) * NS);
        assert_eq!(ns("2026-11-22T11:00:00+02:00", 5), (DAY + 9 * 3_600) * NS);
        assert_eq!(
            ns("2026-11-22T11:00:00.25", 1),
            (DAY + 10 * 3_600) * NS + NS / 4
        );
        assert_eq!(ns("2026-11-22 11:00", 0), (DAY + 11 * 3_600) * NS);
        assert_eq!(ns("2026-11-22", 0), DAY * NS);
        assert_eq!(ns("11:00:00.25", 0), (DAY + 11 * 3_600) * NS + NS / 4);
        assert_eq!(ns("11:00", 2), (DAY + 9 * 3_600) * NS);
        // One o'clock in UTC is eight in the evening before, five hours west.
        assert_eq!(ns("20:30", -5), (DAY + 3_600 + 1_800) * NS);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "now",
            "1.2.3",
            "1.0000000001",
            "25:00",
            "2026-13-01",
            "1e9",
            "-5",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
