//! Several sources into one stream in time order, with a bounded delay.
//!
//! Every source says how far it is complete: no older frame will come from it.
//! Frames up to the least of these times go on. A source that lags holds the
//! others up for a window at most, or until they hold as many bytes of ring
//! memory as allowed; a frame that comes after that is marked late.
//!
//! Frames are never copied: what is merged is the index. A batch whose frames
//! all come before those of the others passes as it is, and so do all batches
//! of an only source.

use crate::{Batch, FrameInfo, Interface, Marks};
use std::collections::VecDeque;
use std::sync::Arc;

/// How much order is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the sources deliver: for a file, its own order. Batches of several
    /// sources come as they are ready, whole.
    AsDelivered,
    /// By time within each source, and as with [`AsDelivered`](Self::AsDelivered)
    /// among them: for sinks that keep them apart by [`Batch::source`].
    EachByTime,
    /// By time.
    ByTime {
        /// Longest time that a source may lag behind, in nanoseconds.
        window_ns: u64,
        /// Most bytes of memory held back.
        held_bytes: usize,
    },
}

/// Two CPUs that feed one ring stamp a frame before they queue for the ring, so
/// a block may begin a little before its predecessor's end. In nanoseconds.
const RING_DISORDER_NS: u64 = 100_000;

/// Merges the batches of several sources.
pub(super) struct Merge {
    order: Order,
    lanes: Vec<Lane>,
    interfaces: Arc<Vec<Interface>>,
    /// The youngest time handed on.
    handed_on_ns: u64,
    late: u64,
    /// Bytes of memory that the waiting batches hold.
    held_bytes: usize,
}

/// One source.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Batch>,
    /// The youngest time handed on.
    handed_on_ns: u64,
    complete_until_ns: u64,
    ended: bool,
    /// The merged table's index of each of the source's interfaces.
    interface_ids: Vec<u32>,
}

impl Merge {
    pub(super) fn new(order: Order, sources: usize) -> Self {
        Self {
            order,
            lanes: (0..sources).map(|_| Lane::default()).collect(),
            interfaces: Arc::default(),
            handed_on_ns: 0,
            late: 0,
            held_bytes: 0,
        }
    }

    /// Frames handed on after a younger one.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// Interfaces of all sources, in order of appearance.
    #[cfg(test)]
    pub(super) fn interfaces(&self) -> &Arc<Vec<Interface>> {
        &self.interfaces
    }

    /// Makes a source's interfaces known before its first frame, so that they
    /// appear in files even if no frame comes.
    pub(super) fn announce(&mut self, source: usize, interfaces: &[Interface]) {
        let Some(lane) = self.lanes.get_mut(source) else {
            return;
        };
        for interface in interfaces.iter().skip(lane.interface_ids.len()) {
            let known = self.interfaces.iter().position(|known| known == interface);
            let id = known.unwrap_or_else(|| {
                Arc::make_mut(&mut self.interfaces).push(interface.clone());
                self.interfaces.len() - 1
            });
            lane.interface_ids
                .push(u32::try_from(id).unwrap_or(u32::MAX));
        }
    }

    /// Takes a source's next batch.
    pub(super) fn push(&mut self, source: usize, mut batch: Batch) {
        let interfaces = Arc::clone(&batch.interfaces);
        self.announce(source, &interfaces);
        let order = self.order;
        let is_merged = matches!(order, Order::ByTime { .. }) && self.lanes.len() > 1;
        let Some(lane) = self.lanes.get_mut(source) else {
            return;
        };
        batch.source = source as u32;
        let mut ids = lane.interface_ids.iter().enumerate();
        let is_renumbered = ids.any(|(id, &merged)| id as u32 != merged);
        if is_merged || is_renumbered {
            batch.unpack();
        }
        if is_renumbered {
            for frame in &mut batch.frames {
                let id = lane.interface_ids.get(frame.interface as usize);
                frame.interface = id.copied().unwrap_or(u32::MAX);
            }
        }
        if order != Order::AsDelivered {
            if !batch.is_sorted && !batch.frames.is_sorted_by_key(|frame| frame.timestamp_ns) {
                batch.frames.sort_by_key(|frame| frame.timestamp_ns);
            }
            batch.is_sorted = true;
            if let Some((_, last_ns)) = batch.ends() {
                let complete = last_ns.saturating_sub(RING_DISORDER_NS);
                lane.complete_until_ns = lane.complete_until_ns.max(complete);
            }
        }
        self.held_bytes += memory(&batch);
        lane.waiting.push_back(batch);
    }

