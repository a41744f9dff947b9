//! Runs a decision graph on the frames of a batch, step by step instead of frame
//! by frame: each step takes the set of all frames that came to it, and divides
//! it among the steps behind it without a branch. What a processor cannot
//! foresee, which way a frame goes, then costs nothing.

mod columns;
mod goals;
mod group;
mod mask;

use super::Filter;
use crate::batch::slice;
use crate::{Batch, FrameInfo, LinkType, Marks};
use goals::Goals;
use group::{Apart, Bytes, GROUP, Group, Together};

/// How much to keep of each frame of a batch, and memory to find that out.
#[derive(Default)]
pub struct Selection {
    kept: Vec<u32>,
    goals: Goals,
}

impl Selection {
    /// For each frame of the batch how many of its bytes to keep, as
    /// [`Filter::run`] says; 0: it is rejected.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }
}

impl Filter {
    /// Runs the filter on all frames of a batch, which is faster than one by one.
    /// Frames of an interface that the batch does not know are rejected.
    pub fn select(&self, batch: &Batch, selection: &mut Selection) {
        select(batch, |_| Some(self), selection);
    }
}

/// The same with a filter for each link type; frames without one are rejected.
pub(crate) fn select<'f>(
    batch: &Batch,
    filter: impl Fn(LinkType) -> Option<&'f Filter>,
    selection: &mut Selection,
) {
    let Selection { kept, goals } = selection;
    kept.clear();
    kept.resize(batch.frames.len(), 0);
    let blocks: Vec<&[u8]> = batch.blocks.iter().map(|block| block.bytes()).collect();
    let filters: Vec<_> = (batch.interfaces.iter())
        .map(|interface| filter(interface.link_type))
        .collect();
    let of = |info: &FrameInfo| filters.get(info.interface as usize).copied().flatten();
    for (infos, kept) in batch.frames.chunks(GROUP).zip(kept.chunks_mut(GROUP)) {
        let Some(first) = infos.first() else { break };
        let block = |info: &FrameInfo| blocks.get(info.block as usize).copied();
        let differ = infos.iter().fold(0, |differ, info| {
            differ | info.interface ^ first.interface | info.block ^ first.block
        });
        let bytes = match differ {
            0 => Bytes::Together(Together::new(block(first).unwrap_or_default(), infos)),
            _ => {
                let mut each = [&[][..]; GROUP];
                for (data, info) in each.iter_mut().zip(infos) {
                    *data = slice(block(info).unwrap_or_default(), info.offset, info.caplen);
                }
                Bytes::Apart(Box::new(Apart(each)))
            }
        };
        let group = Group {
            infos,
            interfaces: &batch.interfaces,
            bytes,
        };
        // Frames that stand together and have one filter.
        let mut begin = 0;
        while let Some(first) = infos.get(begin) {
            let filter = of(first);
            let is_same = |info: &&FrameInfo| {
                of(info).map(std::ptr::from_ref) == filter.map(std::ptr::from_ref)
            };
            let rest = infos.get(begin..).unwrap_or_default();
            let end = match differ {
                0 => infos.len(),
                _ => begin + rest.iter().take_while(is_same).count(),
            };
            if let Some(filter) = filter {
                goals.filter(filter, &group, begin..end, kept);
            }
            begin = end;
        }
    }
    if filters.iter().flatten().any(|filter| filter.is_live) {
        decide_again(batch, &blocks, of, kept);
    }
}

/// Tags that were put back are rare, and each such frame is decided about without.
fn decide_again<'f>(
    batch: &Batch,
    blocks: &[&[u8]],
    of: impl Fn(&FrameInfo) -> Option<&'f Filter>,
    kept: &mut [u32],
) {
    for (info, kept) in batch.frames.iter().zip(kept) {
        if info.marks.has(Marks::VLAN_RESTORED)
            && let Some(filter) = of(info).filter(|filter| filter.is_live)
            && let Some(interface) = batch.interfaces.get(info.interface as usize)
        {
            let block = blocks.get(info.block as usize).copied().unwrap_or_default();
            *kept = filter.run(slice(block, info.offset, info.caplen), info, interface);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interface;
    use crate::filter::{NoNames, Target};
    use std::sync::Arc;

    /// Frames of 14 bytes and more with all EtherTypes and lengths that the
    /// expressions know, in two blocks, of four interfaces and one that is none.
    fn batch(interface: impl Fn(u32) -> u32, count: u32) -> Batch {
        let mut blocks = [Vec::new(), Vec::new()];
        let infos = (0..count).map(|n| {
            let block = usize::from(n % 7 == 3);
            let mut bytes = vec![n as u8; 12 + (n * n) as usize % 50];
            let kind = [0x0800u16, 0x86dd, 0x0806, 0x8100][n as usize / 3 % 4];
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, [6, 17][n as usize % 2]]);
            bytes.extend([0, 0, 10, 0, 0, n as u8, 10, 0, 0, 9, 0, n as u8, 0, 80]);
            // Places that do not lie in the block are frames without bytes.
            let offset = if n % 31 == 30 {
                1 << 20
            } else {
                blocks[block].len() as u32
            };
            blocks[block].extend_from_slice(&bytes);
            FrameInfo {
                block: block as u32,
                offset,
                caplen: (12 + n % 60).min(bytes.len() as u32),
                len: bytes.len() as u32,
                interface: interface(n),
                ..FrameInfo::default()
            }
        });
        let frames = infos.collect();
        let types = [
            LinkType::ETHERNET,
            LinkType::RAW,
            LinkType::ETHERNET,
            LinkType(147),
        ];
        let interfaces = types.map(|link_type| Interface {
            link_type,
            ..Interface::default()
        });
        Batch {
            blocks: blocks.map(|block| Arc::new(block) as _).to_vec(),
            frames,
            interfaces: Arc::new(interfaces.to_vec()),
            ..Batch::default()
        }
    }

    #[test]
    fn a_batch_is_filtered_as_its_frames_are() {
        let compile = |text: &str, link_type| {
            Filter::compile(text, &Target::new(link_type, 99), &mut NoNames).expect(text)
        };
        let mut selection = Selection::default();
        for text in [
            "",
            "ip",
            "tcp or len > 60 or ip[0] & 0xf != 5",
            "port 80 or src host 10.0.0.5",
            "not src net 10.0.0.0/28 and ip[2:2] - ip[8] > 0",
        ] {
            // Raw frames have another filter, and those of the last link type none.
            let filters = [LinkType::ETHERNET, LinkType::RAW]
                .map(|link_type| (link_type, compile(text, link_type)));
            let of = |link_type| {
                let mut known = filters.iter().filter(|(known, _)| *known == link_type);
                known.next().map(|(_, filter)| filter)
            };
            for (interface, count) in [
                ((|_| 0) as fn(u32) -> u32, 3),
                (|_| 0, 1000),
                (|n| n / 10 % 5, 700),
                (|n| n % 3, 300),
                (|_| 4, 20),
            ] {
                let batch = batch(interface, count);
                select(&batch, of, &mut selection);
                assert_eq!(selection.kept().len(), batch.frames.len());
                for (frame, kept) in batch.iter().zip(selection.kept()) {
                    let interface = batch.interface(frame.info);
                    let filter = interface.and_then(|interface| of(interface.link_type));
                    let alone = filter.zip(interface).map_or(0, |(filter, interface)| {
                        filter.run(frame.data, frame.info, interface)
                    });
                    assert_eq!(alone, *kept, "{text:?}: {frame:?}");
                }
            }
        }
    }
}
