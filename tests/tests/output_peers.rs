//! Written files as other programs see them: names and split points against
//! tcpdump, validity by tshark, capinfos and tcpdump, also after a limit on the
//! file size, a kill and a gone reader. Needs tcpdump and tshark; no privilege.

use pktrail::output::{FileSink, Format, Output};
use pktrail::pcap::Precision;
use pktrail::pcapng::{Encoder, Section, pad_to};
use pktrail::rotation::{Rules, parse_size};
use pktrail::{Account, Batch, Flags, FrameInfo, Interface, LinkType, Losses, Sink, SourceAccount};
use pktrail_tests::files::{Folder, seconds, tshark_seconds};
use pktrail_tests::program;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output as Ended, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const WRITE: &str = env!("CARGO_BIN_EXE_pkt-write");

fn ethernet() -> Interface {
    Interface {
        name: "eth0".into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    }
}

/// Frames of different lengths, a second apart from 1970 on.
fn batch(numbers: std::ops::Range<u32>) -> Batch {
    let frames = numbers.map(|number| {
        let len = 60 + number * 7919 % 1400;
        FrameInfo {
            timestamp_ns: u64::from(number) * 1_000_000_000,
            caplen: len,
            len,
            ..FrameInfo::default()
        }
    });
    Batch::new(vec![2; 2000], frames.collect(), Arc::new(vec![ethernet()]))
}

fn output(path: impl AsRef<Path>) -> Output {
    Output {
        interfaces: vec![ethernet()],
        is_live: false,
        ..Output::new(path.as_ref())
    }
}

fn write(output: Output, batches: impl IntoIterator<Item = Batch>) {
    let mut sink = FileSink::open(output).expect("opens");
    for batch in batches {
        sink.write(batch).expect("writes");
    }
    sink.finish(&Account::default()).expect("finishes");
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("text");
            (name, fs::read(entry.path()).expect("readable"))
        })
        .collect()
}

fn say(ended: &Ended) -> String {
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

#[test]
fn names_and_split_points_are_tcpdumps() {
    let folder = Folder::new("split");
    let input = folder.path("in.pcap");
    let pcap = || Format::pcap(Precision::Micro, 0);
    let whole = Output {
        format: pcap(),
        ..output(&input)
    };
    write(whole, [batch(0..6000)]);
    for flags in [
        &["-C", "1"][..],
        &["-C", "2"],
        &["-C", "1", "-W", "1"],
        &["-C", "1", "-W", "2"],
        &["-C", "1", "-W", "3"],
        &["-C", "1", "-W", "10"],
        &["-C", "1", "-W", "11"],
        &["-C", "1", "-W", "200"],
    ] {
        let theirs = folder.path("theirs");
        let ours = folder.path("ours");
        for path in [&theirs, &ours] {
            fs::create_dir(path).expect("a new folder");
            // tcpdump gives up its privileges first.
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("ours");
        }
        let ended = Command::new("tcpdump")
            .args(["-n", "-r"])
            .arg(&input)
            .arg("-w")
            .arg(theirs.join("out"))
            .args(flags)
            .output()
            .expect("tcpdump runs");
        assert!(ended.status.success(), "{}", say(&ended));
        let rules = Rules {
            bytes: Some(parse_size(flags[1]).expect("a size")),
            files: flags.get(3).map(|files| files.parse().expect("a number")),
            ..Rules::default()
        };
        let rotated = Output {
            rules,
            format: pcap(),
            ..output(ours.join("out"))
        };
        write(rotated, (0..60).map(|n| batch(n * 100..(n + 1) * 100)));
        let (ours_now, theirs_now) = (contents(&ours), contents(&theirs));
        let names = |files: &BTreeMap<String, _>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours_now), names(&theirs_now), "{flags:?}");
        assert!(ours_now == theirs_now, "{flags:?}: the contents differ");
        for path in [&theirs, &ours] {
            fs::remove_dir_all(path).expect("ours");
        }
    }
}

