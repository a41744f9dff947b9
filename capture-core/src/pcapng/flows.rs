//! Which flows are where in a file: a table in a local block (type
//! [`FLOWS_BLOCK`]) right before the index, which every reader skips.
//!
//! Each stretch of the index has a Bloom filter of the flows in it, and of the pairs
//! of hosts. The table holds them turned on their side: a row for each bit, with a
//! bit in it for each stretch. So whoever looks for a flow reads a few rows, however
//! long the file is.
//!
//! The body, in little-endian words: version 1 (4 bytes), stretches (4), rows (4),
//! rows in a group (4), the offset of the block itself (8), 8 bytes of FNV-1a over
//! all that; then the groups, each of them rows of a bit for each stretch (the
//! lowest bit of the first byte is the first stretch) and 8 bytes of FNV-1a over the
//! group's number and its rows; then zeros up to a multiple of 4.
//!
//! A flow's hash is FNV-1a over 1, the octets of the lesser end's and of the greater
//! end's address, and both ports in network byte order; a pair of hosts has 0 in
//! the place of 1, and no ports. Mixed once more, its lower half is the first row and
//! the upper half, made odd, the distance from each to the next.

use super::block::{FLOWS_BLOCK, FRAMING};
use super::index::{hash, hash_on, u32_at, u64_at};
use crate::{FlowKey, FlowPattern};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Bytes of a file from an offset on, so many.
pub type ReadAt<'a> = dyn FnMut(u64, usize) -> io::Result<Vec<u8>> + 'a;

const VERSION: u32 = 1;
/// Version, stretches, rows, rows in a group, offset, sum.
const HEAD: usize = 32;
const SUM: usize = 8;
/// Bits of a Bloom filter, a power of two.
const MOST_ROWS: usize = 8192;
/// Fewer are not worth it.
const LEAST_ROWS: usize = 64;
/// Bits that each flow sets.
const HASHES: usize = 5;
/// Rows are read in groups of about so many bytes.
const GROUP: usize = 1024;

/// Most stretches of a table: then it is a little smaller than the largest block
/// that readers take, 16 MiB.
pub(super) const MOST_STRETCHES: usize = 16_000;

/// The flows of one stretch.
#[derive(Clone, Debug)]
pub(super) struct Digest(Box<[u64; MOST_ROWS / 64]>);

impl Default for Digest {
    fn default() -> Self {
        Self(Box::new([0; MOST_ROWS / 64]))
    }
}

impl Digest {
    pub(super) fn add(&mut self, key: &FlowKey) {
        for hash in [hash_of(key.a, key.b, true), hash_of(key.a, key.b, false)] {
            for row in rows(hash) {
                if let Some(word) = self.0.get_mut(row / 64) {
                    *word |= 1 << (row % 64);
                }
            }
        }
    }

    /// Takes those of another stretch in.
    pub(super) fn join(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0.iter()) {
            *word |= more;
        }
    }

    fn ones(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether row `row` of `count` rows has the bit set.
    fn has(&self, row: usize, count: usize) -> bool {
        let mut rows = (row..MOST_ROWS).step_by(count);
        rows.any(|row| {
            self.0
                .get(row / 64)
                .is_some_and(|word| word >> (row % 64) & 1 != 0)
        })
    }
}

/// The rows of a hash, of a table with [`MOST_ROWS`] of them.
fn rows(hash: u64) -> impl Iterator<Item = usize> {
    let (first, distance) = (hash as u32, (hash >> 32) as u32 | 1);
    (0..HASHES as u32).map(move |number| {
        let row = first.wrapping_add(number.wrapping_mul(distance));
        row as usize % MOST_ROWS
    })
}

fn hash_of(a: SocketAddr, b: SocketAddr, with_ports: bool) -> u64 {
    let octets = |hash: u64, address: IpAddr| match address {
        IpAddr::V4(address) => hash_on(hash, &address.octets()),
        IpAddr::V6(address) => hash_on(hash, &address.octets()),
    };
    let mut sum = octets(octets(hash(&[u8::from(with_ports)]), a.ip()), b.ip());
    if with_ports {
        sum = hash_on(
            hash_on(sum, &a.port().to_be_bytes()),
            &b.port().to_be_bytes(),
        );
    }
    // FNV-1a leaves much of the last bytes in the lower bits.
    sum = (sum ^ sum >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    sum ^ sum >> 33
}

/// How a table is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    stretches: usize,
    rows: usize,
    group_rows: usize,
}

impl Shape {
    fn row_bytes(self) -> usize {
        self.stretches.div_ceil(8)
    }

    /// Bytes of a group with its sum.
    fn group_bytes(self) -> usize {
        self.group_rows * self.row_bytes() + SUM
    }

