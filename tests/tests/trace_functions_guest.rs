//! Functions of the kernel as points, where the kernel lets them be traced: the same trail by
//! every method that the kernel has.

use pktrail::filter::{NoNames, SkbFilter, Target};
use pktrail::trace::{Followed, Method, Selection, Tracer};
use pktrail::trail::{Relation, Settings, Trail, Verdict, words};
use pktrail::{ErrorKind, LinkType};
use pktrail_tests::netns::VethPair;
use std::net::UdpSocket;
use std::time::Duration;

const PORT: u16 = 4000;
/// Functions with the buffer as first argument, later, as a constant, behind a pointer, and on
/// either side of the cable.
const POINTS: &str = "ip_output,ip_finish_output2,veth_xmit,netif_rx_internal,ip_rcv,ip_rcv_core,\
                      ip_local_deliver,udp_rcv,__udp4_lib_rcv,__netif_receive_skb_core,\
                      __udp_enqueue_schedule_skb,skb_clone_tx_timestamp";

fn selection(pair: &VethPair, points: &str, method: Option<Method>) -> Selection {
    let target = Target::new(LinkType::RAW, 65_535);
    let filter = SkbFilter::compile("udp port 4000", &target, &mut NoNames);
    Selection {
        namespaces: vec![pair.a.name().to_owned(), pair.b.name().to_owned()],
        filter: Some(filter.expect("a filter")),
        points: Some(points.to_owned()),
        method,
        ..Selection::default()
    }
}

/// The points of the trail of one datagram, and how many functions were attached.
fn way(pair: &VethPair, points: &str, method: Method) -> (Vec<String>, usize) {
    let bind = |address| UdpSocket::bind(address).expect("a socket");
    let sink = pair.b.within(|| bind((VethPair::ADDRESS_B, PORT)));
    let source = pair.a.within(|| bind((VethPair::ADDRESS_A, 0)));
    // The neighbour is to be known, or the first datagram waits.
    pair.a.exec(&["ping", "-q", "-c", "1", VethPair::ADDRESS_B]);
    let tracer = Tracer::open(&selection(pair, points, Some(method))).expect("it is traced");
    let plan = tracer.plan().clone();
    let (by, count) = plan.functions.unwrap_or_else(|| panic!("{plan:?}"));
    assert_eq!(by, method);
    assert!(plan.candidates > 1500, "{}", plan.candidates);
    let mut followed = Followed::new(tracer, Settings::default());
    let sent = source.send_to(b"trace me", (VethPair::ADDRESS_B, PORT));
    sent.expect("it is sent");
    sink.recv_from(&mut [0; 100]).expect("it arrives");
    let mut trails = followed.next(Duration::from_secs(2)).expect("it is read");
    let (rest, summary) = followed.finish().expect("it ends");
    trails.extend(rest);
    assert_eq!((summary.lost, summary.produced), (0, summary.shown));
    trails.retain(|trail| {
        let packet = trail.packet.as_ref();
        packet.is_some_and(|packet| packet.tuple.destination.port() == PORT)
    });
    assert_eq!(trails.len(), 1, "{trails:#?}");
    let hops = trails.iter().flat_map(|trail| &trail.hops);
    let names = hops.map(|hop| hop.event.point.name().to_owned());
    (names.collect(), count)
}

/// Whether the kernel has what one link for many functions stands on; Debian's 6.1 has not.
fn has_links_for_many() -> bool {
    let symbols = std::fs::read_to_string("/proc/kallsyms").expect("procfs");
    symbols
        .lines()
        .any(|line| line.ends_with(" register_fprobe_ips"))
}

/// The refusal names the method, and everything else is traced.
fn is_said_to_be_missing(pair: &VethPair, points: &str) {
    let tracer = Tracer::open(&selection(pair, points, Some(Method::KprobeMulti)));
    let plan = tracer.expect("the rest is traced").plan().clone();
    assert_eq!(plan.functions, None);
    let said = plan
        .refused
        .iter()
        .find(|(what, _)| what.contains("functions"));
    let (_, why) = said.unwrap_or_else(|| panic!("{plan:?}"));
    assert!(
        why.contains("kprobe.multi") && why.contains("CONFIG_FPROBE"),
        "{why}"
    );
}

#[test]
fn every_method_shows_the_same_trail() {
    let pair = VethPair::new("trace-functions");
    let (by_fentry, fentries) = way(&pair, POINTS, Method::Fentry);
    let (by_kprobe, kprobes) = way(&pair, POINTS, Method::Kprobe);
    println!("{fentries} by fentry, {kprobes} by kprobe: {by_fentry:?}");
    assert_eq!(by_fentry, by_kprobe);
    if has_links_for_many() {
        let (by_multi, multis) = way(&pair, POINTS, Method::KprobeMulti);
        println!("{multis} by kprobe.multi");
        assert_eq!(by_fentry, by_multi);
    } else {
        println!("this kernel has no kprobe.multi");
        is_said_to_be_missing(&pair, POINTS);
    }
    for point in ["ip_output", "veth_xmit", "ip_rcv", "udp_rcv"] {
        assert!(by_fentry.iter().any(|hop| hop == point), "{by_fentry:?}");
    }
    let place = |name: &str| by_fentry.iter().position(|hop| hop == name);
    assert!(place("veth_xmit") < place("ip_rcv") && place("ip_rcv") < place("udp_rcv"));
}

