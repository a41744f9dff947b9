//! The decision graph as a picture: a box for each node, in it a cell for each way on. A cell is
//! green where it accepts, red where it rejects, and else has a line to the next box.

use super::super::compile::Decided;
use super::super::ir::graph::Goal;
use super::layers::{Item, Placed, place};
use super::names::value_name;
use super::{nodes, ways};
use std::fmt::Write;

/// More boxes are no picture any more.
const MOST_BOXES: usize = 200;
/// A letter of the text is so wide, at 12 units of a monospaced font.
const LETTER: f64 = 7.3;
const PADDING: f64 = 9.0;
/// Height of a title, and of a cell.
const ROW: f64 = 24.0;
/// From the top of one layer to that of the next.
const LAYER: f64 = 100.0;
const MARGIN: f64 = 20.0;
/// Letters of a title or a cell; the rest is shown by pointing at it.
const TITLE: usize = 60;
const CELL: usize = 36;

struct Box {
    title: String,
    cells: Vec<Cell>,
}

struct Cell {
    text: String,
    goal: Goal,
    left: f64,
    width: f64,
}

impl Box {
    fn width(&self) -> f64 {
        let cells = self.cells.last().map_or(0.0, |cell| cell.left + cell.width);
        cells.max(width_of(&self.title, TITLE))
    }
}

fn width_of(text: &str, most: usize) -> f64 {
    text.chars().count().min(most) as f64 * LETTER + 2.0 * PADDING
}

/// The whole picture.
pub(super) fn picture(expression: &str, decided: &Decided) -> String {
    let mut numbers = Vec::new();
    let mut boxes = Vec::new();
    let mut left_out = 0;
    for (number, value, branches) in nodes(decided) {
        if boxes.len() == MOST_BOXES {
            left_out += 1;
            continue;
        }
        let values = &decided.formulas.values;
        let mut left = 0.0;
        let cells = ways(values, value, branches).into_iter();
        let cells = cells.map(|(text, goal)| {
            let width = width_of(&text, CELL);
            left += width;
            Cell {
                left: left - width,
                text,
                goal,
                width,
            }
        });
        let cells = cells.collect();
        let title = format!("{number}: {}", value_name(values, value));
        numbers.push(number);
        boxes.push(Box { title, cells });
    }
    if boxes.is_empty() {
        let goal = decided.graph.root();
        let title = format!("every frame: {}", super::goal_name(goal));
        let width = width_of(&title, TITLE);
        let cell = Cell {
            text: super::goal_name(goal),
            goal,
            left: 0.0,
            width,
        };
        boxes.push(Box {
            title,
            cells: vec![cell],
        });
    }
    // Nodes are shown from the last number on.
    let box_of = |goal: Goal| match goal {
        Goal::Node(number) => numbers.binary_search_by(|shown| number.cmp(shown)).ok(),
        _ => None,
    };
    let items: Vec<Item> = (boxes.iter())
        .map(|one| Item {
            width: one.width(),
            lines: (one.cells.iter())
                .filter_map(|cell| Some((box_of(cell.goal)?, middle(cell, one))))
                .collect(),
        })
        .collect();
    Picture {
        out: String::new(),
        placed: place(&items),
    }
    .draw(expression, &boxes, &items, left_out)
}

/// Where the line of a cell begins. The last cell takes what is left of the box.
fn middle(cell: &Cell, one: &Box) -> f64 {
    cell.left + cell_width(cell, one) / 2.0
}

fn cell_width(cell: &Cell, one: &Box) -> f64 {
    match one.cells.last() {
        Some(last) if last.left == cell.left => one.width() - cell.left,
        _ => cell.width,
    }
}

struct Picture {
    out: String,
    placed: Placed,
}

const STYLE: &str = "text { font: 12px monospace; fill: #1b2733; } \
    .box { fill: #f4f7fa; stroke: #7a8a99; } .cell { fill: #ffffff; stroke: #7a8a99; } \
    .accept { fill: #cdeccd; stroke: #7a8a99; } .reject { fill: #f6d5d3; stroke: #7a8a99; } \
    .line { fill: none; stroke: #51657a; stroke-width: 1.3; }";

