//! `-w FILE`, judged by tshark, tcpdump and capinfos.

use crate::shown::{send, stage};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::{Netns, VethPair, run};
use pktrail_tests::tracing::{Traced, Tracing};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

fn trace(pair: &VethPair, file: &Path, words: &[&str], work: impl FnOnce()) -> Traced {
    let file = file.to_str().expect("a path");
    let mut all = vec![
        "-w",
        file,
        "--netns",
        pair.a.name(),
        "--netns",
        pair.b.name(),
    ];
    all.extend(words);
    let tracing = Tracing::start(&all);
    work();
    let traced = tracing.end();
    assert!(traced.status.success(), "{}", traced.said);
    traced
}

/// These fields of each frame, as tshark reads them.
fn fields(file: &Path, names: &[&str]) -> Vec<Vec<String>> {
    let mut words = vec![
        "-n",
        "-T",
        "fields",
        "-E",
        "separator=/t",
        "-E",
        "aggregator=|",
    ];
    for name in names {
        words.extend(["-e", name]);
    }
    words.extend(["-r", file.to_str().expect("a path")]);
    let text = run("tshark", &words);
    let row = |line: &str| line.split('\t').map(str::to_owned).collect();
    text.lines().map(row).collect()
}

/// tcpdump at one end of the cable: an independent witness.
struct Witness {
    child: Child,
    // Kept open, so that it can say its counts.
    said: BufReader<ChildStderr>,
    file: PathBuf,
}

impl Witness {
    fn begin(netns: &Netns, interface: &str, file: PathBuf) -> Self {
        let mut command = netns.command("tcpdump");
        command.args(["-Z", "root", "-U", "-i", interface, "-w"]);
        command.arg(&file).arg("udp").stderr(Stdio::piped());
        let mut child = command.spawn().expect("tcpdump runs");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            let read = said.read_line(&mut line).expect("it can be read");
            assert!(read > 0, "tcpdump ended");
        }
        Self { child, said, file }
    }

    /// Ends it when it has written `count` packets. Returns what of them is compared.
    fn end(mut self, count: usize) -> Vec<Vec<String>> {
        let begin = Instant::now();
        while compared(&self.file, None).len() < count {
            assert!(begin.elapsed() < PATIENCE, "tcpdump saw too little");
            std::thread::sleep(Duration::from_millis(50));
        }
        let pid = self.child.id().to_string();
        run("kill", &["-s", "INT", &pid]);
        self.child.wait().expect("it ends");
        drop(self.said);
        compared(&self.file, None)
    }
}

/// Headers and data of each frame of an interface, or of all.
fn compared(file: &Path, interface: Option<&str>) -> Vec<Vec<String>> {
    let names = [
        "frame.interface_name",
        "eth.src",
        "eth.dst",
        "ip.id",
        "udp.payload",
        "ip.src",
        "frame.len",
    ];
    let mut rows = fields(file, &names);
    rows.retain(|row| interface.is_none_or(|wanted| row[0] == wanted));
    rows.iter().map(|row| row[1..].to_vec()).collect()
}

/// What a person sees: the comments of what was sent, then of what was received.
fn check_comments(sent: &[String], received: &[String], pair: &VethPair) {
    let [place, _, comments] = sent else {
        panic!("{sent:?}")
    };
    assert_eq!(*place, format!("pkt-a@{}", pair.a.name()));
    assert!(comments.contains("OUTPUT begins"), "{comments}");
    assert!(comments.contains("net_dev_start_xmit"), "{comments}");
    assert!(!comments.contains("netif_receive_skb"), "{comments}");
    let [place, _, comments] = received else {
        panic!("{received:?}")
    };
    assert_eq!(*place, format!("pkt-b@{}", pair.b.name()));
    assert!(comments.contains("netif_receive_skb"), "{comments}");
    assert!(comments.contains("= dropped"), "{comments}");
    assert!(comments.contains("Try: "), "{comments}");
}

#[test]
fn frames_are_true_on_their_interfaces_with_their_trail_as_comments() {
    let pair = stage("trace-file");
    let folder = Folder::new("trace-file");
    let file = folder.path("trails.pcapng");
    let at_a = Witness::begin(&pair.a, VethPair::A, folder.path("a"));
    let at_b = Witness::begin(&pair.b, VethPair::B, folder.path("b"));
    let traced = trace(&pair, &file, &["udp port 4000 or udp port 4001"], || {
        send(&pair, 4000);
        send(&pair, 4001);
    });
    assert_eq!(traced.shown, "", "a file is written, nothing printed");
    let names = ["frame.interface_name", "udp.dstport", "frame.comment"];
    let rows = fields(&file, &names);
    assert_eq!(rows.len(), 4, "{rows:#?}");
    for port in ["4000", "4001"] {
        let of_port: Vec<_> = rows.iter().filter(|row| row[1] == port).collect();
        let [sent, received] = of_port[..] else {
            panic!("{rows:#?}")
        };
        check_comments(sent, received, &pair);
    }
    // Byte for byte what the witnesses saw, link header included.
    for (witness, place) in [
        (at_a, format!("pkt-a@{}", pair.a.name())),
        (at_b, format!("pkt-b@{}", pair.b.name())),
    ] {
        assert_eq!(compared(&file, Some(&place)), witness.end(2));
    }
    // Comments are shown one by one, and tcpdump reads it too.
    let path = file.to_str().expect("a path");
    let verbose = run("tshark", &["-V", "-r", path]);
    assert!(
        verbose.matches("netfilter OUTPUT begins").count() >= 2,
        "{verbose}"
    );
    let printed = run("tcpdump", &["-n", "-r", path]);
    assert_eq!(printed.lines().count(), 4, "{printed}");
    let counted = run("capinfos", &["-M", "-c", path]);
    assert!(counted.contains("Number of packets:   4"), "{counted}");
}

