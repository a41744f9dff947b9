//! Many rings at once, in memory: what a frame costs when 1 to 64 threads each
//! turn the blocks of a ring of their own into pcapng and write them to a file
//! of their own (`/dev/null`), as `--file-per-ring` does.
//!
//! Each ring has the same size, whatever the number of threads, and a cache holds it
//! while its thread runs: what is compared is the engine's work, not the memory of the
//! machine, which has the same bandwidth for one thread as for many. Beyond the
//! machine's own CPUs the threads take turns, so that the time on the clock says
//! nothing more: CPU time does. Beside it stands how often a thread had to wait for
//! another (voluntary switches): shared locks would show there. Threads cost something
//! and wait when they begin and end, however long they run, so each figure is what
//! twice as many batches take more.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use pktrail::bench::Simulated;
use pktrail::inject::Sizes;
use pktrail::output::{FileSink, Output};
use pktrail::{Control, Engine, Error, Result};
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Threads of the rows.
const THREADS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Bytes of each ring: four blocks.
const RING_BYTES: usize = 4 << 20;
/// How far a frame's cost may be from that of one thread's.
const FLAT: f64 = 0.1;
/// Batches that all threads take together in one measurement.
const BATCHES: u64 = 32_768;
/// Measurements of each row; the median is shown.
const ROUNDS: usize = 3;

/// What all threads together did.
#[derive(Clone, Copy, Debug)]
struct Run {
    frames: u64,
    batches: u64,
    cpu_s: f64,
    seconds: f64,
    voluntary: i64,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.as_slice() {
        [] => tables(),
        // One measurement, for strace and perf to look at.
        [size, threads] => match (sizes(size), threads.parse()) {
            (Some(sizes), Ok(threads @ 1..=128)) => measure(sizes, threads, BATCHES).map(|run| {
                println!(
                    "{threads} threads, {} frames in {} batches",
                    run.frames, run.batches
                );
            }),
            _ => usage(),
        },
        _ => usage(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pkt-scale: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> Result<()> {
    let message = "Usage: pkt-scale [64|1500|mix THREADS]";
    Err(Error::new(pktrail::ErrorKind::Usage, message))
}

fn sizes(word: &str) -> Option<Sizes> {
    match word {
        "mix" => Some(Sizes::Mix),
        word => word.parse().ok().map(Sizes::Fixed),
    }
}

fn tables() -> Result<()> {
    println!(
        "| size | threads | CPU ns/frame | least | of one thread's | within 10 % | M frames/s | \
         voluntary switches for {BATCHES} batches more |\n|---|---:|---:|---:|---:|---|---:|---:|"
    );
    for (name, sizes) in [
        ("64", Sizes::Fixed(64)),
        ("1500", Sizes::Fixed(1500)),
        ("mix", Sizes::Mix),
    ] {
        // Once to get memory that a new process has to wait for.
        measure(sizes, 1, BATCHES)?;
        // Rows take turns, so that what the machine does meanwhile meets all.
        let mut runs = vec![Vec::new(); THREADS.len()];
        for _ in 0..ROUNDS {
            for (row, threads) in runs.iter_mut().zip(THREADS) {
                let half = measure(sizes, threads, BATCHES)?;
                let whole = measure(sizes, threads, 2 * BATCHES)?;
                row.push(Run {
                    frames: whole.frames - half.frames,
                    batches: whole.batches - half.batches,
                    cpu_s: whole.cpu_s - half.cpu_s,
                    seconds: whole.seconds - half.seconds,
                    voluntary: whole.voluntary - half.voluntary,
                });
            }
        }
        let cost = |run: &Run| run.cpu_s * 1e9 / run.frames as f64;
        let alone = median(&runs[0], cost);
        for (row, threads) in runs.iter().zip(THREADS) {
            let least = row.iter().map(cost).fold(f64::INFINITY, f64::min);
            let ratio = median(row, cost) / alone;
            println!(
                "| {name} | {threads} | {:.1} | {least:.1} | {ratio:.2} | {} | {:.2} | {:.0} |",
                median(row, cost),
                if (ratio - 1.0).abs() <= FLAT {
                    "yes"
                } else {
                    "**no**"
                },
                median(row, |run| run.frames as f64 / run.seconds / 1e6),
                median(row, |run| run.voluntary as f64),
            );
        }
    }
    Ok(())
}

fn median(runs: &[Run], value: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Lets `threads` rings run at once, each with an engine and a file of its own, until
/// together they have taken so many batches.
fn measure(sizes: Sizes, threads: usize, batches: u64) -> Result<Run> {
    let each = batches / threads as u64;
    let mut engines = Vec::new();
    for _ in 0..threads {
        let source = Simulated::new(sizes, RING_BYTES)?.batches(each);
        let frames = source.frames_in_batch() as u64;
        let mut engine = Engine::new();
        engine.add(Box::new(source));
        let sink = FileSink::open(Output::new("/dev/null"))?;
        engines.push((engine, sink, frames));
    }
    let ready = Barrier::new(threads + 1);
    let (before, begin, frames) = thread::scope(|scope| {
        let handles: Vec<_> = engines
            .into_iter()
            .map(|(engine, mut sink, frames)| {
                let ready = &ready;
                scope.spawn(move || -> Result<u64> {
                    ready.wait();
                    let finished = engine.run(&mut sink, &Control::default(), |_| {});
                    let delivered = finished.into_result()?.delivered;
                    assert_eq!(delivered, each * frames, "every frame arrives");
                    Ok(delivered)
                })
            })
            .collect();
        let before = used();
        let begin = Instant::now();
        ready.wait();
        let mut sum = 0;
        for handle in handles {
            sum += match handle.join() {
                Ok(frames) => frames?,
                Err(cause) => std::panic::resume_unwind(cause),
            };
        }
        Ok::<_, Error>((before?, begin, sum))
    })?;
    let after = used()?;
    Ok(Run {
        frames,
        batches: each * threads as u64,
        cpu_s: after.0 - before.0,
        seconds: begin.elapsed().as_secs_f64(),
        voluntary: after.1 - before.1,
    })
}

/// CPU seconds and voluntary switches of this process so far.
fn used() -> Result<(f64, i64)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|error| Error::io("getrusage of this process", error.into()))?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok((
        seconds(usage.user_time()) + seconds(usage.system_time()),
        usage.voluntary_context_switches(),
    ))
}
