//! Compression while capturing: nothing is missing, and after kill -9 the file
//! is read up to its last whole piece.

use super::support::{Running, numbers, on_cable, send, send_noise, told_lost};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use std::time::Duration;

#[test]
fn every_packet_is_in_the_compressed_file_in_order() {
    let (pair, folder) = (VethPair::new("zip"), Folder::new("program-zip"));
    for compression in ["zstd", "gz:1"] {
        let file = folder.path("c");
        let words = ["--compress", compression, "-w", file.to_str().unwrap()];
        let running = Running::start(&mut on_cable(&pair, &words), &folder);
        send(&pair, 0..10_000, 500, Duration::ZERO);
        let ended = running.stop();
        assert!(ended.status.success(), "{}", ended.said);
        assert_eq!(ended.assert_accounted(10_000), 10_000);
        assert!(
            numbers(&file).iter().copied().eq(0..10_000),
            "{compression}"
        );
        let len = std::fs::metadata(&file).unwrap().len();
        assert!(len < 10_000 * 300, "{compression}: {len} bytes");
    }
}

#[test]
fn after_kill_9_the_whole_pieces_are_read() {
    let (pair, folder) = (VethPair::new("zipkill"), Folder::new("program-zipkill"));
    for compression in ["zstd", "gz"] {
        let file = folder.path("k");
        let words = [
            "-U",
            "--compress",
            compression,
            "-w",
            file.to_str().unwrap(),
        ];
        let running = Running::start(&mut on_cable(&pair, &words), &folder);
        send(&pair, 0..3_000, 300, Duration::ZERO);
        std::thread::sleep(Duration::from_millis(800));
        std::thread::scope(|scope| {
            // In the middle of others.
            scope.spawn(|| send(&pair, 3_000..8_000, 300, Duration::from_micros(10)));
            std::thread::sleep(Duration::from_millis(100));
            running.signal("KILL");
        });
        assert!(!running.end().status.success());
        let found = numbers(&file);
        assert!(
            found.len() >= 3_000,
            "{compression}: {} packets",
            found.len()
        );
        assert!(found.iter().copied().eq(0..found.len() as u32));
    }
}

#[test]
fn what_the_threads_cannot_take_is_lost_in_the_ring_and_counted() {
    let (pair, folder) = (VethPair::new("zipslow"), Folder::new("program-zipslow"));
    let file = folder.path("s");
    let path = file.to_str().unwrap();
    let words = [
        "--compress",
        "gz:9",
        "--ring",
        "512K",
        "--block",
        "128K",
        "-w",
        path,
    ];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    // Behind the last loss there is a packet that tells it.
    send_noise(&pair, 0..60_000, 1_400);
    std::thread::sleep(Duration::from_secs(3));
    send(&pair, 60_000..60_001, 1_400, Duration::ZERO);
    let ended = running.stop();
    let delivered = ended.assert_accounted(60_001);
    let ring = ended.account()["lost"]["ring"].as_u64().unwrap();
    assert_eq!(delivered + ring, 60_001, "nothing is lost anywhere else");
    assert!(ring > 0, "{}", ended.said);
    assert_eq!(ended.status.code(), Some(1));
    let found = numbers(&file);
    assert_eq!(found.len() as u64, delivered);
    assert!(found.is_sorted());
    assert_eq!(told_lost(&file), ring);
}
