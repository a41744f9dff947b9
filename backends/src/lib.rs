//! pktrail: capture packets on Linux and write them to pcapng.

mod sys;

pub use pktrail_core::*;
