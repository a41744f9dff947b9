//! A trace that is killed leaves nothing in the kernel: links end with their descriptors.

use pktrail_tests::netns::VethPair;
use pktrail_tests::tracing::Tracing;
use serde_json::Value;
use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// The programs that the kernel has, by bpftool.
fn programs() -> Vec<Value> {
    let output = Command::new("bpftool")
        .args(["-j", "prog", "list"])
        .output();
    let output = output.expect("bpftool runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("a list")
}

/// Numbers of those that a process holds, by what the kernel says of its descriptors.
fn held_by(process: u32) -> HashSet<u64> {
    let folder = std::fs::read_dir(format!("/proc/{process}/fdinfo")).expect("it runs");
    let texts = folder.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
    let numbers = |text: String| {
        let numbers = text.lines().filter_map(|line| {
            let number = line.strip_prefix("prog_id:")?;
            number.trim().parse::<u64>().ok()
        });
        numbers.collect::<Vec<_>>()
    };
    texts.flat_map(numbers).collect()
}

#[test]
fn nothing_stays_attached_when_it_is_killed() {
    let pair = VethPair::new("trace-killed");
    let tracing = Tracing::start(&["--netns", pair.a.name()]);
    let held = held_by(tracing.pid());
    assert!(held.len() > 20, "{held:?}");
    tracing.signal("KILL");
    drop(tracing);
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let left: HashSet<u64> = programs().iter().filter_map(|p| p["id"].as_u64()).collect();
        let left: Vec<_> = left.intersection(&held).collect();
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "still there: {left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
