//! Neighbour discovery (RFC 4861) and its options, among them those of RFC 4191,
//! 6275 and 8106.

use super::super::context::{Context, Truncated, put, u8_at, u16_at, u32_at};
use super::super::{address, dns, phrases};
use super::{
    NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION, REDIRECT, ROUTER_ADVERTISEMENT,
    ROUTER_SOLICITATION,
};

const ROUTER_FLAGS: &[(u32, &str)] = &[
    (0x80, "managed"),
    (0x40, "other stateful"),
    (0x20, "home agent"),
    (0x02, "ipv6 only"),
];

const NEIGHBOR_FLAGS: &[(u32, &str)] = &[
    (0x8000_0000, "router"),
    (0x4000_0000, "solicited"),
    (0x2000_0000, "override"),
];

const PREFIX_FLAGS: &[(u32, &str)] = &[(0x80, "onlink"), (0x40, "auto"), (0x20, "router")];

const OPTIONS: &[(u32, &str)] = &[
    (1, "source link-address"),
    (2, "destination link-address"),
    (3, "prefix info"),
    (4, "redirected header"),
    (5, "mtu"),
    (7, "advertisement interval"),
    (8, "homeagent information"),
    (24, "route info"),
    (25, "rdnss"),
    (31, "dnssl"),
];

/// Prints what follows the name of one of the message types of neighbour
/// discovery, or of a mobile prefix advertisement.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    kind: u8,
) -> Result<(), Truncated> {
    let verbose = cx.style.verbose > 0;
    let options_at = match kind {
        ROUTER_SOLICITATION => 8,
        ROUTER_ADVERTISEMENT => {
            if verbose {
                router_advertisement(cx, data)?;
            }
            16
        }
        NEIGHBOR_SOLICITATION => {
            put!(cx, ", who has {}", cx.host6_at(data, 8)?);
            24
        }
        NEIGHBOR_ADVERTISEMENT => {
            put!(cx, ", tgt is {}", cx.host6_at(data, 8)?);
            if verbose {
                cx.put(", Flags [");
                phrases::flags(cx, u32_at(data, 4)?, NEIGHBOR_FLAGS, "none");
                cx.put("]");
            }
            24
        }
        REDIRECT => {
            put!(cx, ", {}", cx.host6_at(data, 24)?);
            put!(cx, " to {}", cx.host6_at(data, 8)?);
            40
        }
        _ => {
            if verbose {
                mobile_prefix(cx, data)?;
            }
            8
        }
    };
    if verbose {
        let rest = data.get(options_at..).unwrap_or_default();
        let left = len.saturating_sub(options_at);
        if options(cx, rest, left)? == Options::Damaged {
            cx.put_truncated();
        }
    }
    Ok(())
}

fn router_advertisement(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    let (hop_limit, flags) = (u8_at(data, 4)?, u8_at(data, 5)?);
    let (lifetime, reachable) = (u16_at(data, 6)?, u32_at(data, 8)?);
    let retransmit = u32_at(data, 12)?;
    put!(cx, "\n\thop limit {hop_limit}, Flags [");
    phrases::flags(cx, flags.into(), ROUTER_FLAGS, "none");
    put!(
        cx,
        "], pref {}, router lifetime {lifetime}s, reachable time {reachable}ms, \
         retrans timer {retransmit}ms",
        preference(flags)
    );
    Ok(())
}

fn mobile_prefix(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    put!(cx, ", id 0x{:04x}", u16_at(data, 4)?);
    cx.put(match u16_at(data, 6)? >> 14 {
        0 => "",
        1 => " O",
        2 => " M",
        _ => " MO",
    });
    Ok(())
}

/// Router preference (RFC 4191).
fn preference(flags: u8) -> &'static str {
    ["medium", "high", "rsv", "low"][usize::from(flags >> 3 & 3)]
}

fn lifetime(seconds: u32) -> String {
    match seconds {
        u32::MAX => "infinity".to_owned(),
        _ => format!("{seconds}s"),
    }
}

/// Whether the options could be walked to their end.
#[derive(PartialEq, Eq)]
enum Options {
    Whole,
    /// One ends too soon or makes no sense.
    Damaged,
}

