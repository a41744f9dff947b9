//! Replays what fuzzing once found, and some seeds with each byte changed. Needs no privilege.
//!
//! Owns the replay; the properties are in the package's `fuzz` module, the inputs in fuzz/crashes.

use pktrail_tests::fuzz;
use std::{fs, panic::catch_unwind, path::Path};

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 4] = [
    ("read", fuzz::read),
    ("print", fuzz::print),
    ("filter", fuzz::filter),
    ("expression", fuzz::expression),
];

#[test]
fn old_crashes_stay_mended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/crashes");
    for (name, target) in TARGETS {
        let Ok(entries) = fs::read_dir(folder.join(name)) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            let input = fs::read(&path).expect("the input can be read");
            let outcome = catch_unwind(|| target(&input));
            assert!(
                outcome.is_ok(),
                "{name}: {} breaks it again",
                path.display()
            );
        }
    }
}

/// An Ethernet frame with a DNS query, as `fuzz::print` takes it.
const QUERY: &[u8] = b"\0\0\x02\x03\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0\
    E\0\0;\0\x01@\0@\x11\0\0\xc0\0\x02\x01\xc0\0\x02\x02\
    \x9c@\x005\0'\0\0\x10\x01\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";

/// A program that accepts IPv4, and a frame.
const PROGRAM: &[u8] = b"4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n\0\
    \x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0E\0\0\x14";

/// An expression for Ethernet, and a frame.
const EXPRESSION: &[u8] = b"\0tcp port (80 or 443) and not host 10.0.0.1 or vlan 5 and \
    ip[2:2] - ((tcp[12] & 0xf0) >> 2) != 0\0\
    \x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0E\0\0\x14";

fn pcap_file() -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for number in 0..3_u32 {
        for word in [number, 7, 60, 60] {
            file.extend(word.to_le_bytes());
        }
        file.extend([0x5a; 60]);
    }
    file
}

#[test]
fn any_changed_byte_does_no_harm() {
    let seeds = [
        pcap_file(),
        QUERY.to_vec(),
        PROGRAM.to_vec(),
        EXPRESSION.to_vec(),
    ];
    for ((_, target), seed) in TARGETS.iter().zip(seeds) {
        target(&seed);
        for place in 0..seed.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut input = seed.clone();
                input[place] = value;
                target(&input);
            }
            target(&seed[..place]);
        }
    }
}
