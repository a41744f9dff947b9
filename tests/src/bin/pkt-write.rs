//! Writes numbered frames to a file, for tests that need a process of its own:
//! to limit it, to take its rights away, to kill it.
//!
//! `pkt-write PATH FRAMES [PACKETS-IN-A-FILE]`; 0 frames means without end. Frame
//! n has a time of n seconds after 2020-09-13 12:26:40 UTC. Says what happened
//! as a line of JSON; exits with 1 after an error.

use pktrail::output::{FileSink, Output, ignore_file_size_signal};
use pktrail::rotation::Rules;
use pktrail::{Account, Batch, Flow, FrameInfo, Interface, LinkType, Result, Sink};
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

const START_NS: u64 = 1_600_000_000_000_000_000;
const BATCH: u64 = 100;
const LENGTH: u32 = 1000;

fn main() -> ExitCode {
    ignore_file_size_signal();
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_default();
    let mut number = || arguments.next().and_then(|word| word.parse().ok());
    let frames = number().filter(|frames| *frames > 0);
    let rules = Rules {
        packets: number(),
        ..Rules::default()
    };
    let (written, result) = match open(&path, rules) {
        Err(error) => (json!({}), Err(error)),
        Ok(mut sink) => {
            let mut taken = 0;
            let result = write(&mut sink, frames.unwrap_or(u64::MAX), &mut taken);
            let finished = sink.finish(&Account::default());
            let (lost, surplus) = (sink.losses().total(), sink.surplus());
            let counts = json!({"taken": taken, "lost": lost, "surplus": surplus});
            (counts, result.and(finished))
        }
    };
    let error = result.as_ref().err().map(|error| format!("{error:#}"));
    let line = json!({"counts": written, "error": error});
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) if result.is_ok() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn interface() -> Interface {
    Interface {
        name: "eth0".into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    }
}

fn open(path: &str, rules: Rules) -> Result<FileSink> {
    let sink = FileSink::open(Output {
        rules,
        interfaces: vec![interface()],
        ..Output::new(path)
    })?;
    sink.preflight()?;
    Ok(sink)
}

fn write(sink: &mut FileSink, frames: u64, taken: &mut u64) -> Result<()> {
    let interfaces = Arc::new(vec![interface()]);
    while *taken < frames {
        let first = *taken;
        let count = BATCH.min(frames - first);
        *taken += count;
        let infos = (0..count).map(|index| FrameInfo {
            timestamp_ns: START_NS + (first + index) * 1_000_000_000,
            caplen: LENGTH,
            len: LENGTH,
            ..FrameInfo::default()
        });
        let block = vec![2; LENGTH as usize];
        let batch = Batch::new(block, infos.collect(), Arc::clone(&interfaces));
        if sink.write(batch)? == Flow::Stop {
            break;
        }
    }
    Ok(())
}
