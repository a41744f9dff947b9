//! The filter language against libpcap: random expressions of the whole
//! grammar, run on frames of every protocol. Needs libpcap; no privilege.

#![allow(
    clippy::print_stdout,
    reason = "the numbers of a run are to be recorded"
)]

mod dice;
mod differences;
mod grammar;
mod large;
mod live;
mod machine;
mod numbers;
mod packets;
mod speed;
mod syntax;

use dice::Dice;
use machine::{Line, run};
use pcap::{Capture, Linktype};
use pktrail_core::filter::{NoNames, Selection, Target};
use pktrail_core::{Batch, Filter, FrameInfo, Interface, LinkType, Program};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The snap length of libpcap's handles without a source.
const SNAPLEN: u32 = 65_535;
/// DLT numbers and link types.
const LINKS: &[(i32, LinkType)] = &[
    (1, LinkType::ETHERNET),
    (113, LinkType::LINUX_SLL),
    (276, LinkType::LINUX_SLL2),
    (12, LinkType::RAW),
    (228, LinkType::IPV4),
    (229, LinkType::IPV6),
    (0, LinkType::NULL),
    (108, LinkType::LOOP),
    (9, LinkType(9)),
];

fn libpcap(link: i32, text: &str, optimise: bool) -> Result<Vec<Line>, String> {
    let handle = Capture::dead(Linktype(link)).expect("a handle");
    let program = handle
        .compile(text, optimise)
        .map_err(|error| error.to_string())?;
    Ok(program
        .get_instructions()
        .iter()
        .map(|line| {
            let text = line.to_string();
            let mut numbers = text
                .split_whitespace()
                .map(|word| word.parse::<u64>().expect("a number"));
            let mut next = || numbers.next().expect("four numbers");
            (next() as u16, next() as u8, next() as u8, next() as u32)
        })
        .collect())
}

fn target(link_type: LinkType) -> Target {
    Target {
        // What the handle without a source has.
        netmask: Some(Ipv4Addr::UNSPECIFIED),
        ..Target::new(link_type, SNAPLEN)
    }
}

fn ours(link_type: LinkType, text: &str) -> Result<Vec<Line>, String> {
    compiled(link_type, text).map(|filter| lines(&filter.program))
}

fn compiled(link_type: LinkType, text: &str) -> Result<Filter, String> {
    let filter = Filter::compile(text, &target(link_type), &mut NoNames);
    filter.map_err(|error| format!("{error:#}"))
}

/// What the filter comes to where it is not a program that runs.
fn walked(filter: &Filter, link_type: LinkType, frame: &packets::Frame) -> bool {
    let info = FrameInfo {
        caplen: frame.bytes.len() as u32,
        len: frame.len,
        ..FrameInfo::default()
    };
    let interface = Interface {
        link_type,
        ..Interface::default()
    };
    filter.run(&frame.bytes, &info, &interface) > 0
}

/// The frames as a source hands them over.
fn batch(link_type: LinkType, frames: &[packets::Frame]) -> Batch {
    let mut bytes = Vec::new();
    let mut infos = Vec::new();
    for frame in frames {
        infos.push(FrameInfo {
            offset: bytes.len() as u32,
            caplen: frame.bytes.len() as u32,
            len: frame.len,
            ..FrameInfo::default()
        });
        bytes.extend_from_slice(&frame.bytes);
    }
    let interface = Interface {
        link_type,
        ..Interface::default()
    };
    Batch::new(bytes, infos, Arc::new(vec![interface]))
}

fn lines(program: &Program) -> Vec<Line> {
    let each = program.instructions().iter();
    each.map(|line| (line.code, line.jt, line.jf, line.k))
        .collect()
}

/// Whether libpcap accepts the frame whatever the bytes were that it lacks.
fn accepts_all_completions(program: &[Line], bytes: &[u8], len: u32, dice: &mut Dice) -> bool {
    (0..8).all(|round| {
        let mut whole = bytes.to_vec();
        let fill = |dice: &mut Dice| match round {
            0 => 0,
            1 => 0xff,
            2 => 6,
            _ => dice.number() as u8,
        };
        whole.resize_with(machine::FAR, || fill(dice));
        let completed = run(program, &whole, len);
        // Whole, it can only fail by dividing.
        let fails = completed.cut || completed.far || completed.undefined;
        completed.accepted || fails
    })
}

#[derive(Default)]
struct Tally {
    expressions: usize,
    refused: usize,
    pairs: usize,
    accepted: usize,
    cut: usize,
    undefined: usize,
}

