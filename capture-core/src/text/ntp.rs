//! NTP versions 1 to 4 (RFC 1119, 1305, 5905): time messages and the header of
//! control messages.

use super::context::{Context, Truncated, bytes_at, put, u8_at, u16_at, u32_at};
use super::phrases;
use super::stamp::calendar;

const TIME_LEN: usize = 48;
const CONTROL_LEN: usize = 12;

const MODES: [&str; 8] = [
    "unspecified",
    "symmetric active",
    "symmetric passive",
    "Client",
    "Server",
    "Broadcast",
    "Control Message",
    "Reserved",
];

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: i64 = 2_208_988_800;

/// Prints a message.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "ntp";
    let status = u8_at(data, 0)?;
    let mode = status & 7;
    put!(
        cx,
        "NTPv{}, {}, length {len}",
        status >> 3 & 7,
        MODES[usize::from(mode)]
    );
    if cx.style.verbose == 0 {
        return Ok(());
    }
    let leap = status & 0xc0;
    let leap_name = ["", "+1s", "-1s", "clock unsynchronized"][usize::from(leap >> 6)];
    put!(cx, "\n\tLeap indicator: {leap_name} ({leap})");
    match mode {
        0..=5 => print_time(cx, data, len),
        6 => print_control(cx, data, len),
        _ => Ok(()),
    }
}

/// Says that the length makes no sense, and whether all of it was captured.
fn put_invalid(cx: &mut Context<'_>, data: &[u8], len: usize) {
    cx.put_invalid();
    if data.len() < len {
        cx.put_truncated();
    }
}

fn print_time(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if len < TIME_LEN {
        put_invalid(cx, data, len);
        return Ok(());
    }
    let stratum = u8_at(data, 1)?;
    let stratum_name = match stratum {
        0 => "unspecified",
        1 => "primary reference",
        2..=15 => "secondary reference",
        _ => "reserved",
    };
    put!(cx, ", Stratum {stratum} ({stratum_name})");
    let poll = u8_at(data, 2)? as i8;
    put!(cx, ", poll {poll}");
    match poll {
        0..32 => put!(cx, " ({}s)", 1u32 << poll),
        -31..0 => put!(cx, " (1/{}s)", 1u32 << -poll),
        _ => {}
    }
    put!(cx, ", precision {}", u8_at(data, 3)? as i8);
    match print_times(cx, data, stratum) {
        Ok(Times::Shown) => print_rest(cx, data, len),
        Ok(Times::None) => Ok(()),
        Err(Truncated) => {
            cx.put_truncated();
            Ok(())
        }
    }
}

/// Whether a time message has times.
enum Times {
    Shown,
    None,
}

fn print_times(cx: &mut Context<'_>, data: &[u8], stratum: u8) -> Result<Times, Truncated> {
    let delay = u32_at(data, 4)?;
    cx.put("\n\tRoot Delay: ");
    put_short(cx, delay);
    let dispersion = u32_at(data, 8)?;
    cx.put(", Root dispersion: ");
    put_short(cx, dispersion);
    let reference = bytes_at(data, 12, 4)?;
    cx.put(", Reference-ID: ");
    match stratum {
        0 => cx.put("(unspec)"),
        1 => phrases::characters(cx, reference),
        // Two strata were once commands.
        62 | 63 => {
            let command = if stratum == 62 { "QUERY" } else { "REPLY" };
            put!(cx, "{} INFO_{command}", cx.host4_at(data, 12)?);
            return Ok(Times::None);
        }
        _ => put!(cx, "0x{:08x}", u32_at(data, 12)?),
    }
    for (name, at) in [
        ("Reference Timestamp:  ", 16),
        ("Originator Timestamp: ", 24),
        ("Receive Timestamp:    ", 32),
        ("Transmit Timestamp:   ", 40),
    ] {
        let time = timestamp(data, at)?;
        put!(cx, "\n\t  {name}");
        put_timestamp(cx, time);
    }
    let originator = timestamp(data, 24)?;
    cx.put("\n\t    Originator - Receive Timestamp:  ");
    put_difference(cx, originator, timestamp(data, 32)?);
    cx.put("\n\t    Originator - Transmit Timestamp: ");
    put_difference(cx, originator, timestamp(data, 40)?);
    Ok(Times::Shown)
}

