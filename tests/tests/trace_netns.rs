//! Trails of real packets between two namespaces: hops in order, names, verdicts. Needs root.

use pktrail::LinkType;
use pktrail::filter::{NoNames, SkbFilter, Target};
use pktrail::trace::{Followed, Selection, Summary, Tracer};
use pktrail::trail::{Change, Names, Settings, Trail, Verdict};
use pktrail_tests::netns::{Netns, VethPair};
use std::net::UdpSocket;
use std::time::Duration;

fn both(pair: &VethPair) -> Selection {
    Selection {
        namespaces: vec![pair.a.name().to_owned(), pair.b.name().to_owned()],
        ..Selection::default()
    }
}

fn filter(text: &str) -> SkbFilter {
    let target = Target::new(LinkType::RAW, 65_535);
    SkbFilter::compile(text, &target, &mut NoNames).expect("a filter")
}

/// Traces both ends while `work` runs, and half a second longer.
fn trace(pair: &VethPair, work: impl FnOnce()) -> (Vec<Trail>, Followed, Summary) {
    trace_some(&both(pair), work)
}

fn trace_some(selection: &Selection, work: impl FnOnce()) -> (Vec<Trail>, Followed, Summary) {
    let tracer = Tracer::open(selection).expect("tracing works as root");
    assert!(tracer.plan().refused.is_empty(), "{:?}", tracer.plan());
    let mut followed = Followed::new(tracer, Settings::default());
    work();
    let mut trails = Vec::new();
    for _ in 0..5 {
        let more = followed.next(Duration::from_millis(100));
        trails.extend(more.expect("the ring can be read"));
    }
    let (rest, summary) = followed.finish().expect("the counts can be read");
    trails.extend(rest);
    (trails, followed, summary)
}

/// Point and interface of each hop.
fn way(trail: &Trail, followed: &mut Followed) -> Vec<String> {
    let mut way = Vec::new();
    for hop in &trail.hops {
        let event = &hop.event;
        let tracer = followed.tracer();
        let netns = tracer.netns(event.netns).unwrap_or_else(|| "-".to_owned());
        let interface = tracer.interface(event.netns, event.interface, event.time_ns);
        let interface = interface.unwrap_or_else(|| "-".to_owned());
        way.push(format!("{} {interface}@{netns}", event.point.name()));
    }
    way
}

fn icmp_of(trails: &[Trail], kind: u8) -> Vec<&Trail> {
    let is = |trail: &&Trail| {
        let packet = trail.packet.as_ref();
        packet.is_some_and(|packet| packet.icmp.is_some_and(|(found, _)| found == kind))
    };
    trails.iter().filter(is).collect()
}

/// Whether `wanted` are among `way` in this order.
fn in_order(way: &[String], wanted: &[String]) {
    let mut rest = way.iter();
    for step in wanted {
        assert!(
            rest.any(|hop| hop == step),
            "'{step}' is missing or out of order in\n{}",
            way.join("\n")
        );
    }
}

