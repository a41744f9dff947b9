//! Nodes to blocks of instructions, with what is in the registers.
//!
//! A node is made once for each state of the registers that it can use, so that
//! nothing is loaded again on a way where it is there already.

use super::choose::{Tree, tree};
use super::layout::{Block, BlockId, End};
use super::share::{Groups, class_of};
use crate::filter::Instruction;
use crate::filter::ir::graph::{Branch, Goal, Graph, Node};
use crate::filter::ir::hash::Map;
use crate::filter::ir::likely::chance;
use crate::filter::ir::value::{Order, Value, ValueId, Values};
use crate::filter::lang::Operator;
use crate::filter::op::*;

/// Most blocks: programs of more instructions than the kernel takes are still
/// made, to be shown, but not without end.
const MOST_BLOCKS: usize = 40_000;
/// Indices kept for all nodes.
const MOST_USES: usize = 1_000_000;

/// What the registers hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Registers {
    a: Option<ValueId>,
    x: Option<ValueId>,
}

/// How X tells, after a search that several nodes share, on whose behalf it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tell {
    /// They all go on alike.
    Nothing,
    /// There are two, which differ in one class of ranges. X is a number outside
    /// that class for the first, and the number itself for the second.
    Same(u32),
    /// X is the member's number.
    Number,
}

