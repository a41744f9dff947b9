//! Helpers for the whole-program tests.

pub mod files;
pub mod fuzz;
pub mod netns;
pub mod program;
pub mod tcpdump;
pub mod tracing;
