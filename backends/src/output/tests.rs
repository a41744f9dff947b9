//! The sink over real files in a temporary folder. What other programs make of
//! the files is tested in `tests/tests/output_peers.rs`.

use super::*;
use crate::pcap::Precision;
use crate::rotation::GRACE_NS;
use crate::{Account, Batch, ErrorKind, Flow, FrameInfo, LinkType, Losses, Sink, SourceAccount};
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

mod in_place;
mod packed;
mod rotation;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pktrail-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ethernet() -> Interface {
    Interface {
        name: "eth0".into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    }
}

/// Frames that carry their numbers, a millisecond apart.
fn numbered(numbers: std::ops::Range<u32>, start_ns: u64) -> Batch {
    let mut bytes = Vec::new();
    let frames = numbers
        .clone()
        .map(|number| {
            let offset = bytes.len() as u32;
            bytes.extend([2; 14]);
            bytes.extend(number.to_be_bytes());
            bytes.resize(bytes.len() + 82, 0);
            FrameInfo {
                timestamp_ns: start_ns + u64::from(number) * 1_000_000,
                offset,
                caplen: 100,
                len: 100,
                ..FrameInfo::default()
            }
        })
        .collect();
    Batch::new(bytes, frames, Arc::new(vec![ethernet()]))
}

/// The numbers of the frames in a pcapng file, which must be whole blocks.
fn numbers(path: impl AsRef<Path>) -> Vec<u32> {
    let file = fs::read(path).unwrap();
    let mut rest = &file[..];
    let mut numbers = Vec::new();
    assert_eq!(rest[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        if rest[0] == 6 {
            numbers.push(u32::from_be_bytes(rest[42..46].try_into().unwrap()));
        }
        rest = &rest[len..];
    }
    numbers
}

fn output(path: impl Into<PathBuf>) -> Output {
    Output {
        interfaces: vec![ethernet()],
        ..Output::new(path)
    }
}

fn now_ns() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

fn all(count: u32) -> Vec<u32> {
    (0..count).collect()
}

/// Writes 1,000 frames from 2020 on in three batches: the files.
fn burst(rules: Rules, packet_buffered: bool, path: &Path) -> Vec<FileRecord> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&records);
    let mut sink = FileSink::open(Output {
        rules,
        observer: Some(Box::new(move |event| match event {
            Event::Finished(record) => heard.lock().unwrap().push(record),
            other => panic!("{other:?}"),
        })),
        packet_buffered,
        ..output(path)
    })
    .unwrap();
    for batch in [0..400, 400..401, 401..1000] {
        assert_eq!(
            sink.write(numbered(batch, BURST_NS)).unwrap(),
            Flow::Continue
        );
    }
    sink.finish(&Account::default()).unwrap();
    assert_eq!((sink.losses(), sink.surplus()), (Losses::default(), 0));
    std::mem::take(&mut *records.lock().unwrap())
}

const BURST_NS: u64 = 1_600_000_000_000_000_000;

#[test]
fn a_burst_goes_through_many_files_whole() {
    let folder = Folder::new("burst");
    for (rules, files, split) in [
        (
            Rules {
                packets: Some(7),
                ..Rules::default()
            },
            143,
            false,
        ),
        (
            Rules {
                bytes: Some(1000),
                ..Rules::default()
            },
            0,
            false,
        ),
        (
            Rules {
                bytes: Some(1000),
                packets: Some(2),
                ..Rules::default()
            },
            500,
            false,
        ),
        (
            Rules {
                bytes: Some(40_000),
                ..Rules::default()
            },
            0,
            true,
        ),
    ] {
        let records = burst(rules, split, &folder.0.join("out"));
        let found: Vec<u32> = records
            .iter()
            .flat_map(|record| numbers(&record.path))
            .collect();
        assert_eq!(found, all(1000));
        assert!(files == 0 || files == records.len(), "{}", records.len());
        for record in records.iter() {
            let held = numbers(&record.path);
            assert_eq!(held.len() as u64, record.packets);
            assert_eq!(fs::metadata(&record.path).unwrap().len(), record.bytes);
            let time = |number: u32| Some(BURST_NS + u64::from(number) * 1_000_000);
            assert_eq!(record.first_ns, time(held[0]));
            assert_eq!(record.last_ns, time(held[held.len() - 1]));
        }
    }
}

#[test]
fn a_ring_keeps_the_youngest() {
    let folder = Folder::new("ring");
    let rules = Rules {
        packets: Some(10),
        files: Some(3),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        ..output(folder.0.join("out"))
    })
    .unwrap();
    sink.write(numbered(0..45, now_ns())).unwrap();
    sink.finish(&Account::default()).unwrap();
    assert_eq!(folder.names(), ["out0", "out1", "out2"]);
    let held = ["out2", "out0", "out1"].map(|name| numbers(folder.0.join(name)));
    assert_eq!(held.concat(), (20..45).collect::<Vec<_>>());
}

