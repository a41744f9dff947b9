//! UDP packets of a new flow through a queue to a program and back, and the ways to lose one:
//! the queue is full, nobody listens, and two connections clash when conntrack confirms them.

use crate::listener::Listener;
use crate::stage::{Lab, points};
use pktrail_tests::netns::{Netns, VethPair};
use pktrail_tests::tracing::Traced;
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::time::Duration;

/// Sends `count` datagrams through queue 5 of `a`, and returns their trails in order.
fn send(label: &str, listener: Option<&[&str]>, count: usize) -> (Traced, Vec<Value>) {
    let pair = VethPair::new(label);
    let queue = [
        "-p",
        "udp",
        "--dport",
        "4000",
        "-j",
        "NFQUEUE",
        "--queue-num",
        "5",
    ];
    pair.a
        .exec(&[&["iptables-nft", "-A", "OUTPUT"], &queue[..]].concat());
    let _listener = listener.map(|words| Listener::start(&pair, words));
    let sink = pair
        .b
        .within(|| UdpSocket::bind((VethPair::ADDRESS_B, 4000)).expect("a port"));
    sink.set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a time");
    let words = ["--rules", "udp port 4000"];
    let lab = Lab::begin(&[pair.a.name(), pair.b.name()], &words);
    let socket = pair
        .a
        .within(|| UdpSocket::bind((VethPair::ADDRESS_A, 0)).expect("a socket"));
    for number in 0..count {
        // A queue that refuses makes the call fail.
        let _ = socket.send_to(&[7; 100][..10 + number], (VethPair::ADDRESS_B, 4000));
    }
    if listener.is_some_and(|words| words[0] == "accept") {
        let mut buffer = [0; 200];
        for _ in 0..count {
            sink.recv_from(&mut buffer)
                .expect("it comes back from the queue");
        }
    }
    // What is found out of a drop is read when it is shown.
    std::thread::sleep(Duration::from_millis(500));
    let traced = lab.end();
    let mut trails = traced.trails();
    trails.retain(|trail| trail["headers"]["destination_port"] == 4000);
    trails.sort_by_key(|trail| trail["headers"]["length"].as_u64());
    (traced, trails)
}

fn verdicts(trail: &Value) -> Vec<&str> {
    let rules = trail["rules"].as_array().expect("rules").iter();
    rules.filter_map(|rule| rule["verdict"].as_str()).collect()
}

#[test]
fn nfqueue_gives_back_what_its_program_accepts() {
    let (traced, trails) = send("lab-nfq", Some(&["accept"]), 2);
    assert_eq!(trails.len(), 2, "{}", traced.shown);
    for trail in &trails {
        assert!(verdicts(trail).contains(&"queue 5"), "{trail:#}");
        assert_eq!(trail["verdict"]["kind"], "delivered", "{trail:#}");
        // One trail through the queue: the tables before it, and those behind.
        let points = points(trail);
        assert!(points.contains(&"nf:output:-99".to_owned()), "{points:?}");
        assert!(
            points.contains(&"nf:postrouting:101".to_owned()),
            "{points:?}"
        );
    }
}

#[test]
fn nfqueue_without_a_listener_drops_and_says_so() {
    let (traced, trails) = send("lab-nfq-none", None, 1);
    assert_eq!(trails.len(), 1, "{}", traced.shown);
    let verdict = &trails[0]["verdict"];
    assert!(verdicts(&trails[0]).contains(&"queue 5"), "{verdict:#}");
    assert_eq!(verdict["reason"], "NOT_SPECIFIED");
    let cause = verdict["cause"].as_str().expect("a cause");
    assert!(cause.contains("no listener"), "{cause}");
    assert_eq!(
        verdict["facts"][0],
        "Queue 5 has no listener in this namespace."
    );
}

#[test]
fn nfqueue_whose_program_says_drop_is_told_from_a_clash() {
    let (traced, trails) = send("lab-nfq-drop", Some(&["drop"]), 1);
    assert_eq!(trails.len(), 1, "{}", traced.shown);
    let verdict = &trails[0]["verdict"];
    assert_eq!(verdict["function"], "nfqnl_reinject", "{verdict:#}");
    assert_eq!(
        (&verdict["hook"], &verdict["table"]),
        (&json!("output"), &json!("filter")),
    );
    let cause = verdict["cause"].as_str().expect("a cause");
    assert!(cause.contains("said drop"), "{cause}");
}

#[test]
fn nfqueue_that_is_full_drops_and_counts() {
    // Room for one, and nobody gives a verdict.
    let (traced, trails) = send("lab-nfq-full", Some(&["hold", "1"]), 2);
    assert_eq!(trails.len(), 2, "{}", traced.shown);
    let dropped = trails
        .iter()
        .find(|trail| trail["verdict"]["kind"] == "dropped");
    let verdict = &dropped.unwrap_or_else(|| panic!("{}", traced.shown))["verdict"];
    let facts = verdict["facts"].to_string();
    assert!(
        facts.contains("Queue 5 has a listener: 1 packets wait"),
        "{verdict:#}"
    );
    let counted = "1 were dropped as it was full";
    assert!(facts.contains(counted), "{verdict:#}");
}

