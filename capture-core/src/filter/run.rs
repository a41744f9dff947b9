//! The interpreter.

use super::ancillary::Subject;
use super::{Instruction, Program, op::*};
use crate::{FrameInfo, Interface};

impl Program {
    /// Runs the program on one frame: how many bytes of it to keep, 0 for
    /// rejected.
    ///
    /// It does what the kernel would have done with the frame (`net/core/filter.c`):
    /// a load beyond the captured bytes, or a division by zero, ends the program
    /// with 0; `len` is the length on the wire; a shift by X uses its low five
    /// bits. What the kernel knew about the frame beside its bytes comes from
    /// `info` and `interface`; VLAN tags stand in the bytes, none beside them.
    pub fn run(&self, data: &[u8], info: &FrameInfo, interface: &Interface) -> u32 {
        let subject = Subject {
            tag: None,
            data,
            info,
            interface,
        };
        // `None` stands for every way in which a program ends early.
        execute(&self.instructions, &subject).unwrap_or(0)
    }
}

fn execute(program: &[Instruction], subject: &Subject<'_>) -> Option<u32> {
    let len = subject.info.len;
    let (mut a, mut x) = (0u32, 0u32);
    let mut memory = [0u32; MEMORY_WORDS];
    let mut rest = program.iter();
    loop {
        let &Instruction { code, jt, jf, k } = rest.next()?;
        let jump = |taken: bool| usize::from(if taken { jt } else { jf });
        let distance = match code {
            JEQ_K => jump(a == k),
            JEQ_X => jump(a == x),
            JGT_K => jump(a > k),
            JGT_X => jump(a > x),
            JGE_K => jump(a >= k),
            JGE_X => jump(a >= x),
            JSET_K => jump(a & k != 0),
            JSET_X => jump(a & x != 0),
            JA => k as usize,
            RET_K => return Some(k),
            RET_A => return Some(a),
            LD_W_ABS | LD_H_ABS | LD_B_ABS => {
                a = load_absolute(subject, code, k, a, x)?;
                0
            }
            LD_W_IND | LD_H_IND | LD_B_IND => {
                a = load(subject, code, x.wrapping_add(k))?;
                0
            }
            LDX_MSH => {
                x = (load(subject, LD_B_ABS, k)? & 0xf) << 2;
                0
            }
            LD_IMM => {
                a = k;
                0
            }
            LDX_IMM => {
                x = k;
                0
            }
            LD_LEN => {
                a = len;
                0
            }
            LDX_LEN => {
                x = len;
                0
            }
            LD_MEM => {
                a = *memory.get(k as usize)?;
                0
            }
            LDX_MEM => {
                x = *memory.get(k as usize)?;
                0
            }
            ST => {
                *memory.get_mut(k as usize)? = a;
                0
            }
            STX => {
                *memory.get_mut(k as usize)? = x;
                0
            }
            TAX => {
                x = a;
                0
            }
            TXA => {
                a = x;
                0
            }
            _ => {
                a = arithmetic(code, a, if code & 8 != 0 { x } else { k })?;
                0
            }
        };
        if distance > 0 {
            rest.nth(distance - 1)?;
        }
    }
}

/// `code` is checked; the fourth bit, constant or X, is settled by the caller.
fn arithmetic(code: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match code & !8 {
        ADD_K => a.wrapping_add(operand),
        SUB_K => a.wrapping_sub(operand),
        MUL_K => a.wrapping_mul(operand),
        DIV_K => a.checked_div(operand)?,
        MOD_K => a.checked_rem(operand)?,
        AND_K => a & operand,
        OR_K => a | operand,
        XOR_K => a ^ operand,
        LSH_K => a.wrapping_shl(operand),
        RSH_K => a.wrapping_shr(operand),
        NEG => a.wrapping_neg(),
        _ => return None,
    })
}

#[inline]
fn load_absolute(subject: &Subject<'_>, code: u16, k: u32, a: u32, x: u32) -> Option<u32> {
    match k {
        AD_OFF.. if k - AD_OFF == AD_XOR_X => Some(a ^ x),
        AD_OFF.. => Some(subject.ancillary(k - AD_OFF)),
        _ => load(subject, code, k),
    }
}

