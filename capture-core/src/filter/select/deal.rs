//! One step: a loop over the frames that have come to it, without a branch that
//! depends on them.

use super::group::{Bytes, Group, List};
use super::lists::Lists;
use crate::filter::look::{Look, half, halves, header_length, load, word, words};
use crate::filter::steps::{Choice, Decision, Pair, REJECT, Test};

/// What is done with the number of each frame: `None` if the frame is too short.
pub(super) trait Visit {
    fn visit(self, number: impl Fn(u8) -> Option<u32>);
}

/// A loop for each kind of place, so that none asks within which it is.
#[inline]
pub(super) fn visit(look: Look, group: &impl Bytes, visitor: impl Visit) {
    let length = |frame, header| header_length(group.data(frame), header);
    match look {
        Look::Byte(k) => visitor.visit(|frame| load(group.data(frame), k, 1)),
        Look::Half(k) => visitor.visit(|frame| half(group.data(frame), k)),
        Look::Word(k) => visitor.visit(|frame| word(group.data(frame), k)),
        Look::Masked { k, bytes, mask } => match bytes {
            1 => visitor.visit(|frame| Some(load(group.data(frame), k, 1)? & mask)),
            2 => visitor.visit(|frame| Some(half(group.data(frame), k)? & mask)),
            _ => visitor.visit(|frame| Some(word(group.data(frame), k)? & mask)),
        },
        Look::Behind {
            header,
            k,
            bytes,
            mask,
        } => {
            let start = |frame| Some(k + length(frame, header)? as usize);
            match bytes {
                1 => {
                    visitor.visit(|frame| Some(load(group.data(frame), start(frame)?, 1)? & mask));
                }
                2 => visitor.visit(|frame| Some(half(group.data(frame), start(frame)?)? & mask)),
                _ => visitor.visit(|frame| Some(word(group.data(frame), start(frame)?)? & mask)),
            }
        }
        Look::HeaderLength(header) => visitor.visit(|frame| length(frame, header)),
        Look::Length => visitor.visit(|frame| Some(group.info(frame)?.len)),
        // Computed by the caller.
        Look::Value(_) => {}
    }
}

/// Deals frames out to where their numbers lead.
pub(super) struct Deal<'a> {
    pub(super) lists: &'a mut Lists,
    pub(super) decision: &'a Decision,
    pub(super) choice: Choice,
    pub(super) from: &'a List,
}

impl Deal<'_> {
    /// `holds` is `None` for a frame that is too short.
    #[inline]
    fn split(self, holds: impl Fn(u8) -> Option<bool>, to_yes: u32, to_no: u32) {
        let (mut yes, mut no) = (List::default(), List::default());
        let from = self.from.frames().iter().copied();
        // Most steps reject one side.
        match (to_yes, to_no) {
            (_, REJECT) => {
                from.for_each(|frame| yes.push_if(frame, holds(frame) == Some(true)));
            }
            (REJECT, _) => {
                from.for_each(|frame| no.push_if(frame, holds(frame) == Some(false)));
            }
            _ => from.for_each(|frame| {
                if let Some(holds) = holds(frame) {
                    yes.push_if(frame, holds);
                    no.push_if(frame, !holds);
                }
            }),
        }
        self.lists.put(to_yes, &yes);
        self.lists.put(to_no, &no);
    }

    /// Two tests at once, of numbers side by side.
    #[inline]
    fn pair(
        self,
        pair: Pair,
        both: impl Fn(u8) -> Option<(u32, u32)>,
        first: impl Fn(u8) -> Option<u32>,
    ) {
        let decision = self.decision;
        let table = |table: u32| decision.tables.get(table as usize);
        match (pair.first, pair.second) {
            (Test::Within { low: a, more: b }, Test::Within { low: c, more: d }) => self
                .split_pair(
                    pair,
                    both,
                    first,
                    |n| n.wrapping_sub(a) <= b,
                    |n| n.wrapping_sub(c) <= d,
                ),
            (Test::Among(a), Test::Among(b)) => {
                if let Some((a, b)) = table(a).zip(table(b)) {
                    self.split_pair(pair, both, first, |n| a.has(n), |n| b.has(n));
                }
            }
            (a, b) => {
                let holds = |test: Test, n| decision.holds(&test, n);
                self.split_pair(pair, both, first, |n| holds(a, n), |n| holds(b, n));
            }
        }
    }

    #[inline]
    fn split_pair(
        self,
        pair: Pair,
        both: impl Fn(u8) -> Option<(u32, u32)>,
        first: impl Fn(u8) -> Option<u32>,
        one: impl Fn(u32) -> bool,
        other: impl Fn(u32) -> bool,
    ) {
        let [wanted, other_wanted] = pair.wanted;
        let is_either = |frame| match both(frame) {
            Some((a, b)) => Some((one(a) == wanted) | (other(b) == other_wanted)),
            // If only the second number is missing, the first may decide.
            None => (one(first(frame)?) == wanted).then_some(true),
        };
        self.split(is_either, pair.either, pair.neither);
    }

    pub(super) fn visit_pair(self, pair: Pair, look: Look, group: &Group<'_>) {
        let data = |frame| group.data(frame);
        match look {
            Look::Half(k) => {
                self.pair(
                    pair,
                    |frame| halves(data(frame), k),
                    |frame| half(data(frame), k),
                );
            }
            Look::Word(k) => {
                self.pair(
                    pair,
                    |frame| words(data(frame), k),
                    |frame| word(data(frame), k),
                );
            }
            Look::Behind { header, k, .. } => {
                let start = |frame| Some(k + header_length(data(frame), header)? as usize);
                self.pair(
                    pair,
                    |frame| halves(data(frame), start(frame)?),
                    |frame| half(data(frame), start(frame)?),
                );
            }
            _ => {}
        }
    }
}

impl Visit for Deal<'_> {
    #[inline]
    fn visit(self, number: impl Fn(u8) -> Option<u32>) {
        let decision = self.decision;
        match self.choice {
            Choice::Two { test, yes, no } => match test {
                Test::Within { low, more } => self.split(
                    |frame| Some(number(frame)?.wrapping_sub(low) <= more),
                    yes,
                    no,
                ),
                Test::Among(table) => {
                    if let Some(table) = decision.tables.get(table as usize) {
                        self.split(|frame| Some(table.has(number(frame)?)), yes, no);
                    }
                }
                Test::Hashed { .. } | Test::Odd(_) => {
                    self.split(|frame| Some(decision.holds(&test, number(frame)?)), yes, no);
                }
            },
            Choice::Either {
                first,
                to_first,
                second,
                to_second,
                otherwise,
            } => {
                let [mut one, mut two, mut rest] = [List::default(); 3];
                let keeps_rest = otherwise != REJECT;
                for &frame in self.from.frames() {
                    let Some(number) = number(frame) else {
                        continue;
                    };
                    one.push_if(frame, number == first);
                    two.push_if(frame, number == second);
                    if keeps_rest {
                        rest.push_if(frame, number != first && number != second);
                    }
                }
                self.lists.put(to_first, &one);
                self.lists.put(to_second, &two);
                self.lists.put(otherwise, &rest);
            }
            Choice::Search(ranges) => {
                for &frame in self.from.frames() {
                    if let Some(number) = number(frame)
                        && let Some(to) = self.lists.at(decision.search(ranges, number))
                    {
                        to.push_if(frame, true);
                    }
                }
            }
        }
    }
}
