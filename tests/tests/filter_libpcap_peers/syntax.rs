//! What is an expression and what is not: words in any order, to both compilers.

use crate::dice::Dice;
use crate::{compiled, libpcap};
use pktrail_core::LinkType;

const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "!",
    "&&",
    "||",
    "(",
    ")",
    "(",
    ")",
    "and",
    "or",
    "tcp",
    "udp",
    "ip",
    "ip6",
    "arp",
    "ether",
    "icmp",
    "src",
    "dst",
    "src",
    "host",
    "net",
    "port",
    "portrange",
    "proto",
    "protochain",
    "mask",
    "10.0.0.1",
    "10.0",
    "10.0.0.0/8",
    "1.2.3",
    "80",
    "443",
    "1-2",
    "0x50",
    "6",
    "fe80::1",
    "fe80::/16",
    "02:00:00:00:00:01",
    "\\tcp",
    "\\udp",
    "vlan",
    "mpls",
    "pppoes",
    "llc",
    "broadcast",
    "multicast",
    "less",
    "greater",
    "byte",
    "len",
    "=",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "&",
    "|",
    "<<",
    "%",
    "^",
    "/",
    "[",
    "]",
    ":",
    "tcp[",
    "ip[0]",
    "tcp[13]",
    "ether[0:4]",
    "tcpflags",
    "tcp-syn",
    "i",
    "rnr",
    "0",
    "1",
    "2",
    "4",
];

/// Ways of beginning that are often right.
const STARTS: &[&str] = &[
    "tcp port 80 or",
    "host 10.0.0.1 and",
    "src host",
    "tcp",
    "ip[0] =",
    "port (",
    "not",
    "(",
    "len >",
    "ether host",
    "net",
    "ip proto",
    "vlan 1 and",
    "tcp port 80 and (",
    "host (10.0.0.1 or",
    "port not",
    "len = 4 +",
];

#[test]
fn the_same_is_an_expression_as_to_libpcap() {
    let mut dice = Dice::new(21);
    let mut taken = 0;
    for _ in 0..40_000 {
        let mut text = match dice.once_in(2) {
            true => dice.of(STARTS).to_owned(),
            false => String::new(),
        };
        for _ in 0..1 + dice.below(5) {
            text.push(' ');
            text.push_str(dice.of(WORDS));
        }
        let theirs = libpcap(1, &text, false);
        let ours = compiled(LinkType::ETHERNET, &text);
        match (&theirs, &ours) {
            (Ok(_), Ok(_)) => taken += 1,
            (Err(_), Err(_)) => {}
            (Ok(_), Err(said)) if allowed(said, &text) => {}
            _ => panic!(
                "{text:?}: libpcap {:?}, ours {:?}",
                theirs.map(|_| ()),
                ours.map(|_| ())
            ),
        }
    }
    println!("{taken} of 40000 are expressions");
    assert!(taken > 1000, "{taken}");
}

/// What we refuse and libpcap 1.10 takes.
fn allowed(said: &str, text: &str) -> bool {
    said.contains("rejects every frame")
        // Constants are computed first.
        || said.contains("divides by zero")
        || said.contains("at most 31 bits")
        // Checked since libpcap 1.11.
        || said.contains("a byte is at most")
        || said.contains("protocol number is at most")
        || said.contains("link protocol is at most")
        // A computed place that only the kernel knows.
        || said.contains("special place")
        || text.contains("ifindex")
}
