//! ICMPv6 (RFC 4443): the header, echo, and errors with what they embed.
//!
//! Neighbour discovery is in `ndp`, multicast listeners in `mld`, node
//! information in `node_info`, router renumbering in `renumbering`, RPL in `rpl`.

mod mld;
mod ndp;
mod node_info;
mod renumbering;
mod rpl;

use super::context::{Context, Transport, Truncated, bytes_at, put, u8_at, u16_at, u32_at};
use super::numbers::protocol;
use super::payload::Ip;
use super::{checksum, phrases};

const DESTINATION_UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const PARAMETER_PROBLEM: u8 = 4;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const LISTENER_QUERY: u8 = 130;
const LISTENER_REPORT: u8 = 131;
const LISTENER_DONE: u8 = 132;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;
const ROUTER_RENUMBERING: u8 = 138;
const NODE_QUERY: u8 = 139;
const NODE_REPLY: u8 = 140;
const INVERSE_SOLICITATION: u8 = 141;
const INVERSE_ADVERTISEMENT: u8 = 142;
const LISTENER_REPORT_V2: u8 = 143;
const HOME_AGENT_REQUEST: u8 = 144;
const HOME_AGENT_REPLY: u8 = 145;
const MOBILE_PREFIX_SOLICITATION: u8 = 146;
const MOBILE_PREFIX_ADVERTISEMENT: u8 = 147;
const RPL: u8 = 155;

fn type_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        DESTINATION_UNREACHABLE => "destination unreachable",
        PACKET_TOO_BIG => "packet too big",
        TIME_EXCEEDED => "time exceeded in-transit",
        PARAMETER_PROBLEM => "parameter problem",
        ECHO_REQUEST => "echo request",
        ECHO_REPLY => "echo reply",
        LISTENER_QUERY => "multicast listener query",
        LISTENER_REPORT => "multicast listener report",
        LISTENER_DONE => "multicast listener done",
        ROUTER_SOLICITATION => "router solicitation",
        ROUTER_ADVERTISEMENT => "router advertisement",
        NEIGHBOR_SOLICITATION => "neighbor solicitation",
        NEIGHBOR_ADVERTISEMENT => "neighbor advertisement",
        REDIRECT => "redirect",
        ROUTER_RENUMBERING => "router renumbering",
        NODE_QUERY => "who-are-you request",
        NODE_REPLY => "who-are-you reply",
        INVERSE_SOLICITATION => "inverse neighbor solicitation",
        INVERSE_ADVERTISEMENT => "inverse neighbor advertisement",
        LISTENER_REPORT_V2 => "multicast listener report v2",
        HOME_AGENT_REQUEST => "ha discovery request",
        HOME_AGENT_REPLY => "ha discovery reply",
        MOBILE_PREFIX_SOLICITATION => "mobile router solicitation",
        MOBILE_PREFIX_ADVERTISEMENT => "mobile router advertisement",
        RPL => "RPL",
        200 => "mtrace response",
        201 => "mtrace message",
        _ => return None,
    })
}

/// Prints an ICMPv6 message.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    cx.protocol = "icmp6";
    if len == 0 {
        cx.put("ICMP6, length 0");
        cx.put_invalid();
        return Ok(());
    }
    if cx.style.verbose > 0 && !ip.fragmented() {
        put_checksum(cx, data, len, ip)?;
    }
    let kind = u8_at(data, 0)?;
    match type_name(kind) {
        Some(name) => put!(cx, "ICMP6, {name}"),
        None => put!(cx, "ICMP6, unknown icmp6 type ({kind})"),
    }
    // Of these, the length is told before their fields.
    let length_first = matches!(
        kind,
        ROUTER_SOLICITATION..=REDIRECT | HOME_AGENT_REPLY | MOBILE_PREFIX_ADVERTISEMENT
    );
    if cx.style.verbose > 0 && length_first {
        put!(cx, ", length {len}");
    }
    let whole = body(cx, data, len, kind)?;
    if whole == Body::Whole && cx.style.verbose == 0 {
        put!(cx, ", length {len}");
    }
    Ok(())
}

/// Whether the length may still be told.
#[derive(PartialEq, Eq)]
enum Body {
    Whole,
    /// A dump of the bytes, or a mark that they end too soon, ends the line.
    Ended,
}

