//! One packet stays one: over cables, bridges, translation, tunnels and queues; two stay two.

use super::*;

#[test]
fn forwarding_over_cables_and_a_bridge_is_one_trail() {
    let mut stage = Stage::new();
    let sent = udp(41000, 53, b"question");
    for (point, place) in [
        ("net_dev_queue", (2, 100)),
        ("net_dev_start_xmit", (2, 100)),
        ("netif_receive_skb", (3, 200)),
        ("nf:forward:1", (3, 200)),
    ] {
        stage.at(point, 0x10, place, &sent);
    }
    let forwarded = sent.clone().ttl(63);
    for (point, place) in [
        ("ip_forward_finish", (3, 200)),
        ("net_dev_queue", (4, 200)),
        ("netif_receive_skb", (5, 300)),
        ("br_handle_frame", (5, 300)),
        ("__udp_enqueue_schedule_skb", (6, 300)),
    ] {
        stage.at(point, 0x10, place, &forwarded);
    }
    stage.read(0x10, &forwarded);
    stage.free(0x10);
    let trails = stage.trails();
    let [trail] = &trails[..] else {
        panic!("{trails:?}")
    };
    assert_eq!(trail.hops.len(), 11);
    assert_eq!(trail.duration_ns(), 10_000);
    assert_eq!(changes(trail), [&Change::Ttl { from: 64, to: 63 }]);
    let reader = Process {
        pid: 812,
        thread: 812,
        cgroup: 0,
        name: Name::new(b"server"),
    };
    let delivered = Verdict::Delivered {
        reader: Some(reader),
    };
    assert_eq!(trail.verdict, delivered);
    assert_eq!(trail.verdict.to_string(), "delivered to server (812)");
}

#[test]
fn translation_is_a_change_and_the_answer_is_a_trail_of_its_own() {
    let mut stage = Stage::new();
    let sent = tcp(5000, 2, b"");
    stage.at("net_dev_queue", 0x10, (2, 100), &sent);
    stage.at("nf:postrouting:-149", 0x10, (3, 200), &sent);
    let translated = sent.clone().from(NAT).ttl(63);
    stage.at("nf:postrouting:101", 0x10, (3, 200), &translated);
    stage.at("net_dev_start_xmit", 0x10, (3, 200), &translated);
    // The cable gives it a new buffer: only the fingerprint is left.
    stage.free(0x10);
    stage.at("netif_receive_skb", 0x20, (4, 300), &translated);
    stage.at("tcp_v4_rcv", 0x20, (4, 300), &translated);
    stage.free(0x20);
    let answer = tcp(9000, 0x12, b"").from(B).to(NAT).id(0);
    stage.at("net_dev_queue", 0x30, (4, 300), &answer);
    stage.at("nf:prerouting:-199", 0x30, (3, 200), &answer);
    stage.at("nf:prerouting:-99", 0x30, (3, 200), &answer.clone().to(A));
    stage.free(0x30);
    let trails = stage.trails();
    assert_eq!(trails.len(), 2, "{trails:?}");
    let rewritten = Change::Rewritten {
        from: sent.packet().tuple,
        to: translated.packet().tuple,
    };
    assert_eq!(changes(&trails[0])[0], &rewritten);
    assert_eq!(
        sent.packet().tuple.to_string(),
        "10.0.0.1:41000 > 10.0.1.2:80"
    );
    assert_eq!(rejoins(&trails[0]), [true]);
    assert_eq!(trails[0].hops.len(), 8);
    assert!(
        matches!(changes(&trails[1])[..], [Change::Rewritten { from, .. }] if
        from.destination.ip() == std::net::IpAddr::from(NAT))
    );
    assert_eq!((trails[0].edge, trails[1].edge), (None, None));
}

#[test]
fn an_echo_is_found_though_translation_changed_its_identifier() {
    let mut stage = Stage::new();
    let sent = echo(8, 0x1111, 3);
    stage.at("net_dev_start_xmit", 0x10, (2, 100), &sent);
    stage.free(0x10);
    stage.at(
        "netif_receive_skb",
        0x20,
        (3, 200),
        &echo(8, 0x2222, 3).from(NAT),
    );
    // The answer, and the next echo, are others.
    stage.at("netif_receive_skb", 0x30, (3, 200), &echo(0, 0x2222, 3));
    stage.at("netif_receive_skb", 0x40, (3, 200), &echo(8, 0x2222, 4));
    let trails = stage.trails();
    assert_eq!(trails.len(), 3, "{trails:?}");
    assert_eq!(rejoins(&trails[0]), [true]);
}

