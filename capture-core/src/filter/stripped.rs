//! Frames as the kernel had them when it took the outer VLAN tag off: a filter for an interface
//! decides about these, wherever it runs.

use super::ancillary::Subject;
use crate::{FrameInfo, LinkType, Marks};

/// A frame without the tag that was put back into it.
pub(super) struct Stripped {
    data: Vec<u8>,
    info: FrameInfo,
    tag: u16,
}

impl Stripped {
    /// `None`: no tag was put back, or it is not in the bytes that were kept.
    pub(super) fn of(subject: &Subject<'_>) -> Option<Self> {
        const TAG: usize = 4;
        if !subject.info.marks.has(Marks::VLAN_RESTORED) {
            return None;
        }
        // The tag's type stands where the protocol was, and the protocol behind the tag.
        let (protocol, tag) = match subject.interface.link_type {
            LinkType::ETHERNET => (12, 14),
            LinkType::LINUX_SLL => (14, 16),
            LinkType::LINUX_SLL2 => (0, 20),
            _ => return None,
        };
        let &[high, low, first, second] = subject.data.get(tag..tag + TAG)? else {
            return None;
        };
        let mut data = Vec::with_capacity(subject.data.len());
        data.extend_from_slice(subject.data.get(..tag)?);
        data.extend_from_slice(subject.data.get(tag + TAG..)?);
        data.get_mut(protocol..protocol + 2)?
            .copy_from_slice(&[first, second]);
        let shorter = |length: u32| length.saturating_sub(TAG as u32);
        Some(Self {
            info: FrameInfo {
                caplen: shorter(subject.info.caplen),
                len: shorter(subject.info.len),
                marks: Marks(subject.info.marks.0 & !Marks::VLAN_RESTORED.0),
                ..*subject.info
            },
            data,
            tag: u16::from_be_bytes([high, low]),
        })
    }

    pub(super) fn subject<'a>(&'a self, subject: &Subject<'a>) -> Subject<'a> {
        Subject {
            data: &self.data,
            info: &self.info,
            interface: subject.interface,
            tag: Some(self.tag),
        }
    }
}
