//! ICMP for IPv4 (RFC 792, RFC 1256, RFC 4884).

use super::context::{Context, Transport, Truncated, bytes_at, put, u8_at, u16_at, u32_at};
use super::numbers::protocol;
use super::{checksum, dump, ip, payload};
use std::fmt::Write as _;

const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
/// Where the packet that an error is about begins.
const INNER: usize = 8;
/// Where the destination of that packet is.
const INNER_DESTINATION: usize = INNER + 16;
/// Where extensions begin.
const EXTENSION: usize = 136;
/// tcpdump puts its words together in a buffer of this many bytes.
const MAX_WORDS: usize = 163;

/// How the words of a message came to their end.
enum Words {
    /// They are from a list.
    Fixed(&'static str),
    /// They were made, and are cut where they get too long.
    Made(String),
    /// The message ended before its fields did, and nothing is said of it.
    Short,
}

/// Prints an ICMP message. `fragmented` says that it has no checksum of its
/// own.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    fragmented: bool,
) -> Result<(), Truncated> {
    cx.protocol = "icmp";
    let kind = u8_at(data, 0)?;
    let code = u8_at(data, 1)?;
    match words(cx, data, kind, code)? {
        Words::Fixed(words) => put!(cx, "ICMP {words}"),
        Words::Made(words) => {
            let mut end = words.len().min(MAX_WORDS);
            while !words.is_char_boundary(end) {
                end -= 1;
            }
            put!(cx, "ICMP {}", words.get(..end).unwrap_or_default());
        }
        Words::Short => {
            cx.put_truncated();
            return Ok(());
        }
    }
    put!(cx, ", length {len}");
    if cx.style.verbose == 0 {
        return Ok(());
    }
    if !fragmented && let Some(message) = payload::whole(data, len) {
        let sum = checksum::of(&[message]);
        if sum != 0 {
            let field = u16_at(data, 2)?;
            let right = checksum::should_be(field, sum);
            put!(cx, " (wrong icmp cksum {field:x} (->{right:x})!)");
        }
    }
    let is_error = matches!(
        kind,
        UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
    );
    if is_error {
        cx.put("\n\t");
        let total = usize::from(u16_at(data, INNER + 2)?);
        let inner = data.get(INNER..).unwrap_or_default();
        let inner = inner.get(..total).unwrap_or(inner);
        // A packet too short to hold its own length ends the line.
        u16_at(inner, 2)?;
        ip::print(cx, inner, total)?;
    }
    cx.protocol = "icmp";
    let may_extend = matches!(kind, UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM);
    if may_extend && len > EXTENSION {
        print_extensions(cx, data, len)?;
    }
    Ok(())
}

fn words(cx: &mut Context<'_>, data: &[u8], kind: u8, code: u8) -> Result<Words, Truncated> {
    Ok(match kind {
        0 | 8 => Words::Made(format!(
            "echo {}, id {}, seq {}",
            if kind == 8 { "request" } else { "reply" },
            u16_at(data, 4)?,
            u16_at(data, 6)?
        )),
        UNREACHABLE => return unreachable(cx, data, code),
        SOURCE_QUENCH => Words::Fixed("source quench"),
        REDIRECT => Words::Made(redirect(cx, data, code)?),
        9 => return advertisement(cx, data),
        10 => Words::Fixed("router solicitation"),
        TIME_EXCEEDED if bytes_at(data, INNER_DESTINATION, 4).is_err() => Words::Short,
        TIME_EXCEEDED => match code {
            0 => Words::Fixed("time exceeded in-transit"),
            1 => Words::Fixed("ip reassembly time exceeded"),
            _ => Words::Made(format!("time exceeded-#{code}")),
        },
        PARAMETER_PROBLEM => Words::Made(match code {
            0 => format!("parameter problem - octet {}", u8_at(data, 4)?),
            _ => format!("parameter problem - code {code}"),
        }),
        13 => Words::Made(format!(
            "time stamp query id {} seq {}",
            u16_at(data, 4)?,
            u16_at(data, 6)?
        )),
        14 if bytes_at(data, 16, 4).is_err() => Words::Short,
        14 => Words::Made(format!(
            "time stamp reply id {} seq {}: org {}, recv {}, xmit {}",
            u16_at(data, 4)?,
            u16_at(data, 6)?,
            time_of_day(u32_at(data, 8)?),
            time_of_day(u32_at(data, 12)?),
            time_of_day(u32_at(data, 16)?)
        )),
        15 => Words::Fixed("information request"),
        16 => Words::Fixed("information reply"),
        17 => Words::Fixed("address mask request"),
        18 => Words::Made(format!("address mask is 0x{:08x}", u32_at(data, 8)?)),
        _ => Words::Made(format!("type-#{kind}")),
    })
}

