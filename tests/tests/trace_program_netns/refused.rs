//! What cannot be done is one sentence with what to do, and what can be traced still is.

use crate::shown::send;
use nix::sys::socket::{setsockopt, sockopt::SndBufForce};
use pktrail_tests::netns::VethPair;
use pktrail_tests::program;
use pktrail_tests::tracing::{Tracing, way};
use serde_json::Value;
use std::net::UdpSocket;
use std::process::{Command, Output};

/// Exit status and the only line that was said.
fn refusal(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    (output.status.code(), lines[0].to_owned())
}

fn run(words: &[&str]) -> Output {
    let output = program::pktrail().arg("trace").args(words).output();
    output.expect("it runs")
}

/// A command that runs the program in another way, by a shell.
fn by_shell(script: &str) -> Output {
    let script = script.replace("PKTRAIL", &program::path().display().to_string());
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .output();
    output.expect("unshare runs")
}

#[test]
fn what_is_not_there_is_named() {
    for (words, status, parts) in [
        (
            &["--points", "nosuch"][..],
            2,
            &["'nosuch'", "tcp", "default"][..],
        ),
        (
            &["--netns", "pkt-nowhere"],
            1,
            &["no network namespace pkt-nowhere"],
        ),
        (&["--ring", "5000"], 2, &["5000", "power of two"]),
        (&["--snapshot-length", "99999"], 2, &["99999", "16384"]),
        (&["--diagram", "way.png"], 2, &["way.png", ".svg"]),
        (&["--diagram", "/nosuch/way.svg"], 1, &["/nosuch/way.svg"]),
        (&["-w", "/nosuch/file.pcapng"], 1, &["/nosuch/file.pcapng"]),
    ] {
        let (code, said) = refusal(&run(words));
        assert_eq!(code, Some(status), "{said}");
        for part in parts {
            assert!(said.contains(part), "'{part}' is missing in: {said}");
        }
    }
}

#[test]
fn without_privilege_and_without_types_it_says_what_is_needed() {
    let drop = "setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all";
    let (code, said) = refusal(&by_shell(&format!("exec {drop} PKTRAIL trace")));
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("CAP_BPF") && said.contains("as root"),
        "{said}"
    );
    let hide = "mount -t tmpfs none /sys/kernel/btf";
    let (code, said) = refusal(&by_shell(&format!("{hide} && exec PKTRAIL trace")));
    assert_eq!(code, Some(1), "{said}");
    for part in ["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"] {
        assert!(said.contains(part), "'{part}' is missing in: {said}");
    }
}

#[test]
fn what_is_refused_is_said_and_the_rest_is_traced() {
    let pair = VethPair::new("trace-some");
    // Functions that cannot be attached to everywhere, and a point that can.
    let list = "net_dev_queue,ip_rcv,udp_rcv";
    let tracing = Tracing::start(&["--netns", pair.a.name(), "--points", list, "--json", "udp"]);
    send(&pair, 4000);
    let traced = tracing.end();
    let trail = traced.trail_to(4000);
    let seen = way(&trail);
    assert!(seen[0].starts_with("net_dev_queue "), "{seen:?}");
    let line = traced.said.lines().find(|line| line.contains("candidates"));
    let line = line.unwrap_or_else(|| panic!("{}", traced.said));
    let is_attached = line.contains("2 attached by ");
    let is_refused = line.contains("none attached") && line.contains("the kernel takes no program");
    assert!(is_attached || is_refused, "{line}");
}

#[test]
fn points_that_pick_nothing_up_are_told() {
    let pair = VethPair::new("trace-pick");
    for (points, told) in [
        (
            "net_dev_start_xmit",
            Some("none of these points picks packets up"),
        ),
        (
            "nf",
            Some("packets that are only forwarded are not picked up"),
        ),
        ("net_dev_queue", None),
        ("default", None),
    ] {
        let traced = Tracing::start(&["--netns", pair.a.name(), "--points", points]).end();
        let lines = traced
            .said
            .lines()
            .filter(|line| line.contains("picked up") || line.contains("picks packets up"));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(
            lines.len(),
            usize::from(told.is_some()),
            "{points}: {lines:?}"
        );
        assert!(
            lines.iter().all(|line| line.contains(told.unwrap_or(""))),
            "{lines:?}"
        );
    }
}