#[test]
fn with_periods_and_sizes_the_oldest_file_is_removed() {
    let folder = Folder::new("oldest");
    let rules = Rules {
        packets: Some(10),
        seconds: Some(3600),
        files: Some(2),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        ..output(folder.0.join("out"))
    })
    .unwrap();
    sink.write(numbered(0..45, now_ns())).unwrap();
    sink.finish(&Account::default()).unwrap();
    assert_eq!(folder.names(), ["out3", "out4"]);
}

#[test]
fn an_idle_link_rotates_and_each_file_is_valid() {
    let folder = Folder::new("idle");
    let rules = Rules {
        seconds: Some(10),
        files: Some(3),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        ..output(folder.0.join("out"))
    })
    .unwrap();
    let start = now_ns();
    let account = Account::default();
    assert_eq!(
        sink.tick(start + 5_000_000_000, &account).unwrap(),
        Flow::Continue
    );
    assert_eq!(folder.names(), ["out"]);
    let period = |n: u64| start + n * 10_000_000_000 + GRACE_NS;
    assert_eq!(sink.tick(period(1), &account).unwrap(), Flow::Continue);
    assert_eq!(sink.tick(period(2), &account).unwrap(), Flow::Continue);
    // The last two get their names meanwhile.
    let begun = Instant::now();
    while folder.names() != ["out", "out1", "out2"] {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
    assert_eq!(sink.tick(period(3), &account).unwrap(), Flow::Stop);
    assert_eq!(sink.write(numbered(0..3, start)).unwrap(), Flow::Stop);
    assert_eq!(sink.surplus(), 3);
    sink.finish(&account).unwrap();
    for name in folder.names() {
        assert_eq!(numbers(folder.0.join(name)), all(0));
    }
}

#[test]
fn a_file_that_is_read_is_split_by_its_own_times() {
    let folder = Folder::new("replay");
    let rules = Rules {
        seconds: Some(1),
        ..Rules::default()
    };
    let path = folder.0.join("out-%s");
    let mut sink = FileSink::open(Output {
        rules,
        is_live: false,
        ..output(path)
    })
    .unwrap();
    assert_eq!(folder.names(), [""; 0]);
    // Frame 1500 is half a second into the second file.
    sink.write(numbered(0..1500, 1_700_000_000_000_000_000))
        .unwrap();
    sink.tick(now_ns(), &Account::default()).unwrap();
    sink.finish(&Account::default()).unwrap();
    assert_eq!(folder.names(), ["out-1700000000", "out-1700000001"]);
    assert_eq!(numbers(folder.0.join("out-1700000000")), all(1000));
}

#[test]
fn notes_before_the_first_frame_wait_for_the_file() {
    let folder = Folder::new("early");
    let rules = Rules {
        seconds: Some(60),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        is_live: false,
        ..output(folder.0.join("early.pcapng"))
    })
    .unwrap();
    let note = crate::Note {
        before: 0,
        block_type: 4,
        body: vec![0; 4],
    };
    sink.write(Batch {
        notes: vec![note],
        ..Batch::default()
    })
    .unwrap();
    sink.write(numbered(0..10, 1_700_000_000_000_000_000))
        .unwrap();
    sink.finish(&Account::default()).unwrap();
    let bytes = std::fs::read(folder.0.join("early.pcapng")).unwrap();
    assert_eq!(
        bytes[..4],
        [0x0a, 0x0d, 0x0d, 0x0a],
        "a section header comes first"
    );
    assert_eq!(numbers(folder.0.join("early.pcapng")), all(10));
}

#[test]
fn what_was_written_is_on_disk_within_a_second_and_with_u_at_once() {
    let folder = Folder::new("flush");
    for (packet_buffered, at_once) in [(false, 0), (true, 5)] {
        let path = folder.0.join("out");
        let mut sink = FileSink::open(Output {
            packet_buffered,
            ..output(&path)
        })
        .unwrap();
        let start = now_ns();
        sink.write(numbered(0..5, start)).unwrap();
        assert_eq!(numbers(&path), all(at_once));
        sink.tick(start + 2_000_000_000, &Account::default())
            .unwrap();
        assert_eq!(numbers(&path), all(5));
        sink.write(numbered(5..6, start)).unwrap();
        drop(sink);
        assert_eq!(numbers(&path), all(6));
    }
}

