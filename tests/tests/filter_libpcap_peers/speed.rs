//! Times, beside libpcap's: to be read from an optimised build
//! (`cargo test --release -p pktrail-tests --features peers --test filter_libpcap_peers speed --
//! --nocapture`). Times are not asserted, but in such a build a ratio is.

use crate::dice::Dice;
use crate::{batch, compiled, packets};
use pcap::{Capture, Linktype};
use pktrail_core::LinkType;
use pktrail_core::filter::Selection;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// The least time of several runs.
fn least<T>(run: impl FnMut() -> T) -> Duration {
    least_of(if cfg!(debug_assertions) { 1 } else { 30 }, run)
}

fn least_of<T>(rounds: usize, mut run: impl FnMut() -> T) -> Duration {
    let each = (0..rounds).map(|_| {
        let begin = Instant::now();
        black_box(run());
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
        let took = least_of(rounds, || compiled(LinkType::ETHERNET, text).expect(name));
        println!("compiling {name}: {took:?}");
    }
}

#[test]
fn speed_of_running() {
    let mut dice = Dice::new(7);
    let frames: Vec<_> = (0..2000).map(|_| packets::common(&mut dice)).collect();
    let batch = batch(LinkType::ETHERNET, &frames);
    let interface = &batch.interfaces[0];
    let mut selection = Selection::default();
    let (mut of_batch, mut of_graph) = (0.0, 0.0);
    let lines = include_str!("expressions.txt").lines();
    let step = if std::env::var_os("ALL").is_some() {
        1
    } else {
        9
    };
    let expressions: Vec<&str> = lines
        .filter(|line| !line.starts_with('#'))
        .step_by(step)
        .collect();
    println!("ns a frame: libpcap's interpreter; our batch, graph and program");
    for text in &expressions {
        let filter = compiled(LinkType::ETHERNET, text).expect(text);
        let handle = Capture::dead(Linktype(1)).expect("a handle");
        let theirs = handle.compile(text, true).expect(text);
        // All begin with the same batch.
        let each = [
            least(|| {
                let frames = batch.iter().map(|frame| theirs.filter(frame.data));
                frames.filter(|accepts| *accepts).count()
            }),
            least(|| {
                filter.select(&batch, &mut selection);
                selection.kept().iter().filter(|kept| **kept > 0).count()
            }),
            least(|| {
                let frames =
                    (batch.iter()).map(|frame| filter.run(frame.data, frame.info, interface));
                frames.filter(|kept| *kept > 0).count()
            }),
            least(|| {
                let frames = (batch.iter())
                    .map(|frame| filter.program.run(frame.data, frame.info, interface));
                frames.filter(|kept| *kept > 0).count()
            }),
        ];
        let [peer, select, graph, program] = each.map(|took| took.as_nanos() as f64 / 2000.0);
        let ratio = |ours: f64| peer / ours.max(0.1);
        of_batch += ratio(select).ln();
        of_graph += ratio(graph).ln();
        let name: String = text.chars().take(60).collect();
        let times = ratio(select);
        println!("{peer:5.1} {select:5.1} {graph:5.1} {program:5.1}: {times:4.1}  {name}");
    }
    let mean = |sum: f64| (sum / expressions.len() as f64).exp();
    let (of_batch, of_graph) = (mean(of_batch), mean(of_graph));
    println!("as fast as libpcap's interpreter: batch {of_batch:.2} times, graph {of_graph:.2}");
}