#[test]
fn every_rotated_file_opens_in_tshark_capinfos_and_tcpdump() {
    let folder = Folder::new("opens");
    let out = folder.path("out");
    let rules = Rules {
        packets: Some(40),
        bytes: Some(20_000),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        ..output(&out)
    })
    .expect("opens");
    let account = Account {
        sources: vec![SourceAccount {
            name: "eth0".into(),
            received: 102,
            lost: Losses {
                ring: 2,
                ..Losses::default()
            },
            ..SourceAccount::default()
        }],
        ..Account::default()
    };
    for n in 0..5 {
        sink.write(batch(n * 20..(n + 1) * 20)).expect("writes");
        sink.tick(u64::MAX / 2 + u64::from(n) * 10_000_000_000, &account)
            .expect("ticks");
    }
    sink.finish(&account).expect("finishes");
    let names: Vec<String> = contents(folder.root()).into_keys().collect();
    assert!(names.len() >= 3, "{names:?}");
    let mut found = Vec::new();
    for name in ["out".to_owned()]
        .into_iter()
        .chain((1..names.len()).map(|n| format!("out{n}")))
    {
        let path = folder.path(&name);
        found.extend(tshark_seconds(&path));
        for program in ["capinfos", "tcpdump"] {
            let mut command = Command::new(program);
            if program == "tcpdump" {
                command.args(["-n", "-r"]);
            }
            let ended = command.arg(&path).output().expect("it runs");
            assert!(ended.status.success(), "{program} {name}: {}", say(&ended));
        }
    }
    assert_eq!(found, (0..100).collect::<Vec<u64>>());
}

#[test]
fn a_limit_on_the_file_size_leaves_a_valid_file() {
    let folder = Folder::new("ulimit");
    // Blocks of 1,024 bytes (512 in some shells).
    for (limit, frames) in [("200", &["500"][..]), ("3001", &["5000", "blocks"])] {
        let path = folder.path(limit);
        let ended = Command::new("sh")
            .args(["-c", "ulimit -f \"$0\"; exec \"$@\"", limit, WRITE])
            .arg(&path)
            .args(frames)
            .output()
            .expect("sh runs");
        assert_eq!(ended.status.code(), Some(1), "{}", say(&ended));
        check_after_failure(&path, &ended, "File too large");
    }
}

#[test]
fn the_program_outlives_a_limit_on_the_file_size() {
    let folder = Folder::new("program-ulimit");
    let (input, cut) = (folder.path("in.pcapng"), folder.path("out.pcapng"));
    write(output(&input), [batch(0..1000)]);
    let ended = Command::new("sh")
        .args(["-c", "ulimit -f 200; exec \"$@\"", "sh"])
        .arg(program::path())
        .arg("-r")
        .arg(&input)
        .arg("-w")
        .arg(&cut)
        .output()
        .expect("sh runs");
    assert_eq!(ended.status.code(), Some(1), "{}", say(&ended));
    assert!(say(&ended).contains("File too large"), "{}", say(&ended));
    let held = tshark_seconds(&cut);
    assert_eq!(held, (0..held.len() as u64).collect::<Vec<u64>>());
    assert!(held.len() > 50, "{}", held.len());
    let (whole, _) = seconds(&fs::read(&cut).expect("a file"));
    assert_eq!(whole, fs::metadata(&cut).expect("a file").len());
}

