//! The decision graph, made to be run: for each step where its number comes from,
//! and where the number leads. `walk` runs it on one frame, `select` on many.

use super::ebpf::{self, EbpfContext, EbpfInstruction};
use super::ir::graph::{Goal, Graph, Node};
use super::ir::likely::chance;
use super::ir::value::{Value, ValueId, Values};
use super::look::Look;
use crate::Result;
use std::fmt;
use std::ops::RangeFrom;

/// A decision graph, made for speed.
pub(super) struct Decision {
    /// What it was made from, for other back ends.
    graph: Graph,
    interned: Values,
    /// They lead only to steps before them.
    pub(super) steps: Vec<Step>,
    pub(super) root: u32,
    /// For searches: the ranges' ends, and where to go for each.
    highs: Vec<u32>,
    goals: Vec<u32>,
    pub(super) tables: Vec<Table>,
    tried: usize,
    /// The values that steps compute, and where those that are in the frame are.
    pub(super) values: Vec<Value>,
    pub(super) looks: Vec<Look>,
    /// How many values stand inside each other.
    pub(super) depth: usize,
    pub(super) snaplen: u32,
}

/// Equal steps decide equally.
impl PartialEq for Decision {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
            && self.steps == other.steps
            && self.highs == other.highs
            && self.goals == other.goals
            && self.tables == other.tables
            && self.values == other.values
            && self.snaplen == other.snaplen
    }
}

impl Eq for Decision {}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decision({} steps)", self.steps.len())
    }
}

pub(super) const ACCEPT: u32 = u32::MAX;
pub(super) const REJECT: u32 = u32::MAX - 1;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) look: Look,
    pub(super) choice: Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Two {
        test: Test,
        yes: u32,
        no: u32,
    },
    /// One of two numbers.
    Either {
        first: u32,
        to_first: u32,
        second: u32,
        to_second: u32,
        otherwise: u32,
    },
    Search(Ranges),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// From `low` on, so many more numbers.
    Within { low: u32, more: u32 },
    /// In a table.
    Among(u32),
    /// In an odd range, and its hash in a table.
    Hashed { table: u32, ranges: Ranges },
    /// In an odd range.
    Odd(Ranges),
}

/// Where a search's ranges are in `highs` and `goals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ranges {
    first: u32,
    count: u32,
}

/// A set of numbers, if they have 16 bits, else of their hashes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table([u64; 1024]);

/// More sets are searched: a table has 8 KiB.
const MOST_TABLES: usize = 32;
/// For how many sets a table is made, to find that there is an equal one.
const MOST_TRIED: usize = 256;
/// Ranges from which on a table is faster than a search.
const WORTH_A_TABLE: usize = 9;
/// More goals of one number are searched.
const MOST_GOALS: usize = 6;

impl Table {
    fn put(&mut self, number: u32) {
        self.0[(number >> 6) as usize & 1023] |= 1 << (number & 63);
    }

    fn put_range(&mut self, low: u32, high: u32) {
        for word in low >> 6..=high >> 6 {
            let first = low.saturating_sub(word << 6);
            let last = (high - (word << 6)).min(63);
            self.0[word as usize & 1023] |= u64::MAX >> (63 - last) & u64::MAX << first;
        }
    }

    #[inline]
    pub(super) fn has(&self, number: u32) -> bool {
        self.0[(number >> 6) as usize & 1023] >> (number & 63) & 1 != 0
    }
}

/// 16 bits that depend on all bits (Knuth's multiplicative hash).
#[inline]
pub(super) fn hash(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b1) >> 16
}

/// Where numbers up to `high` lead, above those of the way before.
#[derive(Clone, Copy)]
struct Way {
    high: u32,
    to: u32,
    chance: f64,
}

impl Decision {
    pub(super) fn new(graph: Graph, values: Values, snaplen: u32) -> Self {
        let ids = (0..values.all().count() as u32).map(ValueId);
        let mut decision = Self {
            graph: Graph::default(),
            interned: Values::default(),
            steps: Vec::with_capacity(graph.nodes.len()),
            root: REJECT,
            highs: Vec::new(),
            goals: Vec::new(),
            tables: Vec::new(),
            tried: 0,
            values: values.all().collect(),
            looks: ids.map(|id| Look::new(id, &values)).collect(),
            depth: depth(&values),
            snaplen,
        };
        // The step for each node.
        let mut places = Vec::with_capacity(graph.nodes.len());
        for node in &graph.nodes {
            let ways = ways(node, &values, &places);
            places.push(decision.add(Look::new(node.value, &values), ways));
        }
        decision.root = number_of(graph.root(), &places);
        decision.graph = graph;
        decision.interned = values;
        decision
    }

