//! bpf(2): loads small programs written as instructions, and reads maps.
//!
//! Owns the call itself and the layouts of `union bpf_attr`
//! (include/uapi/linux/bpf.h). Knows nothing of what a program does; programs
//! compiled from C are loaded by libbpf, not here.

use pktrail_core::{Error, ErrorKind, Result};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `BPF_PROG_TYPE_SOCKET_FILTER`.
#[allow(
    dead_code,
    reason = "for programs that choose a member of a fanout group"
)]
pub(crate) const PROGRAM_SOCKET_FILTER: u32 = 1;
/// `BPF_PROG_TYPE_SCHED_CLS`: tc.
pub(crate) const PROGRAM_TC: u32 = 3;
/// `BPF_PROG_TYPE_XDP`.
pub(crate) const PROGRAM_XDP: u32 = 6;
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
pub(crate) const PROGRAM_RAW_TRACEPOINT: u32 = 17;

const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const MAP_UPDATE: libc::c_int = 2;
pub(super) const PROGRAM_LOAD: libc::c_int = 5;
const MAP_TYPE_ARRAY: u32 = 2;
/// The verifier's words are kept up to this many bytes.
const LOG_BYTES: usize = 64 * 1024;

/// One eBPF instruction as the kernel reads it: `opcode:8 dst:4 src:4 offset:16 imm:32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Instruction(u64);

impl Instruction {
    /// An instruction from its fields (Documentation/bpf/standardization/instruction-set.rst).
    pub(crate) const fn new(opcode: u8, dst: u8, src: u8, offset: i16, imm: i32) -> Self {
        let registers = ((src & 15) << 4) | (dst & 15);
        Self(
            opcode as u64
                | (registers as u64) << 8
                | (offset.cast_unsigned() as u64) << 16
                | (imm.cast_unsigned() as u64) << 32,
        )
    }
}

/// The head of the part of `union bpf_attr` for BPF_MAP_CREATE; the kernel takes
/// what lies beyond the given size as zero, here and below.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// The part for BPF_MAP_*_ELEM.
#[repr(C)]
struct MapElement {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The head of the part for BPF_PROG_LOAD.
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
}

/// The part for BPF_LINK_CREATE with a netfilter program.
#[cfg(feature = "trace")]
#[repr(C)]
struct LinkNetfilter {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    family: u32,
    hook: u32,
    priority: i32,
    netfilter_flags: u32,
}

/// `BPF_NETFILTER` of `enum bpf_attach_type`.
#[cfg(feature = "trace")]
const ATTACH_NETFILTER: u32 = 45;
#[cfg(feature = "trace")]
const LINK_CREATE: libc::c_int = 28;

/// Runs a netfilter program at a hook of the caller's network namespace, until the descriptor
/// is closed.
#[cfg(feature = "trace")]
pub(crate) fn link_netfilter(
    program: BorrowedFd<'_>,
    family: u32,
    hook: u32,
    priority: i32,
) -> io::Result<OwnedFd> {
    let mut attribute = LinkNetfilter {
        program: program.as_raw_fd().cast_unsigned(),
        target: 0,
        attach_type: ATTACH_NETFILTER,
        flags: 0,
        family,
        hook,
        priority,
        netfilter_flags: 0,
    };
    // SAFETY: `LinkNetfilter` is the part of `union bpf_attr` for BPF_LINK_CREATE and has no
    // addresses; the command returns a new descriptor.
    unsafe { descriptor(LINK_CREATE, &mut attribute) }
}

/// Where a program is attached to a device.
#[cfg(feature = "trace")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// Traffic control of received frames, before all other programs there.
    Ingress,
    /// Traffic control of frames to be sent, before all other programs there.
    Egress,
    /// XDP in its generic mode, in which the driver is not changed. Not if there is a program.
    Xdp,
}

/// The part for BPF_LINK_CREATE with a program at a device. What an XDP program does not have is
/// zero.
#[cfg(feature = "trace")]
#[repr(C)]
struct LinkDevice {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
    relative: u32,
    unused: u32,
    revision: u64,
}

