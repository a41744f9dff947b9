//! The next file is made ahead of time, and the last one ends by itself.

use super::*;
use std::sync::Condvar;

/// Makes no file until the test says so.
static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

fn slow(folder: &Path) -> io::Result<fs::File> {
    let open = GATE.1.wait_while(GATE.0.lock().unwrap(), |open| !*open);
    drop(open.unwrap());
    ahead::unnamed(folder)
}

#[test]
fn rotation_waits_neither_for_a_slow_open_nor_for_a_slow_command() {
    let folder = Folder::new("slow");
    // The command goes on until the test takes its file away.
    let (script, held) = (folder.0.join("command"), folder.0.join("held"));
    let text = format!(
        "#!/bin/sh\nwhile [ -e {} ]; do sleep 0.05; done\n",
        held.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(&held, "").unwrap();
    let rules = Rules {
        packets: Some(5000),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        command: Some(script.into()),
        ..output(folder.0.join("out"))
    })
    .unwrap();
    sink.make = Some(slow);
    // Nobody can make a file: what still fits the first one is written.
    sink.write(in_a_ring(0..2500)).unwrap();
    sink.write(in_a_ring(2500..4000)).unwrap();
    sink.tick(now_ns(), &Account::default()).unwrap();
    assert!(!folder.names().contains(&"out1".into()));
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    // Files follow each other while no command has ended.
    for first in (4000..24_000).step_by(4000) {
        let batch = in_a_ring(first..first + 4000);
        assert_eq!(sink.write(batch).unwrap(), Flow::Continue);
    }
    sink.tick(now_ns(), &Account::default()).unwrap();
    fs::remove_file(&held).unwrap();
    sink.finish(&Account::default()).unwrap();
    assert_eq!(sink.losses(), Losses::default());
    let files = ["out", "out1", "out2", "out3", "out4"].map(|name| numbers(folder.0.join(name)));
    assert!(files[..4].iter().all(|file| file.len() == 5000));
    assert_eq!(files.concat(), all(24_000));
}

#[test]
fn a_file_made_ahead_takes_its_name_when_its_turn_comes() {
    let folder = Folder::new("ahead");
    fs::write(folder.0.join("out1"), "of another run").unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.0.join("out2")).unwrap();
    let rules = Rules {
        packets: Some(10),
        ..Rules::default()
    };
    let mut sink = FileSink::open(Output {
        rules,
        ..output(folder.0.join("out"))
    })
    .unwrap();
    sink.write(numbered(0..9, 0)).unwrap();
    sink.tick(now_ns(), &Account::default()).unwrap();
    assert_eq!(folder.names(), ["out", "out1", "out2"]);
    assert_eq!(fs::read(folder.0.join("out1")).unwrap(), b"of another run");
    sink.write(numbered(9..30, 0)).unwrap();
    sink.finish(&Account::default()).unwrap();
    assert_eq!(folder.names(), ["out", "out1", "out2"]);
    for (first, name) in [(0, "out"), (10, "out1"), (20, "out2")] {
        let wanted: Vec<u32> = (first..first + 10).collect();
        assert_eq!(numbers(folder.0.join(name)), wanted);
    }
}

#[test]
fn after_a_file_in_another_folder_files_are_made_ahead_in_that_one() {
    let folders = [Folder::new("one"), Folder::new("other")];
    let at = |which: usize, name: &str| folders[which].0.join(name);
    let mut ahead = ahead::Ahead::new(&at(0, "first"), ahead::unnamed).unwrap();
    assert!(ahead.take(&at(0, "second"), false).is_some());
    assert!(ahead.take(&at(1, "third"), false).is_none());
    assert!(ahead.take(&at(1, "fourth"), false).is_some());
    drop(ahead);
    assert_eq!(folders[1].names(), ["fourth"]);
}
