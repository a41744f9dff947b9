//! Where the headers are: the link layer that an expression is about, which
//! changes as the text goes on, and tests of its protocol field.

use super::numbers::*;
use super::{Meaning, Result};
use crate::LinkType;
use crate::filter::ir::formula::FormulaId;
use crate::filter::ir::set::Set;
use crate::filter::ir::value::{Field, ValueId};
use crate::filter::lang::Operator;
use crate::filter::op;

/// A place in the frame: so many bytes in, and the index more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: Option<ValueId>,
    pub(super) k: u32,
}

impl Place {
    pub(super) fn at(k: u32) -> Self {
        Self { index: None, k }
    }

    /// So many bytes further on; may be negative.
    pub(super) fn plus(self, offset: u32) -> Self {
        Self {
            k: self.k.wrapping_add(offset),
            ..self
        }
    }
}

/// What a link-layer header is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    Sll,
    Sll2,
    /// IPv4 or IPv6, told apart by the version.
    Raw,
    Raw4,
    Raw6,
    /// Address family in the writer's byte order.
    Null,
    /// Address family in network order.
    Loop,
    Ppp,
    /// Only its bytes and lengths can be tested.
    Other(LinkType),
}

/// The headers that tests are about, if `guard` holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    pub(super) guard: FormulaId,
    pub(super) link: Link,
    /// Begin of the link-layer header. `None`: there is none here.
    pub(super) header: Option<Place>,
    /// Its protocol field, if it has one.
    pub(super) protocol: Place,
    /// What follows the header.
    pub(super) payload: Place,
    /// Bytes from there to the network header.
    pub(super) network: u32,
    /// The same where an LLC header without SNAP stands between.
    pub(super) after_llc: u32,
    /// MPLS labels passed.
    pub(super) labels: u32,
    /// The first tag may be beside the frame.
    pub(super) tag_beside: bool,
}

impl Layer {
    pub(super) fn outermost(link_type: LinkType, tag_beside: bool) -> Self {
        let (link, protocol, payload) = match link_type {
            LinkType::ETHERNET => (Link::Ethernet, 12, 14),
            LinkType::LINUX_SLL => (Link::Sll, 14, 16),
            LinkType::LINUX_SLL2 => (Link::Sll2, 0, 20),
            LinkType::RAW => (Link::Raw, 0, 0),
            LinkType::IPV4 => (Link::Raw4, 0, 0),
            LinkType::IPV6 => (Link::Raw6, 0, 0),
            LinkType::NULL => (Link::Null, 0, 4),
            LinkType::LOOP => (Link::Loop, 0, 4),
            LinkType(9 | 50) => (Link::Ppp, 2, 4),
            // PPPoE without Ethernet.
            LinkType(51) => (Link::Ppp, 6, 8),
            other => (Link::Other(other), 0, 0),
        };
        Self {
            guard: FormulaId::TRUE,
            link,
            header: Some(Place::at(0)),
            protocol: Place::at(protocol),
            payload: Place::at(payload),
            network: 0,
            after_llc: if link == Link::Ethernet { 3 } else { 0 },
            labels: 0,
            tag_beside: tag_beside && link == Link::Ethernet,
        }
    }

    /// Ethernet inside something else.
    pub(super) fn ethernet(guard: FormulaId, header: Place) -> Self {
        Self {
            guard,
            link: Link::Ethernet,
            header: Some(header),
            protocol: header.plus(12),
            payload: header.plus(14),
            network: 0,
            after_llc: 3,
            labels: 0,
            tag_beside: false,
        }
    }

    /// A network header inside something else, with its EtherType elsewhere.
    pub(super) fn without_header(guard: FormulaId, protocol: Place, payload: Place) -> Self {
        Self {
            header: None,
            protocol,
            payload,
            ..Self::ethernet(guard, payload)
        }
    }

