//! One packet is one trail, and two are two: with real traffic, judged by what was really sent,
//! received and counted by the kernel.

use pktrail_tests::netns::{Netns, VethPair};
use pktrail_tests::tracing::{Traced, Tracing, in_order, way};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::Duration;

fn start(pair: &VethPair, words: &[&str]) -> Tracing {
    let names = ["--netns", pair.a.name(), "--netns", pair.b.name()];
    Tracing::start(&[&names[..], &["--json"], words].concat())
}

fn end(tracing: Tracing) -> Traced {
    // What is out of sight for that long is not waited for.
    std::thread::sleep(Duration::from_millis(300));
    let traced = tracing.end();
    assert!(traced.status.success(), "{}", traced.said);
    traced
}

/// A counter of the network stack (`/proc/net/snmp`).
fn counter(netns: &Netns, name: &str) -> u64 {
    let shown = netns.exec(&["nstat", "-asz", name]);
    let line = shown.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{name}: {shown}"))
}

/// Frames that a device has sent.
fn sent(netns: &Netns, device: &str) -> u64 {
    let shown = netns.exec(&["ip", "-j", "-s", "link", "show", device]);
    let value: Value = serde_json::from_str(&shown).expect("JSON");
    value[0]["stats64"]["tx"]["packets"]
        .as_u64()
        .expect("a number")
}

fn receiver(pair: &VethPair, port: u16) -> UdpSocket {
    let socket = pair
        .b
        .within(|| UdpSocket::bind((VethPair::ADDRESS_B, port)));
    let socket = socket.expect("a port");
    let time = Some(Duration::from_secs(5));
    socket.set_read_timeout(time).expect("a time");
    socket
}

fn sender(pair: &VethPair) -> UdpSocket {
    let socket = pair.a.within(|| UdpSocket::bind((VethPair::ADDRESS_A, 0)));
    socket.expect("a socket")
}

/// Trails that came from another in this way.
fn related<'a>(trails: &'a [Value], relation: &str) -> Vec<&'a Value> {
    let is = |trail: &&Value| trail["from"]["relation"] == relation;
    trails.iter().filter(is).collect()
}

fn kind(trail: &Value) -> &str {
    trail["verdict"]["kind"].as_str().unwrap_or("-")
}

fn changes<'a>(trail: &'a Value, what: &str) -> Vec<(&'a str, &'a Value)> {
    let hops = trail["hops"].as_array().expect("hops").iter();
    let all = hops.flat_map(|hop| {
        let changes = hop["changes"].as_array().expect("changes").iter();
        changes.map(move |change| (hop["point"].as_str().unwrap_or("-"), change))
    });
    all.filter(|(_, change)| change["what"] == what).collect()
}

#[test]
fn two_equal_datagrams_have_a_trail_each() {
    let pair = VethPair::new("id-equal");
    // The first is dropped, the others are not.
    let rules = "add table ip pkt; add chain ip pkt c { type filter hook input priority 1; }; \
        add rule ip pkt c udp dport 4000 quota until 40 bytes counter drop";
    pair.b.exec(&["nft", rules]);
    let (receiver, sender) = (receiver(&pair, 4000), sender(&pair));
    let tracing = start(&pair, &["--rules", "udp port 4000"]);
    for _ in 0..3 {
        sender
            .send_to(b"hello", (VethPair::ADDRESS_B, 4000))
            .expect("sent");
    }
    let mut buffer = [0; 20];
    for _ in 0..2 {
        assert_eq!(receiver.recv(&mut buffer).expect("two come"), 5);
    }
    let counted = pair.b.exec(&["nft", "list", "chain", "ip", "pkt", "c"]);
    assert!(counted.contains("counter packets 1 "), "{counted}");
    let mut trails = end(tracing).trails();
    trails.sort_by_key(|trail| trail["time"].to_string());
    let kinds: Vec<&str> = trails.iter().map(kind).collect();
    assert_eq!(kinds, ["dropped", "delivered", "delivered"]);
    assert!(
        trails.iter().all(|trail| trail["from"].is_null()),
        "{trails:#?}"
    );
    let rule = trails[0]["verdict"]["rule"]["chain"].as_str();
    assert_eq!(rule, Some("c"), "{:#}", trails[0]);
    let lengths: Vec<usize> = trails.iter().map(|trail| way(trail).len()).collect();
    assert_eq!(lengths[1], lengths[2]);
}

