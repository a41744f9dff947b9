//! Verdicts: the kernel's reason, and the cause behind it.

use super::*;
use crate::trail::hook::Hook;
use crate::trail::{Returned, words};

fn drop_of(stage: Stage) -> super::super::verdict::Dropped {
    let trails = stage.trails();
    match &trails[..] {
        [
            Trail {
                verdict: Verdict::Dropped(dropped),
                ..
            },
        ] => (**dropped).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_expired_ttl_is_called_by_its_name() {
    let mut stage = Stage::new();
    let datagram = udp(41000, 53, b"question").ttl(1);
    stage.at("netif_receive_skb", 0x10, (3, 200), &datagram);
    stage.dropped(0x10, "IP_INHDR", "ip_forward");
    let cause = drop_of(stage).cause.expect("a cause");
    assert!(cause.sentence.contains("TTL"), "{}", cause.sentence);

    let mut stage = Stage::new();
    stage.at("ip_rcv", 0x10, (3, 200), &datagram.ttl(64));
    stage.dropped(0x10, "IP_INHDR", "ip_rcv_core");
    let cause = drop_of(stage).cause.expect("a cause");
    assert!(cause.sentence.contains("malformed"), "{}", cause.sentence);
}

#[test]
fn a_rule_s_hook_and_table_are_named_from_the_gap_before() {
    let mut stage = Stage::new();
    let datagram = udp(41000, 53, b"question");
    stage.at("nf:forward:-2147483647", 0x10, (3, 200), &datagram);
    stage.at("nf:forward:-149", 0x10, (3, 200), &datagram);
    stage.dropped(0x10, "NETFILTER_DROP", "nf_hook_slow");
    let dropped = drop_of(stage);
    assert_eq!(dropped.hook, Some(("forward", "filter".to_owned())));
    assert_eq!(
        dropped.to_string(),
        "dropped: NETFILTER_DROP in nf_hook_slow, at FORWARD by filter"
    );
    let advice = dropped.cause.and_then(|cause| cause.advice);
    assert!(advice.is_some_and(|advice| advice.contains("nft list ruleset")));
}

#[test]
fn what_functions_return_is_told_of_their_calls_also_after_the_end() {
    let judged = |table: &str| Happening::Judged {
        hook: Some(Hook::Input),
        table: Name::new(table.as_bytes()),
        chain: Name::default(),
    };
    let mut stage = Stage::new();
    let datagram = udp(41000, 53, b"question");
    let place = (3, 200);
    let returns = |stage: &mut Stage, point: &str, value| {
        stage.with(point, 0x10, (0, 0), None, |event| {
            event.happening = Happening::Returned(Returned::Number(value));
        });
    };
    stage.with("nf_hook_slow", 0x10, place, Some(&datagram), |event| {
        event.happening = judged("");
    });
    for (table, verdict) in [("mangle", Some(1)), ("filter", None)] {
        stage.with("ipt_do_table", 0x10, place, Some(&datagram), |event| {
            event.happening = judged(table);
        });
        if let Some(verdict) = verdict {
            returns(&mut stage, "ipt_do_table", verdict);
        }
    }
    stage.dropped(0x10, "NETFILTER_DROP", "nf_hook_slow");
    returns(&mut stage, "ipt_do_table", 0);
    returns(&mut stage, "nf_hook_slow", -1);
    // Nobody's.
    returns(&mut stage, "ip_rcv", 0);
    let trails = stage.trails();
    assert_eq!(trails.len(), 1, "a return begins no trail");
    let hops = trails[0].hops.iter();
    let returned: Vec<_> = hops.map(|hop| hop.returned).collect();
    let number = |value| Some(Returned::Number(value));
    assert_eq!(returned, [number(-1), number(1), number(0), None]);
    let Verdict::Dropped(dropped) = &trails[0].verdict else {
        panic!("{}", trails[0].verdict)
    };
    assert_eq!(dropped.hook, Some(("input", "filter".to_owned())));
    let said = words::hops(&trails[0], &words::NoNames, words::Detail::Full).join("\n");
    for words in [
        "INPUT; returns EPERM",
        "mangle at INPUT; accept",
        "filter at INPUT; drop",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_checksum_that_nobody_completed_is_the_sender_s() {
    let segment = tcp(5000, 2, b"");
    let mut stage = Stage::new();
    stage.with("net_dev_start_xmit", 0x10, (2, 100), Some(&segment), |e| {
        e.checksum = Checksum::Partial;
    });
    stage.with("packet_rcv", 0x10, (3, 200), Some(&segment), |e| {
        e.checksum = Checksum::Partial;
    });
    stage.free(0x10);
    // A switch in user space sends the bytes on as they are.
    stage.at("net_dev_start_xmit", 0x20, (4, 200), &segment);
    stage.at("tcp_v4_rcv", 0x20, (5, 300), &segment);
    stage.dropped(0x20, "TCP_CSUM", "tcp_v4_rcv");
    let dropped = drop_of(stage);
    let advice = dropped.cause.and_then(|cause| cause.advice);
    assert_eq!(advice, Some("`ethtool -K DEVICE tx off` at the sender."));
}

#[test]
fn queues_and_routes_without_a_reason_are_told_apart() {
    let datagram = udp(41000, 53, b"question");
    let sentence = |point: &str, function: &str| {
        let mut stage = Stage::new();
        stage.at(point, 0x10, (0, 100), &datagram);
        stage.dropped(0x10, "NOT_SPECIFIED", function);
        drop_of(stage).cause.map_or("", |cause| cause.sentence)
    };
    assert!(sentence("ip_output", "dst_discard_out").contains("blackhole"));
    assert!(sentence("ip_output", "nf_queue").contains("listener"));
    assert!(sentence("nfqnl_enqueue_packet", "x").contains("NFQUEUE"));
    assert_eq!(sentence("ip_output", "x"), "");
}

#[test]
fn ends_without_a_drop_have_their_own_words() {
    let datagram = udp(41000, 53, b"question");
    let verdict = |points: &[&str], freed: bool| {
        let mut stage = Stage::new();
        for point in points {
            stage.at(point, 0x10, (2, 100), &datagram);
        }
        if freed {
            stage.free(0x10);
        }
        stage.trails().remove(0).verdict
    };
    let (interface, netns) = (2, 100);
    assert_eq!(
        verdict(&["ip_forward", "net_dev_start_xmit"], true),
        Verdict::Forwarded { interface, netns }
    );
    assert_eq!(
        verdict(&["net_dev_start_xmit"], true),
        Verdict::Sent { interface, netns }
    );
    let received = ["net_dev_start_xmit", "netif_receive_skb"];
    assert_eq!(verdict(&received, true), Verdict::Consumed);
    assert_eq!(verdict(&["icmp_echo"], true), Verdict::Answered);
    assert_eq!(verdict(&["ip_rcv"], true), Verdict::Consumed);
    assert_eq!(verdict(&["ip_rcv"], false), Verdict::Lost);
}