/// What follows the time message: a key identifier and a digest of 16 or 20
/// bytes, or what is not looked into.
fn print_rest(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    let more = len - TIME_LEN;
    match more {
        0 => {}
        4 | 20 | 24 => {
            put!(cx, "\n\tKey id: {}", u32_at(data, TIME_LEN)?);
            if more > 4 {
                match bytes_at(data, TIME_LEN + 4, more - 4) {
                    Ok(digest) => {
                        cx.put("\n\tAuthentication: ");
                        phrases::hex(cx, digest);
                    }
                    Err(Truncated) => cx.put_truncated(),
                }
            }
        }
        _ => put!(cx, "\n\t({more} more bytes after the header)"),
    }
    Ok(())
}

fn print_control(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if len < CONTROL_LEN {
        put_invalid(cx, data, len);
        return Ok(());
    }
    let control = u8_at(data, 1)?;
    let mark = |bit: u8, set: &'static str, clear: &'static str| {
        if control & bit != 0 { set } else { clear }
    };
    put!(
        cx,
        ", {}, {}, {}, OpCode={}\n",
        mark(0x80, "Response", "Request"),
        mark(0x40, "Error", "OK"),
        mark(0x20, "More", "Last"),
        control & 0x1f
    );
    put!(cx, "\tSequence={}", u16_at(data, 2)?);
    match u16_at(data, 4)? {
        0 => cx.put(", Status=0"),
        status => put!(cx, ", Status={status:#x}"),
    }
    put!(cx, ", Assoc.={}", u16_at(data, 6)?);
    put!(cx, ", Offset={}", u16_at(data, 8)?);
    let count = usize::from(u16_at(data, 10)?);
    put!(cx, ", Count={count}");
    if CONTROL_LEN + count > len {
        put_invalid(cx, data, len);
        return Ok(());
    }
    if data.len() < CONTROL_LEN + count {
        cx.put_truncated();
    } else if count != 0 {
        cx.put("\n\tTO-BE-DONE: data not interpreted");
    }
    Ok(())
}

/// Seconds in 16.16 fixed point.
fn put_short(cx: &mut Context<'_>, value: u32) {
    let fraction = (u64::from(value & 0xffff) * 1_000_000) >> 16;
    put!(cx, "{}.{fraction:06}", value >> 16);
}

/// The 32.32 fixed point seconds at `at`.
fn timestamp(data: &[u8], at: usize) -> Result<u64, Truncated> {
    Ok(u64::from(u32_at(data, at)?) << 32 | u64::from(u32_at(data, at + 4)?))
}

/// The fraction of a 32.32 fixed point number in billionths.
fn billionths(value: u64) -> u64 {
    ((value & 0xffff_ffff) * 1_000_000_000) >> 32
}

/// A time since 1900, and as a date.
fn put_timestamp(cx: &mut Context<'_>, time: u64) {
    put!(cx, "{}.{:09}", time >> 32, billionths(time));
    if time >> 32 == 0 {
        return;
    }
    let seconds = (time >> 32) as i64 - UNIX_EPOCH;
    let (year, month, day) = calendar(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    put!(
        cx,
        " ({year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z)",
        second / 3_600,
        second / 60 % 60,
        second % 60
    );
}

/// `time` less `origin`; `time` itself where there is no origin.
fn put_difference(cx: &mut Context<'_>, origin: u64, time: u64) {
    if origin == 0 {
        return put_timestamp(cx, time);
    }
    let span = time.abs_diff(origin);
    let sign = if time > origin { "+" } else { "-" };
    put!(cx, "{sign}{}.{:09}", span >> 32, billionths(span));
}
