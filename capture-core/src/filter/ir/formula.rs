//! Typed predicates: tests of values, joined by and and or. Negation is pushed
//! into the tests. Equal formulas have equal numbers ([`FormulaId`]).

use super::hash::Map;
use super::set::Set;
use super::value::{Value, ValueId, Values};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FormulaId(u32);

impl FormulaId {
    pub(crate) const FALSE: Self = Self(0);
    pub(crate) const TRUE: Self = Self(1);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SetId(u32);

impl SetId {
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Formula {
    False,
    True,
    /// The value is in the set.
    Test(ValueId, SetId),
    /// In the order in which they are tested; no member is an `All`.
    All(Box<[FormulaId]>),
    /// In the order in which they are tested; no member is an `Any`.
    Any(Box<[FormulaId]>),
}

struct Stored {
    formula: Formula,
    mentions: u64,
}

/// All formulas of one expression.
pub(crate) struct Formulas {
    pub(crate) values: Values,
    stored: Vec<Stored>,
    index: Map<Formula, FormulaId>,
    sets: Vec<Set>,
    set_index: Map<Set, SetId>,
}

impl Formulas {
    pub(crate) fn new() -> Self {
        let mut formulas = Self {
            values: Values::default(),
            stored: Vec::new(),
            index: Map::default(),
            sets: Vec::new(),
            set_index: Map::default(),
        };
        formulas.add(Formula::False, 0);
        formulas.add(Formula::True, 0);
        formulas
    }

    pub(crate) fn get(&self, id: FormulaId) -> &Formula {
        self.stored
            .get(id.0 as usize)
            .map_or(&Formula::False, |stored| &stored.formula)
    }

    pub(crate) fn set(&self, id: SetId) -> &Set {
        // Numbers of sets are made here only, so there is one.
        &self.sets[id.0 as usize]
    }

    /// What it is all, or any, of.
    pub(super) fn members(&self, id: FormulaId) -> &[FormulaId] {
        match self.get(id) {
            Formula::All(members) | Formula::Any(members) => members,
            _ => &[],
        }
    }

    pub(crate) fn mentions(&self, id: FormulaId) -> u64 {
        self.stored
            .get(id.0 as usize)
            .map_or(0, |stored| stored.mentions)
    }

    fn add(&mut self, formula: Formula, mentions: u64) -> FormulaId {
        if self.values.budget.is_over() {
            return FormulaId::FALSE;
        }
        self.values.budget.spend(1);
        if let Some(id) = self.index.get(&formula) {
            return *id;
        }
        let id = FormulaId(self.stored.len() as u32);
        self.stored.push(Stored {
            formula: formula.clone(),
            mentions,
        });
        self.index.insert(formula, id);
        id
    }

    fn intern(&mut self, set: Set) -> SetId {
        self.values.budget.spend(set.ranges().len() / 4);
        if let Some(id) = self.set_index.get(&set) {
            return *id;
        }
        let id = SetId(self.sets.len() as u32);
        self.sets.push(set.clone());
        self.set_index.insert(set, id);
        id
    }

    /// `value` is in `set`.
    pub(crate) fn test(&mut self, value: ValueId, set: Set) -> FormulaId {
        let (value, set) = self.values.simplify(value, set);
        let most = self.values.most(value);
        if let Value::Constant(number) = self.values.get(value) {
            return truth(set.contains(number));
        }
        let set = match most {
            u32::MAX => set,
            _ => set.intersection(&Set::range(0, most)),
        };
        if set.is_empty() {
            return FormulaId::FALSE;
        }
        if set.is_all(most) {
            return FormulaId::TRUE;
        }
        let mentions = self.values.mentions(value);
        let set = self.intern(set);
        self.add(Formula::Test(value, set), mentions)
    }

    pub(crate) fn equal(&mut self, value: ValueId, number: u32) -> FormulaId {
        self.test(value, Set::one(number))
    }

    pub(crate) fn and(&mut self, a: FormulaId, b: FormulaId) -> FormulaId {
        self.all(vec![a, b])
    }

