//! Makes a damaged capture file clean, by cutting it after its last good block.

use super::input::Compression;
use crate::read::{Format, MAX_BLOCK, Reader};
use crate::{Error, ErrorKind, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What is in a capture file, and what repairing it cuts or has cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The format of the file.
    pub format: Format,
    /// Whole good blocks (pcapng), or file header and records (pcap).
    pub kept_blocks: u64,
    /// Frames in them.
    pub kept_frames: u64,
    /// Their length in bytes: the length of the repaired file.
    pub kept_bytes: u64,
    /// Bytes after them; 0 if the file is sound.
    pub cut_bytes: u64,
    /// What is wrong with the first block that is not kept; `None` if the file
    /// is sound.
    pub reason: Option<String>,
}

/// Says what [`repair`] would do, and changes nothing.
pub fn examine(path: impl AsRef<Path>) -> Result<Repair> {
    let path = path.as_ref();
    scan(path, |_, _| {})
        .map_err(|error| error.context(format!("cannot examine {}", path.display())))
}

/// Cuts a damaged capture file after its last whole good block, in place, and
/// says what it cut. A sound file is not touched.
///
/// Refused are files that are no capture files, compressed ones, and those
/// where more than a block could hold ([`MAX_BLOCK`]) that is not zeros would
/// go: that is damage in the middle, not a writer that was cut off.
pub fn repair(path: impl AsRef<Path>) -> Result<Repair> {
    repair_observed(path, |_, _| {})
}

/// The same, and tells again and again how many bytes of how many are examined.
pub fn repair_observed(path: impl AsRef<Path>, observe: impl FnMut(u64, u64)) -> Result<Repair> {
    let path = path.as_ref();
    let repaired = scan(path, observe).and_then(|found| {
        // Writing is asked for only where there is something to write.
        if found.cut_bytes > 0 {
            cut(path, &found)?;
        }
        Ok(found)
    });
    repaired.map_err(|error| error.context(format!("cannot repair {}", path.display())))
}

fn cut(path: &Path, found: &Repair) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let mut file = file.map_err(|cause| Error::io("cannot open it for writing", cause))?;
    let failed = |cause| Error::io("cannot read it", cause);
    let len = file.metadata().map_err(failed)?.len();
    if len != found.kept_bytes + found.cut_bytes {
        let what = "its length is changing: another process is writing it";
        return Err(Error::new(ErrorKind::Usage, what));
    }
    if found.cut_bytes > MAX_BLOCK as u64
        && !zeros_from(&mut file, found.kept_bytes).map_err(failed)?
    {
        let what = format!(
            "{} bytes follow the damage at offset {}, too much for the end of a capture that was \
             cut off; to keep the {} frames before it, write them to another file with -r and -w",
            found.cut_bytes, found.kept_bytes, found.kept_frames
        );
        return Err(Error::new(ErrorKind::Damaged, what));
    }
    file.set_len(found.kept_bytes)
        .and_then(|()| file.sync_all())
        .map_err(|cause| Error::io("cannot cut it", cause))
}

/// Whether there are only zeros from an offset on.
fn zeros_from(file: &mut File, offset: u64) -> std::io::Result<bool> {
    file.seek(SeekFrom::Start(offset))?;
    let mut chunk = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut chunk)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(true);
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
    }
}

/// Reads the whole file.
fn scan(path: &Path, mut observe: impl FnMut(u64, u64)) -> Result<Repair> {
    let file = &mut File::open(path).map_err(|cause| Error::io("cannot open it", cause))?;
    let failed = |cause| Error::io("cannot read it", cause);
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Usage, "it is not a regular file"));
    }
    refuse_compressed(file)?;
    let mut reader = Reader::new();
    let reason = loop {
        match reader.batch_from(file) {
            Ok(Some(_)) => observe(reader.offset(), metadata.len()),
            Ok(None) => break None,
            Err(error) if error.kind() == ErrorKind::Damaged && reader.blocks() > 0 => {
                break Some(format!("{error:#}"));
            }
            Err(error) => return Err(error),
        }
    };
    let Some(format) = reader.format() else {
        return Err(Error::new(ErrorKind::Damaged, "it is no capture file"));
    };
    // The file may have grown since.
    let len = file.metadata().map_err(failed)?.len();
    Ok(Repair {
        format,
        kept_blocks: reader.blocks(),
        kept_frames: reader.frames(),
        kept_bytes: reader.offset(),
        cut_bytes: match reason {
            Some(_) => len.saturating_sub(reader.offset()),
            None => 0,
        },
        reason,
    })
}

fn refuse_compressed(file: &mut File) -> Result<()> {
    let failed = |cause| Error::io("cannot read it", cause);
    let mut head = Vec::with_capacity(4);
    file.by_ref()
        .take(4)
        .read_to_end(&mut head)
        .map_err(failed)?;
    file.rewind().map_err(failed)?;
    match Compression::of(&head) {
        None => Ok(()),
        Some(compression) => Err(Error::new(
            ErrorKind::Unsupported {
                feature: "repairing compressed files",
                since: "",
            },
            format!(
                "it is {} data, and only plain files are repaired: decompress it first",
                compression.name()
            ),
        )),
    }
}
