//! RPL control messages (RFC 6550, section 6), without the secure ones.

use super::super::context::{Context, Truncated, put, u8_at, u16_at};
use super::super::phrases;

const DIO_LEN: usize = 24;
const DAO_LEN: usize = 4;
const DODAG_ID_LEN: usize = 16;

const OPTIONS: &[(u32, &str)] = &[
    (0, "pad1"),
    (1, "padN"),
    (2, "metrics"),
    (3, "routinginfo"),
    (4, "config"),
    (5, "rpltarget"),
    (6, "transitinfo"),
    (8, "destprefix"),
    (9, "rpltargetdesc"),
];

/// Prints the message. `data` begins after the checksum, `icmp_len` is the
/// length of the ICMPv6 message.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    icmp_len: usize,
    code: u8,
) -> Result<(), Truncated> {
    if code & 0x80 != 0 {
        cx.put(", (SEC) [worktodo]");
        return Ok(());
    }
    cx.put(", (CLR)");
    // tcpdump takes the length modulo 2^32: too short is very long.
    let len = match icmp_len.checked_sub(4) {
        Some(len) => len,
        None => u32::MAX as usize - (3 - icmp_len),
    };
    let verbose = cx.style.verbose > 0;
    match code {
        0 => cx.put("DODAG Information Solicitation"),
        1 => {
            cx.put("DODAG Information Object");
            if verbose {
                dio(cx, data, len)?;
            }
        }
        2 => {
            cx.put("Destination Advertisement Object");
            if verbose {
                dao(cx, data, len)?;
            }
        }
        3 => {
            cx.put("Destination Advertisement Object Ack");
            if verbose {
                dao_ack(cx, data, len)?;
            }
        }
        _ => put!(cx, "RPL message, unknown code {code}"),
    }
    Ok(())
}

fn dio(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if len < DIO_LEN {
        put!(cx, " [length {len} < {DIO_LEN}]");
        cx.put_invalid();
        return Ok(());
    }
    let dodag = cx.host6_at(data, 8)?;
    let (instance, sequence) = (u8_at(data, 0)?, u8_at(data, 5)?);
    let (rank, mode) = (u16_at(data, 2)?, u8_at(data, 4)?);
    put!(
        cx,
        " [dagid:{dodag},seq:{sequence},instance:{instance},rank:{rank},{}mop:",
        if mode & 0x80 != 0 { "grounded," } else { "" }
    );
    match mode >> 3 & 7 {
        0 => cx.put("nonstoring"),
        1 => cx.put("storing"),
        2 => cx.put("nonstoring-multicast"),
        3 => cx.put("storing-multicast"),
        other => put!(cx, "mop{other}"),
    }
    put!(cx, ",prf:{}]", mode & 7);
    options(cx, data, DIO_LEN, len)
}

/// The DODAG's address after the fixed fields, where the flag says there is
/// one, and the offset after it. `None` when the message is too short.
fn dodag_id(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    present: bool,
) -> Result<Option<(String, usize)>, Truncated> {
    if !present {
        return Ok(Some(("<elided>".to_owned(), DAO_LEN)));
    }
    let id = cx.host6_at(data, DAO_LEN)?;
    Ok((len >= DAO_LEN + DODAG_ID_LEN).then_some((id, DAO_LEN + DODAG_ID_LEN)))
}

fn dao(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if data.len() < DAO_LEN + DODAG_ID_LEN {
        cx.put_truncated();
        return Ok(());
    }
    let flags = u8_at(data, 1)?;
    let with_id = flags & 0x40 != 0;
    let id = match len < DAO_LEN {
        true => None,
        false => dodag_id(cx, data, len, with_id)?,
    };
    let Some((id, at)) = id else {
        cx.put(" [|length too short]");
        return Ok(());
    };
    put!(
        cx,
        " [dagid:{id},seq:{},instance:{}{}{},{flags:02x}]",
        u8_at(data, 3)?,
        u8_at(data, 0)?,
        if flags & 0x80 != 0 { ",acK" } else { "" },
        if with_id { ",Dagid" } else { "" },
    );
    options(cx, data, at, len)
}

fn dao_ack(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    let with_id = u8_at(data, 1).is_ok_and(|flags| flags & 0x80 != 0);
    let needed = if with_id { DODAG_ID_LEN } else { 0 };
    if data.len() < DAO_LEN + needed {
        cx.put_truncated();
        return Ok(());
    }
    let id = match len < DAO_LEN {
        true => None,
        false => dodag_id(cx, data, len, with_id)?,
    };
    let Some((id, at)) = id else {
        cx.put(" [|dao-length too short]");
        return Ok(());
    };
    put!(
        cx,
        " [dagid:{id},seq:{},instance:{},status:{}]",
        u8_at(data, 2)?,
        u8_at(data, 0)?,
        u8_at(data, 3)?
    );
    options(cx, data, at, len)
}

/// Options from `at` to `len`, only with `-vv`.
fn options(cx: &mut Context<'_>, data: &[u8], mut at: usize, len: usize) -> Result<(), Truncated> {
    if cx.style.verbose < 2 {
        return Ok(());
    }
    while at < len {
        let kind = u8_at(data, at)?;
        if kind == 0 {
            cx.put(" opt:pad1");
            at += 1;
            continue;
        }
        if len - at < 2 {
            cx.put_truncated();
            return Ok(());
        }
        let size = usize::from(u8_at(data, at + 1)?) + 2;
        match phrases::name(OPTIONS, kind.into()) {
            Some(name) => put!(cx, " opt:{name} len:{size} "),
            None => put!(cx, " opt:subopt:{kind} len:{size} "),
        }
        let Some(option) = data.get(at..at + size).filter(|_| len - at >= size) else {
            cx.put_truncated();
            return Ok(());
        };
        if cx.style.verbose > 2 {
            phrases::hex_lines(cx, &option[2..], " ");
        }
        at += size;
    }
    Ok(())
}
