//! The loads: a UDP flood, the same at a given rate, and a TCP stream, between two namespaces over
//! a cable.
//!
//! Owns the namespaces and who runs where. Needs iproute2, chrt and renice.

use pktrail::{Error, ErrorKind, Result};
use pktrail_benches::testbed;
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
pub(crate) const PORT: u16 = 4000;
/// The sender and the kernel's work on CPU 0, who receives and who reads events on CPU 1.
const SENDER_CPU: usize = 0;
pub(crate) const READER_CPU: usize = 1;
/// Bytes of payload of a datagram.
pub(crate) const DATAGRAM: usize = 64;

/// Two namespaces and a cable between them, until dropped.
pub(crate) struct Pair;

impl Pair {
    pub(crate) fn new() -> Result<Self> {
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
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let failed = |said: String| {
        let line = arguments.join(" ");
        Error::new(
            ErrorKind::System,
            format!("`{program} {line}` failed: {said}"),
        )
    };
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

fn within<T: Send>(name: &str, work: impl FnOnce() -> std::io::Result<T> + Send) -> Result<T> {
    let done = pktrail::netns::within(Some(name), || Ok(work()))?;
    done.map_err(|error| Error::io("a socket of the load", error))
}

/// Sends datagrams for `time`, at most `pace` in a second, and returns how many in a second these
/// were and how many in all.
pub(crate) fn flood(time: Duration, pace: Option<f64>) -> Result<(f64, u64)> {
    let sink = within(B, || UdpSocket::bind((ADDRESS_B, PORT)))?;
    let source = within(A, || UdpSocket::bind((ADDRESS_A, 0)))?;
    let set = |result: std::io::Result<()>| {
        result.map_err(|error| Error::io("a socket of the load", error))
    };
    set(source.connect((ADDRESS_B, PORT)))?;
    let stop = Arc::new(AtomicBool::new(false));
    let receiver = thread::spawn(receive(sink, Arc::clone(&stop), pace.is_some()));
    let sender = thread::spawn(move || {
        testbed::pin(SENDER_CPU)?;
        undisturbed()?;
        let data = [0x5a; DATAGRAM];
        let begin = Instant::now();
        let mut sent = 0_u64;
        while begin.elapsed() < time {
            for _ in 0..64 {
                sent += u64::from(source.send(&data).is_ok());
            }
            let due = pace.map_or(Duration::ZERO, |pace| {
                Duration::from_secs_f64(sent as f64 / pace)
            });
            thread::sleep(due.saturating_sub(begin.elapsed()));
        }
        Ok((sent as f64 / begin.elapsed().as_secs_f64(), sent))
    });
    let rate = joined(sender);
    stop.store(true, Ordering::Relaxed);
    let _ = receiver.join();
    rate
}

/// Reads what comes, and does not sleep for long: a packet that wakes somebody costs its sender
/// much more than one that does not, and how many do would depend on who is faster. One that is
/// `gentle` lets some gather and leaves the CPU to who reads events.
fn receive(sink: UdpSocket, stop: Arc<AtomicBool>, gentle: bool) -> impl FnOnce() + Send {
    move || {
        let _ = testbed::pin(READER_CPU).and_then(|()| preferred());
        let _ = sink.set_nonblocking(true);
        let mut buffer = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            match (sink.recv(&mut buffer), gentle) {
                (Ok(_), _) => {}
                (Err(_), true) => thread::sleep(Duration::from_micros(300)),
                (Err(_), false) => thread::yield_now(),
            }
        }
    }
}

/// Nothing else takes the CPU from the calling thread: its rate is what a packet costs.
fn undisturbed() -> Result<()> {
    let number = nix::unistd::gettid().to_string();
    run("chrt", &["--fifo", "--pid", "10", &number])
}

/// The calling thread goes before whatever else the machine does.
pub(crate) fn preferred() -> Result<()> {
    let number = nix::unistd::gettid().to_string();
    run("renice", &["-n", "-15", "-p", &number])
}

/// Bytes that arrived in a second.
pub(crate) fn stream(time: Duration) -> Result<f64> {
    let listener = within(B, || TcpListener::bind((ADDRESS_B, PORT)))?;
    let mut source = within(A, || TcpStream::connect((ADDRESS_B, PORT)))?;
    let sink = listener.accept();
    let (mut sink, _) = sink.map_err(|error| Error::io("a socket of the load", error))?;
    let bytes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&bytes);
    let receiver = thread::spawn(move || {
        let _ = testbed::pin(READER_CPU).and_then(|()| preferred());
        let mut buffer = vec![0; 1 << 17];
        while let Ok(read @ 1..) = sink.read(&mut buffer) {
            counted.fetch_add(read as u64, Ordering::Relaxed);
        }
    });
    let sender = thread::spawn(move || {
        testbed::pin(SENDER_CPU)?;
        undisturbed()?;
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
