//! The back end for programs that look at packets themselves (XDP, tc), and for
//! those that trace the kernel: the decision graph as eBPF.
//!
//! Registers: r6 the first byte of the frame, r7 the end, r0 the number in
//! question, r9 the last index, r1 to r3 at hand. Numbers wait on the stack. Every load is behind
//! a check that the verifier understands, made once on each way. How bytes are reached in a
//! tracing program is in [`skb`].

mod listing;
pub(super) mod skb;

pub use listing::ebpf_listing;

use super::classic::{Tree, tree};
use super::ir::graph::{Goal, Graph, Node};
use super::ir::hash::Map;
use super::ir::likely::chance;
use super::ir::value::{Order, Value, ValueId, Values};
use super::lang::Operator;
use super::op::{JEQ_K, JGT_K};
use crate::{Error, ErrorKind, Result};

/// One eBPF instruction, as in the kernel's `struct bpf_insn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EbpfInstruction {
    /// Operation.
    pub opcode: u8,
    /// Destination register.
    pub dst: u8,
    /// Source register.
    pub src: u8,
    /// Distance of a jump, or offset of an access.
    pub offset: i16,
    /// Constant.
    pub imm: i32,
}

/// What a program gets in r1, and so where it finds the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EbpfContext {
    /// `struct xdp_md`.
    Xdp,
    /// `struct __sk_buff` of tc, where packet bytes can be read directly.
    Tc,
    /// `struct packet` of `backends/src/trace/filter.h`: a packet of the kernel's own, which is
    /// read by a helper.
    Skb,
}

impl EbpfContext {
    /// Where the addresses of the packet's first byte and of its end lie
    /// (`include/uapi/linux/bpf.h`).
    fn fields(self) -> Option<(i16, i16)> {
        match self {
            Self::Xdp => Some((0, 4)),
            Self::Tc => Some((76, 80)),
            Self::Skb => None,
        }
    }

    /// Words of stack for numbers, after those that are taken already.
    fn slots(self) -> i16 {
        match self {
            Self::Xdp | Self::Tc => 60,
            // The stack is shared with the program that asks.
            Self::Skb => 16,
        }
    }
}

// Operations (Documentation/bpf/standardization/instruction-set.rst).
const MOV64_X: u8 = 0xbf;
const MOV32_K: u8 = 0xb4;
const MOV32_X: u8 = 0xbc;
const ADD64_K: u8 = 0x07;
const ADD64_X: u8 = 0x0f;
const SUB64_X: u8 = 0x1f;
const ADD32_K: u8 = 0x04;
const AND32_K: u8 = 0x54;
const XOR32_K: u8 = 0xa4;
const RSH32_K: u8 = 0x74;
const NEG32: u8 = 0x84;
const TO_BE: u8 = 0xdc;
const LDX_B: u8 = 0x71;
const LDX_H: u8 = 0x69;
const LDX_W: u8 = 0x61;
const LDX_DW: u8 = 0x79;
const STX_DW: u8 = 0x7b;
const JA: u8 = 0x05;
const JGT64_X: u8 = 0x2d;
const JNE64_K: u8 = 0x55;
const JNE32_K: u8 = 0x56;
const JLT32_K: u8 = 0xa6;
const CALL: u8 = 0x85;
const JEQ32_K: u8 = 0x16;
const JGT32_K: u8 = 0x26;
const JEQ32_X: u8 = 0x1e;
const JGT32_X: u8 = 0x2e;
const JGE32_X: u8 = 0x3e;
const EXIT: u8 = 0x95;

/// Frames are never longer where packet bytes are read directly.
const LONGEST: u32 = 0x7fff;