#[test]
fn a_ping_is_followed_through_both_namespaces_and_back() {
    let pair = VethPair::new("trace-ping");
    let (trails, mut followed, summary) = trace(&pair, || {
        pair.a
            .exec(&["ping", "-q", "-c", "2", "-i", "0.2", VethPair::ADDRESS_B]);
    });
    assert_eq!(summary.lost, 0, "{summary:?}");
    assert_eq!(summary.produced, summary.shown, "{summary:?}");
    let (a, b) = (pair.a.name(), pair.b.name());
    let requests = icmp_of(&trails, 8);
    assert_eq!(requests.len(), 2, "{trails:#?}");
    for request in requests {
        let way = way(request, &mut followed);
        in_order(
            &way,
            &[
                format!("nf:output:51 pkt-a@{a}"),
                format!("net_dev_queue pkt-a@{a}"),
                format!("net_dev_start_xmit pkt-a@{a}"),
                format!("netif_receive_skb pkt-b@{b}"),
                format!("nf:input:101 pkt-b@{b}"),
            ],
        );
        assert_eq!(request.verdict, Verdict::Answered);
        assert!(request.hops.is_sorted_by_key(|hop| hop.event.time_ns));
    }
    let replies = icmp_of(&trails, 0);
    let (sent, clones): (Vec<_>, Vec<_>) = replies.iter().copied().partition(|t| t.edge.is_none());
    assert_eq!(sent.len(), 2, "{trails:#?}");
    for reply in &sent {
        let way = way(reply, &mut followed);
        in_order(
            &way,
            &[
                format!("net_dev_queue pkt-b@{b}"),
                format!("netif_receive_skb pkt-a@{a}"),
                format!("nf:input:101 pkt-a@{a}"),
            ],
        );
    }
    // A ping with a datagram socket reads the reply itself, one with a raw socket its clone.
    let copied = sent.iter().filter(|t| t.verdict.is_drop()).count();
    assert_eq!(copied, clones.len(), "{trails:#?}");
    let families: Vec<u64> = sent.iter().map(|trail| trail.id.family).collect();
    assert!(
        clones
            .iter()
            .all(|clone| families.contains(&clone.id.family))
    );
    let readers = replies.iter().filter_map(|trail| match &trail.verdict {
        Verdict::Delivered { reader: Some(who) } => Some(who.name.as_str()),
        _ => None,
    });
    assert_eq!(readers.collect::<Vec<_>>(), ["ping", "ping"], "{trails:#?}");
}

/// One datagram from `a` to port 4000 of `b`.
fn send(pair: &VethPair, data: &[u8]) {
    pair.a.within(|| {
        let socket = UdpSocket::bind((VethPair::ADDRESS_A, 0)).expect("a socket");
        let sent = socket.send_to(data, (VethPair::ADDRESS_B, 4000));
        assert_eq!(sent.expect("it is sent"), data.len());
    });
}

fn to_port_4000(trails: &[Trail]) -> &Trail {
    let is = |trail: &&Trail| {
        let packet = trail.packet.as_ref();
        packet.is_some_and(|packet| packet.tuple.destination.port() == 4000)
    };
    let found: Vec<&Trail> = trails.iter().filter(is).collect();
    let [trail] = found[..] else {
        panic!("{found:#?}")
    };
    trail
}

#[test]
fn a_rule_that_drops_is_named_by_hook_and_table() {
    let pair = VethPair::new("trace-rule");
    pair.b.exec(&[
        "nft",
        "add table ip pkt; add chain ip pkt c { type filter hook input priority 0; }; \
         add rule ip pkt c udp dport 4000 drop",
    ]);
    let (trails, _, _) = trace(&pair, || send(&pair, b"stop"));
    let trail = to_port_4000(&trails);
    let Verdict::Dropped(dropped) = &trail.verdict else {
        panic!("{trail:#?}")
    };
    assert_eq!(dropped.reason, "NETFILTER_DROP");
    assert_eq!(dropped.hook, Some(("input", "filter".to_owned())));
    let hook = trail.hops.iter().rev().nth(1).map(|hop| hop.event.point);
    assert_eq!(hook.map(|point| point.name()), Some("nf:input:-149"));
}