/// Milliseconds since midnight.
fn time_of_day(ms: u32) -> String {
    let seconds = ms / 1_000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        ms % 1_000
    )
}

fn unreachable(cx: &mut Context<'_>, data: &[u8], code: u8) -> Result<Words, Truncated> {
    if code == 3 {
        return port_unreachable(cx, data);
    }
    let mtu = match code {
        4 => u16_at(data, 6)?,
        _ => 0,
    };
    let host = cx.host4_at(data, INNER_DESTINATION)?;
    Ok(Words::Made(match code {
        0 => format!("net {host} unreachable"),
        1 => format!("host {host} unreachable"),
        2 => format!("{host} protocol {} unreachable", u8_at(data, INNER + 9)?),
        4 if mtu != 0 => format!("{host} unreachable - need to frag (mtu {mtu})"),
        4 => format!("{host} unreachable - need to frag"),
        5 => format!("{host} unreachable - source route failed"),
        6 => format!("net {host} unreachable - unknown"),
        7 => format!("host {host} unreachable - unknown"),
        8 => format!("{host} unreachable - source host isolated"),
        9 => format!("net {host} unreachable - admin prohibited"),
        10 => format!("host {host} unreachable - admin prohibited"),
        11 => format!("net {host} unreachable - tos prohibited"),
        12 => format!("host {host} unreachable - tos prohibited"),
        13 => format!("host {host} unreachable - admin prohibited filter"),
        14 => format!("host {host} unreachable - host precedence violation"),
        15 => format!("host {host} unreachable - precedence cutoff"),
        _ => format!("{host} unreachable - #{code}"),
    }))
}

fn port_unreachable(cx: &mut Context<'_>, data: &[u8]) -> Result<Words, Truncated> {
    let Ok(next) = u8_at(data, INNER + 9) else {
        return Ok(Words::Short);
    };
    let header_len = usize::from(u8_at(data, INNER)? & 0xf) * 4;
    let number = u16_at(data, INNER + header_len + 2)?;
    let transport = match next {
        protocol::TCP => Some(("tcp", Transport::Tcp)),
        protocol::UDP => Some(("udp", Transport::Udp)),
        _ => None,
    };
    let host = cx.host4_at(data, INNER_DESTINATION)?;
    Ok(Words::Made(match transport {
        Some((name, transport)) => {
            let port = cx.port(number, transport);
            format!("{host} {name} port {port} unreachable")
        }
        None => format!("{host} protocol {next} port {number} unreachable"),
    }))
}

fn redirect(cx: &mut Context<'_>, data: &[u8], code: u8) -> Result<String, Truncated> {
    let host = cx.host4_at(data, INNER_DESTINATION)?;
    let gateway = cx.host4_at(data, 4)?;
    Ok(match code {
        0 => format!("redirect {host} to net {gateway}"),
        1 => format!("redirect {host} to host {gateway}"),
        2 => format!("redirect-tos {host} to net {gateway}"),
        3 => format!("redirect-tos {host} to host {gateway}"),
        _ => format!("redirect-#{code} {host} to {gateway}"),
    })
}

