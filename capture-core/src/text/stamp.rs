//! The time before a frame, in each of tcpdump's forms.

use super::Time;
use super::context::{Context, put};

/// What the relative forms are relative to: the first frame, or the one before.
#[derive(Default)]
pub(super) struct Clock {
    reference: Option<u64>,
}

impl Clock {
    /// Prints a time in nanoseconds since 1970, and a space.
    pub(super) fn print(&mut self, cx: &mut Context<'_>, time_ns: u64) {
        // Differences are taken of what is shown, not of the nanoseconds.
        let (time, per_second) = match cx.style.nano {
            true => (time_ns, 1_000_000_000),
            false => (time_ns / 1_000, 1_000_000),
        };
        let seconds = time / per_second;
        let fraction = time % per_second;
        match cx.style.time {
            Time::None => return,
            Time::OfDay => put_time(cx, seconds, fraction, Form::Local { date: false }),
            Time::DateTime => put_time(cx, seconds, fraction, Form::Local { date: true }),
            Time::Epoch => put_time(cx, seconds, fraction, Form::Seconds),
            Time::SincePrevious | Time::SinceFirst => {
                let reference = self.reference.filter(|&it| it != 0).unwrap_or(time);
                let span = time.abs_diff(reference);
                cx.put(if time < reference { "-" } else { " " });
                put_time(cx, span / per_second, span % per_second, Form::Span);
                self.reference = Some(match cx.style.time {
                    Time::SincePrevious => time,
                    _ => reference,
                });
            }
        }
        cx.put(" ");
    }
}

#[derive(Clone, Copy)]
enum Form {
    Local { date: bool },
    Seconds,
    Span,
}

fn put_time(cx: &mut Context<'_>, seconds: u64, fraction: u64, form: Form) {
    // tcpdump holds that times after 2038 are mistakes.
    if seconds & 0x8000_0000 != 0 {
        cx.put("[Error converting time]");
        return;
    }
    match form {
        Form::Seconds => put!(cx, "{}", seconds & 0xffff_ffff),
        Form::Span => put_clock(cx, seconds as i64),
        Form::Local { date } => {
            let seconds = seconds as i64;
            let local = seconds + i64::from(cx.names.utc_offset(seconds));
            if date {
                let (year, month, day) = calendar(local.div_euclid(86_400));
                put!(cx, "{year:04}-{month:02}-{day:02} ");
            }
            put_clock(cx, local);
        }
    }
    match cx.style.nano {
        true => put!(cx, ".{fraction:09}"),
        false => put!(cx, ".{fraction:06}"),
    }
}

fn put_clock(cx: &mut Context<'_>, seconds: i64) {
    let second = seconds.rem_euclid(86_400);
    put!(
        cx,
        "{:02}:{:02}:{:02}",
        second / 3_600,
        second / 60 % 60,
        second % 60
    );
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian
/// calendar. Years are taken to begin in March, so that the leap day is last.
pub(super) fn calendar(day: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let from_march_of_0 = day + 719_468;
    let era = from_march_of_0.div_euclid(DAYS_IN_400_YEARS);
    let day_of_era = from_march_of_0.rem_euclid(DAYS_IN_400_YEARS);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::calendar;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(calendar(0), (1970, 1, 1));
        assert_eq!(calendar(-1), (1969, 12, 31));
        assert_eq!(calendar(11_016), (2000, 2, 29));
        assert_eq!(calendar(11_017), (2000, 3, 1));
        assert_eq!(calendar(19_722), (2023, 12, 31));
        assert_eq!(calendar(24_855), (2038, 1, 19));
    }
}
