//! Batches whose frames are packed, and files of pcap, which are packed as well.

use super::*;
use crate::pcapng::{Packer, Packing};
use crate::read::Reader;

/// Frames that carry their numbers, packed as a source does it.
fn packed(numbers: std::ops::Range<u32>, packing: Packing) -> Batch {
    let mut batch = in_a_ring(numbers);
    let mut packer = Packer::new(packing);
    let memory = Arc::get_mut(&mut batch.blocks[0]).unwrap().bytes_mut();
    for info in &batch.frames {
        let until = (info.offset + 104) as usize;
        assert!(packer.push(memory, info, until));
    }
    batch.frames.clear();
    batch.packed = Some(packer.packed());
    batch
}

#[test]
fn packed_frames_keep_their_turn_and_the_limits_of_files() {
    for packets in [None, Some(1000), Some(5000)] {
        let folder = Folder::new("packed");
        let rules = Rules {
            packets,
            ..Rules::default()
        };
        let mut sink = FileSink::open(Output {
            rules,
            ..output(folder.0.join("out"))
        })
        .unwrap();
        let packing = sink.packing().expect("pcapng can be packed");
        let mut first = 0;
        for count in [10, 3000, 1, 2500, 4000, 7, 9000] {
            let batch = packed(first..first + count, packing);
            assert_eq!(batch.count(), count as usize);
            assert_eq!(sink.write(batch).unwrap(), Flow::Continue);
            // Some have an index all the same.
            sink.write(in_a_ring(first + count..first + count + 5))
                .unwrap();
            first += count + 5;
        }
        sink.finish(&Account::default()).unwrap();
        assert_eq!(sink.losses(), Losses::default());
        let mut found = Vec::new();
        let mut names = folder.names();
        names.sort_by_key(|name| (name.len(), name.clone()));
        for name in names {
            let here = numbers(folder.0.join(&name));
            assert!(
                packets.is_none_or(|most| here.len() as u64 <= most),
                "{name}"
            );
            found.extend(here);
        }
        assert_eq!(found, all(first));
    }
}

#[test]
fn a_pcap_file_has_no_packed_batches_and_is_made_in_place() {
    let folder = Folder::new("pcap");
    let path = folder.0.join("out.pcap");
    let mut sink = FileSink::open(Output {
        format: Format::pcap(Precision::Nano, 0),
        ..output(&path)
    })
    .unwrap();
    assert_eq!(sink.packing(), None);
    let mut written = 0;
    for (turn, count) in (0..).zip([3000, 20, 4000, 5000]) {
        let batch = in_a_ring(written..written + count);
        // Somebody else looks at some blocks: those are copied.
        let kept = (turn == 2).then(|| batch.blocks.clone());
        sink.write(batch).unwrap();
        drop(kept);
        written += count;
    }
    sink.finish(&Account::default()).unwrap();
    let file = fs::read(&path).unwrap();
    let mut reader = Reader::new();
    reader.push(&file);
    let mut found = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        for frame in batch.iter() {
            let number: [u8; 4] = frame.data[14..18].try_into().unwrap();
            found.push(u32::from_be_bytes(number));
            assert_eq!(frame.data.len(), 100);
        }
    }
    assert_eq!(found, all(written));
    assert_eq!(file.len(), 24 + written as usize * 116);
}
