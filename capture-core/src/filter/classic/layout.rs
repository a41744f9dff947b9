//! Blocks to instructions: order, and jumps that reach.
//!
//! A conditional jump of classic BPF reaches 255 instructions forward. Where a
//! goal is further away, an unconditional jump to it is put in between, or a copy
//! of it where that is short and saves executing the jump.

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

/// Blocks that together are at most as long stay together.
const SEGMENT: usize = 220;
/// Longest copy.
const LONGEST_COPY: usize = 40;

/// The program that begins with the block `root`. With `copies` it is faster and
/// longer.
pub(super) fn assemble(blocks: &[Block], root: BlockId, copies: bool) -> Vec<Instruction> {
    let mut assembler = Assembler {
        blocks,
        reversed: Vec::new(),
        starts: vec![None; blocks.len()],
        near: vec![None; blocks.len()],
        copies: vec![None; blocks.len()],
        makes_copies: copies,
    };
    // The last block of the order is emitted first: jumps then know how far.
    let trees = Trees::new(blocks, root);
    let top = |block, top: &mut Vec<_>, below: &mut Vec<_>| trees.top(block, top, below);
    for block in order(root, blocks.len(), top) {
        assembler.block(block);
    }
    assembler.reversed.reverse();
    assembler.reversed
}

/// Where the block can go on.
fn ways(block: &Block) -> impl Iterator<Item = BlockId> {
    let (first, second) = match block.end {
        End::Return(_) => (None, None),
        End::Goto(next) => (Some(next), None),
        End::Branch { yes, no, .. } => (Some(yes), Some(no)),
    };
    first.into_iter().chain(second)
}

/// The blocks, each after all that it leads to. What `below` names last is met
/// last, and comes next to what leads to it. It takes a block, and puts those
/// that stand with it on the first list and those that they lead to on the
/// second.
fn order(
    root: BlockId,
    count: usize,
    below: impl Fn(BlockId, &mut Vec<BlockId>, &mut Vec<BlockId>),
) -> Vec<BlockId> {
    let mut done = vec![false; count];
    let mut order = Vec::with_capacity(count);
    let (mut together, mut next) = (Vec::new(), Vec::new());
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
        below(block, &mut together, &mut next);
        stack.extend(together.drain(..).map(|block| (block, true)));
        stack.extend(next.drain(..).rev().map(|block| (block, false)));
    }
    order
}

/// Large search trees are cut: their upper levels stand together, and then what
/// is below each way out of them. So one far jump leads there, not one a level.
struct Trees<'a> {
    blocks: &'a [Block],
    /// How many ways lead to each block.
    ways_to: Vec<u32>,
    /// Instructions of each block and of those to which only it leads.
    sizes: Vec<usize>,
}

impl<'a> Trees<'a> {
    fn new(blocks: &'a [Block], root: BlockId) -> Self {
        let mut trees = Self {
            blocks,
            ways_to: vec![0; blocks.len()],
            sizes: vec![0; blocks.len()],
        };
        let order = order(root, blocks.len(), |block, together, below| {
            together.push(block);
            below.extend(ways(&blocks[block]));
        });
        for block in &order {
            for way in ways(&blocks[*block]) {
                trees.ways_to[way] += 1;
            }
        }
        for block in order {
            let own = ways(&blocks[block]).filter(|way| trees.ways_to[*way] == 1);
            let own: usize = own.map(|way| trees.sizes[way]).sum();
            trees.sizes[block] = blocks[block].code.len() + 1 + own;
        }
        trees
    }

    /// The blocks of the upper levels from `block` on, and what they lead to.
    fn top(&self, block: BlockId, top: &mut Vec<BlockId>, below: &mut Vec<BlockId>) {
        let mut stack = vec![block];
        while let Some(next) = stack.pop() {
            let is_large = self.sizes[next] > SEGMENT && self.ways_to[next] == 1;
            if next != block && !is_large {
                below.push(next);
                continue;
            }
            top.push(next);
            stack.extend(ways(&self.blocks[next]));
        }
        below.reverse();
    }
}

