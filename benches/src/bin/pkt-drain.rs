//! The least that a capture costs: takes batches from an interface's ring and
//! gives them back. With `--bare` the blocks of the ring are given back as they
//! are, and their frames are not even looked for.
//!
//! Ends at SIGINT, and then says what tcpdump says.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use pktrail::af_packet::{AfPacket, Options};
use pktrail::{Error, ErrorKind, Filter, Next, Program, Result, Source};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "Usage: pkt-drain -i INTERFACE [--ring MIB] [--bare]";

fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--version") {
        println!("pkt-drain {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pkt-drain: {error:#}");
            match error.kind() {
                ErrorKind::Usage => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// What to capture, and whether to look at it.
fn options() -> Result<(Options, bool)> {
    let usage = || Error::new(ErrorKind::Usage, USAGE);
    let (mut interface, mut ring_mib, mut bare) = (None, None, false);
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        if flag == "--bare" {
            bare = true;
            continue;
        }
        let value = words.next().ok_or_else(usage)?;
        match flag.as_str() {
            "-i" => interface = Some(value),
            "--ring" => ring_mib = Some(value.parse::<usize>().map_err(|_| usage())?),
            _ => return Err(usage()),
        }
    }
    let mut options = Options::new(interface.ok_or_else(usage)?);
    options.ring_bytes = ring_mib.map(|mib| mib << 20);
    Ok((options, bare))
}

fn run() -> Result<()> {
    let (options, bare) = options()?;
    let io = |error: nix::Error| Error::io("cannot wait for SIGINT", error.into());
    let mut wanted = SigSet::empty();
    wanted.add(Signal::SIGINT);
    wanted.thread_block().map_err(io)?;
    let interrupts = SignalFd::with_flags(&wanted, SfdFlags::SFD_NONBLOCK).map_err(io)?;

    let mut source = AfPacket::open(&options)?;
    source.set_filter(&Filter::new(Program::returning(u32::MAX), None))?;
    source.start()?;
    let mut frames = 0;
    let mut asked = !bare;
    while !asked {
        match source.discard(Duration::from_millis(100))? {
            Some(more) => frames += more,
            None => asked = interrupts.read_signal().map_err(io)?.is_some(),
        }
    }
    if bare {
        source.stop()?;
    }
    loop {
        match source.next_batch(Duration::from_millis(100))? {
            Next::Batch(batch) => frames += batch.frames.len() as u64,
            // Only here, so that a busy ring costs no call for it.
            Next::Idle { .. } if interrupts.read_signal().map_err(io)?.is_some() => {
                source.stop()?;
            }
            Next::Idle { .. } => {}
            Next::Notice(notice) => eprintln!("pkt-drain: {notice:?}"),
            Next::End => break,
        }
    }
    let account = source.account()?;
    println!(
        "{frames} packets captured\n{} packets received by filter\n{} packets dropped by kernel",
        account.received,
        account.lost.total()
    );
    Ok(())
}
