//! What a test looks at: bytes of the frame, facts beside it, and numbers
//! computed from them. Equal values have equal numbers ([`ValueId`]).

use super::budget::Budget;
use super::facts::Facts;
use super::hash::Map;
use super::set::Set;
use crate::filter::lang::Operator;

/// The place of a value in [`Values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueId(pub(crate) u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Constant(u32),
    /// The length of the frame on the wire.
    Length,
    /// A fact that the kernel knows beside the bytes: `SKF_AD_OFF` and its place.
    Ancillary(u32),
    /// Bytes, big-endian, `k` (and the index) bytes into the frame.
    Load {
        index: Option<ValueId>,
        k: u32,
        bytes: u8,
    },
    Binary(Operator, ValueId, ValueId),
    Negative(ValueId),
    /// 1 if the comparison holds, else 0.
    Compare(Order, ValueId, ValueId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Equal,
    Greater,
    AtLeast,
}

/// What a value means, where that is known: for names in listings, and to know
/// which outcomes are likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    LinkProtocol,
    /// Address family in front of a packet.
    Family,
    PppProtocol,
    VlanPresent,
    VlanTag,
    Protocol4,
    Protocol6,
    Fragment,
    /// Both in one word, the fragment offset in the high half.
    ProtocolAndFragment,
    /// IHL and version.
    VersionLength,
    SourcePort,
    DestinationPort,
    Address4,
    /// The first bytes of an IPv4 address.
    Network4,
    /// The first half of an IPv6 address.
    Prefix6,
    /// The second half.
    Address6,
    Mac,
    PacketType,
    Length,
    TcpFlags,
    TimeToLive,
    ServiceClass,
    /// The byte of an MPLS label that says whether it is the last.
    BottomOfStack,
}

struct Stored {
    value: Value,
    /// The largest it can be.
    most: u32,
    /// A bit for itself and each value inside it; several share a bit.
    mentions: u64,
    field: Option<Field>,
    facts: Facts,
}

/// Values in a value: more are no sum that a person writes.
const LARGEST: u32 = 100_000;

/// All values of one expression.
#[derive(Default)]
pub(crate) struct Values {
    stored: Vec<Stored>,
    index: Map<Value, ValueId>,
    pub(crate) budget: Budget,
}

impl Values {
    pub(crate) fn get(&self, id: ValueId) -> Value {
        self.stored
            .get(id.0 as usize)
            .map_or(Value::Constant(0), |stored| stored.value)
    }

    pub(crate) fn most(&self, id: ValueId) -> u32 {
        self.stored
            .get(id.0 as usize)
            .map_or(u32::MAX, |stored| stored.most)
    }

    pub(crate) fn mentions(&self, id: ValueId) -> u64 {
        self.stored
            .get(id.0 as usize)
            .map_or(u64::MAX, |stored| stored.mentions)
    }

    pub(crate) fn field(&self, id: ValueId) -> Option<Field> {
        self.stored.get(id.0 as usize)?.field
    }

    /// In the order of their numbers.
    pub(crate) fn all(&self) -> impl Iterator<Item = Value> {
        self.stored.iter().map(|stored| stored.value)
    }

    /// For `4 * (byte & 0xf)`, the length of an IPv4 header: where the byte is.
    pub(crate) fn header_length(&self, value: ValueId) -> Option<u32> {
        let Value::Binary(Operator::ShiftLeft, words, two) = self.get(value) else {
            return None;
        };
        let Value::Binary(Operator::And, byte, mask) = self.get(words) else {
            return None;
        };
        match (
            self.constant_of(two),
            self.constant_of(mask),
            self.get(byte),
        ) {
            (
                Some(2),
                Some(0xf),
                Value::Load {
                    index: None,
                    k: k @ ..0x8000_0000,
                    bytes: 1,
                },
            ) => Some(k),
            _ => None,
        }
    }

    /// Says what `id` means; what was said first stays.
    pub(crate) fn name(&mut self, id: ValueId, field: Field) {
        if let Some(stored) = self.stored.get_mut(id.0 as usize) {
            stored.field.get_or_insert(field);
        }
    }

    pub(super) fn facts(&self, id: ValueId) -> Facts {
        let stored = self.stored.get(id.0 as usize);
        stored.map_or_else(
            || Facts::of(Value::Constant(0), self),
            |stored| stored.facts,
        )
    }

