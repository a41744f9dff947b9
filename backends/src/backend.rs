//! What a backend says of itself: one row of the table in `lib.rs`.
//!
//! A backend is one file and one line. The file has the source and a constant of
//! type [`Backend`]; the line puts it into the table. `memory.rs` is the file to
//! copy. The tests of `tests/tests/conformance_netns.rs` walk the table.

use pktrail_core::{Error, Result, Source};
use std::path::PathBuf;

/// A way to get frames.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// Its name in commands and messages.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The privilege that opening needs.
    pub needs: Needs,
    /// Finds out what it can do here, now, without side effects.
    pub probe: fn() -> Probe,
    /// Opens it with default settings; its own module offers all of them.
    pub open: fn(&Request) -> Result<Opened>,
}

/// The privilege that opening a backend needs. None is needed afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None.
    Nothing,
    /// CAP_NET_RAW in the interface's network namespace.
    NetRaw,
}

/// What a backend can do here.
#[derive(Debug)]
pub enum Probe {
    /// It works.
    Works {
        /// What it can do, in a few words.
        can: String,
    },
    /// It would work with a privilege that is missing.
    Needs(Error),
    /// This kernel cannot do it.
    Cannot(Error),
}

/// What to open. Each backend takes what makes sense for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The interface's name, for a backend that captures.
    pub interface: String,
    /// The capture file, for a backend that reads one.
    pub path: Option<PathBuf>,
    /// The network namespace, as [`crate::netns::within`] takes it.
    pub netns: Option<String>,
    /// Most bytes to keep of a frame; 0 for as many as files may hold.
    pub snaplen: u32,
    /// Bytes of memory for frames; `None` to have it chosen.
    pub ring_bytes: Option<usize>,
    /// How many sources to share the frames.
    pub members: u32,
}

impl Request {
    /// The defaults, for `interface`.
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            path: None,
            netns: None,
            snaplen: 0,
            ring_bytes: None,
            members: 1,
        }
    }

    /// The defaults, for the capture file `path`.
    pub fn for_file(path: impl Into<PathBuf>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::new("")
        }
    }
}

/// What opening gives: a source, or several that share the frames.
pub type Opened = Vec<Box<dyn Source>>;
