//! TCP (RFC 9293), with sequence numbers relative to the first ones seen.

use super::context::{Context, Transport, Truncated, put, u8_at, u16_at, u32_at};
use super::numbers::protocol;
use super::payload::{self, Ip};
use super::{checksum, ports, tcp_options};
use std::collections::{HashMap, VecDeque};

/// Length of the header without options.
pub(super) const HEADER_LEN: usize = 20;
/// Conversations remembered at once; older ones begin anew.
const MAX_FLOWS: usize = 65_536;
/// Most bytes of a reset's reason that are shown.
const MAX_REASON: usize = 30;

const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;
const URG: u8 = 0x20;

/// The first sequence numbers of both sides of each conversation.
#[derive(Default)]
pub(crate) struct Flows {
    first: HashMap<FlowKey, Origin>,
    /// In the order in which they were first seen.
    order: VecDeque<FlowKey>,
}

/// A conversation, the same in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct FlowKey {
    version: u8,
    addresses: [[u8; 16]; 2],
    ports: [u16; 2],
}

/// Where the sequence numbers of a conversation begin: those of the side that
/// the key has first, and those of the other.
#[derive(Clone, Copy, Default)]
struct Origin {
    near: u32,
    far: u32,
}

impl Flows {
    fn set(&mut self, key: FlowKey, origin: Origin) {
        if self.first.insert(key, origin).is_none() {
            self.order.push_back(key);
            if self.order.len() > MAX_FLOWS
                && let Some(oldest) = self.order.pop_front()
            {
                self.first.remove(&oldest);
            }
        }
    }
}

/// A segment's header.
pub(super) struct Segment<'a> {
    /// The segment from its header on, as far as it was captured.
    pub data: &'a [u8],
    pub source: u16,
    pub destination: u16,
    pub flags: u8,
    /// Length of the header in bytes.
    pub header_len: usize,
    /// Bytes of payload.
    pub payload_len: usize,
    /// What selective acknowledgements count from.
    pub sack_origin: u32,
}

/// Prints a segment.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    cx.protocol = "tcp";
    let (Ok(source), Ok(destination)) = (u16_at(data, 0), u16_at(data, 2)) else {
        let (from, to) = ip.hosts(cx)?;
        put!(cx, "{from} > {to}:");
        cx.put_truncated();
        return Ok(());
    };
    put_endpoints(cx, source, destination, ip)?;
    if data.len() < HEADER_LEN {
        cx.put_truncated();
        return Ok(());
    }
    let header_len = usize::from(u8_at(data, 12)? >> 4) * 4;
    let rest_len = (len as u32).wrapping_sub(header_len as u32);
    if header_len < HEADER_LEN {
        put!(
            cx,
            " tcp {rest_len} [bad hdr length {header_len} - too short, < {HEADER_LEN}]"
        );
        return Ok(());
    }
    let too_long = header_len > len;
    if cx.style.quiet {
        put!(cx, "tcp {rest_len}");
        if too_long {
            put!(cx, " [bad hdr length {header_len} - too long, > {len}]");
        }
        return Ok(());
    }
    let mut segment = Segment {
        data,
        source,
        destination,
        flags: u8_at(data, 13)?,
        header_len,
        payload_len: rest_len as usize,
        sack_origin: 0,
    };
    segment.put_flags(cx);
    let numbers = segment.numbers(cx, ip)?;
    if too_long {
        put!(cx, " [bad hdr length {header_len} - too long, > {len}]");
        return Ok(());
    }
    put_checksum(cx, data, len, ip)?;
    segment.put_numbers(cx, numbers)?;
    if header_len > HEADER_LEN && !tcp_options::print(cx, &segment)? {
        return Ok(());
    }
    put!(cx, ", length {}", segment.payload_len);
    if segment.payload_len == 0 {
        return Ok(());
    }
    segment.put_payload(cx)
}

fn put_endpoints(
    cx: &mut Context<'_>,
    source: u16,
    destination: u16,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    let source = cx.port(source, Transport::Tcp);
    let destination = cx.port(destination, Transport::Tcp);
    if ip.next()? == protocol::TCP {
        let (from, to) = ip.hosts(cx)?;
        put!(cx, "{from}.{source} > {to}.{destination}: ");
    } else {
        put!(cx, "{source} > {destination}: ");
    }
    Ok(())
}

