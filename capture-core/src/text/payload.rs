//! What an IP packet carries: the way from a protocol number to its printer,
//! and what a transport protocol needs of the IP header before it.

use super::context::{Context, Truncated, array_at, bytes_at, put, u8_at};
use super::numbers::{database_name, protocol, protocol_name};
use super::{checksum, ether, icmp, icmp6, igmp, ip, ip6, ipsec, tcp, tunnel, udp, vrrp};

/// An IP header: the packet from it on, as far as it was captured. Who makes
/// one has seen that the fixed header is there.
#[derive(Clone, Copy)]
pub(super) struct Ip<'a> {
    packet: &'a [u8],
    fragmented: bool,
}

impl<'a> Ip<'a> {
    pub(super) fn new(packet: &'a [u8], fragmented: bool) -> Self {
        Self { packet, fragmented }
    }

    /// Whether this is a part of what was sent, so that it has no checksum.
    pub(super) fn fragmented(self) -> bool {
        self.fragmented
    }

    /// 4 or 6.
    pub(super) fn version(self) -> u8 {
        self.packet.first().map_or(0, |byte| byte >> 4)
    }

    /// The protocol that the fixed header names, which may not be the one that
    /// is being printed.
    pub(super) fn next(self) -> Result<u8, Truncated> {
        u8_at(self.packet, if self.version() == 6 { 6 } else { 9 })
    }

    /// Hops that are left.
    pub(super) fn hops(self) -> Result<u8, Truncated> {
        u8_at(self.packet, if self.version() == 6 { 7 } else { 8 })
    }

    /// Both addresses, as text.
    pub(super) fn hosts(self, cx: &mut Context<'_>) -> Result<(String, String), Truncated> {
        Ok(match self.version() {
            6 => (cx.host6_at(self.packet, 8)?, cx.host6_at(self.packet, 24)?),
            _ => (cx.host4_at(self.packet, 12)?, cx.host4_at(self.packet, 16)?),
        })
    }

    /// Both addresses in 16 bytes each, for comparison.
    pub(super) fn addresses(self) -> Result<[[u8; 16]; 2], Truncated> {
        let wide = |address: [u8; 4]| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address);
            bytes
        };
        Ok(match self.version() {
            6 => [array_at(self.packet, 8)?, array_at(self.packet, 24)?],
            _ => [
                wide(array_at(self.packet, 12)?),
                wide(array_at(self.packet, 16)?),
            ],
        })
    }

    /// The checksum over a payload and the pseudo-header; 0 if it is right.
    pub(super) fn checksum(self, next: u8, payload: &[u8]) -> Result<u16, Truncated> {
        let packet = self.packet;
        Ok(match self.version() {
            6 => {
                let source = array_at(packet, 8)?;
                let destination = ip6::final_destination(packet)?;
                checksum::with_ipv6(source, destination, next, payload)
            }
            _ => {
                let source = array_at(packet, 12)?;
                let destination = ip::final_destination(packet)?;
                checksum::with_ipv4(source, destination, next, payload)
            }
        })
    }
}

/// Whether a protocol's printer shows the addresses itself, with its ports.
pub(super) fn shows_addresses(next: u8) -> bool {
    matches!(
        next,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::DCCP
    )
}

/// Prints what an IP packet carries.
pub(super) fn print(
    cx: &mut Context<'_>,
    mut next: u8,
    mut data: &[u8],
    mut len: usize,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    while next == protocol::AH {
        let Some(&after) = data.first() else {
            cx.protocol = "ah";
            cx.put_truncated();
            return Ok(());
        };
        let header_len = ipsec::print_ah(cx, data)?;
        next = after;
        data = data.get(header_len..).unwrap_or_default();
        // A header longer than its packet leaves a length below zero, which
        // tcpdump takes for a large one.
        len = (len as u32).wrapping_sub(header_len as u32) as usize;
    }
    match (next, ip.version()) {
        (protocol::TCP, _) => tcp::print(cx, data, len, ip),
        (protocol::UDP, _) => udp::print(cx, data, len, ip),
        (protocol::ICMP, 4) => icmp::print(cx, data, len, ip.fragmented),
        (protocol::ICMPV6, 6) => icmp6::print(cx, data, len, ip),
        (protocol::IGMP, 4) => igmp::print(cx, data, len),
        (protocol::ESP, _) => ipsec::print_esp(cx, data, len),
        (protocol::GRE, _) => tunnel::gre(cx, data, len),
        (protocol::VRRP, _) => vrrp::print(cx, data, len, ip),
        (protocol::IPCOMP, _) => ipsec::print_ipcomp(cx, data),
        (protocol::IPV4, _) => ip::print(cx, data, len),
        (protocol::IPV6, _) => ip6::print(cx, data, len),
        (protocol::ETHERNET, 6) => cx.nest(|cx| ether::print(cx, data, len).map(|_| ())),
        (protocol::ICMP | protocol::IGMP | protocol::ETHERNET, version)
        | (protocol::ICMPV6, version @ 4) => {
            let needed = if next == protocol::ETHERNET {
                6
            } else {
                10 - version
            };
            put!(cx, "[{} requires IPv{needed}]", protocol_name(next));
            cx.put_invalid();
            Ok(())
        }
        (protocol::SUN_ND, _) => {
            put!(cx, " nd {len}");
            Ok(())
        }
        (protocol::NO_NEXT_HEADER, _) => {
            cx.put("no next header");
            Ok(())
        }
        _ => unknown(cx, next, len, ip),
    }
}

fn unknown(cx: &mut Context<'_>, next: u8, len: usize, ip: Ip<'_>) -> Result<(), Truncated> {
    if shows_addresses(next) && ip.next()? == next {
        let (source, destination) = ip.hosts(cx)?;
        put!(cx, "{source} > {destination}: ");
    }
    put_protocol(cx, next);
    put!(cx, " {len}");
    Ok(())
}

/// Prints a space and a protocol's name, or its number.
pub(super) fn put_protocol(cx: &mut Context<'_>, number: u8) {
    match database_name(number) {
        Some(name) if !cx.style.numeric => put!(cx, " {name}"),
        _ => put!(cx, " ip-proto-{number}"),
    }
}

/// `len` bytes of `data`, if they were captured.
pub(super) fn whole(data: &[u8], len: usize) -> Option<&[u8]> {
    bytes_at(data, 0, len).ok()
}
