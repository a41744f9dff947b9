//! The back end for sockets: the decision graph as classic BPF.

mod choose;
mod emit;
mod layout;
mod share;

pub(super) use choose::{Tree, tree};

use super::Instruction;
use super::ir::graph::Graph;
use super::ir::value::Values;
use super::op::MOST_INSTRUCTIONS;

/// The program of `graph`. It may be longer than the kernel takes. `None`: it
/// cannot be written in classic BPF, which has sixteen words of memory, or is
/// beyond all measure.
pub(super) fn program(graph: &Graph, values: &Values, snaplen: u32) -> Option<Vec<Instruction>> {
    let make = |shares: bool| {
        let mut emitter = emit::Emitter::new(graph, values, snaplen);
        if shares {
            emitter.share();
        }
        let root = emitter.program(graph.root())?;
        let fast = layout::assemble(&emitter.blocks, root, true);
        match fast.len() <= MOST_INSTRUCTIONS {
            true => Some(fast),
            false => Some(layout::assemble(&emitter.blocks, root, false)),
        }
    };
    let program = make(false)?;
    if program.len() <= MOST_INSTRUCTIONS {
        return Some(program);
    }
    match make(true) {
        Some(shorter) if shorter.len() < program.len() => Some(shorter),
        _ => Some(program),
    }
}
