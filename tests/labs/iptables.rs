//! The order of tables: raw, mangle, nat, filter. A reply skips nat, which conntrack applies. A
//! rule that drops is named by table, chain and text.

use crate::stage::{Lab, ends, rewrites, rules, with};
use pktrail_tests::netns::{Netns, VethPair};
use serde_json::Value;
use std::net::UdpSocket;
use std::time::Duration;

/// Beyond the router `b`: 10.78.0.2.
fn server(pair: &VethPair) -> Netns {
    let server = Netns::new("lab-ipt-srv");
    let name = server.name();
    let router = &pair.b;
    let link = [
        "ip", "link", "add", "pkt-in", "type", "veth", "peer", "name", "pkt-srv",
    ];
    router.exec(&[&link[..], &["netns", name]].concat());
    router.exec(&["ip", "address", "add", "10.78.0.1/24", "dev", "pkt-in"]);
    router.exec(&["ip", "link", "set", "pkt-in", "up"]);
    router.exec(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    server.exec(&["ip", "address", "add", "10.78.0.2/24", "dev", "pkt-srv"]);
    server.exec(&["ip", "link", "set", "pkt-srv", "up"]);
    server.exec(&["ip", "route", "add", "default", "via", "10.78.0.1"]);
    pair.a
        .exec(&["ip", "route", "add", "default", "via", VethPair::ADDRESS_B]);
    server
}

fn iptables(netns: &Netns, rule: &str) {
    let words: Vec<&str> = rule.split_whitespace().collect();
    netns.exec(&[&["iptables-nft", "-w"], &words[..]].concat());
}

/// What the router does.
const RULES: [&str; 8] = [
    "-t raw -A PREROUTING -p udp -j ACCEPT",
    "-t mangle -A PREROUTING -p udp -j ACCEPT",
    "-t nat -A PREROUTING -p udp --dport 8080 -j DNAT --to-destination 10.78.0.2:80",
    "-t mangle -A FORWARD -p udp -j ACCEPT",
    "-t filter -A FORWARD -p udp --dport 9999 -j DROP",
    "-t filter -A FORWARD -p udp -j ACCEPT",
    "-t mangle -A POSTROUTING -p udp -j ACCEPT",
    "-t nat -A POSTROUTING -p udp -o pkt-in -j SNAT --to-source 10.78.0.99",
];

#[test]
fn iptables_are_passed_in_order_and_the_reply_skips_nat() {
    let pair = VethPair::new("lab-ipt");
    let server = server(&pair);
    let router = &pair.b;
    RULES.iter().for_each(|rule| iptables(router, rule));
    // Answers of the server to the router's other address go to the router.
    router.exec(&["ip", "address", "add", "10.78.0.99/24", "dev", "pkt-in"]);
    let service = server.within(|| UdpSocket::bind(("10.78.0.2", 80)).expect("a socket"));
    let client = pair
        .a
        .within(|| UdpSocket::bind((VethPair::ADDRESS_A, 0)).expect("a socket"));
    for socket in [&service, &client] {
        let time = Some(Duration::from_secs(5));
        socket.set_read_timeout(time).expect("a time");
    }
    let port = client.local_addr().expect("an address").port();
    let namespaces = [pair.a.name(), router.name(), server.name()];
    let lab = Lab::begin(&namespaces, &["--rules", "udp"]);
    let send = |data: &[u8], to| client.send_to(data, to).expect("sent");
    send(b"ask", (VethPair::ADDRESS_B, 8080));
    let mut buffer = [0; 100];
    let (_, from) = service.recv_from(&mut buffer).expect("it arrives");
    assert_eq!(from.ip().to_string(), "10.78.0.99");
    service.send_to(b"answer", from).expect("sent");
    let (_, from) = client.recv_from(&mut buffer).expect("it arrives");
    assert_eq!(
        from.to_string(),
        "10.77.0.2:8080",
        "as if the router answered"
    );
    send(b"drop me", ("10.78.0.2", 9999));
    let trails = lab.end().trails();
    let before = format!("10.77.0.1:{port} > 10.77.0.2:8080");
    let after = format!("10.78.0.99:{port} > 10.78.0.2:80");
    check_request(
        &only(with(&trails, "destination_port", 8080)),
        port,
        &before,
        &after,
    );
    check_reply(&only(with(&trails, "source_port", 80)), &before, &after);
    check_drop(&only(with(&trails, "destination_port", 9999)), port, router);
}

fn check_request(request: &Value, port: u16, before: &str, after: &str) {
    assert_eq!(
        rules(request),
        [
            "raw PREROUTING accept",
            "mangle PREROUTING accept",
            "nat PREROUTING accept",
            "mangle FORWARD accept",
            "filter FORWARD accept",
            "mangle POSTROUTING accept",
            "nat POSTROUTING accept",
        ]
    );
    let between = format!("10.77.0.1:{port} > 10.78.0.2:80");
    let at = |point: &str, from: &str, to: &str| (point.into(), from.into(), to.into());
    assert_eq!(
        rewrites(request),
        [
            at("nf:prerouting:-99", before, &between),
            at("nf:postrouting:101", &between, after),
        ]
    );
    assert_eq!(request["verdict"]["kind"], "delivered");
    let receiver = request["verdict"]["receiver"].as_str().expect("a socket");
    let me = format!("({})", std::process::id());
    assert!(
        receiver.starts_with("10.78.0.2:80 of ") && receiver.ends_with(&me),
        "{receiver}"
    );
}

/// No rule of nat is asked, and yet both addresses are set back.
fn check_reply(reply: &Value, before: &str, after: &str) {
    let met = rules(reply);
    assert!(met.len() >= 5, "{met:?}");
    assert!(met.iter().all(|rule| !rule.starts_with("nat ")), "{met:?}");
    let ways = rewrites(reply);
    let first = ways.first().map(|(_, from, _)| from.clone());
    let last = ways.last().map(|(_, _, to)| to.clone());
    let turned = |ends: &str| ends.rsplit(" > ").collect::<Vec<_>>().join(" > ");
    assert_eq!(first, Some(turned(after)), "{ways:?}");
    assert_eq!(last, Some(turned(before)), "{ways:?}");
}

fn check_drop(dropped: &Value, port: u16, router: &Netns) {
    let verdict = &dropped["verdict"];
    let rule = &verdict["rule"];
    assert_eq!(verdict["reason"], "NETFILTER_DROP");
    assert_eq!(rule["table"], "filter");
    assert_eq!(rule["chain"], "FORWARD");
    let text = rule["rule"].as_str().expect("text");
    assert!(text.contains("9999") && text.ends_with("drop"), "{text}");
    assert_eq!(verdict["hook"], "forward");
    let way = format!("10.77.0.1:{port} > 10.78.0.2:9999");
    assert_eq!(ends(&dropped["headers"]), way);
    // The tool's own counter agrees.
    let counted = router.exec(&["iptables-nft", "-nvxL", "FORWARD"]);
    let counted = counted.lines().find(|line| line.contains("9999"));
    let count = counted.and_then(|line| line.split_whitespace().next());
    assert_eq!(count, Some("1"), "{counted:?}");
}

fn only(mut trails: Vec<Value>) -> Value {
    assert_eq!(trails.len(), 1, "{trails:#?}");
    trails.remove(0)
}
