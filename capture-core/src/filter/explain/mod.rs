//! Shows how an expression was understood: as parsed, with inherited
//! qualifiers, and as a decision graph in words, in DOT and as a picture.

mod layers;
mod names;
mod svg;

use super::compile::{Decided, decide, parse};
use super::ir::graph::{Branch, Goal};
use super::ir::value::{ValueId, Values};
use super::lang::{Operator, show};
use super::{Resolver, Target};
use crate::Result;
use names::{number_name, value_name};
use std::fmt::Write;

/// How an expression was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The expression with parentheses around everything and all qualifiers.
    pub expression: String,
    /// The decision graph: a line for each node, from the first on, and below
    /// it a line for each way out.
    pub graph: String,
    /// The same in the language of Graphviz.
    pub dot: String,
    /// The same as a picture (SVG). Of large graphs the first 200 nodes.
    pub svg: String,
}

/// Explains `text`, compiled for `target`.
///
/// # Errors
/// Those of [`Filter::compile`](super::Filter::compile).
pub fn explain(text: &str, target: &Target, names: &mut dyn Resolver) -> Result<Explanation> {
    let expr = parse(text)?;
    let decided = decide(text, expr.as_ref(), target, names)?;
    let expression = match &expr {
        Some(expr) => show(expr),
        None => "(every frame)".into(),
    };
    Ok(Explanation {
        graph: in_words(&decided),
        dot: in_dot(&decided),
        svg: svg::picture(&expression, &decided),
        expression,
    })
}

/// Nodes from the root on, with the numbers that they are shown by.
fn nodes(decided: &Decided) -> impl Iterator<Item = (u32, ValueId, &[Branch])> {
    let nodes = decided.graph.nodes.iter().enumerate().rev();
    let nodes = nodes.map(|(at, node)| (at as u32, node.value, &*node.branches));
    let root = decided.graph.root();
    let reached = reached(decided);
    nodes
        .skip_while(move |(at, ..)| Goal::Node(*at) != root)
        .filter(move |(at, ..)| reached.get(*at as usize) == Some(&true))
}

fn reached(decided: &Decided) -> Vec<bool> {
    let mut reached = vec![false; decided.graph.nodes.len()];
    let mark = |goal: Goal, reached: &mut Vec<bool>| {
        if let Goal::Node(number) = goal
            && let Some(place) = reached.get_mut(number as usize)
        {
            *place = true;
        }
    };
    mark(decided.graph.root(), &mut reached);
    for (at, node) in decided.graph.nodes.iter().enumerate().rev() {
        if reached.get(at) == Some(&true) {
            for branch in &node.branches {
                mark(branch.goal, &mut reached);
            }
        }
    }
    reached
}

fn in_words(decided: &Decided) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail, here and below.
    if !matches!(decided.graph.root(), Goal::Node(_)) {
        let _ = writeln!(out, "{}", goal_name(decided.graph.root()));
    }
    for (number, value, branches) in nodes(decided) {
        let _ = writeln!(
            out,
            "{number}: {}",
            value_name(&decided.formulas.values, value)
        );
        for (numbers, goal) in ways(&decided.formulas.values, value, branches) {
            let _ = writeln!(out, "    {numbers} -> {}", goal_name(goal));
        }
    }
    out
}

fn in_dot(decided: &Decided) -> String {
    let mut out = String::from("digraph filter {\n  node [shape=box];\n");
    for (number, value, branches) in nodes(decided) {
        let label = value_name(&decided.formulas.values, value);
        let _ = writeln!(out, "  n{number} [label=\"{label}\"];");
        for (numbers, goal) in ways(&decided.formulas.values, value, branches) {
            let to = match goal {
                Goal::Node(next) => format!("n{next}"),
                other => goal_name(other),
            };
            let _ = writeln!(out, "  n{number} -> {to} [label=\"{numbers}\"];");
        }
    }
    if let Goal::Accept | Goal::Reject = decided.graph.root() {
        let _ = writeln!(out, "  {};", goal_name(decided.graph.root()));
    }
    out.push_str("}\n");
    out
}

fn goal_name(goal: Goal) -> String {
    match goal {
        Goal::Accept => "accept".into(),
        Goal::Reject => "reject".into(),
        Goal::Node(number) => number.to_string(),
    }
}

/// The numbers for each goal; the widest goal is "otherwise".
fn ways(values: &Values, value: ValueId, branches: &[Branch]) -> Vec<(String, Goal)> {
    let field = values.field(value);
    let mut low = 0;
    let mut found: Vec<(Vec<String>, u64, Goal)> = Vec::new();
    for branch in branches {
        let text = match low == branch.high {
            true => number_name(field, low),
            false => format!(
                "{}..{}",
                number_name(field, low),
                number_name(field, branch.high)
            ),
        };
        let width = u64::from(branch.high - low) + 1;
        match found.iter_mut().find(|(.., goal)| *goal == branch.goal) {
            Some((texts, sum, _)) => {
                texts.push(text);
                *sum += width;
            }
            None => found.push((vec![text], width, branch.goal)),
        }
        low = branch.high.wrapping_add(1);
    }
    let widest = found.iter().map(|(_, width, _)| *width).max();
    found.sort_by_key(|(_, width, _)| Some(*width) == widest);
    let last = found.len() - 1;
    let named = found.into_iter().enumerate();
    named
        .map(|(at, (texts, _, goal))| match at == last {
            true => ("otherwise".into(), goal),
            false => (texts.join(", "), goal),
        })
        .collect()
}

impl Operator {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::And => "&",
            Self::Or => "|",
            Self::Xor => "^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
        }
    }
}
