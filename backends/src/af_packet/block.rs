//! What a ring block holds: an index of its frames, or the frames packed as they
//! are to stand in a file. Owns which of the two; how a frame lies in a block is
//! known to `walk`.

use super::walk::{Found, SMALLEST_FRAME, Walker};
use pktrail_core::FrameInfo;
use pktrail_core::pcapng::{Packed, Packer, Packing, unpack};

/// A block as the kernel handed it over.
pub(super) struct Filled<'a> {
    pub(super) memory: &'a mut [u8],
    /// Where the first frame begins.
    pub(super) first: usize,
    /// How many frames there are.
    pub(super) count: u32,
    /// How many bytes of the block are used, as the kernel says.
    pub(super) bytes: usize,
    /// Frames lost before the first.
    pub(super) lost_before: u32,
}

/// What was found in it, in the order of time: either an index or packed frames.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) frames: Vec<FrameInfo>,
    pub(super) packed: Option<Packed>,
    pub(super) found: Found,
}

impl Contents {
    pub(super) fn count(&self) -> usize {
        self.packed
            .map_or(self.frames.len(), |packed| packed.frames)
    }
}

/// Reads a block, and packs its frames if that was asked for and pays.
pub(super) fn read(
    walker: &Walker,
    filled: Filled<'_>,
    packing: Option<Packing>,
    interface: impl FnMut(u32) -> u32,
) -> Contents {
    let pays = |_: &Packing| Packer::pays(filled.bytes, filled.count as usize);
    match packing.filter(pays) {
        Some(packing) => packed(walker, filled, packing, interface),
        None => indexed(walker, filled, interface),
    }
}

fn indexed(walker: &Walker, filled: Filled<'_>, interface: impl FnMut(u32) -> u32) -> Contents {
    // The count is the kernel's, but memory is never asked for on its word.
    let most = filled.memory.len() / SMALLEST_FRAME + 1;
    let mut frames = Vec::with_capacity((filled.count as usize).min(most));
    let place = (filled.first, filled.count);
    let found = walker.walk(filled.memory, place, interface, |_, info, _| {
        frames.push(info);
    });
    if let Some(first) = frames.first_mut() {
        first.lost_before = filled.lost_before;
    }
    in_order(frames, found)
}

fn packed(
    walker: &Walker,
    filled: Filled<'_>,
    packing: Packing,
    interface: impl FnMut(u32) -> u32,
) -> Contents {
    let mut packer = Packer::new(packing);
    // What cannot be packed, and all that comes after it.
    let mut rest = Vec::new();
    let mut lost_before = filled.lost_before;
    let place = (filled.first, filled.count);
    let found = walker.walk(
        filled.memory,
        place,
        interface,
        |memory, mut info, until| {
            info.lost_before = std::mem::take(&mut lost_before);
            if !rest.is_empty() || !packer.push(memory, &info, until) {
                rest.push(info);
            }
        },
    );
    let packed = packer.packed();
    if rest.is_empty() && !found.unordered {
        return Contents {
            packed: Some(packed),
            found,
            ..Contents::default()
        };
    }
    let mut frames = unpack(filled.memory, packed);
    frames.extend(rest);
    in_order(frames, found)
}

fn in_order(mut frames: Vec<FrameInfo>, found: Found) -> Contents {
    if found.unordered {
        frames.sort_by_key(|info| info.timestamp_ns);
    }
    Contents {
        frames,
        found,
        ..Contents::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::walk::{Link, MAX_CAPLEN, tests::numbered};
    use super::*;

    const PACKING: Packing = Packing {
        snaplen: MAX_CAPLEN,
    };

    /// Frames of so many bytes, the first with the first time, read both ways.
    fn both(times: &[u64], len: usize) -> [(Vec<u8>, Contents); 2] {
        [None, Some(PACKING)].map(|packing| {
            let mut memory = numbered(times, len);
            let walker = Walker {
                snaplen: MAX_CAPLEN,
                link: Link::Ethernet,
            };
            let filled = Filled {
                first: 0,
                count: times.len() as u32,
                bytes: memory.len(),
                lost_before: 9,
                memory: &mut memory,
            };
            let contents = read(&walker, filled, packing, |_| 0);
            (memory, contents)
        })
    }

    fn seen(memory: &[u8], frames: &[FrameInfo]) -> Vec<(u64, u32, Vec<u8>)> {
        let data =
            |info: &FrameInfo| memory[info.offset as usize..][..info.caplen as usize].to_vec();
        let frames = frames.iter();
        frames
            .map(|info| (info.timestamp_ns, info.lost_before, data(info)))
            .collect()
    }

    #[test]
    fn packed_frames_are_those_of_the_index() {
        let times: Vec<u64> = (1000..1400).collect();
        let [(plain, index), (memory, contents)] = both(&times, 64);
        let packed = contents.packed.expect("small frames are packed");
        assert_eq!((contents.count(), index.count()), (400, 400));
        assert!(contents.frames.is_empty());
        assert_eq!(packed.times, (1000, 1399));
        let frames = unpack(&memory, packed);
        assert_eq!(seen(&memory, &frames), seen(&plain, &index.frames));
        assert_eq!(frames[0].lost_before, 9);
    }

    #[test]
    fn long_frames_stay_where_they_are() {
        let [_, (_, contents)] = both(&[1, 2, 3], 1000);
        assert_eq!((contents.packed, contents.frames.len()), (None, 3));
    }

    #[test]
    fn frames_in_disorder_get_an_index() {
        let [(plain, index), (memory, contents)] = both(&[5, 7, 6, 8], 64);
        assert!(contents.packed.is_none());
        assert_eq!(seen(&memory, &contents.frames), seen(&plain, &index.frames));
        assert_eq!(contents.frames[1].timestamp_ns, 6);
    }
}
