//! Which comparisons find the branch of a node: the tree of least expected
//! length, by how likely each range is.

use crate::filter::ir::graph::{Branch, Goal};
use crate::filter::ir::hash::Map;
use crate::filter::op::{JEQ_K, JGT_K};

/// Comparisons of one value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Goal(Goal),
    Test {
        code: u16,
        k: u32,
        yes: Box<Tree>,
        no: Box<Tree>,
    },
}

/// Ranges for which every tree is tried; more are first cut in half.
const MOST_TRIED: usize = 8;
/// Ranges from which on a list is long: in parts of it that are shorter, nothing
/// is known that makes one range likelier than another.
const LONG: usize = 256;

#[derive(Clone, Copy)]
struct Range {
    low: u32,
    high: u32,
    goal: Goal,
    chance: f64,
}

/// The comparisons for `branches`, given the chance of each range.
pub(crate) fn tree(branches: &[Branch], chance: impl Fn(u32, u32) -> f64) -> Tree {
    let mut low = 0;
    let mut ranges = Vec::with_capacity(branches.len());
    for branch in branches {
        ranges.push(Range {
            low,
            high: branch.high,
            goal: branch.goal,
            chance: chance(low, branch.high),
        });
        low = branch.high.saturating_add(1);
    }
    let is_long = ranges.len() > LONG;
    choose(&ranges, is_long)
}

/// Part of a long list: then no way through it shall be much longer than others.
fn choose(ranges: &[Range], is_long: bool) -> Tree {
    let Some(first) = ranges.first() else {
        return Tree::Goal(Goal::Reject);
    };
    if ranges.iter().all(|range| range.goal == first.goal) {
        return Tree::Goal(first.goal);
    }
    if ranges.len() <= MOST_TRIED {
        return Best { ranges, is_long }.tree();
    }
    // A common number is asked for before anything else.
    let total: f64 = ranges.iter().map(|range| range.chance).sum();
    let singles = ranges.iter().enumerate().filter(|(_, r)| r.low == r.high);
    let likeliest = singles.max_by(|a, b| a.1.chance.total_cmp(&b.1.chance));
    if let Some((at, range)) = likeliest.filter(|(_, range)| range.chance > 0.3 * total) {
        let mut others = ranges.to_vec();
        others.remove(at);
        return Tree::Test {
            code: JEQ_K,
            k: range.low,
            yes: Box::new(Tree::Goal(range.goal)),
            no: Box::new(choose(&others, is_long)),
        };
    }
    let (below, above) = ranges.split_at(half(ranges, total, is_long));
    let threshold = below.last().map_or(0, |range| range.high);
    Tree::Test {
        code: JGT_K,
        k: threshold,
        yes: Box::new(choose(above, is_long)),
        no: Box::new(choose(below, is_long)),
    }
}

/// Where to cut so that both sides are about equally likely; of two cuts as
/// good, the one nearer the middle.
fn half(ranges: &[Range], total: f64, is_long: bool) -> usize {
    // Numbers and the gaps before them stay together.
    let middle = (ranges.len() / 2 + 1) & !1;
    let below: f64 = ranges.iter().take(middle).map(|range| range.chance).sum();
    let is_even = (0.4..0.6).contains(&(below / total.max(f64::MIN_POSITIVE)));
    if is_long && (is_even || ranges.len() <= LONG) {
        return middle;
    }
    // Where nothing stands out, equal numbers of ranges make the flattest tree.
    let flat = 1.0 / ranges.len() as f64;
    let mut sum = 0.0;
    for (at, range) in ranges.iter().enumerate() {
        sum += range.chance / total.max(f64::MIN_POSITIVE) * 0.5 + flat * 0.5;
        if sum >= 0.5 {
            return (at + 1).clamp(1, ranges.len() - 1);
        }
    }
    middle.max(1)
}

/// The best of all trees for a few ranges.
struct Best<'a> {
    ranges: &'a [Range],
    is_long: bool,
}

/// The best way to ask about the ranges that are left.
#[derive(Clone, Copy)]
struct Asked {
    /// Expected number of questions, times the chance of getting here.
    cost: f64,
    most: u32,
    question: Question,
}

/// What to ask first, for the ranges that are left.
#[derive(Clone, Copy)]
enum Question {
    None,
    /// Is it this range's one number?
    Equal(usize),
    /// Is it above this range?
    Above(usize),
}