/// Big-endian; negative offsets count from the network or the link-layer header.
#[inline]
fn load(subject: &Subject<'_>, code: u16, offset: u32) -> Option<u32> {
    let start = match offset {
        0..=0x7fff_ffff => offset as usize,
        NET_OFF.. => subject.network_offset() + (offset - NET_OFF) as usize,
        LL_OFF.. => (offset - LL_OFF) as usize,
        _ => return None,
    };
    let bytes = subject.data.get(start..)?;
    match code {
        LD_W_ABS | LD_W_IND => bytes.first_chunk().map(|word| u32::from_be_bytes(*word)),
        LD_H_ABS | LD_H_IND => bytes
            .first_chunk()
            .map(|half| u16::from_be_bytes(*half).into()),
        _ => bytes.first().map(|&byte| byte.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LinkType;

    /// Runs lines of `code, k`, without jumps, and returns A.
    fn result(lines: &[(u16, u32)], data: &[u8]) -> u32 {
        let mut program: Vec<Instruction> = lines
            .iter()
            .map(|&(code, k)| Instruction {
                code,
                jt: 0,
                jf: 0,
                k,
            })
            .collect();
        program.push(Instruction {
            code: RET_A,
            ..Instruction::default()
        });
        let info = FrameInfo {
            caplen: data.len() as u32,
            len: 1514,
            ..FrameInfo::default()
        };
        let interface = Interface {
            link_type: LinkType::ETHERNET,
            ..Interface::default()
        };
        Program::new(program)
            .expect("sound")
            .run(data, &info, &interface)
    }

    #[test]
    fn loads() {
        let data: Vec<u8> = (0x10..0x30).collect();
        for (lines, expected) in [
            (&[(LD_W_ABS, 1)][..], 0x1112_1314),
            (&[(LD_H_ABS, 30)], 0x2e2f),
            (&[(LD_H_ABS, 31)], 0),
            (&[(LD_B_ABS, 31)], 0x2f),
            (&[(LD_B_ABS, 32)], 0),
            (&[(LDX_IMM, 4), (LD_H_IND, 2)], 0x1617),
            (&[(LDX_IMM, u32::MAX), (LD_B_IND, 2)], 0x11),
            (&[(LDX_MSH, 5), (TXA, 0)], 0x14),
            (&[(LDX_MSH, 99), (LD_IMM, 5)], 0),
            (&[(LD_LEN, 0)], 1514),
            (&[(LDX_LEN, 0), (TXA, 0)], 1514),
            (&[(LD_IMM, 9), (ST, 3), (LD_IMM, 0), (LD_MEM, 3)], 9),
            (
                &[
                    (LDX_IMM, 8),
                    (STX, 15),
                    (LDX_IMM, 0),
                    (LDX_MEM, 15),
                    (TXA, 0),
                ],
                8,
            ),
            (&[(LD_B_ABS, NET_OFF)], 0x1e),
            (&[(LD_B_ABS, NET_OFF + 17)], 0x2f),
            (&[(LD_B_ABS, NET_OFF + 18)], 0),
            (&[(LD_B_ABS, LL_OFF + 2)], 0x12),
            (&[(LD_B_ABS, 0x8000_0000)], 0),
            (&[(LDX_IMM, AD_OFF), (LD_IMM, 1), (LD_B_IND, AD_IFINDEX)], 0),
        ] {
            assert_eq!(result(lines, &data), expected, "{lines:x?}");
        }
    }

    #[test]
    fn arithmetic_is_unsigned_and_wraps() {
        let with = |code, a, operand: u32| {
            let k = result(&[(LD_IMM, a), (code & !8, operand)], &[]);
            let x = result(&[(LD_IMM, a), (LDX_IMM, operand), (code | 8, 0)], &[]);
            assert_eq!(k, x, "{code:#x}");
            k
        };
        assert_eq!(with(ADD_K, u32::MAX, 2), 1);
        assert_eq!(with(SUB_K, 1, 2), u32::MAX);
        assert_eq!(with(MUL_K, 0x1_0001, 0x1_0000), 0x1_0000);
        assert_eq!(with(DIV_K, u32::MAX, 2), 0x7fff_ffff);
        assert_eq!(with(MOD_K, 17, 5), 2);
        assert_eq!(with(AND_K, 12, 10), 8);
        assert_eq!(with(OR_K, 12, 10), 14);
        assert_eq!(with(XOR_K, 12, 10), 6);
        assert_eq!(with(LSH_K, 3, 31), 0x8000_0000);
        assert_eq!(with(RSH_K, 0x8000_0000, 31), 1);
        assert_eq!(result(&[(LD_IMM, 1), (NEG, 0)], &[]), u32::MAX);
        assert_eq!(result(&[(LD_IMM, 1), (LDX_IMM, 33), (LSH_X, 0)], &[]), 2);
        assert_eq!(
            result(&[(LD_IMM, 1), (LDX_IMM, 0), (DIV_X, 0), (LD_IMM, 7)], &[]),
            0
        );
        assert_eq!(
            result(&[(LD_IMM, 1), (LDX_IMM, 0), (MOD_X, 0), (LD_IMM, 7)], &[]),
            0
        );
        let xor = [(LD_IMM, 12), (LDX_IMM, 10), (LD_W_ABS, AD_OFF + AD_XOR_X)];
        assert_eq!(result(&xor, &[]), 6);
    }

    #[test]
    fn each_jump_goes_both_ways() {
        for (code, operand, a, taken) in [
            (JEQ_K, 5, 5, true),
            (JEQ_K, 5, 6, false),
            (JGT_K, 5, 6, true),
            (JGT_K, 5, 5, false),
            (JGE_K, 5, 5, true),
            (JGE_K, 5, 4, false),
            (JSET_K, 6, 2, true),
            (JSET_K, 6, 9, false),
            (JGT_K, 0x8000_0000, 1, false),
        ] {
            for code in [code, code | 8] {
                let make = |code, jt, jf, k| Instruction { code, jt, jf, k };
                let program = Program::new(vec![
                    make(LDX_IMM, 0, 0, operand),
                    make(LD_IMM, 0, 0, a),
                    make(code, 2, 1, operand),
                    make(RET_K, 0, 0, 99),
                    make(RET_K, 0, 0, 2),
                    make(RET_K, 0, 0, 1),
                ])
                .unwrap();
                let answer = program.run(&[], &FrameInfo::default(), &Interface::default());
                assert_eq!(answer, if taken { 1 } else { 2 });
            }
        }
    }
}
