//! The map as SVG, with the way of a packet lit.
//!
//! Owns sizes, colours and the writing of XML.

use super::map::{MAP, Node};
use super::{Lit, Panel};
use crate::trail::words;
use std::fmt::Write;

/// Width and height of a place with the room around it.
const STEP: (u32, u32) = (98, 92);
/// Width and height of a box.
const BOX: (u32, u32) = (80, 40);
const MARGIN: u32 = 24;
/// Room for the title of a panel.
const TITLE: u32 = 56;

const STYLE: &str = "text { font: 11px sans-serif; text-anchor: middle; fill: #333; } \
    .title { font: bold 14px sans-serif; text-anchor: start; } \
    .group { fill: #f6f6f6; stroke: #ddd; } .group-label { text-anchor: start; fill: #999; } \
    .node { fill: #fff; stroke: #bbb; } .edge { stroke: #ccc; fill: none; } \
    .lit { fill: #d9f2d9; stroke: #2a7d2a; stroke-width: 2; } \
    .implied { fill: #f2faf2; stroke: #2a7d2a; stroke-dasharray: 4 3; } \
    .way { stroke: #2a7d2a; stroke-width: 3; fill: none; } \
    .drop { fill: #f8d0d0; stroke: #b00020; stroke-width: 3; } \
    .time { fill: #2a7d2a; } .why { fill: #b00020; font-weight: bold; }";

/// Panels one below the other, each under its packet's title.
pub(super) fn picture(panels: &[(&str, &Panel)]) -> String {
    let columns = MAP.nodes.iter().map(|node| node.column).max().unwrap_or(0) + 1;
    let rows = MAP.nodes.iter().map(|node| node.row).max().unwrap_or(0) + 1;
    let width = columns * STEP.0 + 2 * MARGIN;
    let height_of_one = rows * STEP.1 + TITLE + MARGIN;
    let count = u32::try_from(panels.len()).unwrap_or(0).max(1);
    let height = height_of_one * count;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<style>{STYLE}</style>\n"
    );
    let mut before = "";
    for ((title, panel), number) in panels.iter().zip(0..) {
        let _ = writeln!(
            text,
            "<g transform=\"translate({MARGIN} {})\">",
            height_of_one * number
        );
        if *title != before {
            let title = escaped(title);
            let _ = writeln!(
                text,
                "<text class=\"title\" x=\"0\" y=\"18\">{title}</text>"
            );
        }
        before = title;
        let title = escaped(&panel.title);
        let _ = writeln!(
            text,
            "<text class=\"title\" x=\"0\" y=\"38\">{title}</text>"
        );
        draw(&mut text, panel);
        text.push_str("</g>\n");
    }
    text.push_str("</svg>\n");
    text
}

/// The middle of a place.
fn middle(column: u32, row: u32) -> (u32, u32) {
    (
        column * STEP.0 + STEP.0 / 2,
        TITLE + row * STEP.1 + STEP.1 / 2,
    )
}

fn draw(text: &mut String, panel: &Panel) {
    for group in &MAP.groups {
        let (left, top) = middle(group.first.0, group.first.1);
        let (right, bottom) = middle(group.last.0, group.last.1);
        let (x, y) = (left - STEP.0 / 2 + 3, top - STEP.1 / 2 + 6);
        let (width, height) = (right - left + STEP.0 - 6, bottom - top + STEP.1 - 12);
        let _ = writeln!(
            text,
            "<rect class=\"group\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
             rx=\"6\"/><text class=\"group-label\" x=\"{}\" y=\"{}\">{}</text>",
            x + 6,
            y + 13,
            escaped(group.label)
        );
    }
    // Lit ways lie above the others.
    for edge in MAP.edges.iter().filter(|edge| !panel.edges.contains(edge)) {
        line(text, *edge, "edge");
    }
    for edge in &panel.edges {
        line(text, *edge, "way");
    }
    for (number, node) in MAP.nodes.iter().enumerate() {
        let lit = panel.lit.iter().find(|(lit, _)| *lit == number);
        let dropped = panel.dropped.as_ref().filter(|(at, _)| *at == number);
        place(
            text,
            node,
            lit.map(|(_, lit)| lit),
            dropped.map(|(_, why)| why),
        );
    }
}

fn line(text: &mut String, (from, to): (usize, usize), class: &str) {
    let (Some(from), Some(to)) = (MAP.nodes.get(from), MAP.nodes.get(to)) else {
        return;
    };
    let (x1, y1) = middle(from.column, from.row);
    let (x2, y2) = middle(to.column, to.row);
    // Between rows it goes by the gap between them, so that it crosses no box.
    let path = match from.row == to.row {
        true => format!("M {x1} {y1} H {x2}"),
        false => {
            let gap = match y2 < y1 {
                true => y1 - STEP.1 / 2,
                false => y1 + STEP.1 / 2,
            };
            format!("M {x1} {y1} V {gap} H {x2} V {y2}")
        }
    };
    let _ = writeln!(text, "<path class=\"{class}\" d=\"{path}\"/>");
}

fn place(text: &mut String, node: &Node, lit: Option<&Lit>, dropped: Option<&String>) {
    let (x, y) = middle(node.column, node.row);
    let class = match (dropped, lit) {
        (Some(_), _) => "drop",
        (None, Some(Lit { implied: true, .. })) => "implied",
        (None, Some(_)) => "lit",
        (None, None) => "node",
    };
    let (left, top) = (x - BOX.0 / 2, y - BOX.1 / 2);
    let _ = write!(
        text,
        "<g class=\"place\" data-name=\"{}\"><rect class=\"{class}\" x=\"{left}\" y=\"{top}\" \
         width=\"{}\" height=\"{}\" rx=\"4\"/>",
        node.name, BOX.0, BOX.1
    );
    if let Some(lit) = lit.filter(|lit| !lit.seen.is_empty()) {
        let _ = write!(text, "<title>{}</title>", escaped(&lit.seen.join("\n")));
    }
    let lines: Vec<&str> = node.label.split('/').collect();
    let first = if lines.len() > 1 { y - 3 } else { y + 4 };
    for (line, at) in lines.iter().zip(0..) {
        let line = escaped(line);
        let _ = write!(
            text,
            "<text x=\"{x}\" y=\"{}\">{line}</text>",
            first + at * 13
        );
    }
    if let Some(lit) = lit.filter(|lit| !lit.implied) {
        let since = words::span(lit.since_ns);
        let below = y + BOX.1 / 2 + 12;
        let _ = write!(
            text,
            "<text class=\"time\" x=\"{x}\" y=\"{below}\">+{since}</text>"
        );
    }
    if let Some(why) = dropped {
        let above = y - BOX.1 / 2 - 5;
        let why = escaped(why);
        let _ = write!(
            text,
            "<text class=\"why\" x=\"{x}\" y=\"{above}\">✗ {why}</text>"
        );
    }
    text.push_str("</g>\n");
}

/// Text in XML. Control characters are no part of it.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
