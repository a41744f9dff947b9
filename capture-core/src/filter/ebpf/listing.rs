//! eBPF for people: instructions nearly as bpftool shows them.

use super::*;
use std::fmt::{self, Write};

impl fmt::Display for EbpfInstruction {
    /// As bpftool shows it, nearly: `r0 = *(u16 *)(r6 +12)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            opcode,
            dst,
            src,
            offset,
            imm,
        } = *self;
        let is_64 = opcode & 7 == 7;
        let name = if is_64 { 'r' } else { 'w' };
        let operand = match opcode & 8 {
            0 => format!("{imm}"),
            _ => format!("{name}{src}"),
        };
        match opcode {
            EXIT => write!(f, "exit"),
            JA => write!(f, "goto {offset:+}"),
            TO_BE => write!(f, "r{dst} = be{imm} r{dst}"),
            NEG32 => write!(f, "w{dst} = -w{dst}"),
            LDX_B => write!(f, "r{dst} = *(u8 *)(r{src} {offset:+})"),
            LDX_H => write!(f, "r{dst} = *(u16 *)(r{src} {offset:+})"),
            LDX_W => write!(f, "r{dst} = *(u32 *)(r{src} {offset:+})"),
            LDX_DW => write!(f, "r{dst} = *(u64 *)(r{src} {offset:+})"),
            STX_DW => write!(f, "*(u64 *)(r{dst} {offset:+}) = r{src}"),
            CALL => write!(f, "call {imm}"),
            _ if matches!(opcode & 7, 5 | 6) => {
                let name = if opcode & 7 == 5 { 'r' } else { 'w' };
                let sign = match opcode & 0xf0 {
                    0x10 => "==",
                    0x20 => ">",
                    0x30 => ">=",
                    0x50 => "!=",
                    0xa0 => "<",
                    _ => "&",
                };
                let operand = match opcode & 8 {
                    0 => format!("{:#x}", imm.cast_unsigned()),
                    _ => format!("{name}{src}"),
                };
                write!(f, "if {name}{dst} {sign} {operand} goto {offset:+}")
            }
            _ => {
                let sign = match opcode & 0xf0 {
                    0x00 => "+=",
                    0x10 => "-=",
                    0x20 => "*=",
                    0x30 => "/=",
                    0x40 => "|=",
                    0x50 => "&=",
                    0x60 => "<<=",
                    0x70 => ">>=",
                    0x90 => "%=",
                    0xa0 => "^=",
                    _ => "=",
                };
                write!(f, "{name}{dst} {sign} {operand}")
            }
        }
    }
}

/// A line for each instruction, with its number.
pub fn ebpf_listing(program: &[EbpfInstruction]) -> String {
    let mut out = String::new();
    for (at, instruction) in program.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{at:4}: {instruction}");
    }
    out
}
