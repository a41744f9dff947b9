//! The check that a program must pass before it may run: the kernel's own
//! rules (`bpf_check_classic` and `check_load_and_stores`, `net/core/filter.c`).

use super::{Instruction, op::*};
use crate::{Error, ErrorKind, Result};

pub(super) fn check(program: &[Instruction]) -> Result<()> {
    let count = program.len();
    if count == 0 {
        return Err(usage("the filter program is empty".into()));
    }
    if count > MOST_INSTRUCTIONS {
        return Err(usage(format!(
            "the filter program has {count} instructions, more than the {MOST_INSTRUCTIONS} \
             the kernel takes"
        )));
    }
    check_each(program)
}

/// All rules but that of the length.
pub(super) fn check_each(program: &[Instruction]) -> Result<()> {
    let count = program.len();
    for (at, instruction) in program.iter().enumerate() {
        if let Err(reason) = check_one(instruction, count - at - 1) {
            return Err(usage(format!(
                "instruction {at} of the filter program {reason}"
            )));
        }
    }
    if !matches!(program.last().map(|last| last.code), Some(RET_K | RET_A)) {
        return Err(usage(
            "the filter program does not end in a return (ret)".into(),
        ));
    }
    check_memory(program)
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

/// `after`: how many instructions stand after this one.
fn check_one(instruction: &Instruction, after: usize) -> Result<(), String> {
    let Instruction { code, jt, jf, k } = *instruction;
    match code {
        LD_W_ABS | LD_H_ABS | LD_B_ABS if k >= AD_OFF && !is_ancillary(k) => Err(format!(
            "loads from the special place {}, which the kernel does not have",
            k.cast_signed()
        )),
        LD_W_ABS | LD_H_ABS | LD_B_ABS | LD_W_IND | LD_H_IND | LD_B_IND | LD_IMM | LD_LEN
        | LDX_IMM | LDX_LEN | LDX_MSH | ADD_K | ADD_X | SUB_K | SUB_X | MUL_K | MUL_X | DIV_X
        | OR_K | OR_X | AND_K | AND_X | LSH_X | RSH_X | NEG | MOD_X | XOR_K | XOR_X | RET_K
        | RET_A | TAX | TXA => Ok(()),
        DIV_K | MOD_K if k == 0 => Err("divides by zero".into()),
        LSH_K | RSH_K if k > 31 => Err(format!("shifts by {k}, more than 31")),
        DIV_K | MOD_K | LSH_K | RSH_K => Ok(()),
        LD_MEM | LDX_MEM | ST | STX if k as usize >= MEMORY_WORDS => Err(format!(
            "uses M[{k}]; scratch memory ends at M[{}]",
            MEMORY_WORDS - 1
        )),
        LD_MEM | LDX_MEM | ST | STX => Ok(()),
        JA if k as usize >= after => Err(match k.cast_signed() {
            ..0 => "jumps backward, which the kernel refuses".into(),
            _ => "jumps past the end".into(),
        }),
        JA => Ok(()),
        JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X => {
            if usize::from(jt.max(jf)) >= after {
                return Err("jumps past the end".into());
            }
            Ok(())
        }
        _ => Err(format!("has the unknown operation code {code:#x}")),
    }
}

fn is_ancillary(k: u32) -> bool {
    let place = k.wrapping_sub(AD_OFF);
    place <= AD_VLAN_TPID && place.is_multiple_of(4)
}

/// Every word of scratch memory is written on each way to where it is read.
/// Jumps go forward only, so one pass in order sees every way.
fn check_memory(program: &[Instruction]) -> Result<()> {
    // For each instruction, the words written on all ways that reach it.
    let mut written = vec![u16::MAX; program.len()];
    let mut here: u16 = 0;
    for (at, instruction) in program.iter().enumerate() {
        here &= written.get(at).copied().unwrap_or(u16::MAX);
        let mut meet = |distance: u32, words: u16| {
            if let Some(there) = written.get_mut(at + 1 + distance as usize) {
                *there &= words;
            }
        };
        match instruction.code {
            ST | STX => here |= 1 << (instruction.k & 15),
            LD_MEM | LDX_MEM if here & (1 << (instruction.k & 15)) == 0 => {
                return Err(usage(format!(
                    "instruction {at} of the filter program reads M[{}] before it is written",
                    instruction.k
                )));
            }
            JA => {
                meet(instruction.k, here);
                here = u16::MAX;
            }
            JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X => {
                meet(instruction.jt.into(), here);
                meet(instruction.jf.into(), here);
                here = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Program;
    use super::*;

    fn program(lines: &[(u16, u8, u8, u32)]) -> Vec<Instruction> {
        let make = |&(code, jt, jf, k)| Instruction { code, jt, jf, k };
        lines.iter().map(make).collect()
    }

    fn refusal(lines: &[(u16, u8, u8, u32)]) -> String {
        let error = Program::new(program(lines)).expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::Usage);
        error.to_string()
    }

    #[test]
    fn sound_programs_pass() {
        for lines in [
            &[(RET_K, 0, 0, 0)][..],
            &[(LD_W_ABS, 0, 0, AD_OFF + AD_VLAN_TPID), (RET_A, 0, 0, 0)],
            &[(JA, 0, 0, 0), (RET_K, 0, 0, 1)],
            &[
                (LD_IMM, 0, 0, 1),
                (ST, 0, 0, 15),
                (LD_MEM, 0, 0, 15),
                (RET_A, 0, 0, 0),
            ],
            // Written on both ways.
            &[
                (JEQ_K, 0, 2, 1),
                (ST, 0, 0, 3),
                (JA, 0, 0, 1),
                (STX, 0, 0, 3),
                (LDX_MEM, 0, 0, 3),
                (RET_K, 0, 0, 1),
            ],
        ] {
            Program::new(program(lines)).expect("sound");
        }
        let long = vec![Program::returning(1).instructions()[0]; MOST_INSTRUCTIONS];
        Program::new(long).expect("4096 instructions are allowed");
    }

    #[test]
    fn each_rule_refuses_with_the_place() {
        let end = (RET_K, 0, 0, 0);
        for (lines, expected) in [
            (&[][..], "empty"),
            (&[(LD_IMM, 0, 0, 1)], "does not end in a return"),
            (
                &[(0x1e, 0, 0, 0)],
                "instruction 0 of the filter program has the unknown operation",
            ),
            (
                &[(JA, 0, 0, 1), end],
                "instruction 0 of the filter program jumps past the end",
            ),
            (
                &[(LD_IMM, 0, 0, 0), (JA, 0, 0, u32::MAX), end],
                "instruction 1 of the filter program jumps backward",
            ),
            (&[(JEQ_K, 0, 1, 0), end], "jumps past the end"),
            (&[(JEQ_X, 1, 0, 0), end], "jumps past the end"),
            (&[(ST, 0, 0, 16), end], "uses M[16]"),
            (&[(DIV_K, 0, 0, 0), end], "divides by zero"),
            (&[(MOD_K, 0, 0, 0), end], "divides by zero"),
            (&[(LSH_K, 0, 0, 32), end], "shifts by 32"),
            (&[(LD_MEM, 0, 0, 2), end], "reads M[2] before it is written"),
            (&[(LD_B_ABS, 0, 0, AD_OFF + 64), end], "special place -4032"),
            (
                &[(JEQ_K, 0, 1, 1), (ST, 0, 0, 3), (LDX_MEM, 0, 0, 3), end],
                "instruction 2 of the filter program reads M[3]",
            ),
        ] {
            let said = refusal(lines);
            assert!(said.contains(expected), "{said:?} lacks {expected:?}");
        }
        let long = vec![Program::returning(1).instructions()[0]; MOST_INSTRUCTIONS + 1];
        assert!(Program::new(long).unwrap_err().to_string().contains("4097"));
    }
}
