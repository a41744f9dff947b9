//! When a capture goes on in another file, and what that file is called.
//!
//! Owns the policy alone: no file is opened here. The names are tcpdump's
//! (`-C`, `-G`, `-W`, as of 4.99) wherever tcpdump defines them, with two
//! differences. A frame's own time decides which period it belongs to, not the
//! moment at which it is written. And a period whose name would be that of the
//! period before gets a number, where tcpdump overwrites what it has just
//! written. Names that come back later (`%H`, on the next day) do overwrite:
//! that is how a day is kept in 24 files.

use crate::{Batch, Error, ErrorKind, Result};
use jiff::{Timestamp, tz::TimeZone};
use std::collections::VecDeque;

/// How long after the end of a period the clock alone ends its file, in
/// nanoseconds: frames of the period may still be on their way.
pub const GRACE_NS: u64 = 250_000_000;

const SECOND_NS: u64 = 1_000_000_000;

/// When a new file begins. Any mix is allowed; what comes first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `-C`: a frame that finds the file larger than this, in bytes, begins the
    /// next one. See [`parse_size`].
    pub bytes: Option<u64>,
    /// A file holds this many frames at most.
    pub packets: Option<u64>,
    /// `-G`: a file holds the frames of this many seconds. The name may then
    /// hold conversions of strftime(3), for the local time of the beginning.
    pub seconds: Option<u64>,
    /// Periods end at multiples of `seconds` on the local clock (every full
    /// hour, at midnight), not `seconds` after the start.
    pub aligned: bool,
    /// `-W`. Without `seconds`: so many files form a ring, and the names begin
    /// again. With `seconds` alone: the capture ends after so many files. With
    /// both (where tcpdump ignores it): so many files are kept, and the oldest
    /// is removed.
    pub files: Option<u32>,
    /// The capture ends when so many files are complete.
    pub stop_after_files: Option<u32>,
}

impl Rules {
    /// Whether there can be more than one file.
    pub fn is_planned(&self) -> bool {
        self.is_sized() || self.seconds.is_some()
    }

    fn is_sized(&self) -> bool {
        self.bytes.is_some() || self.packets.is_some()
    }

    /// The number of files after which the capture ends.
    fn last_file(&self) -> Option<u32> {
        let by_periods = match self.is_sized() {
            false if self.seconds.is_some() => self.files,
            _ => None,
        };
        match (by_periods, self.stop_after_files) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn check(&self) -> Result<()> {
        let files = self.files.map(u64::from);
        let stop = self.stop_after_files.map(u64::from);
        for (value, what) in [
            (self.bytes, "file size (-C)"),
            (self.packets, "number of frames for each file"),
            (self.seconds, "number of seconds for each file (-G)"),
            (files, "number of files (-W)"),
            (stop, "number of files to stop after"),
        ] {
            if value == Some(0) {
                return Err(usage(format!("the {what} is 0; it must be at least 1")));
            }
        }
        if self.seconds.is_some_and(|seconds| seconds > MOST_SECONDS) {
            return Err(usage(format!(
                "the number of seconds for each file (-G) is more than {MOST_SECONDS}"
            )));
        }
        Ok(())
    }
}

/// A hundred years.
const MOST_SECONDS: u64 = 3_155_760_000;

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

/// What to do before the next frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Go on with the file.
    Stay,
    /// Begin the next file.
    Next {
        /// Its name.
        name: String,
        /// A file that is no longer kept.
        remove: Option<String>,
    },
    /// The last file is complete.
    Stop,
}

/// Follows a capture from file to file.
#[derive(Clone, Debug)]
pub struct Rotation {
    rules: Rules,
    pattern: String,
    zone: TimeZone,
    /// The name of the file, without its number.
    base: String,
    number: u64,
    /// When the period of the file ends.
    ends_ns: Option<u64>,
    begun: u32,
    /// The files that still exist, oldest first, where only some are kept.
    kept: VecDeque<String>,
}

