//! What can be asked of a capture. What is done with it is decided in `open` and
//! in the source itself.

use super::fanout::Fanout;
use super::walk::MAX_CAPLEN;
use pktrail_core::{Error, ErrorKind, Result};

/// The name that stands for all interfaces of a namespace.
pub const ANY: &str = "any";

/// The usual size of a ring block, in bytes.
pub(super) const DEFAULT_BLOCK: usize = 1 << 20;

/// Which way frames go that are captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Received by this host.
    In,
    /// Sent by this host.
    Out,
    /// Both.
    #[default]
    InOut,
}

/// Whose clock stamps the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampSource {
    /// The kernel's.
    #[default]
    Host,
    /// The device's, kept in step with the kernel's.
    Adapter,
    /// The device's own.
    AdapterUnsynced,
}

impl TimestampSource {
    /// The source by tcpdump's name for it (`-j`). There is one clock of the
    /// host, whatever precision is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an unknown name.
    pub fn by_name(name: &str) -> Result<Self> {
        match name {
            "host" | "host_lowprec" | "host_hiprec" | "host_hiprec_unsynced" => Ok(Self::Host),
            "adapter" => Ok(Self::Adapter),
            "adapter_unsynced" => Ok(Self::AdapterUnsynced),
            _ => Err(Error::new(
                ErrorKind::Usage,
                format!("no timestamp source {name}: there are host, adapter, adapter_unsynced"),
            )),
        }
    }
}

/// What to capture, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The interface's name, or [`ANY`].
    pub interface: String,
    /// The network namespace, as [`crate::netns::within`] takes it; `None` is the
    /// caller's.
    pub netns: Option<String>,
    /// Most bytes to keep of a frame; 0 for as many as files may hold (262144).
    pub snaplen: u32,
    /// Whether frames for other hosts are wanted too.
    pub promiscuous: bool,
    /// Monitor mode of wireless devices.
    pub monitor: bool,
    /// Size of the ring in bytes; `None` to have it chosen.
    pub ring_bytes: Option<usize>,
    /// Size of a block in bytes: a multiple of 4096 from 16384 on.
    pub block_bytes: usize,
    /// After how many milliseconds a block is handed over although it is not
    /// full.
    pub retire_ms: u32,
    /// Hands blocks over as soon as the kernel can (1 ms).
    pub immediate: bool,
    /// Which way frames go that are wanted; decided in the kernel.
    pub direction: Direction,
    /// Whose clock stamps the frames.
    pub timestamps: TimestampSource,
    /// Membership of a fanout group; see [`super::open_group`].
    pub fanout: Option<Fanout>,
    /// The processor that the thread which reads the ring is to run on.
    pub cpu: Option<usize>,
}

impl Options {
    /// The defaults, for `interface`.
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            netns: None,
            snaplen: 0,
            promiscuous: true,
            monitor: false,
            ring_bytes: None,
            block_bytes: DEFAULT_BLOCK,
            retire_ms: 20,
            immediate: false,
            direction: Direction::InOut,
            timestamps: TimestampSource::Host,
            fanout: None,
            cpu: None,
        }
    }

    /// The interface's full name, for messages.
    pub(super) fn full_name(&self) -> String {
        match &self.netns {
            Some(netns) => format!("{}@{netns}", self.interface),
            None => self.interface.clone(),
        }
    }

    pub(super) fn snaplen(&self) -> u32 {
        if self.snaplen == 0 {
            MAX_CAPLEN
        } else {
            self.snaplen.min(MAX_CAPLEN)
        }
    }
}
