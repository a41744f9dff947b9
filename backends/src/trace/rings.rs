//! The rings of events, one for each CPU, read in batches.
//!
//! Owns their size, the waiting, and the copy out of the ring. What a record holds is read
//! elsewhere. Programs wake nobody, which would cost them more than the event: who reads looks
//! again every few milliseconds.

use super::{record, refused};
use libbpf_rs::libbpf_sys::bpf_map_create_opts;
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType, Object, RingBuffer, RingBufferBuilder};
use pktrail_core::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    rings: Vec<RingBuffer<'static>>,
    batch: Arc<Mutex<Vec<u8>>>,
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
        let batch = Arc::new(Mutex::new(Vec::new()));
        let (mut rings, mut handles) = (Vec::new(), Vec::new());
        let options = bpf_map_create_opts {
            sz: size_of::<bpf_map_create_opts>() as u64,
            ..Default::default()
        };
        for cpu in 0..u32::try_from(cpus).unwrap_or(1) {
            let name = Some("events");
            let map = MapHandle::create(MapType::RingBuf, name, 0, 0, bytes, &options);
            let map = map.map_err(failed)?;
            let number = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&map));
            let (key, value) = (cpu.to_ne_bytes(), number.to_ne_bytes());
            outer.update(&key, &value, MapFlags::ANY).map_err(failed)?;
            let to = Arc::clone(&batch);
            let mut builder = RingBufferBuilder::new();
            builder
                .add(&map, move |bytes: &[u8]| {
                    if let Some(bytes) = record::trim(bytes) {
                        lock(&to).extend_from_slice(bytes);
                    }
                    0
                })
                .map_err(failed)?;
            rings.push(builder.build().map_err(failed)?);
            handles.push(map);
        }
        Ok(Self {
            rings,
            batch,
            _maps: handles,
        })
    }

    /// Adds records to `into`, one behind the other, each whole. Waits for `timeout` at most if
    /// there are none.
    pub(super) fn read(&self, timeout: Duration, into: &mut Vec<u8>) -> Result<()> {
        let end = Instant::now().checked_add(timeout);
        loop {
            for ring in &self.rings {
                let taken = ring.consume_raw_n(TURN);
                if taken < 0 {
                    let cause = std::io::Error::from_raw_os_error(-taken);
                    return Err(Error::io("cannot read a ring of events", cause));
                }
            }
            std::mem::swap(into, &mut *lock(&self.batch));
            let now = Instant::now();
            let left = end.map_or(PAUSE, |end| end.saturating_duration_since(now));
            if !into.is_empty() || left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(PAUSE));
        }
    }
}

fn lock(mutex: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