    /// Whether all that is looked at are bytes of the frame in `places`.
    pub(super) fn asks_only_for(&self, places: RangeFrom<u32>) -> bool {
        self.values.iter().all(|value| match *value {
            Value::Load { index, k, .. } => {
                k < 0x8000_0000 && (index.is_some() || places.contains(&k))
            }
            Value::Length | Value::Ancillary(_) => false,
            _ => true,
        })
    }

    pub(super) fn ebpf(
        &self,
        context: EbpfContext,
        accept: i32,
        reject: i32,
    ) -> Result<Vec<EbpfInstruction>> {
        ebpf::program(&self.graph, &self.interned, context, accept, reject)
    }

    /// Adds a step, or several that look at the same number, and says which is
    /// the first.
    fn add(&mut self, look: Look, ways: Vec<Way>) -> u32 {
        let goals = goals(&ways);
        let choice = match goals.as_slice() {
            [] => return REJECT,
            [(only, _)] => return *only,
            [(first, _), (second, _), rest @ ..] if rest.len() <= MOST_GOALS - 2 => match rest {
                [] => self.two(&ways),
                _ => match (single(&ways, *first), single(&ways, *second)) {
                    (Some(one), Some(two)) => {
                        let left = without(without(ways, *first), *second);
                        Choice::Either {
                            first: one,
                            to_first: *first,
                            second: two,
                            to_second: *second,
                            otherwise: self.add(look, left),
                        }
                    }
                    _ => {
                        let left = self.add(look, without(ways.clone(), *first));
                        let goal = |way: Way| Way {
                            to: if way.to == *first { way.to } else { left },
                            ..way
                        };
                        self.two(&merged(ways.into_iter().map(goal)))
                    }
                },
            },
            _ => Choice::Search(self.ranges(&ways)),
        };
        self.steps.push(Step { look, choice });
        self.steps.len() as u32 - 1
    }

    fn ranges(&mut self, ways: &[Way]) -> Ranges {
        let first = self.highs.len() as u32;
        self.highs.extend(ways.iter().map(|way| way.high));
        self.goals.extend(ways.iter().map(|way| way.to));
        let count = ways.len() as u32;
        Ranges { first, count }
    }

    /// The choice between two goals, to which ranges lead by turns.
    fn two(&mut self, ways: &[Way]) -> Choice {
        let (no, yes) = (
            ways.first().map_or(REJECT, |way| way.to),
            ways.get(1).map_or(REJECT, |way| way.to),
        );
        let test = self.test(ways);
        Choice::Two { test, yes, no }
    }

    /// Whether a number is in an odd range.
    fn test(&mut self, ways: &[Way]) -> Test {
        match ways {
            [low, high] => {
                let low = low.high + 1;
                let more = high.high - low;
                return Test::Within { low, more };
            }
            [low, inside, _] => {
                let low = low.high + 1;
                let more = inside.high - low;
                return Test::Within { low, more };
            }
            _ => {}
        }
        let most = ways.last().map_or(0, |way| way.high);
        if most <= 0xffff
            && let Some(table) = self.table(ways, Table::put_range)
        {
            return Test::Among(table);
        }
        let ranges = self.ranges(ways);
        let mut odd = ways.chunks_exact(2);
        let singles = odd.all(|pair| pair[1].high - pair[0].high == 1);
        if singles
            && ways.len() >= WORTH_A_TABLE
            && let Some(table) = self.table(ways, |table, number, _| table.put(hash(number)))
        {
            return Test::Hashed { table, ranges };
        }
        Test::Odd(ranges)
    }

