//! Load generation, and live comparisons with peers.

pub mod numbers;
pub mod testbed;
