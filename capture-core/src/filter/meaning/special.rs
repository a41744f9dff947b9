//! Tests that are words of their own: lengths, broadcast, direction, LLC.

use super::layer::{Layer, Link};
use super::numbers::*;
use super::{Meaning, Result};
use crate::LinkType;
use crate::filter::ir::formula::FormulaId;
use crate::filter::ir::set::Set;
use crate::filter::ir::value::Field;
use crate::filter::lang::{ByteTest, Llc, Operator, Proto};
use crate::filter::op;

impl Meaning<'_> {
    /// The length on the wire is in the range.
    pub(super) fn length(&mut self, low: u32, high: u32) -> FormulaId {
        let length = self.formulas.values.length();
        self.formulas.test(length, Set::range(low, high))
    }

    pub(super) fn byte(
        &mut self,
        layer: &Layer,
        offset: u32,
        test: ByteTest,
        number: u32,
    ) -> Result<FormulaId> {
        if number > 0xff {
            return Err(self.wrong("a byte is at most 255"));
        }
        let Some(header) = layer.header else {
            return Ok(FormulaId::FALSE);
        };
        let value = self.load(header.plus(offset), 1);
        let operator = match test {
            ByteTest::Equal => return Ok(self.formulas.equal(value, number)),
            ByteTest::Less => {
                let less = Set::range(number, u32::MAX).complement();
                return Ok(self.formulas.test(value, less));
            }
            ByteTest::Greater => {
                let more = Set::range(0, number).complement();
                return Ok(self.formulas.test(value, more));
            }
            ByteTest::And => Operator::And,
            ByteTest::Or => Operator::Or,
        };
        let values = &mut self.formulas.values;
        let number = values.constant(number);
        let joined = values.binary(operator, value, number).unwrap_or(value);
        let zero = self.formulas.equal(joined, 0);
        Ok(self.formulas.not(zero))
    }

    pub(super) fn broadcast(&mut self, layer: &Layer, proto: Option<Proto>) -> Result<FormulaId> {
        match proto {
            None | Some(Proto::Link) => match (layer.link, layer.header) {
                (Link::Ethernet, Some(header)) => Ok(self.mac_at(header, [0xff; 6])),
                (Link::Ethernet, None) => Ok(FormulaId::FALSE),
                _ => Err(self.wrong(format!("{} has no broadcast address", layer.name()))),
            },
            Some(Proto::Ip) => {
                let Some(netmask) = self.target.netmask else {
                    return Err(self.wrong(
                        "\"ip broadcast\" needs the netmask of the interface, which is not known",
                    ));
                };
                let host = !u32::from(netmask);
                let carries = self.carries(layer, IPV4)?;
                let place = layer.network_place().plus(16);
                let value = self.load_named(place, 4, Field::Address4);
                let (zeros, ones) = (self.masked(value, host, 0), self.masked(value, host, host));
                let found = self.formulas.or(zeros, ones);
                Ok(self.formulas.and(carries, found))
            }
            Some(_) => Err(self.wrong("before \"broadcast\" only ether or ip may stand")),
        }
    }

    pub(super) fn multicast(&mut self, layer: &Layer, proto: Option<Proto>) -> Result<FormulaId> {
        let network = layer.network_place();
        match proto {
            None | Some(Proto::Link) => match (layer.link, layer.header) {
                (Link::Ethernet, Some(header)) => {
                    let one = self.masked_at(header, 1, 1, 0);
                    Ok(self.formulas.not(one))
                }
                (Link::Ethernet, None) => Ok(FormulaId::FALSE),
                _ => Err(self.wrong(format!("{} has no multicast addresses", layer.name()))),
            },
            Some(Proto::Ip) => {
                let carries = self.carries(layer, IPV4)?;
                let value = self.load(network.plus(16), 1);
                let found = self.formulas.test(value, Self::multicast4());
                Ok(self.formulas.and(carries, found))
            }
            Some(Proto::Ip6) => {
                let carries = self.carries(layer, IPV6)?;
                let found = self.equal_at(network.plus(24), 1, 0xff);
                Ok(self.formulas.and(carries, found))
            }
            Some(_) => Err(self.wrong("before \"multicast\" only ether, ip or ip6 may stand")),
        }
    }

    /// `inbound` and `outbound`: by the cooked header, or by what the kernel
    /// says beside the frame.
    pub(super) fn direction(&mut self, _layer: &Layer, outbound: bool) -> Result<FormulaId> {
        const OUTGOING: u32 = 4;
        let start = super::layer::Place::at(0);
        let value = match self.target.link_type {
            LinkType::LINUX_SLL => self.load_named(start, 2, Field::PacketType),
            LinkType::LINUX_SLL2 => self.load_named(start.plus(10), 1, Field::PacketType),
            _ if self.target.live.is_some() => {
                let value = self.formulas.values.ancillary(op::AD_PKTTYPE);
                self.formulas.values.name(value, Field::PacketType);
                value
            }
            _ => {
                return Err(self.wrong(
                    "the direction of a frame is known only while capturing, and in files of \
                     the link types LINUX_SLL and LINUX_SLL2",
                ));
            }
        };
        let out = self.formulas.equal(value, OUTGOING);
        Ok(match outbound {
            true => out,
            false => self.formulas.not(out),
        })
    }

    pub(super) fn interface(&mut self, _layer: &Layer, index: u32) -> Result<FormulaId> {
        let value = match self.target.link_type {
            LinkType::LINUX_SLL2 => self.load(super::layer::Place::at(4), 4),
            _ if self.target.live.is_some() => self.formulas.values.ancillary(op::AD_IFINDEX),
            _ => {
                return Err(self.wrong(
                    "the interface of a frame is known only while capturing, and in files of \
                     the link type LINUX_SLL2",
                ));
            }
        };
        Ok(self.formulas.equal(value, index))
    }

    /// Frames with an LLC header, or some of them.
    pub(super) fn llc(&mut self, layer: &Layer, llc: Llc) -> Result<FormulaId> {
        if layer.link != Link::Ethernet {
            return Err(self.wrong(format!("\"llc\" cannot be tested on {}", layer.name())));
        }
        let field = self.link_protocol(layer);
        let is_length = self.formulas.test(field, Set::range(0, MOST_LENGTH));
        let raw = self.equal_at(layer.payload, 2, 0xffff);
        let not_raw = self.formulas.not(raw);
        let control = match llc {
            Llc::All => FormulaId::TRUE,
            Llc::Control { mask, value } => {
                self.masked_at(layer.payload.plus(2), 1, mask.into(), value.into())
            }
        };
        Ok(self.formulas.all(vec![is_length, not_raw, control]))
    }
}
