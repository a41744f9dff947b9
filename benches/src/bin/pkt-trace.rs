//! What tracing costs: a UDP flood and a TCP stream between two namespaces, without a tracer,
//! with one that only counts, with one whose filter takes nothing, and with one that follows all.
//!
//! Owns the loads and the rounds; writes benches/runs/DATE/trace.md. Needs root and iproute2.

#![allow(clippy::print_stdout, reason = "it reports to a terminal")]

use pktrail::filter::{NoNames, SkbFilter, Target};
use pktrail::trace::{Followed, Selection, Summary, Tracer};
use pktrail::trail::Settings;
use pktrail::{Error, ErrorKind, LinkType, Result};
use pktrail_benches::{machine, testbed};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const A: &str = "pkt-trace-a";
const B: &str = "pkt-trace-b";
const ADDRESS_A: &str = "10.79.0.1";
const ADDRESS_B: &str = "10.79.0.2";
const PORT: u16 = 4000;
/// The sender and the kernel's work on CPU 0, who receives and who reads events on CPU 1.
const SENDER_CPU: usize = 0;
const READER_CPU: usize = 1;
/// Bytes of payload of a datagram.
const DATAGRAM: usize = 64;

/// Two namespaces and a cable between them, until dropped.
struct Pair;

impl Pair {
    fn new() -> Result<Self> {
        let pair = Self;
        for name in [A, B] {
            ip(&["netns", "add", name])?;
        }
        ip(&[
            "-n", A, "link", "add", "pkt-a", "type", "veth", "peer", "name", "pkt-b", "netns", B,
        ])?;
        for (name, link, address) in [(A, "pkt-a", ADDRESS_A), (B, "pkt-b", ADDRESS_B)] {
            let address = format!("{address}/24");
            ip(&["-n", name, "address", "add", &address, "dev", link])?;
            ip(&["-n", name, "link", "set", link, "up"])?;
        }
        Ok(pair)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in [A, B] {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let failed = |said: String| {
        let line = arguments.join(" ");
        Error::new(ErrorKind::System, format!("`ip {line}` failed: {said}"))
    };
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

/// What traces during a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tracing {
    Nobody,
    Counting,
    NoMatch,
    All,
}

impl Tracing {
    const EACH: [Self; 4] = [Self::Nobody, Self::Counting, Self::NoMatch, Self::All];

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Counting => "counting only",
            Self::NoMatch => "no packet matches",
            Self::All => "every packet matches",
        }
    }

    fn selection(self) -> Result<Option<Selection>> {
        let target = Target::new(LinkType::RAW, 65_535);
        let filter = |text: &str| SkbFilter::compile(text, &target, &mut NoNames).map(Some);
        Ok(match self {
            Self::Nobody => None,
            Self::Counting => Some(Selection {
                count_only: true,
                ..Selection::default()
            }),
            Self::NoMatch => Some(Selection {
                filter: filter("port 9 and host 192.0.2.1")?,
                ..Selection::default()
            }),
            Self::All => Some(Selection {
                filter: filter("port 4000")?,
                ..Selection::default()
            }),
        })
    }
}

/// A tracer on a thread of its own.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(Summary, f64)>>,
}

impl Reader {
    fn start(selection: &Selection) -> Result<Self> {
        let begin = Instant::now();
        let tracer = Tracer::open(selection)?;
        let attach_s = begin.elapsed().as_secs_f64();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let counting = selection.count_only;
        let thread = thread::spawn(move || {
            testbed::pin(READER_CPU)?;
            let mut followed = Followed::new(tracer, Settings::default());
            while !stopped.load(Ordering::Relaxed) {
                match counting {
                    true => thread::sleep(Duration::from_millis(10)),
                    false => drop(followed.next(Duration::from_millis(20))?),
                }
            }
            let (_, summary) = followed.finish()?;
            Ok((summary, attach_s))
        });
        Ok(Self { stop, thread })
    }

    fn end(self) -> Result<(Summary, f64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| Error::new(ErrorKind::Internal, "the reader panicked"))?
    }
}

/// One load during one round.
struct Round {
    load: &'static str,
    tracing: Tracing,
    /// Packets or bytes in a second.
    rate: f64,
    events: Summary,
    attach_s: f64,
}

fn within<T: Send>(name: &str, work: impl FnOnce() -> std::io::Result<T> + Send) -> Result<T> {
    let done = pktrail::netns::within(Some(name), || Ok(work()))?;
    done.map_err(|error| Error::io("a socket of the load", error))
}

