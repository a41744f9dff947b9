//! The extension headers of IPv6 (RFC 8200, section 4; RFC 6275; RFC 8754).

use super::context::{Context, Truncated, array_at, put, u8_at, u16_at, u32_at};
use super::ip6::HEADER_LEN;

const PAD1: u8 = 0x00;
const PADN: u8 = 0x01;
const ROUTER_ALERT: u8 = 0x05;
const JUMBO: u8 = 0xc2;
const HOME_ADDRESS: u8 = 0xc9;
const FRAGMENT_LEN: usize = 8;
const FRAGMENT_OFFSET: u16 = 0xfff8;

/// What is known of a packet's length while its headers are read.
pub(super) struct Jumbo {
    /// The header's payload length, or that of the option.
    pub payload_len: u32,
    /// Whether the length is from a valid option (RFC 2675).
    pub found: bool,
}

impl Jumbo {
    pub(super) fn new(payload_len: u32) -> Self {
        Self {
            payload_len,
            found: false,
        }
    }
}

/// Prints a hop-by-hop options header, and gives its length; none if it is
/// not sound.
pub(super) fn hop_by_hop(
    cx: &mut Context<'_>,
    data: &[u8],
    jumbo: &mut Jumbo,
) -> Result<Option<usize>, Truncated> {
    cx.protocol = "hbhopt";
    let header_len = (usize::from(u8_at(data, 1)?) + 1) * 8;
    let Some(header) = data.get(..header_len) else {
        cx.put_truncated();
        return Ok(None);
    };
    cx.put("HBH ");
    put_options(cx, header, header_len, Some(jumbo))
}

/// Prints a destination options header, and gives its length; none if it is
/// not sound.
pub(super) fn destination_options(
    cx: &mut Context<'_>,
    data: &[u8],
) -> Result<Option<usize>, Truncated> {
    cx.protocol = "dstopt";
    let header_len = (usize::from(u8_at(data, 1)?) + 1) * 8;
    let Some(header) = data.get(..header_len) else {
        cx.put_truncated();
        return Ok(None);
    };
    cx.put("DSTOPT ");
    match cx.style.verbose {
        0 => Ok(Some(header_len)),
        _ => put_options(cx, header, header_len, None),
    }
}

fn put_options(
    cx: &mut Context<'_>,
    header: &[u8],
    header_len: usize,
    mut jumbo: Option<&mut Jumbo>,
) -> Result<Option<usize>, Truncated> {
    let mut options = header.get(2..).unwrap_or_default();
    let mut jumbo_seen = false;
    while let Some(&kind) = options.first() {
        let option_len = match (kind, options.get(1)) {
            (PAD1, _) => 1,
            (_, Some(&len)) => usize::from(len) + 2,
            (_, None) => usize::MAX,
        };
        let sound = match options.get(..option_len) {
            Some(option) if kind == JUMBO => put_jumbo(
                cx,
                option,
                options.len(),
                jumbo.as_deref_mut(),
                &mut jumbo_seen,
            )?,
            Some(option) => put_option(cx, option, options.len())?,
            None => false,
        };
        if !sound {
            cx.put_truncated();
            return Ok(None);
        }
        options = options.get(option_len..).unwrap_or_default();
    }
    if cx.style.verbose > 0 {
        cx.put(" ");
    }
    Ok(Some(header_len))
}

/// Prints an option; false if its length is wrong. `left` is how many bytes of
/// options there are from it on.
fn put_option(cx: &mut Context<'_>, option: &[u8], left: usize) -> Result<bool, Truncated> {
    let verbose = cx.style.verbose > 0;
    let kind = u8_at(option, 0)?;
    if kind == PAD1 {
        if verbose {
            cx.put("(pad1)");
        }
        return Ok(true);
    }
    let len = u8_at(option, 1)?;
    match kind {
        ROUTER_ALERT if left < 4 => cx.put("(rtalert: trunc)"),
        ROUTER_ALERT if len != 2 => put!(cx, "(rtalert: invalid len {len})"),
        HOME_ADDRESS if left < 18 => cx.put("(homeaddr: trunc)"),
        HOME_ADDRESS if len < 16 => put!(cx, "(homeaddr: invalid len {len})"),
        _ if !verbose => return Ok(true),
        PADN => {
            cx.put("(padn)");
            return Ok(true);
        }
        ROUTER_ALERT => {
            put!(cx, "(rtalert: 0x{:04x}) ", u16_at(option, 2)?);
            return Ok(true);
        }
        HOME_ADDRESS => {
            let home = cx.host6_at(option, 2)?;
            put!(cx, "(homeaddr: {home}");
            if !put_suboptions(cx, option.get(18..).unwrap_or_default()) {
                return Ok(false);
            }
            cx.put(")");
            return Ok(true);
        }
        _ => {
            put!(cx, "(opt_type 0x{kind:02x}: len={len})");
            return Ok(true);
        }
    }
    Ok(false)
}