    pub(crate) fn or(&mut self, a: FormulaId, b: FormulaId) -> FormulaId {
        self.any(vec![a, b])
    }

    pub(crate) fn all(&mut self, members: Vec<FormulaId>) -> FormulaId {
        self.join(members, true)
    }

    pub(crate) fn any(&mut self, members: Vec<FormulaId>) -> FormulaId {
        self.join(members, false)
    }

    /// All (or any) of `members`, simplified: what is nested is taken out, and
    /// tests of one value become one test where the first of them stood.
    fn join(&mut self, members: Vec<FormulaId>, all: bool) -> FormulaId {
        let (neutral, decided) = match all {
            true => (FormulaId::TRUE, FormulaId::FALSE),
            false => (FormulaId::FALSE, FormulaId::TRUE),
        };
        if self.values.budget.is_over() {
            return FormulaId::FALSE;
        }
        let mut flat: Vec<FormulaId> = Vec::with_capacity(members.len());
        for member in members {
            match (self.get(member), all) {
                _ if member == neutral => {}
                _ if member == decided => return decided,
                (Formula::All(inner), true) | (Formula::Any(inner), false) => {
                    flat.extend_from_slice(inner);
                }
                _ => flat.push(member),
            }
        }
        let inside = match flat.len() {
            // Each of a few is compared with what is in the others.
            2..=8 => flat.iter().map(|member| self.members(*member).len()).sum(),
            _ => 0,
        };
        self.values.budget.spend(2 * flat.len() + inside);
        let flat = self.merge(flat, all);
        let flat = self.absorb(flat, all);
        match flat.as_slice() {
            [] => neutral,
            [only] => *only,
            _ if flat.contains(&decided) => decided,
            _ => {
                let mentions = flat.iter().fold(0, |bits, id| bits | self.mentions(*id));
                let members = flat.into_boxed_slice();
                let formula = match all {
                    true => Formula::All(members),
                    false => Formula::Any(members),
                };
                self.add(formula, mentions)
            }
        }
    }

    /// Joins the tests of one value, and drops what stands twice.
    fn merge(&mut self, members: Vec<FormulaId>, all: bool) -> Vec<FormulaId> {
        if members.len() < 2 {
            return members;
        }
        let mut first: Map<ValueId, usize> = Map::default();
        let mut seen: Map<FormulaId, ()> = Map::default();
        let mut merged: Vec<FormulaId> = Vec::with_capacity(members.len());
        // The sets to join into the test at each place.
        let mut more: Map<usize, Vec<SetId>> = Map::default();
        for member in members {
            if seen.insert(member, ()).is_some() {
                continue;
            }
            if let Formula::Test(value, set) = *self.get(member) {
                if let Some(place) = first.get(&value) {
                    more.entry(*place).or_default().push(set);
                    continue;
                }
                first.insert(value, merged.len());
            }
            merged.push(member);
        }
        let mut empties = false;
        for (place, sets) in more {
            let Formula::Test(value, set) = *self.get(merged[place]) else {
                continue;
            };
            let joined = match all {
                true => sets.iter().fold(self.set(set).clone(), |joined, more| {
                    joined.intersection(self.set(*more))
                }),
                false => {
                    let mut ranges = self.set(set).ranges().to_vec();
                    for more in sets {
                        ranges.extend_from_slice(self.set(more).ranges());
                    }
                    Set::of(ranges)
                }
            };
            merged[place] = self.test(value, joined);
            empties = true;
        }
        if empties {
            let neutral = truth(all);
            merged.retain(|member| *member != neutral);
        }
        merged
    }

    /// Drops members that another makes needless, as `broadcast` is where
    /// `multicast` stands beside it.
    fn absorb(&self, members: Vec<FormulaId>, all: bool) -> Vec<FormulaId> {
        // Only short lists: each member is compared with each.
        if !(2..=8).contains(&members.len()) {
            return members;
        }
        let needless = |member: &FormulaId| {
            let covers = |other: &FormulaId| match all {
                true => self.implies(*other, *member),
                false => self.implies(*member, *other),
            };
            members.iter().any(|other| other != member && covers(other))
        };
        members
            .iter()
            .copied()
            .filter(|member| !needless(member))
            .collect()
    }

