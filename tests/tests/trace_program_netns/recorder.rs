//! The flight recorder of a capture, triggered by the kernel's drops.

use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use pktrail_tests::program;
use pktrail_tests::tracing::{Traced, Tracing};
use serde_json::Value;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// A port with a listener, and one without: each test has its own, since drops are heard in all
/// namespaces.
#[derive(Clone, Copy)]
struct Ports {
    open: u16,
    closed: u16,
}

impl Ports {
    const fn from(open: u16) -> Self {
        let closed = open + 1;
        Self { open, closed }
    }

    fn expression(self) -> String {
        format!("udp dst portrange {}-{}", self.open, self.closed)
    }

    /// 2 seconds of packets that arrive, one that nobody wants, and a second of others.
    fn story(self) -> impl Iterator<Item = u16> {
        let arriving = move |count| std::iter::repeat_n(self.open, count);
        arriving(400).chain([self.closed]).chain(arriving(200))
    }
}

const PAUSE: Duration = Duration::from_millis(5);

/// A capture at the end of the cable that receives, once it listens.
fn capture(pair: &VethPair, file: &Path, words: &[&str]) -> Tracing {
    let mut command = program::pktrail();
    command.args(["--json", "-i", VethPair::B, "--netns", pair.b.name()]);
    command
        .args(["--keep", "1s", "--after", "0.5", "-w"])
        .arg(file);
    command.args(words);
    Tracing::hearing(command, "listening")
}

/// One packet to each port of `ports` after the other; only `open` has a listener.
fn send(pair: &VethPair, open: u16, ports: impl IntoIterator<Item = u16>) {
    let _listener = pair.b.within(|| {
        let socket = UdpSocket::bind((VethPair::ADDRESS_B, open)).expect("a free port");
        // Its buffer would be full after some hundreds.
        let reader = socket.try_clone().expect("a socket");
        std::thread::spawn(move || while reader.recv(&mut [0; 64]).is_ok_and(|len| len > 0) {});
        socket
    });
    let socket = pair.a.within(|| {
        let socket = UdpSocket::bind((VethPair::ADDRESS_A, 0)).expect("a free port");
        socket.set_nonblocking(true).expect("a socket");
        socket
    });
    for port in ports {
        // The answer of a closed port may be an error of the next call.
        let to = (VethPair::ADDRESS_B, port);
        let sent = (0..2).any(|_| socket.send_to(b"drop me?", to).is_ok());
        assert!(sent, "the cable takes it");
        sleep(PAUSE);
    }
    // Ends the reader.
    let _ = socket.send_to(b"", (VethPair::ADDRESS_B, open));
}

/// Time and destination port of each packet in a file, by tshark.
fn packets(file: &Path) -> Vec<(f64, u16)> {
    let fields = ["-e", "frame.time_epoch", "-e", "udp.dstport"];
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields"])
        .args(fields)
        .arg("-r")
        .arg(file)
        .output()
        .expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let packet = |line: &str| {
        let (time, port) = line.split_once('\t')?;
        Some((time.parse().ok()?, port.parse().ok()?))
    };
    text.lines().filter_map(packet).collect()
}

/// The objects with this field that were said.
fn said(traced: &Traced, field: &str) -> Vec<Value> {
    let lines = traced.said.lines();
    let values = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values
        .map(|value| value[field].clone())
        .filter(|value| !value.is_null())
        .collect()
}

/// A drop in the middle of the traffic: what is around it is in the file, and no more.
fn assert_recorded(file: &Path, traced: &Traced, ports: Ports) {
    let triggered = said(traced, "triggered");
    assert_eq!(triggered.len(), 1, "{}", traced.said);
    assert_eq!(triggered[0]["by"], "drop", "{}", traced.said);
    assert_eq!(triggered[0]["reason"], "NO_SOCKET", "{}", traced.said);
    assert!(traced.status.success(), "{}", traced.said);
    let packets = packets(file);
    let dropped: Vec<f64> = packets
        .iter()
        .filter(|(_, port)| *port == ports.closed)
        .map(|(time, _)| *time)
        .collect();
    assert_eq!(dropped.len(), 1, "{packets:?}");
    let (first, last) = (packets[0].0, packets[packets.len() - 1].0);
    // The recorder looks several times a second whether something was dropped.
    let before = dropped[0] - first;
    assert!((0.5..=1.01).contains(&before), "{before} s before the drop");
    let after = last - dropped[0];
    assert!((0.45..=1.1).contains(&after), "{after} s after the drop");
    assert!((1.4..=1.51).contains(&(last - first)), "{}", last - first);
}

