//! The order of tables, and a queue to user space, told by functions alone: so they are on kernels
//! without links between the tables. Every method of attaching tells the same.

use crate::listener::Listener;
use crate::stage::{Lab, rewrites, rules, with};
use pktrail_tests::netns::{Netns, VethPair};
use serde_json::Value;
use std::net::UdpSocket;
use std::time::Duration;

const POINTS: &str = "ip_rcv,ip_forward,ip_output,udp_rcv,__udp_enqueue_schedule_skb,\
                      nf_hook_slow,nft_do_chain,nf_conntrack_in,nf_nat_manip_pkt,\
                      nf_queue,nfqnl_enqueue_packet,nfqnl_reinject";

const RULES: [&str; 8] = [
    "-t raw -A PREROUTING -p udp -j ACCEPT",
    "-t mangle -A PREROUTING -p udp -j ACCEPT",
    "-t nat -A PREROUTING -p udp --dport 8080 -j DNAT --to-destination 10.78.0.2:80",
    "-t mangle -A FORWARD -p udp -j ACCEPT",
    "-t filter -A FORWARD -p udp --dport 9999 -j DROP",
    "-t filter -A FORWARD -p udp -j ACCEPT",
    "-t mangle -A POSTROUTING -p udp -j ACCEPT",
    "-t nat -A POSTROUTING -p udp -o pkt-in -j SNAT --to-source 10.78.0.1",
];

/// Behind the router `b`.
fn server(pair: &VethPair) -> Netns {
    let server = Netns::new("lab-fn-srv");
    let router = &pair.b;
    let link = "ip link add pkt-in type veth peer name pkt-srv netns";
    let words: Vec<&str> = link.split(' ').chain([server.name()]).collect();
    router.exec(&words);
    let run = |netns: &Netns, line: &str| drop(netns.exec(&line.split(' ').collect::<Vec<_>>()));
    run(router, "ip address add 10.78.0.1/24 dev pkt-in");
    run(router, "ip link set pkt-in up");
    run(router, "sysctl -qw net.ipv4.ip_forward=1");
    run(&server, "ip address add 10.78.0.2/24 dev pkt-srv");
    run(&server, "ip link set pkt-srv up");
    run(&server, "ip route add default via 10.78.0.1");
    run(&pair.a, "ip route add default via 10.77.0.2");
    for rule in RULES {
        run(router, &format!("iptables-nft -w {rule}"));
    }
    server
}

fn socket(netns: &Netns, address: (&str, u16)) -> UdpSocket {
    let socket = netns.within(|| UdpSocket::bind(address).expect("a socket"));
    let time = Some(Duration::from_secs(20));
    socket.set_read_timeout(time).expect("a time");
    socket
}

/// What does not depend on the run: point, hook, table and chain of every hop; those of the
/// temporary table that traces rules are left out.
fn steps(trail: &Value) -> Vec<String> {
    let hops = trail["hops"].as_array().expect("hops").iter();
    let text = |hop: &Value, name: &str| hop[name].as_str().unwrap_or("-").to_owned();
    hops.map(|hop| {
        let parts = ["point", "hook", "table", "chain"].map(|name| text(hop, name));
        parts.join(" ")
    })
    .filter(|step| !step.contains("pktrail-"))
    .collect()
}

/// `TABLE HOOK` of each table in order.
fn tables(trail: &Value) -> Vec<String> {
    let steps = steps(trail);
    let parts = steps.iter().map(|step| step.split(' ').collect::<Vec<_>>());
    let judges = parts.filter(|parts| parts[0] == "nft_do_chain");
    judges
        .map(|parts| format!("{} {}", parts[2], parts[1]))
        .collect()
}

fn only(mut trails: Vec<Value>) -> Value {
    assert_eq!(trails.len(), 1, "{trails:#?}");
    trails.remove(0)
}

/// Request, reply, and a datagram that is dropped.
fn tell_tables(method: &str) -> [Value; 3] {
    let pair = VethPair::new("lab-fn");
    let server = server(&pair);
    let service = socket(&server, ("10.78.0.2", 80));
    let client = socket(&pair.a, (VethPair::ADDRESS_A, 4000));
    pair.a.exec(&["ping", "-q", "-c", "1", "10.78.0.2"]);
    let names = [pair.a.name(), pair.b.name(), server.name()];
    let words = ["--rules", "--points", POINTS, "--attach", method, "udp"];
    let lab = Lab::begin(&names, &words);
    let send = |data: &[u8], to| client.send_to(data, to).expect("sent");
    send(b"ask", (VethPair::ADDRESS_B, 8080));
    let mut buffer = [0; 100];
    let (_, from) = service.recv_from(&mut buffer).expect("it arrives");
    service.send_to(b"answer", from).expect("sent");
    client.recv_from(&mut buffer).expect("it comes back");
    send(b"drop me", ("10.78.0.2", 9999));
    std::thread::sleep(Duration::from_secs(1));
    let traced = lab.end();
    println!("{}", traced.said);
    let trails = traced.trails();
    let to = |port: u16| with(&trails, "destination_port", port);
    [
        only(to(8080)),
        only(with(&trails, "source_port", 80)),
        only(to(9999)),
    ]
}

