//! One interface over two rings: in one file in time order, in one as they come,
//! and in a file for each ring.

use super::disk::assert_sum;
use super::support::{Capture, Load, account, check_file, check_order, count, in_order};
use pktrail_benches::testbed;
use pktrail_tests::files::Folder;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// Frames a second.
const RATE: u64 = 20_000;

/// The numbers of the frames in each file, in the files' order.
fn captured(folder: &Folder, words: &[&str], names: &[&str]) -> Vec<Vec<u64>> {
    let path = folder.path("out.pcapng");
    let all = [&["-w", path.to_str().unwrap(), "--fanout", "2"], words].concat();
    let capture = Capture::start(folder, &all);
    let load = Load::start(RATE);
    sleep(Duration::from_secs(2));
    let sent = load.end();
    let (status, said) = capture.stop();
    assert!(status.success(), "{said}");
    let account = account(&said);
    assert_sum(&account);
    assert_eq!(count(&account["delivered"]), sent, "{said}");
    let files = names.iter().map(|name| {
        let (seen, behind) = check_file(&folder.path(name));
        assert_eq!(behind, 0, "{name}");
        seen
    });
    let files: Vec<_> = files.collect();
    if let [only] = &files[..]
        && !words.contains(&"--unordered")
    {
        assert_eq!(check_order(only), 0);
    }
    let numbers = |seen: &Vec<(u64, u64)>| seen.iter().map(|(number, _)| *number).collect();
    let files: Vec<Vec<u64>> = files.iter().map(numbers).collect();
    let mut every = files.concat();
    every.sort_unstable();
    assert_eq!(every, (0..sent).collect::<Vec<_>>(), "each once");
    files
}

fn capinfos(path: &Path) -> String {
    let ended = Command::new("capinfos").arg(path).output();
    String::from_utf8_lossy(&ended.expect("capinfos runs").stdout).into_owned()
}

#[test]
fn two_rings_become_one_file_in_order_or_as_they_come() {
    testbed::enter().expect("a namespace");
    let folder = Folder::new("rings-one");
    captured(&folder, &[], &["out.pcapng"]);
    let said = capinfos(&folder.path("out.pcapng"));
    assert!(said.contains("Strict time order:   True"), "{said}");
    captured(&folder, &["--unordered"], &["out.pcapng"]);
    let said = capinfos(&folder.path("out.pcapng"));
    assert!(said.contains("not in time order"), "{said}");
}

#[test]
fn each_ring_has_a_file_in_its_own_order() {
    testbed::enter().expect("a namespace");
    let folder = Folder::new("rings-each");
    let names = ["out-0.pcapng", "out-1.pcapng"];
    let files = captured(&folder, &["--file-per-ring"], &names);
    for (file, name) in files.iter().zip(names) {
        assert!(file.len() > 1000 && file.is_sorted(), "{name}");
        let said = capinfos(&folder.path(name));
        assert!(said.contains("Strict time order:   True"), "{said}");
    }
    // With rotation each ring goes from file to file by itself.
    let path: PathBuf = folder.path("more-1.pcapng2");
    let words = ["--file-per-ring", "-C", "4", "-W", "4", "--max-files", "4"];
    let out = folder.path("more.pcapng");
    let all = [&["-w", out.to_str().unwrap(), "--fanout", "2"], &words[..]].concat();
    let capture = Capture::start(&folder, &all);
    let load = Load::start(RATE);
    let (_, said) = capture.end();
    drop(load);
    assert_sum(&account(&said));
    assert!(path.exists(), "{said}");
    for ring in ["more-0.pcapng", "more-1.pcapng"] {
        let mut numbers = Vec::new();
        for path in in_order(&folder.path(ring)) {
            let (seen, behind) = check_file(&path);
            assert_eq!(behind, 0, "{}", path.display());
            numbers.extend(seen.into_iter().map(|(number, _)| number));
        }
        assert!(numbers.len() > 1000 && numbers.is_sorted(), "{ring}");
    }
}
