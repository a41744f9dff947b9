//! What belongs to a thread: the processor it runs on and its network namespace.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Lets the calling thread run on processor `cpu` only.
pub(crate) fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: all zeroes is a valid cpu_set_t, and `cpu` is within its size,
    // checked above. The kernel only reads the set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        check(libc::sched_setaffinity(
            0,
            size_of::<libc::cpu_set_t>(),
            &raw const set,
        ))?;
    }
    Ok(())
}

/// Moves the calling thread into the network namespace behind `namespace`.
pub(crate) fn enter_network_namespace(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes a descriptor and a number, and touches no memory.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })?;
    Ok(())
}

const fn size_of<T>() -> usize {
    std::mem::size_of::<T>()
}
