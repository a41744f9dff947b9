//! Blocks to instructions: order, and jumps that reach.
//!
//! A conditional jump of classic BPF reaches 255 instructions forward. Where a
//! goal is further away, an unconditional jump or another return is put in
//! between.

use crate::filter::Instruction;
use crate::filter::op::{JA, RET_K};

/// The place of a block in the list of blocks.
pub(super) type BlockId = usize;

/// Instructions without jumps, and how they end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Block {
    pub(super) code: Vec<Instruction>,
    pub(super) end: End,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    Return(u32),
    Goto(BlockId),
    Branch {
        code: u16,
        k: u32,
        yes: BlockId,
        no: BlockId,
    },
}

/// The program that begins with the block `root`.
pub(super) fn assemble(blocks: &[Block], root: BlockId) -> Vec<Instruction> {
    let mut assembler = Assembler {
        blocks,
        reversed: Vec::new(),
        starts: vec![None; blocks.len()],
        near: vec![None; blocks.len()],
    };
    // The last block of the order is emitted first: jumps then know how far.
    for block in order(blocks, root) {
        assembler.block(block);
    }
    assembler.reversed.reverse();
    assembler.reversed
}

/// The blocks, each after all that it leads to. What is met last comes next to
/// the block that leads to it.
fn order(blocks: &[Block], root: BlockId) -> Vec<BlockId> {
    let mut done = vec![false; blocks.len()];
    let mut order = Vec::with_capacity(blocks.len());
    // A block is put twice: to visit what it leads to, and then itself.
    let mut stack = vec![(root, false)];
    while let Some((block, visited)) = stack.pop() {
        if done[block] {
            continue;
        }
        if visited {
            done[block] = true;
            order.push(block);
            continue;
        }
        stack.push((block, true));
        match blocks[block].end {
            End::Return(_) => {}
            End::Goto(next) => stack.push((next, false)),
            End::Branch { yes, no, .. } => {
                stack.push((yes, false));
                stack.push((no, false));
            }
        }
    }
    order
}

struct Assembler<'a> {
    blocks: &'a [Block],
    reversed: Vec<Instruction>,
    /// For each block, how many instructions there are from its first to the end.
    starts: Vec<Option<usize>>,
    /// The same for the nearest instruction that leads to a block or is its copy.
    near: Vec<Option<usize>>,
}

impl Assembler<'_> {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.reversed.push(Instruction { code, jt, jf, k });
    }

    fn block(&mut self, id: BlockId) {
        let block = &self.blocks[id];
        match block.end {
            End::Return(k) => self.push(RET_K, 0, 0, k),
            End::Goto(next) => {
                let distance = self.distance(next);
                if distance > 0 {
                    match self.blocks[next].end {
                        End::Return(k) if self.blocks[next].code.is_empty() => {
                            self.push(RET_K, 0, 0, k);
                        }
                        _ => self.push(JA, 0, 0, distance as u32),
                    }
                }
            }
            End::Branch { code, k, yes, no } => {
                // Room for the second bridge, which moves the first one's goal on.
                self.bridge(yes, 254);
                self.bridge(no, 255);
                if self.reach(yes) > 255 {
                    self.bridge(yes, 255);
                }
                let (jt, jf) = (self.reach(yes), self.reach(no));
                self.push(code, jt as u8, jf as u8, k);
            }
        }
        self.reversed.extend(block.code.iter().rev());
        let start = self.reversed.len();
        self.starts[id] = Some(start);
        self.near[id] = Some(start);
    }

    fn distance(&self, to: BlockId) -> usize {
        // Blocks come after all that they lead to.
        self.reversed.len() - self.starts[to].unwrap_or_default()
    }

    fn reach(&self, to: BlockId) -> usize {
        self.reversed.len() - self.near[to].unwrap_or_default()
    }

    /// Makes `to` reachable within `most` instructions.
    fn bridge(&mut self, to: BlockId, most: usize) {
        if self.reach(to) <= most {
            return;
        }
        match &self.blocks[to] {
            Block {
                code,
                end: End::Return(k),
            } if code.is_empty() => self.push(RET_K, 0, 0, *k),
            _ => {
                let distance = self.distance(to) as u32;
                self.push(JA, 0, 0, distance);
            }
        }
        self.near[to] = Some(self.reversed.len());
    }
}
