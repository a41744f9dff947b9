//! A capture by the program between two namespaces, and its judges.

use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use pktrail_tests::program;
use serde_json::Value;
use std::fs::{self, File};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The UDP port that numbered packets go to.
pub(crate) const PORT: u16 = 7701;
/// What numbered payloads begin with, in hexadecimal as tshark shows it.
const MAGIC: &[u8] = b"pkt#";

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A socket bound to that address. A program that another test starts at this
/// moment holds the sockets of all tests until it runs, so that a port that was
/// free may be in use for a while.
fn bind(address: &str, port: u16) -> UdpSocket {
    let begin = Instant::now();
    loop {
        match UdpSocket::bind((address, port)) {
            Ok(socket) => return socket,
            Err(cause) => assert!(begin.elapsed() < PATIENCE, "cannot bind: {cause}"),
        }
        sleep(Duration::from_millis(1));
    }
}

/// Sends packets with these numbers over the cable, `pause` apart.
pub(crate) fn send(pair: &VethPair, numbers: std::ops::Range<u32>, size: usize, pause: Duration) {
    send_with(pair, numbers, pause, |payload, _| {
        payload.resize(size.max(8), 0x55)
    });
}

/// The same with bytes that cannot be compressed.
pub(crate) fn send_noise(pair: &VethPair, numbers: std::ops::Range<u32>, size: usize) {
    send_with(pair, numbers, Duration::ZERO, |payload, number| {
        // xorshift64
        let mut state = u64::from(number) + 0x9e37_79b9_7f4a_7c15;
        while payload.len() < size {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            payload.extend(state.to_le_bytes());
        }
    });
}

fn send_with(
    pair: &VethPair,
    numbers: std::ops::Range<u32>,
    pause: Duration,
    fill: impl Fn(&mut Vec<u8>, u32),
) {
    let _listener = pair.b.within(|| bind(VethPair::ADDRESS_B, PORT));
    let socket = pair.a.within(|| bind(VethPair::ADDRESS_A, 0));
    for number in numbers {
        let mut payload = MAGIC.to_vec();
        payload.extend(number.to_be_bytes());
        fill(&mut payload, number);
        let sent = socket.send_to(&payload, (VethPair::ADDRESS_B, PORT));
        sent.expect("the cable takes it");
        if !pause.is_zero() {
            sleep(pause);
        }
    }
}

/// The numbers of the packets in a file, in its order, as tshark reads it.
pub(crate) fn numbers(file: &Path) -> Vec<u32> {
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "udp.payload", "-r"])
        .arg(file)
        .output()
        .expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let magic: String = MAGIC.iter().map(|byte| format!("{byte:02x}")).collect();
    let number = |line: &str| u32::from_str_radix(line.strip_prefix(&magic)?.get(..8)?, 16).ok();
    text.lines()
        .filter_map(|line| number(line.trim()))
        .collect()
}

/// How many packets a file says were lost, as tshark reads it.
pub(crate) fn told_lost(file: &Path) -> u64 {
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "frame.drop_count", "-r"])
        .arg(file)
        .output()
        .expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| line.parse::<u64>().ok())
        .sum()
}

/// A running capture. It is killed if it is still there at the end.
pub(crate) struct Running {
    child: Child,
    said: PathBuf,
}

impl Running {
    /// Starts `command` with its standard error in a file of `folder`, and waits
    /// until it listens.
    pub(crate) fn start(command: &mut Command, folder: &Folder) -> Self {
        let said = folder.path("said");
        let file = File::create(&said).expect("a file can be made");
        let child = command
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut running = Self { child, said };
        running.wait_for("listening");
        running
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its memory now in KiB, without the ring and what it has of its file.
    pub(crate) fn anonymous_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("it is there");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number of KiB")
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Waits until it has said `words`.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let begin = Instant::now();
        while !self.said().contains(words) {
            let ended = self.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "it ended: {}", self.said());
            assert!(begin.elapsed() < PATIENCE, "it says only: {}", self.said());
            sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return Ended {
                    status,
                    said: self.said(),
                };
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "it does not end: {}",
                self.said()
            );
            sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to end, as Ctrl-C does, and waits.
    pub(crate) fn stop(self) -> Ended {
        self.signal("INT");
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A capture that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

impl Ended {
    /// The account that it printed as JSON.
    pub(crate) fn account(&self) -> Value {
        let line = self
            .said
            .lines()
            .rev()
            .find(|line| line.starts_with("{\"account\""));
        let line = line.unwrap_or_else(|| panic!("no account in: {}", self.said));
        let value: Value = serde_json::from_str(line).expect("the account is JSON");
        value["account"].clone()
    }

    /// Asserts that the account adds up, and that `sent` packets are in it.
    pub(crate) fn assert_accounted(&self, sent: u64) -> u64 {
        let account = self.account();
        let count = |value: &Value| value.as_u64().expect("a count");
        let lost = &account["lost"];
        let after: u64 = ["ring", "queue", "writer", "disk"]
            .iter()
            .map(|p| count(&lost[p]))
            .sum();
        let delivered = count(&account["delivered"]);
        let received = count(&account["received"]);
        let others = ["filtered", "surplus", "expired"];
        let others: u64 = others.iter().map(|name| count(&account[name])).sum();
        let settled = delivered + others + after;
        assert_eq!(received, settled, "{account}");
        assert_eq!(account["in_flight"], 0, "{account}");
        assert_eq!(received, sent, "sent = captured + lost: {account}");
        delivered
    }
}

/// The program with these words, inside `b`, on its end of the cable.
pub(crate) fn on_cable(pair: &VethPair, words: &[&str]) -> Command {
    let mut command = pair
        .b
        .command(program::path().to_str().expect("a path in UTF-8"));
    command.args(["-i", VethPair::B, "--json"]).args(words);
    command
}

/// The same, with SIGHUP as a terminal leaves it (`default`) or as `nohup` does
/// (`ignore`), whatever this test inherited.
pub(crate) fn with_hangup(action: &str, pair: &VethPair, words: &[&str]) -> Command {
    let mut command = pair.b.command("env");
    command.arg(format!("--{action}-signal=HUP"));
    command.arg(program::path());
    command.args(["-i", VethPair::B, "--json"]).args(words);
    command
}