    /// Notes that no frame up to `until_ns` will come from a source any more.
    pub(super) fn complete(&mut self, source: usize, until_ns: u64) {
        if let Some(lane) = self.lanes.get_mut(source) {
            lane.complete_until_ns = lane.complete_until_ns.max(until_ns);
        }
    }

    /// Notes that a source has ended.
    pub(super) fn end(&mut self, source: usize) {
        if let Some(lane) = self.lanes.get_mut(source) {
            lane.ended = true;
        }
    }

    /// The next batch that may go on, if any.
    pub(super) fn pop(&mut self) -> Option<Batch> {
        let mut batch = match self.order {
            Order::AsDelivered | Order::EachByTime => {
                let (lanes, held) = (&mut self.lanes, &mut self.held_bytes);
                lanes.iter_mut().find_map(|lane| lane.take_front(held))?
            }
            // There is nobody to wait for, and a batch that is not cut has its
            // block for itself.
            Order::ByTime { .. } if self.lanes.len() == 1 => {
                let lane = self.lanes.first_mut()?;
                lane.take_front(&mut self.held_bytes)?
            }
            Order::ByTime {
                window_ns,
                held_bytes,
            } => self.ordered(self.watermark(window_ns, held_bytes))?,
        };
        batch.interfaces = Arc::clone(&self.interfaces);
        let handed_on_ns = match self.order {
            Order::AsDelivered => return Some(batch),
            Order::ByTime { .. } => &mut self.handed_on_ns,
            Order::EachByTime => &mut self.lanes.get_mut(batch.source as usize)?.handed_on_ns,
        };
        if let Some((first_ns, last_ns)) = batch.ends() {
            let youngest = last_ns.max(*handed_on_ns);
            // They ascend: if any are late, the first are.
            if first_ns < *handed_on_ns {
                batch.unpack();
            }
            for frame in &mut batch.frames {
                if frame.timestamp_ns >= *handed_on_ns {
                    break;
                }
                frame.marks = frame.marks.with(Marks::LATE);
                self.late += 1;
            }
            *handed_on_ns = youngest;
        }
        Some(batch)
    }

    /// The time up to which frames may go on.
    fn watermark(&self, window_ns: u64, held_bytes: usize) -> u64 {
        let running = self.lanes.iter().filter(|lane| !lane.ended);
        let complete = running
            .map(|lane| lane.complete_until_ns)
            .min()
            .unwrap_or(u64::MAX);
        let youngest = self
            .lanes
            .iter()
            .map(|lane| lane.complete_until_ns)
            .max()
            .unwrap_or(0);
        let watermark = complete.max(youngest.saturating_sub(window_ns));
        if self.held_bytes <= held_bytes {
            return watermark;
        }
        let waiting = || self.lanes.iter().flat_map(|lane| &lane.waiting);
        // Too much is held: let the oldest whole batch go.
        let last = |batch: &Batch| batch.frames.last().map_or(0, |frame| frame.timestamp_ns);
        watermark.max(waiting().map(last).min().unwrap_or(0))
    }