/// Runs a program at the device of this number in the caller's network namespace, until the
/// descriptor is closed.
#[cfg(feature = "trace")]
pub(crate) fn link_device(
    program: BorrowedFd<'_>,
    interface: u32,
    at: Device,
) -> io::Result<OwnedFd> {
    // BPF_TCX_INGRESS, BPF_TCX_EGRESS, BPF_XDP; BPF_F_BEFORE, XDP_FLAGS_SKB_MODE.
    let (attach_type, flags) = match at {
        Device::Ingress => (46, 1 << 3),
        Device::Egress => (47, 1 << 3),
        Device::Xdp => (37, 1 << 1),
    };
    let mut attribute = LinkDevice {
        program: program.as_raw_fd().cast_unsigned(),
        interface,
        attach_type,
        flags,
        relative: 0,
        unused: 0,
        revision: 0,
    };
    // SAFETY: `LinkDevice` is the part of `union bpf_attr` for BPF_LINK_CREATE and has no
    // addresses; the command returns a new descriptor.
    unsafe { descriptor(LINK_CREATE, &mut attribute) }
}

/// Calls bpf(2). What it returns is a descriptor for the commands that make one.
///
/// # Safety
/// `T` is `repr(C)`, without unnamed padding, and laid out as the part of
/// `union bpf_attr` that `command` reads; every address in it is valid, for
/// reading or writing as the command does, for the length that goes with it.
pub(super) unsafe fn call<T>(command: libc::c_int, attribute: &mut T) -> io::Result<i64> {
    // SAFETY: `attribute` is a live exclusive reference of that size; its layout
    // and addresses are the caller's promise.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attribute),
            size_of::<T>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// # Safety
/// As [`call`], and `command` is one that returns a new descriptor.
pub(super) unsafe fn descriptor<T>(command: libc::c_int, attribute: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise is the same.
    let fd = unsafe { call(command, attribute) }?;
    let fd = libc::c_int::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the descriptor is new, by the caller's choice of command, so nothing owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Loads a program of `program_type`. `name` is what bpftool shows, 15 bytes of
/// it at most.
///
/// # Errors
/// `Permission` without CAP_BPF (or CAP_SYS_ADMIN); otherwise what the verifier
/// said, in the chain of the error.
pub(crate) fn load(program_type: u32, name: &str, program: &[Instruction]) -> Result<OwnedFd> {
    let mut short_name = [0; 16];
    for (to, from) in short_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    let count = u32::try_from(program.len())
        .map_err(|_| Error::new(ErrorKind::Usage, "a BPF program of over 2^32 instructions"))?;
    let mut attribute = ProgramLoad {
        program_type,
        instruction_count: count,
        instructions: program.as_ptr() as u64,
        licence: c"Dual MIT/GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: short_name,
    };
    // SAFETY: `ProgramLoad` is the head of that part of the union; the addresses
    // are of `program` with its own length and of a C string, both alive here.
    let first = match unsafe { descriptor(PROGRAM_LOAD, &mut attribute) } {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    // Once more for the log: asking for it at first would cost every good load.
    let mut log = vec![0u8; LOG_BYTES];
    attribute.log_level = 1;
    attribute.log_size = LOG_BYTES as u32;
    attribute.log = log.as_mut_ptr() as u64;
    // SAFETY: as above, and the log is a live buffer of the length given.
    if let Ok(program) = unsafe { descriptor(PROGRAM_LOAD, &mut attribute) } {
        return Ok(program);
    }
    let said: Vec<u8> = log.into_iter().take_while(|byte| *byte != 0).collect();
    let mut error = Error::io(format!("bpf(BPF_PROG_LOAD) for `{name}`"), first);
    if !said.is_empty() {
        error = error.context(String::from_utf8_lossy(&said).trim_end().to_owned());
    }
    Err(error.context(format!("the kernel refuses the BPF program `{name}`")))
}

/// A 64-bit number that a program counts in: an array map of one entry.
#[derive(Debug)]
pub(crate) struct Counter(OwnedFd);

impl Counter {
    /// A counter at zero.
    pub(crate) fn new() -> Result<Self> {
        let mut attribute = MapCreate {
            map_type: MAP_TYPE_ARRAY,
            key_size: 4,
            value_size: 8,
            max_entries: 1,
        };
        // SAFETY: `MapCreate` is the head of that part of the union, without addresses.
        unsafe { descriptor(MAP_CREATE, &mut attribute) }
            .map(Self)
            .map_err(|error| Error::io("bpf(BPF_MAP_CREATE) for a counter", error))
    }

    /// The number.
    pub(crate) fn get(&self) -> Result<u64> {
        let key = 0u32;
        let mut value = 0u64;
        let mut attribute = MapElement {
            map: self.0.as_raw_fd().cast_unsigned(),
            pad: 0,
            key: std::ptr::from_ref(&key) as u64,
            value: std::ptr::from_mut(&mut value) as u64,
            flags: 0,
        };
        // SAFETY: `MapElement` is that part of the union; `key` and `value` are
        // live locals of the sizes that `new` gave the map.
        unsafe { call(MAP_LOOKUP, &mut attribute) }
            .map_err(|error| Error::io("bpf(BPF_MAP_LOOKUP_ELEM) of a counter", error))?;
        // SAFETY: `value` is a live local; read through a pointer because the
        // kernel wrote it behind the compiler's back.
        Ok(unsafe { std::ptr::read_volatile(&raw const value) })
    }

    /// The two instructions that put the address of the number into `register`.
    pub(crate) fn address_into(&self, register: u8) -> [Instruction; 2] {
        address_into(&self.0, register)
    }
}

/// Bytes that a program can read and write: an array map of one entry.
#[derive(Debug)]
pub(crate) struct Shared {
    map: OwnedFd,
    size: usize,
}

impl Shared {
    /// `size` bytes, all zero.
    pub(crate) fn new(size: usize) -> Result<Self> {
        let value_size = u32::try_from(size)
            .map_err(|_| Error::new(ErrorKind::Usage, "a BPF map of over 2^32 bytes"))?;
        let mut attribute = MapCreate {
            map_type: MAP_TYPE_ARRAY,
            key_size: 4,
            value_size,
            max_entries: 1,
        };
        // SAFETY: `MapCreate` is the head of that part of the union, without addresses.
        let map = unsafe { descriptor(MAP_CREATE, &mut attribute) }
            .map_err(|error| Error::io("bpf(BPF_MAP_CREATE) for shared bytes", error))?;
        Ok(Self { map, size })
    }

    /// Replaces all bytes by `bytes` and zeros behind them.
    ///
    /// # Errors
    /// `Usage` if `bytes` are more than there is room for.
    pub(crate) fn set(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() > self.size {
            let what = format!("{} bytes for a BPF map of {}", bytes.len(), self.size);
            return Err(Error::new(ErrorKind::Usage, what));
        }
        let mut value = bytes.to_vec();
        value.resize(self.size, 0);
        let key = 0u32;
        let mut attribute = MapElement {
            map: self.map.as_raw_fd().cast_unsigned(),
            pad: 0,
            key: std::ptr::from_ref(&key) as u64,
            value: value.as_ptr() as u64,
            flags: 0,
        };
        // SAFETY: `MapElement` is that part of the union; `key` is a live local and `value` a live
        // buffer, of the sizes that `new` gave the map. The kernel only reads both.
        unsafe { call(MAP_UPDATE, &mut attribute) }
            .map(drop)
            .map_err(|error| Error::io("bpf(BPF_MAP_UPDATE_ELEM) of shared bytes", error))
    }

    /// The two instructions that put the address of the bytes into `register`.
    pub(crate) fn address_into(&self, register: u8) -> [Instruction; 2] {
        address_into(&self.map, register)
    }
}

fn address_into(map: &OwnedFd, register: u8) -> [Instruction; 2] {
    /// `BPF_LD | BPF_DW | BPF_IMM` with source 2: the address of a map's value.
    const LOAD_WIDE: u8 = 0x18;
    const MAP_VALUE: u8 = 2;
    [
        Instruction::new(LOAD_WIDE, register, MAP_VALUE, 0, map.as_raw_fd()),
        Instruction::new(0, 0, 0, 0, 0),
    ]
}

/// A program's number for the commands that take one.
pub(super) fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_lies_in_memory_as_the_kernel_reads_it() {
        // r9 = *(u32 *)(r10 - 4), and its fields in the order of `struct bpf_insn`.
        let bytes = Instruction::new(0x61, 9, 10, -4, 7).0.to_le_bytes();
        assert_eq!(bytes, [0x61, 0xa9, 0xfc, 0xff, 7, 0, 0, 0]);
    }
}
