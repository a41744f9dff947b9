//! The numbers that steps test: a column of them, for all frames of a set.

use super::group::{At, Behind, Bytes, GROUP, Group, Long, Place};
use super::mask::{Column, Mask};
use crate::filter::ir::value::{Value, ValueId, compute};
use crate::filter::look::{Look, compare, load_anywhere};
use crate::filter::steps::Decision;

/// From one frame in so many on, reading all of them is faster than some.
const DENSE: u32 = 4;

/// The numbers of frames.
pub(super) struct Numbers<'a> {
    pub(super) decision: &'a Decision,
    pub(super) group: &'a Group<'a>,
}

impl Numbers<'_> {
    /// Puts the number of each of the frames into the column. Frames that are too short to have
    /// one are taken off.
    pub(super) fn put(&self, look: Look, frames: &mut Mask, to: &mut Column) {
        match look {
            Look::Byte(k) => self.read(k, 1, frames, to),
            Look::Half(k) => self.read(k, 2, frames, to),
            Look::Word(k) => self.read(k, 4, frames, to),
            Look::Masked { k, bytes, mask } => {
                self.read(k, bytes, frames, to);
                to.iter_mut().for_each(|number| *number &= mask);
            }
            Look::HeaderLength(k) => {
                self.read(k, 1, frames, to);
                to.iter_mut()
                    .for_each(|number| *number = (*number & 0xf) << 2);
            }
            Look::Behind {
                header,
                k,
                bytes,
                mask,
            } => {
                match &self.group.bytes {
                    Bytes::Together(data) => read(Behind { data, header, k }, bytes, frames, to),
                    Bytes::Apart(data) => {
                        let data = &**data;
                        read(Behind { data, header, k }, bytes, frames, to);
                    }
                }
                to.iter_mut().for_each(|number| *number &= mask);
            }
            Look::Length => {
                for (number, info) in to.iter_mut().zip(self.group.infos) {
                    *number = info.len;
                }
            }
            Look::Value(id) => self.compute(id, frames, to),
        }
    }

    /// Reads from a place that is the same in each frame.
    fn read(&self, k: usize, bytes: u8, frames: &mut Mask, to: &mut Column) {
        match &self.group.bytes {
            Bytes::Together(data) => match data.place(k, k + usize::from(bytes)) {
                Some(place) if frames.count() * DENSE >= GROUP as u32 => {
                    read_all(place, bytes, to);
                }
                Some(place) => read(place, bytes, frames, to),
                None => read(At { data, k }, bytes, frames, to),
            },
            Bytes::Apart(data) => {
                let data = &**data;
                read(At { data, k }, bytes, frames, to);
            }
        }
    }

    /// What an expression comes to for each frame: its operations one after the other, each on
    /// all frames.
    fn compute(&self, id: ValueId, frames: &mut Mask, to: &mut Column) {
        let at = |column: &Column, frame: u8| column[usize::from(frame)];
        let Some(value) = self.decision.values.get(id.0 as usize) else {
            return *frames = Mask::default();
        };
        match *value {
            Value::Constant(number) => to.fill(number),
            Value::Length => self.put(Look::Length, frames, to),
            Value::Ancillary(place) => keep(frames, to, |frame| {
                Some(self.group.subject(frame)?.ancillary(place))
            }),
            Value::Load { index, k, bytes } => {
                let index = index.map(|index| self.inner(index, frames));
                keep(frames, to, |frame| {
                    let index = index.as_ref().map(|index| at(index, frame));
                    load_anywhere(&self.group.subject(frame)?, index, k, bytes)
                });
            }
            Value::Binary(operator, a, b) => {
                let (a, b) = (self.inner(a, frames), self.inner(b, frames));
                keep(frames, to, |frame| {
                    compute(operator, at(&a, frame), at(&b, frame))
                });
            }
            Value::Negative(a) => {
                *to = self.inner(a, frames);
                to.iter_mut()
                    .for_each(|number| *number = number.wrapping_neg());
            }
            Value::Compare(order, a, b) => {
                let (a, b) = (self.inner(a, frames), self.inner(b, frames));
                for (to, (a, b)) in to.iter_mut().zip(a.into_iter().zip(b)) {
                    *to = compare(order, a, b);
                }
            }
        }
    }

    fn inner(&self, id: ValueId, frames: &mut Mask) -> Column {
        let mut column = [0; GROUP];
        match self.decision.looks.get(id.0 as usize) {
            Some(look) => self.put(*look, frames, &mut column),
            None => *frames = Mask::default(),
        }
        column
    }
}

/// Puts those numbers that there are, and takes the other frames off.
#[inline]
fn keep(frames: &mut Mask, to: &mut Column, number: impl Fn(u8) -> Option<u32>) {
    *frames = frames.filter(|frame| match number(frame) {
        Some(number) => {
            to[usize::from(frame)] = number;
            true
        }
        None => false,
    });
}

#[inline]
fn read(place: impl Place, bytes: u8, frames: &mut Mask, to: &mut Column) {
    match bytes {
        1 => keep(frames, to, |frame| Some(place.byte(frame)?.into())),
        2 => keep(frames, to, |frame| {
            Some(u16::from_be_bytes(place.bytes(frame)?).into())
        }),
        _ => keep(frames, to, |frame| {
            Some(u32::from_be_bytes(place.bytes(frame)?))
        }),
    }
}

/// Reads from frames of which none is too short.
fn read_all(place: Long<'_>, bytes: u8, to: &mut Column) {
    let each = to.iter_mut().zip(place.starts());
    match bytes {
        1 => each.for_each(|(to, start)| *to = place.byte_from(start).unwrap_or(0).into()),
        2 => each.for_each(|(to, start)| {
            *to = u16::from_be_bytes(place.bytes_from(start).unwrap_or_default()).into();
        }),
        _ => each.for_each(|(to, start)| {
            *to = u32::from_be_bytes(place.bytes_from(start).unwrap_or_default());
        }),
    }
}
