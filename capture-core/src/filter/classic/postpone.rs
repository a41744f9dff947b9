//! The question that a long search begins with, asked again where the search finds something.
//!
//! A list of hosts is searched for IP, ARP and RARP, and most frames have none of them. Three
//! EtherTypes are told apart by three questions; but that a frame is neither IP nor above RARP
//! takes two, and what then is found nevertheless is asked for its EtherType.

use crate::filter::ir::graph::{Branch, Goal, Graph, Node};

/// The graph with its first question put off, if that makes the question shorter.
pub(super) fn postponed(graph: &Graph) -> Option<Graph> {
    let Goal::Node(root) = graph.root() else {
        return None;
    };
    let first = graph.node(root)?;
    let (goal, end) = scattered(first)?;
    let rejects = |branch: &Branch| branch.goal == Goal::Reject && branch.high < end;
    if !first.branches.iter().any(rejects) {
        return None;
    }
    let shift = |goal| match goal {
        Goal::Accept => Goal::Node(0),
        Goal::Node(number) => Goal::Node(number + 1),
        Goal::Reject => Goal::Reject,
    };
    let mut nodes = vec![Node {
        value: first.value,
        branches: merged(&first.branches, |branch| match branch.goal {
            Goal::Reject => Goal::Reject,
            _ => Goal::Accept,
        }),
    }];
    for (number, node) in graph.nodes.iter().enumerate() {
        let is_first = number as u32 == root;
        nodes.push(Node {
            value: node.value,
            branches: merged(&node.branches, |branch| match branch.goal {
                Goal::Accept if is_first => Goal::Accept,
                Goal::Reject if is_first && branch.high < end => shift(goal),
                other => shift(other),
            }),
        });
    }
    Some(Graph {
        nodes,
        root: Some(Goal::Node(root + 1)),
    })
}

/// A goal to which separate ranges lead, and where the last of them ends.
fn scattered(node: &Node) -> Option<(Goal, u32)> {
    node.branches.iter().find_map(|branch| {
        let ways = node
            .branches
            .iter()
            .filter(|other| other.goal == branch.goal);
        let end = ways.skip(1).last()?.high;
        matches!(branch.goal, Goal::Node(_)).then_some((branch.goal, end))
    })
}

/// The branches with other goals; neighbours that have the same become one.
fn merged(branches: &[Branch], goal: impl Fn(&Branch) -> Goal) -> Box<[Branch]> {
    let mut merged: Vec<Branch> = Vec::new();
    for branch in branches {
        let (high, goal) = (branch.high, goal(branch));
        match merged.last_mut() {
            Some(last) if last.goal == goal => last.high = high,
            _ => merged.push(Branch { high, goal }),
        }
    }
    merged.into()
}