/// What conntrack has counted in a namespace.
fn counted(netns: &Netns, name: &str) -> u64 {
    let text = netns.exec(&["cat", "/proc/net/stat/nf_conntrack"]);
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
    let column = columns.iter().position(|column| *column == name);
    let column = column.unwrap_or_else(|| panic!("{name}: {text}"));
    let number = |line: &str| {
        let word = line.split_whitespace().nth(column).unwrap_or("");
        u64::from_str_radix(word, 16).expect("hexadecimal")
    };
    lines.map(number).sum()
}

/// One socket sends a datagram to each of two addresses, which are translated to those in
/// `targets`. Both wait in the queue, and are accepted together. How many arrive, and the trails.
fn clash(label: &str, addresses: [&str; 2], targets: [&str; 2]) -> (VethPair, usize, Vec<Value>) {
    let pair = VethPair::new(label);
    pair.b
        .exec(&["ip", "address", "add", "10.77.0.3/24", "dev", VethPair::B]);
    let iptables = |rule: &str| {
        let words: Vec<&str> = rule.split(' ').collect();
        pair.a.exec(&[&["iptables-nft"], &words[..]].concat());
    };
    // Behind NAT and before the connection is confirmed: a queue before NAT lets it choose anew.
    // Of two hooks with one priority the one that was made last comes first.
    iptables("-N late");
    iptables("-A late -p udp --dport 4000 -j NFQUEUE --queue-num 5");
    let hook = "add chain ip filter end { type filter hook postrouting priority 100; }; \
        add rule ip filter end jump late";
    pair.a.exec(&["nft", hook]);
    for (address, target) in addresses.iter().zip(targets) {
        let rule = "-t nat -A OUTPUT -p udp -j DNAT";
        iptables(&format!("{rule} -d {address} --to-destination {target}"));
    }
    // Neighbours are known before, so that the first packet does not wait for them.
    for target in targets {
        pair.a.exec(&["ping", "-q", "-c", "1", "-w", "5", target]);
    }
    let _listener = Listener::start(&pair, &["gather", "2"]);
    let sink = pair
        .b
        .within(|| UdpSocket::bind("0.0.0.0:4000"))
        .expect("a port");
    let lab = Lab::begin(
        &[pair.a.name(), pair.b.name()],
        &["--rules", "udp port 4000"],
    );
    let socket = pair
        .a
        .within(|| UdpSocket::bind((VethPair::ADDRESS_A, 5555)));
    let socket = socket.expect("a socket");
    for (number, address) in addresses.iter().enumerate() {
        socket
            .send_to(&[7; 100][..10 + number], (*address, 4000))
            .expect("sent");
    }
    sink.set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a time");
    let mut buffer = [0; 200];
    let arrived = std::iter::from_fn(|| sink.recv_from(&mut buffer).ok()).count();
    let mut trails = lab.end().trails();
    trails.retain(|trail| trail["headers"]["destination_port"] == 4000);
    trails.sort_by_key(|trail| trail["headers"]["length"].as_u64());
    assert_eq!(trails.len(), 2, "{trails:#?}");
    for trail in &trails {
        assert!(verdicts(trail).contains(&"queue 5"), "{trail:#}");
    }
    (pair, arrived, trails)
}

#[test]
fn nfqueue_and_nat_make_two_connections_clash_at_confirm() {
    // Two service addresses lead to one server: the answers would be the same.
    let addresses = ["10.77.0.100", "10.77.0.101"];
    let targets = [VethPair::ADDRESS_B; 2];
    let (pair, arrived, trails) = clash("lab-nfq-clash", addresses, targets);
    assert_eq!((arrived, counted(&pair.a, "insert_failed")), (1, 1));
    assert_eq!(trails[0]["verdict"]["kind"], "delivered", "{:#}", trails[0]);
    let verdict = &trails[1]["verdict"];
    // The kernel only says where: in what goes on after the queue.
    assert_eq!(verdict["function"], "nfqnl_reinject", "{verdict:#}");
    assert_eq!(
        (&verdict["hook"], &verdict["table"]),
        (&json!("postrouting"), &json!("conntrack confirm"))
    );
    let cause = verdict["cause"].as_str().expect("a cause");
    assert!(cause.contains("clash"), "{cause}");
    let facts = verdict["facts"].to_string();
    assert!(facts.contains("insert_failed 1"), "{verdict:#}");
}

#[test]
fn nfqueue_and_nat_lose_nothing_where_the_kernel_resolves_the_clash() {
    // Two packets of one flow: the second takes the connection of the first.
    let address = "10.77.0.100";
    let targets = [VethPair::ADDRESS_B, "10.77.0.3"];
    let (pair, arrived, trails) = clash("lab-nfq-same", [address; 2], targets);
    assert_eq!(arrived, 2);
    let counts = ["insert_failed", "clashres"].map(|name| counted(&pair.a, name));
    assert_eq!(counts, [0, 1]);
    for trail in &trails {
        assert_eq!(trail["verdict"]["kind"], "delivered", "{trail:#}");
    }
}
