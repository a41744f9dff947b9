//! Damaged files: as many frames as tshark sees, and clean after repair.

use crate::peers::{run, try_run};
use crate::{Folder, batch, pcap_bytes, pcapng_bytes, read};
use pktrail::file::repair;
use pktrail::pcap::Precision;

/// How many frames tshark reads before it gives up.
fn tshark_count(path: &str) -> usize {
    let said = try_run(
        "tshark",
        &["-n", "-r", path, "-T", "fields", "-e", "frame.number"],
    );
    said.text().lines().count()
}

#[test]
fn a_cut_file_has_the_frames_that_tshark_finds_and_repair_makes_it_clean() {
    let folder = Folder::new();
    let batch = batch(40);
    for bytes in [pcapng_bytes(&batch), pcap_bytes(&batch, Precision::Nano)] {
        for part in [3, 6, 11] {
            let cut = bytes.len() * part / 12 + part;
            let path = folder.file("cut", &bytes[..cut]);
            let (ours, _, end) = read(&path);
            if cut < 4096 && bytes[0] == 0x0a {
                continue;
            }
            assert_eq!(ours.len(), tshark_count(&path), "cut at {cut}");
            if end.is_err() {
                assert!(!try_run("capinfos", &[&path]).ok, "cut at {cut}");
            }
            let repaired = repair(&path).expect("it can be repaired");
            assert_eq!(repaired.kept_frames as usize, ours.len());
            run("capinfos", &[&path]);
            run("tcpdump", &["-r", &path, "-w", &folder.path("copy")]);
            assert_eq!(tshark_count(&path), ours.len());
        }
    }
}

#[test]
fn zeros_after_a_crash_are_cut_off() {
    let folder = Folder::new();
    let mut bytes = pcapng_bytes(&batch(40));
    bytes.resize(bytes.len() + (20 << 20), 0);
    let path = folder.file("zeros", &bytes);
    assert!(!try_run("capinfos", &[&path]).ok);
    let repaired = repair(&path).expect("it can be repaired");
    assert_eq!((repaired.kept_frames, repaired.cut_bytes), (40, 20 << 20));
    run("capinfos", &[&path]);
    assert_eq!(tshark_count(&path), 40);
}