pub(super) struct Emitter<'a> {
    graph: &'a Graph,
    values: &'a Values,
    snaplen: u32,
    pub(super) blocks: Vec<Block>,
    index: Map<Block, BlockId>,
    made: Map<(u32, Registers), BlockId>,
    /// Nodes whose blocks have their places, and are still to be made.
    waiting: Vec<(u32, Registers, BlockId)>,
    /// For each node, the indices that it or a node behind it loads by.
    uses: Vec<Vec<ValueId>>,
    groups: Groups,
    /// The searches of groups that are made.
    searches: Map<usize, (BlockId, Tell)>,
    /// Why there is no program, if there is none.
    pub(super) is_too_large: bool,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(graph: &'a Graph, values: &'a Values, snaplen: u32) -> Self {
        let mut emitter = Self {
            graph,
            values,
            snaplen,
            blocks: Vec::new(),
            index: Map::default(),
            made: Map::default(),
            waiting: Vec::new(),
            uses: Vec::new(),
            groups: Groups::default(),
            searches: Map::default(),
            is_too_large: false,
        };
        emitter.find_uses();
        emitter
    }

    /// From here on, nodes that make the same long search share it.
    pub(super) fn share(&mut self) {
        self.groups = Groups::new(self.graph);
    }

    /// Nodes lead to earlier ones, so one pass knows all.
    fn find_uses(&mut self) {
        let mut sum = 0;
        for node in &self.graph.nodes {
            let mut uses = Vec::new();
            self.indices(node.value, &mut Map::default(), &mut uses);
            for branch in &node.branches {
                if let Goal::Node(number) = branch.goal
                    && let Some(behind) = self.uses.get(number as usize)
                {
                    uses.extend_from_slice(behind);
                }
            }
            uses.sort_unstable();
            uses.dedup();
            sum += uses.len();
            if sum > MOST_USES {
                self.is_too_large = true;
                return;
            }
            self.uses.push(uses);
        }
    }

    /// The values that computing `value` can take from X.
    fn indices(&self, value: ValueId, seen: &mut Map<ValueId, ()>, found: &mut Vec<ValueId>) {
        if seen.insert(value, ()).is_some() {
            return;
        }
        match self.values.get(value) {
            Value::Load {
                index: Some(index), ..
            } => {
                found.push(index);
                self.indices(index, seen, found);
            }
            Value::Binary(_, a, b) | Value::Compare(_, a, b) => {
                if self.values.constant_of(b).is_none() {
                    found.push(b);
                    found.push(a);
                }
                self.indices(a, seen, found);
                self.indices(b, seen, found);
            }
            Value::Negative(a) => self.indices(a, seen, found),
            _ => {}
        }
    }

    fn block(&mut self, block: Block) -> BlockId {
        if let Some(id) = self.index.get(&block) {
            return *id;
        }
        let id = self.blocks.len();
        self.blocks.push(block.clone());
        self.index.insert(block, id);
        id
    }

    fn ret(&mut self, k: u32) -> BlockId {
        self.block(Block {
            code: Vec::new(),
            end: End::Return(k),
        })
    }

    /// The block that begins what leads from `root`. `None`: it has too many.
    pub(super) fn program(&mut self, root: Goal) -> Option<BlockId> {
        let root = self.goal(root, Registers::default())?;
        while let Some((number, registers, place)) = self.waiting.pop() {
            self.is_too_large |= self.blocks.len() > MOST_BLOCKS;
            if self.is_too_large {
                return None;
            }
            let node = self.graph.node(number)?.clone();
            let made = match self.groups.places.get(&number) {
                Some(&(group, member)) => self.shared(&node, group, member)?,
                None => self.node(&node, registers)?,
            };
            // What was made takes the place that was kept for it.
            self.blocks[place] = self.blocks.get(made)?.clone();
        }
        Some(root)
    }

    fn goal(&mut self, goal: Goal, registers: Registers) -> Option<BlockId> {
        let number = match goal {
            Goal::Accept => return Some(self.ret(self.snaplen)),
            Goal::Reject => return Some(self.ret(0)),
            Goal::Node(number) => number,
        };
        let node = self.graph.node(number)?;
        let registers = self.useful(number, node, registers);
        if let Some(block) = self.made.get(&(number, registers)) {
            return Some(*block);
        }
        let place = self.blocks.len();
        self.blocks.push(Block {
            code: Vec::new(),
            end: End::Return(0),
        });
        self.made.insert((number, registers), place);
        self.waiting.push((number, registers, place));
        Some(place)
    }

    /// Forgets what the node and those behind it have no use for: then fewer
    /// states are made.
    fn useful(&self, number: u32, node: &Node, registers: Registers) -> Registers {
        let starts = |held: &ValueId| {
            let mut value = node.value;
            loop {
                if value == *held {
                    return true;
                }
                value = match self.values.get(value) {
                    Value::Binary(_, a, _) | Value::Negative(a) => a,
                    _ => return false,
                };
            }
        };
        let behind = self.uses.get(number as usize);
        Registers {
            a: registers.a.filter(starts),
            x: registers
                .x
                .filter(|x| behind.is_some_and(|uses| uses.binary_search(x).is_ok())),
        }
    }

    fn node(&mut self, node: &Node, registers: Registers) -> Option<BlockId> {
        let mut code = Code {
            values: self.values,
            out: Vec::new(),
            registers,
            saved: Vec::new(),
        };
        if let Some((test, k, no, yes)) = code.comparison(node)? {
            let (out, registers) = (code.out, code.registers);
            let (yes, no) = (self.goal(yes, registers)?, self.goal(no, registers)?);
            return Some(self.branch(out, test, k, yes, no));
        }
        code.load_a(node.value)?;
        let (out, registers) = (code.out, code.registers);
        let values = self.values;
        let tree = tree(&node.branches, |low, high| {
            chance(values, node.value, low, high)
        });
        self.tree(&tree, out, registers)
    }

    /// A node whose search is made for several: X says for which.
    fn shared(&mut self, node: &Node, group: usize, member: u32) -> Option<BlockId> {
        let mut code = Code {
            values: self.values,
            out: Vec::new(),
            registers: Registers::default(),
            saved: Vec::new(),
        };
        code.load_a(node.value)?;
        let (search, tell) = match self.searches.get(&group) {
            Some(made) => *made,
            None => self.search(node, group)?,
        };
        match tell {
            Tell::Nothing => {}
            Tell::Same(outside) if member == 0 => code.push(LDX_IMM, outside),
            Tell::Same(_) => code.push(TAX, 0),
            Tell::Number => code.push(LDX_IMM, member),
        }
        let (code, end) = (code.out, End::Goto(search));
        Some(self.block(Block { code, end }))
    }

    /// The search of a group, after which each member goes its own way.
    fn search(&mut self, node: &Node, group: usize) -> Option<(BlockId, Tell)> {
        let members = self.groups.members.get(group)?.clone();
        // The goals of each member, for each class of ranges.
        let mut each = Vec::new();
        for member in &members {
            let mut goals = Vec::new();
            for branch in &self.graph.node(*member)?.branches {
                class_of(&mut goals, branch.goal);
            }
            each.push(goals);
        }
        let classes: Vec<Vec<Goal>> = (0..each.first()?.len())
            .map(|class| {
                each.iter()
                    .filter_map(|goals| goals.get(class).copied())
                    .collect()
            })
            .collect();
        let tell = tell(node, &classes);
        let mut ways = Vec::new();
        for goals in &classes {
            ways.push(self.dispatch(goals, tell)?);
        }
        // Until the tree is made, a class stands for its way.
        let mut goals = Vec::new();
        let stand_in = |branch: &Branch| Branch {
            high: branch.high,
            goal: Goal::Node(class_of(&mut goals, branch.goal) as u32),
        };
        let branches: Vec<Branch> = node.branches.iter().map(stand_in).collect();
        let values = self.values;
        let tree = tree(&branches, |low, high| chance(values, node.value, low, high));
        let search = self.tree_to(&tree, &ways)?;
        self.searches.insert(group, (search, tell));
        Some((search, tell))
    }

    /// Where each member goes on, as X tells.
    fn dispatch(&mut self, goals: &[Goal], tell: Tell) -> Option<BlockId> {
        let (last, others) = goals.split_last()?;
        let mut way = self.goal(*last, Registers::default())?;
        if others.iter().all(|goal| goal == last) {
            return Some(way);
        }
        for (number, goal) in others.iter().enumerate().rev() {
            let other = self.goal(*goal, Registers::default())?;
            if let Tell::Same(_) = tell {
                return Some(self.branch(Vec::new(), JEQ_X, 0, way, other));
            }
            let code = match number {
                0 => vec![Instruction {
                    code: TXA,
                    ..Instruction::default()
                }],
                _ => Vec::new(),
            };
            way = self.branch(code, JEQ_K, number as u32, other, way);
        }
        Some(way)
    }

    fn tree_to(&mut self, tree: &Tree, ways: &[BlockId]) -> Option<BlockId> {
        match tree {
            Tree::Goal(Goal::Node(class)) => ways.get(*class as usize).copied(),
            Tree::Goal(_) => None,
            Tree::Test { code, k, yes, no } => {
                let (yes, no) = (self.tree_to(yes, ways)?, self.tree_to(no, ways)?);
                Some(self.branch(Vec::new(), *code, *k, yes, no))
            }
        }
    }

    fn tree(
        &mut self,
        tree: &Tree,
        code: Vec<Instruction>,
        registers: Registers,
    ) -> Option<BlockId> {
        match tree {
            Tree::Goal(goal) => {
                let goal = self.goal(*goal, registers)?;
                if code.is_empty() {
                    return Some(goal);
                }
                let end = End::Goto(goal);
                Some(self.block(Block { code, end }))
            }
            Tree::Test {
                code: test,
                k,
                yes,
                no,
            } => {
                let yes = self.tree(yes, Vec::new(), registers)?;
                let no = self.tree(no, Vec::new(), registers)?;
                Some(self.branch(code, *test, *k, yes, no))
            }
        }
    }

    fn branch(
        &mut self,
        code: Vec<Instruction>,
        test: u16,
        k: u32,
        yes: BlockId,
        no: BlockId,
    ) -> BlockId {
        let end = match yes == no {
            true => End::Goto(yes),
            false => End::Branch {
                code: test,
                k,
                yes,
                no,
            },
        };
        self.block(Block { code, end })
    }
}

