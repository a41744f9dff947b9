//! The trail of a packet through the kernel: points, events, identity, verdicts.
//!
//! Owns what needs no machine: the table of points, the order of events over CPUs, which events
//! are one packet's, and what its end means. Attaching to a kernel is the crate `pktrail`'s.
//!
//! ```text
//! Event ──> Sequences: what was lost ──> Window: time order ──> Joiner ──> Trail, Verdict
//! ```

pub mod cause;
pub mod diagram;
pub mod event;
pub mod file;
pub mod fingerprint;
pub mod hook;
pub mod join;
mod life;
pub mod order;
pub mod packet;
pub mod path;
pub mod pattern;
pub mod point;
pub mod returns;
pub mod rules;
mod sent;
pub mod top;
pub mod verdict;
pub mod wanted;
pub mod words;

pub use event::{Checksum, Event, Forwarding, Frame, Happening, Name, Process, Returned, Sender};
pub use fingerprint::{Fingerprint, Likeness};
pub use join::{Joiner, Settings};
pub use order::{Ordered, Sequences, Window};
pub use packet::{Packet, Tuple};
pub use path::{Change, Edge, Hop, Relation, Trail, TrailId};
pub use pattern::Pattern;
pub use point::{Attach, Layer, Point, PointId, Returns, Role, SkbAt};
pub use rules::{RuleStep, Rules};
pub use top::Top;
pub use verdict::Verdict;
pub use wanted::Wanted;
pub use words::Names;

#[cfg(test)]
mod tests;
