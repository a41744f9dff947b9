//! One interface, one ring: what is sent is captured, once, in order, whole.

use super::support::{PORT, drain, number, options, payload, send, started, udp};
use pktrail::af_packet::{AfPacket, Direction, Options};
use pktrail::{ErrorKind, Flags, LinkType, Source};
use pktrail_tests::netns::{Netns, VethPair};
use std::time::{Duration, Instant};

#[test]
fn every_frame_sent_is_captured_once_and_in_order() {
    let pair = VethPair::new("basic");
    let mut source = started(&options(VethPair::B, &pair.b));
    send(&pair, 0..5000, 1000);
    let collected = drain(&mut source);
    assert_eq!(collected.numbers(), (0..5000).collect::<Vec<_>>());
    assert_eq!(
        (collected.account.received, collected.account.lost.ring),
        (5000, 0)
    );
    let interface = &source.interfaces()[0];
    assert_eq!(interface.link_type, LinkType::ETHERNET);
    assert_eq!(interface.full_name(), format!("pkt-b@{}", pair.b.name()));
    assert_eq!(interface.hardware.as_deref(), Some("veth"));
    let mut before = 0;
    for seen in &collected.frames {
        assert_eq!(seen.data.len(), 1042);
        assert_eq!((seen.info.caplen, seen.info.len), (1042, 1042));
        assert_eq!(seen.info.flags.direction(), 1);
        assert_eq!(seen.info.flags.reception(), 1);
        assert_eq!(
            seen.info.offset % 4,
            0,
            "a header fits on a 4-byte boundary"
        );
        assert!(seen.info.timestamp_ns >= before);
        before = seen.info.timestamp_ns;
    }
}

#[test]
fn the_snap_length_cuts_and_the_length_tells() {
    let pair = VethPair::new("snap");
    let mut source = started(&Options {
        snaplen: 60,
        ..options(VethPair::B, &pair.b)
    });
    send(&pair, 0..10, 500);
    let collected = drain(&mut source);
    assert_eq!(collected.frames.len(), 10);
    for seen in &collected.frames {
        assert_eq!((seen.info.caplen, seen.info.len), (60, 542));
        assert_eq!(number(&seen.data), Some(number(&seen.data).expect("kept")));
    }
}

#[test]
fn directions_are_told_apart_in_the_kernel() {
    let pair = VethPair::new("dir");
    for (direction, expected) in [
        (Direction::In, vec![1]),
        (Direction::Out, vec![2]),
        (Direction::InOut, vec![1, 2]),
    ] {
        let mut source = started(&Options {
            direction,
            ..options(VethPair::A, &pair.a)
        });
        let a = udp(&pair.a, VethPair::ADDRESS_A, PORT);
        let b = udp(&pair.b, VethPair::ADDRESS_B, PORT);
        b.send_to(&payload(1, 8), (VethPair::ADDRESS_A, PORT))
            .expect("send");
        a.send_to(&payload(2, 8), (VethPair::ADDRESS_B, PORT))
            .expect("send");
        let collected = drain(&mut source);
        assert_eq!(collected.numbers(), expected, "{direction:?}");
        assert_eq!(
            collected.account.received,
            expected.len() as u64,
            "{direction:?}"
        );
        for seen in &collected.frames {
            let way = if number(&seen.data) == Some(1) {
                Flags::INBOUND
            } else {
                Flags::OUTBOUND
            };
            assert_eq!(seen.info.flags.direction(), way.0);
        }
    }
}

#[test]
fn loopback_shows_each_frame_once() {
    let netns = Netns::new("lo");
    let mut source = started(&options("lo", &netns));
    let socket = udp(&netns, "127.0.0.1", PORT);
    for number in 0..100 {
        socket
            .send_to(&payload(number, 100), ("127.0.0.1", PORT))
            .expect("send");
    }
    let collected = drain(&mut source);
    assert_eq!(collected.numbers(), (0..100).collect::<Vec<_>>());
    assert_eq!(
        collected.account.received, 100,
        "the other copies never reached the ring"
    );
    assert_eq!(source.interfaces()[0].link_type, LinkType::ETHERNET);
}

#[test]
fn nothing_is_waited_for_when_no_time_is_given() {
    let netns = Netns::new("zero");
    let mut source = started(&options("lo", &netns));
    for _ in 0..50 {
        let start = Instant::now();
        source.next_batch(Duration::ZERO).expect("next_batch");
        assert!(start.elapsed() < Duration::from_millis(20));
    }
}

#[test]
fn an_unknown_interface_is_answered_with_the_nearest() {
    let pair = VethPair::new("near");
    let error = AfPacket::open(&options("ptk-a", &pair.a))
        .err()
        .expect("no such interface");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("did you mean pkt-a?"), "{error}");
}

#[test]
fn the_default_ring_is_64_mib_and_ready_at_once() {
    let pair = VethPair::new("size");
    let start = Instant::now();
    let source = started(&Options {
        netns: Some(pair.b.name().into()),
        ..Options::new(VethPair::B)
    });
    assert_eq!(source.ring_bytes(), 64 << 20);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}
