//! IPVS: a packet for a virtual service meets it at INPUT. The trail tells the service, the server
//! that was chosen and by which scheduler, and how it is sent there: NAT with rr, direct routing
//! with mh.

use crate::stage::{Lab, ends, points, with};
use pktrail_tests::netns::{Netns, VethPair};
use serde_json::Value;
use std::net::UdpSocket;
use std::time::Duration;

const POINTS: &str = "ip_rcv,ip_local_deliver,ip_output,udp_rcv,__udp_enqueue_schedule_skb,\
                      nf_hook_slow,nft_do_chain,ipvs";
const SERVICE: &str = "10.76.0.1";
const SERVERS: [&str; 2] = ["10.78.0.2", "10.79.0.2"];
const NAT: u16 = 5000;
const DIRECT: u16 = 6000;
/// Where servers of the first service listen.
const BEHIND: u16 = 5001;

fn run(netns: &Netns, line: &str) -> String {
    netns.exec(&line.split_whitespace().collect::<Vec<_>>())
}

/// A client `a`, a director `b`, and two servers.
struct Stage {
    pair: VethPair,
    servers: Vec<Netns>,
}

impl Stage {
    fn new() -> Self {
        crate::load_modules(&["ip_vs", "ip_vs_rr", "ip_vs_mh"]);
        let pair = VethPair::new("lab-ipvs");
        let director = &pair.b;
        run(director, "sysctl -qw net.ipv4.ip_forward=1");
        run(director, &format!("ip address add {SERVICE}/32 dev lo"));
        run(&pair.a, "ip route add default via 10.77.0.2");
        let servers = SERVERS.iter().zip(0..).map(|(address, number)| {
            let server = Netns::new(&format!("lab-ipvs-{number}"));
            let gateway = address.replace(".0.2", ".0.1");
            let name = server.name();
            let link = format!("ip link add to{number} type veth peer name eth0 netns {name}");
            run(director, &link);
            run(
                director,
                &format!("ip address add {gateway}/24 dev to{number}"),
            );
            run(director, &format!("ip link set to{number} up"));
            run(&server, &format!("ip address add {address}/24 dev eth0"));
            // What is sent to its link address is for the service.
            run(&server, &format!("ip address add {SERVICE}/32 dev lo"));
            run(&server, "ip link set eth0 up");
            run(&server, &format!("ip route add default via {gateway}"));
            run(director, &format!("ping -q -c 1 {address}"));
            server
        });
        let servers = servers.collect();
        let stage = Self { pair, servers };
        stage.balance();
        run(&stage.pair.a, &format!("ping -q -c 1 {SERVICE}"));
        stage
    }

    fn balance(&self) {
        let director = &self.pair.b;
        for table in ["PREROUTING", "POSTROUTING"] {
            run(
                director,
                &format!("iptables-nft -w -t mangle -A {table} -p udp -j ACCEPT"),
            );
        }
        run(director, &format!("ipvsadm -A -u {SERVICE}:{NAT} -s rr"));
        run(director, &format!("ipvsadm -A -u {SERVICE}:{DIRECT} -s mh"));
        for server in SERVERS {
            run(
                director,
                &format!("ipvsadm -a -u {SERVICE}:{NAT} -r {server}:{BEHIND} -m"),
            );
            run(
                director,
                &format!("ipvsadm -a -u {SERVICE}:{DIRECT} -r {server}:{DIRECT} -g"),
            );
        }
    }

    /// The servers of a port answer nobody; what they got is counted.
    fn listen(&self, port: u16) -> Vec<UdpSocket> {
        let sockets = self.servers.iter().map(|server| {
            let socket = server.within(|| UdpSocket::bind(("0.0.0.0", port)).expect("a port"));
            socket.set_nonblocking(true).expect("a mode");
            socket
        });
        sockets.collect()
    }

    /// What ipvsadm says: source port, port of the service, server.
    fn connections(&self) -> Vec<(String, String, String)> {
        let listed = run(&self.pair.b, "ipvsadm -L -c -n");
        let port = |end: &str| end.rsplit(':').next().unwrap_or("-").to_owned();
        let rows = listed.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["UDP", _, _, source, service, server] => {
                    Some((port(source), port(service), server.to_owned()))
                }
                _ => None,
            }
        });
        rows.collect()
    }
}

fn count(sockets: &[UdpSocket]) -> Vec<usize> {
    let mut buffer = [0; 100];
    let mut got =
        |socket: &UdpSocket| std::iter::from_fn(|| socket.recv_from(&mut buffer).ok()).count();
    sockets.iter().map(&mut got).collect()
}

