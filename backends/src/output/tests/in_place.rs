//! Memory of a ring's block that is written where it lies.

use super::*;
use crate::Block;

/// The memory of a block, which shows at its end what has become of it.
struct Shown {
    memory: memmap2::MmapMut,
    at_its_end: Arc<Mutex<Vec<u8>>>,
}

impl Block for Shown {
    fn bytes(&self) -> &[u8] {
        &self.memory
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        *self.at_its_end.lock().unwrap() = self.memory.to_vec();
    }
}

#[test]
fn a_block_of_memory_becomes_a_part_of_the_file_where_it_lies() {
    let folder = Folder::new("in-place");
    let path = folder.0.join("out");
    let mut sink = FileSink::open(output(&path)).unwrap();
    sink.write(in_a_ring(0..1)).unwrap();
    let mut batch = in_a_ring(1..4001);
    let mut memory = memmap2::MmapMut::map_anon(1 << 20).unwrap();
    let frames = batch.blocks[0].bytes();
    memory[..frames.len()].copy_from_slice(frames);
    let at_its_end = Arc::default();
    batch.blocks = vec![Arc::new(Shown {
        memory,
        at_its_end: Arc::clone(&at_its_end),
    })];
    sink.write(batch).unwrap();
    sink.finish(&Account::default()).unwrap();
    assert_eq!(numbers(&path), (0..4001).collect::<Vec<_>>());
    let block = at_its_end.lock().unwrap();
    let first = u32::from_le_bytes(*block.first_chunk().expect("a word"));
    let kinds = [6, 0x8050_4144];
    assert!(kinds.contains(&first), "{first:#x}: packet or padding");
    // It went past the page cache, so it begins where a page does.
    let file = fs::read(&path).unwrap();
    let mut pages = (0..file.len()).step_by(4096);
    let at = pages.find(|at| file[*at..].starts_with(&block[..400_000]));
    assert!(at.is_some(), "the block is not in the file");
}
