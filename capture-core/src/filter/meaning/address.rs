//! Hosts, networks and Ethernet addresses.

use super::layer::{Layer, Link, Place};
use super::numbers::*;
use super::{Meaning, Result};
use crate::filter::ir::formula::FormulaId;
use crate::filter::ir::set::Set;
use crate::filter::ir::value::Field;
use crate::filter::lang::{Direction, Id, IdKind, Proto, Qualifiers};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl Meaning<'_> {
    /// An identifier with its qualifiers.
    pub(super) fn qualified(
        &mut self,
        layer: &Layer,
        qualifiers: Qualifiers,
        id: &Id,
    ) -> Result<FormulaId> {
        match qualifiers.kind {
            Some(IdKind::Port | IdKind::Portrange) => self.ports(layer, qualifiers, id),
            Some(IdKind::Proto | IdKind::Protochain) => self.numbered(layer, qualifiers, id),
            Some(IdKind::Gateway) => self.gateway(layer, qualifiers, id),
            Some(IdKind::Host | IdKind::Net) | None => self.address(layer, qualifiers, id),
        }
    }

    fn address(&mut self, layer: &Layer, q: Qualifiers, id: &Id) -> Result<FormulaId> {
        let is_net = q.kind == Some(IdKind::Net);
        match id {
            Id::Mac(mac) if q.proto == Some(Proto::Link) && !is_net => {
                self.ether(layer, q.direction, *mac)
            }
            Id::Mac(_) => Err(self.wrong(
                "an Ethernet address needs \"ether host\", \"ether src\" or \"ether dst\" here",
            )),
            Id::Arcnet(_) => {
                Err(self.wrong("this is an address of ARCNET, which pktrail does not filter"))
            }
            Id::Name(name) if is_net => self.named_net(layer, q, name),
            Id::Name(name) => self.named_host(layer, q, name),
            Id::V6(address) => self.host6(layer, q, *address, 128),
            Id::V6Prefix(address, length) => {
                if *length > 128 {
                    return Err(self.wrong("a prefix of IPv6 has at most 128 bits"));
                }
                if *length < 128 && !is_net {
                    return Err(self.prefix_without_net(&format!("{address}/{length}")));
                }
                self.host6(layer, q, *address, *length)
            }
            Id::Number(number) => {
                // As a network, 10 is 10.0.0.0/8.
                let bits = match is_net {
                    true => 32 - (number.leading_zeros() & !7).min(24),
                    false => 32,
                };
                let (number, mask) = shifted(*number, bits);
                self.host4(layer, q, number, mask)
            }
            Id::Dotted(_) if q.proto == Some(Proto::Decnet) => self.decnet(layer, q, id),
            Id::Dotted(text) => {
                let (number, bits) = self.dotted(text)?;
                let (number, mask) = shifted(number, bits);
                self.host4(layer, q, number, mask)
            }
            Id::Prefix(text, length) => {
                if *length > 32 {
                    return Err(self.wrong("a prefix of IPv4 has at most 32 bits"));
                }
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                self.net4(layer, q, text, mask, &format!("{text}/{length}"))
            }
            Id::Masked(text, mask) => {
                let (number, bits) = self.dotted(mask)?;
                let (mask_number, _) = shifted(number, bits);
                self.net4(layer, q, text, mask_number, &format!("{text} mask {mask}"))
            }
        }
    }

    fn prefix_without_net(&self, shown: &str) -> super::Mistake {
        self.wrong(format!("a prefix is a network: write \"net {shown}\""))
    }

    fn net4(
        &mut self,
        layer: &Layer,
        q: Qualifiers,
        text: &str,
        mask: u32,
        shown: &str,
    ) -> Result<FormulaId> {
        let (number, bits) = self.dotted(text)?;
        let (number, _) = shifted(number, bits);
        if number & !mask != 0 {
            let network = Ipv4Addr::from(number & mask);
            let length = mask.leading_ones();
            return Err(self.wrong(format!(
                "{shown} has bits set beyond the mask; the network is {network}/{length}"
            )));
        }
        if q.kind != Some(IdKind::Net) {
            return Err(self.prefix_without_net(shown));
        }
        self.host4(layer, q, number, mask)
    }

    /// Two to four bytes with dots, decimal, and how many bits they are.
    fn dotted(&self, text: &str) -> Result<(u32, u32)> {
        let (mut number, mut bits) = (0u32, 0);
        for part in text.split('.') {
            // Leading zeros do not make it octal here.
            let byte = part.parse::<u32>().ok().filter(|byte| *byte <= 255);
            let byte = byte.ok_or_else(|| self.wrong(format!("\"{text}\" is no IPv4 address")))?;
            number = number << 8 | byte;
            bits += 8;
        }
        Ok((number, bits))
    }

    fn named_net(&mut self, layer: &Layer, q: Qualifiers, name: &str) -> Result<FormulaId> {
        let number = self.names.network(name).map_or(0, u32::from);
        if number == 0 {
            return Err(self.wrong(format!("the network \"{name}\" is not known")));
        }
        let bits = 32 - (number.leading_zeros() & !7).min(24);
        let (number, mask) = shifted(number, bits);
        self.host4(layer, q, number, mask)
    }

    fn named_host(&mut self, layer: &Layer, q: Qualifiers, name: &str) -> Result<FormulaId> {
        if q.proto == Some(Proto::Link) {
            let Some(mac) = self.names.ether(name) else {
                return Err(self.wrong(format!(
                    "the Ethernet address of \"{name}\" is not known (/etc/ethers has none)"
                )));
            };
            return self.ether(layer, q.direction, mac);
        }
        if q.proto == Some(Proto::Decnet) {
            return Err(self.wrong("names of DECnet hosts cannot be looked up"));
        }
        let mut addresses = self.names.host(name);
        addresses.sort_unstable();
        addresses.dedup();
        let mut ways = Vec::new();
        for address in addresses {
            match address {
                IpAddr::V4(_) if q.proto == Some(Proto::Ip6) => {}
                IpAddr::V6(_) if q.proto == Some(Proto::Ip) => {}
                IpAddr::V4(address) => {
                    ways.push(self.host4(layer, q, address.into(), u32::MAX)?);
                }
                IpAddr::V6(address) => ways.push(self.host6(layer, q, address, 128)?),
            }
        }
        if ways.is_empty() {
            let of = match q.proto {
                Some(Proto::Ip) => " with an IPv4 address",
                Some(Proto::Ip6) => " with an IPv6 address",
                _ => "",
            };
            return Err(self.wrong(format!("no host \"{name}\"{of} is known")));
        }
        Ok(self.formulas.any(ways))
    }

    /// An IPv4 address or network: of IP, and of ARP and RARP, unless one of
    /// them was named.
    fn host4(&mut self, layer: &Layer, q: Qualifiers, number: u32, mask: u32) -> Result<FormulaId> {
        let kind = if q.kind == Some(IdKind::Net) {
            "net"
        } else {
            "host"
        };
        match q.proto {
            None => {
                let mut ways = vec![self.address4(layer, IPV4, q.direction, number, mask)?];
                if layer.labels == 0 {
                    ways.push(self.address4(layer, ARP, q.direction, number, mask)?);
                    ways.push(self.address4(layer, RARP, q.direction, number, mask)?);
                }
                Ok(self.formulas.any(ways))
            }
            Some(Proto::Ip) => self.address4(layer, IPV4, q.direction, number, mask),
            Some(Proto::Arp) => self.address4(layer, ARP, q.direction, number, mask),
            Some(Proto::Rarp) => self.address4(layer, RARP, q.direction, number, mask),
            Some(Proto::Link) => Err(self.wrong(format!(
                "\"ether {kind}\" needs an Ethernet address such as 02:00:00:00:00:01"
            ))),
            Some(proto) => Err(self.no_address(proto, "an IPv4 address")),
        }
    }

    fn no_address(&self, proto: Proto, what: &str) -> super::Mistake {
        let name = proto.name();
        match proto {
            Proto::Tcp | Proto::Udp | Proto::Sctp | Proto::Icmp | Proto::Igmp | Proto::Icmp6 => {
                self.wrong(format!(
                    "\"{name}\" has no addresses; write \"{name} and host ...\""
                ))
            }
            _ => self.wrong(format!("\"{name}\" cannot be tested for {what}")),
        }
    }

    /// Sender and target lie at 12 and 16 in IP, and at 14 and 24 in ARP for
    /// Ethernet and IPv4.
    fn address4(
        &mut self,
        layer: &Layer,
        protocol: u32,
        direction: Option<Direction>,
        number: u32,
        mask: u32,
    ) -> Result<FormulaId> {
        let carries = self.carries(layer, protocol)?;
        let (source, destination) = if protocol == IPV4 { (12, 16) } else { (14, 24) };
        let network = layer.network_place();
        let test = |offset: u32, meaning: &mut Self| {
            let value = meaning.load_named(network.plus(offset), 4, Field::Address4);
            meaning.masked(value, mask, number)
        };
        let (source, destination) = (test(source, self), test(destination, self));
        let found = self.either(direction, source, destination);
        Ok(self.formulas.and(carries, found))
    }

    /// Joins the tests of the two ends as the direction says.
    pub(super) fn either(
        &mut self,
        direction: Option<Direction>,
        source: FormulaId,
        destination: FormulaId,
    ) -> FormulaId {
        match direction {
            Some(Direction::Source) => source,
            Some(Direction::Destination) => destination,
            Some(Direction::Both) => self.formulas.and(source, destination),
            Some(Direction::Either) | None => self.formulas.or(source, destination),
        }
    }

    fn host6(
        &mut self,
        layer: &Layer,
        q: Qualifiers,
        address: Ipv6Addr,
        length: u32,
    ) -> Result<FormulaId> {
        match q.proto {
            None | Some(Proto::Ip6) => {}
            Some(proto) => return Err(self.no_address(proto, "an IPv6 address")),
        }
        let number = u128::from(address);
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        if number & !mask != 0 {
            let network = Ipv6Addr::from(number & mask);
            return Err(self.wrong(format!(
                "{address}/{length} has bits set beyond the mask; the network is {network}/{length}"
            )));
        }
        let carries = self.carries(layer, IPV6)?;
        let network = layer.network_place();
        let source = self.address6(network.plus(8), number, mask);
        let destination = self.address6(network.plus(24), number, mask);
        let found = self.either(q.direction, source, destination);
        Ok(self.formulas.and(carries, found))
    }

    /// The four words of an address, from the first.
    fn address6(&mut self, place: Place, number: u128, mask: u128) -> FormulaId {
        let mut words = Vec::with_capacity(4);
        for word in 0..4u32 {
            let shift = 96 - 32 * word;
            let (number, mask) = ((number >> shift) as u32, (mask >> shift) as u32);
            if mask != 0 {
                let field = if word < 2 {
                    Field::Prefix6
                } else {
                    Field::Address6
                };
                let value = self.load_named(place.plus(4 * word), 4, field);
                words.push(self.masked(value, mask, number));
            }
        }
        self.formulas.all(words)
    }

    /// An Ethernet address, its last four bytes first: makers share the others.
    fn ether(
        &mut self,
        layer: &Layer,
        direction: Option<Direction>,
        mac: [u8; 6],
    ) -> Result<FormulaId> {
        if layer.link != Link::Ethernet {
            return Err(self.wrong(format!(
                "{} has no Ethernet addresses to test",
                layer.name()
            )));
        }
        let Some(header) = layer.header else {
            return Ok(FormulaId::FALSE);
        };
        let source = self.mac_at(header.plus(6), mac);
        let destination = self.mac_at(header, mac);
        Ok(self.either(direction, source, destination))
    }

    pub(super) fn mac_at(&mut self, place: Place, mac: [u8; 6]) -> FormulaId {
        let [a, b, c, d, e, f] = mac;
        let low = self.load_named(place.plus(2), 4, Field::Mac);
        let low = self.formulas.equal(low, u32::from_be_bytes([c, d, e, f]));
        let high = self.load_named(place, 2, Field::Mac);
        let high = self.formulas.equal(high, u16::from_be_bytes([a, b]).into());
        self.formulas.and(low, high)
    }

    /// From or to a router's Ethernet address, but not from or to its IPv4
    /// addresses.
    fn gateway(&mut self, layer: &Layer, q: Qualifiers, id: &Id) -> Result<FormulaId> {
        let Id::Name(name) = id else {
            return Err(self.wrong("\"gateway\" needs the name of a host"));
        };
        if !matches!(q.proto, None | Some(Proto::Ip | Proto::Arp | Proto::Rarp)) {
            return Err(self.wrong("before \"gateway\" only ip, arp or rarp may stand"));
        }
        let Some(mac) = self.names.ether(name) else {
            return Err(self.wrong(format!(
                "the Ethernet address of \"{name}\" is not known (/etc/ethers has none)"
            )));
        };
        let addresses = self.names.host(name);
        let ether = self.ether(layer, None, mac)?;
        let host = Qualifiers {
            kind: Some(IdKind::Host),
            ..q
        };
        let mut own = Vec::new();
        for address in addresses {
            if let IpAddr::V4(address) = address {
                own.push(self.host4(layer, host, address.into(), u32::MAX)?);
            }
        }
        if own.is_empty() {
            return Err(self.wrong(format!("no host \"{name}\" with an IPv4 address is known")));
        }
        let own = self.formulas.any(own);
        let other = self.formulas.not(own);
        Ok(self.formulas.and(ether, other))
    }

    /// A DECnet address, area and node, in each of the four routing headers
    /// (long or short, with padding or without), little-endian.
    fn decnet(&mut self, layer: &Layer, q: Qualifiers, id: &Id) -> Result<FormulaId> {
        let parts = match id {
            Id::Dotted(text) => text.split_once('.'),
            _ => None,
        };
        let number = |text: &str| text.parse::<u16>().ok();
        let address = parts.and_then(|(area, node)| {
            let (area, node) = (number(area)?, number(node)?);
            (area < 64 && node < 1024).then_some(area << 10 | node)
        });
        let Some(address) = address else {
            return Err(self.wrong("a DECnet address is area.node, up to 63.1023"));
        };
        let carries = self.carries(layer, DECNET)?;
        let data = layer.network_place().plus(2);
        let address = u32::from(address.swap_bytes());
        let mut end = |long: u32, short: u32| {
            let mut ways = Vec::new();
            for (padded, mask, flags, offset) in [
                (2, 0xff07, 0x8106, 1 + long),
                (1, 0x07, 0x06, long),
                (2, 0xff07, 0x8102, 1 + short),
                (1, 0x07, 0x02, short),
            ] {
                let flags = self.masked_at(data, padded, mask, flags);
                let found = self.equal_at(data.plus(offset), 2, address);
                ways.push(self.formulas.and(flags, found));
            }
            self.formulas.any(ways)
        };
        let (source, destination) = (end(15, 3), end(7, 1));
        let found = self.either(q.direction, source, destination);
        Ok(self.formulas.and(carries, found))
    }

    /// Addresses for `ip multicast`: 224.0.0.0/4, by its first byte.
    pub(super) fn multicast4() -> Set {
        Set::range(224, 239)
    }
}

/// The `bits` low bits of `number` moved to the top, and the mask over them.
fn shifted(number: u32, bits: u32) -> (u32, u32) {
    let shift = 32 - bits.clamp(8, 32);
    (number << shift, u32::MAX << shift)
}
