//! The flight recorder: what was kept is written when a trigger comes, and
//! nothing else is.

use super::support::{Ended, PORT, Running, numbers, on_cable, send};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(2);

/// The file holds the numbers of one stretch without a gap; returns it.
fn stretch(file: &Path) -> std::ops::Range<u32> {
    let numbers = numbers(file);
    let (first, last) = (numbers[0], *numbers.last().unwrap());
    assert!(numbers.iter().copied().eq(first..last + 1), "{numbers:?}");
    first..last + 1
}

/// Every packet is in the file or has expired.
fn assert_kept(ended: &Ended, sent: u64, written: usize) {
    assert!(ended.status.success(), "{}", ended.said);
    assert_eq!(ended.assert_accounted(sent), written as u64);
    let account = ended.account();
    assert_eq!(account["expired"], sent - written as u64, "{account}");
}

/// Times of the first and the last packet, in seconds, by tshark.
fn times(file: &Path) -> (f64, f64) {
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "frame.time_epoch", "-r"])
        .arg(file)
        .output()
        .expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let times: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    (times[0], *times.last().unwrap())
}

#[test]
fn sigusr2_writes_the_time_before_and_after_it() {
    let (pair, folder) = (VethPair::new("keep"), Folder::new("program-keep"));
    let file = folder.path("k.pcapng");
    let words = [
        "--keep",
        "1s",
        "--after",
        "0.5",
        "-w",
        file.to_str().unwrap(),
    ];
    let mut running = Running::start(&mut on_cable(&pair, &words), &folder);
    std::thread::scope(|scope| {
        scope.spawn(|| send(&pair, 0..2_000, 100, PAUSE));
        sleep(Duration::from_secs(2));
        running.signal("USR2");
    });
    running.wait_for("\"by\":\"signal\"");
    let ended = running.stop();
    let written = stretch(&file);
    assert!(
        written.start > 100,
        "{written:?}: what is older is not written"
    );
    assert!(
        written.end < 1_990,
        "{written:?}: what comes later is not written"
    );
    assert_kept(&ended, 2_000, written.len());
    let (first, last) = times(&file);
    // The first packet at least one pause behind the window's begin.
    assert!((1.3..=1.501).contains(&(last - first)), "{}", last - first);
}

#[test]
fn each_trigger_writes_its_own_stretch_and_a_late_one_is_heard() {
    let (pair, folder) = (VethPair::new("twice"), Folder::new("program-twice"));
    let file = folder.path("t.pcapng");
    let words = ["--keep", "4M", "--after", "0", "-w", file.to_str().unwrap()];
    let mut running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..300, 100, Duration::ZERO);
    sleep(Duration::from_millis(500));
    running.signal("USR2");
    running.wait_for("\"packets\":300");
    send(&pair, 300..700, 100, Duration::ZERO);
    sleep(Duration::from_millis(300));
    // The capture ends before the next look at the flag.
    running.signal("USR2");
    let ended = running.stop();
    assert_eq!(stretch(&file), 0..700);
    assert_kept(&ended, 700, 700);
}

#[test]
fn without_a_trigger_nothing_is_written_and_memory_is_bounded() {
    let (pair, folder) = (VethPair::new("quiet"), Folder::new("program-quiet"));
    let file = folder.path("q.pcapng");
    let words = ["--keep", "1M", "-w", file.to_str().unwrap()];
    let mut running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..20_000, 1_000, Duration::ZERO);
    sleep(Duration::from_millis(500));
    running.signal("USR1");
    running.wait_for("\"account\"");
    // 20 MB have come by.
    let memory = running.anonymous_kib();
    assert!(memory < 12 << 10, "{memory} KiB");
    let ended = running.stop();
    assert!(numbers(&file).is_empty());
    assert_kept(&ended, 20_000, 0);
}

#[test]
fn a_matching_packet_triggers() {
    let (pair, folder) = (VethPair::new("match"), Folder::new("program-match"));
    let file = folder.path("m.pcapng");
    let path = file.to_str().unwrap();
    let trigger = format!("udp dst port {}", PORT + 1);
    let words = [
        "--keep",
        "64K",
        "--after",
        "0",
        "--trigger",
        &trigger,
        "-w",
        path,
    ];
    let mut running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..5_000, 1_000, Duration::ZERO);
    let bind = |address: &str, port| UdpSocket::bind((address, port)).expect("bind");
    let _listener = pair.b.within(|| bind(VethPair::ADDRESS_B, PORT + 1));
    let socket = pair.a.within(|| bind(VethPair::ADDRESS_A, 0));
    socket
        .send_to(b"now", (VethPair::ADDRESS_B, PORT + 1))
        .unwrap();
    running.wait_for("\"by\":\"packet\"");
    send(&pair, 5_000..5_100, 1_000, Duration::ZERO);
    let ended = running.stop();
    let written = stretch(&file);
    assert_eq!(written.end, 5_000);
    // 64 KiB, in pieces of 4 KiB, hold 45 to 60 of them.
    assert!((42..=62).contains(&written.len()), "{written:?}");
    assert_kept(&ended, 5_101, written.len() + 1);
}
