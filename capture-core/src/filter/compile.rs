//! The way from text to filter.

use super::ir::formula::Formulas;
use super::ir::graph::{Goal, Graph};
use super::ir::refine::refine;
use super::lang::{Expr, Mistake};
use super::meaning::meaning;
use super::steps::Decision;
use super::{Filter, Instruction, LiveTarget, Program, Resolver, Target, classic, lang};
use crate::{Error, ErrorKind, Result};
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
        let decided = decide(expr.as_ref(), &delivered, names)?;
        if decided.graph.root() == Goal::Reject {
            return Err(rejects_all(text).into());
        }
        let program = Program::of_any_length(decided.instructions(target.snaplen)?)?;
        let decision = Decision::new(decided.graph, decided.formulas.values, target.snaplen);
        let is_cooked = target.live.is_some_and(|live| live.cooked);
        let cooked = match is_cooked {
            true => cooked(expr.as_ref(), target, names)?,
            false => None,
        };
        Ok(Self {
            program,
            text: Some(text.into()),
            cooked,
            decision: Some(Arc::new(decision)),
        })
    }
}

/// The program for a cooked socket's kernel, if it can be run there.
fn cooked(
    expr: Option<&Expr>,
    target: &Target,
    names: &mut dyn Resolver,
) -> Result<Option<Program>> {
    let decided = decide(expr, target, names)?;
    if decided.not_in_kernel.is_some() {
        return Ok(None);
    }
    Program::of_any_length(decided.instructions(target.snaplen)?).map(Some)
}

pub(super) fn parse(text: &str) -> Result<Option<Expr>> {
    if text.len() > LONGEST_TEXT {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("the filter expression is longer than {LONGEST_TEXT} bytes"),
        ));
    }
    Ok(lang::parse(text)?)
}

fn rejects_all(text: &str) -> Mistake {
    let place = lang::Span {
        start: 0,
        end: text.len(),
    };
    let message = "the expression rejects every frame: its parts contradict each other, or this \
                   link type never carries what it asks for";
    Mistake::new(place, message)
}

/// An expression as a decision graph.
pub(super) struct Decided {
    pub(super) formulas: Formulas,
    pub(super) graph: Graph,
    not_in_kernel: Option<&'static str>,
}

pub(super) fn decide(
    expr: Option<&Expr>,
    target: &Target,
    names: &mut dyn Resolver,
) -> Result<Decided> {
    let mut formulas = Formulas::new();
    let meant = meaning(expr, target, names, &mut formulas)?;
    let mut graph = Graph::new(&mut formulas, meant.formula);
    refine(&mut graph, &mut formulas.values);
    Ok(Decided {
        formulas,
        graph,
        not_in_kernel: meant.not_in_kernel,
    })
}

impl Decided {
    fn instructions(&self, snaplen: u32) -> Result<Vec<Instruction>> {
        let instructions = classic::program(&self.graph, &self.formulas.values, snaplen);
        instructions.ok_or_else(|| {
            Error::new(
                ErrorKind::Usage,
                "the filter expression computes more than a program has memory for",
            )
        })
    }
}
