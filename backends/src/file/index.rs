//! Gives a finished pcapng file an index of times and flows, in place of the one
//! that it has.
//!
//! A capture writes an index of times only: what flow a frame belongs to takes
//! longer to find out than all else that is done with a frame at line rate.

use super::input::Compression;
use super::part::indexed;
use crate::pcapng::Indexer;
use crate::read::{Format, Reader};
use crate::{Batch, Error, ErrorKind, FlowKey, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How much is parsed at once: a stretch of the index is about so long.
const PIECE: usize = 256 << 10;
/// The block of statistics, which nothing refers to.
const STATISTICS: u32 = 5;

/// What is in the index of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// Frames in the file.
    pub frames: u64,
    /// Length of the index in bytes; 0 if the file is so short that it needs none.
    pub index_bytes: u64,
    /// Length of the file with its index.
    pub file_bytes: u64,
}

/// Adds an index of times and flows to a pcapng file, or replaces the one at its
/// end. Nothing else in the file changes; it is valid at every moment. `observe` is
/// told again and again how many bytes of how many are read.
///
/// # Errors
/// `Usage` for a file that is no pcapng, or whose numbers are big-endian, or that is
/// still being written; `Damaged` for one to be repaired first; `Unsupported` for a
/// compressed one.
pub fn add_index(path: impl AsRef<Path>, mut observe: impl FnMut(u64, u64)) -> Result<Indexed> {
    let path = path.as_ref();
    let mut add = || {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let mut file = opened.map_err(|cause| Error::io("cannot open it for writing", cause))?;
        let failed = |cause| Error::io("cannot read it", cause);
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Usage, "it is not a regular file"));
        }
        // What the old index is in front of is all that stays.
        let end = indexed(path).map_or(metadata.len(), |(_, index)| index.offset());
        refuse_others(&mut file)?;
        let (indexer, frames) = scan(&mut file, end, &mut observe)?;
        if file.metadata().map_err(failed)?.len() != metadata.len() {
            let what = "its length is changing: another process is writing it";
            return Err(Error::new(ErrorKind::Usage, what));
        }
        let mut block = Vec::new();
        indexer.put(end, &mut block);
        replace_end(&mut file, end, &block)
            .map_err(|cause| Error::io("cannot write its index", cause))?;
        let index_bytes = block.len() as u64;
        Ok(Indexed {
            frames,
            index_bytes,
            file_bytes: end + index_bytes,
        })
    };
    add().map_err(|error: Error| error.context(format!("cannot index {}", path.display())))
}

/// Everything but pcapng whose numbers are little-endian, as those of an index are.
fn refuse_others(file: &mut File) -> Result<()> {
    let failed = |cause| Error::io("cannot read it", cause);
    let mut head = Vec::new();
    Read::by_ref(file)
        .take(12)
        .read_to_end(&mut head)
        .map_err(failed)?;
    file.rewind().map_err(failed)?;
    if let Some(compression) = Compression::of(&head) {
        let kind = ErrorKind::Unsupported {
            feature: "an index of compressed files",
            since: "",
        };
        let name = compression.name();
        let what = format!("it is {name} data, in which nobody can seek: decompress it first");
        return Err(Error::new(kind, what));
    }
    match head.as_slice() {
        [0x0a, 0x0d, 0x0d, 0x0a, _, _, _, _, 0x4d, 0x3c, 0x2b, 0x1a] => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Usage,
            "only little-endian pcapng has a place for an index: convert it with -r and -w",
        )),
    }
}

/// Reads what is before `end`.
fn scan(file: &mut File, end: u64, observe: &mut impl FnMut(u64, u64)) -> Result<(Indexer, u64)> {
    let mut indexer = Indexer::with_flows();
    let mut reader = Reader::new();
    let mut input = file.take(end);
    let mut piece = vec![0; PIECE];
    let mut described = (0, 0);
    loop {
        let count = input.read(&mut piece);
        let count = count.map_err(|cause| Error::io("cannot read it", cause))?;
        reader.push(piece.get(..count).unwrap_or_default());
        loop {
            let begin = reader.offset();
            let batch = reader.next_batch()?;
            if let Some(batch) = &batch {
                note(&mut indexer, batch);
            }
            let now = (reader.sections().len(), reader.interfaces().len());
            if now != described {
                described = now;
                indexer.other();
            }
            indexer.written_at(begin);
            if batch.is_none() {
                break;
            }
        }
        observe(reader.offset(), end);
        if count == 0 {
            break;
        }
    }
    let ended = reader.end();
    ended.map_err(|error| error.context("pktrail repair cleans files that were cut off"))?;
    if reader.format() != Some(Format::Pcapng) {
        return Err(Error::new(ErrorKind::Damaged, "it is no pcapng file"));
    }
    Ok((indexer, reader.frames()))
}

/// Takes note of what is in a batch.
fn note(indexer: &mut Indexer, batch: &Batch) {
    if batch.notes.iter().any(|note| note.block_type != STATISTICS) {
        indexer.other();
    }
    let mut last = None;
    for frame in batch.iter() {
        indexer.frame(frame.info);
        let Some(key) = batch
            .interface(frame.info)
            .and_then(|interface| FlowKey::of(&frame, interface))
        else {
            continue;
        };
        if last != Some(key) {
            indexer.flow(&key);
            last = Some(key);
        }
    }
}

/// Cuts the file at `end` and appends `block`; if that fails, it is cut again.
fn replace_end(file: &mut File, end: u64, block: &[u8]) -> std::io::Result<()> {
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    file.write_all(block).inspect_err(|_| {
        // The first error is the one to report.
        let _ = file.set_len(end);
    })
}