#[test]
fn large_and_small_batches_are_one_stream() {
    let folder = Folder::new("parts");
    let path = folder.0.join("out");
    let mut sink = FileSink::open(output(&path)).unwrap();
    // 30,000 frames of 132 bytes are more than one part.
    for batch in [0..30_000, 30_000..30_001, 30_001..40_000, 40_000..40_000] {
        sink.write(numbered(batch, 0)).unwrap();
    }
    sink.finish(&Account::default()).unwrap();
    assert_eq!(numbers(&path), all(40_000));
}

/// Frames that carry their numbers, with room before each as in a ring.
fn in_a_ring(numbers: std::ops::Range<u32>) -> Batch {
    let mut bytes = Vec::new();
    let mut batch = numbered(numbers.clone(), 0);
    for (number, info) in numbers.zip(&mut batch.frames) {
        bytes.resize(bytes.len() + 84, 0xee);
        info.offset = bytes.len() as u32;
        bytes.extend([2; 14]);
        bytes.extend(number.to_be_bytes());
        bytes.resize(bytes.len() + 86, 0);
    }
    Batch::new(bytes, batch.frames, batch.interfaces)
}

#[test]
fn blocks_that_are_written_in_place_keep_their_turn() {
    let folder = Folder::new("blocks");
    for keep_of_7 in [7, 4, 1] {
        let path = folder.0.join("out");
        let mut sink = FileSink::open(output(&path)).unwrap();
        let mut first = 0;
        let keep = |number: u32| number % 7 < keep_of_7;
        for (turn, count) in (0..).zip([10, 3000, 1, 2500, 4000, 4000, 0, 7, 9000]) {
            let mut batch = in_a_ring(first..first + count);
            // A filter took some out.
            let number = |info: &FrameInfo| (info.timestamp_ns / 1_000_000) as u32;
            batch.frames.retain(|info| keep(number(info)));
            // Somebody else looks at some blocks: those are copied.
            let kept = (turn % 3 == 1).then(|| batch.blocks.clone());
            assert_eq!(sink.write(batch).unwrap(), Flow::Continue);
            if let Some([block]) = kept.as_deref() {
                assert!(block.bytes().starts_with(&[0xee; 84]), "left as it was");
            }
            first += count;
        }
        sink.finish(&Account::default()).unwrap();
        let wanted: Vec<u32> = (0..first).filter(|number| keep(*number)).collect();
        assert_eq!(numbers(&path), wanted);
        // What the memory held besides is not in the file.
        let file = fs::read(&path).unwrap();
        assert!(file.windows(8).all(|bytes| bytes != [0xee; 8]));
    }
}

