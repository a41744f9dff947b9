//! Measures how soon the packets of a time or of a flow are found in a large file:
//! writes one, lets `pktrail` beside this program index it, and asks for parts.
//!
//! `pkt-index FILE [GIB]` writes FILE, 8 GiB if not said otherwise, prints a table,
//! and removes FILE.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use etherparse::PacketBuilder;
use pktrail::output::{FileSink, Output};
use pktrail::{Account, Batch, Error, ErrorKind, FrameInfo, Interface, LinkType, Result, Sink};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Frames of one batch.
const BATCH: u64 = 800;
/// Bytes of a frame.
const LENGTH: usize = 1_200;
/// So many flows live at once, each for so many frames of all.
const FLOWS: u64 = 100;
const LIFE: u64 = 20_000;
/// 2026-11-22 10:00 UTC; frames are 2 microseconds apart.
const START_NS: u64 = 1_795_341_600_000_000_000;
const STEP_NS: u64 = 2_000;
/// How often what is quick is measured.
const ROUNDS: usize = 9;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let usage = || Error::new(ErrorKind::Usage, "pkt-index FILE [GIB]");
    let path = PathBuf::from(words.next().ok_or_else(usage)?);
    let gib: u64 = match words.next() {
        Some(word) => word.parse().map_err(|_| usage())?,
        None => 8,
    };
    let result = write(&path, gib << 30).and_then(|frames| measure(&path, frames));
    // Whatever happened, it is large.
    let _ = fs::remove_file(&path);
    result
}

/// The client of a flow; its server is 192.0.2.1:443.
fn client(flow: u64) -> ([u8; 4], u16) {
    let [.., a, b] = ((flow / 200) as u32).to_be_bytes();
    (
        [10, a, b, (flow % 200) as u8],
        1_024 + (flow % 60_000) as u16,
    )
}

fn pattern(flow: u64) -> String {
    let ([a, b, c, d], port) = client(flow);
    format!("{a}.{b}.{c}.{d}:{port}-192.0.2.1:443")
}

fn flow_of(frame: u64) -> u64 {
    frame / LIFE * FLOWS + frame % FLOWS
}

fn frame(number: u64, data: &mut Vec<u8>) -> Result<()> {
    let (address, port) = client(flow_of(number));
    let server = [192, 0, 2, 1];
    let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let payload = [0; LENGTH - 54];
    let tcp = match number / FLOWS % 2 {
        0 => ethernet
            .ipv4(address, server, 64)
            .tcp(port, 443, number as u32, 512),
        _ => ethernet
            .ipv4(server, address, 64)
            .tcp(443, port, number as u32, 512),
    };
    tcp.write(data, &payload)
        .map_err(|error| Error::new(ErrorKind::System, error.to_string()))
}

/// Writes about so many bytes; how many frames they are.
fn write(path: &Path, bytes: u64) -> Result<u64> {
    let interface = Interface {
        name: "eth0".into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    let interfaces = Arc::new(vec![interface]);
    let mut sink = FileSink::open(Output::new(path))?;
    let frames = bytes / (LENGTH as u64 + 32) / BATCH * BATCH;
    for first in (0..frames).step_by(BATCH as usize) {
        let (mut data, mut infos) = (Vec::with_capacity(1 << 20), Vec::new());
        for number in first..first + BATCH {
            infos.push(FrameInfo {
                timestamp_ns: START_NS + number * STEP_NS,
                offset: data.len() as u32,
                caplen: LENGTH as u32,
                len: LENGTH as u32,
                ..FrameInfo::default()
            });
            frame(number, &mut data)?;
        }
        sink.write(Batch::new(data, infos, Arc::clone(&interfaces)))?;
    }
    sink.finish(&Account::default())?;
    Ok(frames)
}

/// Runs `pktrail` with these words: how long it took.
fn timed(words: &[&str]) -> Result<Duration> {
    let program = std::env::current_exe()
        .map(|path| path.with_file_name("pktrail"))
        .map_err(|cause| Error::io("cannot tell where this program is", cause))?;
    let begin = Instant::now();
    let ended = Command::new(&program)
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let ended = ended.map_err(|cause| Error::io("cannot run pktrail; build it first", cause))?;
    if !ended.success() {
        let what = format!("pktrail {} ends with {ended}", words.join(" "));
        return Err(Error::new(ErrorKind::System, what));
    }
    Ok(begin.elapsed())
}

fn median(words: &[&str], rounds: usize) -> Result<String> {
    let mut times = (0..rounds)
        .map(|_| timed(words))
        .collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    let median = times.get(rounds / 2).copied().unwrap_or_default();
    Ok(format!("{:.1} ms", median.as_secs_f64() * 1_000.0))
}

fn measure(path: &Path, frames: u64) -> Result<()> {
    let file = path.to_str().unwrap_or_default();
    let size = || fs::metadata(path).map_or(0, |file| file.len());
    let before = size();
    println!(
        "{frames} frames of {LENGTH} bytes in {before} bytes, {} flows\n",
        flow_of(frames)
    );
    let middle = frames / 2;
    let second = |number: u64| {
        let ns = START_NS + number * STEP_NS;
        format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
    };
    let (from, to) = (second(middle), second(middle + 5_000));
    let flow = pattern(flow_of(middle));
    let absent = "10.200.0.1:5-192.0.2.1:443";
    let read = ["-r", file];
    let none = median(&["--version"], ROUNDS)?;
    println!("| | first packet | all of them |\n|---|---:|---:|\n| the program alone | {none} | |");
    let row = |name: &str, words: &[&str], rounds: usize| -> Result<()> {
        let all = [&read, words].concat();
        let first = [&all[..], &["-nq", "-c", "1"]].concat();
        let count = [&all[..], &["--count"]].concat();
        let (first, count) = (median(&first, rounds)?, median(&count, rounds)?);
        println!("| {name} | {first} | {count} |");
        Ok(())
    };
    let times = ["--from", &from, "--to", &to];
    row("10 ms of the middle, index of times", &times, ROUNDS)?;
    row(
        "a flow of the middle, index of times: all is read",
        &["--flow", &flow],
        1,
    )?;
    let indexing = timed(&["index", file])?;
    row("10 ms of the middle", &times, ROUNDS)?;
    row("a flow of the middle", &["--flow", &flow], ROUNDS)?;
    let both = [&times[..], &["--flow", &flow]].concat();
    row("that flow in 10 ms", &both, ROUNDS)?;
    row("a flow that is not there", &["--flow", absent], ROUNDS)?;
    println!(
        "\n`pktrail index` took {:.1} s; the index of times and flows has {} bytes more than that \
         of times.",
        indexing.as_secs_f64(),
        size() - before
    );
    Ok(())
}
