//! The frames that have come to each step, and the order of the steps.

use super::columns::compute_column;
use super::deal::{Deal, Visit, visit};
use super::group::{EACH, Fresh, GROUP, Group, List};
use crate::filter::Filter;
use crate::filter::look::Look;
use crate::filter::steps::{ACCEPT, Decision, REJECT};
use std::ops::Range;

/// For fewer frames, and in graphs of more steps, lists do not pay.
const FEW_FRAMES: usize = 8;
const MOST_STEPS: usize = 256;
/// Each value inside another takes columns of the stack.
const DEEPEST: usize = 32;

/// The frames that have come to each step.
#[derive(Default)]
pub(super) struct Lists {
    steps: Vec<List>,
    /// A bit for each step to which some have come.
    waiting: [u64; MOST_STEPS / 64],
    accepted: List,
}

impl Lists {
    /// `fresh`: the block that all of them are in, if the group lacks their bytes.
    pub(super) fn filter<'a>(
        &mut self,
        filter: &Filter,
        group: &mut Group<'a>,
        frames: Range<usize>,
        fresh: Option<&'a [u8]>,
        kept: &mut [u32],
    ) {
        match &filter.decision {
            Some(decision)
                if frames.len() >= FEW_FRAMES
                    && decision.steps.len() <= MOST_STEPS
                    && decision.depth <= DEEPEST =>
            {
                self.accepted.count = 0;
                self.run(decision, group, frames, fresh);
                for frame in self.accepted.frames() {
                    if let Some(kept) = kept.get_mut(usize::from(*frame)) {
                        *kept = decision.snaplen;
                    }
                }
            }
            _ => {
                group.fill(fresh, frames.clone().map(|at| at as u8));
                for at in frames {
                    let subject = group.subject(at as u8);
                    if let (Some(subject), Some(kept)) = (subject, kept.get_mut(at)) {
                        *kept = filter.run(subject.data, subject.info, subject.interface);
                    }
                }
            }
        }
    }

    fn run<'a>(
        &mut self,
        decision: &Decision,
        group: &mut Group<'a>,
        frames: Range<usize>,
        fresh: Option<&'a [u8]>,
    ) {
        if self.steps.len() < decision.steps.len() {
            self.steps.resize(decision.steps.len(), List::default());
        }
        let all = List {
            count: frames.len(),
            frames: EACH,
        };
        let all = match frames.start {
            0 => all,
            start => List {
                frames: EACH.map(|frame| frame.wrapping_add(start as u8)),
                ..all
            },
        };
        self.put(decision.root, &all);
        self.first_step(decision, group, fresh);
        // Steps lead to earlier ones: to the last one that has any, no more come.
        while let Some(at) = self.last() {
            let Some((list, step)) = self.steps.get_mut(at).zip(decision.steps.get(at)) else {
                break;
            };
            let from = *list;
            list.count = 0;
            let deal = Deal {
                lists: self,
                decision,
                choice: step.choice,
                from: &from,
            };
            match (step.look, decision.pairs.get(at).copied().flatten()) {
                (look, Some(pair)) => deal.visit_pair(pair, look, group),
                (Look::Value(value), None) => {
                    let (mut from, mut numbers) = (from, [0; GROUP]);
                    compute_column(decision, value, group, &mut from, &mut numbers);
                    let from = &from;
                    Deal { from, ..deal }.visit(|frame| Some(numbers[usize::from(frame)]));
                }
                (look, None) => visit(look, group, deal),
            }
        }
    }

    /// Makes the first step with the frames where they are, and then looks up the
    /// bytes only of those for which there is another.
    fn first_step<'a>(
        &mut self,
        decision: &Decision,
        group: &mut Group<'a>,
        fresh: Option<&'a [u8]>,
    ) {
        let at = decision.root as usize;
        let Some((block, step)) = fresh.zip(decision.steps.get(at)) else {
            return;
        };
        let is_plain = decision.pairs.get(at).is_some_and(Option::is_none);
        if is_plain
            && !matches!(step.look, Look::Value(_))
            && let Some(from) = self.last().and_then(|at| self.steps.get_mut(at))
        {
            let list = *from;
            from.count = 0;
            let deal = Deal {
                lists: self,
                decision,
                choice: step.choice,
                from: &list,
            };
            let infos = group.infos;
            visit(step.look, &Fresh { block, infos }, deal);
        }
        for list in self.steps.iter().take(decision.steps.len()) {
            group.fill(fresh, list.frames().iter().copied());
        }
    }

    /// Takes the last step to which frames have come off the waiting ones.
    fn last(&mut self) -> Option<usize> {
        let (at, word) = (self.waiting.iter_mut().enumerate()).rfind(|(_, word)| **word != 0)?;
        let bit = word.ilog2();
        *word &= !(1 << bit);
        Some(at * 64 + bit as usize)
    }

    pub(super) fn at(&mut self, goal: u32) -> Option<&mut List> {
        match goal {
            REJECT => None,
            ACCEPT => Some(&mut self.accepted),
            step => {
                *self.waiting.get_mut(step as usize / 64)? |= 1 << (step % 64);
                self.steps.get_mut(step as usize)
            }
        }
    }

    pub(super) fn put(&mut self, goal: u32, list: &List) {
        if list.count > 0
            && let Some(to) = self.at(goal)
        {
            to.append(list);
        }
    }
}
