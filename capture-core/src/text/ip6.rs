//! IPv6 (RFC 8200), and the way through its extension headers.

use super::context::{Context, Truncated, array_at, bytes_at, put, u8_at, u16_at, u32_at};
use super::ip6_headers::{self, Jumbo};
use super::mobility;
use super::numbers::{protocol, protocol_name};
use super::payload::{self, Ip};

pub(super) const HEADER_LEN: usize = 40;
/// No header has been seen yet.
const NONE: u8 = 255;

/// Prints an IPv6 packet.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "ip6";
    cx.nest(|cx| print_packet(cx, data, len))
}

fn print_packet(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    if data.len() < HEADER_LEN {
        cx.put_truncated();
        return Ok(());
    }
    if len < HEADER_LEN {
        put!(cx, "truncated-ip6 {len}");
        return Ok(());
    }
    if !cx.style.link_header {
        cx.put("IP6 ");
    }
    let flow = u32_at(data, 0)?;
    if flow >> 28 != 6 {
        put!(cx, "version error: {} != 6", flow >> 28);
        return Ok(());
    }
    let payload_len = usize::from(u16_at(data, 4)?);
    // A length of zero may mean one in a hop-by-hop option: until that has
    // been found, the packet is all there is.
    let total = match payload_len {
        0 => len + HEADER_LEN,
        _ => payload_len + HEADER_LEN,
    };
    if payload_len != 0 && len < total {
        put!(cx, "truncated-ip6 - {} bytes missing!", total - len);
    }
    let next = u8_at(data, 6)?;
    if cx.style.verbose > 0 {
        cx.put("(");
        let class = flow >> 20 & 0xff;
        if class != 0 {
            put!(cx, "class 0x{class:02x}, ");
        }
        let label = flow & 0xf_ffff;
        if label != 0 {
            put!(cx, "flowlabel 0x{label:05x}, ");
        }
        put!(
            cx,
            "hlim {}, next-header {} ",
            u8_at(data, 7)?,
            protocol_name(next)
        );
        put!(cx, "({next}) payload length: {payload_len}) ");
    }
    let mut chain = Chain {
        all: data,
        packet: data.get(..total).unwrap_or(data),
        len,
        remaining: total,
        at: 0,
        next,
        jumbo: Jumbo::new(payload_len as u32),
        fragmented: false,
        extended: false,
    };
    match chain.print(cx)? {
        Step::Done => {}
        Step::TooShort => cx.put_truncated(),
    }
    Ok(())
}

/// How printing the headers of a packet ended.
enum Step {
    /// All that can be said was said.
    Done,
    /// The lengths do not fit together.
    TooShort,
}

/// A packet and how far its headers have been printed.
struct Chain<'a> {
    /// What was captured from the IPv6 header on.
    all: &'a [u8],
    /// The same up to the packet's own end.
    packet: &'a [u8],
    /// Bytes on the wire from the IPv6 header on.
    len: usize,
    /// Bytes from `at` to the packet's end, by its own account.
    remaining: usize,
    at: usize,
    /// What comes next at `at`.
    next: u8,
    jumbo: Jumbo,
    fragmented: bool,
    extended: bool,
}

