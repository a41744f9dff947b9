//! Load generation, and live comparisons with peers.
//!
//! The programs are `pkt-load` (the generator) and `pkt-live` (the comparison);
//! what they are made of is here, for the tests too. Nothing here is a test: no
//! check anywhere depends on how long something takes.

pub mod machine;
pub mod measure;
pub mod numbers;
pub mod peer;
pub mod plot;
pub mod report;
pub mod testbed;
