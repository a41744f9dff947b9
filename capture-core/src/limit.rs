//! Limits on a capture: a sink that ends it at exactly the right frame.

use crate::pcapng::Packing;
use crate::rotation::GRACE_NS;
use crate::{Account, Batch, Flow, Losses, Result, Sink};
use std::time::Duration;

/// When a capture has enough. What comes first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `-c`: so many frames, exactly.
    pub packets: Option<u64>,
    /// The frame that brings the captured bytes (without any headers of the
    /// file) to this many is the last.
    pub bytes: Option<u64>,
    /// Frames of so long a time. A limit on files is one of
    /// [`Rules`](crate::rotation::Rules).
    pub duration: Option<Duration>,
}

/// Hands frames on to another sink until a limit is reached. Frames that come
/// after it are counted as [`surplus`](Sink::surplus) and go nowhere.
pub struct Limit<S> {
    sink: S,
    limits: Limits,
    packets: u64,
    bytes: u64,
    is_live: bool,
    ends_ns: Option<u64>,
    reached: bool,
    surplus: u64,
}

impl<S: Sink> Limit<S> {
    /// Limits what reaches `sink`. The duration counts from `start_ns`
    /// (nanoseconds since 1970), by the frames' times and by the clock; without
    /// it, from the first frame and by the frames' times alone, as is right for
    /// a file that is read.
    pub fn new(sink: S, limits: Limits, start_ns: Option<u64>) -> Self {
        let mut limit = Self {
            sink,
            limits,
            packets: 0,
            bytes: 0,
            is_live: start_ns.is_some(),
            ends_ns: None,
            reached: limits.packets == Some(0),
            surplus: 0,
        };
        if let Some(start_ns) = start_ns {
            limit.begin(start_ns);
        }
        limit
    }

    /// The sink behind the limit.
    pub fn into_inner(self) -> S {
        self.sink
    }

    fn begin(&mut self, start_ns: u64) {
        let length = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let ends = |duration| start_ns.saturating_add(length(duration));
        self.ends_ns = self.limits.duration.map(ends);
    }

    /// How many of the batch's frames are wanted; sets `reached`.
    fn wanted(&mut self, batch: &Batch) -> usize {
        if self.reached {
            return 0;
        }
        if let (None, Some(first)) = (self.ends_ns, batch.frames.first()) {
            self.begin(first.timestamp_ns);
        }
        let mut wanted = batch.count();
        if let Some(ends) = self.ends_ns {
            let mut times = batch.frames.iter().map(|info| info.timestamp_ns);
            if let Some(at) = times.position(|timestamp| timestamp >= ends) {
                wanted = at;
                self.reached = true;
            }
        }
        if let Some(packets) = self.limits.packets {
            let left = usize::try_from(packets - self.packets).unwrap_or(usize::MAX);
            self.reached |= left <= wanted;
            wanted = wanted.min(left);
        }
        if let Some(bytes) = self.limits.bytes {
            for (at, info) in batch.frames.iter().take(wanted).enumerate() {
                self.bytes += u64::from(info.caplen);
                if self.bytes >= bytes {
                    self.reached = true;
                    wanted = at + 1;
                    break;
                }
            }
        }
        wanted
    }
}

impl<S: Sink> Sink for Limit<S> {
    fn write(&mut self, mut batch: Batch) -> Result<Flow> {
        let wanted = self.wanted(&batch);
        self.packets += wanted as u64;
        self.surplus += (batch.count() - wanted) as u64;
        if self.reached && wanted == 0 {
            return Ok(Flow::Stop);
        }
        batch.truncate(wanted);
        match self.sink.write(batch)? {
            Flow::Continue if !self.reached => Ok(Flow::Continue),
            _ => {
                self.reached = true;
                Ok(Flow::Stop)
            }
        }
    }

    fn tick(&mut self, now_ns: u64, account: &Account) -> Result<Flow> {
        let flow = self.sink.tick(now_ns, account)?;
        let ends = self.ends_ns.filter(|_| self.is_live);
        if flow == Flow::Stop || ends.is_some_and(|ends| now_ns >= ends.saturating_add(GRACE_NS)) {
            self.reached = true;
        }
        match self.reached {
            true => Ok(Flow::Stop),
            false => Ok(Flow::Continue),
        }
    }

