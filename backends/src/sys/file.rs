//! What std does not offer for files and processes.

use super::check;
use std::ffi::CString;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Closes `fd`, and says what close(2) said: on network file systems and under
/// quotas, the first word of lost data.
pub(crate) fn close(fd: OwnedFd) -> io::Result<()> {
    // SAFETY: the descriptor was owned and is given up here, so that nobody
    // else closes or uses it; `OwnedFd` established that it is open.
    match unsafe { libc::close(fd.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether writes to the file go past the page cache (O_DIRECT). Some file
/// systems refuse that with EINVAL.
pub(crate) fn set_direct(file: BorrowedFd<'_>, direct: bool) -> io::Result<()> {
    let fd = file.as_raw_fd();
    // SAFETY: fcntl(2) with these commands reads numbers only; the descriptor is
    // open, since it is borrowed.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    let flags = match direct {
        true => flags | libc::O_DIRECT,
        false => flags & !libc::O_DIRECT,
    };
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) }).map(drop)
}

/// Says whether the kernel has met an error since `file` was opened when it brought
/// to the disk what was written, and waits for what it is bringing there right now.
/// It begins nothing: what is only in the page cache stays there.
pub(crate) fn written_back(file: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE;
    // SAFETY: sync_file_range(2) reads numbers only; the descriptor is open, since
    // it is borrowed.
    check(unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, flags) }).map(drop)
}

/// Gives a file a second name, or its first: `from` may be a link in /proc that
/// leads to it.
pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (from, to) = (text(from)?, text(to)?);
    // SAFETY: linkat(2) reads the two strings, which end with a zero and live until
    // it returns.
    check(unsafe {
        libc::linkat(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::AT_SYMLINK_FOLLOW,
        )
    })
    .map(drop)
}

/// Gives a process the lowest priority.
pub(crate) fn be_nice(pid: u32) -> io::Result<()> {
    // SAFETY: setpriority(2) reads its three numbers and no memory; the kernel
    // checks them.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, pid, 19) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets a write beyond the limit on file sizes fail with EFBIG, instead of
/// ending the process with SIGXFSZ.
pub(crate) fn ignore_file_size_signal() {
    // SAFETY: to ignore a signal installs no code that could run; the call
    // reads two numbers.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Writes what lies in several places to one place of the file, as much of it
/// as the kernel takes: how many bytes that was (pwritev(2)).
pub(crate) fn write_vectored_at(
    file: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    offset: u64,
) -> io::Result<usize> {
    let count = libc::c_int::try_from(parts.len().min(MOST_PARTS)).unwrap_or(0);
    let offset = libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `IoSlice` has the layout of iovec(3type) by its documentation, and
    // the kernel reads `count` of them, which is no more than there are, and the
    // memory that they borrow. The descriptor is open, since it is borrowed.
    let written =
        unsafe { libc::pwritev64(file.as_raw_fd(), parts.as_ptr().cast(), count, offset) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// Parts that one call takes (UIO_MAXIOV).
const MOST_PARTS: usize = 1024;
