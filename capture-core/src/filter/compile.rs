//! The way from text to filter.

use super::classic::Refusal;
use super::ir::formula::Formulas;
use super::ir::graph::{Goal, Graph};
use super::ir::refine::refine;
use super::lang::{Expr, Mistake};
use super::meaning::meaning;
use super::steps::Decision;
use super::{Filter, Instruction, LiveTarget, Program, Resolver, Target, classic, lang};
use crate::Result;
use std::sync::Arc;

/// Longest expression, in bytes.
const LONGEST_TEXT: usize = 1 << 20;

impl Filter {
    /// Compiles `text`, in the language of pcap-filter(7), for `target`. Names
    /// of hosts, networks, services and protocols are asked of `names`. The
    /// empty expression accepts every frame.
    ///
    /// # Errors
    /// `Usage` for a mistake in the text, with a [`Mistake`] as its cause:
    /// [`caret`](super::caret) shows the place.
    pub fn compile(text: &str, target: &Target, names: &mut dyn Resolver) -> Result<Self> {
        let expr = parse(text)?;
        let delivered = Target {
            live: target.live.map(|live| LiveTarget {
                cooked: false,
                ..live
            }),
            ..target.clone()
        };
        let decided = decide(text, expr.as_ref(), &delivered, names)?;
        if decided.graph.root() == Goal::Reject {
            return Err(rejects_all(text).into());
        }
        let program = Program::of_any_length(decided.instructions(text, target.snaplen)?)?;
        let decision = Decision::new(decided.graph, decided.formulas.values, target.snaplen);
        let is_cooked = target.live.is_some_and(|live| live.cooked);
        let cooked = match is_cooked {
            true => cooked(text, expr.as_ref(), target, names)?,
            false => None,
        };
        Ok(Self {
            program,
            text: Some(text.into()),
            cooked,
            decision: Some(Arc::new(decision)),
            is_live: target.live.is_some_and(|live| live.stripped_tags),
        })
    }
}

/// The program for a cooked socket's kernel, if it can be run there.
fn cooked(
    text: &str,
    expr: Option<&Expr>,
    target: &Target,
    names: &mut dyn Resolver,
) -> Result<Option<Program>> {
    let decided = decide(text, expr, target, names)?;
    if decided.not_in_kernel.is_some() {
        return Ok(None);
    }
    Program::of_any_length(decided.instructions(text, target.snaplen)?).map(Some)
}

pub(super) fn parse(text: &str) -> Result<Option<Expr>> {
    if text.len() > LONGEST_TEXT {
        let behind = lang::Span {
            start: LONGEST_TEXT,
            end: text.len(),
        };
        let message = format!("the expression is longer than {LONGEST_TEXT} bytes");
        return Err(Mistake::new(behind, message).into());
    }
    Ok(lang::parse(text)?)
}

fn rejects_all(text: &str) -> Mistake {
    let message = "the expression rejects every frame: its parts contradict each other, or this \
                   link type never carries what it asks for";
    Mistake::new(whole(text), message)
}

fn too_large(text: &str) -> Mistake {
    let message = "the expression is too large: what it asks for has too many combinations. Use \
                   shorter lists, leave out \"--inner\" or \"--any-tag\", or filter twice";
    Mistake::new(whole(text), message)
}

fn whole(text: &str) -> lang::Span {
    lang::Span {
        start: 0,
        end: text.len(),
    }
}

/// An expression as a decision graph.
pub(super) struct Decided {
    pub(super) formulas: Formulas,
    pub(super) graph: Graph,
    not_in_kernel: Option<&'static str>,
}

pub(super) fn decide(
    text: &str,
    expr: Option<&Expr>,
    target: &Target,
    names: &mut dyn Resolver,
) -> Result<Decided> {
    let mut formulas = Formulas::new();
    let meant = meaning(expr, target, names, &mut formulas)?;
    let mut graph = Graph::new(&mut formulas, meant.formula);
    if formulas.values.budget.is_over() {
        return Err(too_large(text).into());
    }
    refine(&mut graph, &mut formulas.values);
    Ok(Decided {
        formulas,
        graph,
        not_in_kernel: meant.not_in_kernel,
    })
}

impl Decided {
    fn instructions(&self, text: &str, snaplen: u32) -> Result<Vec<Instruction>> {
        let instructions = classic::program(&self.graph, &self.formulas.values, snaplen);
        instructions.map_err(|refusal| match refusal {
            Refusal::Size => too_large(text).into(),
            Refusal::Memory => {
                let message = "the expression computes more than a program has memory for: use \
                               fewer sums inside each other";
                Mistake::new(whole(text), message).into()
            }
        })
    }
}
