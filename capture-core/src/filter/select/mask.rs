//! Sets of frames of a group.

use super::group::GROUP;
use std::ops::{BitAnd, BitOrAssign, Not, Range};

const WORDS: usize = GROUP / 64;

/// A bit for each frame of a group.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mask([u64; WORDS]);

impl Mask {
    pub(super) fn of(frames: Range<usize>) -> Self {
        let below = |end: usize| {
            std::array::from_fn(|word| match end.saturating_sub(64 * word) {
                bits @ 0..64 => (1 << bits) - 1,
                _ => u64::MAX,
            })
        };
        Self(below(frames.end)) & !Self(below(frames.start))
    }

    /// The frames for which `holds`. It is asked for all those whose word has any of `among`,
    /// and what it says of the others is left out.
    #[inline]
    pub(super) fn test(among: Self, column: &Column, holds: impl Fn(u32) -> bool) -> Self {
        let mut mask = Self::default();
        let numbers = column.chunks_exact(64);
        for ((word, among), numbers) in mask.0.iter_mut().zip(among.0).zip(numbers) {
            if among != 0 {
                let mut hits = [0; 64];
                for (hit, number) in hits.iter_mut().zip(numbers) {
                    *hit = u8::from(holds(*number));
                }
                *word = packed(&hits) & among;
            }
        }
        mask
    }

    /// The frames for which `holds`, which is asked for no others.
    #[inline]
    pub(super) fn filter(self, mut holds: impl FnMut(u8) -> bool) -> Self {
        let mut mask = Self::default();
        for (at, (word, among)) in mask.0.iter_mut().zip(self.0).enumerate() {
            for bit in bits(among) {
                *word |= u64::from(holds((64 * at) as u8 | bit)) << bit;
            }
        }
        mask
    }

    /// Numbers of the frames.
    #[inline]
    pub(super) fn frames(self) -> impl Iterator<Item = u8> {
        let words = self.0.into_iter().enumerate();
        words.flat_map(|(at, word)| bits(word).map(move |bit| (64 * at) as u8 | bit))
    }

    pub(super) fn put(&mut self, frame: u8) {
        self.0[usize::from(frame) / 64] |= 1 << (frame % 64);
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(super) fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

impl BitAnd for Mask {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }
}

impl BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
    }
}

impl Not for Mask {
    type Output = Self;

    fn not(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

/// A number of each frame.
pub(super) type Column = [u32; GROUP];

/// The places of the ones.
#[inline]
fn bits(mut word: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.checked_sub(1)?;
        Some(bit as u8)
    })
}

/// Bytes that are 0 or 1 as bits.
#[inline]
fn packed(hits: &[u8; 64]) -> u64 {
    let eights = hits.as_chunks().0.iter().rev();
    eights.fold(0, |word, eight| {
        // Moves the last bit of each byte to a place of its own in the highest byte.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word << 8 | bits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_sets_of_frames() {
        for range in [0..0, 0..1, 3..64, 63..65, 0..256, 100..200, 255..256] {
            let mask = Mask::of(range.clone());
            let frames: Vec<usize> = mask.frames().map(usize::from).collect();
            assert_eq!(frames, range.clone().collect::<Vec<_>>());
            assert_eq!(mask.count() as usize, range.len());
            assert_eq!(mask.is_empty(), range.is_empty());
            let column: Column = std::array::from_fn(|at| at as u32 * 7 % 10);
            let by_test = Mask::test(mask, &column, |number| number < 4);
            let by_filter = mask.filter(|frame| column[usize::from(frame)] < 4);
            let expected = range.filter(|at| at * 7 % 10 < 4).collect::<Vec<_>>();
            for mask in [by_test, by_filter] {
                let frames: Vec<usize> = mask.frames().map(usize::from).collect();
                assert_eq!(frames, expected);
            }
            let mut put = Mask::default();
            by_test.frames().for_each(|frame| put.put(frame));
            assert!(put == by_test && (!put & by_test).is_empty());
        }
    }
}
