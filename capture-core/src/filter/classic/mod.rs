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
    let make = |shares: bool| {
        let postponed = shares.then(|| postpone::postponed(graph)).flatten();
        let graph = postponed.as_ref().unwrap_or(graph);
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
    match make(false) {
        Ok(program) if program.len() > MOST_INSTRUCTIONS => match make(true) {
            Ok(shorter) if shorter.len() < program.len() => Ok(shorter),
            _ => Ok(program),
        },
        Err(Refusal::Size) => make(true),
        made => made,
    }
}
