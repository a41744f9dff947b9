//! The rings of events, one for each CPU, read in batches.
//!
//! Owns their size, the waiting, and the copy out of the ring. What a record holds is read
//! elsewhere. Programs wake nobody, which would cost them more than the event: who reads looks
//! again every few milliseconds.

use super::{record, refused};
use crate::sys::bpf_ring::EventRing;
use libbpf_rs::libbpf_sys::bpf_map_create_opts;
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType, Object};
use pktrail_core::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

/// All rings together, shared out among the CPUs, unless asked otherwise.
const ALL_BYTES: usize = 64 << 20;
const LEAST_BYTES: usize = 1 << 20;
const MOST_BYTES: usize = 16 << 20;
/// Records that are taken from one ring before the next has its turn.
const TURN: usize = 8192;
/// How long nobody looks at empty rings.
const PAUSE: Duration = Duration::from_millis(2);

/// The rings of all CPUs.
pub(super) struct Rings {
    rings: Vec<EventRing>,
    // The programs write into these.
    _maps: Vec<MapHandle>,
}

impl Rings {
    /// Makes the rings and gives them to the programs. `bytes` is the size of each.
    pub(super) fn open(object: &Object, bytes: Option<u32>) -> Result<Self> {
        let failed = |cause| refused("cannot make the rings of events", cause);
        let cpus = libbpf_rs::num_possible_cpus().map_err(failed)?;
        let bytes = match bytes {
            Some(bytes) => checked(bytes)?,
            None => default_bytes(cpus),
        };
        let mut maps = object.maps();
        let outer = maps
            .find(|map| map.name() == "rings")
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the trace programs have no rings"))?;
        let (mut rings, mut handles) = (Vec::new(), Vec::new());
        let options = bpf_map_create_opts {
            sz: size_of::<bpf_map_create_opts>() as u64,
            ..Default::default()
        };
        for cpu in 0..u32::try_from(cpus).unwrap_or(1) {
            let name = Some("events");
            let map = MapHandle::create(MapType::RingBuf, name, 0, 0, bytes, &options);
            let map = map.map_err(failed)?;
            let number = map.as_fd().as_raw_fd();
            let (key, value) = (cpu.to_ne_bytes(), number.to_ne_bytes());
            outer.update(&key, &value, MapFlags::ANY).map_err(failed)?;
            let ring = EventRing::map(map.as_fd(), bytes as usize);
            let ring = ring.map_err(|cause| Error::io("cannot map a ring of events", cause))?;
            rings.push(ring);
            handles.push(map);
        }
        Ok(Self {
            rings,
            _maps: handles,
        })
    }

    /// Adds records to `into`, one behind the other, each whole. Waits for `timeout` at most if
    /// there are none.
    pub(super) fn read(&mut self, timeout: Duration, into: &mut Vec<u8>) {
        let end = Instant::now().checked_add(timeout);
        loop {
            for ring in &mut self.rings {
                ring.take(TURN, |bytes| {
                    into.extend_from_slice(record::trim(bytes).unwrap_or_default());
                });
            }
            let now = Instant::now();
            let left = end.map_or(PAUSE, |end| end.saturating_duration_since(now));
            if !into.is_empty() || left.is_zero() {
                return;
            }
            thread::sleep(left.min(PAUSE));
        }
    }
}

fn default_bytes(cpus: usize) -> u32 {
    let share = ALL_BYTES / cpus.max(1);
    let bytes = share.clamp(LEAST_BYTES, MOST_BYTES);
    // Rounded down to a power of two.
    let bytes = 1_usize << bytes.ilog2();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn checked(bytes: u32) -> Result<u32> {
    if !bytes.is_power_of_two() || bytes < 4096 {
        let what = format!("a ring of {bytes} bytes: give a power of two from 4096 on");
        return Err(Error::new(ErrorKind::Usage, what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_share_the_memory_and_stay_useful() {
        assert_eq!(default_bytes(1), 16 << 20);
        assert_eq!(default_bytes(2), 16 << 20);
        assert_eq!(default_bytes(24), 2 << 20);
        assert_eq!(default_bytes(256), 1 << 20);
    }
}
