//! Helpers for the whole-program tests.

pub mod fuzz;
pub mod program;
pub mod tcpdump;
