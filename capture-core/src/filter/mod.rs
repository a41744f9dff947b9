//! Filters: the language that people write, its compiler, and programs of
//! classic BPF with their check, their interpreter and their printed forms.
//! Not here: the kernel.
//!
//! ```text
//! text ──lang──> expression ──meaning──> formula ──ir──> decision graph ──classic──> program
//! ```

mod ancillary;
mod check;
mod classic;
mod compile;
mod ir;
mod lang;
mod listing;
mod meaning;
mod names;
mod op;
mod parse;
mod run;
mod target;

pub use lang::{Mistake, caret};
pub use names::{NoNames, Resolver, Service};
pub use target::{LiveTarget, Target};

use crate::{Frame, Interface, Result};

/// One classic BPF instruction, as in the kernel's `struct sock_filter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Distance to jump if true.
    pub jt: u8,
    /// Distance to jump if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A checked classic BPF program: the kernel takes it, and it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
}

impl Program {
    /// Checks `instructions` by the kernel's rules (`bpf_check_classic` in
    /// `net/core/filter.c`): known operations, jumps forward and inside, an end
    /// in `ret`, no read of scratch memory before it is written, no constant
    /// division by zero or shift beyond 31, 1 to 4,096 instructions.
    ///
    /// # Errors
    /// `Usage`, with the number of the first instruction (from 0) that breaks a
    /// rule.
    pub fn new(instructions: Vec<Instruction>) -> Result<Self> {
        check::check(&instructions)?;
        Ok(Self { instructions })
    }

    /// The program of one instruction that keeps `snaplen` bytes of every
    /// frame; 0 rejects them all.
    pub fn returning(snaplen: u32) -> Self {
        let instructions = vec![Instruction {
            code: op::RET_K,
            k: snaplen,
            ..Instruction::default()
        }];
        Self { instructions }
    }

    /// The instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}

/// A filter: a program, and the text it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The program.
    pub program: Program,
    /// What the user wrote, for the file and for messages.
    pub text: Option<String>,
}

impl Filter {
    /// A filter from a program in the form that `tcpdump -ddd` prints.
    ///
    /// # Errors
    /// Those of [`Program::parse`].
    pub fn program(text: &str) -> Result<Self> {
        Ok(Self {
            program: Program::parse(text)?,
            text: None,
        })
    }

    /// How many bytes of `frame` to keep: what the program returns, at most the
    /// captured length. `None`: the frame is rejected.
    pub fn accepts(&self, frame: &Frame<'_>, interface: &Interface) -> Option<u32> {
        match self.program.run(frame.data, frame.info, interface) {
            0 => None,
            snaplen => Some(snaplen.min(frame.info.caplen)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameInfo;

    #[test]
    fn a_filter_cuts_what_it_accepts() {
        let data = [0u8; 60];
        let info = FrameInfo {
            caplen: 60,
            len: 60,
            ..FrameInfo::default()
        };
        let frame = Frame {
            info: &info,
            data: &data,
            options: &[],
        };
        let keep = |snaplen| {
            let filter = Filter {
                program: Program::returning(snaplen),
                text: None,
            };
            filter.accepts(&frame, &Interface::default())
        };
        assert_eq!(keep(0), None);
        assert_eq!(keep(20), Some(20));
        assert_eq!(keep(262_144), Some(60));
    }
}
