//! pcapng: the native format (draft-ietf-opsawg-pcapng).
//!
//! Owns how frames, interfaces, statistics and notes become blocks and back.
//! Files, compression, rotation and waiting for more are not its business.

mod block;
mod describe;
mod encode;
mod flows;
mod in_place;
mod index;
mod notes;
pub(crate) mod options;
mod pack;
mod parse;
mod time;

pub use block::{FLOWS_BLOCK, INDEX_BLOCK, MAX_CAPTURED, PADDING_BLOCK};
pub(crate) use block::{IF_FCSLEN, SECTION_HEADER};
pub use encode::{Encoder, padding};
pub use flows::ReadAt;
pub use in_place::pad_to;
pub use index::{Index, Indexer, Stretch};
pub(crate) use options::put as put_option;
pub use pack::{Packed, Packer, Packing, unpack};
pub(crate) use parse::Parser;

/// What a section header says about where the file was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The machine.
    pub hardware: Option<String>,
    /// The operating system.
    pub os: Option<String>,
    /// The program that wrote the section.
    pub application: Option<String>,
    /// Comments on the section.
    pub comments: Vec<String>,
}

/// What an interface statistics block says. Counts are since the start of the
/// capture; what is not known is left out of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Index in the table of interfaces.
    pub interface: u32,
    /// When the counts were taken, in nanoseconds since 1970.
    pub timestamp_ns: u64,
    /// When the capture began, in nanoseconds since 1970.
    pub start_ns: Option<u64>,
    /// When the capture ended, in nanoseconds since 1970.
    pub end_ns: Option<u64>,
    /// Frames the interface received (isb_ifrecv).
    pub received: Option<u64>,
    /// Frames the interface lost for lack of resources (isb_ifdrop).
    pub interface_dropped: Option<u64>,
    /// Frames the filter accepted (isb_filteraccept).
    pub accepted: Option<u64>,
    /// Frames the operating system lost (isb_osdrop).
    pub os_dropped: Option<u64>,
    /// Frames delivered to the user (isb_usrdeliv).
    pub delivered: Option<u64>,
}