    /// Frames up to `watermark_ns`, in order.
    fn ordered(&mut self, watermark_ns: u64) -> Option<Batch> {
        let first = |lane: &Lane| {
            let batch = lane.waiting.front()?;
            Some(batch.frames.first().map_or(0, |frame| frame.timestamp_ns))
        };
        let oldest = |lanes: &[Lane], but: Option<usize>| {
            let heads = lanes.iter().enumerate().filter(|(id, _)| Some(*id) != but);
            heads
                .filter_map(|(id, lane)| Some((first(lane)?, id)))
                .min()
        };
        let (start_ns, lane) = oldest(&self.lanes, None)?;
        if start_ns > watermark_ns {
            return None;
        }
        let next_ns = oldest(&self.lanes, Some(lane)).map_or(u64::MAX, |(ns, _)| ns);
        let limit_ns = next_ns.min(watermark_ns);
        let held = &mut self.held_bytes;
        let alone = self.lanes[lane].take_until(limit_ns, held);
        if !alone.is_empty() && (next_ns > watermark_ns || alone.frames.len() > MERGE_RUN) {
            return Some(alone);
        }
        // The sources interleave finely: merge the index of what is in front of
        // each, as far as every front reaches.
        let limit_ns = self.lanes.iter().filter_map(Lane::front_reaches).min();
        let watermark_ns = watermark_ns.min(limit_ns.unwrap_or(u64::MAX));
        let mut merged = alone;
        let mut heads = Vec::new();
        for lane in &mut self.lanes {
            let part = lane.take_until(watermark_ns, held);
            if !part.is_empty() {
                heads.push(adopt(&mut merged, part));
            }
        }
        heads.push(std::mem::take(&mut merged.frames));
        merged.frames = merge_indexes(heads);
        merged.is_sorted = true;
        Some(merged)
    }
}

/// Runs of one source longer than this go on by themselves, unmerged.
const MERGE_RUN: usize = 256;

/// Bytes of memory that a batch holds.
fn memory(batch: &Batch) -> usize {
    batch.blocks.iter().map(|block| block.bytes().len()).sum()
}

impl Lane {
    /// Takes the batch in front; `held` are the bytes of all that waits.
    fn take_front(&mut self, held: &mut usize) -> Option<Batch> {
        let batch = self.waiting.pop_front()?;
        *held -= memory(&batch);
        Some(batch)
    }

    /// The last time in the front batch, if another batch waits behind it.
    fn front_reaches(&self) -> Option<u64> {
        let more = self.waiting.len() > 1;
        more.then(|| {
            self.waiting
                .front()?
                .frames
                .last()
                .map(|frame| frame.timestamp_ns)
        })?
    }

    /// Takes the frames up to a time from the batch in front.
    fn take_until(&mut self, until_ns: u64, held: &mut usize) -> Batch {
        let Some(batch) = self.waiting.front_mut() else {
            return Batch::default();
        };
        let count = batch
            .frames
            .partition_point(|frame| frame.timestamp_ns <= until_ns);
        if count == batch.frames.len() {
            return self.take_front(held).unwrap_or_default();
        }
        if count == 0 {
            return Batch::default();
        }
        let rest = batch.frames.split_off(count);
        Batch {
            blocks: batch.blocks.clone(),
            frames: std::mem::replace(&mut batch.frames, rest),
            packed: None,
            interfaces: Arc::clone(&batch.interfaces),
            notes: std::mem::take(&mut batch.notes),
            is_sorted: batch.is_sorted,
            source: batch.source,
        }
    }
}

/// Moves a batch's blocks into `merged`; returns its frames, renumbered.
fn adopt(merged: &mut Batch, part: Batch) -> Vec<FrameInfo> {
    let base = merged.blocks.len() as u32;
    merged.blocks.extend(part.blocks);
    let mut frames = part.frames;
    for frame in &mut frames {
        frame.block += base;
    }
    frames
}