    /// Whether `a` cannot hold without `b`, where that is easily seen: `b` is a
    /// test of one byte that a test in `a` knows.
    fn implies(&self, a: FormulaId, b: FormulaId) -> bool {
        let Formula::Test(value, set) = self.get(b) else {
            return match self.get(b) {
                Formula::Any(members) if matches!(self.get(a), Formula::Test(..)) => {
                    members.iter().any(|member| self.implies(a, *member))
                }
                _ => false,
            };
        };
        match self.get(a) {
            Formula::Test(known, within) => {
                let (within, set) = (self.set(*within), self.set(*set));
                // What the byte is follows from all bytes; that they are not all
                // as given follows from the byte.
                let follows = within
                    .single()
                    .and_then(|number| self.values.bits_of(*value, *known, number));
                let other = set.complement().single();
                let contradicts =
                    other.and_then(|number| self.values.bits_of(*known, *value, number));
                follows.is_some_and(|number| set.contains(number))
                    || contradicts.is_some_and(|number| !within.contains(number))
            }
            Formula::All(members) => members.iter().any(|member| self.implies(*member, b)),
            _ => false,
        }
    }

    pub(crate) fn not(&mut self, id: FormulaId) -> FormulaId {
        if self.values.budget.is_over() {
            return FormulaId::FALSE;
        }
        match self.get(id).clone() {
            Formula::False => FormulaId::TRUE,
            Formula::True => FormulaId::FALSE,
            Formula::Test(value, set) => {
                let set = self.set(set).complement();
                self.test(value, set)
            }
            Formula::All(members) => {
                let members = members.iter().map(|member| self.not(*member)).collect();
                self.any(members)
            }
            Formula::Any(members) => {
                let members = members.iter().map(|member| self.not(*member)).collect();
                self.all(members)
            }
        }
    }

    /// What is left of `id` where `value` is known to be in `class`, which lies
    /// inside or outside each set that `value` is tested for.
    pub(crate) fn given(
        &mut self,
        id: FormulaId,
        value: ValueId,
        class: &Set,
        memo: &mut Map<FormulaId, FormulaId>,
    ) -> FormulaId {
        if self.mentions(id) & (1 << (value.0 % 64)) == 0 || self.values.budget.is_over() {
            return id;
        }
        if let Some(known) = memo.get(&id) {
            return *known;
        }
        let left = match self.get(id) {
            Formula::False | Formula::True => id,
            Formula::Test(tested, set) if *tested == value => {
                let sample = class.ranges().first().map_or(0, |(low, _)| *low);
                truth(self.set(*set).contains(sample))
            }
            Formula::Test(tested, set) => {
                let (tested, set) = (*tested, *set);
                match class.single() {
                    Some(number) => match self.values.replace(tested, value, number) {
                        same if same == tested => id,
                        replaced => {
                            let set = self.set(set).clone();
                            self.test(replaced, set)
                        }
                    },
                    None => id,
                }
            }
            Formula::All(members) => {
                let members = members.to_vec();
                let given = self.given_each(&members, value, class, memo, FormulaId::FALSE);
                self.all(given)
            }
            Formula::Any(members) => {
                let members = members.to_vec();
                let given = self.given_each(&members, value, class, memo, FormulaId::TRUE);
                self.any(given)
            }
        };
        memo.insert(id, left);
        left
    }

    fn given_each(
        &mut self,
        members: &[FormulaId],
        value: ValueId,
        class: &Set,
        memo: &mut Map<FormulaId, FormulaId>,
        decided: FormulaId,
    ) -> Vec<FormulaId> {
        let mut given = Vec::with_capacity(members.len());
        for member in members {
            let left = self.given(*member, value, class, memo);
            given.push(left);
            if left == decided {
                break;
            }
        }
        given
    }
}

fn truth(holds: bool) -> FormulaId {
    match holds {
        true => FormulaId::TRUE,
        false => FormulaId::FALSE,
    }
}
