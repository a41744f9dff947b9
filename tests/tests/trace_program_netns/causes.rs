//! The kernel's reason is where the verdict starts: what stands behind it, with real traffic.

use pktrail_tests::files::Folder;
use pktrail_tests::netns::{Netns, VethPair, run};
use pktrail_tests::tracing::{Traced, Tracing};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// `a` sends, `b` routes, the third is behind it: 10.78.0.2.
struct Way {
    pair: VethPair,
    far: Netns,
}

impl Way {
    fn new(label: &str) -> Self {
        let pair = VethPair::new(label);
        let far = Netns::new(&format!("{label}-far"));
        let b = &pair.b;
        let link = [
            "ip", "link", "add", "pkt-near", "type", "veth", "peer", "name", "pkt-far",
        ];
        b.exec(&[&link[..], &["netns", far.name()]].concat());
        b.exec(&["ip", "address", "add", "10.78.0.1/24", "dev", "pkt-near"]);
        b.exec(&["ip", "link", "set", "pkt-near", "up"]);
        b.exec(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        far.exec(&["ip", "address", "add", "10.78.0.2/24", "dev", "pkt-far"]);
        far.exec(&["ip", "link", "set", "pkt-far", "up"]);
        far.exec(&["ip", "route", "add", "default", "via", "10.78.0.1"]);
        pair.a
            .exec(&["ip", "route", "add", "default", "via", VethPair::ADDRESS_B]);
        // So that nothing waits for ARP.
        pair.b.exec(&["ping", "-q", "-c", "1", "10.78.0.2"]);
        Self { pair, far }
    }

    fn begin(&self, words: &[&str]) -> Tracing {
        let mut all = vec!["--json", "--drops"];
        for netns in [&self.pair.a, &self.pair.b, &self.far] {
            all.extend(["--netns", netns.name()]);
        }
        all.extend(words);
        Tracing::start(&all)
    }

    fn send(&self, to: &str, ttl: u32) {
        let to: SocketAddr = to.parse().expect("an address");
        self.pair.a.within(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.set_ttl(ttl).expect("a TTL");
            socket.send_to(b"why?", to).expect("it is sent");
        });
    }
}

/// Cause and facts of the packet to this port.
fn why(traced: &Traced, port: u16) -> String {
    let verdict = traced.trail_to(port)["verdict"].clone();
    let facts = verdict["facts"].as_array().expect("facts").iter();
    let facts: Vec<&str> = facts.filter_map(Value::as_str).collect();
    let cause = verdict["cause"].as_str().unwrap_or("-");
    format!(
        "{}: {cause} {}",
        verdict["reason"].as_str().unwrap_or("-"),
        facts.join(" ")
    )
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is missing in '{text}'");
    }
}

#[test]
fn ttl_routes_queue_and_reverse_path_are_named() {
    let way = Way::new("why");
    let b = &way.pair.b;
    b.exec(&["ip", "route", "add", "blackhole", "10.99.0.0/24"]);
    b.exec(&["ip", "route", "add", "prohibit", "10.96.0.0/16"]);
    let queue = [
        "-p",
        "udp",
        "--dport",
        "6003",
        "-j",
        "NFQUEUE",
        "--queue-num",
        "7",
    ];
    b.exec(&[&["iptables-nft", "-A", "FORWARD"], &queue[..]].concat());
    for which in ["all", "pkt-b"] {
        b.exec(&[
            "sysctl",
            "-qw",
            &format!("net.ipv4.conf.{which}.rp_filter=1"),
        ]);
    }
    way.pair
        .a
        .exec(&["ip", "address", "add", "10.55.0.1/32", "dev", "lo"]);
    let tracing = way.begin(&["--rules", "udp"]);
    way.send("10.78.0.2:6000", 1);
    way.send("10.99.0.1:6001", 64);
    way.send("10.96.0.1:6002", 64);
    way.send("10.78.0.2:6003", 64);
    way.pair.a.within(|| {
        let socket = UdpSocket::bind("10.55.0.1:0").expect("a socket");
        socket
            .send_to(b"who?", "10.78.0.2:6004")
            .expect("it is sent");
    });
    let traced = tracing.end();
    says(&why(&traced, 6000), &["IP_INHDR", "TTL"]);
    says(
        &why(&traced, 6001),
        &["NOT_SPECIFIED", "`blackhole 10.99.0.0/24`"],
    );
    says(&why(&traced, 6002), &["`prohibit 10.96.0.0/16`"]);
    let queued = traced.trail_to(6003);
    says(
        &why(&traced, 6003),
        &["NOT_SPECIFIED", "no listener", "Queue 7 has no listener"],
    );
    let rules = queued["rules"].as_array().expect("rules");
    assert!(
        rules.iter().any(|rule| rule["verdict"] == "queue 7"),
        "{rules:#?}"
    );
    let back = why(&traced, 6004);
    says(
        &back,
        &[
            "IP_RPFILTER",
            "rp_filter is 1 for pkt-b",
            "No route holds 10.55.0.1",
        ],
    );
}