#[test]
fn a_tunnel_wraps_and_unwraps_the_same_packet() {
    let mut stage = Stage::new();
    let inner = tcp(5000, 0x18, b"hello");
    let mut data = vec![8, 0, 0, 0, 0, 0, 42, 0];
    data.extend([0; 12]);
    data.extend([8, 0]);
    data.extend(inner.bytes());
    let outer = udp(50000, 4789, &data).from(NAT).id(99);
    stage.at("vxlan_xmit", 0x10, (5, 100), &inner);
    stage.at("net_dev_queue", 0x10, (2, 100), &outer);
    stage.at("netif_receive_skb", 0x10, (3, 200), &outer);
    stage.at("vxlan_rcv", 0x10, (3, 200), &outer);
    stage.at("netif_receive_skb", 0x10, (6, 200), &inner);
    // Seen only outside first, then inside, in new buffers.
    stage.free(0x10);
    let trails = stage.trails();
    let [trail] = &trails[..] else {
        panic!("{trails:?}")
    };
    let wrapped = Change::Wrapped {
        outer: outer.packet().tuple,
    };
    assert_eq!(changes(trail), [&wrapped, &Change::Unwrapped]);

    let mut stage = Stage::new();
    stage.at("vxlan_rcv", 0x10, (3, 200), &outer);
    stage.at("netif_receive_skb", 0x10, (6, 200), &inner);
    let trails = stage.trails();
    assert_eq!(trails.len(), 1, "{trails:?}");
    assert_eq!(changes(&trails[0]), [&Change::Unwrapped]);
}

#[test]
fn a_round_trip_through_a_queue_is_found_in_the_new_buffer() {
    let mut stage = Stage::new();
    let datagram = udp(41000, 53, b"question");
    stage.at("nf:output:-149", 0x10, (0, 100), &datagram);
    stage.at("nfqnl_enqueue_packet", 0x10, (0, 100), &datagram);
    // The program sent it back changed in nothing that counts: the kernel copied it.
    stage.at("nfqnl_reinject", 0x20, (0, 100), &datagram);
    stage.at("net_dev_queue", 0x20, (2, 100), &datagram);
    let trails = stage.trails();
    let [trail] = &trails[..] else {
        panic!("{trails:?}")
    };
    assert_eq!(trail.hops.len(), 4);
    assert_eq!(rejoins(trail), [true]);
}

#[test]
fn equal_datagrams_are_not_confused() {
    // Without identification nothing tells them apart but their buffers.
    let datagram = udp(41000, 53, b"same").id(0);
    let mut stage = Stage::new();
    for skb in [0x10, 0x20] {
        stage.at("net_dev_queue", skb, (2, 100), &datagram);
    }
    for skb in [0x10, 0x20] {
        stage.at("__udp_enqueue_schedule_skb", skb, (3, 200), &datagram);
        stage.read(skb, &datagram);
        stage.free(skb);
    }
    // The first buffer is used again for an equal third.
    stage.at("net_dev_queue", 0x10, (2, 100), &datagram);
    let trails = stage.trails();
    assert_eq!(trails.len(), 3, "{trails:?}");
    assert!(trails.iter().all(|trail| trail.edge.is_none()));
    assert_eq!(points(&trails[0]), points(&trails[1]));
    assert_eq!(points(&trails[2]), ["net_dev_queue"]);
}

#[test]
fn equal_datagrams_in_new_buffers_are_joined_in_order_and_marked() {
    let datagram = udp(41000, 53, b"same").id(0);
    let mut stage = Stage::new();
    for skb in [0x10, 0x20] {
        stage.at("net_dev_start_xmit", skb, (2, 100), &datagram);
    }
    stage.free(0x10);
    stage.free(0x20);
    stage.at("netif_receive_skb", 0x30, (3, 200), &datagram);
    stage.at("netif_receive_skb", 0x40, (3, 200), &datagram);
    let trails = stage.trails();
    assert_eq!(trails.len(), 2, "{trails:?}");
    assert_eq!(rejoins(&trails[0]), [false]);
    assert_eq!(rejoins(&trails[1]), [false]);
    let last = |trail: &Trail| trail.hops.last().map(|hop| hop.event.skb);
    assert_eq!(
        (last(&trails[0]), last(&trails[1])),
        (Some(0x30), Some(0x40))
    );
}