#[test]
fn what_a_tap_gets_is_a_clone() {
    let pair = VethPair::new("id-tap");
    let (receiver, sender) = (receiver(&pair, 4000), sender(&pair));
    let script = "import socket
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.bind(('pkt-b', 0))
print('ready', flush=True)
while True:
    frame = tap.recv(2000)
    if frame.endswith(b'for two'): break
print(len(frame))";
    let mut tap = pair.b.command("python3");
    let tap = tap.args(["-c", script]).stdout(Stdio::piped()).spawn();
    let mut tap = tap.expect("python runs");
    let mut ready = [0; 6];
    let said = tap.stdout.as_mut().expect("a pipe");
    said.read_exact(&mut ready).expect("it is ready");
    let tracing = start(&pair, &["udp port 4000"]);
    sender
        .send_to(b"for two", (VethPair::ADDRESS_B, 4000))
        .expect("sent");
    assert_eq!(receiver.recv(&mut [0; 20]).expect("it comes"), 7);
    let output = tap.wait_with_output().expect("it ends");
    assert_eq!(output.stdout, b"49\n");
    let trails = end(tracing).trails();
    assert_eq!(trails.len(), 2, "{trails:#?}");
    let [copy] = related(&trails, "clone")[..] else {
        panic!("{trails:#?}")
    };
    assert_eq!(copy["verdict"]["reader"]["name"], "python3", "{copy:#}");
    let whole = trails.iter().find(|trail| trail["from"].is_null());
    let whole = whole.expect("the packet");
    assert_eq!(copy["from"]["packet"], whole["packet"]);
    assert_eq!(kind(whole), "delivered", "{whole:#}");
    assert_ne!(whole["verdict"]["reader"]["name"], "python3", "{whole:#}");
}

#[test]
fn fragments_are_a_family_and_become_one_packet() {
    let pair = VethPair::new("id-frag");
    let (receiver, sender) = (receiver(&pair, 4000), sender(&pair));
    let tracing = start(&pair, &["udp"]);
    let cut = counter(&pair.a, "IpFragCreates");
    let joined = counter(&pair.b, "IpReasmOKs");
    sender
        .send_to(&[7; 4000], (VethPair::ADDRESS_B, 4000))
        .expect("sent");
    assert_eq!(receiver.recv(&mut [0; 5000]).expect("it comes"), 4000);
    let cut = counter(&pair.a, "IpFragCreates") - cut;
    assert_eq!((cut, counter(&pair.b, "IpReasmOKs") - joined), (3, 1));
    let trails = end(tracing).trails();
    let pieces = related(&trails, "fragment");
    assert_eq!(u64::try_from(pieces.len()), Ok(cut), "{trails:#?}");
    let whole = trails.iter().find(|trail| trail["from"].is_null());
    let whole = whole.expect("the packet");
    assert_eq!(kind(whole), "cut", "{whole:#}");
    // One of them goes on as the whole, the others went into it.
    let kinds = |wanted: &str| pieces.iter().filter(|piece| kind(piece) == wanted).count();
    assert_eq!((kinds("delivered"), kinds("merged")), (1, 2), "{trails:#?}");
    let grown = pieces.iter().flat_map(|piece| changes(piece, "grown"));
    let grown: Vec<_> = grown.map(|(_, change)| &change["length"]).collect();
    assert_eq!(grown, [4008]);
}

