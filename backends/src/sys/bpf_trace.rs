//! bpf(2) for programs that run at functions of the kernel: loading one for a function, and
//! attaching it with a number that it is told.
//!
//! Owns the layouts of `union bpf_attr` (include/uapi/linux/bpf.h) for that.

use super::bpf::{PROGRAM_LOAD, descriptor};
use libbpf_rs::libbpf_sys::bpf_insn;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const LINK_CREATE: libc::c_int = 28;
const BTF_GET_FD_BY_ID: libc::c_int = 19;

/// `BPF_PROG_TYPE_KPROBE`, `BPF_PROG_TYPE_TRACING` and `BPF_PROG_TYPE_NETFILTER`.
pub(crate) const PROGRAM_KPROBE: u32 = 2;
pub(crate) const PROGRAM_TRACING: u32 = 26;
pub(crate) const PROGRAM_NETFILTER: u32 = 32;
/// Of `enum bpf_attach_type`.
pub(crate) const ATTACH_FENTRY: u32 = 24;
pub(crate) const ATTACH_FEXIT: u32 = 25;
pub(crate) const ATTACH_KPROBE_MULTI: u32 = 42;
pub(crate) const ATTACH_NETFILTER: u32 = 45;

/// What a program is loaded for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purpose<'a> {
    pub(crate) program_type: u32,
    pub(crate) attach_type: u32,
    /// The type's number of the function.
    pub(crate) function: u32,
    /// The types of the module that has it.
    pub(crate) module: Option<BorrowedFd<'a>>,
}

/// The part for BPF_PROG_LOAD, as far as it is needed.
#[repr(C)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    licence: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
    btf: u32,
    function_info_size: u32,
    function_info: u64,
    function_info_count: u32,
    line_info_size: u32,
    line_info: u64,
    line_info_count: u32,
    function: u32,
    module: u32,
    unused: u32,
}

/// The part for BPF_LINK_CREATE with a tracing program.
#[repr(C)]
struct LinkTracing {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    target_function: u32,
    unused: u32,
    cookie: u64,
}

/// The part for BPF_LINK_CREATE with a program for many functions.
#[repr(C)]
struct LinkMany {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    how: u32,
    count: u32,
    names: u64,
    addresses: u64,
    cookies: u64,
}

/// The part for BPF_BTF_GET_FD_BY_ID.
#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// Loads a program; what it refers to (maps) is numbers of descriptors in `instructions`.
pub(crate) fn load_for(purpose: Purpose<'_>, instructions: &[bpf_insn]) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    for (to, from) in name.iter_mut().zip(b"pktrail_fn") {
        *to = *from;
    }
    let mut attribute = ProgramLoad {
        program_type: purpose.program_type,
        instruction_count: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        instructions: instructions.as_ptr() as u64,
        licence: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name,
        interface: 0,
        attach_type: purpose.attach_type,
        btf: 0,
        function_info_size: 0,
        function_info: 0,
        function_info_count: 0,
        line_info_size: 0,
        line_info: 0,
        line_info_count: 0,
        function: purpose.function,
        module: purpose
            .module
            .map_or(0, |fd| fd.as_raw_fd().cast_unsigned()),
        unused: 0,
    };
    // SAFETY: `ProgramLoad` is the head of that part of the union; the addresses are of
    // `instructions` with its own length and of a C string, both alive here.
    unsafe { descriptor(PROGRAM_LOAD, &mut attribute) }
}

/// Whether the kernel takes a program that does nothing for this purpose.
pub(crate) fn is_taken(purpose: Purpose<'_>) -> io::Result<()> {
    // What a netfilter program returns must be a verdict.
    let accept = i32::from(purpose.program_type == PROGRAM_NETFILTER);
    load_for(purpose, &nothing(accept)).map(drop)
}

/// Instructions that only return `value`.
fn nothing(value: i32) -> [bpf_insn; 2] {
    let set = bpf_insn {
        code: 0xb4,
        imm: value,
        ..bpf_insn::default()
    };
    let exit = bpf_insn {
        code: 0x95,
        ..bpf_insn::default()
    };
    [set, exit]
}

/// Runs a tracing program at the entry (`ATTACH_FENTRY`) or exit of its function until the
/// descriptor is closed. It is told `cookie`.
pub(crate) fn link_function(
    program: BorrowedFd<'_>,
    attach_type: u32,
    cookie: u64,
) -> io::Result<OwnedFd> {
    let mut attribute = LinkTracing {
        program: program.as_raw_fd().cast_unsigned(),
        target: 0,
        attach_type,
        flags: 0,
        target_function: 0,
        unused: 0,
        cookie,
    };
    // SAFETY: `LinkTracing` is that part of the union, without addresses; the command returns a
    // new descriptor.
    unsafe { descriptor(LINK_CREATE, &mut attribute) }
}

/// Runs a program at all functions of these names until the descriptor is closed. At each it is
/// told the cookie of the same place.
pub(crate) fn link_functions(
    program: BorrowedFd<'_>,
    functions: &[(CString, u64)],
) -> io::Result<OwnedFd> {
    let names: Vec<*const libc::c_char> = functions.iter().map(|(name, _)| name.as_ptr()).collect();
    let cookies: Vec<u64> = functions.iter().map(|(_, cookie)| *cookie).collect();
    let mut attribute = LinkMany {
        program: program.as_raw_fd().cast_unsigned(),
        target: 0,
        attach_type: ATTACH_KPROBE_MULTI,
        flags: 0,
        how: 0,
        count: u32::try_from(functions.len()).map_err(io::Error::other)?,
        names: names.as_ptr() as u64,
        addresses: 0,
        cookies: cookies.as_ptr() as u64,
    };
    // SAFETY: `LinkMany` is that part of the union; its addresses are of `count` C strings and
    // `count` numbers, which are alive here. The command returns a new descriptor.
    unsafe { descriptor(LINK_CREATE, &mut attribute) }
}

/// Whether the kernel lets one link run a program at many functions, tried at `function`. It may
/// take the program and refuse that (CONFIG_FPROBE).
pub(crate) fn are_many_taken(function: &CStr) -> io::Result<()> {
    let purpose = Purpose {
        program_type: PROGRAM_KPROBE,
        attach_type: ATTACH_KPROBE_MULTI,
        ..Purpose::default()
    };
    let program = load_for(purpose, &nothing(0))?;
    link_functions(program.as_fd(), &[(function.to_owned(), 0)]).map(drop)
}

/// The types of a module, by the kernel's number for them.
pub(crate) fn types_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attribute = ById {
        id,
        next: 0,
        flags: 0,
    };
    // SAFETY: `ById` is that part of the union, without addresses; the command returns a new
    // descriptor.
    unsafe { descriptor(BTF_GET_FD_BY_ID, &mut attribute) }
}
