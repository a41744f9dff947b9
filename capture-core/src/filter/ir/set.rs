//! Sets of 32-bit numbers, as ranges.

/// Numbers, as ranges with both ends included, in order, with gaps between.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Set(Vec<(u32, u32)>);

impl Set {
    pub(crate) fn one(number: u32) -> Self {
        Self(vec![(number, number)])
    }

    pub(crate) fn range(low: u32, high: u32) -> Self {
        match low <= high {
            true => Self(vec![(low, high)]),
            false => Self(Vec::new()),
        }
    }

    /// The union of ranges in any order.
    pub(crate) fn of(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match merged.last_mut() {
                Some((_, end)) if *end == u32::MAX || low <= *end + 1 => *end = high.max(*end),
                _ => merged.push((low, high)),
            }
        }
        Self(merged)
    }

    pub(crate) fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every number up to `most` is in it.
    pub(crate) fn is_all(&self, most: u32) -> bool {
        matches!(self.0.first(), Some(&(0, high)) if high >= most)
    }

    /// The number, if there is only one.
    pub(crate) fn single(&self) -> Option<u32> {
        match self.0.as_slice() {
            [(low, high)] if low == high => Some(*low),
            _ => None,
        }
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|(low, _)| *low <= number);
        let range = after.checked_sub(1).and_then(|at| self.0.get(at));
        range.is_some_and(|(_, high)| *high >= number)
    }

    pub(crate) fn complement(&self) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len() + 1);
        let mut next = Some(0);
        for &(low, high) in &self.0 {
            if let Some(start) = next
                && start < low
            {
                gaps.push((start, low - 1));
            }
            next = high.checked_add(1);
        }
        if let Some(start) = next {
            gaps.push((start, u32::MAX));
        }
        Self(gaps)
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut common = Vec::new();
        let (mut mine, mut theirs) = (self.0.iter(), other.0.iter());
        let (mut a, mut b) = (mine.next(), theirs.next());
        while let (Some(&(low_a, high_a)), Some(&(low_b, high_b))) = (a, b) {
            let (low, high) = (low_a.max(low_b), high_a.min(high_b));
            if low <= high {
                common.push((low, high));
            }
            match high_a < high_b {
                true => a = mine.next(),
                false => b = theirs.next(),
            }
        }
        Self(common)
    }

    /// The numbers whose sum with `add`, without carry, is in the set.
    pub(crate) fn before_add(&self, add: u32) -> Self {
        let mut ranges = Vec::with_capacity(self.0.len() + 1);
        for &(low, high) in &self.0 {
            let (low, high) = (low.wrapping_sub(add), high.wrapping_sub(add));
            match low <= high {
                true => ranges.push((low, high)),
                false => ranges.extend([(low, u32::MAX), (0, high)]),
            }
        }
        Self::of(ranges)
    }

    /// The numbers that, shifted right by `bits`, are in the set.
    pub(crate) fn before_shift_right(&self, bits: u32) -> Self {
        let most = u32::MAX >> bits;
        let fits = self.0.iter().filter(|(low, _)| *low <= most);
        let low_bits = (1u32 << bits) - 1;
        let ranges = fits.map(|(low, high)| (low << bits, high.min(&most) << bits | low_bits));
        Self::of(ranges.collect())
    }

    /// The numbers that, multiplied by `factor` (not 0), are in the set, of
    /// those up to `most`, for which the product has no more than 32 bits.
    pub(crate) fn before_multiply(&self, factor: u32, most: u32) -> Self {
        let ranges = self.0.iter().filter_map(|(low, high)| {
            let (low, high) = (low.div_ceil(factor), (high / factor).min(most));
            (low <= high).then_some((low, high))
        });
        Self::of(ranges.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_agree_with_their_numbers() {
        let some = [
            Set::of(vec![(3, 5), (9, 9), (6, 7), (20, 30)]),
            Set::range(0, 4),
            Set::range(25, u32::MAX),
            Set::one(9),
            Set::of(vec![]),
        ];
        assert_eq!(some[0].ranges(), [(3, 7), (9, 9), (20, 30)]);
        let numbers: Vec<u32> = (0..40).chain(u32::MAX - 3..=u32::MAX).collect();
        for a in &some {
            for &n in &numbers {
                assert_eq!(a.complement().contains(n), !a.contains(n));
                assert_eq!(a.before_add(5).contains(n), a.contains(n.wrapping_add(5)));
                assert_eq!(a.before_add(!2).contains(n), a.contains(n.wrapping_sub(3)));
                assert_eq!(a.before_shift_right(2).contains(n), a.contains(n >> 2));
                if n < 40 {
                    assert_eq!(a.before_multiply(4, 39).contains(n), a.contains(n * 4));
                }
                for b in &some {
                    let both = a.contains(n) && b.contains(n);
                    assert_eq!(a.intersection(b).contains(n), both);
                }
            }
        }
    }
}
