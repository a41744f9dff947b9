//! Shows how an expression was understood: as parsed, with inherited
//! qualifiers, and as a decision graph in words and in DOT.

use super::compile::{Decided, decide, parse};
use super::ir::graph::{Branch, Goal};
use super::ir::value::{Field, Order, Value, ValueId, Values};
use super::lang::{Operator, show};
use super::op::{AD_OFF, AD_VLAN_TAG, AD_VLAN_TAG_PRESENT};
use super::{Resolver, Target};
use crate::Result;
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
}

/// Explains `text`, compiled for `target`.
///
/// # Errors
/// Those of [`Filter::compile`](super::Filter::compile).
pub fn explain(text: &str, target: &Target, names: &mut dyn Resolver) -> Result<Explanation> {
    let expr = parse(text)?;
    let decided = decide(expr.as_ref(), target, names)?;
    let expression = match &expr {
        Some(expr) => show(expr),
        None => "(every frame)".into(),
    };
    Ok(Explanation {
        expression,
        graph: in_words(&decided),
        dot: in_dot(&decided),
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
        for (numbers, goal) in ways(branches) {
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
        for (numbers, goal) in ways(branches) {
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
fn ways(branches: &[Branch]) -> Vec<(String, Goal)> {
    let mut low = 0;
    let mut found: Vec<(Vec<String>, u64, Goal)> = Vec::new();
    for branch in branches {
        let text = match low == branch.high {
            true => number_name(low),
            false => format!("{}..{}", number_name(low), number_name(branch.high)),
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

fn number_name(number: u32) -> String {
    match number {
        0..0x100 => number.to_string(),
        _ => format!("{number:#x}"),
    }
}

/// `ip protocol [23]`, `destination port [4*([14]&0xf) + 16 : 2]`.
fn value_name(values: &Values, value: ValueId) -> String {
    let place = formula(values, value);
    match values.field(value).and_then(field_name) {
        Some(name) => format!("{name} {place}"),
        None => place,
    }
}

fn field_name(field: Field) -> Option<&'static str> {
    Some(match field {
        Field::LinkProtocol | Field::PppProtocol => "link protocol",
        Field::Family => "address family",
        Field::VlanPresent => "a tag is beside the frame",
        Field::VlanTag => "tag beside the frame",
        Field::Protocol4 => "ip protocol",
        Field::Protocol6 => "ip6 next header",
        Field::Fragment => "fragment offset",
        Field::ProtocolAndFragment => "fragment offset and ip protocol",
        Field::VersionLength => "version and header length",
        Field::SourcePort => "source port",
        Field::DestinationPort => "destination port",
        Field::Address4 | Field::Network4 => "address",
        Field::Prefix6 | Field::Address6 => "ip6 address",
        Field::Mac => "ether address",
        Field::PacketType => "packet type",
        Field::TcpFlags => "tcp flags",
        Field::TimeToLive => "time to live",
        Field::ServiceClass => "service class",
        Field::BottomOfStack => "last label",
        Field::Length => return None,
    })
}

fn formula(values: &Values, value: ValueId) -> String {
    match values.get(value) {
        Value::Constant(number) => number_name(number),
        Value::Length => "length".into(),
        Value::Ancillary(AD_VLAN_TAG_PRESENT) => "[vlanp]".into(),
        Value::Ancillary(AD_VLAN_TAG) => "[vlan_tci]".into(),
        Value::Ancillary(place) => format!("[{}]", AD_OFF.wrapping_add(place).cast_signed()),
        Value::Load { index, k, bytes } => {
            let start = match index {
                Some(index) => format!("{} + {k}", formula(values, index)),
                None => format!("{}", k.cast_signed()),
            };
            match bytes {
                1 => format!("[{start}]"),
                _ => format!("[{start} : {bytes}]"),
            }
        }
        Value::Negative(a) => format!("-{}", formula(values, a)),
        Value::Binary(operator, a, b) => {
            let (a, b) = (formula(values, a), formula(values, b));
            format!("({a} {} {b})", operator.sign())
        }
        Value::Compare(order, a, b) => {
            let sign = match order {
                Order::Equal => "=",
                Order::Greater => ">",
                Order::AtLeast => ">=",
            };
            format!("({} {sign} {})", formula(values, a), formula(values, b))
        }
    }
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
