//! The options of Multipath TCP (RFC 8684 and its experimental forebear).

use super::context::{Context, Truncated, array_at, bytes_at, put, u8_at, u16_at, u32_at};
use super::tcp::{ACK, SYN};

/// Prints an option from its kind on; false if it makes no sense.
pub(super) fn print(cx: &mut Context<'_>, option: &[u8], flags: u8) -> Result<bool, Truncated> {
    cx.protocol = "mptcp";
    let len = option.len();
    if len < 3 {
        return Ok(false);
    }
    let subtype = u8_at(option, 2)? >> 4;
    let names = [
        "capable",
        "join",
        "dss",
        "add-addr",
        "rem-addr",
        "prio",
        "fail",
        "fast-close",
    ];
    let name = names.get(usize::from(subtype)).unwrap_or(&"unknown");
    put!(cx, " {len} {name}");
    match subtype {
        0 => capable(cx, option, flags),
        1 => join(cx, option, flags),
        2 => sequence_signal(cx, option, flags),
        3 => add_address(cx, option),
        4 => remove_address(cx, option),
        5 => priority(cx, option),
        6 | 7 if len != 12 => Ok(false),
        6 => {
            put!(cx, " seq {}", u64_at(option, 4)?);
            Ok(true)
        }
        7 => {
            put!(cx, " key 0x{:x}", u64_at(option, 4)?);
            Ok(true)
        }
        _ => Ok(true),
    }
}

fn u64_at(data: &[u8], at: usize) -> Result<u64, Truncated> {
    array_at(data, at).map(u64::from_be_bytes)
}

fn capable(cx: &mut Context<'_>, option: &[u8], flags: u8) -> Result<bool, Truncated> {
    let len = option.len();
    let opening = matches!(len, 4 | 12) && flags & SYN != 0;
    let confirming = matches!(len, 20 | 22) && flags & (SYN | ACK) == ACK;
    if !opening && !confirming {
        return Ok(false);
    }
    match u8_at(option, 2)? & 0xf {
        version @ (0 | 1) => put!(cx, " v{version}"),
        version => {
            put!(cx, " Unknown Version ({version})");
            return Ok(true);
        }
    }
    if u8_at(option, 3)? & 0x80 != 0 {
        cx.put(" csum");
    }
    if len >= 12 {
        put!(cx, " {{0x{:x}", u64_at(option, 4)?);
        if len >= 20 {
            put!(cx, ",0x{:x}", u64_at(option, 12)?);
        }
        cx.put("}");
    }
    Ok(true)
}

fn join(cx: &mut Context<'_>, option: &[u8], flags: u8) -> Result<bool, Truncated> {
    let len = option.len();
    let sound = match len {
        12 => flags & SYN != 0,
        16 => flags & (SYN | ACK) == SYN | ACK,
        24 => flags & ACK != 0,
        _ => false,
    };
    if !sound {
        return Ok(false);
    }
    if len != 24 {
        if u8_at(option, 2)? & 1 != 0 {
            cx.put(" backup");
        }
        put!(cx, " id {}", u8_at(option, 3)?);
    }
    match len {
        12 => {
            put!(cx, " token 0x{:x}", u32_at(option, 4)?);
            put!(cx, " nonce 0x{:x}", u32_at(option, 8)?);
        }
        16 => {
            put!(cx, " hmac 0x{:x}", u64_at(option, 4)?);
            put!(cx, " nonce 0x{:x}", u32_at(option, 12)?);
        }
        _ => {
            cx.put(" hmac 0x");
            for byte in bytes_at(option, 4, 20)? {
                put!(cx, "{byte:02x}");
            }
        }
    }
    Ok(true)
}

/// The fields of a data sequence signal that are still to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next number, of eight or four bytes; none if it is not there.
    fn number(&mut self, wide: bool) -> Option<u64> {
        match wide {
            true => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Some(u64::from_be_bytes(*bytes))
            }
            false => {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Some(u32::from_be_bytes(*bytes).into())
            }
        }
    }

    fn short(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes))
    }
}

fn sequence_signal(cx: &mut Context<'_>, option: &[u8], flags: u8) -> Result<bool, Truncated> {
    if option.len() < 4 || flags & SYN != 0 {
        return Ok(false);
    }
    let present = u8_at(option, 3)?;
    if present & 0x10 != 0 {
        cx.put(" fin");
    }
    let mut fields = Fields(option.get(4..).unwrap_or_default());
    if present & 0x01 != 0 {
        cx.put(" ack ");
        let Some(ack) = fields.number(present & 0x02 != 0) else {
            return Ok(false);
        };
        put!(cx, "{ack}");
    }
    if present & 0x04 != 0 {
        cx.put(" seq ");
        let Some(seq) = fields.number(present & 0x08 != 0) else {
            return Ok(false);
        };
        put!(cx, "{seq}");
        let Some(subflow_seq) = fields.number(false) else {
            return Ok(false);
        };
        put!(cx, " subseq {subflow_seq}");
        let Some(len) = fields.short() else {
            return Ok(false);
        };
        put!(cx, " len {len}");
        if let Some(checksum) = fields.short() {
            put!(cx, " csum 0x{checksum:x}");
        }
    }
    Ok(fields.0.is_empty())
}

fn add_address(cx: &mut Context<'_>, option: &[u8]) -> Result<bool, Truncated> {
    let len = option.len();
    if !matches!(len, 8 | 10 | 16 | 18 | 20 | 22 | 28 | 30) {
        return Ok(false);
    }
    let form = match u8_at(option, 2)? & 0xf {
        6 => "v0-ip6",
        4 => "v0-ip4",
        1 => "v1-echo",
        0 => "v1",
        _ => "[bad version/echo]",
    };
    put!(cx, " {form} id {}", u8_at(option, 3)?);
    let (host, mut at) = match len < 20 {
        true => (cx.host4_at(option, 4)?, 8),
        false => (cx.host6_at(option, 4)?, 20),
    };
    put!(cx, " {host}");
    if matches!(len, 10 | 18 | 22 | 30) {
        put!(cx, ":{}", u16_at(option, at)?);
        at += 2;
    }
    if matches!(len, 16 | 18 | 28 | 30) {
        put!(cx, " hmac 0x{:x}", u64_at(option, at)?);
    }
    Ok(true)
}

fn remove_address(cx: &mut Context<'_>, option: &[u8]) -> Result<bool, Truncated> {
    if option.len() < 4 {
        return Ok(false);
    }
    cx.put(" id");
    for id in option.iter().skip(3) {
        put!(cx, " {id}");
    }
    Ok(true)
}

fn priority(cx: &mut Context<'_>, option: &[u8]) -> Result<bool, Truncated> {
    if !matches!(option.len(), 3 | 4) {
        return Ok(false);
    }
    cx.put(match u8_at(option, 2)? & 1 {
        0 => " non-backup",
        _ => " backup",
    });
    if let Some(id) = option.get(3) {
        put!(cx, " id {id}");
    }
    Ok(true)
}