/// The program that ends with `accept` or `reject` in r0.
///
/// # Errors
/// `Unsupported` if the expression asks for what a packet program does not see
/// (a VLAN tag beside the frame, the direction), or is too large for the
/// jumps of eBPF.
pub(super) fn program(
    graph: &Graph,
    values: &Values,
    context: EbpfContext,
    accept: i32,
    reject: i32,
) -> Result<Vec<EbpfInstruction>> {
    let mut emitter = Emitter {
        graph,
        values,
        out: Vec::new(),
        jumps: Vec::new(),
        starts: Map::default(),
        slots: 0,
        words: Map::default(),
        known: Known::default(),
        context,
        window: 0,
        is_too_large: false,
    };
    emitter.whole(accept, reject).ok_or_else(|| {
        let (feature, what) = match emitter.is_too_large {
            true => (
                "a packet program of this size",
                "the filter is too large for a packet program, which jumps over 32,767 \
                 instructions at most: use a shorter list",
            ),
            false => (
                "this expression in a packet program",
                "a packet program cannot run this expression: it asks for what is not in the \
                 packet",
            ),
        };
        let since = "";
        Error::new(ErrorKind::Unsupported { feature, since }, what)
    })
}

struct Emitter<'a> {
    graph: &'a Graph,
    values: &'a Values,
    out: Vec<EbpfInstruction>,
    /// Jumps whose distance is not known yet.
    jumps: Vec<(usize, Goal)>,
    starts: Map<Goal, usize>,
    slots: i16,
    words: Map<ValueId, i16>,
    known: Known,
    context: EbpfContext,
    /// So many bytes from the first on were read at the beginning, by a program that has to.
    window: u32,
    /// Why there is no program, if there is none.
    is_too_large: bool,
}

/// What holds on all ways to a node.
#[derive(Clone, Copy, Default)]
struct Known {
    /// So many bytes are there.
    bound: u32,
    /// What r9 holds: the last index.
    index: Option<ValueId>,
}

