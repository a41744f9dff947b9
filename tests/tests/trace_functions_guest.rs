//! Functions of the kernel as points, where the kernel lets them be traced: the same trail by
//! every method that the kernel has.

use pktrail::filter::{NoNames, SkbFilter, Target};
use pktrail::trace::{Followed, Method, Selection, Tracer};
use pktrail::trail::Settings;
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

#[test]
fn a_function_that_is_not_there_is_an_error_that_names_it() {
    let pair = VethPair::new("trace-none");
    let error = Tracer::open(&selection(&pair, "no_such_function", None));
    let error = error.err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("no_such_function"), "{error}");
}
