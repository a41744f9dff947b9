//! Frames that go through the steps together, and where their bytes are.

use super::mask::Column;
use crate::batch::slice;
use crate::filter::ancillary::Subject;
use crate::filter::look::header_length;
use crate::{FrameInfo, Interface};

/// Frames that go through the steps together. A frame's number in its group is a byte, so that
/// no column can lack it.
pub(super) const GROUP: usize = 256;

/// Frames by their numbers.
pub(super) struct Group<'a> {
    pub(super) infos: &'a [FrameInfo],
    pub(super) interfaces: &'a [Interface],
    pub(super) bytes: Bytes<'a>,
}

/// Where the bytes of frames are.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the common one, made once for each group"
)]
pub(super) enum Bytes<'a> {
    /// All in one block.
    Together(Together<'a>),
    Apart(Box<Apart<'a>>),
}

impl Group<'_> {
    pub(super) fn subject(&self, frame: u8) -> Option<Subject<'_>> {
        let info = self.infos.get(usize::from(frame))?;
        Some(Subject {
            data: match &self.bytes {
                Bytes::Together(frames) => frames.data(frame),
                Bytes::Apart(frames) => (&**frames).data(frame),
            },
            info,
            interface: self.interfaces.get(info.interface as usize)?,
            tag: None,
        })
    }
}

/// The bytes of frames, by their numbers.
pub(super) trait Data: Copy {
    fn data<'a>(self, frame: u8) -> &'a [u8]
    where
        Self: 'a;
}

/// Bytes at one place of each frame.
pub(super) trait Place: Copy {
    /// `None` if the frame ends before.
    fn bytes<const N: usize>(self, frame: u8) -> Option<[u8; N]>;
    fn byte(self, frame: u8) -> Option<u8>;
}

/// So far from where a frame begins.
#[derive(Clone, Copy)]
pub(super) struct At<D> {
    pub(super) data: D,
    pub(super) k: usize,
}

impl<D: Data> Place for At<D> {
    #[inline]
    fn bytes<const N: usize>(self, frame: u8) -> Option<[u8; N]> {
        self.data.data(frame).get(self.k..)?.first_chunk().copied()
    }

    #[inline]
    fn byte(self, frame: u8) -> Option<u8> {
        self.data.data(frame).get(self.k).copied()
    }
}

/// So far behind a header whose length is told at `header`.
#[derive(Clone, Copy)]
pub(super) struct Behind<D> {
    pub(super) data: D,
    pub(super) header: usize,
    pub(super) k: usize,
}

impl<D: Data> Place for Behind<D> {
    #[inline]
    fn bytes<const N: usize>(self, frame: u8) -> Option<[u8; N]> {
        let data = self.data.data(frame);
        let start = self.k + header_length(data, self.header)? as usize;
        data.get(start..)?.first_chunk().copied()
    }

    #[inline]
    fn byte(self, frame: u8) -> Option<u8> {
        self.bytes::<1>(frame).map(|[byte]| byte)
    }
}

/// Frames of one block.
pub(super) struct Together<'a> {
    pub(super) block: &'a [u8],
    starts: Column,
    lengths: Column,
    shortest: usize,
}

impl<'a> Together<'a> {
    pub(super) fn new(block: &'a [u8], infos: &[FrameInfo]) -> Self {
        let (mut starts, mut lengths) = ([0; GROUP], [0; GROUP]);
        let (mut shortest, mut end) = (u32::MAX, 0);
        for ((start, length), info) in starts.iter_mut().zip(&mut lengths).zip(infos) {
            (*start, *length) = (info.offset, info.caplen);
            shortest = shortest.min(info.caplen);
            end = end.max(u64::from(info.offset) + u64::from(info.caplen));
        }
        let is_sound = end <= block.len() as u64;
        Self {
            block,
            starts,
            lengths,
            shortest: if is_sound { shortest as usize } else { 0 },
        }
    }

    /// The place `k` of each frame, if all have `reach` bytes.
    #[inline]
    pub(super) fn place(&self, k: usize, reach: usize) -> Option<Long<'_>> {
        let tail = self.block.get(k..)?;
        let starts = &self.starts;
        (reach <= self.shortest).then_some(Long { tail, starts })
    }
}

impl Data for &Together<'_> {
    #[inline]
    fn data<'a>(self, frame: u8) -> &'a [u8]
    where
        Self: 'a,
    {
        let at = usize::from(frame);
        slice(self.block, self.starts[at], self.lengths[at])
    }
}

/// A place of frames that are long enough: where they end is not asked.
#[derive(Clone, Copy)]
pub(super) struct Long<'a> {
    tail: &'a [u8],
    starts: &'a Column,
}

impl Long<'_> {
    /// Where the frames begin.
    pub(super) fn starts(&self) -> impl Iterator<Item = u32> {
        self.starts.iter().copied()
    }

    #[inline]
    pub(super) fn bytes_from<const N: usize>(self, start: u32) -> Option<[u8; N]> {
        let start = start as usize;
        self.tail.get(start..start + N)?.first_chunk().copied()
    }

    #[inline]
    pub(super) fn byte_from(self, start: u32) -> Option<u8> {
        self.tail.get(start as usize).copied()
    }
}

impl Place for Long<'_> {
    #[inline]
    fn bytes<const N: usize>(self, frame: u8) -> Option<[u8; N]> {
        self.bytes_from(self.starts[usize::from(frame)])
    }

    #[inline]
    fn byte(self, frame: u8) -> Option<u8> {
        self.byte_from(self.starts[usize::from(frame)])
    }
}

/// Frames of several blocks.
pub(super) struct Apart<'a>(pub(super) [&'a [u8]; GROUP]);

impl Data for &Apart<'_> {
    #[inline]
    fn data<'a>(self, frame: u8) -> &'a [u8]
    where
        Self: 'a,
    {
        self.0[usize::from(frame)]
    }
}
