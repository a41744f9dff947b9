//! Where the numbers that a filter tests come from.

use super::ancillary::Subject;
use super::ir::value::{Order, Value, ValueId, Values};
use super::lang::Operator;
use super::op::{AD_OFF, LL_OFF, NET_OFF};

/// Where a number comes from. The common places have a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Byte(usize),
    Half(usize),
    Word(usize),
    Masked {
        k: usize,
        bytes: u8,
        mask: u32,
    },
    /// Bytes behind a header whose length is in the low bits of the byte at
    /// `header`.
    Behind {
        header: usize,
        k: usize,
        bytes: u8,
        mask: u32,
    },
    /// That length.
    HeaderLength(usize),
    /// The length of the frame.
    Length,
    Value(ValueId),
}

impl Look {
    pub(super) fn new(id: ValueId, values: &Values) -> Self {
        if let Some(at) = values.header_length(id) {
            return Self::HeaderLength(at as usize);
        }
        let (inner, mask) = match values.get(id) {
            Value::Length => return Self::Length,
            Value::Binary(Operator::And, inner, mask) => match values.constant_of(mask) {
                Some(mask) => (inner, mask),
                None => return Self::Value(id),
            },
            _ => (id, u32::MAX),
        };
        let Value::Load { index, k, bytes } = values.get(inner) else {
            return Self::Value(id);
        };
        if k >= 0x8000_0000 {
            return Self::Value(id);
        }
        let k = k as usize;
        match (index, bytes, mask) {
            (None, 1, u32::MAX) => Self::Byte(k),
            (None, 2, u32::MAX) => Self::Half(k),
            (None, 4, u32::MAX) => Self::Word(k),
            (None, ..) => Self::Masked { k, bytes, mask },
            (Some(index), ..) => match values.header_length(index) {
                Some(header) => Self::Behind {
                    header: header as usize,
                    k,
                    bytes,
                    mask,
                },
                None => Self::Value(id),
            },
        }
    }
}

/// `bytes` bytes from `k` on, big-endian; `None` if the frame ends before.
#[inline]
pub(super) fn load(data: &[u8], k: usize, bytes: u8) -> Option<u32> {
    match bytes {
        1 => data.get(k).map(|byte| u32::from(*byte)),
        2 => half(data, k),
        _ => word(data, k),
    }
}

#[inline]
pub(super) fn half(data: &[u8], k: usize) -> Option<u32> {
    let bytes = data.get(k..k + 2)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes).into())
}

#[inline]
pub(super) fn word(data: &[u8], k: usize) -> Option<u32> {
    let bytes = data.get(k..k + 4)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// The length of an IPv4 header whose first byte is at `at`.
#[inline]
pub(super) fn header_length(data: &[u8], at: usize) -> Option<u32> {
    data.get(at).map(|byte| u32::from(byte & 0xf) << 2)
}

/// `bytes` bytes at `k`, or as far behind the index; what is no place in the
/// frame is one that the kernel gives another meaning.
pub(super) fn load_anywhere(
    subject: &Subject<'_>,
    index: Option<u32>,
    k: u32,
    bytes: u8,
) -> Option<u32> {
    let start = match (index, index.unwrap_or(0).wrapping_add(k)) {
        (None, AD_OFF..) => return Some(subject.ancillary(k - AD_OFF)),
        (_, start @ 0..=0x7fff_ffff) => start as usize,
        (_, start @ NET_OFF..) => subject.network_offset() + (start - NET_OFF) as usize,
        (_, start @ LL_OFF..) => (start - LL_OFF) as usize,
        _ => return None,
    };
    load(subject.data, start, bytes)
}

pub(super) fn compare(order: Order, a: u32, b: u32) -> u32 {
    let holds = match order {
        Order::Equal => a == b,
        Order::Greater => a > b,
        Order::AtLeast => a >= b,
    };
    holds.into()
}
