//! Long searches that several values share.
//!
//! `host` in a long list asks for the same addresses in four places: two of IP
//! and two of ARP. If the program would be too long for the kernel otherwise,
//! nodes that make the same search make it in one place, one after the other
//! where one leads to the other; X says on whose behalf, and each goes its own
//! way after it.

use crate::filter::ir::graph::{Goal, Graph};
use crate::filter::ir::hash::Map;

/// Ranges from which on a search is worth sharing.
const LONG: usize = 64;

/// Nodes that make one search together.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// For each node in a group: the group, and its own number in it.
    pub(super) places: Map<u32, (usize, u32)>,
    /// The nodes of each group, by their numbers in it.
    pub(super) members: Vec<Vec<u32>>,
}

impl Groups {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut alike: Map<Vec<(u32, usize)>, Vec<u32>> = Map::default();
        for (number, node) in graph.nodes.iter().enumerate() {
            if node.branches.len() >= LONG {
                let mut goals: Vec<Goal> = Vec::new();
                let mut pattern = Vec::with_capacity(node.branches.len());
                for branch in &node.branches {
                    let class = class_of(&mut goals, branch.goal);
                    pattern.push((branch.high, class));
                }
                alike.entry(pattern).or_default().push(number as u32);
            }
        }
        let mut groups = Self::default();
        for nodes in alike.into_values().filter(|nodes| nodes.len() > 1) {
            groups.divide(graph, &nodes);
        }
        groups
    }

    /// Nodes of which one leads to another cannot share: jumps go forward only.
    fn divide(&mut self, graph: &Graph, nodes: &[u32]) {
        // How many of them stand on the longest way from each node to an end.
        let mut depths = vec![0usize; graph.nodes.len()];
        for (number, node) in graph.nodes.iter().enumerate() {
            let behind = node.branches.iter().filter_map(|branch| match branch.goal {
                Goal::Node(next) => depths.get(next as usize).copied(),
                _ => None,
            });
            let behind = behind.max().unwrap_or(0);
            depths[number] = behind + usize::from(nodes.contains(&(number as u32)));
        }
        let mut levels: Map<usize, Vec<u32>> = Map::default();
        for node in nodes {
            levels
                .entry(depths[*node as usize])
                .or_default()
                .push(*node);
        }
        for level in levels.into_values().filter(|level| level.len() > 1) {
            for (number, node) in level.iter().enumerate() {
                self.places
                    .insert(*node, (self.members.len(), number as u32));
            }
            self.members.push(level);
        }
    }
}

/// The place of `goal` among `goals`, put there if it is new.
pub(super) fn class_of(goals: &mut Vec<Goal>, goal: Goal) -> usize {
    let known = goals.iter().position(|known| *known == goal);
    known.unwrap_or_else(|| {
        goals.push(goal);
        goals.len() - 1
    })
}