/// The only hop that tells of a server.
fn balanced(trail: &Value) -> Value {
    let hops = trail["hops"].as_array().expect("hops").iter();
    let mut found = hops.filter(|hop| !hop["balanced"].is_null());
    let hop = found.next().unwrap_or_else(|| panic!("{trail:#}"));
    assert!(found.next().is_none(), "{trail:#}");
    hop["balanced"].clone()
}

/// These points one behind the other, with others between them.
fn in_order(trail: &Value, wanted: &[&str]) {
    let steps = trail["hops"].as_array().expect("hops").iter().map(|hop| {
        let text = |name: &str| hop[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("point"), text("hook"), text("table"))
    });
    let steps: Vec<String> = steps.collect();
    let mut rest = steps.iter();
    for step in wanted {
        let found = rest.any(|hop| hop.starts_with(step));
        assert!(found, "'{step}' is missing or out of order in {steps:#?}");
    }
}

#[test]
fn ipvs_tells_service_server_scheduler_and_way_of_sending() {
    let stage = Stage::new();
    let sockets = [stage.listen(BEHIND), stage.listen(DIRECT)];
    let clients: Vec<UdpSocket> = (4001..=4002)
        .map(|port| {
            let bind = || UdpSocket::bind((VethPair::ADDRESS_A, port)).expect("a port");
            stage.pair.a.within(bind)
        })
        .collect();
    let mut names = vec![stage.pair.a.name(), stage.pair.b.name()];
    names.extend(stage.servers.iter().map(Netns::name));
    let lab = Lab::begin(&names, &["--points", POINTS, "--attach", "fentry", "udp"]);
    for port in [NAT, DIRECT] {
        for client in &clients {
            client.send_to(b"question", (SERVICE, port)).expect("sent");
        }
    }
    std::thread::sleep(Duration::from_secs(3));
    let traced = lab.end();
    println!("{}", traced.said);
    let trails = traced.trails();
    let [by_nat, direct] = [NAT, DIRECT].map(|port| with(&trails, "destination_port", port));
    assert_eq!((by_nat.len(), direct.len()), (2, 2), "{trails:#?}");
    check_nat(&stage, &by_nat);
    check_direct(&stage, &direct);
    // In turn, and by the client's address.
    assert_eq!(count(&sockets[0]), [1, 1]);
    let mut got = count(&sockets[1]);
    got.sort_unstable();
    assert_eq!(got, [0, 2]);
}

/// Service, server and way of sending of a trail, and the same connection by ipvsadm.
fn check(stage: &Stage, trail: &Value, port: u16, forwarding: &str) -> String {
    println!("{:?}", points(trail));
    let told = balanced(trail);
    assert_eq!(told["service"], format!("{SERVICE}:{port}"));
    assert_eq!(told["forwarding"], forwarding);
    let server = told["server"].as_str().expect("a server").to_owned();
    let source = trail["headers"]["source_port"].to_string();
    let row = (source, port.to_string(), server.clone());
    let rows = stage.connections();
    assert!(rows.contains(&row), "{row:?} is not in {rows:?}");
    assert_eq!(trail["verdict"]["kind"], "delivered", "{trail:#}");
    server
}

fn check_nat(stage: &Stage, trails: &[Value]) {
    let mut servers = Vec::new();
    for trail in trails {
        in_order(
            trail,
            &[
                "nft_do_chain prerouting mangle",
                "ip_local_deliver",
                "nf_hook_slow input",
                "ip_vs_in_hook input",
                "ip_vs_schedule",
                "ip_vs_rr_schedule",
                "ip_vs_nat_xmit",
                "nf_hook_slow output",
                "ip_output",
                "nft_do_chain postrouting mangle",
                "udp_rcv",
            ],
        );
        let server = check(stage, trail, NAT, "NAT");
        let last = trail["hops"].as_array().expect("hops").iter().rev();
        let last = last
            .map(|hop| &hop["headers"])
            .find(|headers| !headers.is_null());
        let end = ends(last.expect("headers"));
        assert!(end.ends_with(&format!("> {server}")), "{end}");
        servers.push(server);
    }
    servers.sort_unstable();
    assert_eq!(servers, SERVERS.map(|server| format!("{server}:{BEHIND}")));
}

fn check_direct(stage: &Stage, trails: &[Value]) {
    for trail in trails {
        in_order(
            trail,
            &[
                "nft_do_chain prerouting mangle",
                "ip_vs_in_hook input",
                "ip_vs_mh_schedule",
                "ip_vs_dr_xmit",
                "nf_hook_slow output",
                "ip_output",
                "nft_do_chain postrouting mangle",
                "ip_rcv",
                "udp_rcv",
            ],
        );
        check(stage, trail, DIRECT, "direct routing");
    }
    assert_eq!(
        balanced(&trails[0])["server"],
        balanced(&trails[1])["server"]
    );
}