    fn add(&mut self, value: Value) -> ValueId {
        self.budget.spend(1);
        if let Some(id) = self.index.get(&value) {
            return *id;
        }
        let facts = Facts::of(value, self);
        if facts.size > LARGEST {
            self.budget.exceed();
        }
        let id = ValueId(self.stored.len() as u32);
        let inside = |id: Option<ValueId>| id.map_or(0, |id| self.mentions(id));
        let own = 1 << (id.0 % 64);
        let mentions = own
            | match value {
                Value::Load { index, .. } => inside(index),
                Value::Binary(_, a, b) | Value::Compare(_, a, b) => {
                    inside(Some(a)) | inside(Some(b))
                }
                Value::Negative(a) => inside(Some(a)),
                _ => 0,
            };
        let stored = Stored {
            value,
            most: self.bound(value),
            mentions,
            field: None,
            facts,
        };
        self.stored.push(stored);
        self.index.insert(value, id);
        id
    }

    fn bound(&self, value: Value) -> u32 {
        let most = |id| self.most(id);
        match value {
            Value::Constant(number) => number,
            Value::Load { bytes: 1, .. } => 0xff,
            Value::Load { bytes: 2, .. } => 0xffff,
            Value::Compare(..) => 1,
            Value::Binary(Operator::And, a, b) => most(a).min(most(b)),
            Value::Binary(Operator::Or | Operator::Xor, a, b) => {
                let both = most(a) | most(b);
                both.checked_add(1)
                    .and_then(u32::checked_next_power_of_two)
                    .map_or(u32::MAX, |power| power - 1)
            }
            Value::Binary(Operator::Add, a, b) => most(a).saturating_add(most(b)),
            Value::Binary(Operator::Multiply, a, b) => most(a).saturating_mul(most(b)),
            Value::Binary(Operator::ShiftLeft, a, b) => match self.get(b) {
                Value::Constant(bits) if bits < 32 && most(a).leading_zeros() >= bits => {
                    most(a) << bits
                }
                _ => u32::MAX,
            },
            Value::Binary(Operator::ShiftRight, a, b) => match self.get(b) {
                Value::Constant(bits) if bits < 32 => most(a) >> bits,
                _ => most(a),
            },
            Value::Binary(Operator::Divide, a, _) => most(a),
            Value::Binary(Operator::Modulo, a, b) => match self.get(b) {
                Value::Constant(divisor) => most(a).min(divisor.saturating_sub(1)),
                _ => most(a),
            },
            _ => u32::MAX,
        }
    }

    pub(crate) fn constant(&mut self, number: u32) -> ValueId {
        self.add(Value::Constant(number))
    }