#[test]
fn sockets_buffers_and_checksums_are_named() {
    let way = Way::new("why-sock");
    let (slow, _elsewhere, _open) = way.far.within(|| {
        let slow = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).expect("a socket");
        slow.set_recv_buffer_size(2_304).expect("a small buffer");
        let at: SocketAddr = "0.0.0.0:6010".parse().expect("an address");
        slow.bind(&at.into()).expect("a port");
        let elsewhere = UdpSocket::bind("127.0.0.1:6012").expect("a port");
        (
            slow,
            elsewhere,
            UdpSocket::bind("0.0.0.0:6013").expect("a port"),
        )
    });
    let tracing = way.begin(&["udp"]);
    // The buffer takes three of them; only the first that is dropped is asked for.
    for _ in 0..4 {
        let data = [7; 500];
        way.pair.a.within(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.send_to(&data, "10.78.0.2:6010").expect("it is sent");
        });
    }
    way.send("10.78.0.2:6011", 64);
    way.send("10.78.0.2:6012", 64);
    way.pair.a.within(|| {
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("a socket");
        // Ports 1111 and 6013, length 12, a checksum that is wrong.
        let bytes = [4, 87, 0x17, 0x7d, 0, 12, 0x12, 0x34, 97, 98, 99, 100];
        let to: SocketAddr = "10.78.0.2:0".parse().expect("an address");
        raw.send_to(&bytes, &to.into()).expect("it is sent");
    });
    // Facts are read when the trail is shown.
    std::thread::sleep(Duration::from_millis(500));
    let traced = tracing.end();
    let full = why(&traced, 6010);
    let me = format!("({})", std::process::id());
    says(
        &full,
        &["SOCKET_RCVBUFF", "0.0.0.0:6010", &me, "dropped 1 datagrams"],
    );
    says(
        &why(&traced, 6011),
        &["NO_SOCKET", "No UDP socket of this namespace has port 6011"],
    );
    says(
        &why(&traced, 6012),
        &["NO_SOCKET", "open at 127.0.0.1:6012, not at 10.78.0.2"],
    );
    says(&why(&traced, 6013), &["UDP_CSUM"]);
    drop(slow);
}

#[test]
fn a_next_hop_that_does_not_answer_is_named() {
    let way = Way::new("why-neigh");
    let mut tracing = way.begin(&["-c", "1", "--duration", "20", "udp"]);
    way.send("10.77.0.99:6020", 64);
    tracing.wait_for("events");
    let traced = tracing.wait();
    let cause = why(&traced, 6020);
    says(
        &cause,
        &["NEIGH_FAILED", "The next hop 10.77.0.99 on pkt-a"],
    );
}

#[test]
fn an_xdp_program_is_named() {
    let way = Way::new("why-xdp");
    let folder = Folder::new("why-xdp");
    let (source, object) = (folder.path("drop.c"), folder.path("drop.o"));
    let text = "__attribute__((section(\"xdp\"), used)) int drop_all(void *c) { return 1; }\n\
        char _license[] __attribute__((section(\"license\"), used)) = \"GPL\";\n";
    std::fs::write(&source, text).expect("a file");
    let (source, object) = (
        source.to_str().expect("text"),
        object.to_str().expect("text"),
    );
    run(
        "clang",
        &["-O2", "-g", "-target", "bpf", "-c", source, "-o", object],
    );
    let attach = [
        "ip",
        "link",
        "set",
        "dev",
        VethPair::B,
        "xdpgeneric",
        "obj",
        object,
    ];
    way.pair.b.exec(&[&attach[..], &["sec", "xdp"]].concat());
    let tracing = way.begin(&["udp"]);
    way.send("10.77.0.2:6030", 64);
    // Facts are read when the trail is shown.
    std::thread::sleep(Duration::from_millis(500));
    let traced = tracing.end();
    let cause = why(&traced, 6030);
    says(&cause, &["XDP", "pkt-b has XDP program", "drop_all"]);
}