    fn finish(&mut self, account: &Account) -> Result<()> {
        self.sink.finish(account)
    }

    /// To find the last frame, the index is needed.
    fn packing(&self) -> Option<Packing> {
        let is_limited = self.limits != Limits::default();
        self.sink.packing().filter(|_| !is_limited)
    }

    fn surplus(&self) -> u64 {
        self.surplus + self.sink.surplus()
    }

    fn expired(&self) -> u64 {
        self.sink.expired()
    }

    fn held(&self) -> u64 {
        self.sink.held()
    }

    fn losses(&self) -> Losses {
        self.sink.losses()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameInfo;

    /// Remembers the times of the frames.
    #[derive(Default)]
    struct Times(Vec<u64>);

    impl Sink for Times {
        fn write(&mut self, batch: Batch) -> Result<Flow> {
            self.0
                .extend(batch.frames.iter().map(|info| info.timestamp_ns));
            Ok(Flow::Continue)
        }
        fn finish(&mut self, _: &Account) -> Result<()> {
            Ok(())
        }
    }

    fn batch(times: std::ops::Range<u64>) -> Batch {
        let frame = |timestamp_ns| FrameInfo {
            timestamp_ns,
            caplen: 10,
            len: 10,
            ..FrameInfo::default()
        };
        Batch {
            frames: times.map(frame).collect(),
            ..Batch::default()
        }
    }

    /// Writes 0..10, 10..20, 20..30 until told to stop, and one batch more:
    /// how many frames arrived, how many were surplus, batches taken.
    fn run(limits: Limits, start: Option<u64>) -> (usize, u64, usize) {
        let mut limit = Limit::new(Times::default(), limits, start);
        let mut taken = 0;
        for first in [0, 10, 20] {
            taken += 1;
            if limit.write(batch(first..first + 10)).unwrap() == Flow::Stop {
                assert_eq!(limit.write(batch(50..55)).unwrap(), Flow::Stop);
                break;
            }
        }
        let surplus = limit.surplus();
        let times = limit.into_inner().0;
        assert_eq!(times, (0..times.len() as u64).collect::<Vec<_>>());
        (times.len(), surplus, taken)
    }

    #[test]
    fn stops_at_exactly_the_right_frame() {
        let packets = |n| Limits {
            packets: Some(n),
            ..Limits::default()
        };
        assert_eq!(run(packets(10), None), (10, 5, 1));
        assert_eq!(run(packets(11), None), (11, 14, 2));
        assert_eq!(run(packets(0), None), (0, 15, 1));
        assert_eq!(run(packets(99), None), (30, 0, 3));
        let bytes = |n| Limits {
            bytes: Some(n),
            ..Limits::default()
        };
        assert_eq!(run(bytes(100), None), (10, 5, 1));
        assert_eq!(run(bytes(101), None), (11, 14, 2));
        let time = |n| Limits {
            duration: Some(Duration::from_nanos(n)),
            ..Limits::default()
        };
        assert_eq!(run(time(15), None), (15, 10, 2));
        assert_eq!(run(time(15), Some(10)), (25, 10, 3));
        let both = Limits {
            packets: Some(12),
            ..time(11)
        };
        assert_eq!(run(both, None), (11, 14, 2));
    }

    #[test]
    fn the_clock_ends_an_idle_capture() {
        let limits = Limits {
            duration: Some(Duration::from_secs(1)),
            ..Limits::default()
        };
        let end = 5_000_000_000 + 1_000_000_000 + GRACE_NS;
        let mut live = Limit::new(Times::default(), limits, Some(5_000_000_000));
        assert_eq!(
            live.tick(end - 1, &Account::default()).unwrap(),
            Flow::Continue
        );
        assert_eq!(live.tick(end, &Account::default()).unwrap(), Flow::Stop);
        // The clock says nothing about a file that is read.
        let mut file = Limit::new(Times::default(), limits, None);
        file.write(batch(0..1)).unwrap();
        assert_eq!(file.tick(end, &Account::default()).unwrap(), Flow::Continue);
    }
}
