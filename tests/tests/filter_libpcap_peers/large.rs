//! Lists of a thousand addresses, and other expressions of unusual size.

use crate::dice::Dice;
use crate::machine::run;
use crate::{compiled, lines, packets, walked};
use pktrail_core::LinkType;
use std::net::Ipv4Addr;

/// Classic BPF takes no more instructions.
const MOST: usize = 4096;

fn hosts(count: usize) -> String {
    let mut dice = Dice::new(11);
    let each = (0..count).map(|_| format!("host {}", Ipv4Addr::from(dice.number() & 0x7fff_ffff)));
    each.collect::<Vec<_>>().join(" or ")
}

#[test]
fn a_thousand_hosts_are_a_short_way() {
    let text = hosts(1000);
    let filter = compiled(LinkType::ETHERNET, &text).expect("compiles");
    let program = lines(&filter.program);
    let mut dice = Dice::new(12);
    let (mut misses, mut executed, mut worst) = (0, 0, 0);
    for _ in 0..5000 {
        let frame = packets::common(&mut dice);
        let got = run(&program, &frame.bytes, frame.len);
        assert_eq!(got.accepted, walked(&filter, LinkType::ETHERNET, &frame));
        if !got.accepted {
            misses += 1;
            executed += got.executed;
            worst = worst.max(got.executed);
        }
    }
    let mean = f64::from(executed) / f64::from(misses);
    println!(
        "{} instructions; a miss executes {mean:.1}, at most {worst}",
        program.len()
    );
    assert!(program.len() <= MOST, "{} instructions", program.len());
    assert!(mean <= 32.0, "{mean}");
    assert!(worst <= 40, "{worst}");
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
    let pairs = (0..3000).map(|n| format!("(host 10.0.{}.{} and port {n})", n / 250, n % 250));
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
