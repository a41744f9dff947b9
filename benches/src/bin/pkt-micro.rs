//! Single parts of pktrail without a kernel: what a frame costs in time, in
//! bytes moved and in allocations.
//!
//! A plain loop over `std::time`, because the figures wanted are a median and a
//! minimum; a benchmark framework adds a minute of build and statistics that a
//! shared machine does not bear out.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use etherparse::PacketBuilder;
use pktrail::output::{FileSink, Output};
use pktrail::text::{NoNames, Printer, Style};
use pktrail::{
    Batch, Filter, FrameInfo, Interface, LinkType, Program, Result, Sink, pcap, pcapng, read,
};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a batch: a block of the ring.
const BLOCK: usize = 1 << 20;
/// Before each frame in a block of the ring: its header, padding and reserve.
const BEFORE_FRAME: usize = 84;
/// Measured repetitions of each part; the median is shown.
const ROUNDS: usize = 31;

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pkt-micro: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let only = std::env::args().nth(1).unwrap_or_default();
    println!(
        "{:<18} {:>5} {:>10} {:>10} {:>10} {:>12}",
        "part", "size", "ns/frame", "least", "bytes", "allocations"
    );
    for (name, prepare) in PARTS {
        if !name.contains(&only) {
            continue;
        }
        for (size, lens) in [("64", &[64][..]), ("1500", &[1500]), ("mix", &MIX)] {
            let load = Load::new(lens);
            let part = prepare(&load)?;
            measure(name, size, load.frames(), part)?;
        }
    }
    Ok(())
}

/// Seven of 64, four of 576 and one of 1,500 bytes.
const MIX: [usize; 12] = [64, 576, 64, 64, 576, 64, 1500, 64, 576, 64, 576, 64];

/// A part to measure: does its work on all frames once, and tells how many
/// bytes it has written, or has read if it writes none.
type Part = Box<dyn FnMut() -> Result<usize>>;
type Prepare = fn(&Load) -> Result<Part>;

const PARTS: &[(&str, Prepare)] = &[
    ("pcapng-encode", |load| {
        let (load, mut out) = (load.clone(), Vec::new());
        let mut encoder = pcapng::Encoder::new(pcapng::Section::default());
        encoder.section(&mut out);
        Ok(Box::new(move || {
            out.clear();
            encoder.batch(&load.batch(), &mut out)?;
            Ok(black_box(&out).len())
        }))
    }),
    ("pcap-encode", |load| {
        let (load, mut out) = (load.clone(), Vec::new());
        let mut encoder = pcap::Encoder::new(pcap::Precision::Nano, 0);
        Ok(Box::new(move || {
            out.clear();
            encoder.batch(&load.batch(), &mut out)?;
            Ok(black_box(&out).len())
        }))
    }),
    ("file-sink-null", |load| {
        let load = load.clone();
        let mut sink = FileSink::open(Output::new("/dev/null"))?;
        Ok(Box::new(move || {
            let bytes = load.bytes();
            sink.write(load.batch())?;
            Ok(bytes)
        }))
    }),
    ("pcapng-read", |load| {
        let mut file = Vec::new();
        let mut encoder = pcapng::Encoder::new(pcapng::Section::default());
        encoder.section(&mut file);
        encoder.batch(&load.batch(), &mut file)?;
        Ok(Box::new(move || read_all(&file)))
    }),
    ("pcap-read", |load| {
        let mut file = Vec::new();
        let mut encoder = pcap::Encoder::new(pcap::Precision::Nano, 0);
        encoder.header(LinkType::ETHERNET, &mut file);
        encoder.batch(&load.batch(), &mut file)?;
        Ok(Box::new(move || read_all(&file)))
    }),
    ("filter-udp-port", |load| {
        let load = load.clone();
        let filter = Filter::new(Program::parse(UDP_PORT)?, None);
        Ok(Box::new(move || {
            let batch = load.batch();
            let interface = &batch.interfaces[0];
            let kept = batch
                .iter()
                .filter(|frame| filter.accepts(frame, interface).is_some());
            black_box(kept.count());
            Ok(load.bytes())
        }))
    }),
    ("print", |load| printing(load, Style::default())),
    ("print-verbose-hex", |load| {
        let style = Style {
            verbose: 1,
            link_header: true,
            dump: pktrail::text::Dump::HexAscii,
            ..Style::default()
        };
        printing(load, style)
    }),
];

