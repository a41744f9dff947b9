//! Rules find their packet and their hop.

use super::*;
use crate::trail::hook::Hook;
use crate::trail::rules::{RuleStep, Rules, Traced};

fn step(chain: &str, hook: Option<(Hook, i32)>, verdict: &str) -> RuleStep {
    RuleStep {
        family: "ip",
        table: "pkt".to_owned(),
        chain: chain.to_owned(),
        handle: Some(2),
        text: None,
        verdict: verdict.to_owned(),
        hook,
    }
}

fn report(number: u32, datagram: Option<&Datagram>, step: RuleStep) -> Traced {
    Traced {
        netns: 200,
        number,
        packet: datagram.map(Datagram::packet),
        step,
    }
}

/// A datagram that a rule behind the first gap of INPUT dropped.
fn trail(datagram: &Datagram) -> Trail {
    let mut stage = Stage::new();
    stage.at("nf:prerouting:-99", 0x10, (3, 200), datagram);
    stage.at("nf:input:-2147483647", 0x10, (3, 200), datagram);
    stage.at("nf:input:-149", 0x10, (3, 200), datagram);
    stage.dropped(0x10, "NETFILTER_DROP", "nft_do_chain");
    stage.trails().remove(0)
}

#[test]
fn each_rule_stands_behind_the_gap_before_its_chain() {
    let datagram = udp(41000, 53, b"question");
    let mut rules = Rules::default();
    let raw = Some((Hook::Prerouting, -300));
    let filter = Some((Hook::Input, 0));
    rules.push(report(5, Some(&datagram), step("raw", raw, "accept")));
    rules.push(report(5, Some(&datagram), step("in", filter, "jump more")));
    rules.push(report(5, None, step("more", filter, "drop")));
    let mut trail = trail(&datagram);
    rules.join(&mut trail);
    let places: Vec<_> = trail
        .rules
        .iter()
        .map(|(at, s)| (*at, s.chain.as_str()))
        .collect();
    assert_eq!(places, [(0, "raw"), (2, "in"), (2, "more")]);
    let Verdict::Dropped(dropped) = &trail.verdict else {
        panic!("{trail:#?}")
    };
    assert_eq!(
        dropped.rule.as_ref().map(|rule| rule.chain.as_str()),
        Some("more")
    );
}

#[test]
fn equal_packets_each_get_the_rules_of_one() {
    let datagram = udp(41000, 53, b"question").id(0);
    let other = udp(41000, 53, b"question").id(9);
    let mut rules = Rules::default();
    let filter = Some((Hook::Input, 0));
    rules.push(report(5, Some(&datagram), step("first", filter, "drop")));
    rules.push(report(6, Some(&other), step("other", filter, "drop")));
    rules.push(report(7, Some(&datagram), step("second", filter, "drop")));
    // The number came again, for another packet.
    rules.push(report(5, Some(&other), step("again", filter, "drop")));
    for chain in ["first", "second"] {
        let mut trail = trail(&datagram);
        rules.join(&mut trail);
        let met: Vec<_> = trail.rules.iter().map(|(_, s)| s.chain.as_str()).collect();
        assert_eq!(met, [chain]);
    }
    let mut none = trail(&datagram);
    rules.join(&mut none);
    assert!(none.rules.is_empty());
    assert_eq!(rules.forgotten(), 0);
}

#[test]
fn reports_without_tcp_options_fit_segments_with_them() {
    let segment = stamped(5000, 0x18, b"data", 77);
    // The length of the whole is in the IP header.
    let mut bytes = segment.bytes();
    bytes.truncate(40);
    let mut rules = Rules::default();
    rules.push(Traced {
        packet: Packet::read(&bytes, 0),
        ..report(5, None, step("in", Some((Hook::Input, 0)), "drop"))
    });
    let mut trail = trail(&segment);
    rules.join(&mut trail);
    assert_eq!(trail.rules.len(), 1);
}
