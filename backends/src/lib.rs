//! pktrail: capture packets on Linux and write them to pcapng.

pub mod file;
pub mod host;
pub mod inject;
pub mod names;
pub mod output;
pub mod privileges;
pub mod signals;
mod sys;

pub use pktrail_core::*;
