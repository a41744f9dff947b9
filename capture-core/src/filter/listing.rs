//! Programs printed in tcpdump's three forms: `-d` for people, `-dd` for C,
//! `-ddd` as numbers.

use super::{Instruction, Program, op::*};
use std::fmt::Write;

impl Program {
    /// The form of `tcpdump -d`: a line for each instruction, in assembler.
    pub fn listing(&self) -> String {
        let mut out = String::new();
        for (at, instruction) in self.instructions.iter().enumerate() {
            let (name, operand) = words(instruction, at);
            // Writing to a string cannot fail, here and below.
            let _ = match instruction.code & 7 {
                5 if instruction.code != JA => writeln!(
                    out,
                    "({at:03}) {name:<8} {operand:<16} jt {}\tjf {}",
                    at + 1 + usize::from(instruction.jt),
                    at + 1 + usize::from(instruction.jf)
                ),
                _ => writeln!(out, "({at:03}) {name:<8} {operand}"),
            };
        }
        out
    }

    /// The form of `tcpdump -dd`: the rows of a C array of `struct sock_filter`.
    pub fn c_listing(&self) -> String {
        let mut out = String::new();
        for Instruction { code, jt, jf, k } in &self.instructions {
            let _ = writeln!(out, "{{ {code:#x}, {jt}, {jf}, 0x{k:08x} }},");
        }
        out
    }

    /// The form of `tcpdump -ddd`, which [`Program::parse`] reads: the number of
    /// instructions, then a line `code jt jf k` for each.
    pub fn decimal_listing(&self) -> String {
        let mut out = format!("{}\n", self.instructions.len());
        for Instruction { code, jt, jf, k } in &self.instructions {
            let _ = writeln!(out, "{code} {jt} {jf} {k}");
        }
        out
    }
}

/// The operation's name and its operand, for the instruction at `at`.
fn words(instruction: &Instruction, at: usize) -> (&'static str, String) {
    let k = instruction.k;
    let signed = k.cast_signed();
    match instruction.code {
        RET_K => ("ret", format!("#{signed}")),
        RET_A => ("ret", String::new()),
        LD_W_ABS => ("ld", place(k)),
        LD_H_ABS => ("ldh", place(k)),
        LD_B_ABS => ("ldb", place(k)),
        LD_W_IND => ("ld", format!("[x + {signed}]")),
        LD_H_IND => ("ldh", format!("[x + {signed}]")),
        LD_B_IND => ("ldb", format!("[x + {signed}]")),
        LD_LEN => ("ld", "#pktlen".into()),
        LD_IMM => ("ld", format!("#{k:#x}")),
        LD_MEM => ("ld", format!("M[{k}]")),
        LDX_IMM => ("ldx", format!("#{k:#x}")),
        LDX_MEM => ("ldx", format!("M[{k}]")),
        LDX_LEN => ("ldx", "#pktlen".into()),
        LDX_MSH => ("ldxb", format!("4*([{signed}]&0xf)")),
        ST => ("st", format!("M[{k}]")),
        STX => ("stx", format!("M[{k}]")),
        JA => ("ja", format!("{}", at + 1 + k as usize)),
        TAX => ("tax", String::new()),
        TXA => ("txa", String::new()),
        NEG => ("neg", String::new()),
        code => arithmetic_or_jump(code, k),
    }
}

fn arithmetic_or_jump(code: u16, k: u32) -> (&'static str, String) {
    // The fourth bit says whether the operand is X or the constant.
    let name = match code & !8 {
        ADD_K => "add",
        SUB_K => "sub",
        MUL_K => "mul",
        DIV_K => "div",
        MOD_K => "mod",
        OR_K => "or",
        AND_K => "and",
        XOR_K => "xor",
        LSH_K => "lsh",
        RSH_K => "rsh",
        JEQ_K => "jeq",
        JGT_K => "jgt",
        JGE_K => "jge",
        JSET_K => "jset",
        _ => return ("unimp", format!("{code:#x}")),
    };
    let operand = match code & !8 {
        _ if code & 8 != 0 => "x".into(),
        OR_K | AND_K | XOR_K | JEQ_K | JGT_K | JGE_K | JSET_K => format!("#{k:#x}"),
        _ => format!("#{}", k.cast_signed()),
    };
    (name, operand)
}

/// The operand of an absolute load: an offset, or the name of what the kernel
/// knows about the frame.
fn place(k: u32) -> String {
    let name = match k.wrapping_sub(AD_OFF) {
        AD_PROTOCOL => "proto",
        AD_PKTTYPE => "type",
        AD_IFINDEX => "ifidx",
        AD_NLATTR => "nla",
        AD_NLATTR_NEST => "nlan",
        AD_MARK => "mark",
        AD_QUEUE => "queue",
        AD_HATYPE => "hatype",
        AD_RXHASH => "rxhash",
        AD_CPU => "cpu",
        AD_XOR_X => "xor_x",
        AD_VLAN_TAG => "vlan_tci",
        AD_VLAN_TAG_PRESENT => "vlanp",
        AD_PAY_OFFSET => "poff",
        AD_RANDOM => "random",
        AD_VLAN_TPID => "vlan_tpid",
        _ => return format!("[{}]", k.cast_signed()),
    };
    format!("[{name}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ip and udp port 53` is in the peer tests; here stand the forms that
    /// tcpdump's own compiler never makes.
    #[test]
    fn every_operation_has_its_form() {
        let one = |code, k| {
            let program = Program {
                instructions: vec![Instruction {
                    code,
                    jt: 0,
                    jf: 1,
                    k,
                }],
            };
            program.listing()
        };
        assert_eq!(
            one(LD_W_ABS, AD_OFF + AD_RANDOM),
            "(000) ld       [random]\n"
        );
        assert_eq!(one(LD_W_ABS, LL_OFF), "(000) ld       [-2097152]\n");
        assert_eq!(
            one(JSET_X, 5),
            "(000) jset     x                jt 1\tjf 2\n"
        );
        assert_eq!(one(XOR_K, 255), "(000) xor      #0xff\n");
        assert_eq!(one(LDX_LEN, 0), "(000) ldx      #pktlen\n");
        assert_eq!(one(RET_K, u32::MAX), "(000) ret      #-1\n");
        assert_eq!(one(TXA, 0), "(000) txa      \n");
    }

    #[test]
    fn the_forms_for_machines() {
        let program = Program::parse("2\n40 0 0 12\n6 0 0 262144\n").unwrap();
        assert_eq!(
            program.c_listing(),
            "{ 0x28, 0, 0, 0x0000000c },\n{ 0x6, 0, 0, 0x00040000 },\n"
        );
        assert_eq!(program.decimal_listing(), "2\n40 0 0 12\n6 0 0 262144\n");
    }
}