impl Rotation {
    /// Files named after `pattern`, by `rules`. `zone` is the local time zone.
    ///
    /// # Errors
    /// `Usage` for a zero or a conversion that does not exist.
    pub fn new(rules: Rules, pattern: &str, zone: TimeZone) -> Result<Self> {
        rules.check()?;
        let rotation = Self {
            rules,
            pattern: pattern.into(),
            zone,
            base: String::new(),
            number: 0,
            ends_ns: None,
            begun: 0,
            kept: VecDeque::new(),
        };
        rotation.expand(0)?;
        Ok(rotation)
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Begins the first file, at `now_ns`: the name of it. Called once, before
    /// all others.
    pub fn first(&mut self, now_ns: u64) -> Result<String> {
        self.base = self.expand(now_ns)?;
        self.ends_ns = self.rules.seconds.map(|seconds| match self.rules.aligned {
            true => self.next_multiple(now_ns, seconds),
            false => now_ns.saturating_add(seconds * SECOND_NS),
        });
        self.begun = 1;
        let name = self.name();
        self.kept.push_back(name.clone());
        Ok(name)
    }

    /// Whether all frames of `batch` belong into the file, which holds `bytes`
    /// and `packets` so far and would grow by `growth` bytes at most. If not,
    /// [`before_frame`](Self::before_frame) finds where to split.
    pub fn fits(&self, batch: &Batch, bytes: u64, packets: u64, growth: u64) -> bool {
        let frames = batch.count() as u64;
        let within = |limit: Option<u64>, size: u64| limit.is_none_or(|limit| size <= limit);
        within(self.rules.bytes, bytes + growth)
            && within(self.rules.packets, packets + frames)
            && self.ends_ns.is_none_or(|ends| {
                let times = batch.times();
                times.is_none_or(|(_, youngest)| youngest < ends)
            })
    }

    /// What to do before a frame of `timestamp_ns` is written to the file, which
    /// holds `bytes` and `packets` so far.
    pub fn before_frame(&mut self, timestamp_ns: u64, bytes: u64, packets: u64) -> Result<Turn> {
        let over = |limit: Option<u64>, size: u64| limit.is_some_and(|limit| size > limit);
        if self.ends_ns.is_some_and(|ends| timestamp_ns >= ends) {
            self.next_period(timestamp_ns)
        } else if packets > 0
            && (over(self.rules.bytes, bytes) || over(self.rules.packets, packets + 1))
        {
            if self.is_last() {
                return Ok(Turn::Stop);
            }
            self.number += 1;
            if let (Some(files), None) = (self.rules.files, self.rules.seconds) {
                self.number %= u64::from(files);
            }
            Ok(self.next())
        } else {
            Ok(Turn::Stay)
        }
    }

    /// What to do when the clock shows `now_ns`, though no frame has come.
    pub fn at_clock(&mut self, now_ns: u64) -> Result<Turn> {
        match self.ends_ns {
            Some(ends) if now_ns >= ends.saturating_add(GRACE_NS) => self.next_period(now_ns),
            _ => Ok(Turn::Stay),
        }
    }

    fn is_last(&self) -> bool {
        self.rules
            .last_file()
            .is_some_and(|last| self.begun >= last)
    }

    /// Begins the period that `now_ns` is in. Periods in which nothing happened
    /// and that nobody saw end (the machine slept) get no file.
    fn next_period(&mut self, now_ns: u64) -> Result<Turn> {
        let (Some(ends), Some(seconds)) = (self.ends_ns, self.rules.seconds) else {
            return Ok(Turn::Stay);
        };
        if self.is_last() {
            return Ok(Turn::Stop);
        }
        let length = seconds * SECOND_NS;
        let mut begins = ends + (now_ns - ends) / length * length;
        let mut next = begins.saturating_add(length);
        if self.rules.aligned {
            next = self.next_multiple(now_ns, seconds);
            begins = begins.max(next.saturating_sub(length)).min(now_ns);
        }
        self.ends_ns = Some(next);
        let base = self.expand(begins)?;
        self.number = match base == self.base {
            true => self.number + 1,
            false => 0,
        };
        self.base = base;
        Ok(self.next())
    }

    fn next(&mut self) -> Turn {
        self.begun = self.begun.saturating_add(1);
        let name = self.name();
        let mut remove = None;
        if let (Some(files), Some(_), true) =
            (self.rules.files, self.rules.seconds, self.rules.is_sized())
        {
            self.kept.retain(|kept| *kept != name);
            self.kept.push_back(name.clone());
            if self.kept.len() > files as usize {
                remove = self.kept.pop_front();
            }
        }
        Turn::Next { name, remove }
    }

    /// As tcpdump's MakeFilename: no number on the first, unless `-W` asks for
    /// leading zeros so that the names sort.
    fn name(&self) -> String {
        let width = match (self.rules.files, self.rules.is_sized()) {
            (Some(files), true) if files > 1 => (files - 1).ilog10() as usize + 1,
            _ => 0,
        };
        match (self.number, width) {
            (0, 0) => self.base.clone(),
            (number, width) => format!("{}{number:0width$}", self.base),
        }
    }

    /// The name for a file that begins at `ns`, without a number.
    fn expand(&self, ns: u64) -> Result<String> {
        if self.rules.seconds.is_none() {
            return Ok(self.pattern.clone());
        }
        jiff::fmt::strtime::format(&self.pattern, &self.at(ns).to_zoned(self.zone.clone())).map_err(
            |cause| {
                usage(format!(
                    "the file name \"{}\" is not a pattern of strftime (a percent sign is \
                     written %%): {cause}",
                    self.pattern
                ))
            },
        )
    }

    fn at(&self, ns: u64) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::MAX)
    }

    /// The first moment after `ns` at which the seconds on the local clock are a
    /// multiple of `seconds`.
    fn next_multiple(&self, ns: u64, seconds: u64) -> u64 {
        let offset = |ns| i64::from(self.zone.to_offset(self.at(ns)).seconds());
        let shift = |ns: u64, by: i64| ns.saturating_add_signed(by.saturating_mul(1_000_000_000));
        let local = shift(ns, offset(ns));
        let length = seconds * SECOND_NS;
        let target = (local / length + 1).saturating_mul(length);
        // Where the clock is put forward or back in between, the later offset
        // is the right one.
        let guess = shift(target, -offset(ns));
        let exact = shift(target, -offset(guess));
        if exact > ns { exact } else { guess }
    }
}

