//! Filters: classic BPF programs, their check, their interpreter and their
//! printed forms.

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

/// A checked classic BPF program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
}

impl Program {
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