#[test]
fn the_order_of_tables_is_the_same_by_every_method() {
    let told = crate::methods().map(|method| (method, tell_tables(method)));
    for (method, [request, reply, dropped]) in &told {
        println!("{method}: {:#?}", steps(request));
        assert_eq!(
            tables(request),
            [
                "raw prerouting",
                "mangle prerouting",
                "nat prerouting",
                "mangle forward",
                "filter forward",
                "mangle postrouting",
                "nat postrouting",
            ]
        );
        // The kernel's own trace of rules agrees.
        let met = rules(request);
        assert_eq!(met.len(), 7, "{met:?}");
        let ways = rewrites(request);
        let last = ways.last().map(|(_, _, to)| to.as_str());
        assert_eq!(last, Some("10.78.0.1:4000 > 10.78.0.2:80"), "{ways:?}");
        assert_eq!(request["verdict"]["kind"], "delivered");
        // Nobody asks the tables of nat for a reply, and it is translated back.
        let reply_tables = tables(reply);
        assert!(
            reply_tables.iter().all(|table| !table.starts_with("nat ")),
            "{reply_tables:?}"
        );
        let ways = rewrites(reply);
        let last = ways.last().map(|(_, _, to)| to.as_str());
        assert_eq!(last, Some("10.77.0.2:8080 > 10.77.0.1:4000"), "{ways:?}");
        let verdict = &dropped["verdict"];
        assert_eq!(verdict["reason"], "NETFILTER_DROP");
        assert_eq!(
            (&verdict["hook"], &verdict["table"]),
            (&"forward".into(), &"filter".into())
        );
        assert_eq!(verdict["rule"]["chain"], "FORWARD");
    }
    let [(_, first), (_, second)] = &told;
    for (one, other) in first.iter().zip(second) {
        assert_eq!(steps(one), steps(other));
    }
}

/// Two datagrams of a new flow through a queue; then, without its program, one that is lost.
fn tell_queue(method: &str) -> Vec<Value> {
    let pair = VethPair::new("lab-fnq");
    let rule = "iptables-nft -A OUTPUT -p udp --dport 4000 -j NFQUEUE --queue-num 5";
    pair.a.exec(&rule.split(' ').collect::<Vec<_>>());
    let listener = Listener::start(&pair, &["accept"]);
    let sink = socket(&pair.b, (VethPair::ADDRESS_B, 4000));
    let source = socket(&pair.a, (VethPair::ADDRESS_A, 0));
    pair.a.exec(&["ping", "-q", "-c", "1", VethPair::ADDRESS_B]);
    let words = ["--points", POINTS, "--attach", method, "udp port 4000"];
    let lab = Lab::begin(&[pair.a.name(), pair.b.name()], &words);
    let mut buffer = [0; 200];
    for data in [&b"one"[..], b"other"] {
        source
            .send_to(data, (VethPair::ADDRESS_B, 4000))
            .expect("sent");
    }
    for _ in 0..2 {
        sink.recv_from(&mut buffer)
            .expect("it comes back from the queue");
    }
    drop(listener);
    // A queue that refuses makes the call fail.
    let _ = source.send_to(b"for nobody", (VethPair::ADDRESS_B, 4000));
    std::thread::sleep(Duration::from_secs(1));
    let mut trails = with(&lab.end().trails(), "destination_port", 4000);
    trails.sort_by_key(|trail| trail["headers"]["length"].as_u64());
    assert_eq!(trails.len(), 3, "{trails:#?}");
    trails
}

#[test]
fn a_queue_to_user_space_is_told_the_same_by_every_method() {
    let told = crate::methods().map(tell_queue);
    for trails in &told {
        for trail in &trails[..2] {
            let steps = steps(trail);
            let place = |point: &str| {
                let found = steps.iter().position(|step| step.starts_with(point));
                found.unwrap_or_else(|| panic!("no {point} in {steps:#?}"))
            };
            assert!(place("nf_queue ") < place("nfqnl_reinject "));
            assert!(place("nfqnl_reinject ") < place("ip_output "));
            assert_eq!(trail["verdict"]["kind"], "delivered", "{trail:#}");
        }
        let verdict = &trails[2]["verdict"];
        assert_eq!(verdict["kind"], "dropped", "{verdict:#}");
        let cause = verdict["cause"].as_str().unwrap_or("-");
        assert!(cause.contains("no listener"), "{verdict:#}");
    }
    // The trampoline also tells the error.
    let hops = told[0][2]["hops"].as_array().expect("hops");
    let queued = hops
        .iter()
        .find(|hop| hop["point"] == "nfqnl_enqueue_packet");
    let queued = queued.unwrap_or_else(|| panic!("{hops:#?}"));
    assert_eq!(queued["returned"]["text"], "returns ESRCH", "{queued:#}");
    let [first, second] = &told;
    for (one, other) in first.iter().zip(second) {
        assert_eq!(steps(one), steps(other));
    }
}
