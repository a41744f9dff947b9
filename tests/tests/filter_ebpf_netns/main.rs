//! Filters as packet programs: the kernel's verifier takes each, and runs it to
//! the same verdict as the interpreter. Needs root; no namespace.

#![allow(
    clippy::print_stdout,
    reason = "the numbers of a run are to be recorded"
)]

#[path = "../filter_libpcap_peers/dice.rs"]
mod dice;
#[path = "../filter_libpcap_peers/grammar.rs"]
mod grammar;
#[path = "../filter_libpcap_peers/packets.rs"]
mod packets;
mod skb;

use dice::Dice;
use pktrail::xdp_filter::XdpFilter;
use pktrail_core::filter::{NoNames, Target};
use pktrail_core::{Filter, FrameInfo, Interface, LinkType};
use std::net::Ipv4Addr;

/// `ETH_HLEN`: shorter frames are not run.
const SHORTEST: usize = 14;

fn compile(text: &str) -> Option<Filter> {
    let target = Target {
        netmask: Some(Ipv4Addr::UNSPECIFIED),
        ..Target::new(LinkType::ETHERNET, 65_535)
    };
    Filter::compile(text, &target, &mut NoNames).ok()
}

fn agrees(text: &str, frames: &[packets::Frame]) -> usize {
    let Some(filter) = compile(text) else {
        return 0;
    };
    let program = XdpFilter::load(&filter).unwrap_or_else(|e| panic!("{text}: {e:#}"));
    let interface = Interface {
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    let mut compared = 0;
    for frame in frames.iter().filter(|frame| frame.bytes.len() >= SHORTEST) {
        // There, a frame is as long as its bytes, also if it was cut.
        let len = frame.bytes.len() as u32;
        assert!(len <= frame.len);
        let info = FrameInfo {
            caplen: len,
            len,
            ..FrameInfo::default()
        };
        let here = filter.run(&frame.bytes, &info, &interface) > 0;
        let kernel = program.accepts(&frame.bytes).expect("runs");
        assert_eq!(kernel, here, "{text:?}\n{:02x?}", frame.bytes);
        compared += 1;
    }
    compared
}

#[test]
fn the_list_of_expressions_is_run_by_the_kernel_as_here() {
    let mut dice = Dice::new(3);
    let mut frames = packets::frames(1, 60, &mut dice);
    frames.extend((0..60).map(|_| packets::common(&mut dice)));
    let list = include_str!("../filter_libpcap_peers/expressions.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let compared: usize = lines.map(|text| agrees(text, &frames)).sum();
    println!("{compared} frames compared");
    assert!(compared > 40_000);
}

#[test]
fn random_expressions_are_run_by_the_kernel_as_here() {
    let mut dice = Dice::new(5);
    let mut compared = 0;
    for _ in 0..400 {
        let frames = packets::frames(1, 40, &mut dice);
        compared += agrees(&grammar::expression(1, &mut dice), &frames);
    }
    println!("{compared} frames compared");
    assert!(compared > 10_000);
}
