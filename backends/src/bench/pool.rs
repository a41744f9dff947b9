//! A ring in memory: blocks of made-up frames, lent and taken back as the
//! kernel's are, as fast as they come back.
//!
//! Owns the memory and the source over it. The frames lie in a block where the
//! kernel would lay them, and their index is there from the beginning: reading a
//! ring's headers, and packing small frames while they are read, is not part of
//! it. Their bytes are not made anew when a block comes back.

use crate::inject::{self, Sizes};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use memmap2::MmapMut;
use pktrail_core::{
    Batch, Block, Error, ErrorKind, Filter, Flags, FrameInfo, Interface, LinkType, Next, Obstacle,
    Placement, Result, Source, SourceAccount,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Bytes of a block, as a capture's ring has them.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Before the data of a frame: the kernel's header, its padding and the reserve.
const BEFORE_FRAME: usize = 84;
/// The block's own header.
const BLOCK_HEADER: usize = 48;
/// Frames begin at multiples of this.
const ALIGNMENT: usize = 8;

/// A source whose frames are made up: the simulated network, and its ring.
pub struct Simulated {
    free: Receiver<MmapMut>,
    back: Sender<MmapMut>,
    frames: Vec<FrameInfo>,
    interfaces: Arc<Vec<Interface>>,
    left: u64,
    ends: Option<Instant>,
    received: u64,
    /// When the batch before was.
    handed_out: Option<Instant>,
    longest_pause_ns: Arc<AtomicU64>,
}

impl Simulated {
    /// A ring of `ring_bytes`, two blocks at least, full of frames of `sizes`.
    ///
    /// # Errors
    /// `System` where there is no memory for it; `Usage` for a length that no
    /// generated frame has.
    pub fn new(sizes: Sizes, ring_bytes: usize) -> Result<Self> {
        let blocks = (ring_bytes / BLOCK_BYTES).max(2);
        let (back, free) = bounded(blocks);
        let mut frames = Vec::new();
        for _ in 0..blocks {
            let memory = MmapMut::map_anon(BLOCK_BYTES);
            let mut memory =
                memory.map_err(|error| Error::io("cannot get memory for a ring", error))?;
            frames = fill(sizes, &mut memory)?;
            // It has room for all of them.
            let _ = back.try_send(memory);
        }
        let interface = Interface {
            name: "simulated".to_owned(),
            link_type: LinkType::ETHERNET,
            ..Interface::default()
        };
        Ok(Self {
            free,
            back,
            frames,
            interfaces: Arc::new(vec![interface]),
            left: u64::MAX,
            ends: None,
            received: 0,
            handed_out: None,
            longest_pause_ns: Arc::default(),
        })
    }

    /// Ends after so many batches.
    #[must_use]
    pub fn batches(mut self, batches: u64) -> Self {
        self.left = batches;
        self
    }

    /// Ends so long after now.
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.ends = Instant::now().checked_add(duration);
        self
    }

    /// The longest time from one batch to the next, in nanoseconds: what a ring
    /// has to bridge.
    pub fn longest_pause_ns(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.longest_pause_ns)
    }

    /// Frames in each batch.
    pub fn frames_in_batch(&self) -> usize {
        self.frames.len()
    }

    fn batch(&mut self, memory: MmapMut) -> Batch {
        let mut frames = self.frames.clone();
        // A frame each nanosecond, so that they are in order.
        let now = now_ns();
        for (info, place) in frames.iter_mut().zip(0..) {
            info.timestamp_ns = now + place;
        }
        self.received += frames.len() as u64;
        self.left -= 1;
        let lease = Lease {
            memory: Some(memory),
            back: self.back.clone(),
        };
        let mut batch = Batch::new(lease, frames, Arc::clone(&self.interfaces));
        batch.is_sorted = true;
        batch
    }
}

impl Source for Simulated {
    fn set_filter(&mut self, _filter: &Filter) -> Result<Placement> {
        Ok(Placement::Here(Obstacle::Source))
    }

