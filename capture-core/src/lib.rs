//! Packet capture without the machine.
//!
//! This crate owns the model (frame, batch, source, sink), the engine that joins
//! sources to sinks and accounts for every frame, filter programs, the pcap and
//! pcapng formats, and the decoding of frames into text. It makes no system
//! call, opens no file and prints nothing: what speaks to the kernel lives in
//! the crate `pktrail`, which builds on this one.
//!
//! ```text
//! Source ──Batch──> [filter, if the source could not] ──> merge ──Batch──> Sink
//!    └──────────────── every frame ends in one counter of the Account ───────┘
//! ```

pub mod account;
pub mod batch;
pub mod chain;
pub mod engine;
pub mod error;
pub mod filter;
pub mod flow;
pub mod frame;
pub mod interface;
pub mod keep;
pub mod limit;
pub mod pcap;
pub mod pcapng;
pub mod read;
pub mod rotation;
pub mod sink;
pub mod source;
pub mod tee;
pub mod text;
pub mod trail;

pub use account::{Account, Losses, SourceAccount};
pub use batch::{Batch, Block, Note};
pub use engine::{Control, Engine, Event, Finished, Order};
pub use error::{Error, ErrorKind, Result};
pub use filter::{Filter, Instruction, Program};
pub use flow::{FlowKey, FlowPattern};
pub use frame::{Flags, Frame, FrameInfo, Marks};
pub use interface::{Interface, LinkType};
pub use keep::Keep;
pub use limit::{Limit, Limits};
pub use sink::{Flow, Sink};
pub use source::{Next, Notice, Obstacle, Placement, Source};
pub use tee::Tee;
