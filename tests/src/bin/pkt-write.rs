//! Writes numbered frames to a file, for tests that need a process of its own:
//! to limit it, to take its rights away, to kill it.
//!
//! `pkt-write PATH FRAMES [PACKETS-IN-A-FILE] [blocks]`; 0 frames means without
//! end. Frame n has a time of n seconds after 2020-09-13 12:26:40 UTC. With the
//! word `blocks`, frames come as in full blocks of a ring. Says what happened as
//! a line of JSON; exits with 1 after an error.

use pktrail::output::{FileSink, Output, ignore_file_size_signal};
use pktrail::rotation::Rules;
use pktrail::{Account, Batch, Block, Flow, FrameInfo, Interface, LinkType, Result, Sink};
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

const START_NS: u64 = 1_600_000_000_000_000_000;
const BATCH: u64 = 100;
const BATCH_IN_BLOCKS: u64 = 900;
const LENGTH: u32 = 1000;
/// Room before each frame in a ring.
const ROOM: u32 = 84;
const PAGE: usize = 4096;

fn main() -> ExitCode {
    ignore_file_size_signal();
    let (blocks, words): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word == "blocks");
    let make = match blocks.is_empty() {
        true => single_frame,
        false => ring_block,
    };
    let mut arguments = words.into_iter();
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
            let result = write(&mut sink, frames.unwrap_or(u64::MAX), make, &mut taken);
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

/// Frames that are all the same bytes.
fn single_frame(first: u64, most: u64) -> Batch {
    let infos = (first..first + most.min(BATCH)).map(info);
    let block = vec![2; LENGTH as usize];
    Batch::new(block, infos.collect(), Arc::new(vec![interface()]))
}

/// Memory that begins where a page does, as a ring's blocks do.
struct Pages {
    memory: Vec<u8>,
    start: usize,
}

impl Pages {
    fn new(len: usize) -> Self {
        let memory = vec![0; len + PAGE];
        let start = memory.as_ptr().align_offset(PAGE);
        Self { memory, start }
    }

    fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.memory.len() - PAGE
    }
}

impl Block for Pages {
    fn bytes(&self) -> &[u8] {
        &self.memory[self.range()]
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        let range = self.range();
        &mut self.memory[range]
    }
}

/// Frames as in a block of a ring.
fn ring_block(first: u64, most: u64) -> Batch {
    let mut block = Pages::new((1 << 20) - PAGE);
    let mut at = 0;
    let infos = (first..first + most.min(BATCH_IN_BLOCKS)).map(|number| {
        let offset = at + ROOM;
        at = (offset + LENGTH).next_multiple_of(8);
        block.bytes_mut()[offset as usize..][..LENGTH as usize].fill(2);
        FrameInfo {
            offset,
            ..info(number)
        }
    });
    let infos = infos.collect();
    Batch::new(block, infos, Arc::new(vec![interface()]))
}

fn info(number: u64) -> FrameInfo {
    FrameInfo {
        timestamp_ns: START_NS + number * 1_000_000_000,
        caplen: LENGTH,
        len: LENGTH,
        ..FrameInfo::default()
    }
}

fn write(
    sink: &mut FileSink,
    frames: u64,
    make: fn(u64, u64) -> Batch,
    taken: &mut u64,
) -> Result<()> {
    while *taken < frames {
        let batch = make(*taken, frames - *taken);
        *taken += batch.frames.len() as u64;
        if sink.write(batch)? == Flow::Stop {
            break;
        }
    }
    Ok(())
}
