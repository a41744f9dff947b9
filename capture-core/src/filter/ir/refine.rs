//! Cheaper ways to ask the same: fewer bytes where the others do not matter,
//! and two neighbouring fields at once.

use super::graph::{Branch, Goal, Graph, Node};
use super::likely::chance;
use super::value::{Field, Value, ValueId, Values};
use crate::filter::lang::Operator;

/// Refines every node of `graph`. Nodes stay where they are.
pub(crate) fn refine(graph: &mut Graph, values: &mut Values) {
    for number in 0..graph.nodes.len() {
        let Some(mut node) = graph.nodes.get(number).cloned() else {
            continue;
        };
        narrow(&mut node, values);
        if let Some(fused) = protocol_and_fragment(&node, graph, values) {
            node = fused;
        }
        if let Some(place) = graph.nodes.get_mut(number) {
            *place = node;
        }
    }
}

/// Loads only the high bytes if the low ones decide nothing, as in a network of
/// 8, 16 or 24 bits.
fn narrow(node: &mut Node, values: &mut Values) {
    let Value::Load { index, k, bytes } = values.get(node.value) else {
        return;
    };
    if k >= 0x8000_0000 {
        return;
    }
    let bits = 8 * u32::from(bytes);
    for fewer in [1, 2] {
        if fewer >= bytes {
            return;
        }
        let shift = bits - 8 * u32::from(fewer);
        let low = (1u32 << shift) - 1;
        if node.branches.iter().any(|branch| branch.high & low != low) {
            continue;
        }
        let field = values.field(node.value);
        let value = values.load(index, k, fewer);
        if let Some(Field::Address4) = field {
            values.name(value, Field::Network4);
        }
        node.value = value;
        for branch in &mut node.branches {
            branch.high >>= shift;
        }
        return;
    }
}

/// In an IPv4 header the fragment offset lies two bytes before the protocol. If
/// both are asked for, one load of four bytes has them.
fn protocol_and_fragment(node: &Node, graph: &Graph, values: &mut Values) -> Option<Node> {
    if values.field(node.value) != Some(Field::Protocol4) {
        return None;
    }
    let Value::Load { index, k, bytes: 1 } = values.get(node.value) else {
        return None;
    };
    let start = k.checked_sub(3)?;
    let mut otherwise = None;
    for branch in &node.branches {
        let (_, no) = fragment(branch.goal, graph, values, index, start)
            .unwrap_or((branch.goal, branch.goal));
        if *otherwise.get_or_insert(no) != no {
            return None;
        }
    }
    let otherwise = otherwise?;
    let mut gain = 0.0;
    let mut low = 0;
    let mut wanted = Vec::new();
    for branch in &node.branches {
        let chance = chance(values, node.value, low, branch.high);
        match fragment(branch.goal, graph, values, index, start) {
            Some((first, _)) => {
                wanted.push((low, branch.high, first));
                gain += chance;
            }
            None => gain -= chance,
        }
        low = branch.high.wrapping_add(1);
    }
    if gain <= 0.0 {
        return None;
    }
    let word = values.load(index, start, 4);
    let mask = values.constant(0x1fff_00ff);
    let value = values.binary(Operator::And, word, mask)?;
    values.name(value, Field::ProtocolAndFragment);
    let mut branches: Vec<Branch> = Vec::new();
    let mut push = |high: u32, goal: Goal| match branches.last_mut() {
        Some(last) if last.goal == goal => last.high = high,
        _ => branches.push(Branch { high, goal }),
    };
    let mut next = 0;
    for (low, high, goal) in wanted {
        if low > next {
            push(low - 1, otherwise);
        }
        push(high, goal);
        next = high + 1;
    }
    push(values.most(value), otherwise);
    let branches = branches.into_boxed_slice();
    Some(Node { value, branches })
}

/// If `goal` asks whether the two bytes at `start` are of a first fragment: the
/// goals for yes and no.
fn fragment(
    goal: Goal,
    graph: &Graph,
    values: &Values,
    index: Option<ValueId>,
    start: u32,
) -> Option<(Goal, Goal)> {
    let Goal::Node(number) = goal else {
        return None;
    };
    let node = graph.node(number)?;
    let Value::Binary(Operator::And, load, mask) = values.get(node.value) else {
        return None;
    };
    let is_field = values.get(load)
        == Value::Load {
            index,
            k: start,
            bytes: 2,
        };
    match (values.constant_of(mask), &*node.branches) {
        (Some(0x1fff), [zero, other]) if is_field && zero.high == 0 => {
            Some((zero.goal, other.goal))
        }
        _ => None,
    }
}
