//! The OPT record and its options (RFC 6891 and the options' own RFCs).

use super::super::context::{Context, bytes_at, put, u16_at, u32_at};
use super::super::{address, phrases};
use super::{Stop, name};
use std::net::Ipv4Addr;

const LLQ: u16 = 1;
const DAU: u16 = 5;
const DHU: u16 = 6;
const N3U: u16 = 7;
const CLIENT_SUBNET: u16 = 8;
const EXPIRE: u16 = 9;
const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const CHAIN: u16 = 13;
const KEY_TAG: u16 = 14;

const OPTIONS: &[(u32, &str)] = &[
    (LLQ as u32, "LLQ"),
    (2, "UL"),
    (3, "NSID"),
    (DAU as u32, "DAU"),
    (DHU as u32, "DHU"),
    (N3U as u32, "N3U"),
    (CLIENT_SUBNET as u32, "ECS"),
    (EXPIRE as u32, "EXPIRE"),
    (COOKIE as u32, "COOKIE"),
    (KEEPALIVE as u32, "KEEPALIVE"),
    (PADDING as u32, "PADDING"),
    (CHAIN as u32, "CHAIN"),
    (KEY_TAG as u32, "KEY-TAG"),
    (16, "CLIENT-TAG"),
    (17, "SERVER-TAG"),
];

/// DNSSEC algorithms (RFC 6975). Number 3 is `DS` in tcpdump.
const ALGORITHMS: &[(u32, &str)] = &[
    (0, "DELETE"),
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DS"),
    (5, "RSASHA1"),
    (6, "DSA-NSEC3-SHA1"),
    (7, "RSASHA1-NSEC3-SHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECC-GOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
    (252, "INDIRECT"),
    (253, "PRIVATEDNS"),
    (254, "PRIVATEOID"),
];

const DS_HASHES: &[(u32, &str)] = &[
    (1, "SHA-1"),
    (2, "SHA-256"),
    (3, "GOST_R_34.11-94"),
    (4, "SHA-384"),
];

const NSEC3_HASHES: &[(u32, &str)] = &[(1, "SHA-1")];

/// Prints the OPT record whose options reach from `at` to `end`. `udp_size` is
/// its class field, `flags` the low half of its time to live.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    mut at: usize,
    end: usize,
    udp_size: u16,
    flags: u16,
) -> Result<(), Stop> {
    put!(cx, " UDPsize={udp_size}");
    if flags & 0x8000 != 0 {
        cx.put(" DO");
    }
    if at >= end {
        return Ok(());
    }
    cx.put(" [");
    while at < end {
        at = option(cx, data, at)?;
        if at < end {
            cx.put(",");
        }
    }
    cx.put("]");
    Ok(())
}

/// One option; returns the offset after it.
fn option(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<usize, Stop> {
    let code = u16_at(data, at)?;
    match phrases::name(OPTIONS, code.into()) {
        Some(text) => cx.put(text),
        None => put!(cx, "Opt{code}"),
    }
    let len = usize::from(u16_at(data, at + 2)?);
    let value = bytes_at(data, at + 4, len)?;
    if len > 0 {
        cx.put(" ");
        if code == CHAIN {
            // Pointers count from the end of the option here, as in tcpdump.
            name::print_from(cx, data, at + 4, at + 4 + len).map_err(|_| Stop::Frame)?;
        } else if print_value(cx, code, value).is_none() {
            cx.put(" (invalid)");
        }
    }
    Ok(at + 4 + len)
}

/// An option's value. `None` when its length or content is against its RFC.
fn print_value(cx: &mut Context<'_>, code: u16, value: &[u8]) -> Option<()> {
    match code {
        CLIENT_SUBNET => client_subnet(cx, value)?,
        COOKIE => {
            if !matches!(value.len(), 8 | 16..=40) {
                return None;
            }
            phrases::hex(cx, &value[..8]);
            if value.len() > 8 {
                cx.put(" ");
                phrases::hex(cx, &value[8..]);
            }
        }
        KEEPALIVE if value.len() == 2 => {
            let tenths = u16_at(value, 0).ok()?;
            put!(cx, "{}.{} sec", tenths / 10, tenths % 10);
        }
        EXPIRE if value.len() == 4 => put!(cx, "{} sec", u32_at(value, 0).ok()?),
        PADDING => put!(cx, "({})", value.len()),
        KEY_TAG if value.len().is_multiple_of(2) => {
            for (index, tag) in value.chunks_exact(2).enumerate() {
                let space = if index > 0 { " " } else { "" };
                put!(cx, "{space}{}", u16_at(tag, 0).ok()?);
            }
        }
        KEEPALIVE | EXPIRE | KEY_TAG => return None,
        DAU => algorithms(cx, value, ALGORITHMS),
        DHU => algorithms(cx, value, DS_HASHES),
        N3U => algorithms(cx, value, NSEC3_HASHES),
        _ => phrases::hex(cx, value),
    }
    Some(())
}

fn algorithms(cx: &mut Context<'_>, numbers: &[u8], names: &[(u32, &'static str)]) {
    for (index, &number) in numbers.iter().enumerate() {
        if index > 0 {
            cx.put(" ");
        }
        match phrases::name(names, number.into()) {
            Some(text) => cx.put(text),
            None => put!(cx, "Alg_{number}"),
        }
    }
}

/// Client subnet (RFC 7871): family, two prefix lengths, the bytes of the prefix.
fn client_subnet(cx: &mut Context<'_>, value: &[u8]) -> Option<()> {
    let (&[f1, f0, source_len, scope_len], prefix) = value.split_first_chunk()?;
    let bits = match u16::from_be_bytes([f1, f0]) {
        1 => 32,
        2 => 128,
        _ => return None,
    };
    let fits = source_len <= bits
        && scope_len <= bits
        && usize::from(source_len).div_ceil(8) == prefix.len();
    if !fits {
        return None;
    }
    let mut padded = [0; 16];
    padded[..prefix.len()].copy_from_slice(prefix);
    if bits == 32 {
        let [a, b, c, d, ..] = padded;
        put!(cx, "{}", Ipv4Addr::new(a, b, c, d));
    } else {
        put!(cx, "{}", address::ipv6(padded));
    }
    put!(cx, "/{source_len}/{scope_len}");
    Some(())
}
