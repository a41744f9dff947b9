//! Clones, segments, fragments, retransmits: who came from whom.

use super::*;

fn edges(trails: &[Trail]) -> Vec<Option<(Relation, bool)>> {
    let edges = trails.iter().map(|trail| trail.edge);
    edges
        .map(|edge| edge.map(|edge| (edge.relation, edge.certain)))
        .collect()
}

#[test]
fn a_tap_gets_a_clone_of_the_same_data() {
    let mut stage = Stage::new();
    let datagram = udp(41000, 53, b"question");
    let head = |event: &mut Event| event.head = 0xaa00;
    let place = (3, 200);
    stage.with("netif_receive_skb", 0x10, place, Some(&datagram), head);
    stage.with("packet_rcv", 0x20, place, Some(&datagram), head);
    stage.free(0x20);
    stage.with("ip_rcv", 0x10, place, Some(&datagram), head);
    stage.at("__udp_enqueue_schedule_skb", 0x10, place, &datagram);
    let trails = stage.trails();
    assert_eq!(edges(&trails), [None, Some((Relation::Clone, true))]);
    assert_eq!(trails[1].id.to_string(), "1.1");
    assert_eq!(trails[1].verdict, Verdict::Tapped);
    assert_eq!(trails[0].verdict, Verdict::Delivered { reader: None });
}

#[test]
fn a_clone_that_outlives_its_original_is_still_its_clone() {
    let mut stage = Stage::new();
    let reply = echo(0, 7, 1);
    let head = |event: &mut Event| event.head = 0xaa00;
    stage.with("nf:input:101", 0x10, (3, 200), Some(&reply), head);
    // No ping socket; but a raw socket has a clone, which is read later.
    stage.dropped(0x10, "NO_SOCKET", "ping_rcv");
    stage.with("skb_copy_datagram_iovec", 0x20, (0, 0), Some(&reply), head);
    stage.free(0x20);
    let trails = stage.trails();
    assert_eq!(edges(&trails), [None, Some((Relation::Clone, true))]);
    let Verdict::Dropped(dropped) = &trails[0].verdict else {
        panic!("{}", trails[0].verdict)
    };
    assert_eq!(dropped.hook, None);
    let cause = dropped.cause.map_or("", |cause| cause.sentence);
    assert!(cause.contains("raw socket"), "{cause}");
}

#[test]
fn the_kernel_s_word_for_a_copy_is_certain_and_a_guess_is_not() {
    let mut stage = Stage::new();
    let datagram = udp(41000, 53, b"question");
    stage.at("br_flood", 0x10, (3, 200), &datagram);
    stage.with("__br_forward", 0x20, (4, 200), Some(&datagram), |event| {
        event.happening = Happening::MadeFrom { parent: 0x10 };
    });
    stage.at("__br_forward", 0x30, (5, 200), &datagram);
    let trails = stage.trails();
    let clone = |certain| Some((Relation::Clone, certain));
    assert_eq!(edges(&trails), [None, clone(true), clone(false)]);
}

#[test]
fn segments_are_children_and_are_joined_again_by_the_receiver() {
    let mut stage = Stage::new();
    let data: Vec<u8> = (0..3000_u32).map(|n| (n / 7) as u8).collect();
    let large = stamped(5000, 0x18, &data, 77).id(20);
    stage.at("net_dev_queue", 0x10, (2, 100), &large);
    let piece = |n: u16| {
        let at = usize::from(n) * 1000;
        let flags = if n == 2 { 0x18 } else { 0x10 };
        stamped(5000 + u32::from(n) * 1000, flags, &data[at..at + 1000], 77).id(20 + n)
    };
    for n in 0..3 {
        let skb = 0x20 + u64::from(n);
        stage.at("net_dev_start_xmit", skb, (2, 100), &piece(n));
    }
    stage.free(0x10);
    for n in 0..3 {
        let skb = 0x20 + u64::from(n);
        stage.at("napi_gro_receive_entry", skb, (3, 200), &piece(n));
    }
    // Receive offload puts them into the first.
    stage.at("netif_receive_skb", 0x20, (3, 200), &large);
    stage.at("tcp_v4_rcv", 0x20, (3, 200), &large);
    stage.at("tcp_queue_rcv", 0x20, (3, 200), &large);
    let trails = stage.trails();
    let segment = Some((Relation::Segment, true));
    assert_eq!(edges(&trails), [None, segment, segment, segment]);
    assert_eq!(trails[0].verdict, Verdict::Cut { pieces: 3 });
    let grown = changes(&trails[1]);
    assert!(
        matches!(grown[..], [Change::Grown { length: 3032 }]),
        "{grown:?}"
    );
    assert_eq!(trails[1].verdict, Verdict::Delivered { reader: None });
    let into = trails[1].id;
    assert_eq!(trails[2].verdict, Verdict::Merged { into });
    assert_eq!(trails[3].verdict, Verdict::Merged { into });
}

#[test]
fn fragments_are_children_and_become_one_packet_again() {
    let mut stage = Stage::new();
    let whole = udp(41000, 53, &[0x62; 1992]).id(30);
    stage.at("ip_output", 0x10, (2, 100), &whole);
    let mut first = whole.clone();
    first.fragment = (0, true);
    first.payload.truncate(1400);
    let mut second = whole.clone();
    second.fragment = (1400, false);
    second.payload.drain(..1400);
    for (skb, fragment) in [(0x20, &first), (0x30, &second)] {
        stage.at("net_dev_start_xmit", skb, (2, 100), fragment);
    }
    stage.free(0x10);
    for (skb, fragment) in [(0x20, &first), (0x30, &second)] {
        stage.at("ip_defrag", skb, (3, 200), fragment);
    }
    stage.at("ip_local_deliver_finish", 0x30, (3, 200), &whole);
    stage.at("__udp_enqueue_schedule_skb", 0x30, (3, 200), &whole);
    let trails = stage.trails();
    let fragment = Some((Relation::Fragment, true));
    assert_eq!(edges(&trails), [None, fragment, fragment]);
    assert!(trails.iter().all(|trail| trail.id.family == 1));
    assert_eq!(trails[2].verdict, Verdict::Delivered { reader: None });
    let into = trails[2].id;
    assert_eq!(trails[1].verdict, Verdict::Merged { into });
    assert_eq!(trails[0].verdict, Verdict::Cut { pieces: 2 });
}