    fn block_bytes(self) -> usize {
        let groups = self.rows / self.group_rows * self.group_bytes();
        FRAMING + (HEAD + groups).next_multiple_of(4)
    }
}

/// Appends the block, which will stand at `offset`; nothing if there are too many
/// stretches.
pub(super) fn put(digests: &[Digest], offset: u64, out: &mut Vec<u8>) {
    if digests.is_empty() || digests.len() > MOST_STRETCHES {
        return;
    }
    // No more rows than make a quarter of the bits of a usual stretch ones.
    let ones: usize = digests.iter().map(Digest::ones).sum();
    let rows = (4 * ones / digests.len()).next_power_of_two();
    let rows = rows.clamp(LEAST_ROWS, MOST_ROWS);
    let row_bytes = digests.len().div_ceil(8);
    let group_rows = GROUP.div_ceil(row_bytes).next_power_of_two().min(rows);
    let shape = Shape {
        stretches: digests.len(),
        rows,
        group_rows,
    };
    let total = shape.block_bytes();
    let end = out.len() + total;
    out.extend(FLOWS_BLOCK.to_le_bytes());
    // Less than 16 MiB, as the numbers in it.
    out.extend((total as u32).to_le_bytes());
    let body = out.len();
    for number in [
        VERSION,
        shape.stretches as u32,
        rows as u32,
        group_rows as u32,
    ] {
        out.extend(number.to_le_bytes());
    }
    out.extend(offset.to_le_bytes());
    let sum = hash(out.get(body..).unwrap_or_default());
    out.extend(sum.to_le_bytes());
    for (group, first) in (0..rows).step_by(group_rows).enumerate() {
        let begin = out.len();
        for row in first..first + group_rows {
            out.extend(digests.chunks(8).map(|eight| {
                let bits = eight.iter().enumerate();
                bits.fold(0, |byte, (at, digest)| {
                    byte | u8::from(digest.has(row, rows)) << at
                })
            }));
        }
        let sum = sum_of(group, out.get(begin..).unwrap_or_default());
        out.extend(sum.to_le_bytes());
    }
    out.resize(end - 4, 0);
    out.extend((total as u32).to_le_bytes());
}

fn sum_of(group: usize, rows: &[u8]) -> u64 {
    hash_on(hash(&(group as u32).to_le_bytes()), rows)
}

/// A table in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flows {
    shape: Shape,
    /// Where the block begins.
    pub(super) offset: u64,
}

impl Flows {
    /// Finds the table that ends at `end`, for an index with so many stretches.
    pub(super) fn before(end: u64, stretches: usize, read: &mut ReadAt<'_>) -> Option<Self> {
        let len = read(end.checked_sub(4)?, 4).ok()?;
        let offset = end.checked_sub(u32_at(&len, 0)?.into())?;
        let head = read(offset, 8 + HEAD).ok()?;
        let is_block = u32_at(&head, 0)? == FLOWS_BLOCK && head.get(4..8)? == len;
        let (body, sum) = head.get(8..)?.split_at_checked(HEAD - SUM)?;
        if !is_block || u64_at(sum, 0)? != hash(body) || u32_at(body, 0)? != VERSION {
            return None;
        }
        let number = |at: usize| u32_at(body, at).map(|number| number as usize);
        let shape = Shape {
            stretches: number(4)?,
            rows: number(8)?,
            group_rows: number(12)?,
        };
        let is_sound = shape.stretches == stretches
            && shape.rows.is_power_of_two()
            && shape.rows <= MOST_ROWS
            && shape.group_rows.is_power_of_two()
            && shape.group_rows <= shape.rows
            && shape.block_bytes() as u64 == end - offset
            && u64_at(body, 16)? == offset;
        is_sound.then_some(Self { shape, offset })
    }

    /// For each stretch whether flows that `pattern` names may be in it. `None` if
    /// what it takes to tell cannot be read, or is damaged.
    pub(super) fn find(&self, pattern: &FlowPattern, read: &mut ReadAt<'_>) -> Option<Vec<bool>> {
        let (a, b, with_ports) = pattern.ends();
        let mut may_hold = vec![true; self.shape.stretches];
        for row in rows(hash_of(a, b, with_ports)) {
            let row = row % self.shape.rows;
            let group = row / self.shape.group_rows;
            let bytes = self.group(group, read)?;
            let begin = row % self.shape.group_rows * self.shape.row_bytes();
            let row = bytes.get(begin..begin + self.shape.row_bytes())?;
            for (eight, byte) in may_hold.chunks_mut(8).zip(row) {
                for (at, may_hold) in eight.iter_mut().enumerate() {
                    *may_hold &= byte >> at & 1 != 0;
                }
            }
        }
        Some(may_hold)
    }

