//! The reading position in a ring, which is the reader's own: leases may go back
//! to the kernel in any order, and a block still held from the round before is
//! not ready, whatever its status says.

use crate::sys::packet::RingShape;
use crate::sys::ring::{Lease, Ring};
use std::sync::Arc;

/// A ring and the number of the block to read next, counted from the start.
pub(crate) struct RingReader {
    ring: Arc<Ring>,
    next: u64,
}

impl RingReader {
    /// Reads `ring` from its first block.
    pub(crate) fn new(ring: Arc<Ring>) -> Self {
        Self { ring, next: 0 }
    }

    /// The ring's sizes.
    pub(crate) fn shape(&self) -> &RingShape {
        self.ring.shape()
    }

    #[allow(clippy::cast_possible_truncation)]
    fn index(&self, number: u64) -> usize {
        (number % self.ring.shape().blocks as u64) as usize
    }

    /// The number of the block to read next.
    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    /// The next block, if the kernel has handed it over.
    pub(crate) fn next_block(&mut self) -> Option<Lease> {
        let lease = self.ring.lease(self.index(self.next))?;
        self.next += 1;
        Some(lease)
    }

    /// Whether the next block is ready and says that frames were lost before.
    pub(crate) fn next_is_losing(&self) -> bool {
        let index = self.index(self.next);
        self.is_ready(index) && self.ring.is_losing(index)
    }

    /// Whether the next block is ready.
    pub(crate) fn is_next_ready(&self) -> bool {
        self.is_ready(self.index(self.next))
    }

    /// Whether the kernel has put frames into the block it fills now.
    pub(crate) fn has_open_frames(&self) -> bool {
        self.ring.frames_so_far(self.index(self.next)) != 0
    }

    /// How many blocks the kernel may fill, given that the next is not ready, before
    /// it runs into one that is on loan.
    pub(crate) fn free_blocks(&self) -> usize {
        let end = self.next + self.ring.shape().blocks as u64;
        let free = (self.next..end).take_while(|number| !self.ring.is_held(self.index(*number)));
        free.count()
    }

    /// Whether the ring is or was full a moment ago: the block that the kernel is
    /// to fill next, or the one after it, is not with the kernel. One may just
    /// have been given back.
    pub(crate) fn was_full(&self) -> bool {
        let open = self.first_open();
        [open, open + 1]
            .into_iter()
            .any(|number| self.ring.is_closed(self.index(number)))
    }

    /// The first block that is ready and says that frames were lost before, if
    /// the ring is not full: then that was before that block.
    pub(crate) fn first_losing(&self) -> Option<u64> {
        let ready = self.next..self.first_open();
        let mut losing = ready.filter(|number| self.ring.is_losing(self.index(*number)));
        losing.next().filter(|_| !self.was_full())
    }

    /// The number of the first block that is not ready: the one that the kernel
    /// fills now, or will fill next.
    pub(crate) fn first_open(&self) -> u64 {
        let end = self.next + self.ring.shape().blocks as u64;
        (self.next..end)
            .find(|number| !self.is_ready(self.index(*number)))
            .unwrap_or(end)
    }

    fn is_ready(&self, index: usize) -> bool {
        !self.ring.is_held(index) && self.ring.is_closed(index)
    }
}

#[cfg(test)]
mod tests {
    use super::super::counters::Gaps;
    use super::*;

    const STATUS: usize = 8;
    const USER: u32 = 1;
    const LOSING: u32 = 4;

    fn ring() -> (Arc<Ring>, RingReader) {
        let ring = Ring::plain(RingShape {
            block_bytes: 8192,
            blocks: 4,
            lead_bytes: 4096,
            retire_ms: 10,
        });
        (Arc::clone(&ring), RingReader::new(ring))
    }

    #[test]
    fn a_block_held_since_the_last_round_is_not_ready() {
        let (kernel, mut reader) = ring();
        for index in 0..4 {
            kernel.poke(index, STATUS, USER);
        }
        let held = reader.next_block().expect("first");
        for _ in 1..4 {
            drop(reader.next_block().expect("closed"));
        }
        assert!(reader.next_block().is_none(), "the first is still held");
        drop(held);
        assert!(reader.next_block().is_none(), "the kernel has it");
        kernel.poke(0, STATUS, USER);
        assert!(reader.next_block().is_some());
        assert_eq!(reader.next_number(), 5);
    }

    #[test]
    fn blocks_on_loan_leave_room_behind_them() {
        let (kernel, mut reader) = ring();
        for index in 0..4 {
            kernel.poke(index, STATUS, USER);
        }
        let mut held: Vec<_> = (0..4)
            .map(|_| reader.next_block().expect("closed"))
            .collect();
        assert!(reader.was_full());
        assert_eq!(reader.free_blocks(), 0);
        drop(held.remove(0));
        assert!(reader.was_full(), "a moment ago");
        drop(held.remove(0));
        assert!(!reader.was_full(), "two are with the kernel");
        assert_eq!(reader.free_blocks(), 2);
        assert_eq!(reader.first_losing(), None);
        // It fills one, and had lost frames before.
        kernel.poke(0, STATUS, USER | LOSING);
        drop(held.remove(0));
        assert_eq!(reader.first_losing(), Some(4));
    }

    #[test]
    fn losses_of_a_full_ring_stand_behind_all_that_is_in_it() {
        let (kernel, mut reader) = ring();
        let mut gaps = Gaps::default();
        assert!(!reader.was_full());
        for index in 0..4 {
            kernel.poke(index, STATUS, USER);
        }
        assert!(reader.was_full());
        gaps.note(5, reader.first_open());
        drop(reader.next_block().expect("closed"));
        assert!(reader.was_full(), "a moment ago");
        // The block after the loss is closed with the mark, and fills the ring
        // again.
        kernel.poke(0, STATUS, USER | LOSING);
        assert!(reader.was_full());
        gaps.note(7, reader.first_open());
        let mut lost = Vec::new();
        for _ in 0..4 {
            let number = reader.next_number();
            lost.push(gaps.take(number));
            drop(reader.next_block().expect("closed"));
        }
        assert_eq!(lost, [0, 0, 0, 5]);
        assert_eq!(gaps.take(reader.next_number()), 7);
    }
}