/// Prints a jumbo payload option; false if its length is wrong.
fn put_jumbo(
    cx: &mut Context<'_>,
    option: &[u8],
    left: usize,
    jumbo: Option<&mut Jumbo>,
    seen: &mut bool,
) -> Result<bool, Truncated> {
    let len = u8_at(option, 1)?;
    if left < 6 {
        cx.put("(jumbo: trunc)");
        return Ok(false);
    }
    if len != 4 {
        put!(cx, "(jumbo: invalid len {len})");
        return Ok(false);
    }
    let payload_len = u32_at(option, 2)?;
    let complaint = match jumbo {
        _ if *seen => " - already seen",
        None => " - not a hop-by-hop option",
        Some(jumbo) if jumbo.payload_len != 0 => " - payload len != 0",
        Some(_) if payload_len < 65_536 => " - < 65536",
        Some(jumbo) => {
            *jumbo = Jumbo {
                payload_len,
                found: true,
            };
            ""
        }
    };
    *seen = true;
    if cx.style.verbose > 0 {
        put!(cx, "(jumbo: {payload_len}{complaint}) ");
    }
    Ok(true)
}

/// Prints the options in a home address option; false if a length is wrong.
fn put_suboptions(cx: &mut Context<'_>, mut options: &[u8]) -> bool {
    while let Some(&kind) = options.first() {
        let (option_len, len) = match (kind, options.get(1)) {
            (PAD1, _) => (1, 0),
            (_, Some(&len)) => (usize::from(len) + 2, len),
            (_, None) => return false,
        };
        let Some(rest) = options.get(option_len..) else {
            return false;
        };
        match kind {
            PAD1 => cx.put(", pad1"),
            PADN => cx.put(", padn"),
            _ => put!(cx, ", sopt_type 0x{kind:02x}: len={len}"),
        }
        options = rest;
    }
    true
}

/// Prints a fragment header, and gives its length; none for all fragments but
/// the first, whose payload nobody can read. `at` is where it stands in the
/// packet.
pub(super) fn fragment(
    cx: &mut Context<'_>,
    data: &[u8],
    payload_len: u16,
    at: usize,
) -> Result<Option<usize>, Truncated> {
    cx.protocol = "frag6";
    let identification = match cx.style.verbose {
        0 => None,
        _ => Some(u32_at(data, 4)?),
    };
    let offset = u16_at(data, 2)? & FRAGMENT_OFFSET;
    // A packet shorter than its headers makes a very large number, as in
    // tcpdump.
    let len = (HEADER_LEN as u64 + u64::from(payload_len))
        .wrapping_sub(at as u64)
        .wrapping_sub(FRAGMENT_LEN as u64);
    match identification {
        Some(identification) => put!(cx, "frag (0x{identification:08x}:{offset}|{len})"),
        None => put!(cx, "frag ({offset}|{len})"),
    }
    if offset != 0 {
        return Ok(None);
    }
    cx.put(" ");
    Ok(Some(FRAGMENT_LEN))
}

/// Prints a routing header, and gives its length; none if it is not sound.
pub(super) fn routing(cx: &mut Context<'_>, data: &[u8]) -> Result<Option<usize>, Truncated> {
    cx.protocol = "rt6";
    cx.put("RT6");
    let len = u8_at(data, 1)?;
    put!(cx, " (len={len}");
    let kind = u8_at(data, 2)?;
    put!(cx, ", type={kind}");
    if kind == 0 {
        cx.put(" [Deprecated]");
    }
    put!(cx, ", segleft={}", u8_at(data, 3)?);
    let verbose = cx.style.verbose > 0;
    match kind {
        0 | 2 => {
            let reserved = u32_at(data, 4)?;
            if reserved != 0 || verbose {
                put!(cx, ", rsv=0x{reserved:x}");
            }
        }
        4 => {
            put!(cx, ", last-entry={}", u8_at(data, 4)?);
            let flags = u8_at(data, 5)?;
            if flags != 0 || verbose {
                put!(cx, ", flags=0x{flags:x}");
            }
            put!(cx, ", tag={:x}", u16_at(data, 6)?);
        }
        _ => {
            cx.put(" (unknown type)");
            cx.put_invalid();
            return Ok(None);
        }
    }
    if len % 2 == 1 {
        put!(cx, " (invalid length {len})");
        cx.put_invalid();
        return Ok(None);
    }
    for i in 0..usize::from(len / 2) {
        let host = cx.host6_at(data, 8 + i * 16)?;
        put!(cx, ", [{i}]{host}");
    }
    cx.put(") ");
    Ok(Some((usize::from(len) + 1) * 8))
}

/// Sets `destination` to the last hop of the routing header at `at`, as far as
/// it was captured.
pub(super) fn last_hop(
    packet: &[u8],
    at: usize,
    destination: &mut [u8; 16],
) -> Result<(), Truncated> {
    let len = u8_at(packet, at + 1)?;
    if len % 2 == 1 {
        return Ok(());
    }
    let hops = match u8_at(packet, at + 2)? {
        0 | 2 => usize::from(len / 2),
        // Segments are in reverse order: the first is the last.
        4 => 1,
        _ => 0,
    };
    for i in 0..hops {
        let Ok(hop) = array_at(packet, at + 8 + i * 16) else {
            break;
        };
        *destination = hop;
    }
    Ok(())
}
