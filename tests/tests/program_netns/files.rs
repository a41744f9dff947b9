//! Rotation on live traffic, and disks that refuse.

use super::support::{Running, numbers, on_cable, send};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use pktrail_tests::program;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The capture files of a folder, by name.
fn files(folder: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.root()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| path.to_string_lossy().contains("r.pcapng");
    let mut files: Vec<PathBuf> = paths.filter(is_capture).collect();
    files.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    files
}

#[test]
fn a_burst_loses_nothing_between_files() {
    let (pair, folder) = (VethPair::new("burst"), Folder::new("program-burst"));
    let (first, log) = (folder.path("r.pcapng"), folder.path("log"));
    let words = [
        "-C",
        "200k",
        "-w",
        first.to_str().unwrap(),
        "--file-log",
        log.to_str().unwrap(),
    ];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..10_000, 400, Duration::ZERO);
    let ended = running.stop();
    assert_eq!(ended.assert_accounted(10_000), 10_000);
    let files = files(&folder);
    assert!(files.len() > 10, "{files:?}");
    let all: Vec<u32> = files.iter().flat_map(|file| numbers(file)).collect();
    assert!(all.iter().copied().eq(0..10_000), "{} packets", all.len());
    let lines = fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), files.len());
    let packets: u64 = lines
        .iter()
        .map(|line| line["packets"].as_u64().unwrap())
        .sum();
    assert_eq!(packets, 10_000);
}

#[test]
fn an_idle_link_ends_its_files_too() {
    let (pair, folder) = (VethPair::new("idle"), Folder::new("program-idle"));
    let (first, log) = (folder.path("r.pcapng"), folder.path("log"));
    let words = [
        "-G",
        "1",
        "-W",
        "3",
        "-w",
        first.to_str().unwrap(),
        "--file-log",
    ];
    let mut command = on_cable(&pair, &words);
    let running = Running::start(command.arg(&log), &folder);
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.said);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 3);
}

#[test]
fn finished_files_are_handed_to_a_command() {
    let (pair, folder) = (VethPair::new("hook"), Folder::new("program-hook"));
    let first = folder.path("r.pcapng");
    let words = [
        "--rotate-packets",
        "100",
        "-z",
        "gzip",
        "-w",
        first.to_str().unwrap(),
    ];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..250, 64, Duration::ZERO);
    let ended = running.stop();
    assert!(ended.status.success(), "{}", ended.said);
    let files = files(&folder);
    assert!(
        files.iter().all(|file| file.extension().unwrap() == "gz"),
        "{files:?}"
    );
    let all: Vec<u32> = files.iter().flat_map(|file| numbers(file)).collect();
    assert!(all.iter().copied().eq(0..250), "{files:?}");
}

#[test]
fn a_full_disk_is_said_counted_and_leaves_a_valid_file() {
    let (pair, folder) = (VethPair::new("full"), Folder::new("program-full"));
    let copy = folder.path("kept.pcapng");
    // The small disk lives in a mount namespace of its own, and goes with it.
    let script = format!(
        "mount -t tmpfs -o size=2M pkt-full {dir} && {program} --json -i {interface} \
         -w {dir}/full.pcapng 2>{said}; status=$?; cp {dir}/full.pcapng {copy}; exit $status",
        dir = folder.path("disk").display(),
        program = program::path().display(),
        interface = VethPair::B,
        said = folder.path("said").display(),
        copy = copy.display(),
    );
    fs::create_dir(folder.path("disk")).unwrap();
    let mut command = pair.b.command("unshare");
    command.args(["-m", "sh", "-c", &script]);
    let mut child = command.spawn().unwrap();
    let said = || fs::read_to_string(folder.path("said")).unwrap_or_default();
    let begin = Instant::now();
    while !said().contains("listening") {
        assert!(begin.elapsed() < Duration::from_secs(10), "{}", said());
    }
    send(&pair, 0..5_000, 1_000, Duration::ZERO);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{}", said());
    let text = said();
    let error = text
        .lines()
        .find(|line| line.starts_with("{\"error\"") && line.contains("lost"));
    let error = error.unwrap_or_default();
    assert!(
        error.contains("full.pcapng") && error.contains("No space left"),
        "{text}"
    );
    let kept = numbers(&copy);
    assert!(!kept.is_empty() && kept.iter().copied().eq(0..kept.len() as u32));
    let ended = super::support::Ended { status, said: text };
    let account = ended.account();
    assert_eq!(
        account["delivered"].as_u64(),
        Some(kept.len() as u64),
        "{account}"
    );
    assert_eq!(account["in_flight"], 0, "{account}");
    assert!(account["lost"]["disk"].as_u64() > Some(0), "{account}");
}

#[test]
fn the_examples_run() {
    let (pair, folder) = (VethPair::new("examples"), Folder::new("program-examples"));
    let build = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "-p",
            "pktrail",
            "--examples",
            "--target-dir",
        ])
        .arg(program::path().ancestors().nth(2).unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(build.unwrap().success());
    let example = |name: &str| program::path().with_file_name("examples").join(name);
    // An example says nothing when it listens, so it is sent to until it ends.
    let output_of = |name: &str, words: &[&str]| {
        let mut command = pair.b.command(example(name).to_str().unwrap());
        let mut child = command.args(words).stdout(Stdio::piped()).spawn().unwrap();
        let begin = Instant::now();
        while child.try_wait().unwrap().is_none() {
            send(&pair, 0..500, 64, Duration::ZERO);
            if begin.elapsed() > Duration::from_secs(20) {
                child.kill().unwrap();
            }
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let flows = output_of("flows", &[VethPair::B]);
    assert!(
        flows.contains(&format!("{}:{}", VethPair::ADDRESS_B, super::support::PORT)),
        "{flows}"
    );
    assert!(output_of("async_runtime", &[VethPair::B, "100"]).contains("packets"));
    let pattern = folder.path("r.pcapng");
    let rotated = output_of("rotate", &[VethPair::B, pattern.to_str().unwrap()]);
    assert!(
        rotated.starts_with("3000 packets written, 0 lost"),
        "{rotated}"
    );
    let written: usize = files(&folder).iter().map(|file| numbers(file).len()).sum();
    assert_eq!(written, 3_000);
    let replay = Command::new(example("replay"))
        .arg(&pattern)
        .arg("1000")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&replay.stdout).lines().count(),
        1_000
    );
}