#[test]
fn segments_are_cut_and_joined_again() {
    let pair = VethPair::new("id-gso");
    pair.a.exec(&["ethtool", "-K", VethPair::A, "tso", "off"]);
    pair.b.exec(&["ethtool", "-K", VethPair::B, "gro", "on"]);
    let listener = pair
        .b
        .within(|| TcpListener::bind((VethPair::ADDRESS_B, 4000)));
    let listener = listener.expect("a port");
    let stream = pair
        .a
        .within(|| TcpStream::connect((VethPair::ADDRESS_B, 4000)));
    let mut stream = stream.expect("a connection");
    let (mut taken, _) = listener.accept().expect("it comes");
    let tracing = start(&pair, &["tcp dst port 4000 and greater 500"]);
    let before = sent(&pair.a, VethPair::A);
    stream.write_all(&[7; 5000]).expect("it is taken");
    taken.read_exact(&mut [0; 5000]).expect("it comes");
    let frames = sent(&pair.a, VethPair::A) - before;
    let trails = end(tracing).trails();
    let large = trails.iter().filter(|trail| trail["from"].is_null());
    let large: Vec<&Value> = large.collect();
    let segments = related(&trails, "segment");
    // 5,000 bytes are four segments, however the kernel gathers them.
    assert_eq!(frames, 4);
    assert_eq!(segments.len(), 4, "{trails:#?}");
    assert!(large.iter().all(|trail| kind(trail) == "cut"), "{large:#?}");
    // On the other side each went into the first of its large segment.
    for trail in &segments {
        assert!(["merged", "delivered"].contains(&kind(trail)), "{trail:#}");
    }
    let grown = segments
        .iter()
        .filter(|trail| !changes(trail, "grown").is_empty());
    assert_eq!(grown.count(), large.len(), "{trails:#?}");
}

#[test]
fn a_tunnel_is_put_around_a_packet_and_taken_off() {
    let pair = VethPair::new("id-vxlan");
    for (netns, device, own, other) in [
        (&pair.a, VethPair::A, "10.99.0.1/24", VethPair::ADDRESS_B),
        (&pair.b, VethPair::B, "10.99.0.2/24", VethPair::ADDRESS_A),
    ] {
        let kind = ["ip", "link", "add", "pkt-vx", "type", "vxlan", "id", "7"];
        let ends = ["remote", other, "dstport", "4789", "dev", device];
        netns.exec(&[&kind[..], &ends].concat());
        netns.exec(&["ip", "address", "add", own, "dev", "pkt-vx"]);
        netns.exec(&["ip", "link", "set", "pkt-vx", "up"]);
    }
    let receiver = pair.b.within(|| UdpSocket::bind("10.99.0.2:4000"));
    let receiver = receiver.expect("a port");
    let sender = pair
        .a
        .within(|| UdpSocket::bind("10.99.0.1:0"))
        .expect("a socket");
    // Neighbours are known before.
    pair.a.exec(&["ping", "-q", "-c", "1", "10.99.0.2"]);
    let tracing = start(&pair, &["udp port 4000"]);
    sender.send_to(b"inside", "10.99.0.2:4000").expect("sent");
    assert_eq!(receiver.recv(&mut [0; 20]).expect("it comes"), 6);
    let trail = end(tracing).trail_to(4000);
    let (a, b) = (pair.a.name(), pair.b.name());
    in_order(
        &trail,
        &[
            format!("net_dev_start_xmit pkt-vx@{a}"),
            format!("net_dev_start_xmit pkt-a@{a}"),
            format!("netif_receive_skb pkt-b@{b}"),
            format!("netif_receive_skb pkt-vx@{b}"),
            format!("nf:input:101 pkt-vx@{b}"),
        ],
    );
    let [(_, wrapped)] = changes(&trail, "wrapped")[..] else {
        panic!("{trail:#}")
    };
    assert_eq!(wrapped["in"]["destination_port"], 4789);
    assert_eq!(wrapped["in"]["source"], VethPair::ADDRESS_A);
    assert_eq!(changes(&trail, "unwrapped").len(), 1, "{trail:#}");
    assert_eq!(kind(&trail), "delivered", "{trail:#}");
}

