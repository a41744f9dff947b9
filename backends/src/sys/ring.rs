//! The mapped ring: which of its blocks may be touched, and by whom.
//!
//! The kernel and this program hand blocks to each other through the status
//! word of each block (`linux/if_packet.h`, `struct tpacket_hdr_v1`): the owner
//! writes it last, with Release, and the other side reads it first, with
//! Acquire. Between, one lease at most exists for a block. What the frames in a
//! block look like is not known here.

use super::packet::{PacketSocket, RingShape};
use memmap2::{MmapOptions, MmapRaw};
use pktrail_core::Block;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Where the words of a block's header lie (`struct tpacket_block_desc`).
const STATUS: usize = 8;
const FRAMES: usize = 12;
const FIRST_FRAME: usize = 16;
const USED_BYTES: usize = 20;
/// Length of the header.
pub(crate) const HEADER_BYTES: usize = 48;

const TP_STATUS_KERNEL: u32 = 0;
const TP_STATUS_USER: u32 = 1;
const TP_STATUS_LOSING: u32 = 4;

/// A ring of blocks that the kernel writes frames to.
pub(crate) struct Ring {
    map: MmapRaw,
    shape: RingShape,
    /// For each block, whether a lease on it exists.
    held: Box<[AtomicBool]>,
}

impl Ring {
    /// Maps the ring of `socket`, made before with the same `shape`, with all
    /// its pages present.
    pub(crate) fn map(socket: &PacketSocket, shape: RingShape) -> io::Result<Arc<Self>> {
        let map = MmapOptions::new()
            .len(shape.block_bytes * shape.blocks)
            .populate()
            .map_raw(socket.as_fd().as_raw_fd())?;
        Ok(Self::over(map, shape))
    }

    /// A ring over plain memory, for tests that play the kernel.
    #[cfg(test)]
    pub(crate) fn plain(shape: RingShape) -> Arc<Self> {
        let bytes = shape.block_bytes * shape.blocks;
        let map = MmapOptions::new().len(bytes).map_anon().expect("memory");
        Self::over(map.into(), shape)
    }

    fn over(map: MmapRaw, shape: RingShape) -> Arc<Self> {
        assert!(shape.lead_bytes >= HEADER_BYTES && shape.lead_bytes <= shape.block_bytes);
        assert!(shape.block_bytes.is_multiple_of(8));
        assert_eq!(map.len(), shape.block_bytes * shape.blocks);
        let held = (0..shape.blocks).map(|_| AtomicBool::new(false)).collect();
        Arc::new(Self { map, shape, held })
    }

    /// The ring's sizes.
    pub(crate) fn shape(&self) -> &RingShape {
        &self.shape
    }

    /// A word of the header of the block with `index`.
    fn word(&self, index: usize, at: usize) -> &AtomicU32 {
        assert!(index < self.shape.blocks && at + 4 <= HEADER_BYTES);
        // SAFETY: inside the map, since `index` and `at` are checked above and
        // `over` checked the map's length; aligned, since blocks are multiples
        // of 8 bytes in a page-aligned map and `at` is one of the constants. The
        // header is never part of a slice (`Lease` begins after it), so that all
        // access of this program to it is atomic.
        unsafe {
            let pointer = self
                .map
                .as_mut_ptr()
                .add(index * self.shape.block_bytes + at);
            AtomicU32::from_ptr(pointer.cast())
        }
    }

    /// Whether the kernel has handed the block over.
    pub(crate) fn is_closed(&self, index: usize) -> bool {
        self.word(index, STATUS).load(Ordering::Acquire) & TP_STATUS_USER != 0
    }

    /// Whether the kernel had lost frames, and not yet said how many, when it
    /// closed the block.
    pub(crate) fn is_losing(&self, index: usize) -> bool {
        self.word(index, STATUS).load(Ordering::Acquire) & TP_STATUS_LOSING != 0
    }

    /// Whether a lease on the block exists.
    pub(crate) fn is_held(&self, index: usize) -> bool {
        self.held[index].load(Ordering::Acquire)
    }

    /// How many frames a block that the kernel is filling has so far.
    pub(crate) fn frames_so_far(&self, index: usize) -> u32 {
        self.word(index, FRAMES).load(Ordering::Acquire)
    }

    /// A lease on the block, if the kernel has handed it over and nobody has it.
    pub(crate) fn lease(self: &Arc<Self>, index: usize) -> Option<Lease> {
        // First `held`, then the status: a lease that ends gives the block to
        // the kernel before it says that it is no longer held.
        if self.is_held(index) || !self.is_closed(index) {
            return None;
        }
        if self.held[index].swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Lease {
            ring: Arc::clone(self),
            index,
        })
    }

    /// Plays the kernel: writes a header word.
    #[cfg(test)]
    pub(crate) fn poke(&self, index: usize, at: usize, value: u32) {
        self.word(index, at).store(value, Ordering::Release);
    }
}