#[test]
fn a_full_ring_is_told_where_it_was_and_at_the_end() {
    let pair = VethPair::new("trace-ring");
    let words = ["--netns", pair.a.name(), "--ring", "4k", "--json", "udp"];
    let mut tracing = Tracing::start(&words);
    // Nobody reads meanwhile.
    tracing.signal("STOP");
    for _ in 0..50 {
        send(&pair, 4000);
    }
    tracing.signal("CONT");
    // The gap shows when the next event comes; nobody says when there is room for one.
    for _ in 0..10 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        send(&pair, 4000);
    }
    tracing.wait_for("events were lost here: a ring was full");
    let traced = tracing.end();
    assert_eq!(traced.status.code(), Some(1), "{}", traced.said);
    let said = |part: &str| traced.said.lines().any(|line| line.contains(part));
    assert!(said("`--ring SIZE` makes room"), "{}", traced.said);
    let account = traced.said.lines().find(|line| line.contains("\"events\""));
    let account: Value = serde_json::from_str(account.expect("an account")).expect("JSON");
    let count = |name: &str| account["events"][name].as_u64().expect("a number");
    assert!(count("lost") > 100, "{account}");
    // All but what was lost behind the last event stands at its place.
    let trails = traced.trails();
    let hops = trails
        .iter()
        .flat_map(|trail| trail["hops"].as_array().expect("hops"));
    let told: u64 = hops.filter_map(|hop| hop["lost_before"].as_u64()).sum();
    assert!(told > 100 && told <= count("lost"), "{told} of {account}");
    assert_eq!(count("displaced"), 0, "{account}");
    assert_eq!(
        count("produced"),
        count("shown") + count("lost"),
        "{account}"
    );
}

#[test]
fn more_packets_under_way_than_can_be_followed_are_counted() {
    const COUNT: u64 = 40_000;
    let pair = VethPair::new("trace-many");
    // They wait in the queue of the device until the namespace goes.
    let queue = ["tc", "qdisc", "add", "dev", VethPair::A, "root", "tbf"];
    let slow = ["rate", "8kbit", "burst", "1600", "limit", "100000000"];
    pair.a.exec(&[&queue[..], &slow[..]].concat());
    let socket = pair.a.within(|| UdpSocket::bind((VethPair::ADDRESS_A, 0)));
    let socket = socket.expect("a socket");
    setsockopt(&socket, SndBufForce, &(1 << 30)).expect("room for all");
    let words = ["--netns", pair.a.name(), "--top", "drops", "--json", "udp"];
    let tracing = Tracing::start(&words);
    for _ in 0..COUNT {
        let sent = socket.send_to(&[1; 10], (VethPair::ADDRESS_B, 4000));
        assert_eq!(sent.expect("it is queued"), 10);
    }
    let traced = tracing.end();
    assert_eq!(traced.status.code(), Some(1), "{}", traced.said);
    let said = "more packets were under way at once than can be followed";
    assert!(traced.said.contains(said), "{}", traced.said);
    let account = traced.said.lines().find(|line| line.contains("\"events\""));
    let account: Value = serde_json::from_str(account.expect("an account")).expect("JSON");
    let displaced = account["events"]["displaced"].as_u64().expect("a number");
    // Each packet has a buffer and data; both need a place of 65,536.
    assert!(displaced >= 2 * COUNT - 65_536, "{account}");
    assert!(displaced < 2 * COUNT, "{account}");
}

#[test]
fn an_interface_that_is_not_there_is_waited_for() {
    let pair = VethPair::new("trace-noif");
    let words = [
        "--netns",
        pair.a.name(),
        "--ifname",
        "pkt-new",
        "--json",
        "udp",
    ];
    let tracing = Tracing::start(&words);
    pair.a
        .exec(&["ip", "link", "set", VethPair::A, "name", "pkt-new"]);
    send(&pair, 4000);
    let traced = tracing.end();
    let said = "no traced namespace has an interface pkt-new now";
    assert!(traced.said.contains(said), "{}", traced.said);
    assert_eq!(traced.trails().len(), 1, "{}", traced.shown);
}

#[test]
fn doctor_says_what_can_be_traced() {
    let output = program::pktrail().args(["doctor", "--json"]).output();
    let output = output.expect("it runs");
    let rows: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = rows.as_array().expect("rows");
    let row = rows.iter().find(|row| row["backend"] == "trace");
    let row = row.expect("a row for the trace");
    assert_eq!(row["state"], "works", "{row:#}");
    let points = &row["points"];
    let count = |name: &str| points[name].as_u64().expect("a number");
    assert!(count("tracepoints") >= 15, "{points:#}");
    // Linux 6.18 has about 2,500 functions that take a packet; all kernels have hundreds.
    assert!(count("candidates") > 500, "{points:#}");
    // Functions are attached by some way, or why not is said.
    let refused = points["refused"].as_array().expect("an array");
    let why = refused.iter().any(|one| {
        one["what"]
            .as_str()
            .is_some_and(|w| w.contains("functions"))
    });
    assert_eq!(points["method"].is_null(), why, "{points:#}");
    assert_eq!(count("functions") == 0, why, "{points:#}");
    let text = program::pktrail().arg("doctor").output().expect("it runs");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let line = text.lines().find(|line| line.contains(" trace ("));
    assert!(
        line.is_some_and(|line| line.starts_with("works ") && line.contains("candidates")),
        "{text}"
    );
}