#[test]
fn a_fragment_whose_buffer_is_freed_first_is_merged_all_the_same() {
    let mut stage = Stage::new();
    let whole = udp(41000, 53, &[0x62; 1992]).id(30);
    let mut first = whole.clone();
    first.fragment = (0, true);
    first.payload.truncate(1400);
    let mut second = whole.clone();
    second.fragment = (1400, false);
    second.payload.drain(..1400);
    stage.at("netif_receive_skb", 0x20, (3, 200), &first);
    stage.at("netif_receive_skb", 0x30, (3, 200), &second);
    // The last one takes the place of the first one, which is freed.
    stage.free(0x20);
    stage.at("nf:input:101", 0x30, (3, 200), &whole);
    let trails = stage.trails();
    let into = trails[1].id;
    assert_eq!(trails[0].verdict, Verdict::Merged { into });
}

#[test]
fn a_retransmit_is_told_long_after_its_original_has_ended() {
    let mut stage = Stage::new();
    let original = stamped(5000, 0x18, b"hello", 77).id(40);
    stage.at("net_dev_queue", 0x10, (2, 100), &original);
    stage.dropped(0x10, "QDISC_DROP", "dev_hard_start_xmit");
    for times in 1..4 {
        stage.now_ns += 10_000_000_000;
        let again = stamped(5000, 0x18, b"hello", 277 * times).id(41);
        stage.at("net_dev_queue", 0x20, (2, 100), &again);
        stage.free(0x20);
    }
    let trails = stage.trails();
    let retransmit = Some((Relation::Retransmit, true));
    assert_eq!(edges(&trails), [None, retransmit, retransmit, retransmit]);
    let from = trails.iter().filter_map(|trail| trail.edge);
    assert!(from.into_iter().all(|edge| edge.from == trails[0].id));
}

#[test]
fn data_that_follows_an_acknowledgement_is_not_grown_from_it() {
    let mut stage = Stage::new();
    let ack = stamped(5000, 0x10, b"", 77).id(40);
    stage.at("net_dev_queue", 0x10, (2, 100), &ack);
    stage.free(0x10);
    let data = stamped(5000, 0x18, b"hello", 78).id(41);
    stage.at("net_dev_queue", 0x20, (2, 100), &data);
    // What sends dropped data again, and more, is another packet as well.
    stage.dropped(0x20, "QDISC_DROP", "dev_hard_start_xmit");
    let more = stamped(5000, 0x18, b"hello world", 277).id(42);
    stage.at("net_dev_queue", 0x30, (2, 100), &more);
    let trails = stage.trails();
    let retransmit = Some((Relation::Retransmit, true));
    assert_eq!(edges(&trails), [None, None, retransmit]);
}

#[test]
fn a_retransmit_is_a_family_that_knows_its_original() {
    let mut stage = Stage::new();
    let original = stamped(5000, 0x18, b"hello", 77).id(40);
    stage.at("net_dev_queue", 0x10, (2, 100), &original);
    stage.at("net_dev_start_xmit", 0x10, (2, 100), &original);
    stage.dropped(0x10, "QDISC_DROP", "dev_hard_start_xmit");
    let again = stamped(5000, 0x18, b"hello", 277).id(41);
    stage.at("net_dev_queue", 0x20, (2, 100), &again);
    let next = stamped(5005, 0x18, b"world", 278).id(42);
    stage.at("net_dev_queue", 0x30, (2, 100), &next);
    let trails = stage.trails();
    let families: Vec<u64> = trails.iter().map(|trail| trail.id.family).collect();
    assert_eq!(families, [1, 2, 3]);
    let retransmit = Some((Relation::Retransmit, true));
    assert_eq!(edges(&trails), [None, retransmit, None]);
    assert_eq!(trails[1].edge.map(|edge| edge.from), Some(trails[0].id));
}

#[test]
fn a_retransmitted_part_of_a_large_segment_is_no_piece_of_it() {
    let mut stage = Stage::new();
    let large = stamped(5000, 0x18, &[7; 3000], 77).id(20);
    stage.at("net_dev_queue", 0x10, (2, 100), &large);
    stage.free(0x10);
    let again = stamped(5000, 0x10, &[7; 1000], 300).id(30);
    stage.at("net_dev_queue", 0x20, (2, 100), &again);
    let trails = stage.trails();
    assert_eq!(edges(&trails), [None, Some((Relation::Retransmit, true))]);
}

#[test]
fn data_that_the_kernel_merges_goes_on_there() {
    let mut stage = Stage::new();
    let (first, second) = (tcp(5000, 16, b"one").id(1), tcp(5003, 16, b"two").id(2));
    stage.at("tcp_queue_rcv", 0x10, (3, 200), &first);
    stage.with("tcp_try_coalesce", 0x20, (3, 200), Some(&second), |event| {
        event.happening = Happening::MergedInto { target: 0x10 };
    });
    let trails = stage.trails();
    let into = trails[0].id;
    assert_eq!(trails[1].verdict, Verdict::Merged { into });
    assert_eq!(trails[1].verdict.to_string(), "merged into 1");
}