    /// The numbers in the odd ranges.
    fn table(&mut self, ways: &[Way], put: impl Fn(&mut Table, u32, u32)) -> Option<u32> {
        self.tried += 1;
        if self.tried > MOST_TRIED {
            return None;
        }
        let mut table = Table([0; 1024]);
        for pair in ways.chunks_exact(2) {
            put(&mut table, pair[0].high + 1, pair[1].high);
        }
        let known = self.tables.iter().position(|known| *known == table);
        let at = known.unwrap_or(self.tables.len());
        if at == MOST_TABLES {
            return None;
        }
        if known.is_none() {
            self.tables.push(table);
        }
        Some(at as u32)
    }

    /// Which of the ranges has `number`, from 0 on.
    #[inline]
    fn place(&self, ranges: Ranges, number: u32) -> usize {
        /// Up to here, looking at each is faster than halving.
        const FEW: usize = 8;
        let first = ranges.first as usize;
        let highs = self.highs.get(first..first + ranges.count as usize);
        let highs = highs.unwrap_or_default();
        match highs.len() {
            ..=FEW => highs.iter().filter(|high| **high < number).count(),
            _ => highs.partition_point(|high| *high < number),
        }
    }

    #[inline]
    pub(super) fn is_odd(&self, ranges: Ranges, number: u32) -> bool {
        self.place(ranges, number) % 2 == 1
    }

    /// Where `number` leads.
    #[inline]
    pub(super) fn search(&self, ranges: Ranges, number: u32) -> u32 {
        let at = ranges.first as usize + self.place(ranges, number);
        self.goals.get(at).copied().unwrap_or(REJECT)
    }
}

/// Values are made of those before them.
fn depth(values: &Values) -> usize {
    let mut depths: Vec<usize> = Vec::new();
    for value in values.all() {
        let of = |id: ValueId| depths.get(id.0 as usize).copied().unwrap_or(0);
        let inside = match value {
            Value::Load { index, .. } => index.map_or(0, of),
            Value::Binary(_, a, b) | Value::Compare(_, a, b) => of(a).max(of(b)),
            Value::Negative(a) => of(a),
            _ => 0,
        };
        depths.push(inside + 1);
    }
    depths.into_iter().max().unwrap_or(0)
}

fn number_of(goal: Goal, places: &[u32]) -> u32 {
    match goal {
        Goal::Accept => ACCEPT,
        Goal::Reject => REJECT,
        Goal::Node(number) => places.get(number as usize).copied().unwrap_or(REJECT),
    }
}

fn ways(node: &Node, values: &Values, places: &[u32]) -> Vec<Way> {
    let mut low = 0;
    merged(node.branches.iter().map(|branch| {
        let way = Way {
            high: branch.high,
            to: number_of(branch.goal, places),
            chance: chance(values, node.value, low, branch.high),
        };
        low = branch.high.wrapping_add(1);
        way
    }))
}

/// Neighbours that lead to the same become one.
fn merged(ways: impl Iterator<Item = Way>) -> Vec<Way> {
    let mut merged: Vec<Way> = Vec::new();
    for way in ways {
        match merged.last_mut() {
            Some(last) if last.to == way.to => {
                last.high = way.high;
                last.chance += way.chance;
            }
            _ => merged.push(way),
        }
    }
    merged
}

/// What the ways lead to, the likeliest first; of many, only some.
fn goals(ways: &[Way]) -> Vec<(u32, f64)> {
    let mut goals: Vec<(u32, f64)> = Vec::new();
    for way in ways {
        match goals.iter().position(|(goal, _)| *goal == way.to) {
            Some(at) => goals[at].1 += way.chance,
            None if goals.len() > MOST_GOALS => break,
            None => goals.push((way.to, way.chance)),
        }
    }
    goals.sort_by(|a, b| b.1.total_cmp(&a.1));
    goals
}

/// The number that leads to `goal`, if there is only one.
fn single(ways: &[Way], goal: u32) -> Option<u32> {
    let mut low = 0;
    let mut found = None;
    for way in ways {
        if way.to == goal {
            if way.high != low || found.is_some() {
                return None;
            }
            found = Some(low);
        }
        low = way.high.wrapping_add(1);
    }
    found
}

/// The ways to other goals; it does not matter where the others lead.
fn without(ways: Vec<Way>, goal: u32) -> Vec<Way> {
    let most = ways.last().map_or(0, |way| way.high);
    let mut left = merged(ways.into_iter().filter(|way| way.to != goal));
    if let Some(last) = left.last_mut() {
        last.high = most;
    }
    left
}
