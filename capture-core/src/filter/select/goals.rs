//! Makes the steps of a graph, each with all frames that have come to it.

use super::columns::Numbers;
use super::group::{GROUP, Group};
use super::mask::{Column, Mask};
use crate::filter::Filter;
use crate::filter::steps::{ACCEPT, Choice, Decision, Test};
use std::ops::Range;

/// For fewer frames, and in graphs of more steps, sets do not pay.
const FEW_FRAMES: usize = 8;
const MOST_STEPS: usize = 256;
/// Each value inside another takes columns of the stack.
const DEEPEST: usize = 32;

/// The place of a goal among the sets: those of the rejected and the accepted frames come first.
const fn place(goal: u32) -> usize {
    goal.wrapping_add(2) as usize
}

/// The frames that have come to each step, that are accepted, and rejected.
#[derive(Default)]
pub(super) struct Goals {
    sets: Vec<Mask>,
}

impl Goals {
    /// `kept` gets what is kept of each of the frames.
    pub(super) fn filter(
        &mut self,
        filter: &Filter,
        group: &Group<'_>,
        frames: Range<usize>,
        kept: &mut [u32],
    ) {
        match &filter.decision {
            Some(decision)
                if frames.len() >= FEW_FRAMES
                    && decision.steps.len() <= MOST_STEPS
                    && decision.depth <= DEEPEST =>
            {
                self.run(decision, group, frames);
                let accepted = self.sets.get(place(ACCEPT)).copied().unwrap_or_default();
                accepted.frames().for_each(|frame| {
                    if let Some(kept) = kept.get_mut(usize::from(frame)) {
                        *kept = decision.snaplen;
                    }
                });
            }
            _ => {
                for at in frames {
                    let subject = group.subject(at as u8);
                    if let (Some(subject), Some(kept)) = (subject, kept.get_mut(at)) {
                        *kept = filter.run(subject.data, subject.info, subject.interface);
                    }
                }
            }
        }
    }

    fn run(&mut self, decision: &Decision, group: &Group<'_>, frames: Range<usize>) {
        self.sets.clear();
        let count = place(decision.steps.len() as u32);
        self.sets.resize(count, Mask::default());
        self.put(decision.root, Mask::of(frames));
        // Steps lead to earlier ones.
        let numbers = Numbers { decision, group };
        let mut column = [0; GROUP];
        for (at, step) in decision.steps.iter().enumerate().rev() {
            let mut frames = self.sets.get(place(at as u32)).copied().unwrap_or_default();
            if !frames.is_empty() {
                numbers.put(step.look, &mut frames, &mut column);
                self.deal(decision, &step.choice, frames, &column);
            }
        }
    }

    /// Deals the frames out to where their numbers lead.
    fn deal(&mut self, decision: &Decision, choice: &Choice, frames: Mask, column: &Column) {
        match *choice {
            Choice::Two { test, yes, no } => {
                let hits = tested(decision, test, frames, column);
                self.put(yes, hits);
                self.put(no, frames & !hits);
            }
            Choice::Either {
                first,
                to_first,
                second,
                to_second,
                otherwise,
            } => {
                let one = Mask::test(frames, column, |number| number == first);
                let two = Mask::test(frames, column, |number| number == second);
                self.put(to_first, one);
                self.put(to_second, two);
                self.put(otherwise, frames & !one & !two);
            }
            Choice::Search(ranges) => {
                for frame in frames.frames() {
                    let goal = decision.search(ranges, column[usize::from(frame)]);
                    if let Some(set) = self.sets.get_mut(place(goal)) {
                        set.put(frame);
                    }
                }
            }
        }
    }

    fn put(&mut self, goal: u32, frames: Mask) {
        if let Some(set) = self.sets.get_mut(place(goal)) {
            *set |= frames;
        }
    }
}

/// The frames whose numbers pass.
fn tested(decision: &Decision, test: Test, frames: Mask, column: &Column) -> Mask {
    match test {
        Test::Within { low, more: 0 } => Mask::test(frames, column, |number| number == low),
        Test::Within { low, more } => {
            Mask::test(frames, column, |number| number.wrapping_sub(low) <= more)
        }
        Test::Among(table) => match decision.tables.get(table as usize) {
            Some(table) => frames.filter(|frame| table.has(column[usize::from(frame)])),
            None => Mask::default(),
        },
        Test::Hashed { .. } | Test::Odd(_) => {
            frames.filter(|frame| decision.holds(&test, column[usize::from(frame)]))
        }
    }
}
