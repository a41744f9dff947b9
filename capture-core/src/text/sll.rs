//! Linux cooked captures, versions 1 and 2
//! (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>).

use super::context::{Context, Truncated, array_at, put, u8_at, u16_at, u32_at};
use super::numbers::{ethertype, ethertype_name};
use super::{dump, ether, llc};
use crate::Interface;

const HEADER_LEN: usize = 16;
const HEADER2_LEN: usize = 20;
const TAG_LEN: usize = 4;
const ETHER_LEN: u16 = 6;
/// Not an Ethernet type: Novell's raw 802.3 frames.
const RAW_802_3: u16 = 1;
/// Not an Ethernet type: an LLC header follows.
const LLC: u16 = 4;

/// What both versions of the header say.
struct Header {
    version: u8,
    kind: u16,
    packet_type: u16,
    interface: u32,
    /// The sender's address, if it is an Ethernet one.
    address: Option<[u8; 6]>,
    len: usize,
}

/// Prints a frame of a cooked capture, and gives the length of its header.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<usize, Truncated> {
    cx.protocol = "sll";
    if data.len() < HEADER_LEN {
        return Err(Truncated);
    }
    let header = Header {
        version: 1,
        packet_type: u16_at(data, 0)?,
        interface: 0,
        address: match u16_at(data, 4)? {
            ETHER_LEN => Some(array_at(data, 6)?),
            _ => None,
        },
        kind: u16_at(data, 14)?,
        len: HEADER_LEN,
    };
    header.print(cx, data, len)
}

/// Prints a frame of a cooked capture of version 2, and gives the length of
/// its header.
pub(super) fn print2(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    interface: &Interface,
) -> Result<usize, Truncated> {
    cx.protocol = "sll2";
    if data.len() < HEADER2_LEN {
        return Err(Truncated);
    }
    let header = Header {
        version: 2,
        kind: u16_at(data, 0)?,
        interface: u32_at(data, 4)?,
        packet_type: u16::from(u8_at(data, 10)?),
        address: match u16::from(u8_at(data, 11)?) {
            ETHER_LEN => Some(array_at(data, 12)?),
            _ => None,
        },
        len: HEADER2_LEN,
    };
    let name = match cx.style.interface {
        true => Some(interface.full_name()),
        false => cx.names.interface(header.interface),
    };
    put!(cx, "{:<5} ", name.as_deref().unwrap_or("?"));
    put!(cx, "{:<3} ", packet_type_name(header.packet_type));
    header.print(cx, data, len)
}

impl Header {
    fn print(&self, cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<usize, Truncated> {
        if cx.style.link_header {
            self.put(cx, len);
        }
        let mut header_len = self.len;
        let mut kind = self.kind;
        while kind == ethertype::VLAN {
            if data.len() - header_len < TAG_LEN {
                cx.protocol = "vlan";
                cx.put_truncated();
                return Ok(data.len());
            }
            if cx.style.link_header {
                ether::put_tag(cx, u16_at(data, header_len)?);
            }
            kind = u16_at(data, header_len + 2)?;
            if kind <= ethertype::MAX_LENGTH {
                kind = LLC;
            }
            if !cx.style.quiet {
                let name = ethertype_name(kind).unwrap_or("Unknown");
                put!(cx, "ethertype {name}, ");
            }
            header_len += TAG_LEN;
        }
        let payload = data.get(header_len..).unwrap_or_default();
        let payload_len = len - header_len;
        if kind == LLC {
            let printed = llc::print(cx, payload, payload_len, None)?;
            if printed.known {
                header_len += printed.header_len;
            } else {
                dump::unknown(cx, payload);
            }
        } else if kind <= ethertype::MAX_LENGTH {
            dump::unknown(cx, payload);
        } else if !ether::typed(cx, kind, payload, payload_len)? {
            if !cx.style.link_header {
                self.put(cx, payload_len + self.len);
            }
            dump::unknown(cx, payload);
        }
        Ok(header_len)
    }

    fn put(&self, cx: &mut Context<'_>, len: usize) {
        match self.version {
            1 => {
                cx.protocol = "sll";
                put!(cx, "{:>3} ", packet_type_name(self.packet_type));
            }
            _ => {
                cx.protocol = "sll2";
                put!(cx, "ifindex {} ", self.interface);
            }
        }
        if let Some(address) = self.address {
            let address = cx.ether(address);
            put!(cx, "{address} ");
        }
        if cx.style.quiet {
            return;
        }
        let kind = self.kind;
        match kind {
            RAW_802_3 => cx.put("802.3"),
            LLC => cx.put("802.2"),
            _ => {
                let name = match kind > ethertype::MAX_LENGTH {
                    true => ethertype_name(kind),
                    false => None,
                };
                put!(cx, "ethertype {} (0x{kind:04x})", name.unwrap_or("Unknown"));
            }
        }
        put!(cx, ", length {len}: ");
    }
}

fn packet_type_name(packet_type: u16) -> &'static str {
    match packet_type {
        0 => "In",
        1 => "B",
        2 => "M",
        3 => "P",
        4 => "Out",
        _ => "?",
    }
}