    pub(crate) fn constant_of(&self, id: ValueId) -> Option<u32> {
        match self.get(id) {
            Value::Constant(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn length(&mut self) -> ValueId {
        let id = self.add(Value::Length);
        self.name(id, Field::Length);
        id
    }

    pub(crate) fn ancillary(&mut self, place: u32) -> ValueId {
        self.add(Value::Ancillary(place))
    }

    /// `bytes` bytes at `k` plus the index. A constant part of the index goes
    /// into `k` where that cannot overflow.
    pub(crate) fn load(&mut self, index: Option<ValueId>, k: u32, bytes: u8) -> ValueId {
        let (mut index, mut k) = (index, k);
        while let Some(id) = index {
            match self.get(id) {
                Value::Constant(number) => (index, k) = (None, k.wrapping_add(number)),
                Value::Binary(Operator::Add, a, b) if self.most(id) < u32::MAX => {
                    let Some(number) = self.constant_of(b) else {
                        break;
                    };
                    let Some(sum) = k.checked_add(number).filter(|sum| *sum < 0x8000_0000) else {
                        break;
                    };
                    (index, k) = (Some(a), sum);
                }
                _ => break,
            }
        }
        self.add(Value::Load { index, k, bytes })
    }

    /// `None`: divides by the constant 0.
    pub(crate) fn binary(&mut self, operator: Operator, a: ValueId, b: ValueId) -> Option<ValueId> {
        use Operator::{
            Add, And, Divide, Modulo, Multiply, Or, ShiftLeft, ShiftRight, Subtract, Xor,
        };
        let (a_number, b_number) = (self.constant_of(a), self.constant_of(b));
        if let (Some(a), Some(b)) = (a_number, b_number) {
            return Some(self.constant(compute(operator, a, b)?));
        }
        if matches!(operator, Divide | Modulo) && b_number == Some(0) {
            return None;
        }
        // As by X. Such a constant in the text is refused; this one is a value that
        // turned out to be known.
        if let (ShiftLeft | ShiftRight, Some(bits @ 32..)) = (operator, b_number) {
            let bits = self.constant(bits & 31);
            return self.binary(operator, a, bits);
        }
        let commutes = matches!(operator, Add | Multiply | And | Or | Xor);
        // Constants stand on the right, which is where an instruction takes one.
        if commutes && a_number.is_some() {
            return self.binary(operator, b, a);
        }
        let value = match (operator, b_number) {
            (Add | Subtract | Or | Xor | ShiftLeft | ShiftRight, Some(0)) => return Some(a),
            (Multiply | Divide, Some(1)) => return Some(a),
            (Multiply | And, Some(0)) | (Modulo, Some(1)) => return self.zero_of(a),
            (And, Some(mask)) if covers(mask, self.most(a)) => return Some(a),
            (Subtract, Some(number)) => {
                let negative = self.constant(number.wrapping_neg());
                Value::Binary(Add, a, negative)
            }
            (Multiply, Some(factor)) if factor.is_power_of_two() => {
                let bits = self.constant(factor.trailing_zeros());
                Value::Binary(ShiftLeft, a, bits)
            }
            (Divide, Some(divisor)) if divisor.is_power_of_two() => {
                let bits = self.constant(divisor.trailing_zeros());
                Value::Binary(ShiftRight, a, bits)
            }
            _ => Value::Binary(operator, a, b),
        };
        let value = self.joined(value);
        Some(self.add(value))
    }

    /// `(a op c) op d` with constants becomes `a op (c op d)`.
    fn joined(&mut self, value: Value) -> Value {
        let Value::Binary(operator, a, b) = value else {
            return value;
        };
        let Value::Binary(inner, x, y) = self.get(a) else {
            return value;
        };
        let (Some(first), Some(second)) = (self.constant_of(y), self.constant_of(b)) else {
            return value;
        };
        let joined = match (operator, inner) {
            (Operator::Add, Operator::Add) => first.wrapping_add(second),
            (Operator::And, Operator::And) => first & second,
            _ => return value,
        };
        let constant = self.constant(joined);
        Value::Binary(operator, x, constant)
    }

    /// A product or mask that is 0: the value itself need not be known, but its
    /// bytes must be there, so only what cannot fail goes.
    fn zero_of(&mut self, a: ValueId) -> Option<ValueId> {
        let zero = self.constant(0);
        let cannot_fail = matches!(self.get(a), Value::Length | Value::Ancillary(_));
        Some(match cannot_fail {
            true => zero,
            false => self.add(Value::Binary(Operator::And, a, zero)),
        })
    }

    pub(crate) fn negative(&mut self, a: ValueId) -> ValueId {
        match self.constant_of(a) {
            Some(number) => self.constant(number.wrapping_neg()),
            None => self.add(Value::Negative(a)),
        }
    }

    pub(crate) fn compare(&mut self, order: Order, a: ValueId, b: ValueId) -> ValueId {
        match (self.constant_of(a), self.constant_of(b)) {
            (Some(a), Some(b)) => {
                let holds = match order {
                    Order::Equal => a == b,
                    Order::Greater => a > b,
                    Order::AtLeast => a >= b,
                };
                self.constant(holds.into())
            }
            _ => self.add(Value::Compare(order, a, b)),
        }
    }

    /// `value` with `from` replaced by the constant `to`, also inside.
    pub(crate) fn replace(&mut self, value: ValueId, from: ValueId, to: u32) -> ValueId {
        if value == from {
            return self.constant(to);
        }
        self.budget.spend(1);
        if self.mentions(value) & (1 << (from.0 % 64)) == 0 || self.budget.is_over() {
            return value;
        }
        let field = self.field(value);
        let replaced = match self.get(value) {
            Value::Load {
                index: Some(index),
                k,
                bytes,
            } => {
                let index = self.replace(index, from, to);
                let replaced = self.load(Some(index), k, bytes);
                match self.get(replaced) {
                    // A computed place is never one of the kernel's special ones.
                    Value::Load { index: None, k, .. } if k >= 0x8000_0000 => value,
                    _ => replaced,
                }
            }
            Value::Binary(operator, a, b) => {
                let (a, b) = (self.replace(a, from, to), self.replace(b, from, to));
                // A division by what is 0 now stays, and fails when it is run.
                match self.binary(operator, a, b) {
                    Some(replaced) => replaced,
                    None => value,
                }
            }
            Value::Negative(a) => {
                let a = self.replace(a, from, to);
                self.negative(a)
            }
            Value::Compare(order, a, b) => {
                let (a, b) = (self.replace(a, from, to), self.replace(b, from, to));
                self.compare(order, a, b)
            }
            _ => value,
        };
        if let Some(field) = field {
            self.name(replaced, field);
        }
        replaced
    }

    /// What `value`, bits of one byte, is where `known`, more bytes around it,
    /// are `number`.
    pub(crate) fn bits_of(&self, value: ValueId, known: ValueId, number: u32) -> Option<u32> {
        let (load, mask) = match self.get(value) {
            Value::Binary(Operator::And, load, mask) => (load, self.constant_of(mask)?),
            _ => (value, u32::MAX),
        };
        match (self.get(load), self.get(known)) {
            (
                Value::Load {
                    index: a,
                    k: inner,
                    bytes: 1,
                },
                Value::Load {
                    index: b,
                    k: outer,
                    bytes,
                },
            ) if a == b && bytes > 1 => {
                let from_end = outer.checked_add(bytes.into())?.checked_sub(inner + 1)?;
                (from_end < u32::from(bytes)).then(|| number >> (8 * from_end) & 0xff & mask)
            }
            _ => None,
        }
    }

    /// The same test on a simpler value: constants are moved from the value
    /// into the set.
    pub(crate) fn simplify(&self, value: ValueId, set: Set) -> (ValueId, Set) {
        let (mut value, mut set) = (value, set);
        while let Value::Binary(operator, a, b) = self.get(value) {
            let Some(number) = self.constant_of(b) else {
                break;
            };
            set = match operator {
                Operator::Add => set.before_add(number),
                Operator::ShiftRight if number < 32 => set.before_shift_right(number),
                Operator::ShiftLeft if number < 32 && self.most(a).leading_zeros() >= number => {
                    set.before_multiply(1 << number, self.most(a))
                }
                Operator::And => match self.before_mask(a, number, &set) {
                    Some(set) => set,
                    None => break,
                },
                _ => break,
            };
            value = a;
        }
        (value, set)
    }

    /// The numbers of `a` that are in `set` when the low bits are masked away.
    /// `None` for other masks.
    fn before_mask(&self, a: ValueId, mask: u32, set: &Set) -> Option<Set> {
        let most = self.most(a);
        let low = mask.trailing_zeros();
        if mask == 0 || !covers(mask | ((1 << low) - 1), most) {
            return None;
        }
        let step = 1u32 << low;
        let ranges = set.ranges().iter().filter_map(|&(first, last)| {
            // Only multiples of the step come out of the mask.
            let first = first.checked_next_multiple_of(step)?;
            let last = last & !(step - 1);
            (first <= last).then_some((first, last | (step - 1)))
        });
        Some(Set::of(ranges.collect()))
    }
}

/// Whether `mask` keeps every number up to `most` as it is.
fn covers(mask: u32, most: u32) -> bool {
    let bits = u32::BITS - most.leading_zeros();
    let all = 1u32.checked_shl(bits).map_or(u32::MAX, |power| power - 1);
    mask & all == all
}

pub(crate) fn compute(operator: Operator, a: u32, b: u32) -> Option<u32> {
    Some(match operator {
        Operator::Add => a.wrapping_add(b),
        Operator::Subtract => a.wrapping_sub(b),
        Operator::Multiply => a.wrapping_mul(b),
        Operator::Divide => a.checked_div(b)?,
        Operator::Modulo => a.checked_rem(b)?,
        Operator::And => a & b,
        Operator::Or => a | b,
        Operator::Xor => a ^ b,
        Operator::ShiftLeft => a.wrapping_shl(b),
        Operator::ShiftRight => a.wrapping_shr(b),
    })
}
