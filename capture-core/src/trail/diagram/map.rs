//! The map: nodes, edges and groups from `map.txt`, and where on it a hop is.
//!
//! Owns reading the rows and looking up places. Drawing is `svg`'s.

use super::super::hook::{Gap, Hook};
use super::super::point::PointId;
use std::collections::{HashMap, VecDeque};
use std::sync::LazyLock;

/// A place on the map.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) column: u32,
    pub(super) row: u32,
    pub(super) label: &'static str,
    seen: Vec<&'static str>,
}

/// A frame around places.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) label: &'static str,
    pub(super) first: (u32, u32),
    pub(super) last: (u32, u32),
}

/// The whole map. Edges are pairs of indices of nodes.
#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<(usize, usize)>,
    pub(super) groups: Vec<Group>,
    names: HashMap<&'static str, usize>,
}

/// The map of `map.txt`.
pub(super) static MAP: LazyLock<Map> = LazyLock::new(|| {
    let mut map = Map::default();
    for line in rows() {
        // A test holds that every line is a row.
        let _ = map.read(line);
    }
    map
});

fn rows() -> impl Iterator<Item = &'static str> {
    let lines = include_str!("map.txt").lines();
    lines.filter(|line| !line.starts_with('#'))
}

fn place(text: &str) -> Option<(u32, u32)> {
    let (column, row) = text.split_once(',')?;
    Some((column.parse().ok()?, row.parse().ok()?))
}

impl Map {
    fn read(&mut self, line: &'static str) -> Option<()> {
        let columns: Vec<&'static str> = line.split('|').map(str::trim).collect();
        match columns[..] {
            ["group", label, places] => {
                let (first, last) = places.split_once(' ')?;
                let (first, last) = (place(first)?, place(last)?);
                self.groups.push(Group { label, first, last });
            }
            ["node", name, at, label, seen] => {
                let (column, row) = place(at)?;
                self.names.insert(name, self.nodes.len());
                self.nodes.push(Node {
                    name,
                    column,
                    row,
                    label,
                    seen: seen.split(',').map(str::trim).collect(),
                });
            }
            ["edge", from, to] => {
                let (from, to) = (self.names.get(from)?, self.names.get(to)?);
                self.edges.push((*from, *to));
            }
            _ => return None,
        }
        Some(())
    }

    /// Where a point is, if the map has it.
    pub(super) fn of_point(&self, point: PointId) -> Option<usize> {
        let name = point.name();
        if let Some(gap) = Gap::by_name(name) {
            return self.of_table(gap.hook, gap.before().unwrap_or("begin"));
        }
        let layer = format!("layer:{}", point.point()?.layer.name());
        let by_name = self.find(|seen| match seen.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => seen == name,
        });
        by_name.or_else(|| self.find(|seen| seen == layer))
    }

    /// Where a table of a hook is.
    pub(super) fn of_table(&self, hook: Hook, table: &str) -> Option<usize> {
        let wanted = format!("{}/{table}", hook.name());
        self.find(|seen| seen == wanted)
    }

    fn find(&self, fits: impl Fn(&str) -> bool) -> Option<usize> {
        let has = |node: &Node| node.seen.iter().any(|seen| fits(seen));
        self.nodes.iter().position(has)
    }

    /// The nodes of the shortest way from one to another, both included.
    pub(super) fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut before: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to {
                let mut way = vec![to];
                while let Some(last) = way.last().filter(|last| **last != from) {
                    way.push(*before.get(last)?);
                }
                way.reverse();
                return Some(way);
            }
            for (_, next) in self.edges.iter().filter(|(start, _)| *start == node) {
                if *next != from && !before.contains_key(next) {
                    before.insert(*next, node);
                    queue.push_back(*next);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trail::point::{Layer, points};
    use std::collections::HashSet;

    #[test]
    fn every_line_is_a_row() {
        let mut map = Map::default();
        for line in rows() {
            assert!(map.read(line).is_some(), "{line}");
        }
        let places: HashSet<_> = map.nodes.iter().map(|n| (n.column, n.row)).collect();
        assert_eq!(places.len(), map.nodes.len(), "two nodes at one place");
        assert!(map.nodes.len() > 40 && map.edges.len() > 40);
    }

    #[test]
    fn what_the_map_names_is_a_point_a_layer_or_a_table() {
        for seen in MAP.nodes.iter().flat_map(|node| &node.seen) {
            let known = match (seen.strip_prefix("layer:"), seen.split_once('/')) {
                (Some(layer), _) => Layer::by_name(layer).is_some(),
                (None, Some((hook, table))) => {
                    let hook = Hook::ALL.into_iter().find(|known| known.name() == hook);
                    let hook = hook.unwrap_or_else(|| panic!("{seen}"));
                    table == "begin" || hook.tables().iter().any(|(_, name)| *name == table)
                }
                (None, None) => points().iter().any(|point| match seen.strip_suffix('*') {
                    Some(start) => point.name.starts_with(start),
                    None => point.name == *seen,
                }),
            };
            assert!(known, "{seen}");
        }
    }

    #[test]
    fn every_table_of_every_hook_is_on_the_map() {
        for hook in Hook::ALL {
            for (_, table) in hook.tables() {
                assert!(MAP.of_table(hook, table).is_some(), "{hook} {table}");
            }
        }
    }

    #[test]
    fn there_is_a_way_from_device_to_device_and_to_sockets_and_back() {
        let way = |from: &str, to: &str| {
            let way = MAP.way(MAP.names[from], MAP.names[to]);
            let way = way.unwrap_or_else(|| panic!("no way from {from} to {to}"));
            way.iter()
                .map(|node| MAP.nodes[*node].name)
                .collect::<Vec<_>>()
        };
        assert!(way("dev_in", "dev_out").contains(&"br_forward"));
        assert!(way("dev_in", "sock_in").contains(&"in_filter"));
        assert!(way("sock_out", "dev_out").contains(&"out_filter"));
        assert!(way("pre_nat", "post_nat").contains(&"fwd_filter"));
        assert_eq!(MAP.way(MAP.names["dev_out"], MAP.names["dev_in"]), None);
    }
}
