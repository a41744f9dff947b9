//! Signals: a good end, an account on request, and an end without warning.

use super::support::{Running, numbers, on_cable, send, with_hangup};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use pktrail_tests::program::pktrail;
use std::time::Duration;

#[test]
fn interrupt_terminate_and_hangup_finish_the_file() {
    let (pair, folder) = (VethPair::new("signal"), Folder::new("program-signal"));
    for signal in ["INT", "TERM", "HUP"] {
        let file = folder.path("s.pcapng");
        let words = ["-w", file.to_str().unwrap()];
        let running = Running::start(&mut with_hangup("default", &pair, &words), &folder);
        send(&pair, 0..500, 64, Duration::ZERO);
        running.signal(signal);
        let ended = running.end();
        assert!(ended.status.success(), "{signal}: {}", ended.said);
        ended.assert_accounted(500);
        assert_eq!(numbers(&file).len(), 500, "{signal}");
    }
}

#[test]
fn a_hangup_that_was_ignored_stays_ignored() {
    let (pair, folder) = (VethPair::new("nohup"), Folder::new("program-nohup"));
    let file = folder.path("n.pcapng");
    let words = ["-w", file.to_str().unwrap()];
    let running = Running::start(&mut with_hangup("ignore", &pair, &words), &folder);
    running.signal("HUP");
    std::thread::sleep(Duration::from_millis(500));
    send(&pair, 0..100, 64, Duration::ZERO);
    running.stop().assert_accounted(100);
}

#[test]
fn the_account_is_said_on_request_and_at_intervals() {
    let (pair, folder) = (VethPair::new("usr1"), Folder::new("program-usr1"));
    let file = folder.path("u.pcapng");
    let words = ["-w", file.to_str().unwrap()];
    let mut running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..70, 64, Duration::ZERO);
    std::thread::sleep(Duration::from_millis(600));
    running.signal("USR1");
    running.wait_for("\"delivered\":70");
    running.stop().assert_accounted(70);
    let words = ["--stats", "0.2", "-w", file.to_str().unwrap()];
    let mut running = Running::start(&mut on_cable(&pair, &words), &folder);
    running.wait_for("\"account\"");
    running.stop();
}

#[test]
fn after_kill_9_every_whole_block_is_read_and_repair_cleans_the_rest() {
    let (pair, folder) = (VethPair::new("kill"), Folder::new("program-kill"));
    let file = folder.path("k.pcapng");
    let words = ["-U", "-w", file.to_str().unwrap()];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..3_000, 300, Duration::ZERO);
    std::thread::sleep(Duration::from_millis(400));
    running.signal("KILL");
    let ended = running.end();
    assert!(!ended.status.success());
    let whole = numbers(&file);
    assert!(
        whole.iter().copied().eq(0..3_000),
        "{} packets",
        whole.len()
    );
    // A crash of the machine may leave half a block: make one, of a packet that
    // was 64 bytes long.
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend([6, 0, 0, 0, 96, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    std::fs::write(&file, bytes).unwrap();
    let output = pktrail().arg("repair").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("kept 3000 packets"), "{said}");
    assert!(said.contains("cut 16 bytes"), "{said}");
    assert!(numbers(&file).iter().copied().eq(0..3_000));
    let again = pktrail().arg("repair").arg(&file).output().unwrap();
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("sound"),
        "{again:?}"
    );
}
