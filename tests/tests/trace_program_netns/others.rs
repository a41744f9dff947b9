//! What is not plain IPv4: ARP, IPv6, VLAN tags. And what conditions leave out.

use crate::shown::{send, stage};
use pktrail::inject::Injector;
use pktrail_tests::netns::VethPair;
use pktrail_tests::tracing::{Traced, Tracing, in_order};
use serde_json::Value;
use std::net::UdpSocket;
use std::time::Duration;

const SIX_A: &str = "fd00:77::1";
const SIX_B: &str = "fd00:77::2";

fn start(pair: &VethPair, words: &[&str]) -> Tracing {
    let names = ["--netns", pair.a.name(), "--netns", pair.b.name(), "--json"];
    Tracing::start(&[&names[..], words].concat())
}

fn end(tracing: Tracing) -> Traced {
    std::thread::sleep(Duration::from_millis(300));
    let traced = tracing.end();
    assert!(traced.status.success(), "{}", traced.said);
    traced
}

/// A cable with IPv6.
fn six(label: &str) -> VethPair {
    let pair = VethPair::new(label);
    for (netns, device, address) in [(&pair.a, VethPair::A, SIX_A), (&pair.b, VethPair::B, SIX_B)] {
        let on = format!("net.ipv6.conf.{device}.disable_ipv6=0");
        netns.exec(&["sysctl", "-qw", &on]);
        let address = format!("{address}/64");
        let add = ["ip", "address", "add", &address, "dev", device, "nodad"];
        netns.exec(&add);
    }
    // The neighbours know each other from here on.
    pair.a
        .exec(&["ping", "-6", "-q", "-c", "1", "-w", "5", SIX_B]);
    pair
}

#[test]
fn arp_is_followed_without_headers() {
    let pair = VethPair::new("other-arp");
    let forget = [
        "ip",
        "neigh",
        "del",
        VethPair::ADDRESS_B,
        "dev",
        VethPair::A,
    ];
    pair.a.exec(&forget);
    let tracing = start(&pair, &["arp"]);
    pair.a
        .exec(&["ping", "-q", "-c", "1", "-w", "5", VethPair::ADDRESS_B]);
    let traced = end(tracing);
    let trails = traced.trails();
    assert!(trails.len() >= 2, "{}", traced.shown);
    for trail in &trails {
        assert_eq!(trail["ether_type"], 0x0806, "{trail:#}");
        assert_eq!(trail["headers"], Value::Null);
    }
    let (a, b) = (pair.a.name(), pair.b.name());
    in_order(
        &trails[0],
        &[
            format!("net_dev_start_xmit {}@{a}", VethPair::A),
            format!("netif_receive_skb {}@{b}", VethPair::B),
        ],
    );
}

#[test]
fn ipv6_is_followed_to_its_socket_its_rule_and_its_pieces() {
    let pair = six("other-six");
    let drop = ["-A", "INPUT", "-p", "udp", "--dport", "4002", "-j", "DROP"];
    pair.b.exec(&[&["ip6tables-nft"], &drop[..]].concat());
    let listener = pair.b.within(|| UdpSocket::bind((SIX_B, 4001)));
    let listener = listener.expect("a port");
    let sender = pair.a.within(|| UdpSocket::bind((SIX_A, 0)));
    let sender = sender.expect("a socket");
    let tracing = start(&pair, &["--rules", "ip6 and udp"]);
    for port in [4000, 4001, 4002] {
        sender.send_to(b"over six", (SIX_B, port)).expect("sent");
    }
    assert_eq!(listener.recv(&mut [0; 20]).expect("it comes"), 8);
    std::thread::sleep(Duration::from_millis(300));
    sender.send_to(&[6; 4000], (SIX_B, 4001)).expect("sent");
    assert_eq!(listener.recv(&mut [0; 5000]).expect("it comes"), 4000);
    let traced = end(tracing);
    let closed = &traced.trail_to(4000)["verdict"];
    assert_eq!(closed["reason"], "NO_SOCKET", "{closed:#}");
    let fact = "No UDP socket of this namespace has port 4000.";
    assert_eq!(closed["facts"][0], fact, "{closed:#}");
    let dropped = &traced.trail_to(4002)["verdict"];
    assert_eq!(dropped["rule"]["family"], "ip6", "{dropped:#}");
    assert_eq!(dropped["hook"], "input", "{dropped:#}");
    let text = dropped["rule"]["rule"].as_str().expect("a rule");
    assert!(text.contains("4002"), "{text}");
    let trails = traced.trails();
    let whole = |length: u64| {
        let is_it = |trail: &&Value| {
            let headers = &trail["headers"];
            headers["destination_port"] == 4001
                && headers["length"] == length
                && trail["from"].is_null()
        };
        let found: Vec<&Value> = trails.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{length}: {}", traced.shown);
        found[0]
    };
    let small = &whole(16)["verdict"];
    assert_eq!(small["kind"], "delivered", "{small:#}");
    let me = format!("[{SIX_B}]:4001 of ");
    let receiver = small["receiver"].as_str().unwrap_or_default();
    assert!(receiver.starts_with(&me), "{small:#}");
    let pieces = trails
        .iter()
        .filter(|trail| trail["from"]["relation"] == "fragment");
    assert_eq!(pieces.count(), 3, "{}", traced.shown);
}

#[test]
fn a_tag_that_the_kernel_keeps_beside_the_packet_is_filtered_by() {
    let pair = VethPair::new("other-vlan");
    // Behind the bridge the tag that came in the frame is beside it.
    let ip = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        pair.b.exec(&[&["ip", "link"], &words[..]].concat());
    };
    ip("add pkt-br type bridge");
    ip("add pkt-o type veth peer name pkt-p");
    for port in ["pkt-o", VethPair::B] {
        ip(&format!("set {port} master pkt-br"));
    }
    for device in ["pkt-br", "pkt-o", "pkt-p"] {
        ip(&format!("set {device} up"));
    }
    let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x81, 0, 0x20, 77, 8, 0];
    frame.extend([
        0x45, 0, 0, 84, 0, 0, 0, 0, 64, 17, 0, 0, 10, 77, 0, 1, 10, 77, 9, 8,
    ]);
    frame.extend([0; 64]);
    for (filter, trails) in [("vlan 77 and udp", 3), ("vlan 78 and udp", 0)] {
        let tracing = start(&pair, &["--points", "net_dev_queue", filter]);
        pair.b.within(|| {
            let mut injector = Injector::from_template(VethPair::B, &frame).expect("injector");
            assert_eq!(injector.run(3).expect("run"), 3);
        });
        let traced = end(tracing);
        assert_eq!(traced.trails().len(), trails, "{filter}: {}", traced.shown);
    }
}

#[test]
fn a_packet_that_arrives_is_not_among_drops() {
    let pair = stage("other-drops");
    let listener = pair.b.within(|| UdpSocket::bind(("0.0.0.0", 4000)));
    let listener = listener.expect("a port");
    let tracing = start(&pair, &["--drops", "udp port 4000 or udp port 4001"]);
    send(&pair, 4000);
    send(&pair, 4001);
    assert_eq!(listener.recv(&mut [0; 20]).expect("it comes"), 10);
    let traced = end(tracing);
    let trails = traced.trails();
    let ports: Vec<_> = trails
        .iter()
        .map(|trail| trail["headers"]["destination_port"].as_u64())
        .collect();
    assert_eq!(ports, [Some(4001)], "{}", traced.shown);
}