/// `udp dst port 9`, IPv4 alone, as `tcpdump -ddd 'ip and udp dst port 9'`
/// writes it for Ethernet.
const UDP_PORT: &str = "11\n40 0 0 12\n21 0 8 2048\n48 0 0 23\n21 0 6 17\n40 0 0 20\n\
                        69 4 0 8191\n177 0 0 14\n72 0 0 16\n21 0 1 9\n6 0 0 262144\n6 0 0 0\n";

fn printing(load: &Load, style: Style) -> Result<Part> {
    let (load, mut out) = (load.clone(), String::new());
    let mut printer = Printer::new(
        Style {
            numeric: true,
            ..style
        },
        Box::new(NoNames),
    );
    Ok(Box::new(move || {
        out.clear();
        let batch = load.batch();
        for frame in batch.iter() {
            printer.print(&frame, &batch.interfaces[0], &mut out);
        }
        Ok(black_box(&out).len())
    }))
}

fn read_all(file: &[u8]) -> Result<usize> {
    let (mut reader, mut input) = (read::Reader::new(), file);
    while let Some(batch) = reader.batch_from(&mut input)? {
        black_box(&batch.frames);
    }
    Ok(file.len())
}

/// Frames as they lie in a block of the ring.
#[derive(Clone)]
struct Load {
    block: Arc<Vec<u8>>,
    frames: Vec<FrameInfo>,
    interfaces: Arc<Vec<Interface>>,
}

impl Load {
    /// As many frames of the given lengths, in turn, as a block holds.
    fn new(lens: &[usize]) -> Self {
        let (mut block, mut frames) = (vec![0; 48], Vec::new());
        for len in lens.iter().cycle() {
            if block.len() + BEFORE_FRAME + len > BLOCK {
                break;
            }
            block.resize(block.len() + BEFORE_FRAME, 0);
            frames.push(FrameInfo {
                timestamp_ns: 1_700_000_000_000_000_000 + frames.len() as u64 * 1000,
                offset: block.len() as u32,
                caplen: *len as u32,
                len: *len as u32,
                ..FrameInfo::default()
            });
            block.extend(udp(*len, frames.len()));
            block.resize(block.len().next_multiple_of(8), 0);
        }
        let interface = Interface {
            name: "pkt-load0".to_owned(),
            link_type: LinkType::ETHERNET,
            ..Interface::default()
        };
        Self {
            block: Arc::new(block),
            frames,
            interfaces: Arc::new(vec![interface]),
        }
    }

    fn frames(&self) -> usize {
        self.frames.len()
    }

    fn bytes(&self) -> usize {
        self.frames.iter().map(|info| info.caplen as usize).sum()
    }

    /// The batch, as a source would hand it out: its index is made anew.
    fn batch(&self) -> Batch {
        Batch {
            blocks: vec![Arc::clone(&self.block) as _],
            frames: self.frames.clone(),
            interfaces: Arc::clone(&self.interfaces),
            is_sorted: true,
            ..Batch::default()
        }
    }
}

fn udp(len: usize, number: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 255])
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .udp(1024 + (number % 16384) as u16, 9);
    let payload = vec![0; len - 42];
    let mut frame = Vec::with_capacity(len);
    // A vector takes everything, and the lengths are far from their limits.
    let _ = builder.write(&mut frame, &payload);
    frame
}

fn measure(name: &str, size: &str, frames: usize, mut part: Part) -> Result<()> {
    // Once to warm up and to let buffers grow, once to count.
    let bytes = part()?;
    let mut failed = None;
    let allocations = allocation_counter::measure(|| failed = part().err()).count_total;
    if let Some(error) = failed {
        return Err(error);
    }
    let mut nanoseconds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        part()?;
        nanoseconds.push(begin.elapsed().as_nanos() as f64 / frames as f64);
    }
    nanoseconds.sort_by(f64::total_cmp);
    println!(
        "{name:<18} {size:>5} {:>10.1} {:>10.1} {:>10.1} {:>12.4}",
        nanoseconds[ROUNDS / 2],
        nanoseconds[0],
        bytes as f64 / frames as f64,
        allocations as f64 / frames as f64,
    );
    Ok(())
}
