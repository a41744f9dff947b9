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
mod ebpf;
mod explain;
mod ir;
mod lang;
mod listing;
mod look;
mod meaning;
mod names;
mod op;
mod parse;
mod run;
mod select;
mod steps;
mod stripped;
mod target;
mod walk;

pub use ebpf::skb::SkbFilter;
pub use ebpf::{EbpfContext, EbpfInstruction, ebpf_listing};
pub use explain::{Explanation, explain};
pub use lang::{Mistake, caret};
pub use names::{NoNames, Resolver, Service};
pub use select::Selection;
pub(crate) use select::select;
pub use target::{LiveTarget, Target};

use crate::{Error, ErrorKind, Frame, FrameInfo, Interface, Result};
use ancillary::Subject;
use std::ops::RangeFrom;
use std::sync::Arc;
use steps::Decision;
use stripped::Stripped;

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

    /// The same without a limit on the length.
    fn of_any_length(instructions: Vec<Instruction>) -> Result<Self> {
        check::check_each(&instructions)?;
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
    /// The program for frames as they are delivered. One that was compiled may
    /// be longer than the kernel takes; then it runs here.
    pub program: Program,
    /// What the user wrote, for the file and for messages.
    pub text: Option<String>,
    /// The same for the kernel of a cooked socket.
    cooked: Option<Program>,
    /// What the program was made from, which runs faster here.
    decision: Option<Arc<Decision>>,
    /// It was made for the kernel of an interface, which takes tags off.
    is_live: bool,
}

impl Filter {
    /// Whether all that is looked at are bytes of the frame in `places`.
    fn asks_only_for(&self, places: RangeFrom<u32>) -> bool {
        let decision = self.decision.as_ref();
        decision.is_some_and(|decision| decision.asks_only_for(places))
    }

    /// A filter that runs `program`; `text` is what the user wrote.
    pub fn new(program: Program, text: Option<String>) -> Self {
        Self {
            program,
            text,
            cooked: None,
            decision: None,
            is_live: false,
        }
    }

    /// A filter from a program in the form that `tcpdump -ddd` prints.
    ///
    /// # Errors
    /// Those of [`Program::parse`].
    pub fn program(text: &str) -> Result<Self> {
        Ok(Self::new(Program::parse(text)?, None))
    }

    /// The program for the kernel of a cooked socket, where the link-layer
    /// header is not there yet. `None`: the filter must run here.
    pub fn cooked_program(&self) -> Option<&Program> {
        self.cooked.as_ref()
    }

    /// The filter as a packet program, which ends with `accept` or `reject` in
    /// r0. Its `len` is the length of the part that can be read directly.
    ///
    /// # Errors
    /// `Unsupported` if the filter was not compiled from an expression, asks for
    /// what a packet program does not see, or is too large.
    pub fn ebpf(
        &self,
        context: EbpfContext,
        accept: i32,
        reject: i32,
    ) -> Result<Vec<EbpfInstruction>> {
        match &self.decision {
            Some(decision) => decision.ebpf(context, accept, reject),
            None => {
                let feature = "a packet program from a filter program";
                let since = "";
                let kind = ErrorKind::Unsupported { feature, since };
                let what = "only filters made from expressions can become packet programs";
                Err(Error::new(kind, what))
            }
        }
    }

    /// How many bytes of `frame` to keep: what the program returns, at most the
    /// captured length. `None`: the frame is rejected.
    pub fn accepts(&self, frame: &Frame<'_>, interface: &Interface) -> Option<u32> {
        match self.run(frame.data, frame.info, interface) {
            0 => None,
            snaplen => Some(snaplen.min(frame.info.caplen)),
        }
    }

    /// What [`Program::run`] would return, sooner. One that was compiled for an interface decides
    /// as it would in the kernel, which had taken off a tag that was put back since.
    pub fn run(&self, data: &[u8], info: &FrameInfo, interface: &Interface) -> u32 {
        match &self.decision {
            Some(decision) => {
                let subject = Subject {
                    data,
                    info,
                    interface,
                    tag: None,
                };
                match self.is_live.then(|| Stripped::of(&subject)).flatten() {
                    Some(stripped) => decision.run(&stripped.subject(&subject)),
                    None => decision.run(&subject),
                }
            }
            None => self.program.run(data, info, interface),
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
            let filter = Filter::new(Program::returning(snaplen), None);
            filter.accepts(&frame, &Interface::default())
        };
        assert_eq!(keep(0), None);
        assert_eq!(keep(20), Some(20));
        assert_eq!(keep(262_144), Some(60));
    }
}
