//! Times, beside libpcap's: to be read from an optimised build
//! (`cargo test --release -p pktrail-tests --features peers --test filter_libpcap_peers speed --
//! --nocapture`). Times are not asserted, but in such a build a ratio is.

use crate::dice::Dice;
use crate::{compiled, packets};
use pcap::{Capture, Linktype};
use pktrail_core::{FrameInfo, Interface, LinkType};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// The least of several runs.
fn least(rounds: usize, mut run: impl FnMut()) -> Duration {
    let each = (0..rounds).map(|_| {
        let begin = Instant::now();
        run();
        begin.elapsed()
    });
    each.min().unwrap_or_default()
}

#[test]
fn speed_of_compiling() {
    let mut dice = Dice::new(11);
    let hosts = |count: usize, dice: &mut Dice| {
        let each = (0..count).map(|_| format!("host {}", Ipv4Addr::from(dice.number())));
        each.collect::<Vec<_>>().join(" or ")
    };
    let (hundred, thousand) = (hosts(100, &mut dice), hosts(1000, &mut dice));
    for (name, text, rounds) in [
        ("tcp port 80", "tcp port 80", 200),
        (
            "port 80 and not host 10.0.0.1",
            "port 80 and not host 10.0.0.1",
            200,
        ),
        ("100 hosts", hundred.as_str(), 20),
        ("1,000 hosts", thousand.as_str(), 5),
    ] {
        let took = least(rounds, || {
            black_box(compiled(LinkType::ETHERNET, text).expect(name));
        });
        println!("compiling {name}: {took:?}");
    }
}

#[test]
fn speed_of_running() {
    let mut dice = Dice::new(7);
    let frames: Vec<_> = (0..2000).map(|_| packets::common(&mut dice)).collect();
    let infos: Vec<_> = frames
        .iter()
        .map(|frame| FrameInfo {
            caplen: frame.len,
            len: frame.len,
            ..FrameInfo::default()
        })
        .collect();
    let interface = Interface {
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    let mut log_sum = 0.0;
    let lines = include_str!("expressions.txt").lines();
    let expressions: Vec<&str> = lines
        .filter(|line| !line.starts_with('#'))
        .step_by(9)
        .collect();
    for text in &expressions {
        let filter = compiled(LinkType::ETHERNET, text).expect(text);
        let handle = Capture::dead(Linktype(1)).expect("a handle");
        let theirs = handle.compile(text, true).expect(text);
        let rounds = if cfg!(debug_assertions) { 1 } else { 20 };
        let peer = least(rounds, || {
            for frame in &frames {
                black_box(theirs.filter(&frame.bytes));
            }
        });
        let ours = least(rounds, || {
            for (frame, info) in frames.iter().zip(&infos) {
                black_box(filter.run(&frame.bytes, info, &interface));
            }
        });
        let program = least(rounds, || {
            for (frame, info) in frames.iter().zip(&infos) {
                black_box(filter.program.run(&frame.bytes, info, &interface));
            }
        });
        let of = frames.len() as f64;
        let ns = |took: Duration| took.as_nanos() as f64 / of;
        let ratio = ns(peer) / ns(ours).max(0.1);
        log_sum += ratio.ln();
        let name: String = text.chars().take(60).collect();
        let (peer, ours, program) = (ns(peer), ns(ours), ns(program));
        println!(
            "{peer:6.1} ns libpcap, {ours:6.1} graph, {program:6.1} program: {ratio:4.1}  {name}"
        );
    }
    let mean = (log_sum / expressions.len() as f64).exp();
    println!("the graph runs {mean:.2} times as fast as libpcap's interpreter");
}