#[test]
fn translation_is_seen_where_it_happens_and_the_socket_gets_it() {
    let pair = VethPair::new("trace-nat");
    pair.a.exec(&[
        "nft",
        "add table ip pkt; add chain ip pkt c { type nat hook postrouting priority 100; }; \
         add rule ip pkt c udp dport 4000 snat to 10.77.0.50",
    ]);
    let socket = pair
        .b
        .within(|| UdpSocket::bind((VethPair::ADDRESS_B, 4000)).expect("a socket"));
    // Nothing has this source any more behind the translation, and it is followed all the same.
    let selection = Selection {
        filter: Some(filter("udp and src host 10.77.0.1")),
        ..both(&pair)
    };
    let (trails, mut followed, _) = trace_some(&selection, || {
        send(&pair, b"translate me");
        let mut buffer = [0; 100];
        let (size, from) = socket.recv_from(&mut buffer).expect("it arrives");
        assert_eq!((size, from.ip().to_string().as_str()), (12, "10.77.0.50"));
    });
    let trail = to_port_4000(&trails);
    let rewritten = trail.hops.iter().filter_map(|hop| {
        let to = hop.changes.iter().find_map(|change| match change {
            Change::Rewritten { from, to } => Some(format!("{} {}", from.source.ip(), to.source)),
            _ => None,
        });
        Some((hop.event.point.name(), to?))
    });
    let rewritten: Vec<_> = rewritten.collect();
    let [(point, change)] = &rewritten[..] else {
        panic!("{rewritten:?}")
    };
    assert_eq!(*point, "nf:postrouting:101");
    assert!(change.starts_with("10.77.0.1 10.77.0.50:"), "{change}");
    let way = way(trail, &mut followed);
    let b = pair.b.name();
    in_order(
        &way,
        &[
            format!("nf:input:101 pkt-b@{b}"),
            format!("sk_data_ready -@{b}"),
        ],
    );
    let delivered = matches!(trail.verdict, Verdict::Delivered { .. });
    assert!(delivered, "{}: {way:#?}", trail.verdict);
}

#[test]
fn every_event_is_shown_or_counted_as_lost_when_the_ring_overflows() {
    let pair = VethPair::new("trace-full");
    let selection = Selection {
        ring_bytes: Some(64 * 1024),
        ..both(&pair)
    };
    let tracer = Tracer::open(&selection).expect("tracing works as root");
    let mut followed = Followed::new(tracer, Settings::default());
    // Nobody reads meanwhile: 64 KiB hold about 300 events, a datagram makes about 10.
    for _ in 0..300 {
        send(&pair, b"too many");
    }
    let (_, summary) = followed.finish().expect("the counts can be read");
    assert!(summary.shown > 100 && summary.lost > 1000, "{summary:?}");
    assert_eq!(summary.produced, summary.shown + summary.lost);
    assert_eq!(summary.lost, summary.lost_in_kernel);
}

