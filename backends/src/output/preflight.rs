//! Whether further files can be made in a folder, found out before it matters.

use crate::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

/// Makes a file beside `path` with the rights of this moment, without a trace.
///
/// # Errors
/// `Permission` and others, with what to do.
pub(super) fn check(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_unnamed(folder)
        .or_else(|_| make_named(folder))
        .map_err(|cause| {
            Error::io(
                format!(
                    "cannot make further files in {}: choose a folder in which the user that \
                 pktrail runs as may write, or another user with -Z",
                    folder.display()
                ),
                cause,
            )
        })
}

fn make_unnamed(folder: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_TMPFILE);
    options.open(folder).map(drop)
}

/// For file systems that know no unnamed files.
fn make_named(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".pktrail-{}", process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)
}
