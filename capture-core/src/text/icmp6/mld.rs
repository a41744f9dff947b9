//! Multicast listener discovery, versions 1 (RFC 2710) and 2 (RFC 3810).

use super::super::context::{Context, Truncated, put, u8_at, u16_at};

const V1_LEN: usize = 24;
const V2_QUERY_LEN: usize = 28;
const RECORD_LEN: usize = 20;

/// Record types of a version 2 report; IGMPv3 has the same.
const RECORDS: [&str; 7] = ["", "is_in", "is_ex", "to_in", "to_ex", "allow", "block"];

/// A query of either version, told apart by its length.
pub(super) fn query(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if len == V1_LEN {
        v1(cx, data)
    } else if len >= V2_QUERY_LEN {
        cx.put(" v2");
        query_v2(cx, data, len)
    } else {
        put!(cx, " unknown-version (len {len}) ");
        Ok(())
    }
}

/// A version 1 message; nothing where it was not captured whole.
pub(super) fn v1(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    if data.len() >= V1_LEN {
        put!(cx, "max resp delay: {} ", u16_at(data, 4)?);
        put!(cx, "addr: {}", cx.host6_at(data, 8)?);
    }
    Ok(())
}

/// A number of which large values are a mantissa and an exponent.
fn floating(value: u32, mantissa_bits: u32) -> u32 {
    let exponent_bits = 3;
    if value >> (mantissa_bits + exponent_bits) == 0 {
        return value;
    }
    let mantissa = value & ((1 << mantissa_bits) - 1) | 1 << mantissa_bits;
    mantissa << ((value >> mantissa_bits & 7) + 3)
}

fn query_v2(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    let delay_ms = floating(u16_at(data, 4)?.into(), 12);
    if cx.style.verbose > 0 {
        put!(cx, " [max resp delay={delay_ms}]");
    }
    put!(cx, " [gaddr {}", cx.host6_at(data, 8)?);
    if cx.style.verbose > 0 {
        let flags = u8_at(data, 24)?;
        if flags & 8 != 0 {
            cx.put(" sflag");
        }
        if flags & 7 != 0 {
            put!(cx, " robustness={}", flags & 7);
        }
        put!(cx, " qqi={}", floating(u8_at(data, 25)?.into(), 4));
    }
    let sources = usize::from(u16_at(data, 26)?);
    if sources > 0 {
        if len < V2_QUERY_LEN + sources * 16 {
            cx.put(" [invalid number of sources]");
        } else if cx.style.verbose > 1 {
            put_sources(cx, data, V2_QUERY_LEN, sources)?;
        } else {
            put!(cx, ", {sources} source(s)");
        }
    }
    cx.put("]");
    Ok(())
}

fn put_sources(
    cx: &mut Context<'_>,
    data: &[u8],
    at: usize,
    count: usize,
) -> Result<(), Truncated> {
    cx.put(" {");
    for source in 0..count {
        put!(cx, " {}", cx.host6_at(data, at + source * 16)?);
    }
    cx.put(" }");
    Ok(())
}

/// A version 2 report.
pub(super) fn report_v2(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if len < 8 {
        put!(cx, " [invalid len {len}]");
        return Ok(());
    }
    let records = u16_at(data, 6)?;
    put!(cx, ", {records} group record(s)");
    if cx.style.verbose == 0 {
        return Ok(());
    }
    let mut at = 8;
    for _ in 0..records {
        if len < at + RECORD_LEN {
            cx.put(" [invalid number of groups]");
            return Ok(());
        }
        put!(cx, " [gaddr {}", cx.host6_at(data, at + 4)?);
        let kind = u8_at(data, at)?;
        match RECORDS.get(usize::from(kind)) {
            Some(name) if kind > 0 => put!(cx, " {name}"),
            _ => put!(cx, "  [v2-report-#{kind}]"),
        }
        let sources = usize::from(u16_at(data, at + 2)?);
        if len < at + RECORD_LEN + sources * 16 {
            put!(cx, " [invalid number of sources {sources}]");
            return Ok(());
        }
        if cx.style.verbose == 1 {
            put!(cx, ", {sources} source(s)");
        } else {
            put_sources(cx, data, at + RECORD_LEN, sources)?;
        }
        at += RECORD_LEN + sources * 16;
        cx.put("]");
    }
    Ok(())
}
