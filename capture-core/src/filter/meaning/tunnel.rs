//! Tests that move on to what a tag, a label or a tunnel carries: `vlan`,
//! `mpls`, `pppoes`, `geneve`, `vxlan`, and our own "any tag" and "inner".
//!
//! libpcap moves on for the rest of the text, through `or`, `not` and
//! parentheses, and so do we.

use super::layer::{Layer, Link, Place};
use super::numbers::*;
use super::{Meaning, Result};
use crate::filter::ir::formula::FormulaId;
use crate::filter::ir::set::Set;
use crate::filter::ir::value::{Field, ValueId};
use crate::filter::lang::{Expr, Operator, Term};
use crate::filter::op;

const GENEVE_PORT: u32 = 6081;
const VXLAN_PORT: u32 = 4789;

type Changed = Result<(FormulaId, Vec<Layer>)>;

impl Meaning<'_> {
    pub(super) fn vlan(&mut self, layer: &Layer, id: Option<u32>) -> Changed {
        self.limit("VLAN identifier", id, 0xfff)?;
        if layer.labels > 0 {
            return Err(self.wrong("a VLAN tag behind MPLS cannot be tested"));
        }
        if layer.link != Link::Ethernet {
            return Err(self.wrong(format!("\"vlan\" cannot be tested on {}", layer.name())));
        }
        let field = self.link_protocol(layer);
        let tagged = self.formulas.test(field, tag_types());
        let id_inside = self.identifier(layer.payload, 2, 0xfff, id);
        let inside = self.formulas.and(tagged, id_inside);
        let behind = Layer {
            protocol: layer.protocol.plus(4),
            payload: layer.payload.plus(4),
            tag_beside: false,
            guard: FormulaId::TRUE,
            ..*layer
        };
        if !layer.tag_beside {
            return Ok((inside, vec![behind]));
        }
        let present = self.formulas.values.ancillary(op::AD_VLAN_TAG_PRESENT);
        self.formulas.values.name(present, Field::VlanPresent);
        let is_beside = self.formulas.equal(present, 1);
        let not_beside = self.formulas.not(is_beside);
        let id_beside = match id {
            Some(id) => {
                let tag = self.formulas.values.ancillary(op::AD_VLAN_TAG);
                self.formulas.values.name(tag, Field::VlanTag);
                self.masked(tag, 0xfff, id)
            }
            None => FormulaId::TRUE,
        };
        let beside = self.formulas.and(is_beside, id_beside);
        let inside = self.formulas.and(not_beside, inside);
        let formula = self.formulas.or(beside, inside);
        let stripped = Layer {
            tag_beside: false,
            guard: is_beside,
            ..*layer
        };
        let behind = Layer {
            guard: not_beside,
            ..behind
        };
        Ok((formula, vec![stripped, behind]))
    }

    fn limit(&mut self, what: &str, number: Option<u32>, most: u32) -> Result<()> {
        match number {
            Some(number) if number > most => {
                Err(self.wrong(format!("{what} {number} is more than {most}")))
            }
            _ => Ok(()),
        }
    }

    /// A number of a tag or tunnel, if one was given.
    fn identifier(&mut self, place: Place, bytes: u8, mask: u32, id: Option<u32>) -> FormulaId {
        match id {
            Some(id) => self.masked_at(place, bytes, mask, id << mask.trailing_zeros()),
            None => FormulaId::TRUE,
        }
    }

    pub(super) fn mpls(&mut self, layer: &Layer, label: Option<u32>) -> Changed {
        self.limit("MPLS label", label, 0xf_ffff)?;
        let below = match (layer.labels, layer.link) {
            (1.., _) => {
                let bottom = layer.network_place().plus(2u32.wrapping_neg());
                let bottom = self.load_named(bottom, 1, Field::BottomOfStack);
                self.masked(bottom, 1, 0)
            }
            (0, Link::Ethernet) => self.carries(layer, MPLS)?,
            (0, Link::Ppp) => self.carries(layer, PPP_MPLS)?,
            _ => return Err(self.wrong(format!("\"mpls\" cannot be tested on {}", layer.name()))),
        };
        let label = self.identifier(layer.network_place(), 4, 0xffff_f000, label);
        let formula = self.formulas.and(below, label);
        let behind = Layer {
            guard: FormulaId::TRUE,
            network: layer.network + 4,
            after_llc: layer.after_llc + 4,
            labels: layer.labels + 1,
            ..*layer
        };
        Ok((formula, vec![behind]))
    }

    pub(super) fn pppoe_session(&mut self, layer: &Layer, id: Option<u32>) -> Changed {
        self.limit("PPPoE session", id, 0xffff)?;
        let session = self.carries(layer, PPPOE_SESSION)?;
        let id = self.identifier(layer.network_place(), 4, 0xffff, id);
        let formula = self.formulas.and(session, id);
        let header = layer.network_place().plus(6);
        let behind = Layer {
            guard: FormulaId::TRUE,
            link: Link::Ppp,
            header: Some(header),
            protocol: header,
            payload: header.plus(2),
            network: 0,
            after_llc: 0,
            labels: 0,
            tag_beside: false,
        };
        Ok((formula, vec![behind]))
    }

    pub(super) fn geneve(&mut self, layer: &Layer, vni: Option<u32>) -> Changed {
        self.limit("Geneve network identifier", vni, 0xff_ffff)?;
        let mut layers = Vec::new();
        let mut ways = Vec::new();
        for (udp, transport) in self.tunnels_over_udp(layer, GENEVE_PORT)? {
            let header = transport.plus(8);
            let version = self.masked_at(header, 1, 0xc0, 0);
            let vni = self.identifier(header.plus(4), 4, 0xffff_ff00, vni);
            let way = self.formulas.all(vec![udp, version, vni]);
            layers.extend(self.behind_geneve(header, way));
            ways.push(way);
        }
        Ok((self.formulas.any(ways), layers))
    }

    /// What follows a Geneve header (RFC 8926): Ethernet, or what the protocol
    /// field says.
    fn behind_geneve(&mut self, header: Place, way: FormulaId) -> [Layer; 2] {
        let first = self.load(header, 1);
        let options = self.scaled(first, 0x3f, 2);
        let index = self.sum(options, header.index);
        let inner = Place {
            index: Some(index),
            k: header.k,
        };
        let inner = inner.plus(8);
        let protocol = header.plus(2);
        let ethernet = self.equal_at(protocol, 2, TRANSPARENT_ETHERNET);
        let other = self.formulas.not(ethernet);
        let (ethernet, other) = (
            self.formulas.and(way, ethernet),
            self.formulas.and(way, other),
        );
        [
            Layer::ethernet(ethernet, inner),
            Layer::without_header(other, protocol, inner),
        ]
    }

    /// The bits of `value` under `mask`, shifted left.
    fn scaled(&mut self, value: ValueId, mask: u32, shift: u32) -> ValueId {
        let values = &mut self.formulas.values;
        let (mask, shift) = (values.constant(mask), values.constant(shift));
        let bits = values.binary(Operator::And, value, mask).unwrap_or(value);
        values
            .binary(Operator::ShiftLeft, bits, shift)
            .unwrap_or(bits)
    }

    pub(super) fn vxlan(&mut self, layer: &Layer, vni: Option<u32>) -> Changed {
        self.limit("VXLAN network identifier", vni, 0xff_ffff)?;
        let mut layers = Vec::new();
        let mut ways = Vec::new();
        for (udp, transport) in self.tunnels_over_udp(layer, VXLAN_PORT)? {
            let header = transport.plus(8);
            let has_vni = self.masked_at(header, 1, 0x08, 0x08);
            let vni = self.identifier(header.plus(4), 4, 0xffff_ff00, vni);
            let way = self.formulas.all(vec![udp, has_vni, vni]);
            layers.push(Layer::ethernet(way, header.plus(8)));
            ways.push(way);
        }
        Ok((self.formulas.any(ways), layers))
    }

    /// UDP to a port over IPv4 and over IPv6, and where the UDP header is.
    fn tunnels_over_udp(&mut self, layer: &Layer, port: u32) -> Result<[(FormulaId, Place); 2]> {
        let four = self.port4(
            layer,
            &Set::one(UDP),
            Some(super::port::TO),
            &Set::one(port),
        )?;
        let six = self.port6(
            layer,
            &Set::one(UDP),
            Some(super::port::TO),
            &Set::one(port),
        )?;
        Ok([
            (four, self.transport4(layer)),
            (six, self.transport6(layer)),
        ])
    }

    /// The layers that the whole expression is tried for.
    pub(super) fn starts(&mut self, outermost: Layer, expr: &Expr) -> Result<Vec<Layer>> {
        let mut starts = vec![outermost];
        if self.target.any_tag && outermost.link == Link::Ethernet && !says_vlan(expr) {
            starts = self.behind_any_tag(outermost);
        }
        if self.target.inner {
            for start in starts.clone() {
                starts.extend(self.inside_any_tunnel(&start)?);
            }
        }
        Ok(starts)
    }

    /// No tag, one, and two.
    fn behind_any_tag(&mut self, outermost: Layer) -> Vec<Layer> {
        let mut layers = Vec::new();
        let (mut layer, mut guard) = (outermost, FormulaId::TRUE);
        for _ in 0..2 {
            let field = self.link_protocol(&layer);
            let tagged = self.formulas.test(field, tag_types());
            let untagged = self.formulas.not(tagged);
            layers.push(Layer {
                guard: self.formulas.and(guard, untagged),
                ..layer
            });
            guard = self.formulas.and(guard, tagged);
            layer.protocol = layer.protocol.plus(4);
            layer.payload = layer.payload.plus(4);
        }
        layers.push(Layer { guard, ..layer });
        layers
    }

    fn inside_any_tunnel(&mut self, layer: &Layer) -> Result<Vec<Layer>> {
        let mut layers = self.vxlan(layer, None)?.1;
        layers.extend(self.geneve(layer, None)?.1);
        for (version, protocol_at) in [(IPV4, 9), (IPV6, 6)] {
            let network = layer.network_place();
            let ip = self.carries(layer, version)?;
            let protocol = self.load(network.plus(protocol_at), 1);
            let transport = match version {
                IPV4 => self.transport4(layer),
                _ => self.transport6(layer),
            };
            let whole = match version {
                IPV4 => self.first_fragment(network),
                _ => FormulaId::TRUE,
            };
            let carries = |meaning: &mut Self, number| {
                let is = meaning.formulas.equal(protocol, number);
                meaning.formulas.all(vec![ip, is, whole])
            };
            let four = carries(self, IP_IN_IP);
            let six = carries(self, IPV6_IN_IP);
            layers.push(Layer::raw(four, Link::Raw4, transport));
            layers.push(Layer::raw(six, Link::Raw6, transport));
            let gre = carries(self, GRE);
            layers.extend(self.inside_gre(gre, transport));
        }
        for inner in &mut layers {
            inner.guard = self.formulas.and(layer.guard, inner.guard);
        }
        Ok(layers)
    }

    /// GRE version 0 with its optional checksum, key and sequence number
    /// (RFC 2784, RFC 2890), each four bytes.
    fn inside_gre(&mut self, gre: FormulaId, header: Place) -> [Layer; 2] {
        let flags = self.load(header, 1);
        let version = self.masked_at(header.plus(1), 1, 0x07, 0);
        let plain = self.masked(flags, 0x40, 0);
        let mut length = None;
        for bit in [0x80, 0x20, 0x10] {
            let shift = |value: ValueId, meaning: &mut Self| {
                let values = &mut meaning.formulas.values;
                let (mask, down) = (values.constant(bit), values.constant(bit.trailing_zeros()));
                let bits = values.binary(Operator::And, value, mask).unwrap_or(value);
                let one = values
                    .binary(Operator::ShiftRight, bits, down)
                    .unwrap_or(bits);
                let two = values.constant(2);
                values.binary(Operator::ShiftLeft, one, two).unwrap_or(one)
            };
            let four = shift(flags, self);
            length = Some(self.sum(four, length));
        }
        let index = match (length, header.index) {
            (Some(length), index) => Some(self.sum(length, index)),
            (None, index) => index,
        };
        let inner = Place { index, k: header.k }.plus(4);
        let protocol = header.plus(2);
        let way = self.formulas.all(vec![gre, version, plain]);
        let ethernet = self.equal_at(protocol, 2, TRANSPARENT_ETHERNET);
        let other = self.formulas.not(ethernet);
        let (ethernet, other) = (
            self.formulas.and(way, ethernet),
            self.formulas.and(way, other),
        );
        [
            Layer::ethernet(ethernet, inner),
            Layer::without_header(other, protocol, inner),
        ]
    }
}

fn tag_types() -> Set {
    Set::of(VLAN_TYPES.iter().map(|number| (*number, *number)).collect())
}

fn says_vlan(expr: &Expr) -> bool {
    match expr {
        Expr::Not(inner) => says_vlan(inner),
        Expr::Term(term, _) => matches!(term, Term::Vlan(_)),
        Expr::Chain(first, rest) => {
            says_vlan(first) || rest.iter().any(|(_, member)| says_vlan(member))
        }
    }
}
