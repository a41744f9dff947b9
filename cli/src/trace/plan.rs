//! What a trace is attached to, in words and as JSON: for `-v` and for `pktrail doctor`.
//!
//! Owns the sentences. What is attached is found out by the library.

use pktrail::ErrorKind;
use pktrail::backend::Probe;
use pktrail::trace::{Plan, attempt};
use pktrail::trail::point::Attach;
use serde_json::{Value, json};

/// `2,390`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many functions there are, and how many are attached; why none is.
pub(super) fn functions(plan: &Plan) -> String {
    let attached = match plan.functions {
        Some((method, count)) => {
            let exits = match plan.returning {
                0 => "none tells what it returns".to_owned(),
                returning => format!("{} tell what they return", thousands(returning)),
            };
            format!(
                "{} attached by {} ({exits})",
                thousands(count),
                method.name()
            )
        }
        None => "none attached".to_owned(),
    };
    let mut text = format!(
        "{} candidates, {attached}, {} under another name, {} missing",
        thousands(plan.candidates),
        plan.renamed,
        plan.missing.len()
    );
    // One reason for all functions says more than a list of single ones.
    let mut refused = plan.refused.iter();
    if let Some((_, why)) = refused.find(|(what, _)| what.ends_with(" functions")) {
        text.push_str(&format!(" (the kernel takes no program there: {why})"));
    }
    text
}

/// What to do if packets that fit are not followed from any point on.
pub(super) fn advice(plan: &Plan) -> Option<&'static str> {
    if !plan.picks_up() {
        return Some(
            "none of these points picks packets up, so that only drops are seen: add \
             net_dev_queue,netif_receive_skb, or begin with `--points default`",
        );
    }
    (!plan.picks_up_forwarded()).then_some(
        "packets that are only forwarded are not picked up at these points: add netif_receive_skb",
    )
}

/// How many points of a kind are attached.
fn count(plan: &Plan, way: Attach) -> usize {
    let attached = plan.attached.iter().filter_map(|(point, _)| point.point());
    attached.filter(|point| point.attach.contains(&way)).count()
}

fn sentence(plan: &Plan) -> String {
    format!(
        "{} tracepoints, {} places between the tables of netfilter, {} of traffic control; \
         functions: {}",
        count(plan, Attach::RawTp),
        count(plan, Attach::Netfilter),
        count(plan, Attach::Tcx),
        functions(plan)
    )
}

/// The line of `pktrail doctor`, and what its JSON has beside it.
pub(crate) fn doctor() -> (Probe, Value) {
    match attempt() {
        Ok(plan) => {
            let can = sentence(&plan);
            (Probe::Works { can }, details(&plan))
        }
        Err(error) if error.kind() == ErrorKind::Permission => (Probe::Needs(error), Value::Null),
        Err(error) => (Probe::Cannot(error), Value::Null),
    }
}

fn details(plan: &Plan) -> Value {
    let refused = plan.refused.iter();
    let missing = plan.missing.iter().map(|point| point.name());
    json!({
        "tracepoints": count(plan, Attach::RawTp),
        "netfilter": count(plan, Attach::Netfilter),
        "traffic_control": count(plan, Attach::Tcx),
        "candidates": plan.candidates,
        "functions": plan.functions.map_or(0, |(_, count)| count),
        "method": plan.functions.map(|(method, _)| method.name()),
        "renamed": plan.renamed,
        "missing": missing.collect::<Vec<_>>(),
        "refused": refused
            .map(|(what, why)| json!({"what": what, "why": why}))
            .collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_read_by_thousands() {
        let numbers = [0, 240, 2390, 1_234_567].map(thousands);
        assert_eq!(numbers, ["0", "240", "2,390", "1,234,567"]);
    }
}