#[test]
fn a_drop_writes_the_packet_and_the_time_around_it() {
    let (pair, folder) = (VethPair::new("drop"), Folder::new("drop"));
    let file = folder.path("d.pcapng");
    let ports = Ports::from(7801);
    let words = ["--trigger-drop", &ports.expression()];
    let mut capture = capture(&pair, &file, &words);
    send(&pair, ports.open, ports.story());
    capture.wait_for("\"by\":\"drop\"");
    assert_recorded(&file, &capture.end(), ports);
}

#[test]
fn only_the_reasons_that_are_named_trigger() {
    let (pair, folder) = (VethPair::new("reason"), Folder::new("reason"));
    let (named, other) = (folder.path("named.pcapng"), folder.path("other.pcapng"));
    let ports = Ports::from(7803);
    let expression = ports.expression();
    let words = ["--trigger-drop=TCP_CSUM,no_socket", &expression];
    let mut hears = capture(&pair, &named, &words);
    let words = ["--trigger-drop=TCP_CSUM,IP_CSUM", &expression];
    let hears_not = capture(&pair, &other, &words);
    send(&pair, ports.open, ports.story());
    hears.wait_for("\"by\":\"drop\"");
    assert_recorded(&named, &hears.end(), ports);
    let traced = hears_not.end();
    assert!(said(&traced, "triggered").is_empty(), "{}", traced.said);
    assert!(traced.status.success(), "{}", traced.said);
    assert_eq!(packets(&other), []);
    let account = &said(&traced, "account")[0];
    assert_eq!(account["expired"], 602, "{account}");
}

#[test]
fn drops_of_other_packets_do_not_trigger() {
    let (pair, folder) = (VethPair::new("others"), Folder::new("others"));
    let file = folder.path("o.pcapng");
    let ports = Ports::from(7805);
    let expression = format!("udp dst port {}", ports.open);
    let capture = capture(&pair, &file, &["--trigger-drop", &expression]);
    send(&pair, ports.open, [ports.open, ports.closed, ports.open]);
    sleep(Duration::from_millis(600));
    let traced = capture.end();
    assert!(said(&traced, "triggered").is_empty(), "{}", traced.said);
    assert_eq!(packets(&file), []);
}

#[test]
fn a_reason_that_the_kernel_does_not_have_is_wrong_usage_and_makes_no_file() {
    let (pair, folder) = (VethPair::new("unknown"), Folder::new("unknown"));
    let file = folder.path("u.pcapng");
    let mut command = program::pktrail();
    command.args(["-i", VethPair::B, "--netns", pair.b.name(), "--keep", "1s"]);
    command.arg("--trigger-drop=NO_SUCH_REASON").arg("-w");
    let output = command.arg(&file).output().expect("pktrail runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("pktrail trace --drops"), "{said}");
    assert!(!file.exists());
}

#[test]
fn drops_that_were_not_seen_are_said_and_make_the_exit_status_1() {
    let (pair, folder) = (VethPair::new("flood"), Folder::new("flood"));
    let file = folder.path("f.pcapng");
    let ports = Ports::from(7807);
    let expression = ports.expression();
    // Nothing is captured, so that nothing else can be lost.
    let words = ["-Q", "out", "--trigger-drop=UDP_CSUM", &expression];
    let capture = capture(&pair, &file, &words);
    capture.signal("STOP");
    // The rings hold 64 MiB at most, and an event has more than 128 bytes.
    pair.a.within(|| {
        let socket = UdpSocket::bind((VethPair::ADDRESS_A, 0)).expect("a free port");
        for _ in 0..550_000 {
            let _ = socket.send_to(b"", (VethPair::ADDRESS_B, ports.closed));
        }
    });
    capture.signal("CONT");
    let traced = capture.end();
    assert!(
        traced.said.contains("drops were not seen"),
        "{}",
        traced.said
    );
    assert_eq!(traced.status.code(), Some(1), "{}", traced.said);
    assert!(said(&traced, "triggered").is_empty(), "{}", traced.said);
    let account = &said(&traced, "account")[0];
    assert_eq!(account["received"], 0, "{account}");
}
