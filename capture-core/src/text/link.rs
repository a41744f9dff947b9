//! The printer for each link type, and those whose header is next to nothing:
//! BSD loopback and raw IP.

use super::context::{Context, Truncated, put, u8_at};
use super::{dump, ether, ip, ip6, sll};
use crate::{Flags, Frame, Interface, LinkType};

/// Length of a loopback header.
const LOOPBACK_LEN: usize = 4;

/// Prints a frame by its interface's link type, and gives the length of the
/// link-layer header.
pub(super) fn print(
    cx: &mut Context<'_>,
    frame: &Frame<'_>,
    interface: &Interface,
) -> Result<usize, Truncated> {
    let data = frame.data;
    let len = frame.info.len as usize;
    if cx.style.interface && interface.link_type != LinkType::LINUX_SLL2 {
        put_interface(cx, interface, frame.info.flags);
    }
    match interface.link_type {
        LinkType::ETHERNET => ether::print(cx, data, len),
        LinkType::LINUX_SLL => sll::print(cx, data, len),
        LinkType::LINUX_SLL2 => sll::print2(cx, data, len, interface),
        LinkType::NULL | LinkType::LOOP => loopback(cx, data, len),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => raw(cx, data, len),
        _ => {
            cx.protocol = "unsupported";
            cx.put("UNSUPPORTED");
            dump::hex_ascii(cx, data);
            Ok(0)
        }
    }
}

/// Interface and direction, in the columns of a cooked capture.
fn put_interface(cx: &mut Context<'_>, interface: &Interface, flags: Flags) {
    let direction = match (flags.direction(), flags.reception()) {
        (2, _) => "Out",
        (_, 2) => "M",
        (_, 3) => "B",
        (_, 4) => "P",
        (1, _) | (_, 1) => "In",
        _ => "?",
    };
    put!(cx, "{:<5} {direction:<3} ", interface.full_name());
}

fn raw(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<usize, Truncated> {
    if cx.style.link_header {
        cx.put("ip: ");
    }
    cx.protocol = "ipn";
    match u8_at(data, 0)? >> 4 {
        4 => ip::print(cx, data, len)?,
        6 => ip6::print(cx, data, len)?,
        version => put!(cx, "unknown ip {version}"),
    }
    Ok(0)
}

fn loopback(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<usize, Truncated> {
    cx.protocol = "null";
    let (family, payload) = data.split_first_chunk().ok_or(Truncated)?;
    // The writer's byte order is not told; families are small numbers.
    let family = match u32::from_le_bytes(*family) {
        swapped if swapped > 0xffff => swapped.swap_bytes(),
        family => family,
    };
    if cx.style.link_header {
        put_family(cx, family, len);
    }
    let payload_len = len.saturating_sub(LOOPBACK_LEN);
    match family {
        2 => ip::print(cx, payload, payload_len)?,
        24 | 28 | 30 => ip6::print(cx, payload, payload_len)?,
        _ => {
            if !cx.style.link_header {
                put_family(cx, family, len);
            }
            dump::unknown(cx, payload);
        }
    }
    Ok(LOOPBACK_LEN)
}

fn put_family(cx: &mut Context<'_>, family: u32, len: usize) {
    let name = match family {
        2 => Some("IPv4"),
        6 => Some("NS"),
        7 => Some("ISO"),
        16 => Some("Appletalk"),
        23 => Some("IPX"),
        24 | 28 | 30 => Some("IPv6"),
        _ => None,
    };
    match (cx.style.quiet, name) {
        (false, _) => put!(cx, "AF {} ({family})", name.unwrap_or("Unknown")),
        (true, Some(name)) => cx.put(name),
        (true, None) => put!(cx, "Unknown AF {family}"),
    }
    put!(cx, ", length {len}: ");
}
