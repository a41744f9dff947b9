//! What a compiled expression is before it becomes a program: values, tests of
//! them, and the graph of decisions. Knows no protocol and no instruction.

mod budget;
mod facts;
pub(super) mod formula;
pub(super) mod graph;
pub(super) mod hash;
pub(super) mod likely;
mod order;
pub(super) mod refine;
pub(super) mod set;
pub(super) mod value;