/// Joins `b` to one namespace more, for which it forwards: 10.78.0.2.
fn behind(pair: &VethPair) -> Netns {
    let c = Netns::new("trace-far");
    let far = ["pkt-far", "netns", c.name()];
    let mut make = vec![
        "ip", "link", "add", "pkt-near", "type", "veth", "peer", "name",
    ];
    make.extend(far);
    pair.b.exec(&make);
    pair.b
        .exec(&["ip", "address", "add", "10.78.0.1/24", "dev", "pkt-near"]);
    pair.b.exec(&["ip", "link", "set", "pkt-near", "up"]);
    pair.b.exec(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    c.exec(&["ip", "address", "add", "10.78.0.2/24", "dev", "pkt-far"]);
    c.exec(&["ip", "link", "set", "pkt-far", "up"]);
    c.exec(&["ip", "route", "add", "default", "via", "10.78.0.1"]);
    let via = ["via", VethPair::ADDRESS_B];
    let mut route = vec!["ip", "route", "add", "10.78.0.0/24"];
    route.extend(via);
    pair.a.exec(&route);
    c
}

#[test]
fn forwarding_is_one_trail_over_three_namespaces_until_the_ttl_ends() {
    let pair = VethPair::new("trace-forward");
    let c = behind(&pair);
    let sink = c.within(|| UdpSocket::bind(("10.78.0.2", 4000)).expect("a socket"));
    let send = |ttl: u32| {
        pair.a.within(|| {
            let socket = UdpSocket::bind((VethPair::ADDRESS_A, 0)).expect("a socket");
            socket.set_ttl(ttl).expect("a TTL");
            socket
                .send_to(b"far", ("10.78.0.2", 4000))
                .expect("it is sent");
        });
    };
    let (trails, mut followed, _) = trace(&pair, || {
        send(64);
        let mut buffer = [0; 10];
        sink.recv_from(&mut buffer).expect("it arrives");
    });
    let trail = to_port_4000(&trails);
    let way = way(trail, &mut followed);
    let (a, b) = (pair.a.name(), pair.b.name());
    in_order(
        &way,
        &[
            format!("net_dev_start_xmit pkt-a@{a}"),
            format!("netif_receive_skb pkt-b@{b}"),
            format!("nf:forward:51 pkt-near@{b}"),
            format!("net_dev_start_xmit pkt-near@{b}"),
            format!("netif_receive_skb pkt-far@{}", c.name()),
        ],
    );
    let ttl = Change::Ttl { from: 64, to: 63 };
    assert!(trail.hops.iter().any(|hop| hop.changes.contains(&ttl)));

    let (trails, _, _) = trace(&pair, || send(1));
    let Verdict::Dropped(dropped) = &to_port_4000(&trails).verdict else {
        panic!("{trails:#?}")
    };
    assert_eq!(dropped.function, "ip_forward");
    let cause = dropped.cause.expect("a known cause");
    assert!(cause.sentence.contains("TTL"), "{}", cause.sentence);
}

#[test]
fn a_filter_follows_what_fits_and_leaves_out_the_rest() {
    let pair = VethPair::new("trace-filter");
    let selection = Selection {
        filter: Some(filter("udp port 4000")),
        ..both(&pair)
    };
    let tracer = Tracer::open(&selection).expect("tracing works as root");
    let mut followed = Followed::new(tracer, Settings::default());
    pair.a.exec(&["ping", "-q", "-c", "1", VethPair::ADDRESS_B]);
    send(&pair, b"this one");
    let (trails, summary) = followed.finish().expect("the counts can be read");
    to_port_4000(&trails);
    assert!(icmp_of(&trails, 8).is_empty(), "{trails:#?}");
    // One datagram and what was dropped of it: a ping alone makes more.
    assert!(summary.produced < 35, "{summary:?}");
    assert_eq!(summary.produced, summary.shown + summary.lost);
}

/// Before the link header is made nothing can fit, and where it is there, everything does.
#[test]
fn a_filter_of_the_link_layer_finds_what_is_sent() {
    let pair = VethPair::new("trace-link");
    let path = format!("/sys/class/net/{}/address", VethPair::A);
    let address = pair.a.exec(&["cat", &path]);
    let selection = Selection {
        filter: Some(filter(&format!("ether src {}", address.trim()))),
        ..both(&pair)
    };
    let (trails, mut followed, _) = trace_some(&selection, || send(&pair, b"by its source"));
    let way = way(to_port_4000(&trails), &mut followed);
    let is_sent = way.iter().any(|hop| hop.starts_with("net_dev_queue"));
    assert!(is_sent, "{way:#?}");
}

#[test]
fn a_datagram_for_nobody_is_dropped_with_its_reason() {
    let pair = VethPair::new("trace-drop");
    let (trails, _, summary) = trace(&pair, || {
        send(&pair, b"anybody?");
    });
    assert_eq!(summary.produced, summary.shown, "{summary:?}");
    let drops: Vec<&Trail> = trails.iter().filter(|t| t.verdict.is_drop()).collect();
    let [trail] = &drops[..] else {
        panic!("{drops:#?}")
    };
    let Verdict::Dropped(dropped) = &trail.verdict else {
        panic!("{}", trail.verdict)
    };
    assert_eq!(dropped.reason, "NO_SOCKET");
    assert!(dropped.function.contains("udp"), "{}", dropped.function);
    let cause = dropped.cause.expect("a known cause");
    assert!(cause.sentence.contains("No socket"), "{}", cause.sentence);
}

#[test]
fn a_namespace_that_is_not_there_is_an_error_that_names_it() {
    let selection = Selection {
        namespaces: vec!["pkt-nowhere".to_owned()],
        ..Selection::default()
    };
    let error = Tracer::open(&selection).err().expect("it is refused");
    assert_eq!(error.kind(), pktrail::ErrorKind::NotFound);
    assert!(error.to_string().contains("pkt-nowhere"), "{error}");
}
