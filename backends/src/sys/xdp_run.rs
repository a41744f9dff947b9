//! BPF_PROG_RUN: a program runs once over what it is given; and in live-frame mode, where an XDP
//! program runs over frames that go on into the network stack as if an interface had received
//! them.
//!
//! Owns the call (net/bpf/test_run.c, `bpf_test_run_xdp_live`). What the
//! program writes into the frames is the affair of [`crate::inject`].

use super::bpf;
use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;

const PROGRAM_RUN: libc::c_int = 10;
const LIVE_FRAMES: u32 = 1 << 1;

/// `struct xdp_md`.
#[repr(C)]
struct Context {
    data: u32,
    data_end: u32,
    data_meta: u32,
    ingress_interface: u32,
    receive_queue: u32,
    egress_interface: u32,
}

/// The anonymous structure for BPF_PROG_TEST_RUN in `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct Run {
    program: u32,
    return_value: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

impl Run {
    fn of(program: BorrowedFd<'_>) -> Self {
        Self {
            program: bpf::number(program),
            ..Self::default()
        }
    }
}

/// Runs `program` once over a copy of `frame`, on no interface, and returns what
/// it returned.
///
/// # Errors
/// As bpf(2): EINVAL for a frame shorter than an Ethernet header or longer than
/// a page holds.
pub(crate) fn run_once(program: BorrowedFd<'_>, frame: &[u8]) -> io::Result<u32> {
    let mut attribute = Run {
        data_size_in: u32::try_from(frame.len()).map_err(io::Error::other)?,
        data_in: frame.as_ptr() as u64,
        repeat: 1,
        ..Run::of(program)
    };
    // SAFETY: `Run` is that part of the union; its one address is of `frame`,
    // which is only read, with its own length.
    unsafe { returned(&mut attribute) }
}

/// Runs `program`, of a raw tracepoint, once with `arguments`, and returns what it returned.
///
/// # Errors
/// As bpf(2): EINVAL if the program looks at more arguments than there are.
pub(crate) fn run_tracepoint(program: BorrowedFd<'_>, arguments: &[u64; 1]) -> io::Result<u32> {
    let mut attribute = Run {
        context_size_in: size_of_val(arguments) as u32,
        context_in: arguments.as_ptr() as u64,
        ..Run::of(program)
    };
    // SAFETY: `Run` is that part of the union; its one address is of `arguments`,
    // which are only read, with their own length.
    unsafe { returned(&mut attribute) }
}

/// Runs a program, and says what it returned.
///
/// # Safety
/// The addresses in `attribute` are valid for the lengths in it.
unsafe fn returned(attribute: &mut Run) -> io::Result<u32> {
    // SAFETY: `Run` is that part of the union; its addresses are the caller's promise.
    unsafe { bpf::call(PROGRAM_RUN, attribute) }?;
    // SAFETY: `attribute` is a live reference; read through a pointer because the
    // kernel wrote it behind the compiler's back.
    Ok(unsafe { std::ptr::read_volatile(&raw const attribute.return_value) })
}

/// Runs `program` over `count` copies of `frame`, received on queue 0 of the
/// interface with index `interface` in the calling thread's namespace.
///
/// Copies are recycled without being written anew: the program must write
/// every byte that differs between frames. Returns when the stack has taken all.
///
/// # Errors
/// As bpf(2): ENODEV or EINVAL where the interface is gone, EINTR when a signal
/// came (some frames have then been sent).
pub(crate) fn run(
    program: BorrowedFd<'_>,
    frame: &[u8],
    interface: u32,
    count: u32,
    batch: u32,
) -> io::Result<()> {
    let size = u32::try_from(frame.len()).map_err(io::Error::other)?;
    let context = Context {
        data: 0,
        data_end: size,
        data_meta: 0,
        ingress_interface: interface,
        receive_queue: 0,
        egress_interface: 0,
    };
    let mut attribute = Run {
        data_size_in: size,
        data_in: frame.as_ptr() as u64,
        repeat: count,
        context_size_in: size_of::<Context>() as u32,
        context_in: std::ptr::from_ref(&context) as u64,
        flags: LIVE_FRAMES,
        batch_size: batch,
        ..Run::of(program)
    };
    // SAFETY: `Run` is that part of the union; the addresses are of `frame` and
    // `context`, alive here, and their lengths are given; nothing is written out.
    unsafe { bpf::call(PROGRAM_RUN, &mut attribute) }.map(drop)
}

/// The index of an interface in the calling thread's network namespace.
pub(crate) fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
    // SAFETY: `name` is a live C string; the call only reads it.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        index => Ok(index),
    }
}
