//! The load generator, run as a program of its own: `pkt-load`.

use crate::testbed;
use pktrail::{Error, ErrorKind, Result};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The CPU that injects, and with it the kernel's work up to the ring.
pub const LOAD_CPU: u32 = 0;
/// The CPU of the capturing program.
pub const CAPTURE_CPU: u32 = 1;

/// What to send.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Size of the frames, as `pkt-load --size` takes it.
    pub size: String,
    /// Frames to send.
    pub frames: u64,
    /// Frames per second; 0 for as fast as it goes.
    pub rate: u64,
    /// Seconds after which it ends in any case.
    pub seconds: u64,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// Frames, numbered from 0.
    pub frames: u64,
    /// Seconds from the first to the last.
    pub seconds: f64,
}

/// A program of ours, from beside the running one.
pub fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name(name)
}

/// A command that runs a program on one CPU at a priority (see nice(1)). Without
/// the right to raise it, the program runs all the same.
pub fn on_cpu(cpu: u32, nice: i32) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", &nice.to_string(), "taskset", "-c", &cpu.to_string()]);
    command.stdin(Stdio::null());
    command
}

impl Load {
    /// Begins to send.
    ///
    /// # Errors
    /// `NotFound` where it was not built.
    pub fn start(&self, nice: i32) -> Result<Child> {
        on_cpu(LOAD_CPU, nice)
            .arg(beside("pkt-load"))
            .args(["-i", testbed::INTERFACE, "--size", &self.size])
            .args(["--count", &self.frames.to_string()])
            .args(["--rate", &self.rate.to_string()])
            .args(["--seconds", &self.seconds.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Error::io("cannot start pkt-load", error))
    }

    /// Sends all.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`finish`].
    pub fn run(&self) -> Result<Sent> {
        finish(self.start(0)?)
    }
}

/// Waits for the end of a load.
///
/// # Errors
/// `System` where it failed or was ended by a signal.
pub fn finish(load: Child) -> Result<Sent> {
    let output = load
        .wait_with_output()
        .map_err(|error| Error::io("cannot wait for pkt-load", error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        let rest = said.split_once(&format!("\"{name}\":"))?.1;
        rest.split([',', '}']).next()?.parse::<f64>().ok()
    };
    match (output.status.success(), field("frames"), field("seconds")) {
        (true, Some(frames), Some(seconds)) => Ok(Sent {
            frames: frames as u64,
            seconds,
        }),
        _ => Err(Error::new(
            ErrorKind::System,
            format!(
                "pkt-load failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        )),
    }
}
