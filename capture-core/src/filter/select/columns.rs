//! Numbers that are computed: a column of them, for all frames of a list.

use super::deal::{Visit, visit};
use super::group::{Bytes, Column, Group, List};
use crate::filter::ir::value::{Value, ValueId, compute};
use crate::filter::look::{Look, compare, load, load_anywhere};
use crate::filter::steps::Decision;

/// Puts numbers into a column.
struct Gather<'a> {
    list: &'a mut List,
    to: &'a mut Column,
}

impl Visit for Gather<'_> {
    #[inline]
    fn visit(self, number: impl Fn(u8) -> Option<u32>) {
        self.list.numbers(self.to, number);
    }
}

fn column(decision: &Decision, id: ValueId, group: &Group<'_>, list: &mut List, to: &mut Column) {
    match decision.looks.get(id.0 as usize) {
        Some(Look::Value(id)) => compute_column(decision, *id, group, list, to),
        Some(look) => visit(*look, group, Gather { list, to }),
        None => list.count = 0,
    }
}

/// What an expression comes to for each frame: its operations one after the
/// other, each on all frames. A frame for which one fails is taken off the list.
pub(super) fn compute_column(
    decision: &Decision,
    id: ValueId,
    group: &Group<'_>,
    list: &mut List,
    to: &mut Column,
) {
    let at = |column: &Column, frame: u8| column[usize::from(frame)];
    let Some(value) = decision.values.get(id.0 as usize) else {
        return list.count = 0;
    };
    match *value {
        Value::Constant(number) => to.fill(number),
        Value::Length => visit(Look::Length, group, Gather { list, to }),
        Value::Ancillary(place) => {
            list.numbers(to, |frame| Some(group.subject(frame)?.ancillary(place)));
        }
        Value::Load {
            index: None,
            k,
            bytes,
        } => list.numbers(to, |frame| {
            load_anywhere(&group.subject(frame)?, None, k, bytes)
        }),
        Value::Load {
            index: Some(index),
            k,
            bytes,
        } => {
            column(decision, index, group, list, to);
            let index = *to;
            list.numbers(to, |frame| {
                let (data, start) = (group.data(frame), at(&index, frame).wrapping_add(k));
                match start {
                    0..=0x7fff_ffff => load(data, start as usize, bytes),
                    _ => load_anywhere(&group.subject(frame)?, Some(at(&index, frame)), k, bytes),
                }
            });
        }
        Value::Binary(operator, a, b) => {
            column(decision, a, group, list, to);
            let first = *to;
            match decision.values.get(b.0 as usize) {
                Some(Value::Constant(b)) => {
                    list.numbers(to, |frame| compute(operator, at(&first, frame), *b));
                }
                _ => {
                    column(decision, b, group, list, to);
                    let second = *to;
                    list.numbers(to, |frame| {
                        compute(operator, at(&first, frame), at(&second, frame))
                    });
                }
            }
        }
        Value::Negative(a) => {
            column(decision, a, group, list, to);
            let first = *to;
            list.numbers(to, |frame| Some(at(&first, frame).wrapping_neg()));
        }
        Value::Compare(order, a, b) => {
            column(decision, a, group, list, to);
            let first = *to;
            column(decision, b, group, list, to);
            let second = *to;
            list.numbers(to, |frame| {
                Some(compare(order, at(&first, frame), at(&second, frame)))
            });
        }
    }
}