/// The file is valid, and what it holds and what was lost add up.
fn check_after_failure(path: &Path, ended: &Ended, cause: &str) {
    let said: Value = serde_json::from_slice(&ended.stdout).expect("a line of JSON");
    let error = said["error"].as_str().expect("an error");
    assert!(error.contains(cause), "{error}");
    let held = tshark_seconds(path);
    assert_eq!(
        held,
        (1_600_000_000..).take(held.len()).collect::<Vec<u64>>()
    );
    let count = |name: &str| said["counts"][name].as_u64().expect("a number");
    assert!(count("lost") > 0 && held.len() > 20, "{said}");
    assert_eq!(held.len() as u64 + count("lost"), count("taken"), "{said}");
    let sentence = format!("is valid and holds {} frames", held.len());
    assert!(error.contains(&sentence), "{error} lacks {sentence:?}");
    let (whole, _) = seconds(&fs::read(path).expect("a file"));
    assert_eq!(whole, fs::metadata(path).expect("a file").len());
}

#[test]
fn after_a_kill_every_whole_block_is_there() {
    let folder = Folder::new("kill");
    for round in 0..10 {
        let path = folder.path(&format!("out{round}"));
        let mut child = Command::new(WRITE)
            .arg(&path)
            .arg("0")
            .args((round % 2 == 0).then_some("blocks"))
            .stdout(Stdio::null())
            .spawn()
            .expect("it runs");
        let deadline = Instant::now() + Duration::from_secs(20);
        let enough = 3_000_000 + round * 777_777;
        while fs::metadata(&path).map_or(0, |file| file.len()) < enough {
            assert!(Instant::now() < deadline, "nothing is written");
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        let length = fs::metadata(&path).expect("a file").len();
        let (whole, held) = seconds(&fs::read(&path).expect("a file"));
        assert!(
            length - whole < 1100,
            "{whole} of {length} bytes are whole blocks"
        );
        assert_eq!(
            held,
            (1_600_000_000..).take(held.len()).collect::<Vec<u64>>()
        );
        assert_eq!(tshark_seconds(&path), held);
        fs::remove_file(&path).expect("ours");
    }
}

#[test]
fn a_fifo_feeds_tcpdump_and_a_reader_that_goes_is_no_loss() {
    let folder = Folder::new("fifo");
    let fifo = folder.path("fifo");
    let made = Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    fs::set_permissions(&fifo, fs::Permissions::from_mode(0o666)).expect("ours");
    for (count, expected) in [(None, 2000), (Some("5"), 5)] {
        let mut tcpdump = Command::new("tcpdump");
        tcpdump.args(["-n", "-t", "-r"]).arg(&fifo);
        if let Some(count) = count {
            tcpdump.args(["-c", count]);
        }
        let reader = tcpdump
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let reader = reader.expect("tcpdump runs");
        let writer = Command::new(WRITE)
            .arg(&fifo)
            .arg("2000")
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let read = reader.wait_with_output().expect("tcpdump ends");
        let ended = writer.wait_with_output().expect("it ends");
        assert!(read.status.success(), "{}", say(&read));
        let lines = String::from_utf8_lossy(&read.stdout)
            .matches("02:02:02")
            .count();
        assert!(lines >= expected, "{lines} lines");
        let said: Value = serde_json::from_slice(&ended.stdout).expect("a line of JSON");
        assert_eq!(said["counts"]["lost"], 0, "{said}");
        match count {
            None => assert!(said["error"].is_null(), "{said}"),
            Some(_) => {
                let error = said["error"].as_str().expect("an error");
                assert!(error.contains("Broken pipe"), "{error}");
                assert!(said["counts"]["surplus"].as_u64() > Some(0), "{said}");
            }
        }
    }
}

/// A ring block of `count` frames as the kernel fills it; `len` gives the
/// length of each.
fn ring_block(count: u32, len: impl Fn(u32) -> u32) -> (Vec<u8>, Vec<FrameInfo>) {
    let (mut memory, mut frames) = (Vec::new(), Vec::new());
    for number in 0..count {
        // Header and room, 4 less where a VLAN tag was put back.
        let before = if number % 5 == 0 { 80 } else { 84 };
        memory.resize(memory.len() + before, 0xee);
        let (offset, len) = (memory.len() as u32, len(number));
        memory.extend_from_slice(&[2; 12]);
        memory.extend_from_slice(&[0x88, 0xb5]);
        memory.extend((14..len).map(|at| (at + number) as u8));
        memory.resize(memory.len().next_multiple_of(8), 0xee);
        frames.push(FrameInfo {
            timestamp_ns: 1_700_000_000_000_000_000 + u64::from(number) * 1_234_567,
            offset,
            caplen: len,
            len: len + 9,
            lost_before: if number % 7 == 3 { 5 } else { 0 },
            queue: (number % 3 == 0).then_some(2),
            flags: Flags(number % 3),
            ..FrameInfo::default()
        });
    }
    (memory, frames)
}

fn said(program: &str, arguments: &[&str]) -> String {
    let ended = Command::new(program)
        .args(arguments)
        .output()
        .expect("runs");
    assert!(ended.status.success(), "{program}: {}", say(&ended));
    String::from_utf8(ended.stdout).expect("text")
}

#[test]
fn a_block_turned_to_pcapng_in_place_says_what_a_copied_one_says() {
    let folder = Folder::new("in-place");
    let sizes: [(&str, fn(u32) -> u32); 3] = [
        ("small", |_| 60),
        ("large", |_| 1514),
        ("mixed", |number| 20 + number * 7919 % 1490),
    ];
    for (name, len) in sizes {
        let (mut memory, frames) = ring_block(500, len);
        let mut encoder = Encoder::new(Section::default());
        let mut start = Vec::new();
        encoder.section(&mut start);
        encoder.interfaces(&[ethernet()], &mut start).expect("fits");
        let mut copied = start.clone();
        let batch = Batch::new(memory.clone(), frames.clone(), Arc::new(vec![ethernet()]));
        encoder.batch(&batch, &mut copied).expect("fits");
        // A filter may have taken frames out.
        for keep in [1, 40] {
            let mut frames = frames.clone();
            frames.retain(|info| info.timestamp_ns / 1_234_567 % keep == 0);
            let mut memory = memory.clone();
            let len = encoder.in_place(&frames, &mut memory).expect("has room");
            memory.resize(memory.len() + 8192, 0);
            let len = pad_to(4096, len, &mut memory).expect("has room");
            let path = folder.path(&format!("{name}-{keep}.pcapng"));
            fs::write(&path, [&start[..], &memory[..len]].concat()).expect("writes");
            let path = path.to_str().expect("text");
            let counted = said("capinfos", &["-c", "-M", path]);
            assert!(
                counted.contains(&format!(" {}\n", frames.len())),
                "{counted}"
            );
            said("tcpdump", &["-n", "-r", path]);
            // An editor keeps what it understands, and can read what it wrote.
            let edited = format!("{path}.edited");
            said("editcap", &[path, &edited]);
            said("capinfos", &[&edited]);
        }
        let other = folder.path("copied.pcapng");
        fs::write(&other, &copied).expect("writes");
        let len = encoder.in_place(&frames, &mut memory).expect("has room");
        let path = folder.path("in-place.pcapng");
        fs::write(&path, [&start[..], &memory[..len]].concat()).expect("writes");
        let (path, other) = (path.to_str().expect("text"), other.to_str().expect("text"));
        let fields = "frame.number frame.time_epoch frame.len frame.cap_len frame.interface_name \
                      frame.drop_count frame.interface_queue frame.packet_flags eth.dst data.data";
        let fields: Vec<&str> = fields.split_whitespace().flat_map(|f| ["-e", f]).collect();
        let show = |path: &str| said("tshark", &[&["-r", path, "-Tfields"], &fields[..]].concat());
        assert_eq!(show(path).lines().count(), 500);
        assert_eq!(show(path), show(other), "{name}");
        let show = |path: &str| said("tcpdump", &["-n", "-tt", "-XX", "-r", path]);
        assert_eq!(show(path), show(other), "{name}");
    }
}
