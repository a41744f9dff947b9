//! Which value to look at first.
//!
//! A frame that ends before a byte that is asked for is refused. So what is
//! asked out of the order of the text must be such that a frame without that
//! byte would be refused in any order:
//!
//! - of what must *all* hold, any part may come first: if its bytes are missing,
//!   it would not have held;
//! - of what *any* may hold, the first comes first; but inside it, bytes may be
//!   asked for early that no other way to acceptance does without.
//!
//! Among these, the part that fails most often for its cost comes first.

use super::formula::{Formula, FormulaId, Formulas};
use super::hash::Map;
use super::likely::chance;
use super::set::Set;
use super::value::{Value, ValueId, Values};

/// How much better than the text's order another must be.
const WORTHWHILE: f64 = 0.75;

/// What is known of formulas, once computed.
#[derive(Default)]
pub(super) struct Order {
    estimates: Map<FormulaId, Estimate>,
    needs: Map<FormulaId, u32>,
    reaches: Map<FormulaId, u32>,
}

#[derive(Clone, Copy)]
struct Estimate {
    /// Instructions, on average.
    cost: f64,
    /// That it holds.
    chance: f64,
}

impl Order {
    /// The value to look at first.
    pub(super) fn first(&mut self, formulas: &Formulas, formula: FormulaId) -> ValueId {
        match formulas.get(formula) {
            Formula::All(members) => {
                if let Some(value) = shared(formulas, members) {
                    return value;
                }
                match self.likeliest_to_fail(formulas, members) {
                    Some(member) => self.inside(formulas, member),
                    None => ValueId(0),
                }
            }
            _ => {
                let need = self.need(formulas, formula);
                self.inside_any(formulas, formula, need)
            }
        }
    }

    /// The first value of one of several that must all hold.
    fn inside(&mut self, formulas: &Formulas, formula: FormulaId) -> ValueId {
        let need = self.need(formulas, formula);
        self.inside_any(formulas, formula, need)
    }

    fn inside_any(&mut self, formulas: &Formulas, formula: FormulaId, need: u32) -> ValueId {
        match formulas.get(formula) {
            Formula::Test(value, _) => *value,
            Formula::Any(members) => {
                let Some(first) = members.first() else {
                    return ValueId(0);
                };
                // What tells the ways apart comes first.
                let common = leftmost(formulas, *first);
                let same = |member: &FormulaId| leftmost(formulas, *member) == common;
                match members.iter().all(same) {
                    true => common,
                    false => self.inside_any(formulas, *first, need),
                }
            }
            Formula::All(members) => {
                let early = members
                    .iter()
                    .enumerate()
                    .filter(|(at, member)| *at == 0 || self.reach(formulas, **member) <= need)
                    .map(|(_, member)| *member)
                    .collect::<Vec<_>>();
                match self.likeliest_to_fail(formulas, &early) {
                    Some(member) => self.inside_any(formulas, member, need),
                    None => ValueId(0),
                }
            }
            _ => ValueId(0),
        }
    }

    fn likeliest_to_fail(
        &mut self,
        formulas: &Formulas,
        members: &[FormulaId],
    ) -> Option<FormulaId> {
        let mut best: Option<(f64, FormulaId)> = None;
        for member in members {
            let Estimate { cost, chance } = self.estimate(formulas, *member);
            let rank = cost / (1.0 - chance).max(1e-6);
            // The text's order often has a sense that chances do not show.
            if best.is_none_or(|(least, _)| rank < least * WORTHWHILE) {
                best = Some((rank, *member));
            }
        }
        best.map(|(_, member)| member)
    }