/// Datagrams that were sent in a second.
fn flood(time: Duration) -> Result<f64> {
    let sink = within(B, || UdpSocket::bind((ADDRESS_B, PORT)))?;
    let source = within(A, || UdpSocket::bind((ADDRESS_A, 0)))?;
    let set = |result: std::io::Result<()>| {
        result.map_err(|error| Error::io("a socket of the load", error))
    };
    set(source.connect((ADDRESS_B, PORT)))?;
    set(sink.set_read_timeout(Some(Duration::from_millis(50))))?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let receiver = thread::spawn(move || {
        let _ = testbed::pin(READER_CPU);
        let mut buffer = [0; 2048];
        while !stopped.load(Ordering::Relaxed) {
            let _ = sink.recv(&mut buffer);
        }
    });
    let sender = thread::spawn(move || {
        testbed::pin(SENDER_CPU)?;
        let data = [0x5a; DATAGRAM];
        let begin = Instant::now();
        let mut sent = 0_u64;
        while begin.elapsed() < time {
            for _ in 0..64 {
                sent += u64::from(source.send(&data).is_ok());
            }
        }
        Ok(sent as f64 / begin.elapsed().as_secs_f64())
    });
    let rate = joined(sender);
    stop.store(true, Ordering::Relaxed);
    let _ = receiver.join();
    rate
}

/// Bytes that arrived in a second.
fn stream(time: Duration) -> Result<f64> {
    let listener = within(B, || TcpListener::bind((ADDRESS_B, PORT)))?;
    let mut source = within(A, || TcpStream::connect((ADDRESS_B, PORT)))?;
    let sink = listener.accept();
    let (mut sink, _) = sink.map_err(|error| Error::io("a socket of the load", error))?;
    let bytes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&bytes);
    let receiver = thread::spawn(move || {
        let _ = testbed::pin(READER_CPU);
        let mut buffer = vec![0; 1 << 17];
        while let Ok(read @ 1..) = sink.read(&mut buffer) {
            counted.fetch_add(read as u64, Ordering::Relaxed);
        }
    });
    let sender = thread::spawn(move || {
        testbed::pin(SENDER_CPU)?;
        let data = vec![0x5a; 1 << 16];
        let begin = Instant::now();
        while begin.elapsed() < time {
            let written = source.write_all(&data);
            written.map_err(|error| Error::io("a socket of the load", error))?;
        }
        Ok(begin.elapsed().as_secs_f64())
    });
    let seconds = joined(sender)?;
    let rate = bytes.load(Ordering::Relaxed) as f64 / seconds;
    let _ = receiver.join();
    Ok(rate)
}

fn joined<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    let panicked = |_| Error::new(ErrorKind::Internal, "a load panicked");
    thread.join().map_err(panicked)?
}

fn round(tracing: Tracing, load: &'static str, time: Duration) -> Result<Round> {
    let reader = tracing.selection()?.as_ref().map(Reader::start);
    let reader = reader.transpose()?;
    let rate = match load {
        "UDP" => flood(time)?,
        _ => stream(time)?,
    };
    let (events, attach_s) = match reader {
        Some(reader) => reader.end()?,
        None => (Summary::default(), 0.0),
    };
    Ok(Round {
        load,
        tracing,
        rate,
        events,
        attach_s,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(rounds: &[Round], command: &str) -> String {
    let mut text = format!(
        "# What tracing costs\n\n{}\nCommand: `{command}`. Medians; rounds are interleaved. \
         Datagrams of {DATAGRAM} bytes sent one a call, and a TCP stream, between two namespaces \
         over veth; the sender on one CPU, who receives and who reads events on the other.\n\n",
        machine::describe()
    );
    text.push_str("| load | tracing | rate | slower than without |\n|---|---|---:|---:|\n");
    for load in ["UDP", "TCP"] {
        let of = |tracing: Tracing| {
            let rounds = rounds.iter();
            let rounds = rounds.filter(|r| r.load == load && r.tracing == tracing);
            median(rounds.map(|r| r.rate).collect())
        };
        let base = of(Tracing::Nobody);
        for tracing in Tracing::EACH {
            let rate = of(tracing);
            let unit = match load {
                "UDP" => format!("{:.0} packets/s", rate),
                _ => format!("{:.2} GB/s", rate / 1e9),
            };
            let slower = 100.0 * (1.0 - rate / base);
            let name = tracing.name();
            let _ = writeln!(text, "| {load} | {name} | {unit} | {slower:.1} % |");
        }
    }
    text.push_str("\n## Raw\n\nload,tracing,rate,produced,shown,lost,late,attach_s\n");
    for round in rounds {
        let Round {
            load, rate, events, ..
        } = round;
        let _ = writeln!(
            text,
            "{load},{},{rate:.0},{},{},{},{},{:.3}",
            round.tracing.name(),
            events.produced,
            events.shown,
            events.lost,
            events.late,
            round.attach_s
        );
    }
    text
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| {
        let word = words.get(at).and_then(|word| word.parse().ok());
        word.unwrap_or(otherwise)
    };
    let (count, time_ms) = (number(0, 5), number(1, 1000));
    let time = Duration::from_millis(time_ms);
    let _pair = Pair::new()?;
    let mut rounds = Vec::new();
    for _ in 0..count {
        for load in ["UDP", "TCP"] {
            for tracing in Tracing::EACH {
                rounds.push(round(tracing, load, time)?);
            }
        }
    }
    let command = format!("pkt-trace {}", words.join(" "));
    print!("{}", report(&rounds, command.trim_end()));
    Ok(())
}
