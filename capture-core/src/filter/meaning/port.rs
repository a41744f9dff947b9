//! Ports and ranges of ports.
//!
//! As in libpcap: of IPv4 the first fragment only, of IPv6 only where the
//! transport header follows the fixed one.

use super::layer::Layer;
use super::numbers::*;
use super::{Meaning, Result};
use crate::filter::Service;
use crate::filter::ir::formula::FormulaId;
use crate::filter::ir::set::Set;
use crate::filter::ir::value::Field;
use crate::filter::lang::{Direction, Id, IdKind, Proto, Qualifiers, nearest_of};
use crate::text::Transport;

pub(super) const TO: Direction = Direction::Destination;

impl Meaning<'_> {
    pub(super) fn ports(&mut self, layer: &Layer, q: Qualifiers, id: &Id) -> Result<FormulaId> {
        let range = q.kind == Some(IdKind::Portrange);
        let word = if range { "portrange" } else { "port" };
        let named = match q.proto {
            None => None,
            Some(Proto::Tcp) => Some(TCP),
            Some(Proto::Udp) => Some(UDP),
            Some(Proto::Sctp) => Some(SCTP),
            Some(proto) => {
                let name = proto.name();
                return Err(self.wrong(format!(
                    "\"{name}\" has no ports; before \"{word}\" only tcp, udp or sctp may stand"
                )));
            }
        };
        let (low, high, of_service) = match id {
            Id::Number(number) => (*number, *number, None),
            Id::Name(name) if range => self.named_range(name)?,
            Id::Name(name) => {
                let (port, transport) = self.service(name)?;
                (port, port, transport)
            }
            _ => {
                return Err(self.wrong(format!(
                    "\"{word}\" needs a number or the name of a service, not an address"
                )));
            }
        };
        if low.max(high) > 0xffff {
            return Err(self.wrong("a port is at most 65535"));
        }
        let protocols = match (named, of_service) {
            (Some(named), Some(other)) if named != other => {
                let has = if other == TCP { "TCP" } else { "UDP" };
                return Err(self.wrong(format!("this service is one of {has} only")));
            }
            (Some(protocol), _) | (None, Some(protocol)) => Set::one(protocol),
            (None, None) => Set::of(vec![(TCP, TCP), (UDP, UDP), (SCTP, SCTP)]),
        };
        let ports = Set::range(low.min(high), low.max(high));
        let four = self.port4(layer, &protocols, q.direction, &ports)?;
        let six = self.port6(layer, &protocols, q.direction, &ports)?;
        Ok(self.formulas.or(four, six))
    }

    /// A service's port, and its protocol if it has only one.
    fn service(&mut self, name: &str) -> Result<(u32, Option<u32>)> {
        if let Some(service) = self.known_service(name) {
            return Ok(service);
        }
        let is_range =
            |(low, high): (&str, &str)| low.parse::<u32>().is_ok() && high.parse::<u32>().is_ok();
        Err(match name.split_once('-').is_some_and(is_range) {
            true => self.wrong(format!("a range of ports is written \"portrange {name}\"")),
            false => {
                let known = SERVICES.iter().map(|(known, ..)| *known);
                let nearest = nearest_of(name, known);
                let hint = nearest.map(|known| format!("; did you mean \"{known}\"?"));
                let hint = hint.unwrap_or_default();
                self.wrong(format!("the service \"{name}\" is not known{hint}"))
            }
        })
    }

    fn known_service(&mut self, name: &str) -> Option<(u32, Option<u32>)> {
        if let Ok(number) = name.parse::<u32>() {
            return Some((number, None));
        }
        let Some(Service { port, transport }) = self.names.service(name) else {
            let known = SERVICES.iter().find(|(known, ..)| *known == name);
            return known.map(|(_, port, protocol)| (*port, *protocol));
        };
        let protocol = transport.map(|transport| match transport {
            Transport::Tcp => TCP,
            Transport::Udp => UDP,
        });
        Some((port.into(), protocol))
    }

    /// Two ports or services with a hyphen between; names may have hyphens too.
    fn named_range(&mut self, text: &str) -> Result<(u32, u32, Option<u32>)> {
        if let Some((port, protocol)) = self.known_service(text) {
            return Ok((port, port, protocol));
        }
        for (hyphen, _) in text.match_indices('-') {
            let (low, high) = (text.get(..hyphen), text.get(hyphen + 1..));
            let low = low.and_then(|name| self.known_service(name));
            let high = high.and_then(|name| self.known_service(name));
            if let (Some((low, first)), Some((high, second))) = (low, high) {
                return Ok((low, high, first.filter(|_| first == second)));
            }
        }
        Err(self.wrong(format!(
            "\"{text}\" is no range of ports, such as 6000-6008"
        )))
    }

    /// Ports over IPv4.
    pub(super) fn port4(
        &mut self,
        layer: &Layer,
        protocols: &Set,
        direction: Option<Direction>,
        ports: &Set,
    ) -> Result<FormulaId> {
        let network = layer.network_place();
        let carries = self.carries(layer, IPV4)?;
        let protocol = self.load_named(network.plus(9), 1, Field::Protocol4);
        let protocol = self.formulas.test(protocol, protocols.clone());
        let first = self.first_fragment(network);
        let transport = self.transport4(layer);
        let source = self.load_named(transport, 2, Field::SourcePort);
        let source = self.formulas.test(source, ports.clone());
        let destination = self.load_named(transport.plus(2), 2, Field::DestinationPort);
        let destination = self.formulas.test(destination, ports.clone());
        let found = self.either(direction, source, destination);
        Ok(self.formulas.all(vec![carries, protocol, first, found]))
    }

    /// Ports over IPv6.
    pub(super) fn port6(
        &mut self,
        layer: &Layer,
        protocols: &Set,
        direction: Option<Direction>,
        ports: &Set,
    ) -> Result<FormulaId> {
        let carries = self.carries(layer, IPV6)?;
        let next = layer.network_place().plus(6);
        let next = self.load_named(next, 1, Field::Protocol6);
        let next = self.formulas.test(next, protocols.clone());
        let transport = self.transport6(layer);
        let source = self.load_named(transport, 2, Field::SourcePort);
        let source = self.formulas.test(source, ports.clone());
        let destination = self.load_named(transport.plus(2), 2, Field::DestinationPort);
        let destination = self.formulas.test(destination, ports.clone());
        let found = self.either(direction, source, destination);
        Ok(self.formulas.all(vec![carries, next, found]))
    }
}
