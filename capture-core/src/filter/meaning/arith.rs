//! Computed numbers and comparisons of them.

use super::layer::{Layer, Place};
use super::numbers::*;
use super::{Meaning, Result};
use crate::filter::ir::formula::FormulaId;
use crate::filter::ir::set::Set;
use crate::filter::ir::value::{Field, Order, ValueId};
use crate::filter::lang::{Arith, Comparison, Operator, Proto, Span};

impl Meaning<'_> {
    pub(super) fn relation(
        &mut self,
        layer: &Layer,
        comparison: Comparison,
        left: &Arith,
        right: &Arith,
    ) -> Result<FormulaId> {
        // Bytes of a protocol are compared only in frames that carry it.
        let mut carried = Vec::new();
        let a = self.arith(layer, left, &mut carried)?;
        let b = self.arith(layer, right, &mut carried)?;
        let (Some(a), Some(b)) = (a, b) else {
            return Ok(FormulaId::FALSE);
        };
        let holds = self.compare(comparison, a, b);
        carried.push(holds);
        Ok(self.formulas.all(carried))
    }

    fn compare(&mut self, comparison: Comparison, a: ValueId, b: ValueId) -> FormulaId {
        let (positive, negated) = match comparison {
            Comparison::Greater => (Comparison::Greater, false),
            Comparison::AtLeast => (Comparison::AtLeast, false),
            Comparison::Equal => (Comparison::Equal, false),
            Comparison::AtMost => (Comparison::Greater, true),
            Comparison::Less => (Comparison::AtLeast, true),
            Comparison::NotEqual => (Comparison::Equal, true),
        };
        let values = &mut self.formulas.values;
        let formula = match (values.constant_of(a), values.constant_of(b)) {
            (_, Some(number)) => {
                let set = match positive {
                    Comparison::Greater => Set::range(0, number).complement(),
                    Comparison::AtLeast => Set::range(number, u32::MAX),
                    _ => Set::one(number),
                };
                self.formulas.test(a, set)
            }
            (Some(number), None) => {
                let set = match positive {
                    Comparison::Greater => Set::range(number, u32::MAX).complement(),
                    Comparison::AtLeast => Set::range(0, number),
                    _ => Set::one(number),
                };
                self.formulas.test(b, set)
            }
            (None, None) => {
                let order = match positive {
                    Comparison::Greater => Order::Greater,
                    Comparison::AtLeast => Order::AtLeast,
                    _ => Order::Equal,
                };
                let value = values.compare(order, a, b);
                self.formulas.equal(value, 1)
            }
        };
        match negated {
            true => self.formulas.not(formula),
            false => formula,
        }
    }

    /// The number, and what a frame must carry for it. `None`: no frame of this
    /// layer has it.
    fn arith(
        &mut self,
        layer: &Layer,
        arith: &Arith,
        carried: &mut Vec<FormulaId>,
    ) -> Result<Option<ValueId>> {
        match arith {
            Arith::Number(number) => Ok(Some(self.formulas.values.constant(*number))),
            Arith::Length => Ok(Some(self.formulas.values.length())),
            Arith::Negative(inner) => {
                let inner = self.arith(layer, inner, carried)?;
                Ok(inner.map(|value| self.formulas.values.negative(value)))
            }
            Arith::Binary(operator, a, b, span) => {
                let a = self.arith(layer, a, carried)?;
                // As in libpcap, what the right operand's bytes belong to is not
                // tested: `ip[2:2] - tcp[12]` is computed for every IP packet.
                let b = self.arith(layer, b, &mut Vec::new())?;
                let (Some(a), Some(b)) = (a, b) else {
                    return Ok(None);
                };
                self.span = *span;
                self.binary(*operator, a, b).map(Some)
            }
            Arith::Load(proto, offset, bytes, span) => {
                let offset = self.arith(layer, offset, carried)?;
                let Some(offset) = offset else {
                    return Ok(None);
                };
                self.indexed(layer, *proto, offset, *bytes as u8, *span, carried)
            }
        }
    }

    fn binary(&mut self, operator: Operator, a: ValueId, b: ValueId) -> Result<ValueId> {
        let shifts = matches!(operator, Operator::ShiftLeft | Operator::ShiftRight);
        let bits = self.formulas.values.constant_of(b);
        if shifts && bits.is_some_and(|bits| bits > 31) {
            return Err(self.wrong("a shift is at most 31 bits"));
        }
        match self.formulas.values.binary(operator, a, b) {
            Some(value) => Ok(value),
            None => Err(self.wrong("this divides by zero")),
        }
    }

    /// Bytes of a protocol's header.
    fn indexed(
        &mut self,
        layer: &Layer,
        proto: Proto,
        offset: ValueId,
        bytes: u8,
        span: Span,
        carried: &mut Vec<FormulaId>,
    ) -> Result<Option<ValueId>> {
        let network = layer.network_place();
        let base = match proto {
            Proto::Link => match layer.header {
                Some(header) => header,
                None => return Ok(None),
            },
            Proto::Ip
            | Proto::Ip6
            | Proto::Arp
            | Proto::Rarp
            | Proto::Atalk
            | Proto::Decnet
            | Proto::Sca
            | Proto::Lat
            | Proto::Moprc
            | Proto::Mopdl => {
                let carries = self.protocol(layer, proto)?;
                carried.push(carries);
                network
            }
            Proto::Tcp
            | Proto::Udp
            | Proto::Sctp
            | Proto::Icmp
            | Proto::Igmp
            | Proto::Igrp
            | Proto::Pim
            | Proto::Vrrp
            | Proto::Carp => {
                let carries = self.transport_over_ip(layer, proto)?;
                let first = self.first_fragment(network);
                carried.extend([carries, first]);
                self.transport4(layer)
            }
            Proto::Icmp6 => {
                let carries = self.carries(layer, IPV6)?;
                let next = self.load_named(network.plus(6), 1, Field::Protocol6);
                let is = self.formulas.equal(next, ICMP6);
                carried.extend([carries, is]);
                self.transport6(layer)
            }
            _ => {
                self.span = span;
                let name = proto.name();
                return Err(self.wrong(format!("bytes of \"{name}\" cannot be read")));
            }
        };
        let value = self.load_at(base, offset, bytes);
        if let Some(field) = self.known_field(proto, offset, bytes) {
            self.formulas.values.name(value, field);
        }
        Ok(Some(value))
    }

    /// What some bytes mean, for which numbers are likely.
    fn known_field(&self, proto: Proto, offset: ValueId, bytes: u8) -> Option<Field> {
        let offset = self.formulas.values.constant_of(offset)?;
        Some(match (proto, offset, bytes) {
            (Proto::Ip, 0, 1) => Field::VersionLength,
            (Proto::Ip, 1, 1) => Field::ServiceClass,
            (Proto::Ip, 6, 2) => Field::Fragment,
            (Proto::Ip, 8, 1) | (Proto::Ip6, 7, 1) => Field::TimeToLive,
            (Proto::Ip, 9, 1) => Field::Protocol4,
            (Proto::Ip, 12 | 16, 4) => Field::Address4,
            (Proto::Ip6, 6, 1) => Field::Protocol6,
            (Proto::Tcp, 13, 1) => Field::TcpFlags,
            (Proto::Tcp | Proto::Udp | Proto::Sctp, 0, 2) => Field::SourcePort,
            (Proto::Tcp | Proto::Udp | Proto::Sctp, 2, 2) => Field::DestinationPort,
            (Proto::Link, 12, 2) => Field::LinkProtocol,
            _ => return None,
        })
    }

    fn load_at(&mut self, base: Place, offset: ValueId, bytes: u8) -> ValueId {
        if let Some(number) = self.formulas.values.constant_of(offset) {
            return self.load(base.plus(number), bytes);
        }
        let index = self.sum(offset, base.index);
        let place = Place {
            index: Some(index),
            k: base.k,
        };
        self.load(place, bytes)
    }
}
