//! The counts of one capture in 64 bits, and where in the stream losses belong.
//!
//! The kernel's own counts have 32 bits and start again at each read; here they
//! are added up. What devices and backlogs lost before the tap is the host's
//! count, so that only the difference since the start is told.

use crate::devices::netlink::{Netlink, softnet_drops};
use crate::sys::packet::Statistics;
use pktrail_core::SourceAccount;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the tap counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Frames that passed the filter, lost ones included.
    pub(crate) received: u64,
    /// Frames for which the ring had no room.
    pub(crate) dropped: u64,
    /// How often the ring was full.
    pub(crate) freezes: u64,
    /// Frames read from the ring.
    pub(crate) read: u64,
    /// Frames in the ring that could not be read.
    pub(crate) unreadable: u64,
}

impl Counters {
    /// Adds what the kernel counted since the last read.
    pub(crate) fn add(&mut self, new: Statistics) {
        self.received += u64::from(new.packets);
        self.dropped += u64::from(new.drops);
        self.freezes += u64::from(new.freezes);
    }

    /// Whether every frame counted has been read or is lost.
    pub(crate) fn is_drained(&self) -> bool {
        self.received <= self.read + self.unreadable + self.dropped
    }

    /// Writes the counts down.
    pub(crate) fn fill(&self, account: &mut SourceAccount) {
        account.received = self.received;
        account.lost.ring = self.dropped + self.unreadable;
        account.freezes = self.freezes;
    }
}

/// Losses that wait for the block before whose first frame they happened.
#[derive(Debug, Default)]
pub(crate) struct Gaps(VecDeque<(u64, u64)>);

impl Gaps {
    /// Notes `lost` frames before the block with `number`.
    pub(crate) fn note(&mut self, lost: u64, number: u64) {
        if lost != 0 {
            self.0.push_back((number, lost));
        }
    }

    /// Whether losses are noted for the block with `number` or one before it.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.0.front().is_some_and(|(at, _)| *at <= number)
    }

    /// Takes the losses before the block with `number`.
    pub(crate) fn take(&mut self, number: u64) -> u32 {
        let mut lost = 0;
        while let Some((at, more)) = self.0.front().copied() {
            if at > number {
                break;
            }
            lost += more;
            self.0.pop_front();
        }
        u32::try_from(lost).unwrap_or(u32::MAX)
    }

    /// Moves all that is noted to the start of a new ring.
    pub(crate) fn restart(&mut self) {
        for (number, _) in &mut self.0 {
            *number = 0;
        }
    }
}

/// A count of the kernel that only grows, until what it belongs to is made anew.
#[derive(Clone, Copy, Debug)]
struct Growing {
    last: u64,
    total: u64,
}

impl Growing {
    fn from(start: u64) -> Self {
        Self {
            last: start,
            total: 0,
        }
    }

    fn update(&mut self, now: u64) -> u64 {
        self.total += now.checked_sub(self.last).unwrap_or(now);
        self.last = now;
        self.total
    }
}

/// The backlog is the host's: one capture of the program tells its count, or
/// the sum over several would count each loss several times.
static BACKLOG_IS_TOLD: AtomicBool = AtomicBool::new(false);

/// How often losses before the tap are asked for.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Losses before the tap.
pub(crate) struct BeforeTap {
    device: Option<(Netlink, Growing)>,
    softnet: Option<Growing>,
    /// When they were asked last: that costs more than all other counts.
    asked: Instant,
}

impl BeforeTap {
    /// Starts to count: at the device with `index` (all of them if `None`) with
    /// the help of `netlink`, and in the backlogs if no other capture does.
    pub(crate) fn start(netlink: Option<Netlink>, index: Option<u32>) -> Self {
        let device = netlink.and_then(|mut netlink| {
            let now = netlink.device_drops(index).ok()?;
            Some((netlink, Growing::from(now)))
        });
        let softnet = softnet_drops().ok().and_then(|now| {
            let told = BACKLOG_IS_TOLD.swap(true, Ordering::Relaxed);
            (!told).then(|| Growing::from(now))
        });
        Self {
            device,
            softnet,
            asked: Instant::now(),
        }
    }

    /// Counts nothing: another member of the group does.
    pub(crate) fn none() -> Self {
        Self {
            device: None,
            softnet: None,
            asked: Instant::now(),
        }
    }

    /// Writes the losses down, as they were half a second ago at most; as they are
    /// if these are the `last` counts. A count that cannot be had stays what it was.
    pub(crate) fn fill(&mut self, index: Option<u32>, last: bool, account: &mut SourceAccount) {
        if last || self.asked.elapsed() >= ASK_EVERY {
            self.asked = Instant::now();
            self.ask(index);
        }
        account.lost.device = self.device.as_ref().map_or(0, |(_, drops)| drops.total);
        account.lost.softnet = self.softnet.map_or(0, |drops| drops.total);
    }

    fn ask(&mut self, index: Option<u32>) {
        if let Some((netlink, drops)) = &mut self.device {
            let now = netlink.device_drops(index).unwrap_or(drops.last);
            drops.update(now);
        }
        if let Some(drops) = &mut self.softnet {
            drops.update(softnet_drops().unwrap_or(drops.last));
        }
    }
}

impl Drop for BeforeTap {
    fn drop(&mut self) {
        if self.softnet.is_some() {
            BACKLOG_IS_TOLD.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_beyond_32_bits() {
        let mut counters = Counters::default();
        for _ in 0..3 {
            counters.add(Statistics {
                packets: u32::MAX,
                drops: u32::MAX - 1,
                freezes: 1,
            });
        }
        counters.read = 3;
        assert_eq!(counters.received, 3 * u64::from(u32::MAX));
        assert!(counters.is_drained());
        let mut account = SourceAccount::default();
        counters.fill(&mut account);
        assert_eq!(account.received - account.lost.ring, 3);
        assert_eq!(account.freezes, 3);
    }

    #[test]
    fn a_device_made_anew_counts_on() {
        let mut drops = Growing::from(100);
        assert_eq!(drops.update(130), 30);
        assert_eq!(drops.update(5), 35);
        assert_eq!(drops.update(6), 36);
    }
}