impl Best<'_> {
    fn tree(&self) -> Tree {
        let all = (1u32 << self.ranges.len()) - 1;
        let mut known = Map::default();
        self.ask(all, &mut known);
        self.build(all, &known)
    }

    fn left(&self, mask: u32) -> impl Iterator<Item = (usize, &Range)> {
        let each = self.ranges.iter().enumerate();
        each.filter(move |(at, _)| mask & (1 << at) != 0)
    }

    fn ask(&self, mask: u32, known: &mut Map<u32, Asked>) -> Asked {
        if let Some(asked) = known.get(&mask) {
            return *asked;
        }
        let mut goals = self.left(mask).map(|(_, range)| range.goal);
        let first = goals.next();
        let is_one = goals.all(|goal| Some(goal) == first);
        let mut best = Asked {
            cost: if is_one { 0.0 } else { f64::INFINITY },
            most: if is_one { 0 } else { u32::MAX },
            question: Question::None,
        };
        let chance: f64 = self.left(mask).map(|(_, range)| range.chance).sum();
        let mut try_it = |question, yes, known: &mut _| {
            let (yes, no) = (self.ask(yes, known), self.ask(mask & !yes, known));
            let asked = Asked {
                cost: chance + yes.cost + no.cost,
                most: 1 + yes.most.max(no.most),
                question,
            };
            let order = asked.cost.total_cmp(&best.cost);
            let order = match self.is_long {
                true => asked.most.cmp(&best.most).then(order),
                false => order,
            };
            if order.is_lt() {
                best = asked;
            }
        };
        let mut below = 0;
        for at in (0..self.ranges.len()).filter(|at| !is_one && mask & (1 << at) != 0) {
            let bit = 1 << at;
            if self.ranges[at].low == self.ranges[at].high {
                try_it(Question::Equal(at), bit, known);
            }
            below |= bit;
            if below != mask {
                try_it(Question::Above(at), below, known);
            }
        }
        known.insert(mask, best);
        best
    }

    fn build(&self, mask: u32, known: &Map<u32, Asked>) -> Tree {
        let question = known
            .get(&mask)
            .map_or(Question::None, |asked| asked.question);
        let at = match question {
            Question::None => {
                let goal = self.left(mask).next().map(|(_, range)| range.goal);
                return Tree::Goal(goal.unwrap_or(Goal::Reject));
            }
            Question::Equal(at) | Question::Above(at) => at,
        };
        let below = mask & ((1 << (at + 1)) - 1);
        let (code, k, yes, no) = match question {
            Question::Equal(_) => (JEQ_K, self.ranges[at].low, 1 << at, mask & !(1 << at)),
            _ => (JGT_K, self.ranges[at].high, mask & !below, below),
        };
        Tree::Test {
            code,
            k,
            yes: Box::new(self.build(yes, known)),
            no: Box::new(self.build(no, known)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(tree: &Tree, number: u32) -> (Goal, usize) {
        match tree {
            Tree::Goal(goal) => (*goal, 0),
            Tree::Test { code, k, yes, no } => {
                let holds = match *code {
                    JEQ_K => number == *k,
                    _ => number > *k,
                };
                let (goal, asked) = run(if holds { yes } else { no }, number);
                (goal, asked + 1)
            }
        }
    }

    #[test]
    fn trees_find_the_branch() {
        for count in [2u32, 3, 5, 7, 9, 40, 1001] {
            // Every other range is one number.
            let branches: Vec<Branch> = (0..count)
                .map(|at| Branch {
                    high: if at + 1 == count {
                        u32::MAX
                    } else {
                        7 * at - at % 2 * 6 + 6
                    },
                    goal: if at % 2 == 1 {
                        Goal::Accept
                    } else {
                        Goal::Node(at % 3)
                    },
                })
                .collect();
            let tree = tree(&branches, |low, high| f64::from(high - low) + 1.0);
            let mut low = 0;
            for branch in &branches {
                for number in [low, branch.high] {
                    let (goal, asked) = run(&tree, number);
                    assert_eq!(goal, branch.goal, "{number} of {branches:?}");
                    assert!(asked <= 16, "{asked} questions");
                }
                low = branch.high.wrapping_add(1);
            }
        }
    }
}
