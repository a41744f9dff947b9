//! ARP and reverse ARP (RFC 826, RFC 903).

use super::context::{Context, Truncated, bytes_at, put, u8_at, u16_at};
use super::numbers::{ethertype, ethertype_name};
use super::{address, arp_atm, dump};

const HEADER_LEN: usize = 8;
/// Hardware of its own address forms.
const FRAME_RELAY: u16 = 15;
const ATM: u16 = 19;

/// The addresses of an ARP packet, and what they are addresses of.
struct Packet<'a> {
    hardware: u16,
    protocol: u16,
    operation: u16,
    source_hardware: &'a [u8],
    source: &'a [u8],
    target_hardware: &'a [u8],
    target: &'a [u8],
}

/// Prints an ARP packet.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "arp";
    if bytes_at(data, 0, HEADER_LEN)?.starts_with(&ATM.to_be_bytes()) {
        return arp_atm::print(cx, data, len);
    }
    let packet = Packet::read(data)?;
    if !cx.style.link_header {
        cx.put("ARP, ");
    }
    let verbose = cx.style.verbose > 0;
    let for_ipv4 = packet.is_ipv4() && packet.source.len() == 4;
    if !for_ipv4 || packet.source_hardware.is_empty() || verbose {
        packet.put_kinds(cx);
        if !verbose {
            put!(cx, ", length {len}");
            return Ok(());
        }
        cx.put(", ");
    }
    if packet.put_operation(cx) {
        put!(cx, ", length {len}");
    } else {
        dump::hex_ascii(cx, data);
    }
    Ok(())
}

impl<'a> Packet<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Truncated> {
        let hardware_len = usize::from(u8_at(data, 4)?);
        let protocol_len = usize::from(u8_at(data, 5)?);
        let source = HEADER_LEN + hardware_len;
        let target_hardware = source + protocol_len;
        let target = target_hardware + hardware_len;
        Ok(Self {
            hardware: u16_at(data, 0)?,
            protocol: u16_at(data, 2)?,
            operation: u16_at(data, 6)?,
            source_hardware: bytes_at(data, HEADER_LEN, hardware_len)?,
            source: bytes_at(data, source, protocol_len)?,
            target_hardware: bytes_at(data, target_hardware, hardware_len)?,
            target: bytes_at(data, target, protocol_len)?,
        })
    }

    fn is_ipv4(&self) -> bool {
        matches!(self.protocol, ethertype::IPV4 | ethertype::TRAILER)
    }

    fn put_kinds(&self, cx: &mut Context<'_>) {
        match hardware_name(self.hardware) {
            Some(name) => cx.put(name),
            None => put!(cx, "Unknown Hardware ({})", self.hardware),
        }
        put!(cx, " (len {}), ", self.source_hardware.len());
        match ethertype_name(self.protocol) {
            Some(name) => cx.put(name),
            None => put!(cx, "Unknown Protocol (0x{:04x})", self.protocol),
        }
        put!(cx, " (len {})", self.source.len());
    }

    /// Prints who asks or tells what; false if the operation is not known.
    fn put_operation(&self, cx: &mut Context<'_>) -> bool {
        match operation_name(self.operation) {
            Some(name) => put!(cx, "{name} "),
            None => put!(cx, "Unknown ({}) ", self.operation),
        }
        match self.operation {
            1 => {
                cx.put("who-has ");
                self.put_host(cx, self.target);
                if self.target_hardware.iter().any(|&byte| byte != 0) {
                    cx.put(" (");
                    self.put_link(cx, self.target_hardware);
                    cx.put(")");
                }
                cx.put(" tell ");
                self.put_host(cx, self.source);
            }
            2 => {
                self.put_host(cx, self.source);
                cx.put(" is-at ");
                self.put_link(cx, self.source_hardware);
            }
            3 | 8 => {
                cx.put("who-is ");
                self.put_link(cx, self.target_hardware);
                cx.put(" tell ");
                self.put_link(cx, self.source_hardware);
            }
            4 => {
                self.put_link(cx, self.target_hardware);
                cx.put(" at ");
                self.put_host(cx, self.target);
            }
            9 => {
                self.put_link(cx, self.source_hardware);
                cx.put(" at ");
                self.put_host(cx, self.source);
            }
            _ => return false,
        }
        true
    }

    fn put_host(&self, cx: &mut Context<'_>, address: &[u8]) {
        if !self.is_ipv4() {
            cx.put("<wrong proto type>");
        } else if let Ok(address) = <[u8; 4]>::try_from(address) {
            let name = cx.host4(address);
            cx.put(&name);
        } else {
            cx.put("<wrong len>");
        }
    }

    fn put_link(&self, cx: &mut Context<'_>, address: &[u8]) {
        let text = match self.hardware {
            FRAME_RELAY if !address.is_empty() => address::frame_relay(address),
            _ => cx.link_address(address),
        };
        cx.put(&text);
    }
}

/// An operation's name.
pub(super) fn operation_name(operation: u16) -> Option<&'static str> {
    Some(match operation {
        1 => "Request",
        2 => "Reply",
        3 => "Reverse Request",
        4 => "Reverse Reply",
        8 => "Inverse Request",
        9 => "Inverse Reply",
        10 => "NACK Reply",
        _ => return None,
    })
}

/// A kind of hardware's name.
pub(super) fn hardware_name(hardware: u16) -> Option<&'static str> {
    Some(match hardware {
        1 => "Ethernet",
        6 => "TokenRing",
        7 => "ArcNet",
        15 => "FrameRelay",
        19 => "ATM",
        23 => "Strip",
        24 => "IEEE 1394",
        32 => "InfiniBand",
        _ => return None,
    })
}