/// The programs of one expression: libpcap's as it is generated and optimised,
/// and ours. `None`: both refuse it, or differ as they may.
fn programs(link: (i32, LinkType), text: &str) -> Option<(Vec<Line>, Vec<Line>, Option<Filter>)> {
    let reject: Line = (6, 0, 0, 0);
    let (plain, filter) = match (libpcap(link.0, text, false), compiled(link.1, text)) {
        (Ok(plain), Ok(filter)) => (plain, Some(filter)),
        (Err(_), Err(_)) => return None,
        // Then none of the frames is accepted.
        (Ok(plain), Err(said)) if said.contains("rejects every frame") => (plain, None),
        // For us a tunnel ends a stack of labels.
        (Err(said), Ok(_)) if said.contains("over mpls") => return None,
        // For us a chain can be followed inside a tunnel.
        (Err(said), Ok(_)) if said.contains("'protochain' not supported") => return None,
        // Constants are computed before anything is compiled.
        (Ok(_), Err(said)) if said.contains("divides by zero") || said.contains("31 bits") => {
            return None;
        }
        (theirs, mine) => panic!("{link:?} {text:?}: libpcap {theirs:?}, ours {mine:?}"),
    };
    let optimised = match libpcap(link.0, text, true) {
        Ok(optimised) => optimised,
        Err(said) if said.contains("rejects all packets") => vec![reject],
        Err(said) if said.contains("zero") || said.contains("31") => plain.clone(),
        Err(said) => panic!("{text:?}: {said}"),
    };
    Some((plain, optimised, filter))
}

/// One expression on some frames, by both compilers.
fn compare(link: (i32, LinkType), text: &str, frames: &[packets::Frame], tally: &mut Tally) {
    tally.expressions += 1;
    let Some((plain, optimised, filter)) = programs(link, text) else {
        tally.refused += 1;
        return;
    };
    let mine = filter.as_ref().map(|filter| lines(&filter.program));
    let mine = mine.unwrap_or_else(|| vec![(6, 0, 0, 0)]);
    let mut dice = Dice::new(1);
    let mut selection = Selection::default();
    if let Some(filter) = &filter {
        filter.select(&batch(link.1, frames), &mut selection);
    }
    for (at, frame) in frames.iter().enumerate() {
        let (bytes, len) = (&frame.bytes, frame.len);
        let theirs = run(&plain, bytes, len);
        let (best, got) = (run(&optimised, bytes, len), run(&mine, bytes, len));
        tally.pairs += 1;
        // The three ways to run a filter here agree.
        if let Some(filter) = &filter {
            let kept = [walked(filter, link.1, frame), selection.kept()[at] > 0];
            assert_eq!(kept, [got.accepted; 2], "{link:?} {text:?}\n{bytes:02x?}");
        }
        // Behind an authentication header libpcap forgets where it was.
        let forgets = text.contains("protochain") && bytes.contains(&51);
        if theirs.undefined || forgets {
            tally.undefined += 1;
            continue;
        }
        tally.accepted += usize::from(got.accepted);
        tally.cut += usize::from(theirs.cut);
        // A frame that was cut may be refused or not, as libpcap may optimise or
        // not; or it may be accepted if nothing that is missing matters.
        let fine = got.accepted == theirs.accepted
            || theirs.cut
                && (theirs.far
                    || got.accepted == best.accepted
                    || got.accepted && accepts_all_completions(&plain, bytes, len, &mut dice));
        assert!(
            fine,
            "{link:?} {text:?}: libpcap {theirs:?}, optimised {best:?}, ours {got:?}\n\
             {}\n{bytes:02x?}",
            listing(&mine),
        );
    }
}

fn listing(program: &[Line]) -> String {
    let text: String = program
        .iter()
        .map(|(code, jt, jf, k)| format!("{code} {jt} {jf} {k}\n"))
        .collect();
    Program::parse(&format!("{}\n{text}", program.len())).map_or(text, |program| program.listing())
}

/// Random expressions, `pairs` pairs of expression and frame in all.
fn differential(seed: u64, pairs: usize) {
    const FRAMES: usize = 100;
    let mut tally = Tally::default();
    let mut dice = Dice::new(seed);
    while tally.pairs < pairs {
        let link = match dice.once_in(2) {
            true => LINKS[0],
            false => dice.of(LINKS),
        };
        let frames = packets::frames(link.0, FRAMES, &mut dice);
        let text = grammar::expression(link.0, &mut dice);
        // Behind a `geneve` that did not match, libpcap takes other numbers from
        // its memory for offsets.
        if text.contains("geneve") && (text.contains('[') || text.contains("len")) {
            continue;
        }
        compare(link, &text, &frames, &mut tally);
    }
    println!(
        "{} expressions ({} refused by both), {} pairs, {} accepted, {} cut, {} undefined",
        tally.expressions, tally.refused, tally.pairs, tally.accepted, tally.cut, tally.undefined
    );
    assert!(tally.accepted > pairs / 10 && tally.accepted < pairs * 9 / 10);
}

#[test]
fn random_expressions_mean_what_they_mean_to_libpcap() {
    let pairs = std::env::var("PAIRS")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    differential(seed.unwrap_or(1), pairs.unwrap_or(100_000));
}

/// Behind `icmp6` the protocol is known, and `8 - 58` bits are more than any shift
/// by a constant may have; as by X, the low five bits of that count.
#[test]
fn what_turns_out_to_be_known_may_shift_too_far() {
    let text = "icmp6[2:2] >> (8 - ip6[6]) = 6 or icmp6[2:2] << (ip6[6] - 8) = 0";
    let mut dice = Dice::new(5);
    let frames = packets::frames(1, 2000, &mut dice);
    compare(LINKS[0], text, &frames, &mut Tally::default());
}
