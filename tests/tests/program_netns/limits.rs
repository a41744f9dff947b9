//! Limits end a capture at exactly the right packet.

use super::support::{Running, numbers, on_cable, send};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_count_is_exact() {
    let (pair, folder) = (VethPair::new("count"), Folder::new("program-count"));
    let file = folder.path("c.pcapng");
    let words = ["-c", "123", "-w", file.to_str().unwrap()];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..1_000, 64, Duration::ZERO);
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.said);
    assert!(numbers(&file).iter().copied().eq(0..123));
    let account = ended.account();
    assert_eq!(
        (account["delivered"].as_u64(), account["in_flight"].as_u64()),
        (Some(123), Some(0))
    );
}

#[test]
fn a_duration_ends_an_idle_capture() {
    let (pair, folder) = (VethPair::new("time"), Folder::new("program-time"));
    let file = folder.path("d.pcapng");
    let begin = Instant::now();
    let words = ["--duration", "1", "-w", file.to_str().unwrap()];
    let ended = Running::start(&mut on_cable(&pair, &words), &folder).end();
    assert!(ended.status.success(), "{}", ended.said);
    assert!(begin.elapsed() >= Duration::from_secs(1));
    ended.assert_accounted(0);
}

#[test]
fn bytes_and_files_end_a_capture() {
    let (pair, folder) = (VethPair::new("bytes"), Folder::new("program-bytes"));
    let file = folder.path("b.pcapng");
    // Ethernet, IPv4 and UDP headers are 42 bytes.
    let words = ["--max-bytes", "1000", "-w", file.to_str().unwrap()];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..50, 58, Duration::ZERO);
    assert!(running.end().status.success());
    assert_eq!(numbers(&file).len(), 10);

    let pattern = folder.path("f.pcapng");
    let words = [
        "--rotate-packets",
        "7",
        "--max-files",
        "3",
        "-w",
        pattern.to_str().unwrap(),
    ];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..50, 58, Duration::ZERO);
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.said);
    assert_eq!(ended.account()["delivered"], 21);
}

#[test]
fn a_ring_that_does_not_fit_is_halved_with_a_warning() {
    let (pair, folder) = (VethPair::new("ulimit"), Folder::new("program-ulimit"));
    let capture = on_cable(&pair, &["-c", "3"]);
    let mut limited = Command::new("sh");
    // KiB of address space, in which the least ring of 64 MiB has no place.
    limited.args(["-c", "ulimit -v 60000; exec \"$@\"", "sh"]);
    limited.arg(capture.get_program()).args(capture.get_args());
    let running = Running::start(&mut limited, &folder);
    send(&pair, 0..3, 64, Duration::ZERO);
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.said);
    let warning = "has 32768 KiB instead of 65536 KiB";
    assert!(ended.said.contains(warning), "{}", ended.said);
    ended.assert_accounted(3);
}
