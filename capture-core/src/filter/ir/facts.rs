//! What is known of a value as soon as it is made: computed once, since values inside values are
//! shared, and walking them anew takes twice as long with each level.

use super::value::{Value, Values};
use crate::filter::lang::Operator;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Values in it, where those that it has twice count twice.
    pub(crate) size: u32,
    /// The least length of a frame from which it can be computed.
    pub(crate) least_bytes: u32,
    /// A length of frame from which it can always be computed.
    pub(crate) most_bytes: u32,
    /// About how many instructions compute it.
    pub(crate) instructions: f32,
}

impl Facts {
    const SIMPLE: Self = Self {
        size: 1,
        least_bytes: 0,
        most_bytes: 0,
        instructions: 1.0,
    };

    pub(crate) fn of(value: Value, values: &Values) -> Self {
        match value {
            Value::Constant(_) | Value::Length | Value::Ancillary(_) => Self::SIMPLE,
            Value::Load { index, k, bytes } => {
                let own = k.saturating_add(bytes.into());
                let Some(id) = index else {
                    return Self {
                        least_bytes: if k < 0x8000_0000 { own } else { 0 },
                        most_bytes: own,
                        ..Self::SIMPLE
                    };
                };
                let index = values.facts(id);
                let behind = values.most(id).max(index.most_bytes);
                Self {
                    size: index.size.saturating_add(1),
                    least_bytes: match k < 0x8000_0000 {
                        true => own.max(index.least_bytes),
                        false => 0,
                    },
                    most_bytes: own.saturating_add(behind),
                    // The index is often there already.
                    instructions: 1.0 + 0.2 * index.instructions,
                }
            }
            Value::Negative(a) => {
                let a = values.facts(a);
                Self {
                    size: a.size.saturating_add(1),
                    instructions: a.instructions + 1.0,
                    ..a
                }
            }
            Value::Binary(_, a, b) | Value::Compare(_, a, b) => {
                let is_constant = values.constant_of(b).is_some();
                let (a, b) = (values.facts(a), values.facts(b));
                let divides = matches!(
                    value,
                    Value::Binary(Operator::Divide | Operator::Modulo, ..)
                );
                Self {
                    size: a.size.saturating_add(b.size).saturating_add(1),
                    least_bytes: a.least_bytes.max(b.least_bytes),
                    // A division may fail.
                    most_bytes: match divides && !is_constant {
                        true => u32::MAX,
                        false => a.most_bytes.max(b.most_bytes),
                    },
                    instructions: a.instructions
                        + 1.0
                        + if is_constant {
                            0.0
                        } else {
                            2.0 + b.instructions
                        },
                }
            }
        }
    }
}
