//! The decision graph: each node looks at one value and chooses a way on by the
//! range it lies in. No value is looked at twice on one way.
//!
//! A frame that ends too early is refused by the first byte that is missing,
//! and must not be refused by one that does not matter: `order` says what may
//! be looked at first.

use super::formula::{Formula, FormulaId, Formulas, SetId};
use super::hash::Map;
use super::order::Order;
use super::set::Set;
use super::value::ValueId;

/// Where a way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Goal {
    Reject,
    Accept,
    Node(u32),
}

/// Where to go for values up to `high`, and above the branch before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Branch {
    pub(crate) high: u32,
    pub(crate) goal: Goal,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) value: ValueId,
    /// In order; the last one's `high` is the largest number the value can be.
    /// There are at least two, and neighbours differ in their goals.
    pub(crate) branches: Box<[Branch]>,
}

/// Nodes lead only to nodes before them.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Option<Goal>,
}

impl Graph {
    /// The graph of `formula`.
    pub(crate) fn new(formulas: &mut Formulas, formula: FormulaId) -> Self {
        formulas.values.budget.begin_graph();
        let mut builder = Builder {
            formulas,
            graph: Self::default(),
            index: Map::default(),
            goals: Map::default(),
            plain: Map::default(),
            order: Order::default(),
            depth: 0,
        };
        let root = builder.decide(formula);
        let mut graph = builder.graph;
        graph.root = Some(root);
        graph
    }

    pub(crate) fn root(&self) -> Goal {
        self.root.unwrap_or(Goal::Reject)
    }

    pub(crate) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }
}

/// Values on one way, before the rest of a graph is built without thought.
const DEEPEST: usize = 300;

/// What is left of a formula, and the ranges of a value for which that is so.
type Case = (FormulaId, Vec<(u32, u32)>);

struct Builder<'a> {
    formulas: &'a mut Formulas,
    graph: Graph,
    index: Map<Node, u32>,
    goals: Map<FormulaId, Goal>,
    plain: Map<(FormulaId, Goal, Goal), Goal>,
    order: Order,
    depth: usize,
}

