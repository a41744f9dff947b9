//! The classic BPF programs that go into the kernel: the user's filter behind a
//! prologue that decides the direction, the one that rejects everything, and the
//! snap length.

use super::Direction;
use pktrail_core::{Instruction, Obstacle};
use std::io;

const LD_W_ABS: u16 = 0x20;
const LD_IMM: u16 = 0x00;
const JA: u16 = 0x05;
const JEQ_K: u16 = 0x15;
const RET_K: u16 = 0x06;

/// `SKF_AD_OFF`, `linux/filter.h`: loads from here on ask about the frame.
const ANCILLARY: u32 = 0xffff_f000;
const PACKET_TYPE: u32 = ANCILLARY + 4;
const INTERFACE_INDEX: u32 = ANCILLARY + 8;
/// `PACKET_OUTGOING`, `linux/if_packet.h`.
const OUTGOING: u32 = 4;
/// `BPF_MAXINSNS`, `linux/bpf_common.h`.
const MOST_INSTRUCTIONS: usize = 4096;

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Rejects every frame.
pub(super) fn reject_all() -> Vec<Instruction> {
    vec![step(RET_K, 0, 0, 0)]
}

/// What the kernel has to leave out beside the filter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prologue {
    /// Frames that do not go this way.
    pub(super) direction: Option<Direction>,
    /// Outgoing frames of the interface with this index, which come again as
    /// incoming ones (the loopback interface).
    pub(super) outgoing_of: Option<u32>,
}

impl Prologue {
    fn instructions(self) -> Vec<Instruction> {
        let mut program = Vec::new();
        match self.direction {
            Some(Direction::Out) => program.extend([
                step(LD_W_ABS, 0, 0, PACKET_TYPE),
                step(JEQ_K, 1, 0, OUTGOING),
                step(RET_K, 0, 0, 0),
            ]),
            Some(Direction::In) => program.extend([
                step(LD_W_ABS, 0, 0, PACKET_TYPE),
                step(JEQ_K, 0, 1, OUTGOING),
                step(RET_K, 0, 0, 0),
            ]),
            Some(Direction::InOut) | None => {}
        }
        if let Some(index) = self.outgoing_of {
            program.extend([
                step(LD_W_ABS, 0, 0, INTERFACE_INDEX),
                step(JEQ_K, 0, 3, index),
                step(LD_W_ABS, 0, 0, PACKET_TYPE),
                step(JEQ_K, 0, 1, OUTGOING),
                step(RET_K, 0, 0, 0),
            ]);
        }
        if !program.is_empty() {
            // A program may rely on the accumulator being zero at its start.
            program.push(step(LD_IMM, 0, 0, 0));
        }
        program
    }
}

/// The program for the kernel: the prologue, then `filter` with no return value
/// above `snaplen`, or everything if there is no filter.
pub(super) fn assemble(
    prologue: Prologue,
    filter: Option<&[Instruction]>,
    snaplen: u32,
) -> Vec<Instruction> {
    let mut program = prologue.instructions();
    match filter {
        None => program.push(step(RET_K, 0, 0, snaplen)),
        Some(filter) => program.extend(filter.iter().map(|i| {
            let k = if i.code == RET_K {
                i.k.min(snaplen)
            } else {
                i.k
            };
            Instruction { k, ..*i }
        })),
    }
    program
}

/// Why the kernel would refuse the program, as far as can be seen before.
pub(super) fn obstacle(program: &[Instruction]) -> Option<Obstacle> {
    let instructions = program.len();
    if instructions > MOST_INSTRUCTIONS {
        let most = MOST_INSTRUCTIONS;
        return Some(Obstacle::Length { instructions, most });
    }
    // Added to the place without a sign, as the kernel does.
    let goes_back = |(at, i): (usize, &Instruction)| {
        i.code == JA && (at as u32).wrapping_add(1).wrapping_add(i.k) <= at as u32
    };
    let mut each = program.iter().enumerate();
    each.any(goes_back).then_some(Obstacle::Backwards)
}

/// Why the kernel has refused it.
pub(super) fn refusal(cause: &io::Error) -> Obstacle {
    match cause.raw_os_error() {
        Some(libc::ENOMEM) => Obstacle::Memory,
        number => Obstacle::Refused(number.unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_snap_length_bounds_constant_returns_only() {
        let filter = [
            step(0x16, 0, 0, 9),
            step(RET_K, 0, 0, 262_144),
            step(RET_K, 0, 0, 0),
        ];
        let made = assemble(Prologue::default(), Some(&filter), 96);
        assert_eq!(made[0], filter[0]);
        assert_eq!((made[1].k, made[2].k), (96, 0));
    }

    #[test]
    fn what_the_kernel_would_refuse_is_named() {
        let accept = step(RET_K, 0, 0, 1);
        let forward = [step(JA, 0, 0, 1), accept, accept];
        assert_eq!(obstacle(&forward), None);
        let back = [accept, step(JA, 0, 0, u32::MAX - 1), accept];
        assert_eq!(obstacle(&back), Some(Obstacle::Backwards));
        let long = vec![accept; MOST_INSTRUCTIONS + 1];
        assert!(matches!(obstacle(&long), Some(Obstacle::Length { .. })));
    }

    #[test]
    fn every_prologue_falls_through_to_the_filter() {
        for direction in [None, Some(Direction::In), Some(Direction::Out)] {
            for outgoing_of in [None, Some(1)] {
                let prologue = Prologue {
                    direction,
                    outgoing_of,
                };
                let program = assemble(prologue, None, 1);
                let last = program.len() - 1;
                for (at, i) in program.iter().enumerate().filter(|(_, i)| i.code == JEQ_K) {
                    assert!(at + 1 + usize::from(i.jt.max(i.jf)) <= last);
                }
                assert_eq!(program[last], step(RET_K, 0, 0, 1));
            }
        }
    }
}
