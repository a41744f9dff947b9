//! Node information queries and replies (RFC 4620 and the drafts before it).

use super::super::context::{Context, Truncated, bytes_at, put, u8_at, u16_at, u32_at};
use super::super::phrases;

const HEADER_LEN: usize = 16;
const WHO_ARE_YOU_LEN: usize = 12;

const NOOP: u16 = 0;
const SUPPORTED: u16 = 1;
const NAME: u16 = 2;
const NODE_ADDRESSES: u16 = 3;

/// Marks of the flags of node addresses.
const ADDRESS_FLAGS: [(u16, &str); 7] = [
    (0x40, "a"),
    (0x20, "G"),
    (0x10, "S"),
    (0x08, "L"),
    (0x04, "C"),
    (0x02, "A"),
    (0x01, "T"),
];

fn put_flags(cx: &mut Context<'_>, flags: u16, marks: &[(u16, &str)]) {
    if flags == 0 {
        return;
    }
    cx.put(" [");
    for &(mask, mark) in marks {
        if flags & mask != 0 {
            cx.put(mark);
        }
    }
    cx.put("]");
}

/// Prints a query.
pub(super) fn query(cx: &mut Context<'_>, data: &[u8], code: u8) -> Result<(), Truncated> {
    if data.len() == WHO_ARE_YOU_LEN {
        cx.put(" who-are-you request");
        return Ok(());
    }
    cx.put(" node information query");
    if data.len() < HEADER_LEN {
        cx.put_truncated();
        return Ok(());
    }
    cx.put(" (");
    let (kind, flags) = (u16_at(data, 4)?, u16_at(data, 6)?);
    match kind {
        NOOP => cx.put("noop"),
        SUPPORTED => {
            cx.put("supported qtypes");
            put_flags(cx, flags, &[(1, "C")]);
        }
        NAME => cx.put("DNS name"),
        NODE_ADDRESSES => {
            cx.put("node addresses");
            put_flags(cx, flags, &ADDRESS_FLAGS[..6]);
        }
        _ => cx.put("unknown"),
    }
    if kind == NOOP || kind == SUPPORTED {
        if data.len() != HEADER_LEN && cx.style.verbose > 0 {
            cx.put(", invalid len");
        }
    } else if data.len() == HEADER_LEN {
        cx.put(", 03 draft");
    } else {
        subject(cx, data, code)?;
    }
    cx.put(")");
    Ok(())
}

fn subject(cx: &mut Context<'_>, data: &[u8], code: u8) -> Result<(), Truncated> {
    let size = match code {
        0 => 16,
        1 => {
            cx.put(", subject=DNS name");
            return name(cx, data, HEADER_LEN);
        }
        2 => 4,
        _ => {
            cx.put(", unknown subject");
            return Ok(());
        }
    };
    let left = data.len() - HEADER_LEN;
    if left > size && cx.style.verbose > 0 {
        cx.put(", invalid subject len");
    } else if left == size && size == 16 {
        put!(cx, ", subject={}", cx.host6_at(data, HEADER_LEN)?);
    } else if left == size {
        put!(cx, ", subject={}", cx.host4_at(data, HEADER_LEN)?);
    }
    Ok(())
}

/// The name from `at` to the end: with one length before all of it in the third
/// draft, else in labels.
fn name(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<(), Truncated> {
    let len = usize::from(u8_at(data, at)?);
    let rest = &data[at + 1..];
    if len != rest.len() {
        labels(cx, &data[at..]);
        return Ok(());
    }
    if cx.style.verbose > 0 {
        cx.put(", 03 draft");
    }
    cx.put(", \"");
    phrases::characters(cx, rest);
    cx.put("\"");
    Ok(())
}

/// A name in labels, without compression.
fn labels(cx: &mut Context<'_>, mut data: &[u8]) {
    cx.put(", \"");
    while let Some((&len, rest)) = data.split_first() {
        if len == 0 {
            match rest {
                [] => cx.put("."),
                [0] => {}
                _ => cx.put("???"),
            }
            break;
        }
        let Some((label, rest)) = rest.split_at_checked(len.into()) else {
            cx.put("???");
            break;
        };
        phrases::characters(cx, label);
        if rest.len() > 1 && rest[0] != 0 {
            cx.put(".");
        }
        data = rest;
    }
    cx.put("\"");
}

/// Prints a reply.
pub(super) fn reply(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    code: u8,
) -> Result<(), Truncated> {
    if len > data.len() || data.len() < HEADER_LEN {
        cx.put_truncated();
        return Ok(());
    }
    cx.put(" node information reply (");
    let verbose = cx.style.verbose > 0;
    let bare = data.len() == HEADER_LEN;
    match code {
        0 if verbose => cx.put("success"),
        0 => {}
        1 | 2 => {
            cx.put(if code == 1 { "refused" } else { "unknown" });
            if verbose && !bare {
                cx.put(", invalid length");
            }
        }
        _ => {}
    }
    if code == 0 {
        if verbose {
            cx.put(", ");
        }
        answer(cx, data)?;
    }
    cx.put(")");
    Ok(())
}

fn answer(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    let flags = u16_at(data, 6)?;
    match u16_at(data, 4)? {
        NOOP => {
            cx.put("noop");
            if data.len() != HEADER_LEN && cx.style.verbose > 0 {
                cx.put(", invalid length");
            }
        }
        SUPPORTED => {
            cx.put("supported qtypes");
            put_flags(cx, flags, &[(1, "C")]);
        }
        NAME => {
            cx.put("DNS name");
            name(cx, data, HEADER_LEN + 4)?;
            if flags & 1 != 0 {
                put!(cx, " [TTL={}]", u32_at(data, HEADER_LEN)?);
            }
        }
        NODE_ADDRESSES => {
            cx.put("node addresses");
            let mut at = HEADER_LEN;
            while bytes_at(data, at, 20).is_ok() {
                put!(cx, " {}({})", cx.host6_at(data, at + 4)?, u32_at(data, at)?);
                at += 20;
            }
            put_flags(cx, flags, &ADDRESS_FLAGS);
        }
        _ => cx.put("unknown"),
    }
    Ok(())
}