impl Chain<'_> {
    fn print(&mut self, cx: &mut Context<'_>) -> Result<Step, Truncated> {
        let mut previous = NONE;
        let mut hop_by_hop_seen = false;
        let mut advance = HEADER_LEN;
        while self.at < self.packet.len() && advance > 0 {
            let Some(remaining) = self.remaining.checked_sub(advance) else {
                return Ok(Step::TooShort);
            };
            self.remaining = remaining;
            self.at += advance;
            if self.at == HEADER_LEN && !payload::shows_addresses(self.next) {
                let (source, destination) = Ip::new(self.packet, false).hosts(cx)?;
                put!(cx, "{source} > {destination}: ");
            }
            let next = self.next;
            if next == protocol::HOP_BY_HOP {
                let complaint = match (hop_by_hop_seen, previous) {
                    (true, _) => Some("[The Hop-by-Hop Options header was already found]"),
                    (false, NONE) => None,
                    (false, _) => {
                        Some("[The Hop-by-Hop Options header don't follow the IPv6 header]")
                    }
                };
                if let Some(complaint) = complaint {
                    cx.put(complaint);
                    cx.put_invalid();
                    return Ok(Step::Done);
                }
                hop_by_hop_seen = true;
            }
            match self.print_header(cx)? {
                Some(header_len) => advance = header_len,
                None if self.is_extension(next) => return Ok(Step::Done),
                None => return self.print_payload(cx),
            }
            previous = next;
            cx.protocol = "ip6";
        }
        Ok(Step::Done)
    }

    fn is_extension(&self, next: u8) -> bool {
        matches!(
            next,
            protocol::HOP_BY_HOP
                | protocol::DESTINATION_OPTIONS
                | protocol::FRAGMENT
                | protocol::MOBILITY
                | protocol::MOBILITY_OLD
                | protocol::ROUTING
        )
    }

    /// Prints an extension header, and gives its length; none if printing ends
    /// with it, or it is not one.
    fn print_header(&mut self, cx: &mut Context<'_>) -> Result<Option<usize>, Truncated> {
        let data = self.packet.get(self.at..).unwrap_or_default();
        let header_len = match self.next {
            protocol::HOP_BY_HOP => {
                let header_len = ip6_headers::hop_by_hop(cx, data, &mut self.jumbo)?;
                if self.jumbo.payload_len == 0 && !self.jumbo.found {
                    cx.put("[No valid Jumbo Payload Hop-by-Hop option found]");
                    cx.put_invalid();
                    return Ok(None);
                }
                header_len
            }
            protocol::DESTINATION_OPTIONS => ip6_headers::destination_options(cx, data)?,
            protocol::FRAGMENT => {
                self.fragmented = true;
                ip6_headers::fragment(cx, data, u16_at(self.packet, 4)?, self.at)?
                    .filter(|header_len| self.at + header_len < self.packet.len())
            }
            protocol::MOBILITY | protocol::MOBILITY_OLD => {
                mobility::print(cx, data)?;
                None
            }
            protocol::ROUTING => {
                if data.is_empty() {
                    cx.put_truncated();
                    None
                } else {
                    ip6_headers::routing(cx, data)?
                }
            }
            _ => None,
        };
        if header_len.is_some() {
            self.extended = true;
            self.next = u8_at(data, 0)?;
        }
        Ok(header_len)
    }

    fn print_payload(&mut self, cx: &mut Context<'_>) -> Result<Step, Truncated> {
        let mut len = self.remaining;
        let mut packet = self.packet;
        if self.jumbo.found {
            let total = self.jumbo.payload_len as usize + HEADER_LEN;
            let Some(rest) = total.checked_sub(self.at) else {
                return Ok(Step::TooShort);
            };
            if self.len < total {
                put!(cx, "truncated-ip6 - {} bytes missing!", total - self.len);
            }
            packet = self.all.get(..total).unwrap_or(packet);
            len = rest;
        } else if self.jumbo.payload_len == 0 {
            if self.extended {
                return Ok(Step::TooShort);
            }
            packet = self.all.get(..HEADER_LEN).unwrap_or(packet);
            len = 0;
        }
        let data = packet.get(self.at..).unwrap_or_default();
        payload::print(cx, self.next, data, len, Ip::new(packet, self.fragmented))?;
        Ok(Step::Done)
    }
}

/// Where a packet is going in the end: the last address of its routing header,
/// or its destination.
pub(super) fn final_destination(packet: &[u8]) -> Result<[u8; 16], Truncated> {
    let mut destination = array_at(packet, 24)?;
    let mut next = u8_at(packet, 6)?;
    let mut at = HEADER_LEN;
    let mut begin = 0;
    while begin < packet.len() {
        let header_len = match next {
            protocol::HOP_BY_HOP
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY_OLD
            | protocol::MOBILITY => (usize::from(u8_at(packet, at + 1)?) + 1) * 8,
            protocol::FRAGMENT => 8,
            protocol::ROUTING => {
                if bytes_at(packet, at, 4).is_ok() {
                    ip6_headers::last_hop(packet, at, &mut destination)?;
                }
                break;
            }
            _ => break,
        };
        next = u8_at(packet, at)?;
        begin = at;
        at += header_len;
    }
    Ok(destination)
}
