//! The mobility header of IPv6 (RFC 6275, section 6.1).

use super::context::{Context, Truncated, put, u8_at, u16_at, u32_at};

const HEADER_LEN: usize = 8;
const BINDING_REQUEST: u8 = 0;
const HOME_TEST_INIT: u8 = 1;
const CARE_OF_TEST_INIT: u8 = 2;
const HOME_TEST: u8 = 3;
const CARE_OF_TEST: u8 = 4;
const BINDING_UPDATE: u8 = 5;
const BINDING_ACKNOWLEDGEMENT: u8 = 6;

const PAD1: u8 = 0;

/// The message's short name, and its length without options; none for types
/// that are not known.
fn message(kind: u8) -> Option<(&'static str, usize)> {
    Some(match kind {
        BINDING_REQUEST => ("BRR", HEADER_LEN),
        HOME_TEST_INIT => ("HoTI", HEADER_LEN + 8),
        CARE_OF_TEST_INIT => ("CoTI", HEADER_LEN + 8),
        HOME_TEST => ("HoT", HEADER_LEN + 16),
        CARE_OF_TEST => ("CoT", HEADER_LEN + 16),
        BINDING_UPDATE => ("BU", HEADER_LEN + 4),
        BINDING_ACKNOWLEDGEMENT => ("BA", HEADER_LEN + 4),
        7 => ("BE", HEADER_LEN + 16),
        _ => return None,
    })
}

/// Prints a mobility header, with which a packet ends.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    cx.protocol = "mobility";
    let Some(&words) = data.get(1) else {
        cx.put_truncated();
        return Ok(());
    };
    let len = (usize::from(words) + 1) * 8;
    let kind = u8_at(data, 2)?;
    let Some((name, options)) = message(kind) else {
        put!(cx, "mobility: type-#{kind} len={words}");
        return Ok(());
    };
    if len < options {
        put!(cx, "(header length {len} is too small for type {kind})");
        cx.put_truncated();
        return Ok(());
    }
    put!(cx, "mobility: {name}");
    let whole = put_fields(cx, data, kind)?
        && (cx.style.verbose == 0 || put_options(cx, data, options, len)?);
    if !whole {
        cx.put_truncated();
    }
    Ok(())
}

fn put_fields(cx: &mut Context<'_>, data: &[u8], kind: u8) -> Result<bool, Truncated> {
    let verbose = cx.style.verbose > 0;
    let side = match kind {
        HOME_TEST_INIT | HOME_TEST => "Home",
        _ => "Care-of",
    };
    match kind {
        BINDING_REQUEST => {}
        HOME_TEST_INIT | CARE_OF_TEST_INIT | HOME_TEST | CARE_OF_TEST => {
            let is_test = matches!(kind, HOME_TEST | CARE_OF_TEST);
            if is_test {
                put!(cx, " nonce id=0x{:x}", u16_at(data, 6)?);
            }
            if verbose {
                let (high, low) = (u32_at(data, 8)?, u32_at(data, 12)?);
                put!(cx, " {side} Init Cookie={high:08x}:{low:08x}");
            }
            if verbose && is_test {
                let (high, low) = (u32_at(data, 16)?, u32_at(data, 20)?);
                put!(cx, " {side} Keygen Token={high:08x}:{low:08x}");
            }
        }
        BINDING_UPDATE => {
            put!(cx, " seq#={}", u16_at(data, 6)?);
            let Ok(flags) = u16_at(data, 8) else {
                return Ok(false);
            };
            put_flags(cx, flags);
            put!(cx, " lifetime={}", u32::from(u16_at(data, 10)?) << 2);
        }
        BINDING_ACKNOWLEDGEMENT => {
            put!(cx, " status={}", u8_at(data, 6)?);
            if u8_at(data, 7)? & 0x80 != 0 {
                cx.put(" K");
            }
            put!(cx, " seq#={}", u16_at(data, 8)?);
            put!(cx, " lifetime={}", u32::from(u16_at(data, 10)?) << 2);
        }
        _ => {
            put!(cx, " status={}", u8_at(data, 6)?);
            let home = cx.host6_at(data, 8)?;
            put!(cx, " homeaddr {home}");
        }
    }
    Ok(true)
}

fn put_flags(cx: &mut Context<'_>, flags: u16) {
    if flags & 0xf000 == 0 {
        return;
    }
    cx.put(" ");
    for (bit, letter) in [(0x8000, 'A'), (0x4000, 'H'), (0x2000, 'L'), (0x1000, 'K')] {
        if flags & bit != 0 {
            cx.out.push(letter);
        }
    }
}

/// Prints the options from `at` to `end`; false if they were cut short or a
/// length is wrong.
fn put_options(
    cx: &mut Context<'_>,
    data: &[u8],
    mut at: usize,
    end: usize,
) -> Result<bool, Truncated> {
    while at < end {
        let kind = u8_at(data, at)?;
        let option_len = match kind {
            PAD1 => 1,
            _ if at + 1 < end => usize::from(u8_at(data, at + 1)?) + 2,
            _ => return Ok(false),
        };
        // The byte after the option has to be there too.
        if at + option_len > end || data.get(at + option_len).is_none() {
            return Ok(false);
        }
        let left = end - at;
        match kind {
            PAD1 => cx.put("(pad1)"),
            1 => cx.put("(padn)"),
            2 if left < 4 => return cut(cx, "refresh"),
            2 => put!(cx, "(refresh: {})", u32::from(u16_at(data, at + 2)?) << 2),
            3 if left < 18 => return cut(cx, "altcoa"),
            3 => {
                let host = cx.host6_at(data, at + 2)?;
                put!(cx, "(alt-CoA: {host})");
            }
            4 if left < 6 => return cut(cx, "ni"),
            4 => {
                let (home, care_of) = (u16_at(data, at + 2)?, u16_at(data, at + 4)?);
                put!(cx, "(ni: ho=0x{home:04x} co=0x{care_of:04x})");
            }
            5 if left < 12 => return cut(cx, "auth"),
            5 => cx.put("(auth)"),
            _ => put!(cx, "(type-0x{kind:02x}: len={})", option_len - 2),
        }
        at += option_len;
    }
    Ok(true)
}

fn cut(cx: &mut Context<'_>, option: &str) -> Result<bool, Truncated> {
    put!(cx, "({option}: trunc)");
    Ok(false)
}
