//! Observers at devices: traffic control and XDP. They are there on request, only look, leave
//! programs of others alone, and go with the process.

use crate::shown::send;
use pktrail_tests::netns::{Netns, VethPair};
use pktrail_tests::tracing::{Tracing, in_order, way};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const POINTS: [&str; 2] = ["--points", "default,tcx:*,xdp:observer"];

fn start(pair: &VethPair, words: &[&str]) -> Tracing {
    let names = ["--netns", pair.a.name(), "--netns", pair.b.name()];
    Tracing::start(&[&names[..], &POINTS, &["--json"], words].concat())
}

/// What bpftool finds attached to devices there: lines that begin with the device.
fn attached(netns: &Netns) -> Vec<String> {
    let shown = netns.exec(&["bpftool", "net", "show"]);
    let lines = shown.lines().filter(|line| line.starts_with("pkt-"));
    lines.map(str::to_owned).collect()
}

/// What the kernel says of each link that a process holds.
fn links_of(process: u32) -> Vec<String> {
    let folder = std::fs::read_dir(format!("/proc/{process}/fdinfo")).expect("it runs");
    let texts = folder.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
    texts.filter(|text| text.contains("link_type:")).collect()
}

/// Waits until nothing is attached there.
fn wait_for_none(netns: &Netns) {
    let begin = Instant::now();
    while !attached(netns).is_empty() {
        assert!(begin.elapsed() < PATIENCE, "{:?}", attached(netns));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_frame_is_seen_by_traffic_control_and_xdp_in_one_trail() {
    let pair = VethPair::new("trace-dev");
    let listener = pair
        .b
        .within(|| UdpSocket::bind((VethPair::ADDRESS_B, 4000)));
    let listener = listener.expect("a port");
    let tracing = start(&pair, &["udp port 4000"]);
    assert_eq!(attached(&pair.b).len(), 1, "{:?}", attached(&pair.b));
    // Older versions of bpftool do not list tcx: the kernel says it of the descriptors.
    let found = links_of(tracing.pid());
    let tcx = found.iter().filter(|text| text.contains("link_type:\ttcx"));
    assert_eq!(
        tcx.count(),
        8,
        "lo and a cable in two namespaces: {found:?}"
    );
    send(&pair, 4000);
    let mut buffer = [0; 20];
    assert_eq!(listener.recv(&mut buffer).expect("it passes"), 10);
    let traced = tracing.end();
    assert!(traced.status.success(), "{}", traced.said);
    assert_eq!(traced.trails().len(), 1, "{}", traced.shown);
    let trail = traced.trail_to(4000);
    let (a, b) = (pair.a.name(), pair.b.name());
    in_order(
        &trail,
        &[
            format!("nf:output:51 pkt-a@{a}"),
            format!("tcx:egress pkt-a@{a}"),
            format!("net_dev_start_xmit pkt-a@{a}"),
            format!("netif_receive_skb pkt-b@{b}"),
            format!("xdp:observer pkt-b@{b}"),
            format!("tcx:ingress pkt-b@{b}"),
            format!("nf:input:101 pkt-b@{b}"),
        ],
    );
    // Each frame once at each of them.
    let way = way(&trail);
    for point in ["tcx:egress", "tcx:ingress", "xdp:observer"] {
        let times = way.iter().filter(|hop| hop.starts_with(point)).count();
        assert_eq!(times, 1, "{point}: {way:?}");
    }
    wait_for_none(&pair.b);
}

#[test]
fn observers_alone_see_a_frame_with_its_buffer_in_one_trail() {
    let pair = VethPair::new("trace-devonly");
    let names = ["--netns", pair.a.name(), "--netns", pair.b.name()];
    let words = ["--json", "--points", "tcx:*,xdp:observer", "udp port 4000"];
    let tracing = Tracing::start(&[&names[..], &words].concat());
    send(&pair, 4000);
    let traced = tracing.end();
    assert_eq!(traced.trails().len(), 1, "{}", traced.shown);
    let trail = traced.trail_to(4000);
    let points = ["tcx:egress", "xdp:observer", "tcx:ingress", "kfree_skb"];
    let seen: Vec<String> = way(&trail);
    let seen: Vec<_> = seen
        .iter()
        .filter_map(|hop| hop.split(' ').next())
        .collect();
    assert_eq!(seen, points);
    assert_eq!(trail["verdict"]["reason"], "NO_SOCKET");
}

#[test]
fn a_program_that_is_there_is_left_alone_and_said() {
    let pair = VethPair::new("trace-devtwo");
    // Another trace has its own program there.
    let first = start(&pair, &["udp port 4000"]);
    let before = attached(&pair.b);
    let second = start(&pair, &["-v", "udp port 4000"]);
    send(&pair, 4000);
    let second = second.end();
    let said = "xdp:observer at pkt-b in";
    let why = "it has an XDP program, which is left alone";
    let lines = second.said.lines();
    let told = lines
        .clone()
        .filter(|l| l.contains(said) && l.contains(why));
    assert_eq!(told.count(), 1, "{}", second.said);
    let seen = way(&second.trail_to(4000));
    assert!(
        seen.iter().any(|hop| hop.starts_with("tcx:ingress ")),
        "{seen:?}"
    );
    assert!(!seen.iter().any(|hop| hop.starts_with("xdp:")), "{seen:?}");
    assert_eq!(attached(&pair.b), before);
    send(&pair, 4000);
    let first = first.end();
    let trails = first.trails();
    let by_xdp = trails.iter().filter(|trail| {
        let way = way(trail);
        way.iter().any(|hop| hop.starts_with("xdp:observer "))
    });
    assert_eq!((trails.len(), by_xdp.count()), (2, 2), "{}", first.shown);
}

#[test]
fn devices_that_come_are_watched_and_a_kill_leaves_none() {
    let pair = VethPair::new("trace-devnew");
    let tracing = start(&pair, &["udp port 4000"]);
    let link = [
        "ip", "link", "add", "pkt-c", "type", "veth", "peer", "name", "pkt-d",
    ];
    pair.a.exec(&link);
    let begin = Instant::now();
    while !attached(&pair.a)
        .iter()
        .any(|line| line.starts_with("pkt-c"))
    {
        assert!(begin.elapsed() < PATIENCE, "{:?}", attached(&pair.a));
        std::thread::sleep(Duration::from_millis(20));
    }
    pair.a.exec(&["ip", "link", "del", "pkt-c"]);
    tracing.signal("KILL");
    tracing.wait();
    wait_for_none(&pair.a);
    wait_for_none(&pair.b);
}
