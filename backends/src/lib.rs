//! pktrail: capture packets on Linux and write them to pcapng.

pub mod af_packet;
pub mod backend;
pub mod bench;
pub mod capture;
pub mod devices;
pub mod file;
pub mod host;
pub mod inject;
pub mod memory;
pub mod names;
pub mod netns;
pub mod output;
pub mod privileges;
pub mod signals;
pub mod skb_filter;
mod sys;
#[cfg(feature = "trace")]
pub mod trace;
pub mod xdp_filter;

pub use af_packet::FanoutMode;
pub use backend::{Backend, Needs, Opened, Probe, Request};
pub use capture::Capture;
pub use pktrail_core::*;

/// All backends. A new one is one file and one line here.
pub const BACKENDS: &[Backend] = &[af_packet::BACKEND, file::BACKEND, memory::BACKEND];