impl Builder<'_> {
    /// Looks at the first value of `formula`, and goes on with what is left of
    /// it for each range in which something different is left.
    fn decide(&mut self, formula: FormulaId) -> Goal {
        match formula {
            FormulaId::TRUE => return Goal::Accept,
            FormulaId::FALSE => return Goal::Reject,
            _ => {}
        }
        if let Some(goal) = self.goals.get(&formula) {
            return *goal;
        }
        let members = self.formulas.members(formula);
        let inside = members
            .iter()
            .map(|id| 1 + self.formulas.members(*id).len());
        self.formulas.values.budget.spend(inside.sum());
        if self.formulas.values.budget.is_too_much_for_graph(0) || self.depth > DEEPEST {
            return self.follow(formula, Goal::Accept, Goal::Reject);
        }
        let value = self.order.first(self.formulas, formula);
        let Some(cases) = self.cases(formula, value) else {
            return self.follow(formula, Goal::Accept, Goal::Reject);
        };
        let mut branches = Vec::new();
        self.depth += 1;
        for (left, ranges) in cases {
            let goal = self.decide(left);
            branches.extend(ranges.into_iter().map(|(_, high)| Branch { high, goal }));
        }
        self.depth -= 1;
        let goal = self.node(value, branches);
        self.goals.insert(formula, goal);
        goal
    }

    /// What is left of `formula` for each class of numbers that `value` can be,
    /// and the ranges of the class. `None`: that is too much work.
    fn cases(&mut self, formula: FormulaId, value: ValueId) -> Option<Vec<Case>> {
        let mut sets = Map::default();
        let mut seen = Map::default();
        self.collect(formula, value, &mut seen, &mut sets);
        let size: usize = (seen.keys())
            .map(|id| 1 + self.formulas.members(*id).len())
            .sum();
        let ranges = sets
            .keys()
            .map(|set| self.formulas.set(*set).ranges().len());
        self.formulas
            .values
            .budget
            .spend(size + ranges.sum::<usize>() / 4);
        let most = self.formulas.values.most(value);
        let mut cases: Vec<Case> = Vec::new();
        let mut place: Map<FormulaId, usize> = Map::default();
        let classes = self.classes(&sets, most);
        let work = classes.len().saturating_mul(size);
        if self.formulas.values.budget.is_too_much_for_graph(work) {
            return None;
        }
        for class in classes {
            let class = Set::of(class);
            let mut memo = Map::default();
            let left = self.formulas.given(formula, value, &class, &mut memo);
            let at = *place.entry(left).or_insert(cases.len());
            if at == cases.len() {
                cases.push((left, Vec::new()));
            }
            if let Some((_, ranges)) = cases.get_mut(at) {
                ranges.extend_from_slice(class.ranges());
            }
        }
        Some(cases)
    }

    /// The sets for which `formula` tests `value`.
    fn collect(
        &self,
        formula: FormulaId,
        value: ValueId,
        seen: &mut Map<FormulaId, ()>,
        sets: &mut Map<SetId, ()>,
    ) {
        let bit = 1 << (value.0 % 64);
        if self.formulas.mentions(formula) & bit == 0 || seen.insert(formula, ()).is_some() {
            return;
        }
        match self.formulas.get(formula) {
            Formula::Test(tested, set) if *tested == value => {
                sets.insert(*set, ());
            }
            Formula::All(members) | Formula::Any(members) => {
                for member in members {
                    self.collect(*member, value, seen, sets);
                }
            }
            _ => {}
        }
    }

    /// Divides the numbers up to `most` into classes that are each wholly inside
    /// or outside every set.
    fn classes(&self, sets: &Map<SetId, ()>, most: u32) -> Vec<Vec<(u32, u32)>> {
        // At each boundary, which sets are entered or left, as a sum of random
        // numbers: ranges with the same sum are in the same sets.
        let mut changes: Vec<(u32, u64)> = vec![(0, 0)];
        for (set, ()) in sets {
            let key = random_of(*set);
            for &(low, high) in self.formulas.set(*set).ranges() {
                changes.push((low, key));
                if high < most {
                    changes.push((high + 1, key));
                }
            }
        }
        changes.sort_unstable();
        let mut classes: Vec<Vec<(u32, u32)>> = Vec::new();
        let mut place: Map<u64, usize> = Map::default();
        let mut inside = 0;
        let mut at = 0;
        while let Some(&(low, _)) = changes.get(at) {
            while let Some(&(_, key)) = changes.get(at).filter(|(same, _)| *same == low) {
                inside ^= key;
                at += 1;
            }
            let high = changes.get(at).map_or(most, |(next, _)| next - 1);
            let class = *place.entry(inside).or_insert(classes.len());
            if class == classes.len() {
                classes.push(Vec::new());
            }
            if let Some(ranges) = classes.get_mut(class) {
                ranges.push((low, high));
            }
        }
        classes
    }

    /// A node, or less where all its ways are one.
    fn node(&mut self, value: ValueId, mut branches: Vec<Branch>) -> Goal {
        self.formulas.values.budget.spend(1 + branches.len() / 4);
        branches.sort_unstable_by_key(|branch| branch.high);
        let mut merged: Vec<Branch> = Vec::with_capacity(branches.len());
        for branch in branches {
            match merged.last_mut() {
                Some(last) if last.goal == branch.goal => last.high = branch.high,
                _ => merged.push(branch),
            }
        }
        if let [only] = merged.as_slice() {
            return only.goal;
        }
        let node = Node {
            value,
            branches: merged.into_boxed_slice(),
        };
        if let Some(number) = self.index.get(&node) {
            return Goal::Node(*number);
        }
        let number = self.graph.nodes.len() as u32;
        self.graph.nodes.push(node.clone());
        self.index.insert(node, number);
        Goal::Node(number)
    }

    /// The graph of `formula` as it is written, which is never large: a node for
    /// each test.
    fn follow(&mut self, formula: FormulaId, yes: Goal, no: Goal) -> Goal {
        if let Some(goal) = self.plain.get(&(formula, yes, no)) {
            return *goal;
        }
        if self.formulas.values.budget.is_over() {
            return Goal::Reject;
        }
        let members = self.formulas.members(formula).len();
        self.formulas.values.budget.spend(1 + members);
        let goal = match self.formulas.get(formula) {
            Formula::True => yes,
            Formula::False => no,
            Formula::Test(value, set) => {
                let (value, set) = (*value, *set);
                let most = self.formulas.values.most(value);
                let set = self.formulas.set(set).clone();
                let inside = set.ranges().iter().map(|range| (range.1, yes));
                let outside = set.complement();
                let outside = outside.ranges().iter().map(|range| (range.1, no));
                let branches = inside.chain(outside).map(|(high, goal)| Branch {
                    high: high.min(most),
                    goal,
                });
                let mut branches: Vec<Branch> = branches.collect();
                branches.sort_by_key(|branch| branch.high);
                branches.dedup_by_key(|branch| branch.high);
                self.node(value, branches)
            }
            Formula::All(members) => {
                let members = members.to_vec();
                let each = members.into_iter().rev();
                each.fold(yes, |goal, member| self.follow(member, goal, no))
            }
            Formula::Any(members) => {
                let members = members.to_vec();
                let each = members.into_iter().rev();
                each.fold(no, |goal, member| self.follow(member, yes, goal))
            }
        };
        self.plain.insert((formula, yes, no), goal);
        goal
    }
}

/// The same for the same set (splitmix64).
fn random_of(set: SetId) -> u64 {
    let mut z = u64::from(set.number()).wrapping_add(1);
    z = z.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
