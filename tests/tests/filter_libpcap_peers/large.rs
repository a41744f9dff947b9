//! Lists of a thousand addresses, and other expressions of unusual size.

use crate::dice::Dice;
use crate::machine::run;
use crate::{compiled, lines, packets, walked};
use pktrail_core::LinkType;
use std::net::Ipv4Addr;

/// Classic BPF takes no more instructions.
const MOST: usize = 4096;

fn addresses(count: usize) -> Vec<u32> {
    let mut dice = Dice::new(11);
    (0..count).map(|_| dice.number() & 0x7fff_ffff).collect()
}

fn hosts(addresses: &[u32]) -> String {
    let each = addresses
        .iter()
        .map(|address| format!("host {}", Ipv4Addr::from(*address)));
    each.collect::<Vec<_>>().join(" or ")
}

#[test]
fn a_thousand_hosts_are_a_short_way() {
    let filter = compiled(LinkType::ETHERNET, &hosts(&addresses(1000))).expect("compiles");
    let program = lines(&filter.program);
    let mut dice = Dice::new(12);
    let (mut misses, mut executed) = (0, 0);
    for _ in 0..5000 {
        let frame = packets::common(&mut dice);
        let got = run(&program, &frame.bytes, frame.len);
        assert_eq!(got.accepted, walked(&filter, LinkType::ETHERNET, &frame));
        if !got.accepted {
            misses += 1;
            executed += got.executed;
        }
    }
    let mean = f64::from(executed) / f64::from(misses);
    println!(
        "{} instructions; a miss executes {mean:.1} on average",
        program.len()
    );
    assert!(program.len() <= MOST, "{} instructions", program.len());
    assert!(mean <= 25.0, "{mean}");
}

/// Every gap between two of the addresses, as the source with every gap as the
/// destination: no frame that matches none of them executes more.
#[test]
fn no_miss_of_a_thousand_hosts_is_a_long_way() {
    let mut addresses = addresses(1000);
    let filter = compiled(LinkType::ETHERNET, &hosts(&addresses)).expect("compiles");
    let program = lines(&filter.program);
    addresses.sort_unstable();
    let above = addresses.iter().map(|address| address + 1);
    let gaps: Vec<u32> = std::iter::once(0).chain(above).collect();
    assert!(gaps.iter().all(|gap| addresses.binary_search(gap).is_err()));
    let mut longest = Vec::new();
    // The EtherType, and where the two addresses stand.
    for (name, kind, first, second, most) in [
        ("IPv4", 0x0800u16, 26, 30, 31),
        ("ARP", 0x0806, 28, 38, 32),
        ("RARP", 0x8035, 28, 38, 32),
        ("802.3", 0x0026, 28, 38, 32),
        ("IPv6", 0x86dd, 28, 38, 32),
    ] {
        let mut frame = [0; 60];
        frame[12..14].copy_from_slice(&kind.to_be_bytes());
        let (mut worst, mut executed) = (0, 0);
        for source in &gaps {
            frame[first..first + 4].copy_from_slice(&source.to_be_bytes());
            for destination in &gaps {
                frame[second..second + 4].copy_from_slice(&destination.to_be_bytes());
                let got = run(&program, &frame, 60);
                assert!(!got.accepted, "{frame:02x?}");
                worst = worst.max(got.executed);
                executed += u64::from(got.executed);
            }
        }
        let mean = executed as f64 / (gaps.len() * gaps.len()) as f64;
        println!("{name}: a miss executes {mean:.1} over all gaps, {worst} at most");
        longest.extend((worst > most).then_some((name, worst)));
    }
    assert!(longest.is_empty(), "{longest:?}");
}

/// What the search finds is of the right EtherType, and of one of the addresses.
#[test]
fn hits_of_a_thousand_hosts_are_those_of_the_graph() {
    let addresses = addresses(1000);
    let filter = compiled(LinkType::ETHERNET, &hosts(&addresses)).expect("compiles");
    let program = lines(&filter.program);
    let mut accepted = 0;
    for kind in [0x0800u16, 0x0806, 0x8035, 0x0026, 0x0801, 0x86dd, 0x8100] {
        for place in [26, 28, 30, 38] {
            for address in addresses.iter().step_by(7) {
                let mut bytes = vec![0; 60];
                bytes[12..14].copy_from_slice(&kind.to_be_bytes());
                bytes[place..place + 4].copy_from_slice(&address.to_be_bytes());
                let frame = packets::Frame { bytes, len: 60 };
                let got = run(&program, &frame.bytes, frame.len);
                let is_one = match kind {
                    0x0800 => place == 26 || place == 30,
                    0x0806 | 0x8035 => place == 28 || place == 38,
                    _ => false,
                };
                assert_eq!(got.accepted, is_one, "{kind:04x} at {place}");
                assert_eq!(walked(&filter, LinkType::ETHERNET, &frame), is_one);
                accepted += u32::from(is_one);
            }
        }
    }
    assert_eq!(accepted, 6 * 143);
}

#[test]
fn what_is_too_large_says_so_or_runs_here() {
    let refused = |text: &str, said: &str| {
        let error = compiled(LinkType::ETHERNET, text).expect_err("is refused");
        assert!(error.contains(said), "{error}");
    };
    refused(&"(".repeat(5000), "inside each other");
    refused(&"not ".repeat(5000), "inside each other");
    refused(
        &format!("len = {}1", "1+".repeat(5000)),
        "inside each other",
    );
    refused(&format!("len = {}1", "-".repeat(5000)), "inside each other");
    refused(
        &format!("ip{}", " and tcp or udp".repeat(5000)),
        "inside each other",
    );
    refused(
        &"geneve and ".repeat(9).replace("and ", "and ip and "),
        "where a test",
    );
    refused(&format!("{}ip", "geneve and ".repeat(9)), "tunnels");
    refused(&"ip or ".repeat(200_000), "longer than");
    // Longer than the kernel takes: made all the same, to run here.
    let pairs = (0..800).map(|n| format!("(host 10.0.{}.{} and port {n})", n / 250, n % 250));
    let text = pairs.collect::<Vec<_>>().join(" or ");
    let filter = compiled(LinkType::ETHERNET, &text).expect("compiles");
    assert!(lines(&filter.program).len() > MOST);
    let mut dice = Dice::new(12);
    for _ in 0..200 {
        let frame = packets::common(&mut dice);
        let got = run(&lines(&filter.program), &frame.bytes, frame.len);
        assert_eq!(got.accepted, walked(&filter, LinkType::ETHERNET, &frame));
    }
}
