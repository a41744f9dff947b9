//! IGMP versions 1 to 3 (RFC 1112, 2236, 3376). Of the protocols that share its
//! number, DVMRP and PIM version 1 are named only.

use super::context::{Context, Truncated, bytes_at, put, u8_at, u16_at, u32_at};
use super::{checksum, phrases};

/// Record types of a version 3 report.
const RECORDS: [&str; 7] = ["", "is_in", "is_ex", "to_in", "to_ex", "allow", "block"];

/// Prints an IGMP message.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "igmp";
    if cx.style.quiet {
        cx.put("igmp");
        return Ok(());
    }
    match u8_at(data, 0)? {
        0x11 => {
            cx.put("igmp query");
            if len >= 12 {
                query_v3(cx, data, len)?;
            } else {
                query(cx, data, len)?;
            }
        }
        0x12 => {
            put!(cx, "igmp v1 report {}", cx.host4_at(data, 4)?);
            if len != 8 {
                put!(cx, " [len {len}]");
            }
        }
        0x13 => {
            cx.put("igmp dvmrp");
            if len < 8 {
                put!(cx, " [len {len}]");
            }
        }
        0x14 => cx.put("igmp pimv1"),
        0x16 => put!(cx, "igmp v2 report {}", cx.host4_at(data, 4)?),
        0x17 => put!(cx, "igmp leave {}", cx.host4_at(data, 4)?),
        0x1e => mtrace(cx, "mresp", data, len)?,
        0x1f => mtrace(cx, "mtrace", data, len)?,
        0x22 => {
            cx.put("igmp v3 report");
            report_v3(cx, data, len)?;
        }
        kind => put!(cx, "igmp-{kind}"),
    }
    if cx.style.verbose > 0
        && len >= 4
        && let Some(message) = data.get(..len)
        && checksum::of(&[message]) != 0
    {
        put!(cx, " bad igmp cksum {:x}!", u16_at(data, 2)?);
    }
    Ok(())
}

fn query(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    match u8_at(data, 1)? {
        0 => cx.put(" v1"),
        100 => cx.put(" v2"),
        tenths => put!(cx, " v2 [max resp time {tenths}]"),
    }
    if u32_at(data, 4)? != 0 {
        put!(cx, " [gaddr {}]", cx.host4_at(data, 4)?);
    }
    if len != 8 {
        put!(cx, " [len {len}]");
    }
    Ok(())
}

fn query_v3(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.put(" v3");
    if !len.is_multiple_of(4) {
        put!(cx, " [invalid len {len}]");
        return Ok(());
    }
    let code = u32::from(u8_at(data, 1)?);
    // Large times are a mantissa and an exponent.
    let tenths = match code {
        0..128 => code,
        _ => (code & 0x0f | 0x10) << ((code >> 4 & 7) + 3),
    };
    if code != 100 {
        cx.put(" [max resp time ");
        if tenths < 600 {
            put!(cx, "{}.{}s", tenths / 10, tenths % 10);
        } else {
            phrases::span(cx, tenths / 10);
        }
        cx.put("]");
    }
    if u32_at(data, 4)? == 0 {
        return Ok(());
    }
    put!(cx, " [gaddr {}", cx.host4_at(data, 4)?);
    let sources = usize::from(u16_at(data, 10)?);
    if sources > 0 {
        if len < 12 + sources * 4 {
            cx.put(" [invalid number of sources]");
        } else if cx.style.verbose > 1 {
            put_sources(cx, data, 12, sources)?;
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
        put!(cx, " {}", cx.host4_at(data, at + source * 4)?);
    }
    cx.put(" }");
    Ok(())
}

fn report_v3(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if len < 16 || !len.is_multiple_of(4) {
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
        if len < at + 8 {
            cx.put(" [invalid number of groups]");
            return Ok(());
        }
        put!(cx, " [gaddr {}", cx.host4_at(data, at + 4)?);
        let kind = u8_at(data, at)?;
        match RECORDS.get(usize::from(kind)) {
            Some(name) if kind > 0 => put!(cx, " {name}"),
            _ => put!(cx, "  [v3-report-#{kind}]"),
        }
        let sources = usize::from(u16_at(data, at + 2)?);
        if len < at + 8 + sources * 4 {
            put!(cx, " [invalid number of sources {sources}]");
            return Ok(());
        }
        if cx.style.verbose == 1 {
            put!(cx, ", {sources} source(s)");
        } else {
            put_sources(cx, data, at + 8, sources)?;
        }
        at += 8 + sources * 4;
        cx.put("]");
    }
    Ok(())
}

/// A multicast traceroute (draft-ietf-idmr-traceroute-ipm).
fn mtrace(cx: &mut Context<'_>, name: &str, data: &[u8], len: usize) -> Result<(), Truncated> {
    if len < 24 {
        put!(cx, " [invalid len {len}]");
        return Ok(());
    }
    bytes_at(data, 0, 24)?;
    let id = u32_at(data, 20)? & 0x00ff_ffff;
    let (source, destination) = (cx.host4_at(data, 8)?, cx.host4_at(data, 12)?);
    let reply_to = cx.host4_at(data, 16)?;
    put!(
        cx,
        "{name} {id}: {source} to {destination} reply-to {reply_to}"
    );
    if u8_at(data, 16)? >> 4 == 0x0e {
        put!(cx, " with-ttl {}", u8_at(data, 20)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::print;
    use crate::text::golden::text;

    fn igmp(verbose: u8, data: &[u8]) -> String {
        text(verbose, |cx| print(cx, data, data.len()))
    }

    #[test]
    fn version_3_shows_times_and_sources() {
        let query = [0x11, 0x9c, 0, 0, 239, 1, 2, 3, 2, 125, 0, 1, 10, 0, 0, 1];
        assert_eq!(
            igmp(0, &query),
            "igmp query v3 [max resp time 44.8s] [gaddr 239.1.2.3, 1 source(s)]"
        );
        assert_eq!(
            igmp(2, &query),
            "igmp query v3 [max resp time 44.8s] [gaddr 239.1.2.3 { 10.0.0.1 }] bad igmp cksum 0!"
        );
    }

    #[test]
    fn more_records_than_bytes_are_noted() {
        let mut report = vec![0x22, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, 239, 1, 2, 3];
        assert_eq!(igmp(0, &report), "igmp v3 report, 2 group record(s)");
        let verbose = igmp(1, &report);
        assert!(
            verbose.starts_with(
                "igmp v3 report, 2 group record(s) [gaddr 239.1.2.3 to_ex, 0 source(s)] \
                 [invalid number of groups]"
            ),
            "{verbose}"
        );
        report.truncate(9);
        assert_eq!(igmp(0, &report), "igmp v3 report [invalid len 9]");
    }
}