/// Options, as long as `len` bytes of them are left on the wire.
fn options(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<Options, Truncated> {
    let mut at = 0;
    while at < data.len() {
        let Ok(units) = u8_at(data, at + 1) else {
            return Ok(Options::Damaged);
        };
        if at >= len {
            break;
        }
        let size = usize::from(units) * 8;
        let Some(option) = data.get(at..at + size).filter(|_| size > 0) else {
            return Ok(Options::Damaged);
        };
        let kind = option[0];
        let name = phrases::name(OPTIONS, kind.into());
        put!(
            cx,
            "\n\t  {} option ({kind}), length {size} ({units}): ",
            name.unwrap_or("unknown")
        );
        let payload = &option[2..];
        if name.is_none() && cx.style.verbose <= 1 {
            phrases::hex_lines(cx, payload, "\n\t  ");
            break;
        }
        if value(cx, data, at, option)? == Options::Damaged {
            return Ok(Options::Damaged);
        }
        if cx.style.verbose > 1 {
            phrases::hex_lines(cx, payload, "\n\t    ");
        }
        at += size;
    }
    Ok(Options::Whole)
}

/// The option `option`, which lies at `at` among the options `data`. Like
/// tcpdump it takes an option's fields from what was captured, even where the
/// option is too short for them.
fn value(
    cx: &mut Context<'_>,
    data: &[u8],
    at: usize,
    option: &[u8],
) -> Result<Options, Truncated> {
    let rest = &data[at..];
    match option[0] {
        1 | 2 => put!(cx, "{}", address::colons(&option[2..])),
        3 => {
            let prefix = cx.host6_at(rest, 16)?;
            let (prefix_len, flags) = (u8_at(rest, 2)?, u8_at(rest, 3)?);
            let (valid, preferred) = (u32_at(rest, 4)?, u32_at(rest, 8)?);
            let bad = if option.len() == 32 { "" } else { "badlen" };
            put!(cx, "{prefix}/{prefix_len}{bad}, Flags [");
            phrases::flags(cx, flags.into(), PREFIX_FLAGS, "none");
            put!(
                cx,
                "], valid time {}, pref. time {}",
                lifetime(valid),
                lifetime(preferred)
            );
        }
        // tcpdump dumps the first option here, in this one's length.
        4 => {
            let shown = option.len().min(data.len());
            phrases::hex_lines(cx, &data[..shown], "\n\t    ");
        }
        5 => {
            let bad = if option.len() == 8 {
                ""
            } else {
                "bad option length"
            };
            put!(cx, " {}{bad}", u32_at(rest, 4)?);
        }
        7 => put!(cx, " {}ms", u32_at(rest, 4)?),
        8 => {
            let (preference, lifetime) = (u16_at(rest, 4)?, u16_at(rest, 6)?);
            put!(cx, " preference {preference}, lifetime {lifetime}");
        }
        24 => return route(cx, option),
        25 => {
            put!(cx, " lifetime {}s,", u32_at(rest, 4)?);
            for server in 0..(option.len() / 8 - 1) / 2 {
                put!(cx, " addr: {}", cx.host6_at(rest, 8 + server * 16)?);
            }
        }
        31 => {
            put!(cx, " lifetime {}s, domain(s):", u32_at(rest, 4)?);
            let end = at + option.len();
            let mut name = at + 8;
            while name < end && u8_at(data, name)? != 0 {
                cx.put(" ");
                match dns::print_name(cx, data, name, 0)? {
                    Some(after) => name = after,
                    None => return Ok(Options::Damaged),
                }
            }
        }
        _ => {}
    }
    Ok(Options::Whole)
}

/// Route information (RFC 4191, 2.3): 0, 8 or 16 bytes of a prefix.
fn route(cx: &mut Context<'_>, option: &[u8]) -> Result<Options, Truncated> {
    let mut prefix = [0; 16];
    let given = option.get(8..).unwrap_or_default();
    let Some(start) = prefix.get_mut(..given.len()) else {
        return Ok(Options::Damaged);
    };
    start.copy_from_slice(given);
    put!(cx, " {}/{}", cx.host6(prefix), u8_at(option, 2)?);
    put!(cx, ", pref={}", preference(u8_at(option, 3)?));
    put!(cx, ", lifetime={}", lifetime(u32_at(option, 4)?));
    Ok(Options::Whole)
}
