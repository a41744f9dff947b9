//! UDP packets of a new flow through a queue to a program and back, and the ways to lose one:
//! the queue is full, nobody listens.

use crate::stage::{Lab, points};
use pktrail_tests::netns::VethPair;
use pktrail_tests::tracing::Traced;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Stdio};
use std::time::Duration;

/// The program behind queue 5 of `a`.
struct Listener(Child);

impl Listener {
    fn start(pair: &VethPair, words: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/nfqueue.py");
        let mut command = pair.a.command("python3");
        command
            .args([script, "5"])
            .args(words)
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("python runs");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        said.read_line(&mut line).expect("it can be read");
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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
        "No queue has a listener in this namespace."
    );
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
    assert!(facts.contains("listener: 5 ("), "{verdict:#}");
    let counted = "1 were dropped as it was full";
    assert!(facts.contains(counted), "{verdict:#}");
}
