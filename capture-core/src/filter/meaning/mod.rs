//! What expressions mean: from the tree of the text to formulas over values,
//! for a link type. The rules are those of libpcap's man page pcap-filter(7)
//! and of what libpcap does; where they differ from the wire's truth, they are
//! kept, because that is what filters are written for.

mod address;
mod arith;
mod layer;
mod numbers;
mod port;
mod protocol;
mod special;
mod tunnel;

use super::ir::formula::{FormulaId, Formulas};
use super::lang::{Expr, Joint, Mistake, Span, Term};
use super::{Resolver, Target};
use layer::Layer;

type Result<T> = std::result::Result<T, Mistake>;

/// Most layers that an expression can be about at once (a tunnel multiplies
/// them).
const MOST_LAYERS: usize = 64;

/// What an expression means.
pub(super) struct Meant {
    pub(super) formula: FormulaId,
    /// Why the kernel cannot run it, if it cannot.
    pub(super) not_in_kernel: Option<&'static str>,
}

struct Meaning<'a> {
    formulas: &'a mut Formulas,
    target: &'a Target,
    names: &'a mut dyn Resolver,
    /// What the tests are about, from here on in the text.
    layers: Vec<Layer>,
    /// The test that is being read.
    span: Span,
    /// On a cooked socket, how long the header is that is not there.
    cooked_header: Option<u32>,
    not_in_kernel: Option<&'static str>,
}

/// The meaning of `expr`; `None` is the empty expression.
pub(super) fn meaning(
    expr: Option<&Expr>,
    target: &Target,
    names: &mut dyn Resolver,
    formulas: &mut Formulas,
) -> Result<Meant> {
    let Some(expr) = expr else {
        return Ok(Meant {
            formula: FormulaId::TRUE,
            not_in_kernel: None,
        });
    };
    let live = target.live.unwrap_or_default();
    let outermost = Layer::outermost(target.link_type, live.stripped_tags);
    let mut meaning = Meaning {
        formulas,
        target,
        names,
        layers: Vec::new(),
        span: Span::default(),
        cooked_header: match target.link_type {
            crate::LinkType::LINUX_SLL if live.cooked => Some(16),
            crate::LinkType::LINUX_SLL2 if live.cooked => Some(20),
            _ => None,
        },
        not_in_kernel: None,
    };
    let mut ways = Vec::new();
    for layer in meaning.starts(outermost, expr)? {
        meaning.layers = vec![Layer {
            guard: FormulaId::TRUE,
            ..layer
        }];
        let formula = meaning.expr(expr)?;
        ways.push(meaning.formulas.and(layer.guard, formula));
    }
    let formula = meaning.formulas.any(ways);
    Ok(Meant {
        formula,
        not_in_kernel: meaning.not_in_kernel,
    })
}

impl Meaning<'_> {
    fn wrong(&self, message: impl Into<String>) -> Mistake {
        Mistake::new(self.span, message)
    }

    fn expr(&mut self, expr: &Expr) -> Result<FormulaId> {
        match expr {
            Expr::Not(inner) => {
                let formula = self.expr(inner)?;
                Ok(self.formulas.not(formula))
            }
            Expr::Term(term, span) => {
                self.span = *span;
                let formula = self.term(term)?;
                if self.formulas.values.budget.is_over() {
                    return Err(self.wrong(
                        "up to here the expression is too large already: use shorter lists, or \
                         fewer tunnels around them",
                    ));
                }
                Ok(formula)
            }
            Expr::Chain(first, rest) => {
                let mut group = vec![self.expr(first)?];
                let mut joint = rest.first().map_or(Joint::And, |(joint, _)| *joint);
                for (next, member) in rest {
                    if *next != joint {
                        group = vec![self.join(joint, group)];
                        joint = *next;
                    }
                    group.push(self.expr(member)?);
                }
                Ok(self.join(joint, group))
            }
        }
    }

    fn join(&mut self, joint: Joint, group: Vec<FormulaId>) -> FormulaId {
        match joint {
            Joint::And => self.formulas.all(group),
            Joint::Or => self.formulas.any(group),
        }
    }

    fn term(&mut self, term: &Term) -> Result<FormulaId> {
        match term {
            Term::Vlan(id) => self.change(|meaning, layer| meaning.vlan(layer, *id)),
            Term::Mpls(label) => self.change(|meaning, layer| meaning.mpls(layer, *label)),
            Term::Pppoes(id) => self.change(|meaning, layer| meaning.pppoe_session(layer, *id)),
            Term::Geneve(vni) => self.change(|meaning, layer| meaning.geneve(layer, *vni)),
            Term::Vxlan(vni) => self.change(|meaning, layer| meaning.vxlan(layer, *vni)),
            _ => self.in_each_layer(|meaning, layer| meaning.plain(layer, term)),
        }
    }

    /// A test that leaves the layer as it is.
    fn plain(&mut self, layer: &Layer, term: &Term) -> Result<FormulaId> {
        match term {
            Term::Qualified(qualifiers, id) => self.qualified(layer, *qualifiers, id),
            Term::Protocol(proto) => self.protocol(layer, *proto),
            Term::Relation(comparison, left, right) => {
                self.relation(layer, *comparison, left, right)
            }
            Term::Broadcast(proto) => self.broadcast(layer, *proto),
            Term::Multicast(proto) => self.multicast(layer, *proto),
            Term::Less(length) => Ok(self.length(0, *length)),
            Term::Greater(length) => Ok(self.length(*length, u32::MAX)),
            Term::Byte(offset, test, number) => self.byte(layer, *offset, *test, *number),
            Term::Inbound => self.direction(layer, false),
            Term::Outbound => self.direction(layer, true),
            Term::Ifindex(index) => self.interface(layer, *index),
            Term::Pppoed => self.carries(layer, numbers::PPPOE_DISCOVERY),
            Term::Llc(llc) => self.llc(layer, *llc),
            // The terms that change the layer.
            _ => Err(self.wrong("this cannot stand here")),
        }
    }

    /// The test holds in one of the layers that the expression is about.
    fn in_each_layer(
        &mut self,
        mut test: impl FnMut(&mut Self, &Layer) -> Result<FormulaId>,
    ) -> Result<FormulaId> {
        let layers = self.layers.clone();
        let mut found = Vec::with_capacity(layers.len());
        for layer in &layers {
            found.push(test(self, layer)?);
        }
        // What is the same in all of them, as a length is, is about none.
        if let Some(first) = found.first()
            && found.iter().all(|formula| formula == first)
        {
            return Ok(*first);
        }
        let guarded = layers.iter().zip(found);
        let guarded = guarded.map(|(layer, formula)| self.formulas.and(layer.guard, formula));
        let guarded = guarded.collect();
        Ok(self.formulas.any(guarded))
    }

    /// A test after which the expression is about other layers.
    fn change(
        &mut self,
        mut test: impl FnMut(&mut Self, &Layer) -> Result<(FormulaId, Vec<Layer>)>,
    ) -> Result<FormulaId> {
        let mut next = Vec::new();
        let formula = self.in_each_layer(|meaning, layer| {
            let (formula, layers) = test(meaning, layer)?;
            for inner in layers {
                let guard = meaning.formulas.and(layer.guard, inner.guard);
                next.push(Layer { guard, ..inner });
            }
            Ok(formula)
        })?;
        if next.len() > MOST_LAYERS {
            return Err(self.wrong("too many tunnels inside each other"));
        }
        self.layers = next;
        Ok(formula)
    }
}
