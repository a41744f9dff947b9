//! Router renumbering (RFC 2894).

use super::super::address;
use super::super::context::{Context, Truncated, array_at, put, u8_at, u16_at, u32_at};

const HEADER_LEN: usize = 16;
const MATCH_LEN: usize = 24;
const USE_LEN: usize = 32;

/// Prints the message. Where it ends too soon a mark says so, and the length is
/// still told.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], code: u8) -> Result<(), Truncated> {
    if data.len() < HEADER_LEN {
        cx.put_truncated();
        return Ok(());
    }
    match code {
        0 => cx.put(", command"),
        1 => cx.put(", result"),
        255 => cx.put(", sequence number reset"),
        _ => put!(cx, ", code-#{code}"),
    }
    put!(cx, ", seq={}", u32_at(data, 4)?);
    if cx.style.verbose > 0 {
        put_header(cx, data)?;
    }
    if code == 0 {
        put_command(cx, data)?;
    }
    Ok(())
}

fn put_header(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    cx.put("[");
    let flags = u8_at(data, 9)?;
    if flags != 0 {
        for (mask, mark) in [(0x80, "T"), (0x40, "R"), (0x20, "A"), (0x10, "S"), (8, "P")] {
            if flags & mask != 0 {
                cx.put(mark);
            }
        }
        cx.put(",");
    }
    put!(cx, "seg={},maxdelay={}", u8_at(data, 8)?, u16_at(data, 10)?);
    let reserved = u32_at(data, 12)?;
    if reserved != 0 {
        put!(cx, "rsvd=0x{reserved:x}");
    }
    cx.put("]");
    Ok(())
}

fn separate(cx: &mut Context<'_>) {
    cx.put(if cx.style.verbose > 1 { "\n\t" } else { " " });
}

fn put_command(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    let Some(part) = data.get(HEADER_LEN..HEADER_LEN + MATCH_LEN) else {
        cx.put_truncated();
        return Ok(());
    };
    separate(cx);
    cx.put("match(");
    match part[0] {
        1 => cx.put("add"),
        2 => cx.put("change"),
        3 => cx.put("setglobal"),
        code => put!(cx, "#{code}"),
    }
    if cx.style.verbose > 0 {
        put!(cx, ",ord={},min={},max={}", part[2], part[4], part[5]);
    }
    put!(cx, ",{}/{})", address::ipv6(array_at(part, 8)?), part[3]);
    let units = i32::from(part[1]) - 3;
    if units % 4 != 0 {
        cx.put_truncated();
        return Ok(());
    }
    let mut at = HEADER_LEN + MATCH_LEN;
    for _ in 0..units / 4 {
        let Some(part) = data.get(at..at + USE_LEN) else {
            cx.put_truncated();
            return Ok(());
        };
        put_use(cx, part)?;
        at += USE_LEN;
    }
    Ok(())
}

fn put_use(cx: &mut Context<'_>, part: &[u8]) -> Result<(), Truncated> {
    separate(cx);
    cx.put("use(");
    let flags = u8_at(part, 12)?;
    if flags != 0 {
        cx.put(if flags & 0x80 != 0 { "V" } else { "" });
        cx.put(if flags & 0x40 != 0 { "P" } else { "" });
        cx.put(",");
    }
    if cx.style.verbose > 0 {
        put!(cx, "mask=0x{:x},", u8_at(part, 2)?);
        put!(cx, "raflags=0x{:x},", u8_at(part, 3)?);
        for (name, at) in [("vltime", 4), ("pltime", 8)] {
            match u32_at(part, at)? {
                u32::MAX => put!(cx, "{name}=infty,"),
                seconds => put!(cx, "{name}={seconds},"),
            }
        }
    }
    let (use_len, keep_len) = (u8_at(part, 0)?, u8_at(part, 1)?);
    let prefix = address::ipv6(array_at(part, 16)?);
    put!(cx, "{prefix}/{use_len}/{keep_len})");
    Ok(())
}
