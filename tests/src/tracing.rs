//! `pktrail trace` while something happens, and what it said.

use crate::program;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest time until everything is attached, and until the program ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running trace. It is killed if it is still there at the end.
pub struct Tracing {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
    shown: Option<JoinHandle<String>>,
}

/// What a trace showed.
pub struct Traced {
    /// Standard output.
    pub shown: String,
    /// Standard error.
    pub said: String,
    /// How it ended.
    pub status: ExitStatus,
}

impl Tracing {
    /// Starts `pktrail trace` with these words, and waits until it is attached.
    ///
    /// # Panics
    /// If it ends before that.
    pub fn start(words: &[&str]) -> Self {
        let mut command = program::pktrail();
        command.arg("trace").args(words);
        Self::of(command)
    }

    /// The same with a command of one's own.
    ///
    /// # Panics
    /// As `start`.
    pub fn of(command: Command) -> Self {
        Self::hearing(command, "tracing at")
    }

    /// The same, until it has said `words`.
    ///
    /// # Panics
    /// As `start`.
    pub fn hearing(mut command: Command, words: &str) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("pktrail starts");
        let mut stdout = child.stdout.take().expect("a pipe");
        let shown = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stdout.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut tracing = Self {
            child,
            said,
            heard: Vec::new(),
            shown: Some(shown),
        };
        tracing.wait_for(words);
        tracing
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has said `words`.
    ///
    /// # Panics
    /// If it ends before that, or takes more than a minute.
    pub fn wait_for(&mut self, words: &str) {
        while !self.heard.iter().any(|line| line.contains(words)) {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(_) => panic!("it never says '{words}', only {:#?}", self.heard),
            }
        }
    }

    /// Sends it a signal by name.
    ///
    /// # Panics
    /// If it is gone.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until what happened is in the ring, ends it as Ctrl-C would, and returns what it said.
    ///
    /// # Panics
    /// If it was gone already.
    pub fn end(self) -> Traced {
        self.signal("INT");
        self.wait()
    }

    /// Waits for its own end.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn wait(mut self) -> Traced {
        let shown = self.shown.take().map(JoinHandle::join);
        let status = self.child.wait().expect("it can be waited for");
        while let Ok(line) = self.said.recv_timeout(PATIENCE) {
            self.heard.push(line);
        }
        Traced {
            shown: shown.and_then(Result::ok).unwrap_or_default(),
            said: self.heard.join("\n"),
            status,
        }
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Traced {
    /// The objects of `--json`, one a line.
    ///
    /// # Panics
    /// If a line is not JSON.
    pub fn trails(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|cause| panic!("{cause}: {line}"))
        };
        self.shown.lines().map(parse).collect()
    }

    /// The only one of `trails` whose packet goes to this port.
    ///
    /// # Panics
    /// If there is none, or more than one that is no clone or retransmit.
    pub fn trail_to(&self, port: u16) -> Value {
        let mut trails = self.trails();
        trails.retain(|trail| {
            trail["headers"]["destination_port"] == port && trail["from"].is_null()
        });
        assert_eq!(trails.len(), 1, "to {port}: {}\n{}", self.shown, self.said);
        trails.remove(0)
    }
}

/// `POINT INTERFACE@NETNS` of each hop.
pub fn way(trail: &Value) -> Vec<String> {
    let hops = trail["hops"].as_array().expect("an array");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let step = |hop: &Value| {
        let point = text(&hop["point"]);
        format!(
            "{point} {}@{}",
            text(&hop["interface"]),
            text(&hop["netns"])
        )
    };
    hops.iter().map(step).collect()
}

/// Whether `wanted` are among the hops of `trail` in this order.
///
/// # Panics
/// If not.
pub fn in_order(trail: &Value, wanted: &[String]) {
    let way = way(trail);
    let mut rest = way.iter();
    for step in wanted {
        assert!(
            rest.any(|hop| hop == step),
            "'{step}' is missing or out of order in\n{}",
            way.join("\n")
        );
    }
}
