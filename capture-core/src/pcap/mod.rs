//! pcap: the classic format (draft-ietf-opsawg-pcap).
//!
//! Owns how frames become records and back. It has room for one link type, a
//! time and two lengths: whatever else is known of a frame is left out.

mod encode;
mod parse;

pub use encode::{Encoder, Precision};
pub(crate) use parse::{Parser, is_magic};
