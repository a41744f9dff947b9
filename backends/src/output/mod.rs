//! Files, pipes and the standard output as sinks: frames become pcapng or pcap,
//! in one file or one after the other.
//!
//! Owns opening, writing, closing, and what is said when that fails. When a new
//! file begins is decided by [`rotation`](crate::rotation), what stands in it by
//! the encoders of [`pcapng`](crate::pcapng) and [`pcap`](crate::pcap).

mod ahead;
mod closer;
mod compress;
mod counts;
mod direct;
mod format;
mod opening;
mod per_ring;
mod record;
mod sink;
mod stage;
mod target;
#[cfg(test)]
mod tests;

pub use closer::Event;
pub use compress::Compression;
pub use format::Format;
pub use per_ring::{PerRing, ring_name};
pub use record::FileRecord;
pub use sink::FileSink;

use crate::Interface;
use crate::rotation::Rules;
use crate::sys;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Is told what happens to finished files; on another thread.
pub type Observer = Box<dyn FnMut(Event) + Send>;

/// Where frames are to be written, and how. Made by [`new`](Self::new); the
/// rest is set field by field.
pub struct Output {
    /// The file, the pattern of the files' names, or `-` for the standard
    /// output.
    pub path: PathBuf,
    /// pcapng or pcap.
    pub format: Format,
    /// When a new file begins.
    pub rules: Rules,
    /// Whether frames arrive as they happen, so that the clock alone ends a
    /// period. Otherwise the frames' times alone count, as is right when a file
    /// is read.
    pub is_live: bool,
    /// The interfaces known from the start: they stand in the file even if no
    /// frame comes. The table of every batch must begin with them.
    pub interfaces: Vec<Interface>,
    /// `-U`: each batch is written at once. Otherwise within a second.
    pub packet_buffered: bool,
    /// Compresses while writing, on threads of its own. What was written can
    /// be read within a second; the sizes in `rules` are those before compression.
    pub compression: Option<Compression>,
    /// Whether full blocks of a live capture go past the page cache (O_DIRECT),
    /// where the file system allows it.
    pub direct: bool,
    /// Whether finished files are brought to the disk (fsync) before they are
    /// reported.
    pub sync: bool,
    /// How often the interfaces' counts are written into a pcapng file; they
    /// are in any case at its end.
    pub statistics_every: Option<Duration>,
    /// `-z`: run with the name of each finished file, without a shell, at the
    /// lowest priority, without waiting.
    pub command: Option<OsString>,
    /// How long the end of the capture waits for such commands.
    pub command_wait: Duration,
    /// A line of JSON for each finished file is appended here.
    pub file_log: Option<PathBuf>,
    /// User and group to give the first file and the log to, before the
    /// program becomes that user (`-Z`).
    pub owner: Option<(u32, u32)>,
    /// Is told what happens to finished files.
    pub observer: Option<Observer>,
}

impl Output {
    /// One pcapng file of a live capture, its counts every five seconds.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: Format::default(),
            rules: Rules::default(),
            is_live: true,
            interfaces: Vec::new(),
            packet_buffered: false,
            compression: None,
            direct: true,
            sync: false,
            statistics_every: Some(Duration::from_secs(5)),
            command: None,
            command_wait: Duration::from_secs(10),
            file_log: None,
            owner: None,
            observer: None,
        }
    }
}

/// Lets a write beyond the limit on file sizes (`ulimit -f`) fail with an error
/// that names the file, instead of ending the program by a signal. For the whole
/// process, so it is the program's to call and not done by the sink.
pub fn ignore_file_size_signal() {
    sys::file::ignore_file_size_signal();
}
