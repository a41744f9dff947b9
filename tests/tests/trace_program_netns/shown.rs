//! Text, JSON, conditions on trails, and summaries.

use pktrail_tests::netns::VethPair;
use pktrail_tests::program;
use pktrail_tests::tracing::{Traced, Tracing, in_order};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// A cable; what leaves `a` for port 4000 gets mark 7 and another source. Nobody listens on 4000,
/// and a rule in `b` drops what goes to 4001.
pub(crate) fn stage(label: &str) -> VethPair {
    let pair = VethPair::new(label);
    let rules = "add table ip pkt; \
        add chain ip pkt m { type filter hook output priority -150; }; \
        add rule ip pkt m udp dport 4000 meta mark set 7; \
        add chain ip pkt n { type nat hook postrouting priority 100; }; \
        add rule ip pkt n udp dport 4000 snat to 10.77.0.50";
    pair.a.exec(&["nft", rules]);
    let drop = "add table ip pkt; add chain ip pkt c { type filter hook input priority 0; }; \
        add rule ip pkt c udp dport 4001 drop";
    pair.b.exec(&["nft", drop]);
    pair
}

/// A datagram of ten bytes.
pub(crate) fn send(pair: &VethPair, port: u16) {
    let socket = pair.a.within(|| UdpSocket::bind((VethPair::ADDRESS_A, 0)));
    let socket = socket.expect("a socket");
    let sent = socket.send_to(b"where am I", (VethPair::ADDRESS_B, port));
    assert_eq!(sent.expect("it is sent"), 10);
}

/// Traces both namespaces while a datagram goes to 4000 and one to 4001.
fn trace(pair: &VethPair, words: &[&str]) -> Traced {
    let mut all = vec!["--netns", pair.a.name(), "--netns", pair.b.name()];
    all.extend(words);
    let tracing = Tracing::start(&all);
    send(pair, 4000);
    send(pair, 4001);
    let traced = tracing.end();
    assert!(traced.status.success(), "{}", traced.said);
    traced
}

#[test]
fn text_is_a_block_for_each_packet() {
    let pair = stage("trace-text");
    let traced = trace(&pair, &["udp port 4000 or udp port 4001"]);
    let blocks: Vec<&str> = traced.shown.split("packet ").skip(1).collect();
    let to_4000 = blocks.iter().find(|b| b.contains("10.77.0.2:4000,"));
    let to_4000 = to_4000.unwrap_or_else(|| panic!("{}", traced.shown));
    let translated = to_4000.lines().find(|line| line.contains("source"));
    let translated = translated.unwrap_or_else(|| panic!("{to_4000}"));
    assert!(translated.contains("POSTROUTING after nat"), "{translated}");
    assert!(translated.contains(" → 10.77.0.50:"), "{translated}");
    for words in [
        "mark 0x0 → 0x7",
        &format!("{}@{}", VethPair::A, pair.a.name()),
        "= dropped: NO_SOCKET",
        "No socket listens at this address and port.",
        "Try: `ss -lntup`",
    ] {
        assert!(to_4000.contains(words), "'{words}' is missing in {to_4000}");
    }
    // Hops in which nothing changed share a line; -v gives each its own.
    let full = trace(&pair, &["-v", "udp port 4000"]);
    let hops = |text: &str| text.lines().filter(|l| l.contains("netfilter")).count();
    assert!(hops(&full.shown) >= 20, "{}", full.shown);
    assert!(hops(to_4000) <= 10, "{to_4000}");
}