    fn estimate(&mut self, formulas: &Formulas, formula: FormulaId) -> Estimate {
        if let Some(known) = self.estimates.get(&formula) {
            return *known;
        }
        let estimate = match formulas.get(formula) {
            Formula::False => Estimate {
                cost: 0.0,
                chance: 0.0,
            },
            Formula::True => Estimate {
                cost: 0.0,
                chance: 1.0,
            },
            Formula::Test(value, set) => test(&formulas.values, *value, formulas.set(*set)),
            Formula::All(members) => {
                let mut all = Estimate {
                    cost: 0.0,
                    chance: 1.0,
                };
                for member in members {
                    let next = self.estimate(formulas, *member);
                    all.cost += all.chance * next.cost;
                    all.chance *= next.chance;
                }
                all
            }
            Formula::Any(members) => {
                let mut none = Estimate {
                    cost: 0.0,
                    chance: 1.0,
                };
                for member in members {
                    let next = self.estimate(formulas, *member);
                    none.cost += none.chance * next.cost;
                    none.chance *= 1.0 - next.chance;
                }
                let chance = 1.0 - none.chance;
                Estimate { chance, ..none }
            }
        };
        self.estimates.insert(formula, estimate);
        estimate
    }

    /// A frame with fewer bytes is never accepted by `formula`.
    fn need(&mut self, formulas: &Formulas, formula: FormulaId) -> u32 {
        if let Some(known) = self.needs.get(&formula) {
            return *known;
        }
        let need = match formulas.get(formula) {
            Formula::False => u32::MAX,
            Formula::True => 0,
            Formula::Test(value, _) => formulas.values.facts(*value).least_bytes,
            Formula::All(members) => {
                let each = members.iter().map(|member| self.need(formulas, *member));
                each.max().unwrap_or(0)
            }
            Formula::Any(members) => {
                let each = members.iter().map(|member| self.need(formulas, *member));
                each.min().unwrap_or(0)
            }
        };
        self.needs.insert(formula, need);
        need
    }

    /// `formula` never asks for bytes behind these.
    fn reach(&mut self, formulas: &Formulas, formula: FormulaId) -> u32 {
        if let Some(known) = self.reaches.get(&formula) {
            return *known;
        }
        let reach = match formulas.get(formula) {
            Formula::False | Formula::True => 0,
            Formula::Test(value, _) => formulas.values.facts(*value).most_bytes,
            Formula::All(members) | Formula::Any(members) => {
                let each = members.iter().map(|member| self.reach(formulas, *member));
                each.max().unwrap_or(0)
            }
        };
        self.reaches.insert(formula, reach);
        reach
    }
}

/// A value that tells apart the ways of several members: once it is known, they
/// are all simpler.
fn shared(formulas: &Formulas, members: &[FormulaId]) -> Option<ValueId> {
    let told_apart = |member: &FormulaId| {
        let Formula::Any(ways) = formulas.get(*member) else {
            return None;
        };
        let value = leftmost(formulas, *member);
        let all = ways.iter().all(|way| leftmost(formulas, *way) == value);
        (all && ways.len() > 1).then_some(value)
    };
    let mut values: Vec<ValueId> = members.iter().filter_map(told_apart).collect();
    values.sort_unstable();
    let twice = values.windows(2).find(|pair| pair[0] == pair[1])?;
    Some(twice[0])
}

/// The first value in the order of the text.
fn leftmost(formulas: &Formulas, formula: FormulaId) -> ValueId {
    let mut formula = formula;
    loop {
        match formulas.get(formula) {
            Formula::Test(value, _) => return *value,
            Formula::All(members) | Formula::Any(members) => match members.first() {
                Some(first) => formula = *first,
                None => return ValueId(0),
            },
            _ => return ValueId(0),
        }
    }
}

fn test(values: &Values, value: ValueId, set: &Set) -> Estimate {
    let mut total = 0.0;
    for &(low, high) in set.ranges() {
        total += chance(values, value, low, high);
    }
    // A search in a list takes about as many steps as its length has digits.
    let ranges = set.ranges().len() as f64;
    let steps = if ranges <= 2.0 {
        ranges
    } else {
        1.0 + ranges.log2()
    };
    // In frames of another protocol, what stands where its header would be is
    // not known.
    let least = match values.get(value) {
        Value::Load { index: Some(_), .. } => 0.2,
        Value::Binary(_, inner, _) => match values.get(inner) {
            Value::Load { index: Some(_), .. } => 0.3,
            _ => 0.2,
        },
        _ => 0.001,
    };
    Estimate {
        cost: f64::from(values.facts(value).instructions) + steps,
        chance: total.clamp(least, 0.999),
    }
}
