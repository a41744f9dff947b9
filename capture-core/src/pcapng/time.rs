//! The unit of an interface's times (if_tsresol, if_tsoffset), to nanoseconds.

/// How the times of an interface become nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    unit: Unit,
    offset_s: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Nanoseconds in a tick.
    Ns(u64),
    /// Ticks in a nanosecond; `None` where that is more than 64 bits hold.
    PerNs(Option<u64>),
    /// A tick is 2 to this negative power of a second.
    Shift(u32),
}

impl Clock {
    /// The clock that an interface has with these options: microseconds if
    /// there is no resolution.
    pub(crate) fn new(tsresol: Option<u8>, tsoffset_s: Option<i64>) -> Self {
        let tsresol = tsresol.unwrap_or(6);
        let exponent = u32::from(tsresol & 0x7f);
        let unit = if tsresol & 0x80 != 0 {
            Unit::Shift(exponent)
        } else if exponent <= 9 {
            Unit::Ns(10_u64.pow(9 - exponent))
        } else {
            Unit::PerNs(10_u64.checked_pow(exponent - 9))
        };
        Self {
            unit,
            offset_s: tsoffset_s.unwrap_or(0),
        }
    }

    /// Nanoseconds since 1970; what lies outside 64 bits becomes the nearest
    /// time inside.
    #[inline]
    pub(crate) fn ns(self, ticks: u64) -> u64 {
        let ns = match self.unit {
            Unit::Ns(1) => ticks,
            Unit::Ns(ns) => ticks.saturating_mul(ns),
            Unit::PerNs(per_ns) => per_ns.map_or(0, |per_ns| ticks / per_ns),
            Unit::Shift(shift) => {
                let ns = (u128::from(ticks) * 1_000_000_000) >> shift;
                u64::try_from(ns).unwrap_or(u64::MAX)
            }
        };
        if self.offset_s == 0 {
            return ns;
        }
        let moved = i128::from(ns) + i128::from(self.offset_s) * 1_000_000_000;
        u64::try_from(moved.max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_there_is_becomes_nanoseconds() {
        let ns = |tsresol, ticks| Clock::new(tsresol, None).ns(ticks);
        assert_eq!(ns(None, 1_500_000), 1_500_000_000);
        assert_eq!(ns(Some(0), 3), 3_000_000_000);
        assert_eq!(ns(Some(3), 1_234), 1_234_000_000);
        assert_eq!(ns(Some(9), 7), 7);
        assert_eq!(ns(Some(12), 7_999), 7);
        assert_eq!(ns(Some(19), u64::MAX), 1_844_674_407);
        assert_eq!(ns(Some(0x80), 2), 2_000_000_000);
        assert_eq!(ns(Some(0xa0), 3 << 31), 1_500_000_000);
        for tsresol in 0..=255 {
            let _ = ns(Some(tsresol), u64::MAX);
        }
    }

    #[test]
    fn an_offset_is_added_and_never_wraps() {
        let clock = |offset| Clock::new(Some(6), Some(offset));
        assert_eq!(clock(10).ns(1), 10_000_001_000);
        assert_eq!(clock(-10).ns(11_000_000), 1_000_000_000);
        assert_eq!(clock(i64::MIN).ns(11_000_000), 0);
        assert_eq!(clock(i64::MAX).ns(1), u64::MAX);
    }
}
