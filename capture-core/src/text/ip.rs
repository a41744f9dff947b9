//! IPv4 (RFC 791).

use super::context::{Context, Truncated, array_at, put, u8_at, u16_at};
use super::numbers::protocol_name;
use super::payload::{self, Ip};
use super::{checksum, ip_options};

/// Length of the header without options.
const HEADER_LEN: usize = 20;
const RESERVED: u16 = 0x8000;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// Prints an IPv4 packet.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "ip";
    cx.nest(|cx| print_packet(cx, data, len))
}

fn print_packet(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    let first = u8_at(data, 0)?;
    match first >> 4 {
        4 => {}
        version => {
            match version {
                6 => cx.put("IP6, wrong link-layer encapsulation"),
                _ => put!(cx, "IP{version}"),
            }
            cx.put_invalid();
            return Ok(());
        }
    }
    if !cx.style.link_header {
        cx.put("IP ");
    }
    if data.len() < HEADER_LEN {
        cx.put_truncated();
        return Ok(());
    }
    if len < HEADER_LEN {
        put!(cx, "truncated-ip {len}");
        return Ok(());
    }
    let header_len = usize::from(first & 0xf) * 4;
    if header_len < HEADER_LEN {
        put!(cx, "bad-hlen {header_len}");
        return Ok(());
    }
    let total = usize::from(u16_at(data, 2)?);
    if len < total {
        put!(cx, "truncated-ip - {} bytes missing! ", total - len);
    }
    if total < header_len {
        put!(cx, "bad-len {total}");
        return Ok(());
    }
    // What follows the packet, such as Ethernet's padding, is not its own.
    let packet = data.get(..total).unwrap_or(data);
    if cx.style.verbose > 0 && put_header(cx, packet, header_len)?.is_break() {
        return Ok(());
    }
    let fragment = u16_at(packet, 6)?;
    let next = u8_at(packet, 9)?;
    if fragment & OFFSET != 0 {
        put_addresses(cx, packet)?;
        payload::put_protocol(cx, next);
        return Ok(());
    }
    if !payload::shows_addresses(next) {
        put_addresses(cx, packet)?;
        cx.put(" ");
    }
    let Some(inner) = packet.get(header_len..) else {
        let captured = packet.len();
        put!(
            cx,
            " [remaining caplen({captured}) < header length({header_len})]"
        );
        return Err(Truncated);
    };
    let ip = Ip::new(packet, fragment & MORE_FRAGMENTS != 0);
    payload::print(cx, next, inner, total - header_len, ip)
}

fn put_addresses(cx: &mut Context<'_>, packet: &[u8]) -> Result<(), Truncated> {
    let source = cx.host4_at(packet, 12)?;
    let destination = cx.host4_at(packet, 16)?;
    put!(cx, "{source} > {destination}:");
    Ok(())
}

/// Prints the header's fields in parentheses. Breaks where the options were
/// not captured, and all is said.
fn put_header(
    cx: &mut Context<'_>,
    packet: &[u8],
    header_len: usize,
) -> Result<std::ops::ControlFlow<()>, Truncated> {
    let tos = u8_at(packet, 1)?;
    put!(cx, "(tos 0x{tos:x}");
    cx.put(match tos & 3 {
        1 => ",ECT(1)",
        2 => ",ECT(0)",
        3 => ",CE",
        _ => "",
    });
    let ttl = u8_at(packet, 8)?;
    if ttl >= 1 {
        put!(cx, ", ttl {ttl}");
    }
    let fragment = u16_at(packet, 6)?;
    put!(
        cx,
        ", id {}, offset {}, flags [",
        u16_at(packet, 4)?,
        u32::from(fragment & OFFSET) * 8
    );
    put_flags(cx, fragment);
    let next = u8_at(packet, 9)?;
    let total = u16_at(packet, 2)?;
    put!(
        cx,
        "], proto {} ({next}), length {total}",
        protocol_name(next)
    );
    let mut complete = true;
    if header_len > HEADER_LEN {
        cx.put(", options (");
        let options = packet.get(HEADER_LEN..).unwrap_or_default();
        complete = ip_options::print(cx, options, header_len - HEADER_LEN)?;
        if !complete {
            cx.put(" [truncated-option]");
        }
        cx.put(")");
    }
    if let Some(header) = packet.get(..header_len)
        && !cx.style.no_checksums
    {
        let sum = checksum::of(&[header]);
        if sum != 0 {
            let field = u16_at(packet, 10)?;
            let right = checksum::should_be(field, sum);
            put!(cx, ", bad cksum {field:x} (->{right:x})!");
        }
    }
    cx.put(")\n    ");
    if complete {
        return Ok(std::ops::ControlFlow::Continue(()));
    }
    put_addresses(cx, packet)?;
    cx.put(" ");
    cx.put_truncated();
    Ok(std::ops::ControlFlow::Break(()))
}

fn put_flags(cx: &mut Context<'_>, fragment: u16) {
    let mut separator = "";
    for (flag, name) in [
        (MORE_FRAGMENTS, "+"),
        (DONT_FRAGMENT, "DF"),
        (RESERVED, "rsvd"),
    ] {
        if fragment & flag != 0 {
            put!(cx, "{separator}{name}");
            separator = ", ";
        }
    }
    if separator.is_empty() {
        cx.put("none");
    }
}

/// Where a packet is going in the end: the last address of its source route,
/// or its destination.
pub(super) fn final_destination(packet: &[u8]) -> Result<[u8; 4], Truncated> {
    let destination = array_at(packet, 16)?;
    let header_len = usize::from(u8_at(packet, 0)? & 0xf) * 4;
    let mut at = HEADER_LEN;
    while at < header_len {
        let kind = u8_at(packet, at)?;
        let option_len = match kind {
            ip_options::END => break,
            ip_options::NO_OPERATION => 1,
            _ => usize::from(u8_at(packet, at + 1)?),
        };
        if option_len == 0 || (option_len < 2 && kind != ip_options::NO_OPERATION) {
            break;
        }
        let end = at + option_len;
        if end > header_len || end > packet.len() {
            break;
        }
        if matches!(kind, ip_options::STRICT_ROUTE | ip_options::LOOSE_ROUTE) && option_len >= 7 {
            return array_at(packet, end - 4);
        }
        at = end;
    }
    Ok(destination)
}
