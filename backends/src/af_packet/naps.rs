//! How long to sleep where the kernel cannot wake us: poll(2) returns at once
//! while the block before is on loan.
//!
//! Each time to wake up costs more than to read a block. So a nap lasts until a few
//! blocks are likely to have come, as fast as they came of late; longer each time
//! where none has; and in any case no longer than half of what is free of the ring
//! lasts at the rate of a fast link.

use crate::sys::packet::RingShape;
use std::time::{Duration, Instant};

/// 32 Gbit/s.
const FASTEST_BYTES_PER_NS: u64 = 4;
const SHORTEST: Duration = Duration::from_micros(500);
/// Blocks that are to come meanwhile.
const WORTH: u32 = 4;

pub(super) struct Naps {
    block_bytes: u64,
    /// Longest that frames may wait, which the kernel holds to as well.
    retire: Duration,
    /// The last nap, when it began, and the blocks since.
    last: Duration,
    since: Instant,
    blocks: u32,
}

impl Naps {
    pub(super) fn new(shape: RingShape) -> Self {
        Self {
            block_bytes: shape.block_bytes as u64,
            retire: Duration::from_millis(shape.retire_ms.into()),
            last: SHORTEST,
            since: Instant::now(),
            blocks: 0,
        }
    }

    /// A block has come.
    pub(super) fn took(&mut self) {
        self.blocks += 1;
    }

    /// How long to sleep now, given how many blocks the kernel can still fill.
    pub(super) fn next(&mut self, free_blocks: usize) -> Duration {
        self.after(self.since.elapsed(), free_blocks)
    }

    fn after(&mut self, elapsed: Duration, free_blocks: usize) -> Duration {
        let wanted = match self.blocks {
            0 => self.last * 2,
            blocks => elapsed / blocks * WORTH,
        };
        let half = free_blocks as u64 / 2 * self.block_bytes;
        let longest = Duration::from_nanos(half / FASTEST_BYTES_PER_NS).min(self.retire);
        self.last = wanted.min(longest).max(SHORTEST);
        (self.since, self.blocks) = (Instant::now(), 0);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naps() -> Naps {
        Naps::new(RingShape {
            block_bytes: 1 << 20,
            blocks: 256,
            lead_bytes: 4096,
            retire_ms: 100,
        })
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_nap_lasts_as_long_as_four_blocks_take() {
        let mut naps = naps();
        for _ in 0..3 {
            naps.took();
        }
        assert_eq!(naps.after(9 * MS, 256), 12 * MS);
        // None came: blocks come more slowly than it seemed.
        assert_eq!(naps.after(12 * MS, 256), 24 * MS);
        naps.took();
        assert_eq!(naps.after(MS / 10, 256), SHORTEST);
    }

    #[test]
    fn a_burst_finds_room_meanwhile() {
        let mut naps = naps();
        for (free, most_mib) in [(256, 128), (100, 50), (2, 2), (0, 2)] {
            naps.took();
            let nap = naps.after(1000 * MS, free);
            let bytes = nap.as_nanos() as u64 * FASTEST_BYTES_PER_NS;
            assert!(bytes <= most_mib << 20, "{free} free: {nap:?}");
        }
    }

    #[test]
    fn nothing_waits_longer_than_the_kernel_lets_it() {
        let mut naps = Naps {
            retire: 5 * MS,
            ..naps()
        };
        naps.took();
        assert_eq!(naps.after(1000 * MS, 256), 5 * MS);
    }
}