/// A block on loan. Dropping it gives the block back to the kernel.
pub(crate) struct Lease {
    ring: Arc<Ring>,
    index: usize,
}

impl Lease {
    /// How many frames the header says there are.
    pub(crate) fn frames(&self) -> u32 {
        self.ring.word(self.index, FRAMES).load(Ordering::Relaxed)
    }

    /// Where the header says the first frame begins, counted from the first
    /// byte of [`Block::bytes`]; wraps to a huge number if it is before that.
    pub(crate) fn first_frame(&self) -> usize {
        let first = self
            .ring
            .word(self.index, FIRST_FRAME)
            .load(Ordering::Relaxed);
        (first as usize).wrapping_sub(self.ring.shape.lead_bytes)
    }

    /// How many bytes of the block the header says are used, itself included.
    pub(crate) fn used_bytes(&self) -> usize {
        let word = self.ring.word(self.index, USED_BYTES);
        word.load(Ordering::Relaxed) as usize
    }

    fn range(&self) -> (usize, usize) {
        let shape = &self.ring.shape;
        (
            self.index * shape.block_bytes + shape.lead_bytes,
            shape.block_bytes - shape.lead_bytes,
        )
    }
}

impl Block for Lease {
    fn bytes(&self) -> &[u8] {
        let (start, len) = self.range();
        // SAFETY: inside the map (`Ring::over` checked the sizes, `Ring::lease`
        // the index). The kernel does not write to a block that it has handed
        // over, and `held` makes this the only lease on it.
        unsafe { std::slice::from_raw_parts(self.ring.map.as_ptr().add(start), len) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let (start, len) = self.range();
        // SAFETY: as in `bytes`; `&mut self` makes this the only slice of it.
        unsafe { std::slice::from_raw_parts_mut(self.ring.map.as_mut_ptr().add(start), len) }
    }

    fn spare(&self) -> usize {
        self.ring.shape.blocks / 8
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let status = self.ring.word(self.index, STATUS);
        status.store(TP_STATUS_KERNEL, Ordering::Release);
        self.ring.held[self.index].store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: RingShape = RingShape {
        block_bytes: 8192,
        blocks: 4,
        lead_bytes: 4096,
        retire_ms: 10,
    };

    #[test]
    fn a_block_is_leased_once_and_given_back_when_dropped() {
        let ring = Ring::plain(SHAPE);
        assert!(ring.lease(1).is_none(), "the kernel has it");
        ring.poke(1, STATUS, TP_STATUS_USER);
        let lease = ring.lease(1).expect("handed over");
        assert!(ring.lease(1).is_none(), "held");
        assert_eq!(lease.bytes().len(), 4096);
        drop(lease);
        assert!(!ring.is_closed(1) && !ring.is_held(1));
        assert!(ring.lease(1).is_none(), "given back");
    }

    #[test]
    fn leases_end_in_any_order_and_on_any_thread() {
        let ring = Ring::plain(SHAPE);
        for index in 0..4 {
            ring.poke(index, STATUS, TP_STATUS_USER);
        }
        let mut leases: Vec<_> = (0..4)
            .map(|index| ring.lease(index).expect("closed"))
            .collect();
        leases[2].bytes_mut().fill(0xff);
        let last = leases.remove(3);
        std::thread::spawn(move || drop(last))
            .join()
            .expect("thread");
        drop(leases.remove(1));
        let closed: Vec<bool> = (0..4).map(|index| ring.is_closed(index)).collect();
        assert_eq!(closed, [true, false, true, false]);
    }

    #[test]
    fn a_lease_cannot_reach_the_header() {
        let ring = Ring::plain(SHAPE);
        ring.poke(0, STATUS, TP_STATUS_USER);
        ring.poke(0, FIRST_FRAME, 4096);
        let mut lease = ring.lease(0).expect("closed");
        lease.bytes_mut().fill(0);
        assert!(ring.is_closed(0));
        assert_eq!(lease.first_frame(), 0);
    }

    #[test]
    fn the_memory_outlives_the_ring_handle() {
        let ring = Ring::plain(SHAPE);
        ring.poke(0, STATUS, TP_STATUS_USER);
        let mut lease = ring.lease(0).expect("closed");
        drop(ring);
        lease.bytes_mut()[4095] = 7;
        assert_eq!(lease.bytes()[4095], 7);
    }
}
