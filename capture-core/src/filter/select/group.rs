//! Frames that go through the steps together, and lists of them.

use crate::batch::slice;
use crate::filter::ancillary::Subject;
use crate::{FrameInfo, Interface};

/// Frames that go through the steps together. A frame's number in its group is a
/// byte, so that no list can have a place that is not there.
pub(super) const GROUP: usize = 256;

/// Frames by their numbers.
pub(super) struct Group<'a> {
    pub(super) data: [&'a [u8]; GROUP],
    pub(super) infos: &'a [FrameInfo],
    pub(super) interfaces: &'a [Interface],
}

impl<'a> Group<'a> {
    /// Looks up the bytes of `frames`, all in the block `fresh`.
    pub(super) fn fill(&mut self, fresh: Option<&'a [u8]>, frames: impl Iterator<Item = u8>) {
        let Some(block) = fresh else { return };
        for frame in frames {
            if let Some(info) = self.infos.get(usize::from(frame)) {
                self.data[usize::from(frame)] = slice(block, info.offset, info.caplen);
            }
        }
    }

    pub(super) fn subject(&self, frame: u8) -> Option<Subject<'_>> {
        let info = self.infos.get(usize::from(frame))?;
        Some(Subject {
            data: self.data(frame),
            info,
            interface: self.interfaces.get(info.interface as usize)?,
            tag: None,
        })
    }
}

/// The bytes of frames, by their numbers.
pub(super) trait Bytes {
    fn data(&self, frame: u8) -> &[u8];
    fn info(&self, frame: u8) -> Option<&FrameInfo>;
}

impl Bytes for Group<'_> {
    #[inline]
    fn data(&self, frame: u8) -> &[u8] {
        self.data[usize::from(frame)]
    }

    #[inline]
    fn info(&self, frame: u8) -> Option<&FrameInfo> {
        self.infos.get(usize::from(frame))
    }
}

/// Frames of one block that nobody has looked at: most are looked at only once.
pub(super) struct Fresh<'a> {
    pub(super) block: &'a [u8],
    pub(super) infos: &'a [FrameInfo],
}

impl Bytes for Fresh<'_> {
    #[inline]
    fn data(&self, frame: u8) -> &[u8] {
        let info = self.infos.get(usize::from(frame));
        info.map_or(&[], |info| slice(self.block, info.offset, info.caplen))
    }

    #[inline]
    fn info(&self, frame: u8) -> Option<&FrameInfo> {
        self.infos.get(usize::from(frame))
    }
}

/// Numbers of frames.
#[derive(Clone, Copy)]
pub(super) struct List {
    pub(super) count: usize,
    pub(super) frames: [u8; GROUP],
}

impl Default for List {
    fn default() -> Self {
        Self {
            count: 0,
            frames: [0; GROUP],
        }
    }
}

impl List {
    #[inline]
    pub(super) fn frames(&self) -> &[u8] {
        self.frames.get(..self.count).unwrap_or_default()
    }

    /// Keeps the frame if it `is_in`; otherwise the next one takes its place.
    #[inline]
    pub(super) fn push_if(&mut self, frame: u8, is_in: bool) {
        self.frames[self.count % GROUP] = frame;
        self.count += usize::from(is_in);
    }

    pub(super) fn append(&mut self, other: &Self) {
        if self.count == 0 {
            *self = *other;
            return;
        }
        let end = self.count + other.count;
        if let Some(room) = self.frames.get_mut(self.count..end) {
            room.copy_from_slice(other.frames());
            self.count = end;
        }
    }

    /// Numbers of the frames for which there is one; the others are taken out.
    #[inline]
    pub(super) fn numbers(&mut self, to: &mut Column, number: impl Fn(u8) -> Option<u32>) {
        let all = *self;
        self.count = 0;
        for &frame in all.frames() {
            if let Some(number) = number(frame) {
                to[usize::from(frame)] = number;
                self.push_if(frame, true);
            }
        }
    }
}

/// All numbers.
pub(super) const EACH: [u8; GROUP] = {
    let mut each = [0; GROUP];
    let mut at = 0;
    while at < GROUP {
        each[at] = at as u8;
        at += 1;
    }
    each
};

/// A number of each frame.
pub(super) type Column = [u32; GROUP];
