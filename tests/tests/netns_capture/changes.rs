//! Interfaces that go down, come back, vanish and return during a capture.

use super::support::{Collected, options, send, started};
use pktrail::af_packet::{AfPacket, Options};
use pktrail::{Notice, Source};
use pktrail_tests::netns::VethPair;

/// Reads until the notices are those expected, by name, and nothing else.
fn notices(collected: &mut Collected, source: &mut dyn Source, expected: &[&str]) {
    let names = |collected: &Collected| -> Vec<&str> {
        (collected.notices.iter())
            .map(|notice| match notice {
                Notice::Down { .. } => "down",
                Notice::Up { .. } => "up",
                Notice::Vanished { .. } => "vanished",
                Notice::Returned { .. } => "returned",
                _ => "other",
            })
            .collect()
    };
    collected.read_until(source, |collected| names(collected).len() >= expected.len());
    assert_eq!(names(collected), expected, "{:?}", collected.notices);
}

/// The frames from before come all the same, if after the notice.
fn ten_first(collected: &mut Collected, source: &mut dyn Source) {
    collected.read_until(source, |collected| collected.numbers().len() >= 10);
    assert_eq!(collected.numbers(), (0..10).collect::<Vec<_>>());
}

#[test]
fn an_interface_may_go_down_and_come_back() {
    let pair = VethPair::new("down");
    let mut source = started(&options(VethPair::B, &pair.b));
    let mut collected = Collected::default();
    send(&pair, 0..10, 100);
    pair.b.exec(&["ip", "link", "set", VethPair::B, "down"]);
    notices(&mut collected, &mut source, &["down"]);
    ten_first(&mut collected, &mut source);
    pair.b.exec(&["ip", "link", "set", VethPair::B, "up"]);
    notices(&mut collected, &mut source, &["down", "up"]);
    send(&pair, 10..20, 100);
    let collected = collected.finish(&mut source);
    assert_eq!(collected.numbers(), (0..20).collect::<Vec<_>>());
    assert_eq!(collected.account.received, collected.frames.len() as u64);
}

#[test]
fn an_interface_may_be_down_at_the_start() {
    let pair = VethPair::new("late");
    pair.b.exec(&["ip", "link", "set", VethPair::B, "down"]);
    let mut source = started(&options(VethPair::B, &pair.b));
    let mut collected = Collected::default();
    notices(&mut collected, &mut source, &["down"]);
    pair.b.exec(&["ip", "link", "set", VethPair::B, "up"]);
    notices(&mut collected, &mut source, &["down", "up"]);
    send(&pair, 0..5, 100);
    assert_eq!(collected.finish(&mut source).numbers(), [0, 1, 2, 3, 4]);
}

/// Takes the cable away and makes it again.
fn vanish_and_return(pair: &VethPair, source: &mut AfPacket) -> Collected {
    let mut collected = Collected::default();
    send(pair, 0..10, 100);
    pair.unplug();
    notices(&mut collected, source, &["vanished"]);
    ten_first(&mut collected, source);
    pair.plug(1);
    collected.read_until(source, |collected| {
        matches!(collected.notices.last(), Some(Notice::Up { .. }))
    });
    notices(&mut collected, source, &["vanished", "returned", "up"]);
    send(pair, 10..20, 100);
    std::mem::take(&mut collected).finish(source)
}

#[test]
fn an_interface_may_vanish_and_return() {
    let pair = VethPair::new("gone");
    let mut source = started(&options(VethPair::B, &pair.b));
    let collected = vanish_and_return(&pair, &mut source);
    assert_eq!(collected.numbers(), (0..20).collect::<Vec<_>>());
    assert_eq!(collected.account.received, collected.frames.len() as u64);
}

#[test]
fn the_kind_of_the_capture_survives_the_return() {
    let pair = VethPair::new("goneq");
    let mut source = started(&Options {
        snaplen: 60,
        direction: pktrail::af_packet::Direction::In,
        ..options(VethPair::B, &pair.b)
    });
    let collected = vanish_and_return(&pair, &mut source);
    assert!(collected.frames.iter().all(|seen| seen.info.caplen == 60));
}

#[test]
fn all_interfaces_go_on_when_one_is_gone() {
    let pair = VethPair::new("anygone");
    let mut source = started(&options("any", &pair.b));
    let mut collected = Collected::default();
    send(&pair, 0..10, 100);
    pair.unplug();
    pair.plug(1);
    send(&pair, 10..20, 100);
    collected.read_until(&mut source, |collected| collected.numbers().len() == 20);
    let collected = collected.finish(&mut source);
    assert_eq!(collected.numbers(), (0..20).collect::<Vec<_>>());
    assert!(collected.notices.is_empty(), "{:?}", collected.notices);
    // The new interface of the same name has an entry of its own.
    let entries: Vec<u32> = collected
        .frames
        .iter()
        .map(|seen| seen.info.interface)
        .collect();
    assert_ne!(entries[0], entries[entries.len() - 1]);
}