    /// The rows of a group.
    fn group(&self, group: usize, read: &mut ReadAt<'_>) -> Option<Vec<u8>> {
        let len = self.shape.group_bytes();
        let Range { start, .. } = self.groups();
        let mut bytes = read(start + (group * len) as u64, len).ok()?;
        let sum = bytes.split_off(bytes.len().checked_sub(SUM)?);
        (u64_at(&sum, 0)? == sum_of(group, &bytes)).then_some(bytes)
    }

    /// Where the groups are in the file.
    fn groups(&self) -> Range<u64> {
        let start = self.offset + (8 + HEAD) as u64;
        start..self.offset + self.shape.block_bytes() as u64 - 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> FlowKey {
        let [_, a, b, c] = number.to_be_bytes();
        let ends = [([10, a, b, c], 4000), ([192, 0, 2, 1], 80)];
        let [x, y] = ends.map(|(address, port)| SocketAddr::from((address, port)));
        FlowKey {
            a: x.min(y),
            b: x.max(y),
            protocol: 6,
        }
    }

    fn pattern(number: u32) -> FlowPattern {
        let [_, a, b, c] = number.to_be_bytes();
        format!("192.0.2.1:80-10.{a}.{b}.{c}:4000").parse().unwrap()
    }

    /// A table of flows 0 to `flows` - 1 in each stretch, those of stretch n being
    /// numbered from `flows` n on.
    fn table(stretches: u32, flows: u32, offset: u64) -> Vec<u8> {
        let digest = |stretch: u32| {
            let mut digest = Digest::default();
            let numbers = flows * stretch..flows * (stretch + 1);
            numbers.for_each(|number| digest.add(&key(number)));
            digest
        };
        let digests: Vec<_> = (0..stretches).map(digest).collect();
        let mut block = Vec::new();
        put(&digests, offset, &mut block);
        block
    }

    fn reader(block: &[u8], offset: u64) -> impl FnMut(u64, usize) -> io::Result<Vec<u8>> {
        move |at, len| {
            let at = at.checked_sub(offset).map(|at| at as usize);
            let bytes = at.and_then(|at| block.get(at..at + len));
            Ok(bytes.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())
        }
    }

    #[test]
    fn every_flow_is_found_where_it_is_and_seldom_elsewhere() {
        for (stretches, flows) in [(1, 1), (7, 3), (8, 400), (100, 50), (1_000, 5)] {
            let block = table(stretches, flows, 1 << 33);
            let end = (1 << 33) + block.len() as u64;
            assert!(block.len() < 200 + 1_100 * stretches as usize);
            let read = &mut reader(&block, 1 << 33);
            let found = Flows::before(end, stretches as usize, read).unwrap();
            let (mut elsewhere, mut asked) = (0, 0);
            for stretch in (0..stretches).step_by(1 + stretches as usize / 9) {
                for flow in [0, flows / 2, flows - 1] {
                    let pattern = pattern(stretch * flows + flow);
                    let may_hold = found.find(&pattern, read).unwrap();
                    assert_eq!(may_hold.len(), stretches as usize);
                    assert!(may_hold[stretch as usize]);
                    elsewhere += may_hold.iter().filter(|may| **may).count() - 1;
                    asked += may_hold.len();
                    let hosts = pattern.to_string().replace(":80-", "-");
                    let may_hold = found.find(&hosts.parse().unwrap(), read).unwrap();
                    assert!(may_hold[stretch as usize], "one port, and none");
                }
            }
            assert!(elsewhere * 50 <= asked, "{elsewhere} of {asked}");
        }
    }

    #[test]
    fn every_damage_is_found() {
        let block = table(9, 3, 500);
        let end = 500 + block.len() as u64;
        let whole = Flows::before(end, 9, &mut reader(&block, 500)).unwrap();
        let answer = whole.find(&pattern(4), &mut reader(&block, 500)).unwrap();
        assert!(Flows::before(end, 8, &mut reader(&block, 500)).is_none());
        assert!(
            Flows::before(end + 4, 9, &mut reader(&block, 504)).is_none(),
            "moved"
        );
        let mut refused = 0;
        for at in 0..block.len() {
            let mut damaged = block.clone();
            damaged[at] ^= 0x40;
            let read = &mut reader(&damaged, 500);
            let found = Flows::before(end, 9, read).and_then(|found| found.find(&pattern(4), read));
            refused += u32::from(found.is_none());
            assert!(found.is_none_or(|found| found == answer), "byte {at}");
        }
        assert!(refused > 200, "{refused}");
        for cut in 0..block.len() {
            let read = &mut reader(&block[..cut], 500);
            assert!(
                Flows::before(500 + cut as u64, 9, read).is_none(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn the_largest_table_is_a_block_that_readers_take() {
        let shape = Shape {
            stretches: MOST_STRETCHES,
            rows: MOST_ROWS,
            group_rows: 1,
        };
        assert!(shape.block_bytes() < 16 << 20);
    }
}