#[test]
fn an_address_that_is_used_again_is_another_packet() {
    let mut stage = Stage::new();
    stage.at("net_dev_queue", 0x10, (2, 100), &udp(1, 2, b"first").id(1));
    stage.at("net_dev_queue", 0x10, (2, 100), &udp(1, 2, b"other").id(2));
    let trails = stage.trails();
    assert_eq!(trails.len(), 2);
    assert_eq!(trails[0].verdict, Verdict::Lost);
}

#[test]
fn what_is_out_of_sight_for_too_long_is_given_up() {
    let mut stage = Stage::new();
    stage.at("net_dev_queue", 0x10, (2, 100), &udp(1, 2, b"first").id(1));
    let lifetime_ns = Settings::default().lifetime_ns;
    stage.joiner.expire(stage.now_ns + lifetime_ns / 2);
    assert_eq!(stage.joiner.pop(), None);
    stage.joiner.expire(stage.now_ns + lifetime_ns);
    assert_eq!(
        stage.joiner.pop().map(|trail| trail.verdict),
        Some(Verdict::Lost)
    );
    assert_eq!(stage.joiner.open(), 0);
}

#[test]
fn packets_and_hops_are_bounded() {
    let settings = Settings {
        most_packets: 10,
        most_hops: 4,
        ..Settings::default()
    };
    let mut stage = Stage::new();
    stage.joiner = Joiner::new(settings);
    for skb in 1..=100_u16 {
        stage.at(
            "net_dev_queue",
            skb.into(),
            (2, 100),
            &udp(1, 2, b"x").id(skb),
        );
        assert!(stage.joiner.open() <= 11);
    }
    for _ in 0..10 {
        stage.at("ip_rcv", 100, (2, 100), &udp(1, 2, b"x").id(100));
    }
    stage.dropped(100, "NO_SOCKET", "udp_rcv");
    let trails = stage.trails();
    assert_eq!(trails.len(), 100);
    let last = trails.last().expect("a trail");
    assert_eq!((last.hops.len(), last.left_out), (4, 8));
    assert!(last.verdict.is_drop());
}

#[test]
fn a_switch_in_user_space_sends_on_what_its_tap_saw() {
    let mut stage = Stage::new();
    let segment = tcp(5000, 2, b"");
    stage.at("net_dev_start_xmit", 0x10, (2, 100), &segment);
    stage.at("netif_receive_skb", 0x10, (3, 200), &segment);
    stage.dropped(0x10, "OTHERHOST", "ip_rcv_core");
    stage.at("net_dev_start_xmit", 0x20, (4, 200), &segment);
    stage.dropped(0x20, "TCP_CSUM", "tcp_v4_rcv");
    // A drop for another reason is the end.
    stage.at("net_dev_start_xmit", 0x30, (4, 200), &segment);
    let trails = stage.trails();
    assert_eq!(trails.len(), 2, "{trails:#?}");
    assert_eq!(rejoins(&trails[0]), [true]);
    assert_eq!(trails[0].hops.len(), 5);
}

#[test]
fn a_frame_in_front_of_the_buffers_is_its_packet() {
    let sent = udp(41000, 53, b"question");
    // The frame has no buffer: `head` is where its data lies.
    let frame = |stage: &mut Stage, head: u64| {
        stage.with("xdp:observer", 0, (3, 200), Some(&sent), |event| {
            event.head = head
        });
    };
    // The buffer comes first, and its data has moved or not.
    for head in [0x900, 0x901] {
        let mut stage = Stage::new();
        stage.with("net_dev_start_xmit", 0x10, (2, 100), Some(&sent), |event| {
            event.head = 0x900;
        });
        stage.at("netif_receive_skb", 0x10, (3, 200), &sent);
        frame(&mut stage, head);
        stage.at("nf:input:1", 0x10, (3, 200), &sent);
        stage.free(0x10);
        let trails = stage.trails();
        let [trail] = &trails[..] else {
            panic!("{trails:?}")
        };
        assert_eq!(trail.hops.len(), 5);
        assert_eq!(changes(trail), [&Change::Rejoined { certain: true }; 0]);
    }
    // The frame comes first, and gets a buffer.
    let mut stage = Stage::new();
    frame(&mut stage, 0x900);
    stage.with("netif_receive_skb", 0x10, (3, 200), Some(&sent), |event| {
        event.head = 0x900;
    });
    stage.free(0x10);
    let trails = stage.trails();
    let [trail] = &trails[..] else {
        panic!("{trails:?}")
    };
    assert_eq!(
        points(trail),
        ["xdp:observer", "netif_receive_skb", "consume_skb"]
    );
    assert_eq!(rejoins(trail), [true]);
}
