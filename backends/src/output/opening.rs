//! What is settled before the capture begins: the names, the file log, the
//! owner, and whether further files can be made.

use super::target::Target;
use super::{Output, ahead};
use crate::rotation::Rotation;
use crate::{Error, ErrorKind, Result};
use jiff::tz::TimeZone;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::fchown;
use std::path::Path;
use std::process;

/// The rotation that the rules ask for, if any.
pub(super) fn rotation(output: &Output) -> Result<Option<Rotation>> {
    if !output.rules.is_planned() {
        return Ok(None);
    }
    if output.path.as_os_str() == "-" {
        return Err(Error::new(
            ErrorKind::Usage,
            "the standard output cannot be rotated; name a file with -w",
        ));
    }
    let Some(pattern) = output.path.to_str() else {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "the name {} is not UTF-8, which rotation needs",
                output.path.display()
            ),
        ));
    };
    Rotation::new(output.rules.clone(), pattern, TimeZone::system()).map(Some)
}

/// Opens the file log to append to it.
pub(super) fn log(path: &Path, owner: Option<(u32, u32)>) -> Result<File> {
    let failed = |cause| {
        Error::io(
            format!("cannot open the file log {}", path.display()),
            cause,
        )
    };
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(failed)?;
    if let Some((user, group)) = owner {
        fchown(&file, Some(user), Some(group)).map_err(failed)?;
    }
    Ok(file)
}

/// Makes a file the user's, before the program becomes that user.
pub(super) fn give(target: &Target, user: u32, group: u32) -> Result<()> {
    if !target.is_regular() || target.path().as_os_str() == "-" {
        return Ok(());
    }
    fchown(target.file(), Some(user), Some(group)).map_err(|cause| {
        Error::io(
            format!("cannot give {} to user {user}", target.name()),
            cause,
        )
    })
}

/// Makes a file beside `path` with the rights of this moment, without a trace.
///
/// # Errors
/// `Permission` and others, with what to do.
pub(super) fn check_folder(path: &Path) -> Result<()> {
    let folder = ahead::folder(path);
    ahead::unnamed(folder)
        .map(drop)
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

/// For file systems that know no unnamed files.
fn make_named(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".pktrail-{}", process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)
}
