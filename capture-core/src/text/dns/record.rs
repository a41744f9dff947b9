//! Questions and resource records: names of types and classes, and what of the
//! data is shown.

use super::super::context::{Context, Truncated, array_at, bytes_at, put, u8_at, u16_at, u32_at};
use super::super::{address, phrases};
use super::{Stop, edns, name};
use std::net::Ipv4Addr;

pub(super) const TYPE_OPT: u16 = 41;

/// Types by number (IANA, DNS parameters).
const TYPES: &[(u32, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAP_PTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (40, "SINK"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "UNSPECA"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
];

const CLASS_IN: u16 = 1;
const CLASSES: &[(u32, &str)] = &[(1, "IN"), (3, "CHAOS"), (4, "HS"), (255, "ANY")];

/// In multicast DNS: a question that wants a unicast answer, a record that
/// replaces what is cached.
const MDNS_HIGH_BIT: u16 = 0x8000;

fn put_type(cx: &mut Context<'_>, number: u16) {
    match phrases::name(TYPES, number.into()) {
        Some(text) => put!(cx, " {text}"),
        None => put!(cx, " Type{number}"),
    }
}

fn put_class(cx: &mut Context<'_>, number: u16) {
    match phrases::name(CLASSES, number.into()) {
        _ if number == CLASS_IN => {}
        Some(text) => put!(cx, " {text}"),
        None => put!(cx, " (Class {number})"),
    }
}

/// Prints the question at `at`; returns the offset after it.
pub(super) fn question(
    cx: &mut Context<'_>,
    data: &[u8],
    at: usize,
    is_mdns: bool,
) -> Result<usize, Stop> {
    let fixed = name::skip(data, at)?;
    let [t1, t0, c1, c0] = array_at(data, fixed)?;
    put_type(cx, u16::from_be_bytes([t1, t0]));
    let class = u16::from_be_bytes([c1, c0]);
    if is_mdns {
        put_class(cx, class & !MDNS_HIGH_BIT);
        cx.put(if class & MDNS_HIGH_BIT == 0 {
            " (QM)"
        } else {
            " (QU)"
        });
    } else {
        put_class(cx, class);
    }
    cx.put("? ");
    Ok(name::print(cx, data, at)? + 4)
}

/// The part of a record between its name and its data.
struct Fixed {
    kind: u16,
    class: u16,
    opt_flags: u16,
}

/// Prints the record at `at`; returns the offset after it. Where not even its
/// fixed part was captured, that is the end of the data.
pub(super) fn answer(
    cx: &mut Context<'_>,
    data: &[u8],
    at: usize,
    is_mdns: bool,
) -> Result<usize, Stop> {
    let at = if cx.style.verbose > 0 {
        cx.put(" ");
        name::print(cx, data, at)?
    } else {
        match name::skip(data, at) {
            Ok(at) => at,
            Err(Truncated) => return Ok(data.len()),
        }
    };
    if array_at::<10>(data, at).is_err() {
        return Ok(data.len());
    }
    let class = u16_at(data, at + 2)?;
    let fixed = Fixed {
        kind: u16_at(data, at)?,
        class: if is_mdns {
            class & !MDNS_HIGH_BIT
        } else {
            class
        },
        opt_flags: u16_at(data, at + 6)?,
    };
    if fixed.kind != TYPE_OPT {
        put_class(cx, fixed.class);
    }
    if is_mdns && class & MDNS_HIGH_BIT != 0 {
        cx.put(" (Cache flush)");
    }
    if fixed.kind != TYPE_OPT && cx.style.verbose > 2 {
        cx.put(" [");
        phrases::span(cx, u32_at(data, at + 4)?);
        cx.put("]");
    }
    let len = usize::from(u16_at(data, at + 8)?);
    put_type(cx, fixed.kind);
    let start = at + 10;
    let end = start + len;
    if end > data.len() {
        return Err(Stop::Message);
    }
    rdata(cx, data, start, end, &fixed)?;
    Ok(end)
}

/// Prints the data of a record, from `at` to `end`. Some fields are taken
/// without regard to `end`, as tcpdump does.
fn rdata(
    cx: &mut Context<'_>,
    data: &[u8],
    at: usize,
    end: usize,
    fixed: &Fixed,
) -> Result<(), Stop> {
    match fixed.kind {
        1 => put!(cx, " {}", Ipv4Addr::from(array_at(data, at)?)),
        2 | 5 | 12 | 39 => {
            cx.put(" ");
            name::print(cx, data, at)?;
        }
        6 if cx.style.verbose > 0 => soa(cx, data, at)?,
        15 => {
            cx.put(" ");
            let preference = u16_at(data, at)?;
            name::print(cx, data, at + 2)?;
            put!(cx, " {preference}");
        }
        16 => {
            let mut at = at;
            while at < end {
                cx.put(" \"");
                at = name::print_string(cx, data, at)?;
                cx.put("\"");
            }
        }
        28 => {
            put!(cx, " {}", address::ipv6(array_at(data, at)?));
        }
        33 => {
            cx.put(" ");
            array_at::<6>(data, at)?;
            name::print(cx, data, at + 6)?;
            let (port, priority) = (u16_at(data, at + 4)?, u16_at(data, at)?);
            put!(cx, ":{port} {priority} {}", u16_at(data, at + 2)?);
        }
        38 => a6(cx, data, at)?,
        TYPE_OPT => edns::print(cx, data, at, end, fixed.class, fixed.opt_flags)?,
        104 => phrases::characters(cx, bytes_at(data, at, end - at)?),
        250 if cx.style.verbose > 0 => tsig(cx, data, at)?,
        256 => {
            let numbers = u32_at(data, at).map_err(|_| Stop::Frame)?;
            put!(cx, " {} {} ", numbers >> 16, numbers & 0xffff);
            // A URI record of less than four bytes makes tcpdump print all
            // that follows it in the frame.
            let len = (end - at).checked_sub(4).unwrap_or(usize::MAX >> 1);
            name::print_text(cx, data, at + 4, len)?;
        }
        _ => {}
    }
    Ok(())
}

/// Start of authority: two names and five numbers.
fn soa(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<(), Stop> {
    cx.put(" ");
    let at = name::print(cx, data, at)?;
    cx.put(" ");
    let at = name::print(cx, data, at)?;
    array_at::<20>(data, at)?;
    for number in 0..5 {
        put!(cx, " {}", u32_at(data, at + number * 4)?);
    }
    Ok(())
}

/// A6 (RFC 2874): the length of the prefix, the bytes after it, its name.
fn a6(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<(), Stop> {
    let prefix_len = u8_at(data, at)?;
    if prefix_len > 128 {
        put!(cx, " {prefix_len}(bad plen)");
        return Ok(());
    }
    let prefix_bytes = usize::from(prefix_len / 8);
    if prefix_len < 128 {
        let mut suffixed = [0; 16];
        let suffix = bytes_at(data, at + 1, 16 - prefix_bytes).map_err(|_| Stop::Frame)?;
        suffixed[prefix_bytes..].copy_from_slice(suffix);
        put!(cx, " {prefix_len} {}", address::ipv6(suffixed));
    }
    if prefix_len > 0 {
        cx.put(" ");
        name::print(cx, data, at + 1 + 16 - prefix_bytes)?;
    }
    Ok(())
}

/// Transaction signature (RFC 8945), without the time and the signature.
fn tsig(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<(), Stop> {
    cx.put(" ");
    let mut at = name::print(cx, data, at)? + 6;
    put!(cx, " fudge={}", u16_at(data, at)?);
    let mac_len = u16_at(data, at + 2)?;
    put!(cx, " maclen={mac_len}");
    at += 4 + usize::from(mac_len);
    put!(cx, " origid={}", u16_at(data, at)?);
    put!(cx, " error={}", u16_at(data, at + 2)?);
    put!(cx, " otherlen={}", u16_at(data, at + 4)?);
    Ok(())
}