#[test]
fn json_has_every_hop_with_its_names_and_changes() {
    let pair = stage("trace-json");
    let traced = trace(&pair, &["--json"]);
    let (a, b) = (pair.a.name(), pair.b.name());
    let trail = traced.trail_to(4000);
    in_order(
        &trail,
        &[
            format!("nf:output:-149 pkt-a@{a}"),
            format!("nf:postrouting:101 pkt-a@{a}"),
            format!("net_dev_start_xmit pkt-a@{a}"),
            format!("netif_receive_skb pkt-b@{b}"),
            format!("nf:input:101 pkt-b@{b}"),
        ],
    );
    let hops = trail["hops"].as_array().expect("hops");
    let at = |point: &str| {
        let found = hops.iter().find(|hop| hop["point"] == point);
        found.unwrap_or_else(|| panic!("{point}: {trail:#}"))
    };
    let change = |hop: &Value, what: &str| {
        let changes = hop["changes"].as_array().expect("an array").iter();
        let found = changes.filter(|change| change["what"] == what);
        found.cloned().collect::<Vec<_>>()
    };
    let mark = change(at("nf:output:-149"), "mark");
    assert_eq!((&mark[0]["from"], &mark[0]["to"]), (&json!(0), &json!(7)));
    let nat = change(at("nf:postrouting:101"), "rewritten");
    assert_eq!(nat[0]["from"]["source"], VethPair::ADDRESS_A);
    assert_eq!(nat[0]["to"]["source"], "10.77.0.50");
    assert_eq!(at("nf:postrouting:101")["table"], "nat");
    assert_eq!(at("net_dev_queue")["checksum"], "partial");
    assert_eq!(trail["verdict"]["kind"], "dropped");
    assert_eq!(trail["verdict"]["reason"], "NO_SOCKET");
    let sum: u64 = hops.iter().filter_map(|hop| hop["since_ns"].as_u64()).sum();
    assert_eq!(trail["duration_ns"].as_u64(), Some(sum));
    // Wall clock time, within a minute of ours.
    let time: f64 = trail["time"]
        .as_str()
        .and_then(|t| t.parse().ok())
        .expect("a time");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    assert!(
        (now.expect("after 1970").as_secs_f64() - time).abs() < 60.0,
        "{time}"
    );
    let by_rule = traced.trail_to(4001);
    assert_eq!(by_rule["verdict"]["hook"], "input");
    assert_eq!(by_rule["verdict"]["table"], "filter");
    let account = traced.said.lines().last().expect("an account");
    let account: Value = serde_json::from_str(account).expect("JSON");
    let count = |name: &str| account["events"][name].as_u64().expect("a number");
    let sum = count("shown") + count("lost");
    assert_eq!(count("produced"), sum, "{account}");
    assert_eq!(count("lost"), 0, "{account}");
}

#[test]
fn conditions_choose_trails() {
    let pair = stage("trace-wanted");
    let ports = |words: &[&str]| {
        let traced = trace(&pair, &[words, &["--json"]].concat());
        let mut ports: Vec<u64> = (traced.trails().iter())
            .filter_map(|trail| trail["headers"]["destination_port"].as_u64())
            .filter(|port| [4000, 4001].contains(port))
            .collect();
        ports.sort_unstable();
        ports
    };
    let me = std::process::id().to_string();
    let far = format!("{}@{}", VethPair::B, pair.b.name());
    let wrong = format!("{}@{}", VethPair::B, pair.a.name());
    assert_eq!(ports(&["--pid", &me]), [4000, 4001]);
    assert_eq!(ports(&["--pid", "1"]), [0; 0]);
    assert_eq!(ports(&["--mark", "7"]), [4000]);
    assert_eq!(ports(&["--mark", "0x0/0x1", "--drops"]), [4000, 4001]);
    assert_eq!(ports(&["--ifname", &far]), [4000, 4001]);
    assert_eq!(ports(&["--ifname", &wrong]), [0; 0]);
    assert_eq!(ports(&["--min-latency", "100s"]), [0; 0]);
    assert_eq!(ports(&["-c", "1", "--mark", "7"]), [4000]);
    let name = std::fs::read_to_string("/proc/thread-self/comm").expect("a name");
    assert_eq!(ports(&["--comm", name.trim()]), [4000, 4001]);
    assert_eq!(ports(&["--comm", "nobody"]), [0; 0]);
}

#[test]
fn only_packets_that_are_long_under_way_are_shown() {
    let pair = stage("trace-slow");
    let listener = pair
        .b
        .within(|| TcpListener::bind((VethPair::ADDRESS_B, 4010)));
    let listener = listener.expect("a port");
    let connect = || {
        pair.a
            .within(|| TcpStream::connect((VethPair::ADDRESS_B, 4010)))
    };
    let mut connections = [connect(), connect()].map(|stream| {
        let stream = stream.expect("a connection");
        (stream, listener.accept().expect("it comes").0)
    });
    let words = [
        "--json",
        "--min-latency",
        "100ms",
        "--netns",
        pair.b.name(),
        "greater 1000",
    ];
    let tracing = Tracing::start(&words);
    for (sender, _) in &mut connections {
        sender.write_all(&[7; 1000]).expect("it is taken");
    }
    // One is read at once, the other waits at its socket.
    let [(_, soon), (sender, late)] = &mut connections;
    soon.read_exact(&mut [0; 1000]).expect("it is there");
    std::thread::sleep(Duration::from_millis(150));
    late.read_exact(&mut [0; 1000]).expect("it is there");
    std::thread::sleep(Duration::from_millis(300));
    let trails = tracing.end().trails();
    assert_eq!(trails.len(), 1, "{trails:#?}");
    let port = sender.local_addr().expect("an address").port();
    assert_eq!(trails[0]["headers"]["source_port"], port);
    assert!(
        trails[0]["duration_ns"].as_u64() >= Some(100_000_000),
        "{}",
        trails[0]
    );
}

