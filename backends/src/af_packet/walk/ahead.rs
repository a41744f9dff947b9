//! What of a block is to be fetched before it is needed.
//!
//! Each frame says where the next begins, so a walk waits for memory once for
//! each frame, and the kernel has written the block on another processor.
//! Where frames are of one length the place of a frame further on is known;
//! where they are not, everything that lies ahead is fetched: one line after the
//! other costs less than one wait for each frame.

use crate::sys::prefetch::prefetch;

/// A cache line.
const LINE: usize = 64;
/// The kernel's header, a packet address and the space reserved: what is turned
/// into the head of a block lies in it, and the one before ends there.
const HEADERS: usize = 84;
/// Frames of one length are fetched so many before they are needed.
const FRAMES: usize = 8;
/// Shorter distances than this the processor foresees by itself.
const FORESEEN: usize = 256;
/// Of frames of several lengths so many bytes are fetched ahead.
const BYTES: usize = 4096;

/// What has been fetched.
#[derive(Default)]
pub(super) struct Ahead {
    /// The distance between the two frames before.
    distance: usize,
    /// The end of what has been fetched line by line.
    end: usize,
}

impl Ahead {
    /// Fetches what will be needed after the frame at `at`, which lies
    /// `distance` behind the one before. No number given has to be right.
    #[inline]
    pub(super) fn look(&mut self, memory: &[u8], at: usize, distance: usize) {
        if distance == self.distance {
            if distance >= FORESEEN {
                let next = at.saturating_add(distance.saturating_mul(FRAMES));
                prefetch(memory, next);
                prefetch(memory, next.saturating_add(LINE));
                prefetch(memory, next.saturating_add(HEADERS - 1));
            }
            return;
        }
        self.distance = distance;
        let end = at.saturating_add(BYTES).min(memory.len());
        let mut line = self.end.max(at);
        while line < end {
            prefetch(memory, line);
            line += LINE;
        }
        self.end = line;
    }
}