fn advertisement(cx: &mut Context<'_>, data: &[u8]) -> Result<Words, Truncated> {
    if bytes_at(data, 4, 4).is_err() {
        return Ok(Words::Short);
    }
    let lifetime = u16_at(data, 6)?;
    let (hours, minutes, seconds) = (lifetime / 3_600, lifetime / 60 % 60, lifetime % 60);
    let mut words = String::from("router advertisement lifetime ");
    let _ = match lifetime {
        0..60 => write!(words, "{seconds}"),
        60..3_600 => write!(words, "{minutes}:{seconds:02}"),
        _ => write!(words, "{hours}:{minutes:02}:{seconds:02}"),
    };
    let count = u8_at(data, 4)?;
    let _ = write!(words, " {count}:");
    let size = u8_at(data, 5)?;
    if size != 2 {
        let _ = write!(words, " [size {size}]");
        return Ok(Words::Made(words));
    }
    for i in 0..usize::from(count) {
        let at = 8 + i * 8;
        if bytes_at(data, at, 8).is_err() {
            return Ok(Words::Short);
        }
        let host = cx.host4_at(data, at)?;
        let _ = write!(words, " {{{host} {}}}", u32_at(data, at + 4)?);
    }
    Ok(Words::Made(words))
}

/// Prints what follows the packet that an error is about (RFC 4884).
fn print_extensions(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if bytes_at(data, 0, EXTENSION + 5).is_err() {
        cx.put_truncated();
        return Ok(());
    }
    let extension = data.get(EXTENSION..).unwrap_or_default();
    let mut left = len - EXTENSION;
    let sum = payload::whole(extension, left).map(|it| checksum::of(&[it]));
    // Some senders do not tell the length; a right checksum tells as much.
    if u8_at(data, 5)? == 0 && sum.is_some_and(|sum| sum != 0) {
        return Ok(());
    }
    let version = u8_at(extension, 0)? >> 4;
    put!(cx, "\n\tICMP Multi-Part extension v{version}");
    if version != 2 {
        cx.put(" packet not supported");
        return Ok(());
    }
    if let Some(sum) = sum {
        let verdict = if sum == 0 { "correct" } else { "incorrect" };
        put!(
            cx,
            ", checksum 0x{:04x} ({verdict}), length {left}",
            u16_at(extension, 2)?
        );
    }
    // tcpdump's lengths have 32 bits and may pass below zero.
    left = (left as u32).wrapping_sub(4) as usize;
    let mut at = 4;
    while left > 4 {
        let Ok(object_len) = u16_at(extension, at) else {
            cx.put_truncated();
            return Ok(());
        };
        if bytes_at(extension, at, 4).is_err() {
            cx.put_truncated();
            return Ok(());
        }
        let class = u8_at(extension, at + 2)?;
        let kind = u8_at(extension, at + 3)?;
        at += 4;
        left -= 4;
        let name = match class {
            1 => "MPLS Stack Entry",
            2 => "Interface Identification",
            _ => "unknown",
        };
        put!(
            cx,
            "\n\t  {name} Object ({class}), Class-Type: {kind}, length {object_len}"
        );
        let Some(object_len) = usize::from(object_len).checked_sub(4) else {
            return Ok(());
        };
        if class == 0 {
            return Ok(());
        }
        if (class, kind) == (1, 1) {
            put_label(cx, u32_at(extension, at)?);
        } else {
            put_object(cx, extension, at, object_len);
        }
        if left < object_len {
            break;
        }
        left -= object_len;
        at += object_len;
    }
    Ok(())
}

fn put_label(cx: &mut Context<'_>, entry: u32) {
    put!(cx, "\n\t    label {}, tc {}", entry >> 12, entry >> 9 & 7);
    if entry & 0x100 != 0 {
        cx.put(", [S]");
    }
    put!(cx, ", ttl {}", entry & 0xff);
}

fn put_object(cx: &mut Context<'_>, extension: &[u8], at: usize, len: usize) {
    const INDENT: &str = "\n\t    ";
    match extension.get(at..) {
        Some(object) => dump::hex(cx, INDENT, object.get(..len).unwrap_or(object)),
        None => {
            cx.put(INDENT);
            cx.put("Dissector error: print_unknown_data called with pointer past end of packet");
        }
    }
}
