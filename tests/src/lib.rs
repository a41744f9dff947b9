//! Helpers for the whole-program tests.

pub mod program;
pub mod tcpdump;
