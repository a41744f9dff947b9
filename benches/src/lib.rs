//! Load generation, and live comparisons with peers.
//!
//! The programs are `pkt-load` (the generator), `pkt-live` (the comparison) and
//! `pkt-soak` (the long run); what they are made of is here, for the tests too.
//! Nothing here is a test: no check anywhere depends on how long something takes.

pub mod bounds;
pub mod capacity;
pub mod judge;
pub mod load;
pub mod machine;
pub mod measure;
pub mod numbers;
pub mod options;
pub mod parts;
pub mod past_cache;
pub mod peer;
pub mod plot;
pub mod process;
pub mod report;
pub mod soak;
pub mod soak_report;
pub mod summary;
pub mod testbed;
