//! A file for each source of the engine: no order has to be made among them.
//!
//! Owns which batch goes where, and the names. Each file is a [`FileSink`] of its
//! own, with its own rotation.

use super::FileSink;
use crate::pcapng::Packing;
use crate::{Account, Batch, Error, ErrorKind, Flow, Losses, Result, Sink};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The name of the file of ring `number`: `-NUMBER` goes before what follows the
/// first dot of the last part, `out.pcapng` becomes `out-0.pcapng`. A device
/// stays what it is.
///
/// # Errors
/// `Usage` for `-`, the standard output.
pub fn ring_name(path: &Path, number: usize) -> Result<PathBuf> {
    if path.as_os_str() == "-" {
        return Err(Error::new(
            ErrorKind::Usage,
            "the standard output is one file; name one with -w to have a file for each ring",
        ));
    }
    let is_device = |path: &Path| {
        let kind = path.metadata().map(|metadata| metadata.file_type());
        kind.is_ok_and(|kind| kind.is_char_device())
    };
    let (Some(name), false) = (path.file_name(), is_device(path)) else {
        return Ok(path.into());
    };
    let name = name.to_string_lossy();
    // A name may begin with a dot.
    let dot = name.char_indices().skip(1).find(|(_, c)| *c == '.');
    let (stem, rest) = name.split_at(dot.map_or(name.len(), |(at, _)| at));
    Ok(path.with_file_name(format!("{stem}-{number}{rest}")))
}

/// Writes what each source delivers to a file of its own. The sources are to be
/// kept apart: [`Order::EachByTime`](crate::engine::Order::EachByTime). If there is
/// one file only, all goes there.
pub struct PerRing {
    files: Vec<FileSink>,
}

impl PerRing {
    /// One sink for each source, in their order.
    pub fn new(files: Vec<FileSink>) -> Self {
        Self { files }
    }

    /// As [`FileSink::preflight`].
    ///
    /// # Errors
    /// The same.
    pub fn preflight(&self) -> Result<()> {
        self.files.iter().try_for_each(FileSink::preflight)
    }
}

/// What the source of one file has counted, if that is not all.
fn part(account: &Account, number: usize, files: usize) -> Account {
    let source = account.sources.get(number).filter(|_| files > 1);
    let Some(source) = source else {
        return account.clone();
    };
    Account {
        received: source.received,
        filtered: source.filtered,
        delivered: source
            .received
            .saturating_sub(source.filtered + source.lost.after_tap()),
        lost: source.lost,
        freezes: source.freezes,
        sources: vec![source.clone()],
        ..Account::default()
    }
}

impl Sink for PerRing {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        let missing = || Error::new(ErrorKind::Internal, "a batch of a ring that has no file");
        let number = match self.files.len() {
            1 => 0,
            _ => batch.source as usize,
        };
        let file = self.files.get_mut(number);
        file.ok_or_else(missing)?.write(batch)
    }

    fn tick(&mut self, now_ns: u64, account: &Account) -> Result<Flow> {
        let (mut flow, files) = (Flow::Continue, self.files.len());
        for (number, file) in self.files.iter_mut().enumerate() {
            if file.tick(now_ns, &part(account, number, files))? == Flow::Stop {
                flow = Flow::Stop;
            }
        }
        Ok(flow)
    }

    /// All are finished, whatever becomes of the first.
    fn finish(&mut self, account: &Account) -> Result<()> {
        let (mut result, files) = (Ok(()), self.files.len());
        for (number, file) in self.files.iter_mut().enumerate() {
            result = result.and(file.finish(&part(account, number, files)));
        }
        result
    }

    /// All files are of one format.
    fn packing(&self) -> Option<Packing> {
        self.files.first()?.packing()
    }

    fn surplus(&self) -> u64 {
        self.files.iter().map(Sink::surplus).sum()
    }

    fn losses(&self) -> Losses {
        let mut losses = Losses::default();
        for file in &self.files {
            losses.add(&file.losses());
        }
        losses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_before_the_first_dot() {
        let name = |path| ring_name(Path::new(path), 1).unwrap();
        for (path, expected) in [
            ("out.pcapng", "out-1.pcapng"),
            ("a.b/out", "a.b/out-1"),
            ("/tmp/x.pcapng.zst", "/tmp/x-1.pcapng.zst"),
            ("x-%H.pcap", "x-%H-1.pcap"),
            (".hidden.cap", ".hidden-1.cap"),
            ("/dev/null", "/dev/null"),
        ] {
            assert_eq!(name(path), Path::new(expected));
        }
        assert!(ring_name(Path::new("-"), 0).is_err());
    }
}