#[test]
fn a_block_that_is_refused_is_lost_and_counted() {
    let mut sink = FileSink::open(Output {
        interfaces: Vec::new(),
        ..output("/dev/null")
    })
    .unwrap();
    sink.write(in_a_ring(0..5000)).unwrap();
    assert_eq!((sink.losses().disk, sink.surplus()), (0, 0));
    let (mut reader, writer) = io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut sink = FileSink::open(output(path)).unwrap();
    drop(writer);
    reader.read_exact(&mut [0; 60]).unwrap();
    drop(reader);
    let error = sink.write(in_a_ring(0..5000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!((sink.losses().disk, sink.surplus()), (0, 5000));
}

#[test]
fn a_full_device_is_an_error_that_counts() {
    let mut sink = FileSink::open(Output {
        // Nothing is written before the first frame: the link type is unknown.
        format: Format::pcap(Precision::Micro, 0),
        interfaces: Vec::new(),
        ..output("/dev/full")
    })
    .unwrap();
    sink.write(numbered(0..3, 0)).unwrap();
    assert_eq!(sink.losses().disk, 0);
    let error = sink
        .write(numbered(3..9_000, 0))
        .and_then(|_| sink.finish(&Account::default()));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull);
    assert_eq!(
        format!("{error:#}"),
        "9000 frames are lost: cannot write to /dev/full: No space left on device (os error 28)"
    );
    assert_eq!(sink.losses().disk, 9_000);
    let error = FileSink::open(output("/dev/full")).err().unwrap();
    assert!(format!("{error:#}").starts_with("cannot write to /dev/full: No space"));
    // What comes after is lost too, and the end says nothing new.
    sink.write(numbered(0..2, 0)).unwrap();
    assert_eq!((sink.losses().disk, sink.surplus()), (9_002, 0));
    sink.finish(&Account::default()).unwrap();
}

#[test]
fn the_reader_of_a_pipe_may_go() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let mut sink = FileSink::open(Output {
        packet_buffered: true,
        ..output(path)
    })
    .unwrap();
    drop(writer);
    sink.write(numbered(0..10, 0)).unwrap();
    let mut beginning = [0; 4];
    reader.read_exact(&mut beginning).unwrap();
    assert_eq!(beginning, [0x0a, 0x0d, 0x0d, 0x0a]);
    drop(reader);
    let error = sink.write(numbered(10..15, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!((sink.losses(), sink.surplus()), (Losses::default(), 5));
    sink.finish(&Account::default()).unwrap();
}

#[test]
fn the_next_file_may_be_refused() {
    let folder = Folder::new("refused");
    fs::create_dir(folder.0.join("out1")).unwrap();
    let rules = Rules {
        packets: Some(10),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        ..output(folder.0.join("out"))
    })
    .unwrap();
    let error = sink
        .write(numbered(0..25, 0))
        .and_then(|_| sink.finish(&Account::default()))
        .unwrap_err();
    let said = format!("{error:#}").to_lowercase();
    assert!(said.contains("out1: is a directory"), "{said}");
    assert_eq!(numbers(folder.0.join("out")), all(10));
    let others = match folder.names().iter().any(|name| name == "out2") {
        true => numbers(folder.0.join("out2")).len() as u64,
        false => 0,
    };
    assert_eq!(sink.losses().disk, 15 - others);
}

#[test]
fn a_second_link_type_is_refused_and_what_was_written_stays() {
    let folder = Folder::new("linktype");
    let path = folder.0.join("out");
    let mut sink = FileSink::open(output(&path)).unwrap();
    sink.write(numbered(0..4, 0)).unwrap();
    let mut other = numbered(4..6, 0);
    let raw = Interface {
        link_type: LinkType::RAW,
        ..ethernet()
    };
    other.interfaces = Arc::new(vec![ethernet(), raw]);
    let error = sink.write(other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(
        sink.losses(),
        Losses {
            writer: 2,
            ..Losses::default()
        }
    );
    assert_eq!(numbers(&path), all(4));
}

#[test]
fn a_file_made_for_nothing_goes_and_one_that_was_there_stays() {
    let folder = Folder::new("useless");
    let path = folder.0.join("out");
    let refused = |path: &Path| {
        let mut sink = FileSink::open(output(path)).unwrap();
        let mut other = numbered(0..2, 0);
        let raw = Interface {
            link_type: LinkType::RAW,
            ..ethernet()
        };
        other.interfaces = Arc::new(vec![ethernet(), raw]);
        sink.write(other).unwrap_err();
        sink.finish(&Account::default()).unwrap();
    };
    refused(&path);
    assert_eq!(folder.names(), [""; 0]);
    drop(FileSink::open(output(&path)).unwrap());
    assert_eq!(folder.names(), [""; 0]);
    fs::write(&path, "something").unwrap();
    refused(&path);
    drop(FileSink::open(output(&path)).unwrap());
    assert_eq!(folder.names(), ["out"]);
    // A run without frames is no failure.
    let other = folder.0.join("other");
    let mut sink = FileSink::open(output(&other)).unwrap();
    sink.finish(&Account::default()).unwrap();
    drop(sink);
    assert_eq!(folder.names(), ["other", "out"]);
}

#[test]
fn each_finished_file_is_logged_and_given_to_the_command() {
    let folder = Folder::new("log");
    let log = folder.0.join("log");
    let mut sink = FileSink::open(Output {
        rules: Rules {
            packets: Some(10),
            ..Rules::default()
        },
        command: Some("rm".into()),
        file_log: Some(log.clone()),
        sync: true,
        ..output(folder.0.join("out"))
    })
    .unwrap();
    let mut account = Account::default();
    sink.write(numbered(0..15, now_ns())).unwrap();
    account.lost.ring = 7;
    sink.tick(now_ns(), &account).unwrap();
    sink.write(numbered(15..25, now_ns())).unwrap();
    account.lost.ring = 8;
    sink.finish(&account).unwrap();
    assert_eq!(folder.names(), ["log"]);
    let lines: Vec<serde_json::Value> = fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let packets: Vec<u64> = lines
        .iter()
        .map(|line| line["packets"].as_u64().unwrap())
        .collect();
    let ring: Vec<u64> = lines
        .iter()
        .map(|line| line["lost"]["ring"].as_u64().unwrap())
        .collect();
    assert_eq!((packets, ring), (vec![10, 10, 5], vec![0, 7, 1]));
}

#[test]
fn commands_that_fail_or_linger_are_reported_and_never_waited_for() {
    let folder = Folder::new("command");
    let script = folder.0.join("linger");
    fs::write(&script, "#!/bin/sh\nsleep 2\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (command, expected) in [
        (OsString::from("false"), "exit status: 1"),
        (
            OsString::from("/nonexistent/command"),
            "cannot run /nonexistent/command",
        ),
        (script.into_os_string(), "left"),
    ] {
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let mut sink = FileSink::open(Output {
            command: Some(command),
            command_wait: Duration::from_millis(300),
            observer: Some(Box::new(move |event| match event {
                Event::CommandFailed { reason, .. } => heard.lock().unwrap().push_str(&reason),
                Event::CommandLeft { .. } => heard.lock().unwrap().push_str("left"),
                _ => {}
            })),
            ..output(folder.0.join("out"))
        })
        .unwrap();
        let begun = Instant::now();
        sink.finish(&Account::default()).unwrap();
        assert!(begun.elapsed() < Duration::from_millis(1500));
        let said = said.lock().unwrap();
        assert!(said.contains(expected), "{said:?} lacks {expected:?}");
    }
}

#[test]
fn counts_are_written_while_it_runs_and_at_the_end() {
    let folder = Folder::new("counts");
    let path = folder.0.join("out");
    let mut sink = FileSink::open(output(&path)).unwrap();
    let of_eth0 = SourceAccount {
        name: "eth0".into(),
        received: 42,
        lost: Losses {
            ring: 2,
            ..Losses::default()
        },
        ..SourceAccount::default()
    };
    let account = Account {
        sources: vec![of_eth0],
        delivered: 40,
        ..Account::default()
    };
    let start = now_ns();
    for second in [1, 4, 6, 7] {
        sink.tick(start + second * 1_000_000_000, &account).unwrap();
    }
    let blocks = |path: &Path| {
        let file = fs::read(path).unwrap();
        let (mut rest, mut found) = (&file[..], Vec::new());
        while !rest.is_empty() {
            let (block, after) = rest.split_at(rest[4] as usize);
            found.push(block.to_vec());
            rest = after;
        }
        found.retain(|block| block[0] == 5);
        found
    };
    assert_eq!(blocks(&path).len(), 1);
    sink.finish(&account).unwrap();
    let counted = blocks(&path);
    assert_eq!(counted.len(), 2);
    // isb_ifrecv 42, isb_osdrop 2, isb_usrdeliv 40.
    for (code, value) in [(4u8, 42u8), (7, 2), (8, 40)] {
        let option = [code, 0, 8, 0, value, 0, 0, 0, 0, 0, 0, 0];
        assert!(
            counted[1].windows(12).any(|window| window == option),
            "option {code}"
        );
    }
}

#[test]
fn an_empty_capture_is_a_valid_file() {
    let folder = Folder::new("empty");
    let path = folder.0.join("out");
    FileSink::open(output(&path))
        .unwrap()
        .finish(&Account::default())
        .unwrap();
    assert_eq!(numbers(&path), all(0));
    let format = Format::pcap(Precision::Nano, 0);
    let mut sink = FileSink::open(Output {
        format,
        interfaces: Vec::new(),
        ..output(&path)
    })
    .unwrap();
    sink.finish(&Account::default()).unwrap();
    let file = fs::read(&path).unwrap();
    assert_eq!(
        (file.len(), &file[..4]),
        (24, &[0x4d, 0x3c, 0xb2, 0xa1][..])
    );
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let open = |path: &str, rules| {
        FileSink::open(Output {
            rules,
            ..output(path)
        })
        .err()
        .unwrap()
    };
    let said = open("/nonexistent/out", Rules::default());
    assert_eq!(said.kind(), ErrorKind::NotFound);
    assert!(format!("{said:#}").starts_with("cannot write to /nonexistent/out: No such file"));
    let folder = Folder::new("refusal");
    let raw = Interface {
        link_type: LinkType::RAW,
        ..ethernet()
    };
    let interfaces = vec![ethernet(), raw];
    let mixed = FileSink::open(Output {
        interfaces,
        ..output(folder.0.join("out"))
    });
    assert_eq!(mixed.err().unwrap().kind(), ErrorKind::Usage);
    assert_eq!(folder.names(), [""; 0]);
    let planned = Rules {
        packets: Some(1),
        ..Rules::default()
    };
    assert_eq!(open("-", planned.clone()).kind(), ErrorKind::Usage);
    let error = opening::check_folder(Path::new("/proc/out")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot make further files in /proc"),
        "{error}"
    );
    let folder = Folder::new("preflight");
    let sink = FileSink::open(Output {
        rules: planned,
        ..output(folder.0.join("out"))
    })
    .unwrap();
    sink.preflight().unwrap();
    assert_eq!(folder.names(), ["out"]);
}
