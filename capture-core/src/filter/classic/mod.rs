//! The back end for sockets: the decision graph as classic BPF.

mod choose;
mod emit;
mod layout;
mod postpone;
mod share;

pub(super) use choose::{Tree, tree};

use super::Instruction;
use super::ir::graph::Graph;
use super::ir::value::Values;
use super::op::MOST_INSTRUCTIONS;
use postpone::postponed;

/// Why there is no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Classic BPF has sixteen words of memory.
    Memory,
    /// It would be beyond all measure.
    Size,
}

/// The program of `graph`. It may be longer than the kernel takes.
pub(super) fn program(
    graph: &Graph,
    values: &Values,
    snaplen: u32,
) -> Result<Vec<Instruction>, Refusal> {
    let make = |graph: &Graph, shares: bool| {
        let mut emitter = emit::Emitter::new(graph, values, snaplen);
        if shares {
            emitter.share();
        }
        let Some(root) = emitter.program(graph.root()) else {
            return Err(match emitter.is_too_large {
                true => Refusal::Size,
                false => Refusal::Memory,
            });
        };
        let fast = layout::assemble(&emitter.blocks, root, true);
        match fast.len() <= MOST_INSTRUCTIONS {
            true => Ok(fast),
            false => Ok(layout::assemble(&emitter.blocks, root, false)),
        }
    };
    let made = make(graph, false);
    let is_long = |made: &Result<Vec<_>, _>| match made {
        Ok(program) => program.len() > MOST_INSTRUCTIONS,
        Err(refusal) => *refusal == Refusal::Size,
    };
    if !is_long(&made) {
        return made;
    }
    let postponed = postponed(graph).map(|graph| make(&graph, true));
    let shared = match postponed {
        Some(fast) if !is_long(&fast) => fast,
        _ => make(graph, true),
    };
    match (made, shared) {
        (Ok(long), Ok(shared)) if long.len() <= shared.len() => Ok(long),
        (Ok(long), Err(_)) => Ok(long),
        (_, shared) => shared,
    }
}