impl Picture {
    fn draw(mut self, expression: &str, boxes: &[Box], items: &[Item], left_out: usize) -> String {
        let heading = cut(expression, 110);
        let width = (self.placed.width).max(width_of(&heading, 110)).max(340.0) + 2.0 * MARGIN;
        let height = top_of(self.placed.layers) + 10.0;
        let shown = (width.ceil(), height.ceil());
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            self.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" \
             viewBox=\"0 0 {0} {1}\">\n<title>{2}</title>\n<style>{STYLE}</style>\n\
             <rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>",
            shown.0,
            shown.1,
            escaped(expression)
        );
        self.text(MARGIN, MARGIN + 4.0, &heading);
        self.legend(left_out);
        for (at, item) in items.iter().enumerate() {
            for (nth, (to, begin)) in item.lines.iter().enumerate() {
                self.line(at, nth, *to, *begin, items);
            }
        }
        for (at, one) in boxes.iter().enumerate() {
            self.draw_box(at, one);
        }
        self.out.push_str("</svg>\n");
        self.out
    }

    fn legend(&mut self, left_out: usize) {
        let mut x = MARGIN;
        for (class, text) in [("accept", "accepts"), ("reject", "rejects")] {
            self.rectangle(class, (x, MARGIN + 14.0), (16.0, 14.0));
            self.text(x + 22.0, MARGIN + 25.0, text);
            x += 100.0;
        }
        if left_out > 0 {
            let text = format!("{left_out} nodes more are not drawn: see --explain");
            self.text(x, MARGIN + 25.0, &text);
        }
    }

    fn line(&mut self, from: usize, nth: usize, to: usize, begin: f64, items: &[Item]) {
        let boxes = &self.placed.boxes;
        let (Some((x, layer)), Some((end, last))) = (boxes.get(from), boxes.get(to)) else {
            return;
        };
        let middle = items.get(to).map_or(0.0, |item| item.width / 2.0);
        let mut at = (x + begin + MARGIN, top_of(*layer) + 2.0 * ROW);
        let points = self
            .placed
            .points
            .get(from)
            .and_then(|lines| lines.get(nth));
        let points = points.into_iter().flatten().copied();
        let mut path = format!("M{:.1},{:.1}", at.0, at.1);
        for (x, layer) in points.chain([(end + middle, *last)]) {
            let next = (x + MARGIN, top_of(layer));
            let half = (at.1 + next.1) / 2.0;
            let _ = write!(
                path,
                " C{:.1},{half:.1} {:.1},{half:.1} {:.1},{:.1}",
                at.0, next.0, next.0, next.1
            );
            at = (next.0, next.1 + 2.0 * ROW);
            if layer != *last {
                let _ = write!(path, " V{:.1}", at.1);
            }
        }
        let _ = writeln!(self.out, "<path class=\"line\" d=\"{path}\"/>");
    }

    fn draw_box(&mut self, at: usize, one: &Box) {
        let Some((x, layer)) = self.placed.boxes.get(at).copied() else {
            return;
        };
        let (x, y) = (x + MARGIN, top_of(layer));
        self.out.push_str("<g>");
        self.tip(&one.title, TITLE);
        self.rectangle("box", (x, y), (one.width(), ROW));
        self.text(x + PADDING, y + 16.0, &cut(&one.title, TITLE));
        self.out.push_str("</g>\n");
        for cell in &one.cells {
            let class = match cell.goal {
                Goal::Accept => "accept",
                Goal::Reject => "reject",
                Goal::Node(_) => "cell",
            };
            let (x, y) = (x + cell.left, y + ROW);
            self.out.push_str("<g>");
            self.tip(&cell.text, CELL);
            self.rectangle(class, (x, y), (cell_width(cell, one), ROW));
            self.text(x + PADDING, y + 16.0, &cut(&cell.text, CELL));
            self.out.push_str("</g>\n");
        }
    }

    /// What is shown by pointing, where the text is too long.
    fn tip(&mut self, text: &str, most: usize) {
        if text.chars().count() > most {
            let _ = write!(self.out, "<title>{}</title>", escaped(&cut(text, 2000)));
        }
    }

    fn rectangle(&mut self, class: &str, place: (f64, f64), size: (f64, f64)) {
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            place.0, place.1, size.0, size.1
        );
    }

    fn text(&mut self, x: f64, y: f64, text: &str) {
        let text = escaped(text);
        let _ = write!(self.out, "<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
    }
}

fn top_of(layer: usize) -> f64 {
    MARGIN + 46.0 + LAYER * layer as f64
}

/// At most so many letters of `text`.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => {
            let kept: String = text.chars().take(most.saturating_sub(3)).collect();
            kept + "..."
        }
        false => text.to_owned(),
    }
}

/// As text of XML, which has no control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            _ if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            _ => out.push(letter),
        }
    }
    out
}
