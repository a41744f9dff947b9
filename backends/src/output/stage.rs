//! Memory in which small things are gathered until they are worth a write. It
//! begins where a page does, so that it can go to the disk past the page cache
//! as a block of a ring can, and it is used again when it has been written.

use super::direct::UNIT;
use crate::{Block, pcapng};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;

/// Bytes collected for one write(2).
pub(super) const ENOUGH: usize = 1 << 20;
/// Most memories on their way to the disk.
const MOST_LENT: usize = 4;

/// What is gathered, and where its memory comes from.
pub(super) struct Stage {
    memory: Memory,
    back: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
    /// Memories that were made.
    made: usize,
}

impl Stage {
    pub(super) fn new() -> Self {
        let back = bounded(MOST_LENT + 1);
        Self {
            memory: Memory::over(Vec::new(), &back.0),
            back,
            made: 1,
        }
    }

    /// To append to.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.memory.bytes
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.memory
            .bytes
            .get(self.memory.from..)
            .unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.memory.bytes.len() - self.memory.from
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn clear(&mut self) {
        self.memory.bytes.truncate(self.memory.from);
    }

    /// Lends the memory out, with a padding block behind what was gathered: how
    /// much is to be written of it, a multiple of [`UNIT`]. `None` if it had to
    /// grow so much that it lies somewhere else; then it is as it was.
    pub(super) fn lend(&mut self) -> Option<(Arc<dyn Block>, usize)> {
        let (len, from) = (self.len(), self.memory.from);
        self.memory.bytes.resize(from + len + 2 * UNIT, 0);
        let padded = match self.memory.is_aligned() {
            true => pcapng::pad_to(UNIT, len, self.memory.bytes_mut()),
            false => None,
        };
        let Some(padded) = padded else {
            self.memory.bytes.truncate(from + len);
            return None;
        };
        let next = self.next();
        let lent = std::mem::replace(&mut self.memory, next);
        Some((Arc::new(lent), padded))
    }

    /// Memory that nobody uses; waits for it if too much is lent.
    fn next(&mut self) -> Memory {
        let (to, from) = &self.back;
        let used = match self.made > MOST_LENT {
            // This holds a sender itself, so there is no other error than none.
            true => from.recv().unwrap_or_default(),
            false => from.try_recv().unwrap_or_else(|_| {
                self.made += 1;
                Vec::new()
            }),
        };
        Memory::over(used, to)
    }
}

/// Goes back to where it came from when it is dropped.
struct Memory {
    bytes: Vec<u8>,
    /// Where the first page in it begins.
    from: usize,
    back: Sender<Vec<u8>>,
}

impl Memory {
    fn over(mut bytes: Vec<u8>, back: &Sender<Vec<u8>>) -> Self {
        bytes.clear();
        bytes.reserve(ENOUGH + ENOUGH / 4 + 3 * UNIT);
        let from = bytes.as_ptr().align_offset(UNIT).min(UNIT);
        bytes.resize(from, 0);
        Self {
            bytes,
            from,
            back: back.clone(),
        }
    }

    fn is_aligned(&self) -> bool {
        self.bytes().as_ptr().align_offset(UNIT) == 0
    }
}

impl Block for Memory {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.from..).unwrap_or_default()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // There is room for all that were made, as long as anybody takes them.
        let _ = self.back.try_send(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_begins_at_a_page_and_comes_back() {
        let mut stage = Stage::new();
        let mut lent = Vec::new();
        for round in 0..3 * MOST_LENT {
            pcapng::padding(20, stage.out());
            assert_eq!(stage.len(), 20);
            let (block, len) = stage.lend().unwrap();
            assert_eq!((len, block.bytes().as_ptr() as usize % UNIT), (UNIT, 0));
            assert_eq!(block.bytes()[4..8], [20, 0, 0, 0]);
            assert_eq!(block.bytes()[24..28], (UNIT as u32 - 20).to_le_bytes());
            assert!(stage.is_empty());
            lent.push(block);
            if round + 1 >= MOST_LENT {
                lent.remove(0);
            }
        }
        assert_eq!(stage.made, MOST_LENT + 1);
    }

    #[test]
    fn more_than_there_is_room_for_is_not_lent() {
        let mut stage = Stage::new();
        let odd = vec![7; 3 * ENOUGH + 1];
        stage.out().extend_from_slice(&odd);
        // Where it lies now is a matter of luck.
        if let Some((block, _)) = stage.lend() {
            assert_eq!(block.bytes()[..odd.len()], odd);
        } else {
            assert_eq!(stage.as_slice(), odd);
        }
    }
}
