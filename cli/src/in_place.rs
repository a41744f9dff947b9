//! The commands that change capture files in place: `repair` and `index`.

use crate::{print_either, report, run};
use pktrail::Result;
use pktrail::file::{self, Indexed, Repair};
use pktrail::read::Format;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// `repair FILE …`: makes damaged files clean.
pub(crate) fn repair(paths: &[PathBuf], is_json: bool) -> Result<ExitCode> {
    let work = |path: &Path, shown: &mut Shown| {
        file::repair_observed(path, |done, size| shown.tell(done, size))
    };
    each(paths, is_json, work, repaired_json, repaired)
}

/// `index FILE …`: adds an index of times and flows.
pub(crate) fn index(paths: &[PathBuf], is_json: bool) -> Result<ExitCode> {
    let work =
        |path: &Path, shown: &mut Shown| file::add_index(path, |done, size| shown.tell(done, size));
    each(paths, is_json, work, indexed_json, indexed)
}

/// Works on one file after the other, and says what became of it. One where that
/// fails does not keep the others from it.
fn each<T>(
    paths: &[PathBuf],
    is_json: bool,
    work: impl Fn(&Path, &mut Shown) -> Result<T>,
    json: fn(&Path, &T) -> Value,
    text: fn(&Path, &T) -> String,
) -> Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for path in paths {
        let mut shown = Shown::new(is_json);
        let done = work(path, &mut shown);
        shown.end();
        match done {
            Ok(done) => {
                print_either(is_json, || json(path, &done), || text(path, &done))?;
            }
            Err(error) => {
                report::error(&error);
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}

/// How far a file is examined, on a terminal.
struct Shown {
    next: Option<Instant>,
    is_there: bool,
}

impl Shown {
    fn new(is_json: bool) -> Self {
        let wanted = !is_json && io::stderr().is_terminal();
        Self {
            next: wanted.then(|| Instant::now() + run::SHORT),
            is_there: false,
        }
    }

    fn tell(&mut self, done: u64, size: u64) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + run::PRIME_WAIT);
            self.is_there = true;
            let percent = done.saturating_mul(100).checked_div(size).unwrap_or(100);
            let _ = write!(io::stderr(), "\r{percent:3} % read ");
        }
    }

    fn end(&self) {
        if self.is_there {
            run::clear_line();
        }
    }
}

fn repaired_json(path: &Path, done: &Repair) -> Value {
    json!({
        "file": path.display().to_string(),
        "format": match done.format {
            Format::Pcap => "pcap",
            Format::Pcapng => "pcapng",
        },
        "kept_packets": done.kept_frames,
        "kept_blocks": done.kept_blocks,
        "kept_bytes": done.kept_bytes,
        "cut_bytes": done.cut_bytes,
        "reason": done.reason,
    })
}

fn repaired(path: &Path, done: &Repair) -> String {
    let name = path.display();
    let kept = format!(
        "{} packets in {} blocks",
        done.kept_frames, done.kept_blocks
    );
    match &done.reason {
        None => format!("{name}: sound, {kept}\n"),
        Some(reason) => format!(
            "{name}: kept {kept}, cut {} bytes: {reason}\n",
            done.cut_bytes
        ),
    }
}

fn indexed_json(path: &Path, done: &Indexed) -> Value {
    json!({
        "file": path.display().to_string(),
        "packets": done.frames,
        "index_bytes": done.index_bytes,
        "file_bytes": done.file_bytes,
    })
}

fn indexed(path: &Path, done: &Indexed) -> String {
    let (name, frames) = (path.display(), done.frames);
    match done.index_bytes {
        0 => format!("{name}: {frames} packets, too few to need an index\n"),
        bytes => format!("{name}: {frames} packets, index of {bytes} bytes\n"),
    }
}
