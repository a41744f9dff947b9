//! The interpreter and the check of filter programs against the kernel's own:
//! random programs over random data. The kernel runs a socket filter on any
//! socket, a pair of local ones included, so this needs no privilege.

use pktrail::{FrameInfo, Instruction, Interface, LinkType, Program};
use socket2::{Domain, SockFilter, Socket, Type};
use std::io::{ErrorKind, Read, Write};

/// xorshift64*: the same programs in every run.
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    fn below(&mut self, most: u32) -> u32 {
        self.number() % most
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }
}

/// All operations but jumps and returns, `ld` first.
const OPERATIONS: &[u16] = &[
    0x20, 0x28, 0x30, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1,
    0x02, 0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c,
    0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0x07, 0x87,
];
const JUMPS: &[u16] = &[0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d];
/// `SKF_AD_OFF + SKF_AD_ALU_XOR_X`.
const XOR_X: u32 = 0xffff_f028;

/// A program that is likely, not sure, to pass the check.
fn program(dice: &mut Dice) -> Vec<Instruction> {
    let mut program = Vec::new();
    // Scratch memory and both registers hold something.
    for word in 0..4 {
        let k = dice.of(&[0, 1, 7, 31, 0x8000_0000, u32::MAX]);
        program.push(Instruction {
            code: 0x00,
            k,
            ..Instruction::default()
        });
        program.push(Instruction {
            code: 0x02,
            k: word,
            ..Instruction::default()
        });
        program.push(Instruction {
            code: 0x07,
            ..Instruction::default()
        });
    }
    let count = 2 + dice.below(20);
    for left in (0..count).rev() {
        program.push(instruction(dice, left + 2));
    }
    let constant = dice.of(&[0, 1, 5, 40, 262_144]);
    program.push(Instruction {
        code: 0x06,
        k: constant,
        ..Instruction::default()
    });
    program.push(Instruction {
        code: 0x16,
        ..Instruction::default()
    });
    program
}

/// `after`: how many instructions follow.
fn instruction(dice: &mut Dice, after: u32) -> Instruction {
    // One jump in a hundred goes too far.
    let reach = (after + u32::from(dice.below(100) == 0)).min(255);
    if dice.below(4) == 0 {
        return Instruction {
            code: dice.of(JUMPS),
            jt: dice.below(reach) as u8,
            jf: dice.below(reach) as u8,
            k: dice.of(&[0, 1, 0x45, 0x8000_0000]),
        };
    }
    if dice.below(30) == 0 {
        return Instruction {
            code: 0x05,
            k: dice.below(reach),
            ..Instruction::default()
        };
    }
    let code = match dice.below(400) {
        0 => dice.below(256) as u16,
        _ => dice.of(OPERATIONS),
    };
    let k = match code {
        0x20 | 0x28 | 0x30 => match dice.below(12) {
            0 => XOR_X,
            1 => 40 + dice.below(30),
            _ => dice.below(40),
        },
        0x40 | 0x48 | 0x50 => dice.of(&[0, 1, 14, 60, 0xffff_fff0]),
        0xb1 => dice.below(50),
        0x02 | 0x03 | 0x60 | 0x61 => match dice.below(60) {
            0 => dice.below(20),
            _ => dice.below(4),
        },
        0x64 | 0x74 => dice.below(33),
        0x34 | 0x94 => dice.below(40),
        _ => dice.of(&[0, 1, 3, 0xff, 0x1_0000, 0x8000_0001, u32::MAX]),
    };
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Attaches a program to a new pair of sockets: `None` if the kernel refuses.
fn attach(program: &[Instruction]) -> Option<(Socket, Socket)> {
    let (to, from) = Socket::pair(Domain::UNIX, Type::DGRAM, None).expect("a pair of sockets");
    from.set_nonblocking(true).expect("a flag");
    let filters: Vec<SockFilter> = program
        .iter()
        .map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k))
        .collect();
    match from.attach_filter(&filters) {
        Ok(()) => Some((to, from)),
        Err(cause) if cause.kind() == ErrorKind::InvalidInput => None,
        Err(cause) => panic!("SO_ATTACH_FILTER: {cause}"),
    }
}

/// How many bytes of a datagram the kernel lets through.
fn kernel((to, from): &mut (Socket, Socket), data: &[u8]) -> usize {
    to.write_all(data).expect("a local datagram");
    let mut buffer = [0; 2048];
    match from.read(&mut buffer) {
        Ok(len) => len,
        Err(cause) if cause.kind() == ErrorKind::WouldBlock => 0,
        Err(cause) => panic!("recv: {cause}"),
    }
}

#[test]
fn random_programs_end_as_in_the_kernel() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut kept, mut cut) = (0, 0, 0);
    let interface = Interface {
        link_type: LinkType::RAW,
        ..Interface::default()
    };
    for _ in 0..20_000 {
        let instructions = program(&mut dice);
        let ours = Program::new(instructions.clone());
        let Some(mut sockets) = attach(&instructions) else {
            refused += 1;
            let listing = format!("{instructions:?}");
            assert!(ours.is_err(), "the kernel refuses {listing}");
            continue;
        };
        let ours = ours.unwrap_or_else(|e| panic!("the kernel takes {instructions:?}: {e}"));
        for _ in 0..3 {
            let len = 1 + dice.below(64);
            let data: Vec<u8> = (0..len)
                .map(|_| dice.of(&[0, 0, 1, 0x45, 0x80, 0xff]))
                .collect();
            let info = FrameInfo {
                caplen: len,
                len,
                ..FrameInfo::default()
            };
            let expected = kernel(&mut sockets, &data);
            let found = ours.run(&data, &info, &interface).min(len) as usize;
            assert_eq!(found, expected, "on {data:02x?}:\n{}", ours.listing());
            kept += usize::from(found == data.len());
            cut += usize::from(found > 0 && found < data.len());
        }
    }
    assert!(
        refused > 1000 && kept > 5000 && cut > 1000,
        "{refused} {kept} {cut}"
    );
}