/// Merges sorted indexes into one.
fn merge_indexes(mut indexes: Vec<Vec<FrameInfo>>) -> Vec<FrameInfo> {
    indexes.retain(|index| !index.is_empty());
    if indexes.len() == 1 {
        return indexes.pop().unwrap_or_default();
    }
    let mut merged = indexes.concat();
    // A stable sort finds the sorted runs and merges them.
    merged.sort_by_key(|frame| frame.timestamp_ns);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(times: &[u64]) -> Batch {
        let frames = times.iter().map(|&timestamp_ns| FrameInfo {
            timestamp_ns,
            ..FrameInfo::default()
        });
        Batch::new(vec![0_u8; 64], frames.collect(), Arc::default())
    }

    fn drain(merge: &mut Merge) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(batch) = merge.pop() {
            times.extend(batch.frames.iter().map(|frame| frame.timestamp_ns));
        }
        times
    }

    fn by_time(sources: usize) -> Merge {
        Merge::new(
            Order::ByTime {
                window_ns: 10_000_000_000,
                held_bytes: 1 << 20,
            },
            sources,
        )
    }

    #[test]
    fn two_sources_come_out_in_order() {
        let mut merge = by_time(2);
        merge.push(0, batch(&[1_000_000, 3_000_000, 5_000_000]));
        assert!(
            merge.pop().is_none(),
            "the other source may still have older frames"
        );
        merge.push(1, batch(&[2_000_000, 4_000_000, 6_000_000]));
        assert_eq!(
            drain(&mut merge),
            [1_000_000, 2_000_000, 3_000_000, 4_000_000]
        );
        merge.end(0);
        merge.end(1);
        assert_eq!(drain(&mut merge), [5_000_000, 6_000_000]);
        assert_eq!(merge.late(), 0);
    }

    #[test]
    fn an_idle_source_lets_the_others_go_on() {
        let mut merge = by_time(2);
        merge.push(0, batch(&[1_000_000, 2_000_000]));
        merge.complete(1, 1_500_000);
        assert_eq!(drain(&mut merge), [1_000_000]);
        merge.complete(1, 9_000_000);
        merge.complete(0, 9_000_000);
        assert_eq!(drain(&mut merge), [2_000_000]);
    }

    #[test]
    fn a_source_beyond_the_window_is_marked_late() {
        let mut merge = Merge::new(
            Order::ByTime {
                window_ns: 1_000,
                held_bytes: 1 << 20,
            },
            2,
        );
        merge.push(0, batch(&[1_000_000]));
        merge.complete(0, 5_000_000);
        assert_eq!(drain(&mut merge), [1_000_000]);
        merge.push(1, batch(&[900_000]));
        let late = merge.pop().unwrap();
        assert!(late.frames[0].marks.has(Marks::LATE));
        assert_eq!(merge.late(), 1);
    }

    #[test]
    fn the_only_source_passes_uncut_and_shares_no_block() {
        let mut merge = by_time(1);
        merge.push(0, batch(&[1_000_000, 2_000_000, 2_050_000]));
        let mut whole = merge.pop().unwrap();
        assert_eq!(whole.frames.len(), 3);
        assert!(Arc::get_mut(&mut whole.blocks[0]).is_some());
        merge.push(0, batch(&[2_040_000]));
        assert!(merge.pop().unwrap().frames[0].marks.has(Marks::LATE));
    }

    #[test]
    fn blocks_that_do_not_overlap_pass_whole() {
        let mut merge = by_time(2);
        let times = |from: u64| (from..from + 1000).collect::<Vec<u64>>();
        for (source, from) in [(0, 1_000), (1, 2_000), (0, 3_000), (1, 4_000)] {
            merge.push(source, batch(&times(from)));
        }
        merge.end(0);
        merge.end(1);
        for from in [1_000, 2_000, 3_000, 4_000] {
            let mut whole = merge.pop().unwrap();
            assert_eq!(whole.frames[0].timestamp_ns, from);
            assert_eq!((whole.count(), whole.blocks.len()), (1000, 1));
            // Nobody else has the memory: it can be made a file where it lies.
            assert!(Arc::get_mut(&mut whole.blocks[0]).is_some());
        }
        assert_eq!(merge.held_bytes, 0);
    }

    #[test]
    fn packed_frames_get_their_index_where_they_are_merged_or_late() {
        let mut memory = vec![0_u8; 4096];
        let mut packer = crate::pcapng::Packer::new(crate::pcapng::Packing { snaplen: 64 });
        for number in 0..5 {
            let info = FrameInfo {
                timestamp_ns: 1_000 + number,
                offset: 100 + number as u32 * 200,
                caplen: 40,
                ..FrameInfo::default()
            };
            assert!(packer.push(&mut memory, &info, 300 + number as usize * 200));
        }
        let packed = || {
            let mut batch = Batch::new(memory.clone(), Vec::new(), Arc::default());
            batch.packed = Some(packer.packed());
            batch.is_sorted = true;
            batch
        };
        let mut alone = by_time(1);
        alone.push(0, packed());
        alone.push(0, batch(&[1_003]));
        alone.push(0, packed());
        assert_eq!(alone.pop().map(|batch| batch.packed.is_some()), Some(true));
        assert_eq!(alone.late(), 0);
        alone.pop();
        assert_eq!(alone.pop().unwrap().frames.len(), 5);
        assert_eq!(alone.late(), 1 + 4, "all before the youngest handed on");
        let mut merge = by_time(2);
        merge.push(0, packed());
        merge.push(1, batch(&[1_002]));
        merge.end(0);
        merge.end(1);
        assert_eq!(
            drain(&mut merge),
            [1_000, 1_001, 1_002, 1_002, 1_003, 1_004]
        );
    }

    #[test]
    fn held_memory_is_bounded() {
        let mut merge = Merge::new(
            Order::ByTime {
                window_ns: u64::MAX,
                held_bytes: 100,
            },
            2,
        );
        merge.push(0, batch(&[1_000_000]));
        assert!(merge.pop().is_none());
        merge.push(0, batch(&[2_000_000]));
        assert_eq!(drain(&mut merge), [1_000_000]);
    }

    #[test]
    fn interleaved_sources_keep_every_frame_and_its_block() {
        let mut merge = by_time(3);
        let mut sent = Vec::new();
        for source in 0..3_u64 {
            let times: Vec<u64> = (0..1000).map(|n| 1_000_000 + n * 30 + source * 7).collect();
            sent.extend(&times);
            merge.push(source as usize, batch(&times));
            merge.end(source as usize);
        }
        sent.sort_unstable();
        let mut got = Vec::new();
        while let Some(batch) = merge.pop() {
            assert!(
                batch
                    .frames
                    .iter()
                    .all(|f| (f.block as usize) < batch.blocks.len())
            );
            got.extend(batch.frames.iter().map(|frame| frame.timestamp_ns));
        }
        assert_eq!(got, sent);
    }

    #[test]
    fn batches_of_any_size_come_out_in_order() {
        let mut seed = 7_u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let mut merge = by_time(3);
            let mut expected = Vec::new();
            for source in 0..3 {
                let mut now = 1_000_000;
                for _ in 0..random(6) {
                    let times: Vec<u64> = (0..random(600))
                        .map(|_| {
                            now += random(1000);
                            now
                        })
                        .collect();
                    expected.extend(&times);
                    merge.push(source, batch(&times));
                }
                merge.end(source);
            }
            expected.sort_unstable();
            assert_eq!(drain(&mut merge), expected);
            assert_eq!(merge.late(), 0);
        }
    }

    #[test]
    fn members_of_one_interface_share_its_number() {
        let eth = |name: &str| Interface {
            name: name.into(),
            ..Interface::default()
        };
        let mut merge = by_time(3);
        merge.announce(0, &[eth("a")]);
        merge.announce(1, &[eth("b")]);
        merge.announce(2, &[eth("a")]);
        assert_eq!(merge.interfaces().len(), 2);
        let mut late = batch(&[1]);
        late.interfaces = Arc::new(vec![eth("a")]);
        merge.push(2, late);
        merge.end(0);
        merge.end(1);
        merge.end(2);
        assert_eq!(merge.pop().unwrap().frames[0].interface, 0);
    }

    #[test]
    fn a_file_keeps_its_own_order() {
        let mut merge = Merge::new(Order::AsDelivered, 1);
        merge.push(0, batch(&[5, 3, 4]));
        assert_eq!(drain(&mut merge), [5, 3, 4]);
        assert_eq!(merge.late(), 0);
    }
}
