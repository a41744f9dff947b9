//! Many files one after the other, with a command for each that takes longer than
//! the files do: the ring does not notice.

use super::disk::assert_sum;
use super::support::{Capture, Load, account, check_file, check_order, count};
use pktrail_benches::testbed;
use pktrail_tests::files::Folder;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Frames a second: some 15 MB.
const RATE: u64 = 10_000;
const FILES: usize = 12;

#[test]
fn commands_that_take_longer_than_the_files_cost_no_frame() {
    testbed::enter().expect("a namespace");
    let folder = Folder::new("faults-rotation");
    let command = folder.path("command");
    fs::write(&command, "#!/bin/sh\nsleep 3\n").expect("ours");
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).expect("ours");
    let path = folder.path("out");
    let words = ["-w", path.to_str().unwrap(), "-C", "2", "--ring", "4M"];
    let with_command = ["-z", command.to_str().unwrap(), "--block", "256K"];
    let capture = Capture::start(&folder, &[&words[..], &with_command].concat());
    let name = |number: usize| match number {
        0 => path.clone(),
        number => PathBuf::from(format!("{}{number}", path.display())),
    };
    let load = Load::start(RATE);
    let begun = Instant::now();
    while !name(FILES).exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "no file follows");
        sleep(Duration::from_millis(5));
    }
    let sent = load.end();
    let (status, said) = capture.stop();
    assert!(status.success(), "{said}");
    let account = account(&said);
    assert_sum(&account);
    assert_eq!(count(&account["delivered"]), sent, "{said}");
    let mut seen = Vec::new();
    for number in (0..).take_while(|number| name(*number).exists()) {
        let (held, behind) = check_file(&name(number));
        assert_eq!(behind, 0, "file {number}");
        seen.extend(held);
    }
    check_order(&seen);
    assert_eq!(seen.len() as u64, sent);
}
