//! Protocols by name and by number, and chains of headers.

use super::layer::{Layer, Place};
use super::numbers::*;
use super::{Meaning, Result};
use crate::filter::ir::formula::FormulaId;
use crate::filter::ir::set::Set;
use crate::filter::ir::value::{Field, Order, ValueId};
use crate::filter::lang::{Id, IdKind, Operator, Proto, Qualifiers};

/// Headers that `protochain` follows. libpcap follows any number of them, by a
/// loop that no kernel runs.
const LONGEST_CHAIN: usize = 8;

impl Meaning<'_> {
    /// A protocol's name alone.
    pub(super) fn protocol(&mut self, layer: &Layer, proto: Proto) -> Result<FormulaId> {
        match proto {
            Proto::Link => Err(self.wrong(
                "\"ether\" needs a word after it, such as \"ether host\" or \"ether proto\"",
            )),
            Proto::Radio => {
                Err(self.wrong("\"radio\" is a header of 802.11, which pktrail does not filter"))
            }
            Proto::Ip => self.carries(layer, IPV4),
            Proto::Ip6 => self.carries(layer, IPV6),
            Proto::Arp => self.carries(layer, ARP),
            Proto::Rarp => self.carries(layer, RARP),
            Proto::Atalk => self.carries(layer, ATALK),
            Proto::Aarp => self.carries(layer, AARP),
            Proto::Decnet => self.carries(layer, DECNET),
            Proto::Lat => self.carries(layer, 0x6004),
            Proto::Sca => self.carries(layer, 0x6007),
            Proto::Mopdl => self.carries(layer, 0x6001),
            Proto::Moprc => self.carries(layer, 0x6002),
            Proto::Stp => self.carries(layer, SAP_STP),
            Proto::Ipx => self.carries(layer, SAP_IPX),
            Proto::Netbeui => self.carries(layer, SAP_NETBEUI),
            Proto::Iso => self.carries(layer, SAP_OSI),
            Proto::Tcp => self.ip_or_ip6(layer, TCP),
            Proto::Udp => self.ip_or_ip6(layer, UDP),
            Proto::Sctp => self.ip_or_ip6(layer, SCTP),
            Proto::Pim => self.ip_or_ip6(layer, PIM),
            Proto::Ah => self.ip_or_ip6(layer, AH),
            Proto::Esp => self.ip_or_ip6(layer, ESP),
            Proto::Icmp => self.ip(layer, ICMP),
            Proto::Igmp => self.ip(layer, IGMP),
            Proto::Igrp => self.ip(layer, IGRP),
            Proto::Vrrp | Proto::Carp => self.ip(layer, VRRP),
            Proto::Icmp6 => self.ip6(layer, ICMP6),
            Proto::Esis => self.osi(layer, ESIS),
            Proto::Isis => self.osi(layer, ISIS),
            Proto::Clnp => self.osi(layer, CLNP),
            Proto::IsisL1 => self.isis(layer, &[15, 17, 18, 24, 26]),
            Proto::IsisL2 => self.isis(layer, &[16, 17, 20, 25, 27]),
            Proto::IsisIih => self.isis(layer, &[15, 16, 17]),
            Proto::IsisLsp => self.isis(layer, &[18, 20]),
            Proto::IsisSnp => self.isis(layer, &[24, 25, 26, 27]),
            Proto::IsisCsnp => self.isis(layer, &[24, 25]),
            Proto::IsisPsnp => self.isis(layer, &[26, 27]),
        }
    }

    fn ip_or_ip6(&mut self, layer: &Layer, number: u32) -> Result<FormulaId> {
        let (four, six) = (self.ip(layer, number)?, self.ip6(layer, number)?);
        Ok(self.formulas.or(four, six))
    }

    /// A transport protocol, over IPv4 only.
    pub(super) fn transport_over_ip(&mut self, layer: &Layer, proto: Proto) -> Result<FormulaId> {
        let number = match proto {
            Proto::Tcp => TCP,
            Proto::Udp => UDP,
            Proto::Sctp => SCTP,
            Proto::Pim => PIM,
            _ => return self.protocol(layer, proto),
        };
        self.ip(layer, number)
    }

    fn ip(&mut self, layer: &Layer, number: u32) -> Result<FormulaId> {
        let carries = self.carries(layer, IPV4)?;
        let place = layer.network_place().plus(9);
        let protocol = self.load_named(place, 1, Field::Protocol4);
        let is = self.formulas.equal(protocol, number);
        Ok(self.formulas.and(carries, is))
    }

    /// The next header, or the one after a fragment header.
    fn ip6(&mut self, layer: &Layer, number: u32) -> Result<FormulaId> {
        let carries = self.carries(layer, IPV6)?;
        let network = layer.network_place();
        let next = self.load_named(network.plus(6), 1, Field::Protocol6);
        let is = self.formulas.equal(next, number);
        let fragment = self.formulas.equal(next, FRAGMENT);
        let after = self.equal_at(network.plus(40), 1, number);
        let behind = self.formulas.and(fragment, after);
        let found = self.formulas.or(is, behind);
        Ok(self.formulas.and(carries, found))
    }

    fn osi(&mut self, layer: &Layer, number: u32) -> Result<FormulaId> {
        let carries = self.carries(layer, SAP_OSI)?;
        let place = layer.payload.plus(layer.after_llc);
        let is = self.equal_at(place, 1, number);
        Ok(self.formulas.and(carries, is))
    }

    /// Types of IS-IS PDUs, the low five bits of their fifth byte (ISO 10589).
    fn isis(&mut self, layer: &Layer, types: &[u32]) -> Result<FormulaId> {
        let osi = self.osi(layer, ISIS)?;
        let place = layer.payload.plus(layer.after_llc + 4);
        let value = self.load(place, 1);
        let mask = self.formulas.values.constant(0x1f);
        let pdu = self.formulas.values.binary(Operator::And, value, mask);
        let types = Set::of(types.iter().map(|number| (*number, *number)).collect());
        let is = self.formulas.test(pdu.unwrap_or(value), types);
        Ok(self.formulas.and(osi, is))
    }

    /// IPv4 that is whole or the first fragment.
    pub(super) fn first_fragment(&mut self, network: Place) -> FormulaId {
        let value = self.load_named(network.plus(6), 2, Field::Fragment);
        let first = self.masked(value, 0x1fff, 0);
        let mask = self.formulas.values.constant(0x1fff);
        let offset = self.formulas.values.binary(Operator::And, value, mask);
        self.formulas
            .values
            .name(offset.unwrap_or(value), Field::Fragment);
        first
    }

    /// `proto` and `protochain` with a number or a name.
    pub(super) fn numbered(&mut self, layer: &Layer, q: Qualifiers, id: &Id) -> Result<FormulaId> {
        let word = match q.kind {
            Some(IdKind::Protochain) => "protochain",
            _ => "proto",
        };
        let number = match id {
            Id::Number(number) => *number,
            Id::Name(name) => self.protocol_number(q.proto, name)?,
            _ => {
                return Err(
                    self.wrong(format!("\"{word}\" needs a number or a name such as \\tcp"))
                );
            }
        };
        let (what, most) = match q.proto {
            Some(Proto::Link) => ("a link protocol", 0xffff),
            _ => ("a protocol number", 0xff),
        };
        if number > most {
            return Err(self.wrong(format!("{what} is at most {most}")));
        }
        match (word, q.proto) {
            ("protochain", None) => {
                let four = self.chain4(layer, number)?;
                let six = self.chain6(layer, number)?;
                Ok(self.formulas.or(four, six))
            }
            ("protochain", Some(Proto::Ip)) => self.chain4(layer, number),
            ("protochain", Some(Proto::Ip6)) => self.chain6(layer, number),
            ("protochain", Some(_)) => {
                Err(self.wrong("before \"protochain\" only ip or ip6 may stand"))
            }
            (_, None) => self.ip_or_ip6(layer, number),
            (_, Some(Proto::Link)) => self.carries(layer, number),
            (_, Some(Proto::Ip)) => self.ip(layer, number),
            (_, Some(Proto::Ip6)) => self.ip6(layer, number),
            (_, Some(Proto::Iso)) => self.osi(layer, number),
            (_, Some(Proto::Isis)) => self.isis(layer, &[number]),
            (_, Some(proto)) => {
                let name = proto.name();
                Err(self.wrong(format!(
                    "\"{name}\" names no protocol inside it; before \"proto\" ether, ip, ip6, \
                     iso or isis may stand"
                )))
            }
        }
    }

    fn protocol_number(&mut self, proto: Option<Proto>, name: &str) -> Result<u32> {
        let (found, of) = match proto {
            None | Some(Proto::Ip | Proto::Ip6) => {
                let known = self.names.protocol(name).map(u32::from);
                (known.or_else(|| number_of(IP_PROTOCOLS, name)), "IP")
            }
            Some(Proto::Link) => (number_of(LINK_PROTOCOLS, name), "link"),
            Some(Proto::Iso) => (
                match name {
                    "clnp" => Some(CLNP),
                    "esis" => Some(ESIS),
                    "isis" => Some(ISIS),
                    _ => None,
                },
                "OSI",
            ),
            Some(proto) => {
                let of = proto.name();
                return Err(self.wrong(format!("\"{of} proto\" needs a number")));
            }
        };
        found.ok_or_else(|| self.wrong(format!("the {of} protocol \"{name}\" is not known")))
    }

    /// The protocol, or the one behind authentication headers.
    fn chain4(&mut self, layer: &Layer, number: u32) -> Result<FormulaId> {
        let carries = self.carries(layer, IPV4)?;
        let network = layer.network_place();
        let first = self.load_named(network.plus(9), 1, Field::Protocol4);
        let header = self.transport4(layer);
        let found = self.chain(first, header, number, &Set::one(AH));
        Ok(self.formulas.and(carries, found))
    }

    /// The next header, or one behind extension headers.
    fn chain6(&mut self, layer: &Layer, number: u32) -> Result<FormulaId> {
        let carries = self.carries(layer, IPV6)?;
        let network = layer.network_place();
        let first = self.load_named(network.plus(6), 1, Field::Protocol6);
        let extensions = [0, 43, FRAGMENT, AH, 60];
        let extensions = Set::of(extensions.iter().map(|n| (*n, *n)).collect());
        let found = self.chain(first, self.transport6(layer), number, &extensions);
        Ok(self.formulas.and(carries, found))
    }

    /// `next` is `number`, or one of `extensions` whose own next header is, and
    /// so on.
    fn chain(&mut self, next: ValueId, header: Place, number: u32, extensions: &Set) -> FormulaId {
        let (mut next, mut header) = (next, header);
        let mut links = Vec::new();
        for _ in 0..LONGEST_CHAIN {
            let found = self.formulas.equal(next, number);
            let goes_on = self.formulas.test(next, extensions.clone());
            links.push((found, goes_on));
            let after = self.load(header, 1);
            header = self.next_header(next, header, extensions);
            next = after;
        }
        let last = self.formulas.equal(next, number);
        links
            .into_iter()
            .rev()
            .fold(last, |rest, (found, goes_on)| {
                let rest = self.formulas.and(goes_on, rest);
                self.formulas.or(found, rest)
            })
    }

    /// Where the header after the one at `header`, of type `kind`, begins: the
    /// length counts eight bytes after the first eight, but in authentication
    /// headers four bytes after the first eight (RFC 4302).
    fn next_header(&mut self, kind: ValueId, header: Place, extensions: &Set) -> Place {
        let length = self.load(header.plus(1), 1);
        let values = &mut self.formulas.values;
        let (one, two, three) = (values.constant(1), values.constant(2), values.constant(3));
        let ah = values.constant(AH);
        let is_ah = values.compare(Order::Equal, kind, ah);
        let mut binary = |operator, a, b| values.binary(operator, a, b).unwrap_or(a);
        let bytes = if extensions.single() == Some(AH) {
            let words = binary(Operator::Add, length, two);
            binary(Operator::ShiftLeft, words, two)
        } else {
            let units = binary(Operator::Add, length, one);
            let units = binary(Operator::Add, units, is_ah);
            let shift = binary(Operator::Subtract, three, is_ah);
            binary(Operator::ShiftLeft, units, shift)
        };
        let index = self.sum(bytes, header.index);
        Place {
            index: Some(index),
            k: header.k,
        }
    }
}