    fn next_batch(&mut self, timeout: Duration) -> Result<Next> {
        let begin = Instant::now();
        if self.left == 0 || self.ends.is_some_and(|end| begin >= end) {
            return Ok(Next::End);
        }
        match self.free.recv_timeout(timeout) {
            Ok(memory) => {
                // Whether it was here or in the sink that the time went.
                let since = self.handed_out.replace(Instant::now());
                let pause = since.map_or(0, |since| since.elapsed().as_nanos());
                let pause = u64::try_from(pause).unwrap_or(u64::MAX);
                self.longest_pause_ns.fetch_max(pause, Ordering::Relaxed);
                Ok(Next::Batch(self.batch(memory)))
            }
            Err(RecvTimeoutError::Timeout) => {
                let complete_until_ns = now_ns();
                Ok(Next::Idle { complete_until_ns })
            }
            Err(RecvTimeoutError::Disconnected) => Ok(Next::End),
        }
    }

    fn is_light(&self) -> bool {
        true
    }

    fn stop(&mut self) -> Result<()> {
        self.left = 0;
        Ok(())
    }

    fn account(&mut self) -> Result<SourceAccount> {
        Ok(SourceAccount {
            name: self.interfaces[0].full_name(),
            received: self.received,
            ..SourceAccount::default()
        })
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }
}

/// A block on loan; it goes back to the pool when it is dropped.
struct Lease {
    memory: Option<MmapMut>,
    back: Sender<MmapMut>,
}

impl Block for Lease {
    fn bytes(&self) -> &[u8] {
        self.memory.as_deref().unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            // The pool is gone when the source is; there is always room.
            let _ = self.back.try_send(memory);
        }
    }
}

/// Fills a block with frames, and says where they are.
fn fill(sizes: Sizes, memory: &mut [u8]) -> Result<Vec<FrameInfo>> {
    let cycle: Vec<u16> = match sizes {
        Sizes::Fixed(len) => vec![len],
        Sizes::Mix => inject::MIX
            .iter()
            .flat_map(|(len, share)| std::iter::repeat_n(*len, *share as usize))
            .collect(),
    };
    let (mut frames, mut at) = (Vec::new(), BLOCK_HEADER);
    for len in cycle.iter().cycle() {
        let frame = inject::udp_frame_of(*len)?;
        let from = at + BEFORE_FRAME;
        let Some(place) = memory.get_mut(from..from + frame.len()) else {
            break;
        };
        place.copy_from_slice(&frame);
        frames.push(FrameInfo {
            offset: u32::try_from(from).unwrap_or(u32::MAX),
            caplen: u32::from(*len),
            len: u32::from(*len),
            flags: Flags::INBOUND.with(Flags::UNICAST),
            ..FrameInfo::default()
        });
        at = (from + frame.len()).next_multiple_of(ALIGNMENT);
    }
    match frames.is_empty() {
        true => Err(Error::new(ErrorKind::Usage, "no frame fits a block")),
        false => Ok(frames),
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lent_until_none_is_left_and_come_back() {
        let mut ring = Simulated::new(Sizes::Fixed(1500), 2 * BLOCK_BYTES).expect("memory");
        let mut held = Vec::new();
        for _ in 0..2 {
            match ring.next_batch(Duration::ZERO).expect("it cannot fail") {
                Next::Batch(batch) => held.push(batch),
                _ => panic!("a block is free"),
            }
        }
        assert!(ring.free.is_empty());
        let count = held[0].frames.len();
        assert!((600..700).contains(&count), "{count}");
        let data = held[0].iter().map(|frame| frame.data.len());
        assert!(data.into_iter().all(|len| len == 1500));
        held.clear();
        assert_eq!(ring.free.len(), 2);
        assert_eq!(ring.account().expect("a count").received, 2 * count as u64);
    }

    #[test]
    fn it_ends_after_its_batches() {
        let ring = Simulated::new(Sizes::Mix, 0).expect("memory");
        let mut ring = ring.batches(1);
        let first = ring.next_batch(Duration::ZERO).expect("it cannot fail");
        assert!(matches!(first, Next::Batch(_)));
        assert!(matches!(ring.next_batch(Duration::ZERO), Ok(Next::End)));
    }
}
