//! The way of a packet on the map of Linux' packet flow: device, bridge, the hooks of netfilter,
//! routing, sockets and back.
//!
//! Owns which places of the map a trail lights, namespace by namespace, and the pages around the
//! pictures. The map is data (`map.txt`).

mod map;
mod svg;

use super::path::Trail;
use super::verdict::Verdict;
use super::words::{self, Detail, Names};
use super::{Hop, hook::Hook};
use map::MAP;
use std::fmt::Write;

/// Trails in one picture; more are said to be left out.
const MOST_TRAILS: usize = 40;

/// A place that the packet passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lit {
    /// Nanoseconds that went by until the packet was seen here.
    since_ns: u64,
    /// What was seen here, a line for each hop.
    seen: Vec<String>,
    /// It was not seen, but there is no other way.
    implied: bool,
}

/// The way through one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Panel {
    title: String,
    /// By index of the node.
    lit: Vec<(usize, Lit)>,
    edges: Vec<(usize, usize)>,
    /// Where it was dropped, and why.
    dropped: Option<(usize, String)>,
}

/// Pictures of trails, in one file.
#[derive(Clone, Debug, Default)]
pub struct Diagram {
    trails: Vec<(String, Vec<String>, Vec<Panel>)>,
    left_out: u64,
}

impl Diagram {
    /// Adds a trail.
    pub fn add(&mut self, trail: &Trail, names: &dyn Names) {
        if self.trails.len() >= MOST_TRAILS {
            self.left_out += 1;
            return;
        }
        let block = words::block(trail, names, "", Detail::Brief);
        let mut lines = block.lines().map(str::to_owned);
        let title = lines.next().unwrap_or_default();
        self.trails
            .push((title, lines.collect(), panels(trail, names)));
    }

    /// The trails that are not in the pictures, since there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// One SVG picture with all trails, one below the other.
    pub fn svg(&self) -> String {
        let panels: Vec<(&str, &Panel)> = self
            .trails
            .iter()
            .flat_map(|(title, _, panels)| panels.iter().map(|panel| (title.as_str(), panel)))
            .collect();
        svg::picture(&panels)
    }

    /// A page with a picture and the text of each trail.
    pub fn html(&self) -> String {
        let mut text = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"/>\
                        <title>pktrail: trails</title>\n<style>body { font-family: sans-serif; } \
                        pre { background: #f4f4f4; padding: 1em; overflow: auto; }</style></head>\n\
                        <body>\n"
            .to_owned();
        for (title, lines, panels) in &self.trails {
            let panels: Vec<(&str, &Panel)> = panels.iter().map(|panel| ("", panel)).collect();
            let _ = writeln!(text, "<h2>{}</h2>", svg::escaped(title));
            text.push_str(&svg::picture(&panels));
            let _ = writeln!(text, "<pre>{}</pre>", svg::escaped(&lines.join("\n")));
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "<p>{} more packets are not drawn.</p>", self.left_out);
        }
        text.push_str("</body>\n</html>\n");
        text
    }
}

/// The hops of one stay in a namespace.
fn stays(trail: &Trail) -> Vec<&[Hop]> {
    let netns = |hop: &Hop| match hop.event.interface {
        0 => 0,
        _ => hop.event.netns,
    };
    // Hops that do not know where they are belong to the stay before.
    let mut known = 0;
    let mut bounds = vec![0];
    for (at, hop) in trail.hops.iter().enumerate() {
        let here = netns(hop);
        if here != 0 && known != 0 && here != known {
            bounds.push(at);
        }
        if here != 0 {
            known = here;
        }
    }
    bounds.push(trail.hops.len());
    let pairs = bounds.windows(2);
    pairs
        .filter_map(|pair| trail.hops.get(pair[0]..pair[1]))
        .filter(|hops| !hops.is_empty())
        .collect()
}

fn panels(trail: &Trail, names: &dyn Names) -> Vec<Panel> {
    let stays = stays(trail);
    let count = stays.len();
    let mut panels: Vec<Panel> = stays.iter().map(|hops| panel(hops, names)).collect();
    if let (Some(last), Verdict::Dropped(dropped)) = (panels.last_mut(), &trail.verdict) {
        let table = dropped.hook.as_ref().and_then(|(hook, table)| {
            let hook = Hook::ALL.into_iter().find(|known| known.name() == *hook)?;
            MAP.of_table(hook, table)
        });
        let place = table.or_else(|| last.lit.last().map(|(node, _)| *node));
        if let (Some(table), Some((before, _))) = (table, last.lit.last().cloned()) {
            last.walk(before, table);
        }
        let why = format!("{} in {}", dropped.reason, dropped.function);
        last.dropped = place.map(|place| (place, why));
    }
    for (at, panel) in panels.iter_mut().enumerate() {
        if at + 1 == count {
            let _ = write!(panel.title, ": {}", words::verdict(trail, names));
        }
    }
    panels
}

fn panel(hops: &[Hop], names: &dyn Names) -> Panel {
    let place = hops.iter().find(|hop| hop.event.netns != 0);
    let mut panel = Panel {
        title: place.map_or("somewhere".to_owned(), |hop| {
            format!("namespace {}", words::namespace(names, hop.event.netns))
        }),
        ..Panel::default()
    };
    let mut before: Option<usize> = None;
    let mut waited_ns = 0;
    for hop in hops {
        waited_ns += hop.since_ns;
        let Some(node) = MAP.of_point(hop.event.point) else {
            continue;
        };
        if let Some(before) = before.filter(|before| *before != node) {
            panel.walk(before, node);
        }
        let remarks = words::remarks(hop, None, names).join("; ");
        let line = format!(
            "{} {} {remarks}",
            words::point(hop.event.point),
            words::place(names, &hop.event)
        );
        let lit = panel.light(node);
        lit.since_ns += waited_ns;
        lit.implied = false;
        lit.seen.push(line.trim_end().to_owned());
        waited_ns = 0;
        before = Some(node);
    }
    panel
}

impl Panel {
    fn light(&mut self, node: usize) -> &mut Lit {
        let at = match self.lit.iter().position(|(known, _)| *known == node) {
            Some(at) => at,
            None => {
                self.lit.push((node, Lit::default()));
                self.lit.len() - 1
            }
        };
        // The index was found, or just pushed.
        &mut self.lit[at].1
    }

    /// Lights the way between two places, and what lies on it.
    fn walk(&mut self, from: usize, to: usize) {
        for pair in MAP.way(from, to).unwrap_or_default().windows(2) {
            let edge = (pair[0], pair[1]);
            if !self.edges.contains(&edge) {
                self.edges.push(edge);
            }
            if edge.1 != to && !self.lit.iter().any(|(node, _)| *node == edge.1) {
                self.light(edge.1).implied = true;
            }
        }
    }
}

#[cfg(test)]
mod tests;
