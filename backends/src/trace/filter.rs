//! Puts a filter into trace programs before libbpf reads them: the instructions of the function
//! that `filter.h` keeps room for. Nothing else of the file changes.

use object::read::elf::ElfFile64;
use object::{Object, ObjectSection, ObjectSymbol};
use pktrail_core::filter::{EbpfInstruction, SkbFilter};
use pktrail_core::{Error, ErrorKind, Result};

/// The function's name there.
const FUNCTION: &str = "packet_filter";
/// Bytes of an instruction.
const WIDTH: usize = 8;
/// The size of an entry of the table of symbols, and where it has the symbol's size
/// (`Elf64_Sym`, System V ABI).
const SYMBOL: u64 = 24;
const SYMBOL_SIZE: u64 = 16;

/// The ELF file `object`, compiled from C with `filter.h` for this machine's byte order, with
/// `filter` as its `packet_filter`. Without one, every packet matches.
///
/// # Errors
/// `Unsupported` if the filter is larger than the room; those of [`SkbFilter::function`]; and
/// `Usage` if the file has no such function.
pub fn with_filter(object: &[u8], filter: Option<&SkbFilter>) -> Result<Vec<u8>> {
    let function = match filter {
        Some(filter) => filter.function()?,
        None => accept_all(),
    };
    let place = Place::of(object).ok_or_else(|| {
        let what = format!("the trace programs have no function {FUNCTION}");
        Error::new(ErrorKind::Usage, what)
    })?;
    let size = function.len() * WIDTH;
    if size > place.room {
        let kind = ErrorKind::Unsupported {
            feature: "a filter of this size in a tracing program",
            since: "",
        };
        let what = format!(
            "the filter has {} instructions as a tracing program, where {} are possible: choose \
             packets by other flags, or a shorter list",
            function.len(),
            place.room / WIDTH
        );
        return Err(Error::new(kind, what));
    }
    let mut patched = object.to_vec();
    let bytes = function.iter().flat_map(bytes);
    for (to, byte) in patched.iter_mut().skip(place.at).zip(bytes) {
        *to = byte;
    }
    // The rest of the room belongs to no function any more, so that libbpf leaves it out.
    for (to, byte) in (patched.iter_mut().skip(place.size_at)).zip((size as u64).to_ne_bytes()) {
        *to = byte;
    }
    Ok(patched)
}

/// Where the function lies in the file, and where its size is written.
struct Place {
    at: usize,
    room: usize,
    size_at: usize,
}

impl Place {
    fn of(object: &[u8]) -> Option<Self> {
        let elf = ElfFile64::<object::Endianness>::parse(object).ok()?;
        let symbol = elf.symbol_by_name(FUNCTION)?;
        let code = elf.section_by_index(symbol.section_index()?).ok()?;
        let (code_at, code_size) = code.file_range()?;
        let (symbols_at, _) = elf.section_by_name(".symtab")?.file_range()?;
        let end = symbol.address().checked_add(symbol.size())?;
        let size_at = symbols_at + symbol.index().0 as u64 * SYMBOL + SYMBOL_SIZE;
        (end <= code_size).then_some(Self {
            at: usize::try_from(code_at + symbol.address()).ok()?,
            room: usize::try_from(symbol.size()).ok()?,
            size_at: usize::try_from(size_at).ok()?,
        })
    }
}

/// As in the kernel's `struct bpf_insn`.
fn bytes(instruction: &EbpfInstruction) -> [u8; WIDTH] {
    let EbpfInstruction {
        opcode,
        dst,
        src,
        offset,
        imm,
    } = *instruction;
    let [o0, o1] = offset.to_ne_bytes();
    let [i0, i1, i2, i3] = imm.to_ne_bytes();
    let registers = match cfg!(target_endian = "little") {
        true => src << 4 | dst,
        false => dst << 4 | src,
    };
    [opcode, registers, o0, o1, i0, i1, i2, i3]
}

/// `r0 = 1; exit`.
fn accept_all() -> Vec<EbpfInstruction> {
    let accept = EbpfInstruction {
        opcode: 0xb4,
        imm: 1,
        ..EbpfInstruction::default()
    };
    let exit = EbpfInstruction {
        opcode: 0x95,
        ..EbpfInstruction::default()
    };
    vec![accept, exit]
}
