//! The queues to user space (NFQUEUE) of a namespace, by
//! /proc/net/netfilter/nfnetlink_queue of this thread.
//!
//! Owns which queue a packet went to, and the sentences about it.

use pktrail_core::trail::Trail;
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

/// The queue that the last rule sent a packet to, if rules were traced.
pub(super) fn number(trail: &Trail) -> Option<u16> {
    let mut rules = trail.rules.iter().rev();
    rules.find_map(|(_, rule)| rule.verdict.strip_prefix("queue ")?.parse().ok())
}

/// What there is to say about a queue; without a number about the only one that the rules of the
/// namespace name, or about all.
pub(super) fn of(number: Option<u16>) -> Vec<String> {
    let path = "/proc/thread-self/net/netfilter/nfnetlink_queue";
    let text = fs::read_to_string(path).unwrap_or_default();
    vec![told(&text, number.or_else(named))]
}

fn told(text: &str, number: Option<u16>) -> String {
    let queues: Vec<(u16, String)> = text.lines().filter_map(queue).collect();
    if let Some(number) = number {
        return match queues.iter().find(|(it, _)| *it == number) {
            Some((_, state)) => format!("Queue {number} has a listener: {state}."),
            None => format!("Queue {number} has no listener in this namespace."),
        };
    }
    if queues.is_empty() {
        return "No queue has a listener in this namespace.".to_owned();
    }
    let said = queues.iter().map(|(it, state)| format!("{it}: {state}"));
    format!(
        "Queues with a listener: {}.",
        said.collect::<Vec<_>>().join("; ")
    )
}

/// A line: number, the listener's port, length, mode, copied bytes, and two counts of drops.
fn queue(line: &str) -> Option<(u16, String)> {
    let numbers: Vec<&str> = line.split_whitespace().collect();
    let [number, _, waiting, _, _, full, user, ..] = numbers[..] else {
        return None;
    };
    let state = format!(
        "{waiting} packets wait, {full} were dropped as it was full, {user} could not be handed \
         over"
    );
    Some((number.parse().ok()?, state))
}

/// The queue that the rules of this namespace name, if it is one.
fn named() -> Option<u16> {
    let asks = [
        ("nft", &["list", "ruleset"][..]),
        ("iptables-nft-save", &[]),
        ("iptables-legacy-save", &[]),
    ];
    let lists = asks.iter().filter_map(|(program, words)| {
        let mut ask = Command::new(program);
        ask.args(*words).stdin(Stdio::null()).output().ok()
    });
    let lists = lists.map(|list| numbers(&String::from_utf8_lossy(&list.stdout)));
    let numbers: BTreeSet<u16> = lists.flatten().collect();
    numbers.first().copied().filter(|_| numbers.len() == 1)
}

/// The queues in a list of rules: `queue … to 5`, `queue num 5`, `--queue-num 5`.
fn numbers(rules: &str) -> BTreeSet<u16> {
    let of_a_rule = |rule: &str| {
        let words: Vec<&str> = rule.split_whitespace().collect();
        let is_queue = words.iter().any(|word| ["queue", "NFQUEUE"].contains(word));
        let mut pairs = words.windows(2).filter(|_| is_queue);
        pairs.find_map(|pair| match pair {
            ["to" | "num" | "--queue-num", number] => number.parse().ok(),
            _ => None,
        })
    };
    rules.lines().filter_map(of_a_rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTENED: &str = "    5  21730     1 2 65531     3     0        4  1\n";

    #[test]
    fn a_queue_is_full_or_nobody_listens() {
        assert_eq!(
            told(LISTENED, Some(5)),
            "Queue 5 has a listener: 1 packets wait, 3 were dropped as it was full, 0 could not \
             be handed over."
        );
        let nobody = "Queue 6 has no listener in this namespace.";
        assert_eq!(told(LISTENED, Some(6)), nobody);
        assert_eq!(told("", None), "No queue has a listener in this namespace.");
        assert!(told(LISTENED, None).starts_with("Queues with a listener: 5: 1 packets"));
    }

    #[test]
    fn rules_name_queues_in_their_tools_words() {
        let nft =
            "  udp dport 4000 queue flags bypass to 5\n queue num 7\n ip daddr 1.2.3.4 accept";
        assert_eq!(numbers(nft), BTreeSet::from([5, 7]));
        let iptables = "-A OUTPUT -p udp -j NFQUEUE --queue-num 9 --queue-bypass\n-A INPUT -j DROP";
        assert_eq!(numbers(iptables), BTreeSet::from([9]));
        assert_eq!(numbers("meta mark set ct mark to 3"), BTreeSet::new());
    }
}
