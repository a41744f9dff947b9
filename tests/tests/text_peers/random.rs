//! Damage by a fixed series of random numbers.

use super::build::Group;
use pktrail_tests::tcpdump::Recorded;

/// A generator with a state of 64 bits (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// About `count` damaged frames in all, spread over the groups.
pub(crate) fn damaged(groups: Vec<Group>, count: usize) -> Vec<Group> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let each = count.div_ceil(groups.len());
    groups
        .into_iter()
        .map(|group| Group {
            frames: (0..each)
                .map(|_| {
                    let pick = random.below(group.frames.len());
                    damage(&mut random, &group.frames[pick])
                })
                .collect(),
            ..group
        })
        .collect()
}

/// A copy with up to four bytes changed, and perhaps cut or with another
/// length.
fn damage(random: &mut Random, frame: &Recorded) -> Recorded {
    let mut frame = frame.clone();
    for _ in 0..=random.below(4) {
        let at = random.below(frame.data.len());
        frame.data[at] = match random.below(4) {
            0 => random.next() as u8,
            1 => frame.data[at] ^ 1 << random.below(8),
            2 => [0, 0xff][random.below(2)],
            _ => frame.data[at].wrapping_add(1),
        };
    }
    match random.below(6) {
        0 => frame.cut(1 + random.below(frame.data.len())),
        1 => {
            frame.len += random.below(100) as u32;
            frame
        }
        _ => frame,
    }
}