#[test]
fn a_packet_that_passes_no_device_is_a_frame_too() {
    let pair = VethPair::new("trace-nodev");
    let rule = "add table ip pkt; add chain ip pkt c { type filter hook output priority 0; }; \
        add rule ip pkt c udp dport 4001 drop";
    pair.a.exec(&["nft", rule]);
    let folder = Folder::new("trace-nodev");
    let file = folder.path("trails.pcapng");
    trace(&pair, &file, &["udp port 4001"], || {
        pair.a.within(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
            // The rule makes the call fail.
            let refused = socket.send_to(b"to nobody", (VethPair::ADDRESS_B, 4001));
            assert!(refused.is_err());
        });
    });
    let rows = fields(&file, &["udp.dstport", "frame.comment"]);
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(rows[0][0], "4001");
    assert!(rows[0][1].contains("= dropped: NETFILTER_DROP"), "{rows:?}");
    assert!(rows[0][1].contains("link header was made"), "{rows:?}");
}

#[test]
fn frames_of_one_packet_share_an_id_and_are_in_order() {
    let pair = VethPair::new("trace-ids");
    let folder = Folder::new("trace-ids");
    let file = folder.path("trails.pcapng");
    trace(&pair, &file, &["udp port 4000"], || {
        for _ in 0..50 {
            send(&pair, 4000);
        }
    });
    let bytes = std::fs::read(&file).expect("the file");
    let mut ids: std::collections::BTreeMap<u64, usize> = Default::default();
    for block in blocks(&bytes) {
        if block.0 != 6 {
            continue;
        }
        for (code, value) in options(block.1) {
            if code == 5 {
                let id = u64::from_le_bytes(value.try_into().expect("eight bytes"));
                *ids.entry(id).or_default() += 1;
            }
        }
    }
    assert_eq!(ids.len(), 50, "{ids:?}");
    assert!(ids.values().all(|count| *count == 2), "{ids:?}");
    let times: Vec<f64> = fields(&file, &["frame.time_epoch"])
        .iter()
        .map(|row| row[0].parse().expect("a time"))
        .collect();
    assert!(times.is_sorted() && times.len() == 100, "{times:?}");
}

#[test]
fn the_custom_option_of_each_frame_has_the_trail_for_programs() {
    let pair = VethPair::new("trace-custom");
    let folder = Folder::new("trace-custom");
    let file = folder.path("trails.pcapng");
    trace(&pair, &file, &["udp port 4000"], || send(&pair, 4000));
    let bytes = std::fs::read(&file).expect("the file");
    let mut next_hop = 0;
    let mut verdicts = Vec::new();
    for (_, body) in blocks(&bytes).iter().filter(|(kind, _)| *kind == 6) {
        let options = options(body);
        let value = |code: u16| {
            let mut found = options.iter().filter(|(known, _)| *known == code);
            let (_, value) = found.next().unwrap_or_else(|| panic!("{code}"));
            assert!(found.next().is_none(), "{code} comes once");
            *value
        };
        let (enterprise, text) = value(2988).split_at(4);
        assert_eq!(enterprise, 32473_u32.to_le_bytes());
        let trail: Value = serde_json::from_slice(text).expect("JSON");
        // Joined with the other frames of the packet by its number.
        assert_eq!(trail["packet"], "1", "{trail:#}");
        assert_eq!(value(5), (1_u64 << 20).to_le_bytes());
        // Each hop is in one frame, in order.
        assert_eq!(trail["first_hop"], next_hop, "{trail:#}");
        let hops = trail["hops"].as_array().expect("hops");
        next_hop += hops.len();
        for hop in hops {
            assert!(
                hop["time_ns"].is_u64() && hop["point"].is_string(),
                "{hop:#}"
            );
        }
        verdicts.extend(trail["verdict"].as_str().map(str::to_owned));
    }
    assert!(next_hop > 5, "{next_hop}");
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    assert!(
        verdicts[0].starts_with("dropped: NO_SOCKET"),
        "{verdicts:?}"
    );
}

/// Type and body of each block.
fn blocks(bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let length = usize::try_from(word(at + 4)).expect("small");
        found.push((word(at), &bytes[at + 8..at + length - 4]));
        at += length;
    }
    found
}

/// Code and value of each option of an enhanced packet block.
fn options(body: &[u8]) -> Vec<(u16, &[u8])> {
    let captured = u32::from_le_bytes(body[12..16].try_into().expect("four"));
    let mut at = 20
        + usize::try_from(captured)
            .expect("small")
            .next_multiple_of(4);
    let half = |at: usize| u16::from_le_bytes(body[at..at + 2].try_into().expect("two"));
    let mut found = Vec::new();
    while at + 4 <= body.len() && half(at) != 0 {
        let length = usize::from(half(at + 2));
        found.push((half(at), &body[at + 4..at + 4 + length]));
        at += 4 + length.next_multiple_of(4);
    }
    found
}
