//! The options of IPv4 (RFC 791, section 3.1).

use super::context::{Context, Truncated, put, u8_at, u16_at, u32_at};

pub(super) const END: u8 = 0;
pub(super) const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
pub(super) const LOOSE_ROUTE: u8 = 131;
pub(super) const STRICT_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

/// Prints `len` bytes of options with commas between them; false if they were
/// not captured whole.
pub(super) fn print(
    cx: &mut Context<'_>,
    mut data: &[u8],
    mut len: usize,
) -> Result<bool, Truncated> {
    let mut separator = "";
    while len > 0 {
        cx.put(separator);
        separator = ",";
        let kind = u8_at(data, 0)?;
        match name(kind) {
            Some(name) => cx.put(name),
            None => put!(cx, "unknown {kind}"),
        }
        let mut option_len = 1;
        if !matches!(kind, END | NO_OPERATION) {
            option_len = usize::from(u8_at(data, 1)?);
            if option_len < 2 {
                put!(cx, " [bad length {option_len}]");
                return Ok(true);
            }
        }
        if option_len > len {
            put!(cx, " [bad length {option_len}]");
            return Ok(true);
        }
        let Some(rest) = data.get(option_len..) else {
            return Ok(false);
        };
        let complete = match kind {
            END => return Ok(true),
            TIMESTAMP => put_timestamps(cx, data, option_len)?,
            RECORD_ROUTE | STRICT_ROUTE | LOOSE_ROUTE => put_route(cx, data, option_len)?,
            ROUTER_ALERT => {
                put_alert(cx, data, option_len)?;
                true
            }
            _ => true,
        };
        if !complete {
            return Ok(false);
        }
        data = rest;
        len -= option_len;
    }
    Ok(true)
}

fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        END => "EOL",
        NO_OPERATION => "NOP",
        TIMESTAMP => "timestamp",
        130 => "security",
        RECORD_ROUTE => "RR",
        STRICT_ROUTE => "SSRR",
        LOOSE_ROUTE => "LSRR",
        ROUTER_ALERT => "RA",
        82 => "traceroute",
        _ => return None,
    })
}

fn put_alert(cx: &mut Context<'_>, option: &[u8], len: usize) -> Result<(), Truncated> {
    if len < 4 {
        put!(cx, " [bad length {len}]");
        return Ok(());
    }
    let value = u16_at(option, 2)?;
    if value != 0 {
        put!(cx, " value {value}");
    }
    Ok(())
}

/// Prints a route's addresses; a comma follows those already visited. An
/// address may lie beyond the option's end; false if it was not captured.
fn put_route(cx: &mut Context<'_>, option: &[u8], len: usize) -> Result<bool, Truncated> {
    if len < 3 {
        put!(cx, " [bad length {len}]");
        return Ok(true);
    }
    if (len + 1) & 3 != 0 {
        put!(cx, " [bad length {len}]");
    }
    let pointer = u8_at(option, 2)?;
    let next = u32::from(pointer).wrapping_sub(1);
    if next < 3 || next.wrapping_add(1) & 3 != 0 || next as usize > len + 1 {
        put!(cx, " [bad ptr {pointer}]");
    }
    for at in (3..len).step_by(4) {
        let Ok(host) = cx.host4_at(option, at) else {
            return Ok(false);
        };
        put!(cx, " {host}");
        if next as usize > at {
            cx.put(",");
        }
    }
    Ok(true)
}

/// Prints timestamps, with `^` before the first that is still to be filled in;
/// false if one was not captured.
fn put_timestamps(cx: &mut Context<'_>, option: &[u8], len: usize) -> Result<bool, Truncated> {
    if len < 4 {
        put!(cx, "[bad length {len}]");
        return Ok(true);
    }
    cx.put(" TS{");
    let flags = u8_at(option, 3)?;
    let hop_len = if flags & 0xf == 0 { 4 } else { 8 };
    if !(len - 4).is_multiple_of(hop_len) {
        put!(cx, "[bad length {len}]");
    }
    let pointer = u8_at(option, 2)?;
    let next = u32::from(pointer).wrapping_sub(1) as usize;
    if next < 4 || !(next - 4).is_multiple_of(hop_len) || next > len + 1 {
        put!(cx, "[bad ptr {pointer}]");
    }
    let mut at = 0;
    match flags & 0xf {
        0 => cx.put("TSONLY"),
        1 => cx.put("TS+ADDR"),
        3 => cx.put("PRESPEC"),
        other => put!(cx, "[bad ts type {other}]"),
    }
    if matches!(flags & 0xf, 0 | 1 | 3) {
        at = 4;
        while at < len {
            let Ok(time) = u32_at(option, at + hop_len - 4) else {
                return Ok(false);
            };
            cx.put(if next == at { " ^ " } else { " " });
            put!(cx, "{time}@");
            if hop_len == 8 {
                let host = cx.host4_at(option, at)?;
                cx.put(&host);
            }
            at += hop_len;
        }
    }
    if next == at {
        cx.put(" ^ ");
    }
    match flags >> 4 {
        0 => cx.put("}"),
        hops => put!(cx, " [{hops} hops not recorded]}} "),
    }
    Ok(true)
}