#[test]
fn every_function_that_takes_a_packet_is_attached_by_one_link() {
    let pair = VethPair::new("trace-all");
    if !has_links_for_many() {
        println!("this kernel has no kprobe.multi");
        return is_said_to_be_missing(&pair, "all");
    }
    let (way, count) = way(&pair, "all", Method::KprobeMulti);
    println!("{count} functions, {} hops", way.len());
    assert!(count > 1000, "{count}");
    // Functions that have no row of the table.
    assert!(
        way.iter()
            .any(|hop| hop == "ip_rcv_core" || hop == "ip_rcv_finish"),
        "{way:?}"
    );
    assert!(way.len() > 40, "{way:?}");
}

/// A rule drops what a raw socket had a clone of.
#[test]
fn trampolines_tell_what_functions_return() {
    let pair = VethPair::new("trace-returns");
    let drop = "iptables-nft -A INPUT -p udp --dport 4000 -j DROP";
    pair.b.exec(&drop.split(' ').collect::<Vec<_>>());
    let raw = pair.a.within(|| {
        let kind = Some(socket2::Protocol::UDP);
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, kind).expect("a socket")
    });
    let points = "nf_hook_slow,nft_do_chain,ip_rcv,skb_clone,raw_rcv,raw_local_deliver";
    let source = pair
        .a
        .within(|| UdpSocket::bind((VethPair::ADDRESS_A, PORT)).expect("a socket"));
    let other = pair
        .b
        .within(|| UdpSocket::bind((VethPair::ADDRESS_B, 0)).expect("a socket"));
    pair.a.exec(&["ping", "-q", "-c", "1", VethPair::ADDRESS_B]);
    let tracer = Tracer::open(&selection(&pair, points, Some(Method::Fentry)));
    let tracer = tracer.expect("it is traced");
    let plan = tracer.plan().clone();
    assert_eq!(plan.returning, 6, "{plan:?}");
    let mut followed = Followed::new(tracer, Settings::default());
    let sent = source.send_to(b"drop me", (VethPair::ADDRESS_B, PORT));
    sent.expect("it is sent");
    let sent = other.send_to(b"clone me", (VethPair::ADDRESS_A, PORT));
    sent.expect("it is sent");
    let mut trails = followed.next(Duration::from_secs(2)).expect("it is read");
    let (rest, summary) = followed.finish().expect("it ends");
    trails.extend(rest);
    assert_eq!((summary.lost, summary.produced), (0, summary.shown));
    drop_is_told(&trails);
    clone_is_told(&trails);
    std::mem::drop(raw);
}

fn said(trail: &Trail) -> String {
    words::hops(trail, &words::NoNames, words::Detail::Full).join("\n")
}

fn drop_is_told(trails: &[Trail]) {
    let dropped = trails.iter().find_map(|trail| match &trail.verdict {
        Verdict::Dropped(dropped) if dropped.reason == "NETFILTER_DROP" => Some((trail, dropped)),
        _ => None,
    });
    let (trail, dropped) = dropped.unwrap_or_else(|| panic!("{trails:#?}"));
    assert_eq!(dropped.hook, Some(("input", "filter".to_owned())));
    let said = said(trail);
    println!("{said}");
    assert!(said.contains("filter at INPUT; drop, EPERM"), "{said}");
    assert!(said.contains("INPUT; returns EPERM"), "{said}");
}

fn clone_is_told(trails: &[Trail]) {
    let clone = trails.iter().find(|trail| {
        let first = trail.hops.first();
        first.is_some_and(|hop| hop.event.point.name() == "skb_clone") && trail.edge.is_some()
    });
    let clone = clone.unwrap_or_else(|| panic!("{trails:#?}"));
    println!("{}", said(clone));
    let edge = clone.edge.expect("it is a child");
    assert_eq!((edge.relation, edge.certain), (Relation::Clone, true));
    let went = clone.hops.iter().map(|hop| hop.event.point.name());
    assert!(went.clone().any(|name| name == "raw_rcv"), "{clone:#?}");
    let parent = trails.iter().find(|trail| trail.id == edge.from);
    assert!(parent.is_some_and(|parent| parent.edge.is_none()));
}

/// Filter and program share one stack, of which the filter may need a quarter.
#[test]
fn the_verifier_takes_what_needs_most_of_the_stack() {
    let pair = VethPair::new("trace-stack");
    let target = Target::new(LinkType::RAW, 65_535);
    let texts = [
        "ip6 protochain 17",
        "(ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2) != 0",
        "ip[0] + ip[1] * (ip[2] + ip[3] * (ip[4] + ip[5] * (ip[6] + ip[7] * (ip[8] + ip[9])))) = 7",
    ];
    for text in texts {
        let filter = SkbFilter::compile(text, &target, &mut NoNames).expect(text);
        for method in [Method::Fentry, Method::Kprobe] {
            let wanted = Selection {
                filter: Some(filter.clone()),
                ..selection(&pair, "nf_hook_slow,ip_rcv", Some(method))
            };
            let tracer = Tracer::open(&wanted).expect("it is traced");
            let plan = tracer.plan();
            assert_eq!(plan.functions, Some((method, 2)), "{text}: {plan:?}");
        }
    }
}

#[test]
fn a_function_that_is_not_there_is_an_error_that_names_it() {
    let pair = VethPair::new("trace-none");
    let error = Tracer::open(&selection(&pair, "no_such_function", None));
    let error = error.err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("no_such_function"), "{error}");
}
