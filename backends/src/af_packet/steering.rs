//! The program that steers the frames of a fanout group by their pair of
//! addresses.
//!
//! It is written once, in classic BPF, which any capture may use. Here it is
//! turned into eBPF too, as the kernel itself does for classic programs.

use crate::sys::bpf::{self, Instruction};
use pktrail_core::Result;
use std::os::fd::OwnedFd;

/// `SKF_AD_OFF` and `SKF_NET_OFF`, `linux/filter.h`.
const PROTOCOL: u32 = 0xffff_f000;
const NET: u32 = 0xfff0_0000;

const LD_W_ABS: u16 = 0x20;
const LD_H_ABS: u16 = 0x28;
const JEQ_K: u16 = 0x15;
const JA: u16 = 0x05;
const TAX: u16 = 0x07;
const XOR_X: u16 = 0xac;
const MUL_K: u16 = 0x24;
const RSH_K: u16 = 0x74;
const RET_A: u16 = 0x16;
const RET_K: u16 = 0x06;

/// Exclusive or of both addresses, mixed: the same in both directions, the same
/// for fragments. Frames without addresses go to the first member. The kernel
/// takes the result modulo the number of members. As (code, jt, jf, k).
pub(super) const ADDRESS_STEERING: [(u16, u8, u8, u32); 33] = [
    (LD_H_ABS, 0, 0, PROTOCOL),
    (JEQ_K, 2, 0, 0x0800),
    (JEQ_K, 5, 0, 0x86dd),
    (RET_K, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 12),
    (TAX, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 16),
    (JA, 0, 0, 21),
    (LD_W_ABS, 0, 0, NET + 8),
    (TAX, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 12),
    (XOR_X, 0, 0, 0),
    (TAX, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 16),
    (XOR_X, 0, 0, 0),
    (TAX, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 20),
    (XOR_X, 0, 0, 0),
    (TAX, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 24),
    (XOR_X, 0, 0, 0),
    (TAX, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 28),
    (XOR_X, 0, 0, 0),
    (TAX, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 32),
    (XOR_X, 0, 0, 0),
    (TAX, 0, 0, 0),
    (LD_W_ABS, 0, 0, NET + 36),
    (XOR_X, 0, 0, 0),
    (MUL_K, 0, 0, 0x9e37_79b1),
    (RSH_K, 0, 0, 16),
    (RET_A, 0, 0, 0),
];

/// How many eBPF instructions a classic one becomes.
fn width(&(code, _, _, k): &(u16, u8, u8, u32)) -> usize {
    match code {
        LD_H_ABS if k == PROTOCOL => 2,
        RET_K => 2,
        _ => 1,
    }
}

/// [`ADDRESS_STEERING`] in eBPF. Register 0 is the accumulator, 7 is X, 6 the
/// frame, as loads from it demand.
fn to_ebpf() -> Vec<Instruction> {
    // mov r6, r1
    let mut program = vec![Instruction::new(0xbf, 6, 1, 0, 0)];
    let mut starts = vec![program.len()];
    for step in &ADDRESS_STEERING {
        starts.push(starts[starts.len() - 1] + width(step));
    }
    for (at, &(code, jt, _, k)) in ADDRESS_STEERING.iter().enumerate() {
        let distance = |skip: usize| -> i16 {
            let target = starts.get(at + 1 + skip).copied().unwrap_or_default();
            i16::try_from(target.saturating_sub(starts[at + 1])).unwrap_or(i16::MAX)
        };
        match code {
            LD_H_ABS if k == PROTOCOL => {
                // ldxw r0, [r6 + offsetof(struct __sk_buff, protocol)]; be16 r0
                program.push(Instruction::new(0x61, 0, 6, 16, 0));
                program.push(Instruction::new(0xdc, 0, 0, 0, 16));
            }
            LD_W_ABS => program.push(Instruction::new(0x20, 0, 0, 0, k.cast_signed())),
            JEQ_K => program.push(Instruction::new(
                0x15,
                0,
                0,
                distance(usize::from(jt)),
                k.cast_signed(),
            )),
            JA => program.push(Instruction::new(0x05, 0, 0, distance(k as usize), 0)),
            TAX => program.push(Instruction::new(0xbf, 7, 0, 0, 0)),
            XOR_X => program.push(Instruction::new(0xac, 0, 7, 0, 0)),
            MUL_K => program.push(Instruction::new(0x24, 0, 0, 0, k.cast_signed())),
            RSH_K => program.push(Instruction::new(0x74, 0, 0, 0, k.cast_signed())),
            RET_K => {
                program.push(Instruction::new(0xb7, 0, 0, 0, k.cast_signed()));
                program.push(Instruction::new(0x95, 0, 0, 0, 0));
            }
            _ => program.push(Instruction::new(0x95, 0, 0, 0, 0)),
        }
    }
    program
}

/// Loads the program as eBPF (needs CAP_BPF or CAP_SYS_ADMIN).
pub(super) fn load() -> Result<OwnedFd> {
    bpf::load(bpf::PROGRAM_SOCKET_FILTER, "pktrail_steer", &to_ebpf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_land_where_the_classic_program_says() {
        for (at, &(code, jt, jf, k)) in ADDRESS_STEERING.iter().enumerate() {
            match code {
                JEQ_K => assert!(at + 1 + usize::from(jt.max(jf)) < ADDRESS_STEERING.len()),
                JA => assert_eq!(ADDRESS_STEERING[at + 1 + k as usize].0, XOR_X),
                _ => {}
            }
        }
        assert_eq!(ADDRESS_STEERING[4].3, NET + 12, "IPv4 source");
        assert_eq!(ADDRESS_STEERING[8].3, NET + 8, "IPv6 source");
        let program = to_ebpf();
        assert_eq!(program.len(), ADDRESS_STEERING.len() + 3);
        // jeq 0x0800 jumps over the other test and the two instructions of `ret`.
        assert_eq!(program[3], Instruction::new(0x15, 0, 0, 3, 0x0800));
        assert_eq!(program[4], Instruction::new(0x15, 0, 0, 6, 0x86dd));
    }
}
