//! Fanout groups: each frame on one ring, in every mode, with every flag.

use super::support::{Collected, PORT, drain, options, payload, send, udp};
use pktrail::af_packet::{AfPacket, Direction, FanoutMode, Options, open_group};
use pktrail::{Notice, Source};
use pktrail_tests::netns::VethPair;
use std::time::Duration;

fn group(options: &Options, members: u32, mode: FanoutMode) -> Vec<AfPacket> {
    start(open_group(options, members, mode, false, false).expect("a group"))
}

fn start(mut members: Vec<AfPacket>) -> Vec<AfPacket> {
    for member in &mut members {
        member.start().expect("start");
    }
    members
}

fn drain_all(members: &mut [AfPacket]) -> Vec<Collected> {
    members.iter_mut().map(|member| drain(member)).collect()
}

/// All numbers, each as often as it was captured.
fn union(collected: &[Collected]) -> Vec<u32> {
    let mut numbers: Vec<u32> = collected.iter().flat_map(Collected::numbers).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_group_shares_the_frames_in_every_mode() {
    let pair = VethPair::new("fan");
    for (name, mode) in FanoutMode::NAMES {
        let mut members = group(&options(VethPair::B, &pair.b), 3, mode);
        send(&pair, 0..300, 100);
        let collected = drain_all(&mut members);
        assert!(collected.iter().all(|one| one.notices.is_empty()), "{name}");
        assert_eq!(union(&collected), (0..300).collect::<Vec<_>>(), "{name}");
        if mode == FanoutMode::LoadBalance {
            assert!(
                collected.iter().all(|one| one.frames.len() == 100),
                "in turn"
            );
        }
        // A ring is not a queue of the device, and the kernel does not tell that one.
        let mut frames = collected.iter().flat_map(|one| &one.frames);
        assert!(frames.all(|seen| seen.info.queue.is_none()));
    }
}

#[test]
fn flags_change_nothing_of_the_sum() {
    let pair = VethPair::new("flags");
    for (rollover, defrag) in [(true, false), (false, true), (true, true)] {
        let options = options(VethPair::B, &pair.b);
        let mut members =
            start(open_group(&options, 2, FanoutMode::Hash, rollover, defrag).expect("a group"));
        send(&pair, 0..200, 100);
        assert_eq!(
            union(&drain_all(&mut members)),
            (0..200).collect::<Vec<_>>()
        );
    }
}

#[test]
fn defragmented_datagrams_come_as_one() {
    let pair = VethPair::new("defrag");
    let options = options(VethPair::B, &pair.b);
    let members = open_group(&options, 2, FanoutMode::Hash, false, true);
    let mut members = start(members.expect("a group"));
    send(&pair, 0..5, 4000);
    let collected = drain_all(&mut members);
    assert_eq!(union(&collected), [0, 1, 2, 3, 4]);
    for seen in collected.iter().flat_map(|one| &one.frames) {
        assert_eq!(seen.info.len, 4042);
    }
}

/// With rollover, a full ring's frames go to the other; none is lost.
#[test]
fn rollover_saves_what_one_ring_cannot_hold() {
    let pair = VethPair::new("roll");
    let options = Options {
        ring_bytes: Some(4 << 16),
        block_bytes: 1 << 16,
        // A slow sender must not see blocks retired half full.
        retire_ms: 1_000,
        ..options(VethPair::B, &pair.b)
    };
    let mut members =
        start(open_group(&options, 2, FanoutMode::Hash, true, false).expect("a group"));
    // One flow of about 400 KiB in the ring: more than one ring, less than both.
    send(&pair, 0..350, 1000);
    let collected = drain_all(&mut members);
    assert_eq!(union(&collected), (0..350).collect::<Vec<_>>());
    assert!(
        collected.iter().all(|one| !one.frames.is_empty()),
        "both were needed"
    );
}

/// Hosts that talk stay on one ring: all their flows, both ways, fragments too.
#[test]
fn the_program_steers_by_the_pair_of_addresses() {
    let pair = VethPair::new("steer");
    for last in 10..26 {
        let address = format!("10.77.0.{last}/24");
        pair.b
            .exec(&["ip", "address", "add", &address, "dev", VethPair::B]);
        let mac = pair
            .b
            .exec(&["cat", &format!("/sys/class/net/{}/address", VethPair::B)]);
        let address = format!("10.77.0.{last}");
        let neighbour = [
            "neigh",
            "replace",
            &address,
            "lladdr",
            mac.trim(),
            "dev",
            VethPair::A,
        ];
        pair.a.exec(&[&["ip"], &neighbour[..]].concat());
    }
    let mut members = group(&options(VethPair::A, &pair.a), 4, FanoutMode::Ebpf);
    let a = udp(&pair.a, VethPair::ADDRESS_A, PORT);
    // They listen until all is counted: otherwise ICMP errors are among it.
    let mut listeners = Vec::new();
    for last in 10..26u32 {
        let address = format!("10.77.0.{last}");
        for port in [PORT, PORT + 1, PORT + 2] {
            let b = udp(&pair.b, &address, port);
            // 4000 bytes are three fragments.
            a.send_to(&payload(last, 4000), (address.as_str(), port))
                .expect("send");
            b.send_to(&payload(last, 8), (VethPair::ADDRESS_A, PORT))
                .expect("send");
            listeners.push(b);
        }
    }
    let collected = drain_all(&mut members);
    drop(listeners);
    let mut ring_of = std::collections::BTreeMap::new();
    for (member, one) in collected.iter().enumerate() {
        assert!(one.notices.is_empty(), "{:?}", one.notices);
        for seen in &one.frames {
            let (from, to) = (seen.data[29], seen.data[33]);
            let ring = ring_of.entry(from.max(to)).or_insert(member);
            assert_eq!(*ring, member, "10.77.0.{} is on two rings", from.max(to));
        }
    }
    let frames: usize = collected.iter().map(|one| one.frames.len()).sum();
    assert_eq!(frames, 16 * 3 * 4);
    assert_eq!(ring_of.len(), 16);
    let rings: std::collections::BTreeSet<_> = ring_of.values().collect();
    assert!(rings.len() > 1, "all on one ring");
}

#[test]
fn the_program_runs_without_the_privilege_to_load_it() {
    let pair = VethPair::new("cbpf");
    let options = Options {
        netns: None,
        ..options(VethPair::B, &pair.b)
    };
    let (mut members, notices) = pair.b.within(|| {
        super::privileges::keep_only_net_raw();
        let members = open_group(&options, 2, FanoutMode::Ebpf, false, false);
        let mut members = start(members.expect("a group"));
        let next = members[0].next_batch(Duration::ZERO).expect("a notice");
        (members, next)
    });
    let pktrail::Next::Notice(Notice::Said(notice)) = notices else {
        panic!("no notice");
    };
    assert!(notice.contains("classic BPF"), "{notice}");
    send(&pair, 0..100, 100);
    assert_eq!(
        union(&drain_all(&mut members)),
        (0..100).collect::<Vec<_>>()
    );
}

#[test]
fn directions_hold_in_a_group() {
    let pair = VethPair::new("fandir");
    for (direction, expected) in [(Direction::In, vec![1]), (Direction::Out, vec![2])] {
        let options = Options {
            direction,
            ..options(VethPair::A, &pair.a)
        };
        let mut members = group(&options, 2, FanoutMode::Hash);
        let a = udp(&pair.a, VethPair::ADDRESS_A, PORT);
        let b = udp(&pair.b, VethPair::ADDRESS_B, PORT);
        b.send_to(&payload(1, 8), (VethPair::ADDRESS_A, PORT))
            .expect("send");
        a.send_to(&payload(2, 8), (VethPair::ADDRESS_B, PORT))
            .expect("send");
        assert_eq!(union(&drain_all(&mut members)), expected);
    }
}

/// The privilege to open sockets is gone by the time the interface is back.
#[test]
fn a_group_survives_its_interface() {
    let pair = VethPair::new("fangone");
    let mut members = group(&options(VethPair::B, &pair.b), 2, FanoutMode::LoadBalance);
    let mut collected = [Collected::default(), Collected::default()];
    send(&pair, 0..10, 100);
    pair.unplug();
    for (member, one) in members.iter_mut().zip(&mut collected) {
        one.read_until(member, |one| one.frames.len() == 5);
    }
    pair.plug(1);
    std::thread::scope(|scope| {
        let work = || {
            pktrail::privileges::drop_all().expect("fewer privileges");
            let up = |one: &Collected| {
                one.notices
                    .iter()
                    .any(|notice| matches!(notice, Notice::Up { .. }))
            };
            assert!(collected[0].read_until(&mut members[0], up));
            // The other member says nothing; it has the same time.
            collected[1].read_for(&mut members[1], Duration::from_secs(1), |_| false);
        };
        scope.spawn(work).join().expect("thread");
    });
    let first = &collected[0].notices;
    assert!(
        first.iter().any(|n| matches!(n, Notice::Returned { .. })),
        "{first:?}"
    );
    assert!(collected[1].notices.is_empty(), "the first speaks for all");
    send(&pair, 10..20, 100);
    let collected: Vec<Collected> = (collected.into_iter().zip(&mut members))
        .map(|(one, member)| one.finish(member))
        .collect();
    assert_eq!(union(&collected), (0..20).collect::<Vec<_>>());
    for one in &collected {
        assert_eq!(one.frames.len(), 10);
        assert_eq!(one.account.received, 10);
    }
}