/// A size as `-C` takes it: a number alone counts millions of bytes, as in
/// tcpdump 4.99. A suffix changes the unit: `k`, `m`, `g`, `t` (as in tcpdump 5,
/// powers of 1,024; also written `ki` or `KiB`), `b` for bytes.
///
/// # Errors
/// `Usage` for anything else, and for 0.
pub fn parse_size(text: &str) -> Result<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let unit: Option<u64> = match suffix.to_ascii_lowercase().as_str() {
        "" => Some(1_000_000),
        "b" => Some(1),
        "k" | "ki" | "kib" => Some(1 << 10),
        "m" | "mi" | "mib" => Some(1 << 20),
        "g" | "gi" | "gib" => Some(1 << 30),
        "t" | "ti" | "tib" => Some(1 << 40),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    match (number, unit) {
        (Some(1..), Some(unit)) => number.and_then(|number| number.checked_mul(unit)),
        _ => None,
    }
    .ok_or_else(|| {
        usage(format!(
            "\"{text}\" is not a size; write a number of millions of bytes, or one with a unit: \
             500k, 64m, 2g"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const S: u64 = SECOND_NS;
    /// 2023-11-14 22:13:20 UTC.
    const START: u64 = 1_700_000_000 * S;

    fn rotation(rules: Rules, pattern: &str) -> Rotation {
        Rotation::new(rules, pattern, TimeZone::UTC).unwrap()
    }

    fn name(turn: Turn) -> String {
        match turn {
            Turn::Next { name, .. } => name,
            other => panic!("{other:?}"),
        }
    }

    /// The first `count` names of files that each get full.
    fn sized(rules: Rules, count: usize) -> Vec<String> {
        let mut rotation = rotation(rules, "out");
        let mut names = vec![rotation.first(START).unwrap()];
        while names.len() < count {
            assert_eq!(rotation.before_frame(START, 1000, 5).unwrap(), Turn::Stay);
            names.push(name(rotation.before_frame(START, 1001, 5).unwrap()));
        }
        names
    }

    fn by_size(files: Option<u32>) -> Rules {
        Rules {
            bytes: Some(1000),
            files,
            ..Rules::default()
        }
    }

    #[test]
    fn sizes_give_numbers_and_rings() {
        assert_eq!(sized(by_size(None), 4), ["out", "out1", "out2", "out3"]);
        assert_eq!(sized(by_size(Some(3)), 4), ["out0", "out1", "out2", "out0"]);
        assert_eq!(sized(by_size(Some(1)), 3), ["out", "out", "out"]);
        assert_eq!(sized(by_size(Some(10)), 11)[8..], ["out8", "out9", "out0"]);
        assert_eq!(
            sized(by_size(Some(11)), 12)[9..],
            ["out09", "out10", "out00"]
        );
    }

    #[test]
    fn an_empty_file_is_never_too_large() {
        let mut rotation = rotation(by_size(None), "out");
        rotation.first(START).unwrap();
        assert_eq!(rotation.before_frame(START, 5000, 0).unwrap(), Turn::Stay);
    }

    #[test]
    fn packets_split_exactly() {
        let rules = Rules {
            packets: Some(10),
            ..Rules::default()
        };
        let mut rotation = rotation(rules, "out");
        rotation.first(START).unwrap();
        assert_eq!(rotation.before_frame(START, 0, 9).unwrap(), Turn::Stay);
        assert_eq!(name(rotation.before_frame(START, 0, 10).unwrap()), "out1");
    }

    #[test]
    fn periods_are_split_by_the_frames_times() {
        let rules = Rules {
            seconds: Some(10),
            ..Rules::default()
        };
        let mut rotation = rotation(rules, "out-%s");
        assert_eq!(rotation.first(START).unwrap(), "out-1700000000");
        let last = START + 10 * S - 1;
        assert_eq!(rotation.before_frame(last, 0, 5).unwrap(), Turn::Stay);
        let turn = rotation.before_frame(last + 1, 0, 5).unwrap();
        assert_eq!(name(turn), "out-1700000010");
        // A late frame of the period before stays in the file.
        assert_eq!(rotation.before_frame(last, 0, 1).unwrap(), Turn::Stay);
        // Three periods later: the name is the beginning of that period.
        let turn = rotation.before_frame(START + 47 * S, 0, 5).unwrap();
        assert_eq!(name(turn), "out-1700000040");
    }

    #[test]
    fn an_idle_link_rotates_by_the_clock() {
        let rules = Rules {
            seconds: Some(10),
            ..Rules::default()
        };
        let mut rotation = rotation(rules, "out-%s");
        rotation.first(START).unwrap();
        let end = START + 10 * S;
        assert_eq!(rotation.at_clock(end + GRACE_NS - 1).unwrap(), Turn::Stay);
        assert_eq!(
            name(rotation.at_clock(end + GRACE_NS).unwrap()),
            "out-1700000010"
        );
        assert_eq!(rotation.at_clock(end + GRACE_NS).unwrap(), Turn::Stay);
    }

    #[test]
    fn a_name_without_the_time_gets_a_number_and_one_that_comes_back_does_not() {
        let rules = Rules {
            seconds: Some(3600),
            ..Rules::default()
        };
        let mut plain = rotation(rules.clone(), "out");
        let mut hours = rotation(rules, "out%H");
        let mut names = [
            vec![plain.first(START).unwrap()],
            vec![hours.first(START).unwrap()],
        ];
        for hour in 1..=24 {
            let now = START + hour * 3600 * S;
            names[0].push(name(plain.before_frame(now, 0, 0).unwrap()));
            names[1].push(name(hours.before_frame(now, 0, 0).unwrap()));
        }
        assert_eq!(names[0][..3], ["out", "out1", "out2"]);
        assert_eq!(names[1][..3], ["out22", "out23", "out00"]);
        assert_eq!(names[1][24], "out22");
    }

    #[test]
    fn periods_and_sizes_together_number_within_a_period() {
        let rules = Rules {
            seconds: Some(10),
            ..by_size(None)
        };
        let mut both = rotation(rules, "o%S-");
        assert_eq!(both.first(START).unwrap(), "o20-");
        assert_eq!(name(both.before_frame(START, 1001, 1).unwrap()), "o20-1");
        assert_eq!(name(both.before_frame(START, 1001, 1).unwrap()), "o20-2");
        assert_eq!(
            name(both.before_frame(START + 10 * S, 1001, 1).unwrap()),
            "o30-"
        );
    }

    #[test]
    fn with_both_the_oldest_file_goes() {
        let rules = Rules {
            seconds: Some(10),
            ..by_size(Some(2))
        };
        let mut both = rotation(rules, "o%S-");
        assert_eq!(both.first(START).unwrap(), "o20-0");
        let mut turn = |at, bytes| match both.before_frame(at, bytes, 1).unwrap() {
            Turn::Next { name, remove } => (name, remove),
            other => panic!("{other:?}"),
        };
        assert_eq!(turn(START, 1001), ("o20-1".into(), None));
        assert_eq!(turn(START, 1001), ("o20-2".into(), Some("o20-0".into())));
        assert_eq!(
            turn(START + 10 * S, 0),
            ("o30-0".into(), Some("o20-1".into()))
        );
    }

    #[test]
    fn the_last_file_ends_the_capture() {
        let rules = Rules {
            seconds: Some(1),
            files: Some(2),
            ..Rules::default()
        };
        let mut periods = rotation(rules, "out%S");
        periods.first(START).unwrap();
        assert_eq!(
            name(periods.before_frame(START + S, 0, 1).unwrap()),
            "out21"
        );
        assert_eq!(
            periods.before_frame(START + 2 * S, 0, 1).unwrap(),
            Turn::Stop
        );
        assert_eq!(periods.at_clock(START + 3 * S).unwrap(), Turn::Stop);

        let rules = Rules {
            stop_after_files: Some(1),
            ..by_size(None)
        };
        let mut one = rotation(rules, "out");
        one.first(START).unwrap();
        assert_eq!(one.before_frame(START, 1001, 1).unwrap(), Turn::Stop);
    }

    #[test]
    fn aligned_periods_follow_the_local_clock() {
        let rules = Rules {
            seconds: Some(86_400),
            aligned: true,
            ..Rules::default()
        };
        let zone = TimeZone::fixed(jiff::tz::offset(5));
        let at = |day, hour| {
            let moment = date(2023, 11, day)
                .at(hour, 30, 0, 0)
                .to_zoned(zone.clone())
                .unwrap();
            moment.timestamp().as_nanosecond() as u64
        };
        let mut days = Rotation::new(rules, "%F", zone.clone()).unwrap();
        assert_eq!(days.first(at(14, 20)).unwrap(), "2023-11-14");
        assert_eq!(days.before_frame(at(14, 23), 0, 1).unwrap(), Turn::Stay);
        assert_eq!(
            name(days.before_frame(at(15, 0), 0, 1).unwrap()),
            "2023-11-15"
        );
        assert_eq!(
            name(days.before_frame(at(18, 9), 0, 1).unwrap()),
            "2023-11-18"
        );
    }

    #[test]
    fn midnight_is_found_across_a_change_of_the_clock() {
        // Central Europe without a database: on 2023-10-29 the clock goes back.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let rules = Rules {
            seconds: Some(86_400),
            aligned: true,
            ..Rules::default()
        };
        let midnight = |day| {
            let moment = date(2023, 10, day)
                .at(0, 0, 0, 0)
                .to_zoned(zone.clone())
                .unwrap();
            moment.timestamp().as_nanosecond() as u64
        };
        let mut days = Rotation::new(rules, "%F", zone.clone()).unwrap();
        days.first(midnight(28) + S).unwrap();
        for day in 29..=31 {
            assert_eq!(
                days.before_frame(midnight(day) - 1, 0, 1).unwrap(),
                Turn::Stay
            );
            let turn = days.before_frame(midnight(day), 0, 1).unwrap();
            assert_eq!(name(turn), format!("2023-10-{day}"));
        }
    }

    #[test]
    fn a_percent_sign_is_plain_without_periods_and_checked_with_them() {
        assert_eq!(
            rotation(Rules::default(), "100%").first(START).unwrap(),
            "100%"
        );
        let rules = Rules {
            seconds: Some(1),
            ..Rules::default()
        };
        let error = Rotation::new(rules, "100%!", TimeZone::UTC).unwrap_err();
        assert!(error.to_string().contains("written %%"), "{error}");
    }

    #[test]
    fn zeros_are_refused() {
        let zero = Rules {
            seconds: Some(0),
            ..Rules::default()
        };
        assert!(Rotation::new(zero, "x", TimeZone::UTC).is_err());
        let zero = Rules {
            files: Some(0),
            ..Rules::default()
        };
        assert!(Rotation::new(zero, "x", TimeZone::UTC).is_err());
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("1", 1_000_000),
            ("25", 25_000_000),
            ("10k", 10_240),
            ("3M", 3 << 20),
            ("2GiB", 2 << 30),
            ("512b", 512),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "0", "k", "-1", "1x", "1 k", "99999999999999t", "1.5m"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
