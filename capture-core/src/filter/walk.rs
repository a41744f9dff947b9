//! The back end for files, and for sources that cannot filter: runs the
//! decision graph itself. A list of a thousand addresses is one step here.

use super::ancillary::Subject;
use super::ebpf::{self, EbpfContext, EbpfInstruction};
use super::ir::graph::{Branch, Goal, Graph};
use super::ir::value::{Order, Value, ValueId, Values, compute};
use super::lang::Operator;
use super::op::{AD_OFF, LL_OFF, NET_OFF};
use crate::Result;
use std::fmt;

/// A decision graph, made for speed.
pub(super) struct Decision {
    /// What it was made from, for other back ends.
    graph: Graph,
    interned: Values,
    /// From the root on: ways lead only forward.
    steps: Vec<Step>,
    root: u32,
    /// For searches: the ranges' ends, and where to go for each.
    highs: Vec<u32>,
    goals: Vec<u32>,
    /// The values that steps compute.
    values: Vec<Value>,
    snaplen: u32,
}

/// Equal steps decide equally.
impl PartialEq for Decision {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
            && self.steps == other.steps
            && self.highs == other.highs
            && self.goals == other.goals
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

const ACCEPT: u32 = u32::MAX;
const REJECT: u32 = u32::MAX - 1;

/// The last index and its number: the next value is often computed from it.
type Held = Option<(ValueId, u32)>;

#[derive(Debug, PartialEq, Eq)]
struct Step {
    look: Look,
    choice: Choice,
}

/// Where the number comes from. The common places have a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Byte(usize),
    Half(usize),
    Word(usize),
    /// Bytes behind a header whose length is in the low bits of the byte at
    /// `header`.
    Behind {
        header: usize,
        k: usize,
        bytes: u8,
        mask: u32,
    },
    Masked(MaskedLoad),
    Value(ValueId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MaskedLoad {
    k: usize,
    bytes: u8,
    mask: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Equal {
        number: u32,
        yes: u32,
        no: u32,
    },
    Above {
        number: u32,
        yes: u32,
        no: u32,
    },
    /// From `low` on, so many more numbers.
    Within {
        low: u32,
        more: u32,
        yes: u32,
        no: u32,
    },
    /// In `highs` and `goals`.
    Search {
        first: u32,
        count: u32,
    },
}

impl Decision {
    pub(super) fn new(graph: Graph, values: Values, snaplen: u32) -> Self {
        let mut decision = Self {
            graph: Graph::default(),
            interned: Values::default(),
            steps: Vec::with_capacity(graph.nodes.len()),
            root: number_of(graph.root()),
            highs: Vec::new(),
            goals: Vec::new(),
            values: values.all().collect(),
            snaplen,
        };
        for node in &graph.nodes {
            let look = look(node.value, &values);
            let choice = decision.choice(&node.branches);
            decision.steps.push(Step { look, choice });
        }
        decision.graph = graph;
        decision.interned = values;
        decision
    }

    pub(super) fn ebpf(
        &self,
        context: EbpfContext,
        accept: i32,
        reject: i32,
    ) -> Result<Vec<EbpfInstruction>> {
        ebpf::program(&self.graph, &self.interned, context, accept, reject)
    }

    fn choice(&mut self, branches: &[Branch]) -> Choice {
        match branches {
            [low, high] => Choice::Above {
                number: low.high,
                yes: number_of(high.goal),
                no: number_of(low.goal),
            },
            [low, one, high] if low.goal == high.goal && one.high == low.high + 1 => {
                Choice::Equal {
                    number: one.high,
                    yes: number_of(one.goal),
                    no: number_of(low.goal),
                }
            }
            [low, inside, high] if low.goal == high.goal => Choice::Within {
                low: low.high + 1,
                more: inside.high - low.high - 1,
                yes: number_of(inside.goal),
                no: number_of(low.goal),
            },
            _ => {
                let first = self.highs.len() as u32;
                self.highs.extend(branches.iter().map(|branch| branch.high));
                self.goals
                    .extend(branches.iter().map(|branch| number_of(branch.goal)));
                let count = branches.len() as u32;
                Choice::Search { first, count }
            }
        }
    }

    /// How many bytes of the frame to keep; 0: it is rejected, or too short to
    /// say.
    pub(super) fn run(&self, subject: &Subject<'_>) -> u32 {
        let mut at = self.root;
        let mut held = None;
        while let Some(step) = self.steps.get(at as usize) {
            let Some(number) = self.number(step.look, subject, &mut held) else {
                return 0;
            };
            at = match step.choice {
                Choice::Equal { number: n, yes, no } => {
                    if number == n {
                        yes
                    } else {
                        no
                    }
                }
                Choice::Above { number: n, yes, no } => {
                    if number > n {
                        yes
                    } else {
                        no
                    }
                }
                Choice::Within { low, more, yes, no } => {
                    if number.wrapping_sub(low) <= more {
                        yes
                    } else {
                        no
                    }
                }
                Choice::Search { first, count } => self.search(first, count, number),
            };
        }
        if at == ACCEPT { self.snaplen } else { 0 }
    }

    fn search(&self, first: u32, count: u32, number: u32) -> u32 {
        /// Up to here, looking at each is faster than halving.
        const FEW: usize = 8;
        let (first, end) = (first as usize, (first + count) as usize);
        let highs = self.highs.get(first..end).unwrap_or_default();
        let place = match highs.len() {
            ..=FEW => highs.iter().take_while(|high| **high < number).count(),
            _ => highs.partition_point(|high| *high < number),
        };
        self.goals.get(first + place).copied().unwrap_or(REJECT)
    }

    #[inline]
    fn number(&self, look: Look, subject: &Subject<'_>, held: &mut Held) -> Option<u32> {
        let data = subject.data;
        match look {
            Look::Byte(k) => data.get(k).map(|byte| u32::from(*byte)),
            Look::Half(k) => half(data, k),
            Look::Word(k) => word(data, k),
            Look::Behind {
                header,
                k,
                bytes,
                mask,
            } => {
                let length = usize::from(data.get(header)? & 0xf) << 2;
                Some(load(data, k + length, bytes)? & mask)
            }
            Look::Masked(MaskedLoad { k, bytes, mask }) => Some(load(data, k, bytes)? & mask),
            Look::Value(value) => self.value(value, subject, held),
        }
    }

    fn value(&self, id: ValueId, subject: &Subject<'_>, held: &mut Held) -> Option<u32> {
        Some(match *self.values.get(id.0 as usize)? {
            _ if held.is_some_and(|(known, _)| known == id) => held.map(|(_, number)| number)?,
            Value::Constant(number) => number,
            Value::Length => subject.info.len,
            Value::Ancillary(place) => subject.ancillary(place),
            Value::Load { index, k, bytes } => {
                let index = match index {
                    Some(index) => match *held {
                        Some((known, number)) if known == index => number,
                        _ => {
                            let number = self.value(index, subject, held)?;
                            *held = Some((index, number));
                            number
                        }
                    },
                    None if k >= AD_OFF => return Some(subject.ancillary(k - AD_OFF)),
                    None => 0,
                };
                let start = match index.wrapping_add(k) {
                    start @ 0..=0x7fff_ffff => start as usize,
                    start @ NET_OFF.. => subject.network_offset() + (start - NET_OFF) as usize,
                    start @ LL_OFF.. => (start - LL_OFF) as usize,
                    _ => return None,
                };
                load(subject.data, start, bytes)?
            }
            Value::Binary(operator, a, b) => {
                let a = self.value(a, subject, held)?;
                compute(operator, a, self.value(b, subject, held)?)?
            }
            Value::Negative(a) => self.value(a, subject, held)?.wrapping_neg(),
            Value::Compare(order, a, b) => {
                let a = self.value(a, subject, held)?;
                let b = self.value(b, subject, held)?;
                match order {
                    Order::Equal => (a == b).into(),
                    Order::Greater => (a > b).into(),
                    Order::AtLeast => (a >= b).into(),
                }
            }
        })
    }
}

fn number_of(goal: Goal) -> u32 {
    match goal {
        Goal::Accept => ACCEPT,
        Goal::Reject => REJECT,
        Goal::Node(number) => number,
    }
}

#[inline]
fn half(data: &[u8], k: usize) -> Option<u32> {
    let bytes = data.get(k..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes).into())
}

#[inline]
fn word(data: &[u8], k: usize) -> Option<u32> {
    let bytes = data.get(k..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

#[inline]
fn load(data: &[u8], k: usize, bytes: u8) -> Option<u32> {
    match bytes {
        1 => data.get(k).map(|byte| u32::from(*byte)),
        2 => half(data, k),
        _ => word(data, k),
    }
}

fn look(value: ValueId, values: &Values) -> Look {
    let (inner, mask) = match values.get(value) {
        Value::Binary(Operator::And, inner, mask) => match values.constant_of(mask) {
            Some(mask) => (inner, mask),
            None => return Look::Value(value),
        },
        _ => (value, u32::MAX),
    };
    let Value::Load { index, k, bytes } = values.get(inner) else {
        return Look::Value(value);
    };
    if k >= 0x8000_0000 {
        return Look::Value(value);
    }
    let k = k as usize;
    match (index, bytes, mask) {
        (None, 1, u32::MAX) => Look::Byte(k),
        (None, 2, u32::MAX) => Look::Half(k),
        (None, 4, u32::MAX) => Look::Word(k),
        (None, ..) => Look::Masked(MaskedLoad { k, bytes, mask }),
        (Some(index), ..) => match values.header_length(index) {
            Some(header) => Look::Behind {
                header: header as usize,
                k,
                bytes,
                mask,
            },
            None => Look::Value(value),
        },
    }
}