/// How to tell the members of a group apart, which go to `classes` of goals by
/// the branches of `node`.
fn tell(node: &Node, classes: &[Vec<Goal>]) -> Tell {
    let differ = |goals: &&Vec<Goal>| goals.iter().any(|goal| Some(goal) != goals.first());
    let mut different = classes.iter().filter(differ);
    let Some(only) = different.next() else {
        return Tell::Nothing;
    };
    // The branches' goals are those of the member that asked for the search.
    let outside = node
        .branches
        .iter()
        .find(|branch| !only.contains(&branch.goal));
    match outside {
        Some(branch) if only.len() == 2 && different.next().is_none() => Tell::Same(branch.high),
        _ => Tell::Number,
    }
}

/// Instructions in the making.
struct Code<'a> {
    values: &'a Values,
    out: Vec<Instruction>,
    registers: Registers,
    /// What the words of scratch memory in use hold.
    saved: Vec<ValueId>,
}

impl Code<'_> {
    fn push(&mut self, code: u16, k: u32) {
        let (jt, jf) = (0, 0);
        self.out.push(Instruction { code, jt, jf, k });
    }

    /// If one instruction decides the node without its value in A: puts the
    /// operands into the registers, and returns the instruction, its constant,
    /// and the goals for no and yes.
    fn comparison(&mut self, node: &Node) -> Option<Option<(u16, u32, Goal, Goal)>> {
        let (Some(first), Some(last)) = (node.branches.first(), node.branches.last()) else {
            return None;
        };
        let (no, yes) = (first.goal, last.goal);
        match self.values.get(node.value) {
            Value::Compare(order, a, b) => {
                let (constant, with_x) = match order {
                    Order::Equal => (JEQ_K, JEQ_X),
                    Order::Greater => (JGT_K, JGT_X),
                    Order::AtLeast => (JGE_K, JGE_X),
                };
                Some(Some(match self.values.constant_of(b) {
                    Some(number) => {
                        self.load_a(a)?;
                        (constant, number, no, yes)
                    }
                    None => {
                        self.load_both(a, b)?;
                        (with_x, 0, no, yes)
                    }
                }))
            }
            Value::Binary(Operator::And, a, b) => {
                let Some(mask) = self.values.constant_of(b) else {
                    return Some(None);
                };
                let only_zero = first.high == 0 && node.branches.len() == 2;
                // Under a mask of one bit there is nothing between.
                if !only_zero && !mask.is_power_of_two() {
                    return Some(None);
                }
                self.load_a(a)?;
                Some(Some((JSET_K, mask, no, yes)))
            }
            _ => Some(None),
        }
    }

    /// Whether X can be loaded with it while A keeps what it has.
    fn spares_a(&self, value: ValueId) -> bool {
        self.registers.x == Some(value)
            || self.values.header_length(value).is_some()
            || matches!(self.values.get(value), Value::Constant(_) | Value::Length)
    }

    /// Whether A can be loaded with it while X keeps what it has.
    fn spares_x(&self, value: ValueId) -> bool {
        if self.registers.a == Some(value) {
            return true;
        }
        match self.values.get(value) {
            Value::Load { index, .. } => index.is_none() || index == self.registers.x,
            Value::Binary(_, a, b) => {
                self.spares_x(a)
                    && (self.values.constant_of(b).is_some() || self.registers.x == Some(b))
            }
            Value::Negative(a) => self.spares_x(a),
            Value::Compare(..) => false,
            _ => true,
        }
    }

    fn load_a(&mut self, value: ValueId) -> Option<()> {
        if self.registers.a == Some(value) {
            return Some(());
        }
        let saved = self.saved.iter().position(|saved| *saved == value);
        match self.values.get(value) {
            _ if self.registers.x == Some(value) => self.push(TXA, 0),
            _ if saved.is_some() => self.push(LD_MEM, saved? as u32),
            Value::Constant(number) => self.push(LD_IMM, number),
            Value::Length => self.push(LD_LEN, 0),
            Value::Ancillary(place) => self.push(LD_W_ABS, AD_OFF + place),
            Value::Load { index, k, bytes } => {
                let (absolute, indexed) = match bytes {
                    1 => (LD_B_ABS, LD_B_IND),
                    2 => (LD_H_ABS, LD_H_IND),
                    _ => (LD_W_ABS, LD_W_IND),
                };
                match index {
                    None => self.push(absolute, k),
                    Some(index) => {
                        self.load_x(index)?;
                        self.push(indexed, k);
                    }
                }
            }
            Value::Negative(a) => {
                self.load_a(a)?;
                self.push(NEG, 0);
            }
            Value::Binary(operator, a, b) => match self.values.constant_of(b) {
                Some(number) => {
                    self.load_a(a)?;
                    self.push(with_constant(operator), number);
                }
                None => {
                    self.operands(operator, a, b)?;
                    self.push(with_constant(operator) | 8, 0);
                }
            },
            Value::Compare(order, a, b) => self.truth(order, a, b)?,
        }
        self.registers.a = Some(value);
        Some(())
    }

    fn operands(&mut self, operator: Operator, a: ValueId, b: ValueId) -> Option<()> {
        let commutes = matches!(
            operator,
            Operator::Add | Operator::Multiply | Operator::And | Operator::Or | Operator::Xor
        );
        // X gets what can be put there without A.
        let swap = commutes && !self.spares_a(b) && (self.spares_a(a) || self.spares_x(b));
        match swap {
            true => self.load_both(b, a),
            false => self.load_both(a, b),
        }
    }

    /// `a` in A and `b` in X.
    fn load_both(&mut self, a: ValueId, b: ValueId) -> Option<()> {
        if self.registers.x == Some(b) && self.spares_x(a) {
            return self.load_a(a);
        }
        let quick = self.values.header_length(b).is_some()
            || matches!(self.values.get(b), Value::Constant(_) | Value::Length);
        if quick {
            self.load_a(a)?;
            return self.load_x(b);
        }
        if self.registers.a != Some(a) && self.is_absolute(a) {
            self.load_x(b)?;
            return self.load_a(a);
        }
        self.load_a(b)?;
        let slot = self.saved.len();
        if slot >= MEMORY_WORDS {
            return None;
        }
        self.push(ST, slot as u32);
        self.saved.push(b);
        self.load_a(a)?;
        self.saved.pop();
        self.push(LDX_MEM, slot as u32);
        self.registers.x = Some(b);
        Some(())
    }

    /// Whether it can be computed without X.
    fn is_absolute(&self, value: ValueId) -> bool {
        match self.values.get(value) {
            Value::Load { index, .. } => index.is_none(),
            Value::Binary(_, a, b) => self.is_absolute(a) && self.values.constant_of(b).is_some(),
            Value::Negative(a) => self.is_absolute(a),
            Value::Compare(..) => false,
            _ => true,
        }
    }

    fn load_x(&mut self, value: ValueId) -> Option<()> {
        if self.registers.x == Some(value) {
            return Some(());
        }
        let saved = self.saved.iter().position(|saved| *saved == value);
        if let Some(k) = self.values.header_length(value) {
            self.push(LDX_MSH, k);
        } else if let Some(slot) = saved {
            self.push(LDX_MEM, slot as u32);
        } else {
            match self.values.get(value) {
                Value::Constant(number) => self.push(LDX_IMM, number),
                Value::Length => self.push(LDX_LEN, 0),
                _ => {
                    self.load_a(value)?;
                    self.push(TAX, 0);
                }
            }
        }
        self.registers.x = Some(value);
        Some(())
    }

    /// A comparison as a number: 1 or 0, without a jump. `a - b - 1` has its
    /// high bit set if `a` equals `b`, as the operands are bytes here.
    fn truth(&mut self, order: Order, a: ValueId, b: ValueId) -> Option<()> {
        let number = self.values.constant_of(b)?;
        if order != Order::Equal || self.values.most(a) > 0xffff || number > 0xffff {
            return None;
        }
        self.load_a(a)?;
        self.push(XOR_K, number);
        self.push(SUB_K, 1);
        self.push(RSH_K, 31);
        Some(())
    }
}

fn with_constant(operator: Operator) -> u16 {
    match operator {
        Operator::Add => ADD_K,
        Operator::Subtract => SUB_K,
        Operator::Multiply => MUL_K,
        Operator::Divide => DIV_K,
        Operator::Modulo => MOD_K,
        Operator::And => AND_K,
        Operator::Or => OR_K,
        Operator::Xor => XOR_K,
        Operator::ShiftLeft => LSH_K,
        Operator::ShiftRight => RSH_K,
    }
}
