//! pktrail: capture packets on Linux and write them to pcapng.

pub mod file;
pub mod inject;
pub mod names;
pub mod output;
mod sys;

pub use pktrail_core::*;
