//! All unsafe code of pktrail: system calls behind safe functions.
//!
//! Owns the packet socket, the mapped ring and its leases, and the few calls
//! that no crate wraps. Owns no policy: what to ask of the kernel, and what to
//! say when it refuses, is decided by the callers.
#![allow(unsafe_code)]

pub(crate) mod bpf;
#[cfg(feature = "trace")]
pub(crate) mod bpf_ring;
#[cfg(feature = "trace")]
pub(crate) mod bpf_trace;
pub(crate) mod file;
pub(crate) mod ifreq;
pub(crate) mod packet;
pub(crate) mod prefetch;
pub(crate) mod resolve;
pub(crate) mod ring;
pub(crate) mod thread;
pub(crate) mod xdp_run;

use std::io;

/// The result of a system call that says -1 for failure.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The size of `T` as system calls take it.
#[allow(clippy::cast_possible_truncation)]
const fn size_of<T>() -> libc::socklen_t {
    std::mem::size_of::<T>() as libc::socklen_t
}
