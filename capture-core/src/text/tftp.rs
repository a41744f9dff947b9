//! TFTP (RFC 1350, options RFC 2347).

use super::context::{Context, Truncated, put, u8_at, u16_at};
use super::phrases;

const ERRORS: [&str; 8] = [
    "EUNDEF",
    "ENOTFOUND",
    "EACCESS",
    "ENOSPACE",
    "EBADOP",
    "EBADID",
    "EEXISTS",
    "ENOUSER",
];

/// Prints a message.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "tftp";
    put!(cx, "TFTP, length {len}");
    if len < 2 {
        cx.put_truncated();
        return Ok(());
    }
    let opcode = u16_at(data, 0)?;
    let Some(name) =
        ["RRQ", "WRQ", "DATA", "ACK", "ERROR", "OACK"].get(usize::from(opcode).wrapping_sub(1))
    else {
        put!(cx, ", tftp-#{opcode}");
        return Ok(());
    };
    put!(cx, ", {name}");
    let whole = match opcode {
        1 | 2 => request(cx, data, len)?,
        3 | 4 if len >= 4 => {
            put!(cx, " block {}", u16_at(data, 2)?);
            true
        }
        5 if len >= 4 => error(cx, data, len)?,
        6 => options(cx, data, len, 2)?,
        _ => false,
    };
    if !whole {
        cx.put_truncated();
    }
    Ok(())
}

/// The text at `at`; the offset after the zero that ends it, or nothing if none
/// does.
fn text(cx: &mut Context<'_>, data: &[u8], len: usize, at: usize) -> Option<usize> {
    let end = len.min(data.len());
    let rest = data.get(at..end).unwrap_or_default();
    phrases::padded(cx, rest);
    let text_len = rest.iter().position(|&byte| byte == 0)?;
    Some(at + text_len + 1)
}

/// A file's name, a mode, and options. False if one of them does not end.
fn request(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<bool, Truncated> {
    if len == 2 {
        return Ok(false);
    }
    cx.put(" \"");
    let after_name = text(cx, data, len, 2);
    cx.put("\"");
    let Some(at) = after_name.filter(|&at| at < len) else {
        return Ok(false);
    };
    cx.put(" ");
    match text(cx, data, len, at) {
        Some(at) => options(cx, data, len, at),
        None => Ok(false),
    }
}

fn options(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    mut at: usize,
) -> Result<bool, Truncated> {
    while at < len {
        if u8_at(data, at)? != 0 {
            cx.put(" ");
        }
        match text(cx, data, len, at) {
            Some(after) => at = after,
            None => return Ok(false),
        }
    }
    Ok(true)
}

fn error(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<bool, Truncated> {
    let code = u16_at(data, 2)?;
    match ERRORS.get(usize::from(code)) {
        Some(name) => put!(cx, " {name}"),
        None => put!(cx, " tftp-err-#{code} \""),
    }
    if len == 4 {
        return Ok(false);
    }
    cx.put(" \"");
    let end = text(cx, data, len, 4);
    cx.put("\"");
    Ok(end.is_some())
}