/// Prints a verdict on the checksum, where the whole segment was captured.
fn put_checksum(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    if cx.style.verbose == 0 || cx.style.no_checksums || ip.fragmented() {
        return Ok(());
    }
    let Some(segment) = payload::whole(data, len) else {
        return Ok(());
    };
    let sum = ip.checksum(protocol::TCP, segment)?;
    let field = u16_at(data, 16)?;
    put!(cx, ", cksum 0x{field:04x}");
    match sum {
        0 => cx.put(" (correct)"),
        _ => put!(
            cx,
            " (incorrect -> 0x{:04x})",
            checksum::should_be(field, sum)
        ),
    }
    Ok(())
}

impl Segment<'_> {
    fn put_flags(&self, cx: &mut Context<'_>) {
        cx.put("Flags [");
        for (i, letter) in "FSRP.UEW".chars().enumerate() {
            if self.flags & 1 << i != 0 {
                cx.out.push(letter);
            }
        }
        cx.put(if self.flags == 0 { "none]" } else { "]" });
    }

    /// The sequence and acknowledgement numbers as they are to be shown. They
    /// are relative from a conversation's second segment on.
    fn numbers(&mut self, cx: &mut Context<'_>, ip: Ip<'_>) -> Result<(u32, u32), Truncated> {
        let seq = u32_at(self.data, 4)?;
        let ack = u32_at(self.data, 8)?;
        if cx.style.absolute_seq || self.flags & ACK == 0 {
            return Ok((seq, ack));
        }
        let mut addresses = ip.addresses()?;
        let mut ports = [self.source, self.destination];
        let reverse = (ports[0], addresses[0]) > (ports[1], addresses[1]);
        if reverse {
            addresses.reverse();
            ports.reverse();
        }
        let key = FlowKey {
            version: ip.version(),
            addresses,
            ports,
        };
        let known = cx
            .flows
            .as_deref()
            .and_then(|flows| flows.first.get(&key).copied())
            .filter(|_| self.flags & SYN == 0);
        let begin = ack.wrapping_sub(1);
        let origin = known.unwrap_or(match reverse {
            true => Origin {
                near: begin,
                far: seq,
            },
            false => Origin {
                near: seq,
                far: begin,
            },
        });
        if known.is_none()
            && let Some(flows) = &mut cx.flows
        {
            flows.set(key, origin);
        }
        let (own, other) = match reverse {
            true => (origin.far, origin.near),
            false => (origin.near, origin.far),
        };
        self.sack_origin = other;
        Ok(match known {
            Some(_) => (seq.wrapping_sub(own), ack.wrapping_sub(other)),
            None => (seq, ack),
        })
    }

    fn put_numbers(&self, cx: &mut Context<'_>, (seq, ack): (u32, u32)) -> Result<(), Truncated> {
        let len = self.payload_len;
        if cx.style.verbose > 1 || len > 0 || self.flags & (SYN | FIN | RST) != 0 {
            put!(cx, ", seq {seq}");
            if len > 0 {
                put!(cx, ":{}", seq.wrapping_add(len as u32));
            }
        }
        if self.flags & ACK != 0 {
            put!(cx, ", ack {ack}");
        }
        put!(cx, ", win {}", u16_at(self.data, 14)?);
        if self.flags & URG != 0 {
            put!(cx, ", urg {}", u16_at(self.data, 18)?);
        }
        Ok(())
    }

    /// Prints the payload by its port, where one is known.
    fn put_payload(&self, cx: &mut Context<'_>) -> Result<(), Truncated> {
        let Some(payload) = self.data.get(self.header_len..) else {
            let captured = self.data.len();
            put!(
                cx,
                " [remaining caplen({captured}) < header length({})]",
                self.header_len
            );
            return Err(Truncated);
        };
        if self.flags & RST != 0 && cx.style.verbose > 0 {
            put_reason(cx, payload, self.payload_len);
            return Ok(());
        }
        ports::tcp(cx, self.source, self.destination, payload, self.payload_len)
    }
}

/// Prints the text that may come with a reset (RFC 1122, section 4.2.2.12).
fn put_reason(cx: &mut Context<'_>, payload: &[u8], len: usize) {
    let whole = payload::whole(payload, len).is_some();
    cx.put(if whole { " [RST" } else { " [!RST" });
    if len > MAX_REASON {
        cx.put("+");
    }
    cx.put(" ");
    for &byte in payload.iter().take(len.min(MAX_REASON)) {
        let low = byte & 0x7f;
        if byte != low {
            cx.put("M-");
        }
        if (0x20..0x7f).contains(&low) {
            cx.out.push(char::from(low));
        } else {
            cx.put("^");
            cx.out.push(char::from(low ^ 0x40));
        }
    }
    cx.put("]");
}