#[test]
fn a_packet_is_picked_up_in_a_chosen_namespace_and_at_chosen_points() {
    let pair = stage("trace-part");
    let trace = |words: &[&str]| {
        let tracing = Tracing::start(&[&["--json", "--netns", pair.b.name()], words].concat());
        send(&pair, 4001);
        let trail = tracing.end().trail_to(4001);
        let hops = trail["hops"].as_array().expect("hops").clone();
        let text = |hop: &Value, name: &str| hop[name].as_str().unwrap_or("-").to_owned();
        let at = hops
            .iter()
            .map(|hop| (text(hop, "layer"), text(hop, "netns")));
        at.collect::<Vec<_>>()
    };
    let b = pair.b.name();
    // Where it comes into the chosen one, not where it was before.
    let default = trace(&["udp"]);
    assert_eq!(default[0].1, b, "{default:?}");
    assert!(
        default.iter().any(|(layer, _)| layer == "device"),
        "{default:?}"
    );
    let layers: Vec<String> = trace(&["--points", "nf", "udp"])
        .into_iter()
        .map(|(layer, _)| layer)
        .collect();
    let (last, before) = layers.split_last().expect("hops");
    assert!(
        before.len() >= 2 && before.iter().all(|layer| layer == "netfilter"),
        "{layers:?}"
    );
    assert_eq!(last, "drop");
}

/// A cgroup of this test alone, removed at the end.
struct Cgroup(std::path::PathBuf);

impl Cgroup {
    fn new() -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("proc");
        let mut lines = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let mount = lines.find(|words| words[2] == "cgroup2");
        let mount = mount.expect("cgroup2 is mounted").remove(1).to_owned();
        let path = std::path::Path::new(&mount).join(format!("pkt-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a cgroup");
        Self(path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_sender_is_told_with_its_cgroup_also_when_it_is_gone() {
    let pair = stage("trace-cgroup");
    let cgroup = Cgroup::new();
    let path = cgroup.0.display();
    let script = format!(
        "echo $$ > {path}/cgroup.procs; echo hello > /dev/udp/{}/4001",
        VethPair::ADDRESS_B
    );
    for json in [true, false] {
        let mut words = vec!["--netns", pair.a.name(), "udp port 4001"];
        words.extend(json.then_some("--json"));
        let tracing = Tracing::start(&words);
        // `ip netns exec` would hide the cgroups.
        let bash = || Command::new("bash").args(["-c", &script]).status();
        assert!(pair.a.within(bash).expect("bash runs").success());
        let traced = tracing.end();
        let name = cgroup
            .0
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        if !json {
            assert!(
                traced.shown.contains(&format!(") in {name}")),
                "{}",
                traced.shown
            );
            continue;
        }
        let trail = traced.trail_to(4001);
        let hops = trail["hops"].as_array().expect("hops");
        let queued = hops.iter().find(|hop| hop["point"] == "net_dev_queue");
        let process = &queued.unwrap_or_else(|| panic!("{trail:#}"))["process"];
        assert_eq!(process["name"], "bash");
        assert_eq!(process["cgroup"], format!("/{name}"));
        assert_eq!(process["container"], Value::Null);
    }
}

#[test]
fn summaries_count_what_happened() {
    let pair = stage("trace-top");
    let words = [
        "--json", "--top", "drops", "--top", "latency", "--top", "points",
    ];
    let traced = trace(
        &pair,
        &[&words[..], &["udp port 4000 or udp port 4001"]].concat(),
    );
    let tops = traced.trails();
    assert_eq!(tops.len(), 3, "{}", traced.shown);
    let rows = |at: usize| tops[at]["rows"].as_array().expect("rows").clone();
    let what: Vec<String> = rows(0).iter().map(|row| row["what"].to_string()).collect();
    assert_eq!(what.len(), 2, "{what:?}");
    assert!(
        what.iter().any(|what| what.contains("NO_SOCKET")),
        "{what:?}"
    );
    assert!(
        what.iter().any(|what| what.contains("at INPUT by filter")),
        "{what:?}"
    );
    let longest: Vec<u64> = rows(1)
        .iter()
        .filter_map(|r| r["longest_ns"].as_u64())
        .collect();
    assert!(
        longest.is_sorted_by(|a, b| a >= b) && longest.len() > 5,
        "{longest:?}"
    );
    let freed = rows(2).into_iter().find(|row| row["what"] == "kfree_skb");
    assert_eq!(freed.map(|row| row["count"].clone()), Some(json!(2)));
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    for (words, wanted) in [
        (&["--mark", "red"][..], "'red' is no mark"),
        (&["--min-latency", "5"], "'5' is no time"),
        (&["udp port"], "udp port"),
    ] {
        let output = program::pktrail().arg("trace").args(words).output();
        let output = output.expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
}