#[test]
fn what_is_sent_again_knows_its_original() {
    let pair = VethPair::new("id-again");
    // The first SYN, and the first segment with a hundred bytes.
    let rules = "add table ip pkt; add chain ip pkt c { type filter hook input priority 1; }; \
        add rule ip pkt c tcp flags & (syn|ack) == syn quota until 61 bytes counter drop; \
        add rule ip pkt c ip length 152 quota until 153 bytes counter drop";
    pair.b.exec(&["nft", rules]);
    let listener = pair
        .b
        .within(|| TcpListener::bind((VethPair::ADDRESS_B, 4000)));
    let listener = listener.expect("a port");
    let tracing = start(&pair, &["tcp dst port 4000"]);
    let again = counter(&pair.a, "TcpRetransSegs");
    let stream = pair
        .a
        .within(|| TcpStream::connect((VethPair::ADDRESS_B, 4000)));
    let mut stream = stream.expect("a connection");
    let (mut taken, _) = listener.accept().expect("it comes");
    stream.write_all(&[7; 100]).expect("it is taken");
    taken.read_exact(&mut [0; 100]).expect("it comes");
    let again = counter(&pair.a, "TcpRetransSegs") - again;
    assert_eq!(again, 2);
    let trails = end(tracing).trails();
    let repeated = related(&trails, "retransmit");
    assert_eq!(u64::try_from(repeated.len()), Ok(again), "{trails:#?}");
    for trail in repeated {
        let from = &trail["from"]["packet"];
        let original = trails.iter().find(|trail| trail["packet"] == *from);
        let original = original.unwrap_or_else(|| panic!("{from}: {trails:#?}"));
        assert_eq!(kind(original), "dropped", "{original:#}");
        assert_ne!(kind(trail), "dropped", "{trail:#}");
        assert_eq!(original["headers"]["length"], trail["headers"]["length"]);
    }
}

#[test]
fn a_bridge_is_passed_in_one_trail() {
    let pair = VethPair::new("id-bridge");
    let switch = Netns::new("id-bridge-sw");
    switch.exec(&["ip", "link", "add", "pkt-br", "type", "bridge"]);
    switch.exec(&["ip", "link", "set", "pkt-br", "up"]);
    for (netns, port, address) in [
        (&pair.a, "pkt-pa", "10.79.0.1/24"),
        (&pair.b, "pkt-pb", "10.79.0.2/24"),
    ] {
        let cable = [
            "ip", "link", "add", "pkt-e", "type", "veth", "peer", "name", port,
        ];
        netns.exec(&[&cable[..], &["netns", switch.name()]].concat());
        netns.exec(&["ip", "address", "add", address, "dev", "pkt-e"]);
        netns.exec(&["ip", "link", "set", "pkt-e", "up"]);
        switch.exec(&["ip", "link", "set", port, "master", "pkt-br", "up"]);
    }
    let receiver = pair.b.within(|| UdpSocket::bind("10.79.0.2:4000"));
    let receiver = receiver.expect("a port");
    let sender = pair
        .a
        .within(|| UdpSocket::bind("10.79.0.1:0"))
        .expect("a socket");
    pair.a
        .exec(&["ping", "-q", "-c", "1", "-w", "5", "10.79.0.2"]);
    let tracing = start(&pair, &["--netns", switch.name(), "udp port 4000"]);
    sender
        .send_to(b"over there", "10.79.0.2:4000")
        .expect("sent");
    assert_eq!(receiver.recv(&mut [0; 20]).expect("it comes"), 10);
    let trail = end(tracing).trail_to(4000);
    let (a, b, s) = (pair.a.name(), pair.b.name(), switch.name());
    in_order(
        &trail,
        &[
            format!("net_dev_start_xmit pkt-e@{a}"),
            format!("netif_receive_skb pkt-pa@{s}"),
            format!("net_dev_start_xmit pkt-pb@{s}"),
            format!("netif_receive_skb pkt-e@{b}"),
            format!("nf:input:101 pkt-e@{b}"),
        ],
    );
    assert_eq!(kind(&trail), "delivered", "{trail:#}");
}