struct Assembler<'a> {
    blocks: &'a [Block],
    reversed: Vec<Instruction>,
    /// For each block, how many instructions there are from its first to the end.
    starts: Vec<Option<usize>>,
    /// The same for the nearest instruction that leads to a block or is its copy.
    near: Vec<Option<usize>>,
    copies: Vec<Option<Copy>>,
    makes_copies: bool,
}

/// What a copy of a block would be.
#[derive(Clone, Copy)]
struct Copy {
    length: usize,
    /// Ways out of it, and how many of them have a jump more than the block has.
    ways: usize,
    longer: usize,
}

impl Copy {
    /// The far jump to the block, which a copy saves, must be worth it.
    fn is_worth_it(self) -> bool {
        self.length <= LONGEST_COPY && self.longer * 2 <= self.ways
    }
}

impl Assembler<'_> {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.reversed.push(Instruction { code, jt, jf, k });
    }

    fn block(&mut self, id: BlockId) {
        let copy = self.put(id);
        self.starts[id] = self.near[id];
        self.copies[id] = Some(copy).filter(|copy| self.makes_copies && copy.is_worth_it());
    }

    /// Puts the block before all others, and says what a copy of it would be.
    fn put(&mut self, id: BlockId) -> Copy {
        let block = &self.blocks[id];
        let mut copy = Copy {
            length: block.code.len(),
            ways: 1,
            longer: 0,
        };
        match block.end {
            End::Return(k) => {
                self.push(RET_K, 0, 0, k);
                copy.length += 1;
            }
            End::Goto(next) => {
                let way = self.way(next, self.distance(next) > 0);
                if self.distance(next) > 0 {
                    self.lead(next);
                }
                copy = Copy {
                    length: copy.length + way.length,
                    ..way
                };
            }
            End::Branch { code, k, yes, no } => {
                let [first, second] = [yes, no].map(|way| self.way(way, self.is_far(way)));
                copy = Copy {
                    length: copy.length + 1 + first.length + second.length,
                    ways: first.ways + second.ways,
                    longer: first.longer + second.longer,
                };
                // The second bridge may move the first one's goal on.
                while self.reach(yes).max(self.reach(no)) > 255 {
                    let far = if self.reach(yes) > 255 { yes } else { no };
                    self.lead(far);
                }
                let (jt, jf) = (self.reach(yes), self.reach(no));
                self.push(code, jt as u8, jf as u8, k);
            }
        }
        self.reversed.extend(block.code.iter().rev());
        self.near[id] = Some(self.reversed.len());
        copy
    }

    /// What a copy of a block needs at its end to lead to `next`.
    fn way(&self, next: BlockId, is_far: bool) -> Copy {
        let jump = Copy {
            length: 1,
            ways: 1,
            longer: usize::from(!is_far),
        };
        self.copies[next].unwrap_or(jump)
    }

    /// Whether the way to the block has a far jump.
    fn is_far(&self, to: BlockId) -> bool {
        self.near[to] != self.starts[to] || self.reach(to) > 255
    }

    fn distance(&self, to: BlockId) -> usize {
        // Blocks come after all that they lead to.
        self.reversed.len() - self.starts[to].unwrap_or_default()
    }

    fn reach(&self, to: BlockId) -> usize {
        self.reversed.len() - self.near[to].unwrap_or_default()
    }

    /// Puts a copy of `to`, or a jump there.
    fn lead(&mut self, to: BlockId) {
        let is_return = matches!(self.blocks[to].end, End::Return(_));
        if is_return && self.blocks[to].code.is_empty() || self.copies[to].is_some() {
            self.put(to);
            return;
        }
        let distance = self.distance(to) as u32;
        self.push(JA, 0, 0, distance);
        self.near[to] = Some(self.reversed.len());
    }
}
