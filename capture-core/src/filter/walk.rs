//! Runs a decision graph on one frame. A list of a thousand addresses is one step
//! here.

use super::ancillary::Subject;
use super::ir::value::{Value, ValueId, compute};
use super::look::{Look, compare, half, header_length, load, load_anywhere, word};
use super::steps::{ACCEPT, Choice, Decision, Test, hash};

/// The last index and its number: the next value is often computed from it.
type Held = Option<(ValueId, u32)>;

impl Decision {
    /// How many bytes of the frame to keep; 0: it is rejected, or too short to
    /// say.
    pub(super) fn run(&self, subject: &Subject<'_>) -> u32 {
        let mut at = self.root;
        let mut held = None;
        while let Some(step) = self.steps.get(at as usize) {
            let Some(number) = self.number(&step.look, subject, &mut held) else {
                return 0;
            };
            at = self.next(&step.choice, number);
        }
        if at == ACCEPT { self.snaplen } else { 0 }
    }

    #[inline]
    fn next(&self, choice: &Choice, number: u32) -> u32 {
        match choice {
            &Choice::Two { ref test, yes, no } => {
                if self.holds(test, number) {
                    yes
                } else {
                    no
                }
            }
            Choice::Either {
                first,
                to_first,
                second,
                to_second,
                otherwise,
            } => {
                if number == *first {
                    *to_first
                } else if number == *second {
                    *to_second
                } else {
                    *otherwise
                }
            }
            Choice::Search(ranges) => self.search(*ranges, number),
        }
    }

    #[inline]
    pub(super) fn holds(&self, test: &Test, number: u32) -> bool {
        let table = |table: u32, number| {
            let table = self.tables.get(table as usize);
            table.is_some_and(|table| table.has(number))
        };
        match test {
            Test::Within { low, more } => number.wrapping_sub(*low) <= *more,
            Test::Among(set) => table(*set, number),
            Test::Hashed { table: set, ranges } => {
                table(*set, hash(number)) && self.is_odd(*ranges, number)
            }
            Test::Odd(ranges) => self.is_odd(*ranges, number),
        }
    }

    #[inline]
    fn number(&self, look: &Look, subject: &Subject<'_>, held: &mut Held) -> Option<u32> {
        let data = subject.data;
        match *look {
            Look::Byte(k) => load(data, k, 1),
            Look::Half(k) => half(data, k),
            Look::Word(k) => word(data, k),
            Look::Masked { k, bytes, mask } => Some(load(data, k, bytes)? & mask),
            Look::Behind {
                header,
                k,
                bytes,
                mask,
            } => {
                let start = k + header_length(data, header)? as usize;
                Some(load(data, start, bytes)? & mask)
            }
            Look::HeaderLength(at) => header_length(data, at),
            Look::Length => Some(subject.info.len),
            Look::Value(value) => self.value(value, subject, held),
        }
    }

    fn inner(&self, id: ValueId, subject: &Subject<'_>, held: &mut Held) -> Option<u32> {
        self.number(self.looks.get(id.0 as usize)?, subject, held)
    }

    fn value(&self, id: ValueId, subject: &Subject<'_>, held: &mut Held) -> Option<u32> {
        Some(match *self.values.get(id.0 as usize)? {
            _ if held.is_some_and(|(known, _)| known == id) => held.map(|(_, number)| number)?,
            Value::Constant(number) => number,
            Value::Length => subject.info.len,
            Value::Ancillary(place) => subject.ancillary(place),
            Value::Load { index, k, bytes } => {
                let index = match index {
                    Some(index) => Some(match *held {
                        Some((known, number)) if known == index => number,
                        _ => {
                            let number = self.inner(index, subject, held)?;
                            *held = Some((index, number));
                            number
                        }
                    }),
                    None => None,
                };
                load_anywhere(subject, index, k, bytes)?
            }
            Value::Binary(operator, a, b) => {
                let a = self.inner(a, subject, held)?;
                compute(operator, a, self.inner(b, subject, held)?)?
            }
            Value::Negative(a) => self.inner(a, subject, held)?.wrapping_neg(),
            Value::Compare(order, a, b) => {
                let a = self.inner(a, subject, held)?;
                compare(order, a, self.inner(b, subject, held)?)
            }
        })
    }
}