    /// IP inside something else.
    pub(super) fn raw(guard: FormulaId, link: Link, payload: Place) -> Self {
        Self {
            link,
            after_llc: 0,
            ..Self::without_header(guard, payload, payload)
        }
    }

    pub(super) fn network_place(&self) -> Place {
        self.payload.plus(self.network)
    }

    pub(super) fn name(&self) -> String {
        match self.link {
            Link::Ethernet => "Ethernet".into(),
            Link::Sll => "Linux cooked v1".into(),
            Link::Sll2 => "Linux cooked v2".into(),
            Link::Raw | Link::Raw4 | Link::Raw6 => "raw IP".into(),
            Link::Null | Link::Loop => "BSD loopback".into(),
            Link::Ppp => "PPP".into(),
            Link::Other(link_type) => link_type.to_string(),
        }
    }
}

impl Meaning<'_> {
    /// `bytes` bytes at `place`. On a cooked socket the link-layer header is
    /// not there, and what it would say is asked of the kernel.
    pub(super) fn load(&mut self, place: Place, bytes: u8) -> ValueId {
        let Some(header) = self.cooked_header else {
            return self.formulas.values.load(place.index, place.k, bytes);
        };
        let is_v1 = header == 16;
        let beside = match (place.index, place.k, bytes) {
            (_, k, _) if k >= header && k < 0x8000_0000 => {
                return self.formulas.values.load(place.index, k - header, bytes);
            }
            (None, 0x8000_0000.., _) => {
                return self.formulas.values.load(None, place.k, bytes);
            }
            (None, 0, 2) if is_v1 => Some(op::AD_PKTTYPE),
            (None, 14, 2) if is_v1 => Some(op::AD_PROTOCOL),
            (None, 0, 2) => Some(op::AD_PROTOCOL),
            (None, 4, 4) => Some(op::AD_IFINDEX),
            (None, 8, 2) => Some(op::AD_HATYPE),
            (None, 10, 1) => Some(op::AD_PKTTYPE),
            _ => None,
        };
        match beside {
            Some(place) => self.formulas.values.ancillary(place),
            None => {
                self.not_in_kernel.get_or_insert(
                    "it reads bytes of the cooked header that the kernel does not have",
                );
                self.formulas.values.load(place.index, place.k, bytes)
            }
        }
    }

    pub(super) fn load_named(&mut self, place: Place, bytes: u8, field: Field) -> ValueId {
        let value = self.load(place, bytes);
        self.formulas.values.name(value, field);
        value
    }

    pub(super) fn equal_at(&mut self, place: Place, bytes: u8, number: u32) -> FormulaId {
        let value = self.load(place, bytes);
        self.formulas.equal(value, number)
    }

    /// The bytes under `mask` are `number`.
    pub(super) fn masked(&mut self, value: ValueId, mask: u32, number: u32) -> FormulaId {
        let mask = self.formulas.values.constant(mask);
        let masked = self.formulas.values.binary(Operator::And, value, mask);
        // Only a division can fail.
        self.formulas.equal(masked.unwrap_or(value), number)
    }

    pub(super) fn masked_at(
        &mut self,
        place: Place,
        bytes: u8,
        mask: u32,
        number: u32,
    ) -> FormulaId {
        let value = self.load(place, bytes);
        self.masked(value, mask, number)
    }

    /// Where the transport header begins behind an IPv4 header.
    pub(super) fn transport4(&mut self, layer: &Layer) -> Place {
        let network = layer.network_place();
        let first = self.load_named(network, 1, Field::VersionLength);
        let values = &mut self.formulas.values;
        let (mask, two) = (values.constant(0xf), values.constant(2));
        let words = values.binary(Operator::And, first, mask).unwrap_or(first);
        let length = values
            .binary(Operator::ShiftLeft, words, two)
            .unwrap_or(words);
        let index = self.sum(length, network.index);
        Place {
            index: Some(index),
            k: network.k,
        }
    }

    /// Where it begins behind an IPv6 header without extensions.
    pub(super) fn transport6(&self, layer: &Layer) -> Place {
        layer.network_place().plus(40)
    }

    /// `value` plus the index of a place.
    pub(super) fn sum(&mut self, value: ValueId, index: Option<ValueId>) -> ValueId {
        match index {
            Some(index) => {
                let values = &mut self.formulas.values;
                values.binary(Operator::Add, value, index).unwrap_or(value)
            }
            None => value,
        }
    }

    /// The frame carries `protocol`: an EtherType, or an LLC SAP if it is not
    /// larger than a length could be.
    pub(super) fn carries(&mut self, layer: &Layer, protocol: u32) -> Result<FormulaId> {
        if layer.labels > 0 {
            return self.carries_behind_mpls(layer, protocol);
        }
        match layer.link {
            Link::Ethernet => Ok(self.ethernet_carries(layer, protocol)),
            Link::Sll => Ok(self.sll_carries(layer, protocol)),
            Link::Sll2 => Ok(self.type_is(layer, protocol)),
            Link::Raw => Ok(match protocol {
                IPV4 => self.version_is(layer, 0x40),
                IPV6 => self.version_is(layer, 0x60),
                _ => FormulaId::FALSE,
            }),
            Link::Raw4 => Ok(self.always(protocol == IPV4)),
            Link::Raw6 => Ok(self.always(protocol == IPV6)),
            Link::Null | Link::Loop => Ok(self.family_is(layer, protocol)),
            Link::Ppp => Ok(self.type_is(layer, ppp_number(protocol))),
            Link::Other(_) => Err(self.wrong(format!(
                "this link type is {}, of which only bytes (\"link[0]\") and lengths can be \
                 tested",
                layer.name()
            ))),
        }
    }

    fn always(&self, holds: bool) -> FormulaId {
        match holds {
            true => FormulaId::TRUE,
            false => FormulaId::FALSE,
        }
    }

    pub(super) fn link_protocol(&mut self, layer: &Layer) -> ValueId {
        let field = match layer.link {
            Link::Ppp => Field::PppProtocol,
            _ => Field::LinkProtocol,
        };
        self.load_named(layer.protocol, 2, field)
    }

    fn type_is(&mut self, layer: &Layer, number: u32) -> FormulaId {
        let value = self.link_protocol(layer);
        self.formulas.equal(value, number)
    }

    fn version_is(&mut self, layer: &Layer, number: u32) -> FormulaId {
        let value = self.load_named(layer.network_place(), 1, Field::VersionLength);
        self.masked(value, 0xf0, number)
    }

    fn carries_behind_mpls(&mut self, layer: &Layer, protocol: u32) -> Result<FormulaId> {
        let version = match protocol {
            IPV4 => 0x40,
            IPV6 => 0x60,
            _ => return Err(self.wrong("behind MPLS only IPv4 and IPv6 can be told")),
        };
        let bottom = layer.network_place().plus(2u32.wrapping_neg());
        let bottom = self.load_named(bottom, 1, Field::BottomOfStack);
        let bottom = self.masked(bottom, 1, 1);
        let version = self.version_is(layer, version);
        Ok(self.formulas.and(bottom, version))
    }

    /// An LLC header with SNAP that says `organisation` and `protocol`, after a
    /// field that says LLC.
    fn snap(&mut self, layer: &Layer, organisation: u32, protocol: u32) -> FormulaId {
        let low = (organisation & 0xffff) << 16 | protocol;
        let high = SAP_SNAP << 24 | SAP_SNAP << 16 | 0x0300 | organisation >> 16;
        let low = self.equal_at(layer.payload.plus(4), 4, low);
        let high = self.equal_at(layer.payload, 4, high);
        self.formulas.and(low, high)
    }

    fn ethernet_carries(&mut self, layer: &Layer, protocol: u32) -> FormulaId {
        let field = self.link_protocol(layer);
        let is_length = self.formulas.test(field, Set::range(0, MOST_LENGTH));
        let by_type = self.formulas.equal(field, protocol);
        match protocol {
            SAP_IPX => {
                let sap = self.equal_at(layer.payload, 1, SAP_IPX);
                let raw = self.equal_at(layer.payload, 2, 0xffff);
                let snap = self.snap(layer, 0, IPX_TYPE);
                let by_length = self.formulas.any(vec![snap, sap, raw]);
                let by_length = self.formulas.and(is_length, by_length);
                let by_type = self.formulas.equal(field, IPX_TYPE);
                self.formulas.or(by_type, by_length)
            }
            SAP_OSI | SAP_IP | SAP_NETBEUI => {
                let saps = self.equal_at(layer.payload, 2, protocol << 8 | protocol);
                self.formulas.and(is_length, saps)
            }
            ATALK | AARP => {
                let organisation = if protocol == ATALK { 0x08_0007 } else { 0 };
                let snap = self.snap(layer, organisation, protocol);
                let by_length = self.formulas.and(is_length, snap);
                self.formulas.or(by_type, by_length)
            }
            0..=MOST_LENGTH => {
                let sap = self.equal_at(layer.protocol.plus(2), 1, protocol);
                self.formulas.and(is_length, sap)
            }
            _ => by_type,
        }
    }

    /// Linux gives frames with LLC the "protocol" 4, and Novell's raw ones 1
    /// (`include/uapi/linux/if_ether.h`).
    fn sll_carries(&mut self, layer: &Layer, protocol: u32) -> FormulaId {
        const RAW_802_3: u32 = 1;
        const LLC: u32 = 4;
        let field = self.link_protocol(layer);
        let is_llc = self.formulas.equal(field, LLC);
        let by_type = self.formulas.equal(field, protocol);
        match protocol {
            SAP_IPX => {
                let sap = self.equal_at(layer.payload, 1, SAP_IPX);
                let snap = self.snap(layer, 0, IPX_TYPE);
                let by_llc = self.formulas.or(sap, snap);
                let by_llc = self.formulas.and(is_llc, by_llc);
                let by_type = self.formulas.equal(field, IPX_TYPE);
                let raw = self.formulas.equal(field, RAW_802_3);
                self.formulas.any(vec![by_type, raw, by_llc])
            }
            SAP_OSI | SAP_IP | SAP_NETBEUI => {
                let saps = self.equal_at(layer.payload, 2, protocol << 8 | protocol);
                self.formulas.and(is_llc, saps)
            }
            ATALK | AARP => {
                let organisation = if protocol == ATALK { 0x08_0007 } else { 0 };
                let snap = self.snap(layer, organisation, protocol);
                let by_llc = self.formulas.and(is_llc, snap);
                self.formulas.or(by_type, by_llc)
            }
            0..=MOST_LENGTH => {
                let sap = self.equal_at(layer.payload, 1, protocol);
                self.formulas.and(is_llc, sap)
            }
            _ => by_type,
        }
    }

    /// Address families: 2 is IPv4 everywhere; IPv6 is 24, 28 or 30 on the BSDs
    /// and 10 on Linux. A file may have been written in either byte order.
    fn family_is(&mut self, layer: &Layer, protocol: u32) -> FormulaId {
        let families: &[u32] = match protocol {
            IPV4 => &[2],
            IPV6 => &[10, 24, 28, 30],
            _ => return FormulaId::FALSE,
        };
        let mut numbers: Vec<(u32, u32)> = Vec::new();
        for family in families {
            numbers.push((family.swap_bytes(), family.swap_bytes()));
            if layer.link == Link::Loop || self.target.live.is_none() {
                numbers.push((*family, *family));
            }
        }
        if layer.link == Link::Loop {
            numbers.retain(|(low, _)| *low < 0x100);
        }
        let Some(header) = layer.header else {
            return FormulaId::FALSE;
        };
        let value = self.load_named(header, 4, Field::Family);
        self.formulas.test(value, Set::of(numbers))
    }
}
