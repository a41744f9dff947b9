//! Where frames come from.

use crate::pcapng::Packing;
use crate::{Batch, Filter, Interface, Result, SourceAccount};
use std::fmt;
use std::time::Duration;

/// Where a filter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the kernel: what it rejects is never copied.
    Kernel,
    /// The engine runs it on every frame, because of this.
    Here(Obstacle),
}

/// What keeps a filter out of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The source has no kernel that could filter for it.
    Source,
    /// On a cooked socket the kernel sees other bytes than are delivered.
    Cooked,
    /// More instructions than `BPF_MAXINSNS` (`linux/bpf_common.h`).
    Length {
        /// How many the program has.
        instructions: usize,
        /// How many the kernel takes.
        most: usize,
    },
    /// A jump back (`bpf_check_classic`, net/core/filter.c).
    Backwards,
    /// The socket's memory for options: `net.core.optmem_max`.
    Memory,
    /// The kernel's number of an error.
    Refused(i32),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("this source has no kernel that could"),
            Self::Cooked => f.write_str("the kernel has no link-layer header of cooked frames"),
            Self::Length { instructions, most } => {
                write!(
                    f,
                    "it has {instructions} instructions, and the kernel takes {most}"
                )
            }
            Self::Backwards => f.write_str("it jumps back, which the kernel does not allow"),
            Self::Memory => f.write_str(
                "it needs more memory than a socket may have for it: raise net.core.optmem_max",
            ),
            Self::Refused(number) => write!(f, "the kernel refuses it (error {number})"),
        }
    }
}

/// What a source has to say.
pub enum Next {
    /// Frames.
    Batch(Batch),
    /// Nothing came within the timeout. Every frame still to come is younger
    /// than this time (nanoseconds since 1970), which lets a merge go on.
    Idle {
        /// The time.
        complete_until_ns: u64,
    },
    /// Something happened to the source that a person should know.
    Notice(Notice),
    /// There will be no more frames.
    End,
}

/// Something that happened to a source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The interface went down; capture goes on when it comes back.
    Down {
        /// The interface's full name.
        interface: String,
    },
    /// The interface is up again.
    Up {
        /// The interface's full name.
        interface: String,
    },
    /// The interface no longer exists.
    Vanished {
        /// The interface's full name.
        interface: String,
    },
    /// An interface of that name exists again, and capture goes on there.
    Returned {
        /// The interface's full name.
        interface: String,
    },
    /// Anything else, as a sentence.
    Said(String),
}

/// A source of frames.
pub trait Source: Send {
    /// Sets the filter. Frames that it rejects are not delivered after this
    /// returns [`Placement::Kernel`], not even those that arrived before.
    fn set_filter(&mut self, filter: &Filter) -> Result<Placement>;

    /// Begins to receive. Calling it is optional: the first `next_batch` does it
    /// where it was not called. It is there for a caller who wants to say
    /// "listening" and be right.
    fn start(&mut self) -> Result<()> {
        Ok(())
    }

    /// Waits for frames, `timeout` at most.
    fn next_batch(&mut self, timeout: Duration) -> Result<Next>;

    /// Freezes the account: frames that arrive from now on are not counted and
    /// not delivered. Those counted before still come from `next_batch`, all of
    /// them, and then [`Next::End`]. That is what makes the sum of a stopped run
    /// exact.
    fn stop(&mut self) -> Result<()>;

    /// What became of all frames so far: 64-bit, cumulative.
    fn account(&mut self) -> Result<SourceAccount>;

    /// Whether to take a batch is so little work beside what becomes of it that
    /// a thread of its own does not pay. An engine that has one such source, and
    /// no filter of its own to run, asks it from the thread that owns the sink.
    fn is_light(&self) -> bool {
        false
    }

    /// From now on batches may be [packed](Batch::packed) so, where the source can
    /// do that and it pays.
    fn pack(&mut self, packing: Packing) {
        let _ = packing;
    }

    /// The interfaces known so far; the first is the one that counts are
    /// attributed to. May be empty until the first batch of a file.
    fn interfaces(&self) -> &[Interface];
}