impl Emitter<'_> {
    fn push(&mut self, opcode: u8, dst: u8, src: u8, offset: i16, imm: i32) {
        self.out.push(EbpfInstruction {
            opcode,
            dst,
            src,
            offset,
            imm,
        });
    }

    fn jump(&mut self, opcode: u8, dst: u8, src: u8, imm: u32, goal: Goal) {
        self.jumps.push((self.out.len(), goal));
        self.push(opcode, dst, src, 0, imm.cast_signed());
    }

    fn whole(&mut self, accept: i32, reject: i32) -> Option<Vec<EbpfInstruction>> {
        match self.context.fields() {
            Some((data, end)) => {
                self.push(LDX_W, 6, 1, data, 0);
                self.push(LDX_W, 7, 1, end, 0);
            }
            None => self.begin_skb(),
        }
        let root = self.graph.root();
        // Nodes lead to earlier ones, so from the last all ways go forward.
        let mut known: Map<Goal, Known> = Map::default();
        known.insert(root, Known::default());
        if let Goal::Node(last) = root {
            for number in (0..=last).rev() {
                let goal = Goal::Node(number);
                let Some(here) = known.get(&goal) else {
                    continue;
                };
                self.known = *here;
                self.starts.insert(goal, self.out.len());
                let node = self.graph.node(number)?.clone();
                self.node(&node)?;
                for branch in &node.branches {
                    let there = known.entry(branch.goal).or_insert(self.known);
                    there.bound = self.known.bound.min(there.bound);
                    there.index = there.index.filter(|_| there.index == self.known.index);
                }
            }
        }
        for (goal, code) in [(Goal::Accept, accept), (Goal::Reject, reject)] {
            if root == goal || self.jumps.iter().any(|(_, to)| *to == goal) {
                self.starts.insert(goal, self.out.len());
                self.push(MOV32_K, 0, 0, 0, code);
                self.push(EXIT, 0, 0, 0, 0);
            }
        }
        for (at, goal) in std::mem::take(&mut self.jumps) {
            let distance = self.starts.get(&goal)?.checked_sub(at + 1)?;
            let Ok(distance) = i16::try_from(distance) else {
                self.is_too_large = true;
                return None;
            };
            self.out.get_mut(at)?.offset = distance;
        }
        Some(std::mem::take(&mut self.out))
    }

    fn node(&mut self, node: &Node) -> Option<()> {
        if let (Value::Compare(order, a, b), [no, yes]) =
            (self.values.get(node.value), &*node.branches)
        {
            self.operands(a, b)?;
            self.jump(comparison(order), 0, 1, 0, yes.goal);
            self.jump(JA, 0, 0, 0, no.goal);
            return Some(());
        }
        self.value(node.value)?;
        let values = self.values;
        let tree = tree(&node.branches, |low, high| {
            chance(values, node.value, low, high)
        });
        self.tree(&tree);
        Some(())
    }

    fn tree(&mut self, tree: &Tree) {
        match tree {
            Tree::Goal(goal) => self.jump(JA, 0, 0, 0, *goal),
            Tree::Test { code, k, yes, no } => {
                let opcode = match *code {
                    JEQ_K => JEQ32_K,
                    JGT_K => JGT32_K,
                    _ => return,
                };
                if let Tree::Goal(goal) = **yes {
                    self.jump(opcode, 0, 0, *k, goal);
                    return self.tree(no);
                }
                let at = self.out.len();
                self.push(opcode, 0, 0, 0, k.cast_signed());
                self.tree(no);
                let distance = self.out.len() - at - 1;
                if let Some(jump) = self.out.get_mut(at) {
                    // One node's tree is short.
                    jump.offset = i16::try_from(distance).unwrap_or(i16::MAX);
                }
                self.tree(yes);
            }
        }
    }

    /// The value in r0.
    fn value(&mut self, value: ValueId) -> Option<()> {
        if self.known.index == Some(value) {
            self.push(MOV32_X, 0, 9, 0, 0);
            return Some(());
        }
        match self.values.get(value) {
            Value::Constant(number) => self.push(MOV32_K, 0, 0, 0, number.cast_signed()),
            Value::Length if self.context == EbpfContext::Skb => {
                self.push(LDX_W, 0, 6, skb::LENGTH, 0);
            }
            Value::Length => {
                self.push(MOV64_X, 0, 7, 0, 0);
                self.push(SUB64_X, 0, 6, 0, 0);
            }
            Value::Ancillary(place) => self.beside(place)?,
            Value::Load { index, k, bytes } if self.context == EbpfContext::Skb => {
                self.load_skb(index, k, bytes)?;
            }
            Value::Load { index, k, bytes } => self.load(index, k, bytes)?,
            Value::Negative(a) => {
                self.value(a)?;
                self.push(NEG32, 0, 0, 0, 0);
            }
            Value::Compare(Order::Equal, a, b)
                if self.values.constant_of(b).is_some() && self.values.most(a) <= 0xffff =>
            {
                // Without a jump, which would double what the verifier follows.
                let number = self.values.constant_of(b)?;
                self.value(a)?;
                self.push(XOR32_K, 0, 0, 0, number.cast_signed());
                self.push(ADD32_K, 0, 0, 0, -1);
                self.push(RSH32_K, 0, 0, 0, 31);
            }
            Value::Compare(order, a, b) => {
                self.operands(a, b)?;
                self.push(MOV32_K, 2, 0, 0, 1);
                self.push(comparison(order), 0, 1, 1, 0);
                self.push(MOV32_K, 2, 0, 0, 0);
                self.push(MOV32_X, 0, 2, 0, 0);
            }
            Value::Binary(operator, a, b) => self.binary(operator, a, b)?,
        }
        Some(())
    }

    fn binary(&mut self, operator: Operator, a: ValueId, b: ValueId) -> Option<()> {
        let code = arithmetic(operator);
        if let Some(number) = self.values.constant_of(b) {
            self.value(a)?;
            self.push(code, 0, 0, 0, number.cast_signed());
            return Some(());
        }
        self.operands(a, b)?;
        match operator {
            Operator::Divide | Operator::Modulo => self.jump(JEQ32_K, 1, 0, 0, Goal::Reject),
            Operator::ShiftLeft | Operator::ShiftRight => self.push(AND32_K, 1, 0, 0, 31),
            _ => {}
        }
        self.push(code | 8, 0, 1, 0, 0);
        Some(())
    }

    /// `a` in r0 and `b` in r1. The one that needs more words is computed first.
    fn operands(&mut self, a: ValueId, b: ValueId) -> Option<()> {
        if self.slots >= self.context.slots() {
            self.is_too_large = true;
            return None;
        }
        let b_first = self.words(b) > self.words(a);
        let (first, second) = if b_first { (b, a) } else { (a, b) };
        self.value(first)?;
        self.slots += 1;
        // A tracing program reads into the first word.
        let place = match self.context {
            EbpfContext::Skb => -8 * (self.slots + 1),
            _ => -8 * self.slots,
        };
        self.push(STX_DW, 10, 0, place, 0);
        self.value(second)?;
        if b_first {
            self.push(LDX_DW, 1, 10, place, 0);
        } else {
            self.push(MOV64_X, 1, 0, 0, 0);
            self.push(LDX_DW, 0, 10, place, 0);
        }
        self.slots -= 1;
        Some(())
    }

    /// How many words of stack it takes to compute `value`.
    fn words(&mut self, value: ValueId) -> i16 {
        if let Some(words) = self.words.get(&value) {
            return *words;
        }
        let words = match self.values.get(value) {
            Value::Load { index: Some(a), .. } | Value::Negative(a) => self.words(a),
            Value::Binary(_, a, b) | Value::Compare(_, a, b)
                if self.values.constant_of(b).is_none() =>
            {
                let (a, b) = (self.words(a), self.words(b));
                a.max(b).max(a.min(b) + 1)
            }
            Value::Binary(_, a, _) => self.words(a),
            Value::Compare(_, a, _) => self.words(a).max(1),
            _ => 0,
        };
        self.words.insert(value, words);
        words
    }

    /// Puts the index into r0, and keeps it in r9.
    fn index(&mut self, index: ValueId) -> Option<()> {
        self.value(index)?;
        if self.known.index != Some(index) {
            self.push(MOV32_X, 9, 0, 0, 0);
            self.known.index = Some(index);
        }
        Some(())
    }

    fn load(&mut self, index: Option<ValueId>, k: u32, bytes: u8) -> Option<()> {
        let opcode = load_of(bytes);
        let size = i32::from(bytes);
        match index {
            None => {
                let end = k.checked_add(bytes.into())?;
                if end > LONGEST {
                    return None;
                }
                if end > self.known.bound {
                    self.push(MOV64_X, 2, 6, 0, 0);
                    self.push(ADD64_K, 2, 0, 0, end.cast_signed());
                    self.jump(JGT64_X, 2, 7, 0, Goal::Reject);
                    self.known.bound = end;
                }
                self.push(opcode, 0, 6, k as i16, 0);
            }
            Some(index) => {
                self.index(index)?;
                self.push(ADD32_K, 0, 0, 0, k.cast_signed());
                self.jump(JGT32_K, 0, 0, LONGEST, Goal::Reject);
                self.push(MOV64_X, 2, 6, 0, 0);
                self.push(ADD64_X, 2, 0, 0, 0);
                self.push(MOV64_X, 3, 2, 0, 0);
                self.push(ADD64_K, 3, 0, 0, size);
                self.jump(JGT64_X, 3, 7, 0, Goal::Reject);
                self.push(opcode, 0, 2, 0, 0);
            }
        }
        self.swap(bytes);
        Some(())
    }

    /// Turns bytes of a packet in r0 into the number that they are.
    fn swap(&mut self, bytes: u8) {
        if bytes > 1 {
            self.push(TO_BE, 0, 0, 0, 8 * i32::from(bytes));
        }
    }
}

fn load_of(bytes: u8) -> u8 {
    match bytes {
        1 => LDX_B,
        2 => LDX_H,
        _ => LDX_W,
    }
}

fn comparison(order: Order) -> u8 {
    match order {
        Order::Equal => JEQ32_X,
        Order::Greater => JGT32_X,
        Order::AtLeast => JGE32_X,
    }
}

/// With a constant; with a register the fourth bit is set.
fn arithmetic(operator: Operator) -> u8 {
    match operator {
        Operator::Add => 0x04,
        Operator::Subtract => 0x14,
        Operator::Multiply => 0x24,
        Operator::Divide => 0x34,
        Operator::Or => 0x44,
        Operator::And => 0x54,
        Operator::ShiftLeft => 0x64,
        Operator::ShiftRight => 0x74,
        Operator::Modulo => 0x94,
        Operator::Xor => 0xa4,
    }
}