fn body(cx: &mut Context<'_>, data: &[u8], len: usize, kind: u8) -> Result<Body, Truncated> {
    let code = u8_at(data, 1)?;
    match kind {
        DESTINATION_UNREACHABLE => return unreachable(cx, data, len, code),
        PACKET_TOO_BIG => put!(cx, ", mtu {}", u32_at(data, 4)?),
        TIME_EXCEEDED => match code {
            0 => put!(cx, " for {}", cx.host6_at(data, EMBEDDED_DESTINATION)?),
            1 => cx.put(" (reassembly)"),
            _ => put!(cx, ", unknown code ({code})"),
        },
        PARAMETER_PROBLEM => {
            if bytes_at(data, EMBEDDED_DESTINATION, 16).is_err() {
                cx.put_truncated();
                return Ok(Body::Ended);
            }
            let what = match code {
                0 => "erroneous",
                1 => "next header",
                2 => "option",
                3 => "incomplete header chain",
                _ => {
                    put!(cx, ", code-#{code}");
                    return Ok(Body::Whole);
                }
            };
            put!(cx, ", {what} - octet {}", u32_at(data, 4)?);
        }
        ECHO_REQUEST | ECHO_REPLY => {
            let (id, sequence) = (u16_at(data, 4)?, u16_at(data, 6)?);
            put!(cx, ", id {id}, seq {sequence}");
        }
        LISTENER_QUERY => mld::query(cx, data, len)?,
        LISTENER_REPORT | LISTENER_DONE => mld::v1(cx, data)?,
        LISTENER_REPORT_V2 => mld::report_v2(cx, data, len)?,
        ROUTER_SOLICITATION
        | ROUTER_ADVERTISEMENT
        | NEIGHBOR_SOLICITATION
        | NEIGHBOR_ADVERTISEMENT
        | REDIRECT
        | MOBILE_PREFIX_ADVERTISEMENT => ndp::print(cx, data, len, kind)?,
        ROUTER_RENUMBERING => renumbering::print(cx, data, code)?,
        NODE_QUERY => node_info::query(cx, data, code)?,
        NODE_REPLY => node_info::reply(cx, data, len, code)?,
        INVERSE_SOLICITATION | INVERSE_ADVERTISEMENT => {}
        HOME_AGENT_REQUEST | MOBILE_PREFIX_SOLICITATION => {
            put!(cx, ", id 0x{:04x}", u16_at(data, 4)?);
        }
        HOME_AGENT_REPLY => home_agents(cx, data, len)?,
        RPL => rpl::print(cx, data.get(4..).unwrap_or_default(), len, code)?,
        _ => {
            put!(cx, ", length {len}");
            if cx.style.verbose <= 1 {
                dump(cx, data, len);
            }
            return Ok(Body::Ended);
        }
    }
    Ok(Body::Whole)
}

/// Where the destination of the embedded IPv6 header is.
const EMBEDDED_DESTINATION: usize = 8 + 24;
/// Where its source is.
const EMBEDDED_SOURCE: usize = 8 + 8;

fn dump(cx: &mut Context<'_>, data: &[u8], len: usize) {
    phrases::hex_lines(cx, &data[..len.min(data.len())], "\n\t");
}

fn put_checksum(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    let Some(message) = data.get(..len) else {
        return Ok(());
    };
    let found = u16_at(data, 2)?;
    let sum = ip.checksum(protocol::ICMPV6, message)?;
    if sum == 0 {
        cx.put("[icmp6 sum ok] ");
    } else {
        let wanted = checksum::should_be(found, sum);
        put!(cx, "[bad icmp6 cksum 0x{found:04x} -> 0x{wanted:04x}!] ");
    }
    Ok(())
}

fn unreachable(cx: &mut Context<'_>, data: &[u8], len: usize, code: u8) -> Result<Body, Truncated> {
    let why = match code {
        0 => "unreachable route",
        1 => " unreachable prohibited",
        2 => "beyond scope",
        3 => "unreachable address",
        4 => "unreachable port",
        _ => {
            put!(cx, ", unknown unreach code ({code})");
            if cx.style.verbose <= 1 {
                dump(cx, data, len);
                return Ok(Body::Ended);
            }
            return Ok(Body::Whole);
        }
    };
    put!(cx, ", {why}");
    match code {
        2 => {
            let destination = cx.host6_at(data, EMBEDDED_DESTINATION)?;
            let source = cx.host6_at(data, EMBEDDED_SOURCE)?;
            put!(cx, " {destination}, source address {source}");
        }
        4 => {
            let embedded = data.get(8..).unwrap_or_default();
            let Ok((transport, port)) = embedded_port(embedded) else {
                cx.put_truncated();
                return Ok(Body::Ended);
            };
            let destination = cx.host6_at(data, EMBEDDED_DESTINATION)?;
            let name = match transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            let port = cx.port(port, transport);
            put!(cx, ", {destination} {name} port {port}");
        }
        _ => put!(cx, " {}", cx.host6_at(data, EMBEDDED_DESTINATION)?),
    }
    Ok(Body::Whole)
}

/// The transport and destination port of an embedded IPv6 packet, past its
/// extension headers.
fn embedded_port(packet: &[u8]) -> Result<(Transport, u16), Truncated> {
    let mut next = u8_at(packet, 6)?;
    let mut at = 40;
    loop {
        match next {
            6 => return Ok((Transport::Tcp, u16_at(packet, at + 2)?)),
            17 => return Ok((Transport::Udp, u16_at(packet, at + 2)?)),
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => {
                let len = u8_at(packet, at + 1)?;
                next = u8_at(packet, at)?;
                at += (usize::from(len) + 1) * 8;
            }
            // A fragment; only the first has the ports.
            44 => {
                if u16_at(packet, at + 2)? & 0xfff8 != 0 {
                    return Err(Truncated);
                }
                next = u8_at(packet, at)?;
                at += 8;
            }
            // Authentication.
            51 => {
                let len = u8_at(packet, at + 1)?;
                next = u8_at(packet, at)?;
                at += (usize::from(len) + 2) * 4;
            }
            _ => return Err(Truncated),
        }
    }
}

fn home_agents(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if cx.style.verbose == 0 {
        return Ok(());
    }
    put!(cx, ", id 0x{:04x}", u16_at(data, 4)?);
    for at in (8..len).step_by(16) {
        put!(cx, ", {}", cx.host6_at(data, at)?);
    }
    Ok(())
}
