//! Printed application protocols, ICMPv6 and IGMP against tcpdump, frame by
//! frame: sound frames, the same cut at every byte, and mutated ones. Needs
//! tcpdump; no privilege.

mod frames;
mod golden;
#[path = "../text_peers/names.rs"]
mod names;

use frames::Made;
use pktrail_core::LinkType;
use pktrail_core::text::NoNames;
use pktrail_tests::tcpdump::{Difference, Recorded, assert_none, differences};

/// The flags that change what these protocols print. Names of hosts would ask
/// the machine's resolver, so `-n` is always there but in one test.
const STYLES: &[&[&str]] = &[
    &["-n"],
    &["-n", "-v"],
    &["-n", "-vv"],
    &["-n", "-vvv"],
    &["-n", "-e"],
    &["-n", "-e", "-vv"],
    &["-n", "-q"],
    &["-n", "-q", "-v"],
    &["-n", "-S", "-vvv"],
    &["-n", "-X", "-v"],
];

/// The flags for damaged frames. A dump shows where tcpdump gave up on a frame:
/// it then begins with the link-layer header.
const DAMAGED_STYLES: &[&[&str]] = &[
    &["-n", "-x"],
    &["-n", "-x", "-v"],
    &["-n", "-x", "-vv"],
    &["-n", "-x", "-vvv"],
];

/// What tcpdump prints more of: words of its text, and why they are let pass.
const CLASSES: &[(&str, &str)] = &[
    ("igmp dvmrp", "DVMRP messages are named only"),
    ("igmp pimv1", "PIM version 1 messages are named only"),
    (
        "Loopback, skipCount",
        "an Ethernet type, in a tunnel, that only tcpdump knows",
    ),
    ("NONESP-encap: ", "messages of IKE are not looked into"),
    (
        "Congestion Notification Subtype",
        "of data centre bridging in LLDP only the bytes are shown",
    ),
    ("ETS Configuration Subtype", "the same"),
    ("ETS Recommendation Subtype", "the same"),
    ("Priority Flow Control Configuration Subtype", "the same"),
    ("Application Priority Subtype", "the same"),
    ("EVB Subtype", "the same"),
    ("CDCP Subtype", "the same"),
    (
        "OUI ANSI/TIA",
        "of LLDP's elements for telephones only the bytes are shown",
    ),
    ("OUI DCBX", "the same as of data centre bridging"),
];

/// The differences that no class explains. Up to a class's words both must agree.
fn compare(frames: &[Recorded], flags: &[&str]) -> Vec<Difference> {
    let mut found = differences(LinkType::ETHERNET, frames, flags, Box::new(NoNames));
    found.retain(|Difference { ours, theirs, .. }| {
        !CLASSES.iter().any(|(words, _)| {
            theirs
                .find(words)
                .is_some_and(|at| ours.starts_with(&theirs[..at]))
        })
    });
    found
}

fn recorded(made: &[Made]) -> Vec<Recorded> {
    made.iter()
        .map(|made| Recorded::whole(made.bytes.clone()))
        .collect()
}

#[test]
fn sound_frames_are_printed_alike() {
    let frames = recorded(&frames::all());
    for flags in STYLES {
        let differences = compare(&frames, flags);
        assert_none(&differences, &frames, &flags.join(" "));
    }
}

/// The same frame between addresses that `/etc/hosts` has.
fn at_home(made: Made) -> Recorded {
    let mut bytes = made.bytes;
    match bytes[12..14] {
        [8, 0] => bytes[26..34].copy_from_slice(&[127, 0, 0, 1, 127, 0, 0, 1]),
        [0x86, 0xdd] => {
            bytes[22..54].fill(0);
            (bytes[37], bytes[53]) = (1, 1);
        }
        _ => {}
    }
    Recorded::whole(bytes)
}

#[test]
fn named_frames_are_printed_alike() {
    let frames: Vec<Recorded> = frames::without_addresses()
        .into_iter()
        .map(at_home)
        .collect();
    let system = names::System::read();
    for flags in [&[][..], &["-v"], &["-e", "-vvv"], &["-N", "-q"]] {
        let names = Box::new(system.clone());
        let differences = differences(LinkType::ETHERNET, &frames, flags, names);
        assert_none(&differences, &frames, &flags.join(" "));
    }
}

#[test]
fn frames_cut_at_every_byte_are_printed_alike() {
    let whole = recorded(&frames::all());
    let cut: Vec<Recorded> = whole
        .iter()
        .flat_map(|frame| (14..frame.data.len()).map(|caplen| frame.cut(caplen)))
        .collect();
    for flags in DAMAGED_STYLES {
        let differences = compare(&cut, flags);
        assert_none(&differences, &cut, &flags.join(" "));
    }
}

/// A generator of numbers without quality but with a fixed seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

/// Words that mean something as a length, a count, a type or a pointer.
const WORDS: [u16; 11] = [0, 1, 2, 4, 8, 0x29, 0x7f, 0xff, 0x0102, 0xc00c, 0xffff];

/// A frame with some bytes of its payload changed. Link and IP headers stay,
/// they have a test of their own.
fn mutate(made: &Made, numbers: &mut Numbers) -> Recorded {
    let mut bytes = made.bytes.clone();
    for _ in 0..1 + numbers.below(4) {
        let at = made.payload + numbers.below(made.end - made.payload);
        if let Some(word) = bytes.get_mut(at..at + 2).filter(|_| numbers.below(3) == 0) {
            word.copy_from_slice(&WORDS[numbers.below(WORDS.len())].to_be_bytes());
            continue;
        }
        bytes[at] = match numbers.below(4) {
            0 => 0,
            1 => 0xff,
            2 => bytes[at] ^ 1 << numbers.below(8),
            _ => numbers.below(256) as u8,
        };
    }
    let frame = Recorded::whole(bytes);
    match numbers.below(8) {
        0 => frame.cut(made.payload + numbers.below(made.bytes.len() - made.payload)),
        _ => frame,
    }
}

/// How many mutated frames are compared for each number of `-v`.
const MUTATED: usize = 20_000;

#[test]
fn mutated_frames_are_printed_alike() {
    let made = frames::all();
    let mut numbers = Numbers(0x7061_636b_6574);
    for flags in DAMAGED_STYLES {
        let frames: Vec<Recorded> = (0..MUTATED)
            .map(|index| mutate(&made[index % made.len()], &mut numbers))
            .collect();
        let differences = compare(&frames, flags);
        assert_none(&differences, &frames, &flags.join(" "));
    }
}
