//! A running program, seen from outside: its CPU time, its memory, its end.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pktrail::{Error, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// A started program, killed when dropped, and files of its own that go with it.
pub struct Running {
    child: Child,
    files: Vec<PathBuf>,
    memory: Memory,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// Resident memory of a process in KiB, without the mapping of its ring: what
/// `/proc/PID/status` calls VmRSS and VmHWM, less the pages that
/// `/proc/PID/smaps` shows for mappings of sockets. A ring is wholly resident
/// from the moment it is mapped, so it is the same part of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The ring.
    pub ring_kib: u64,
    /// Beside it, now.
    pub now_kib: u64,
    /// Beside it, at most so far.
    pub peak_kib: u64,
}

impl Running {
    /// Looks after `child`; `files` are removed with it.
    pub fn new(child: Child, files: Vec<PathBuf>) -> Self {
        Self {
            child,
            files,
            memory: Memory::default(),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// CPU seconds of all its threads so far, by the scheduler's own count.
    pub fn cpu_seconds(&self) -> f64 {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.id())) else {
            return 0.0;
        };
        let nanoseconds: u64 = threads
            .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
            .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .sum();
        nanoseconds as f64 / 1e9
    }

    /// Its memory now; what was seen last, if it has ended.
    pub fn memory(&mut self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let (Some(now), Some(peak)) = (kib(&status, "VmRSS:"), kib(&status, "VmHWM:")) else {
            return self.memory;
        };
        if self.memory.ring_kib == 0 {
            let maps = fs::read_to_string(format!("/proc/{}/smaps", self.id()));
            self.memory.ring_kib = ring_kib(&maps.unwrap_or_default());
        }
        self.memory.now_kib = now.saturating_sub(self.memory.ring_kib);
        self.memory.peak_kib = peak.saturating_sub(self.memory.ring_kib);
        self.memory
    }

    /// Waits until it has nothing more to do: less than 1 % of a CPU for one
    /// and a half seconds, longer than any program here leaves frames in a block
    /// of its ring (libpcap: one second). Half a minute at most.
    pub fn wait_until_quiet(&self) {
        let begin = Instant::now();
        let mut before = self.cpu_seconds();
        while begin.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(1500));
            let now = self.cpu_seconds();
            if now - before < 0.015 {
                return;
            }
            before = now;
        }
    }

    /// Ends it as a person would, and watches its memory until it is gone.
    ///
    /// # Errors
    /// `System` where it cannot be ended.
    pub fn interrupt(&mut self) -> Result<()> {
        let pid = Pid::from_raw(self.id().cast_signed());
        kill(pid, Signal::SIGINT)
            .map_err(|error| Error::io("cannot end the capture", error.into()))?;
        while !self.has_ended() {
            self.memory();
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// A value of `/proc/PID/status` or of a mapping in `smaps`.
fn kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The resident pages of all mappings of sockets.
fn ring_kib(smaps: &str) -> u64 {
    let (mut is_ring, mut sum) = (false, 0);
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if !first.ends_with(':') {
            is_ring = line.contains(" socket:[");
        } else if is_ring && first == "Rss:" {
            sum += kib(line, "Rss:").unwrap_or(0);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_what_sockets_map() {
        let smaps = "7f00-7f40 rw-s 00000000 00:08 71  socket:[71]\n\
                     Size:  65536 kB\nRss:   65532 kB\nPss: 1 kB\n\
                     7f50-7f60 r-xp 00000000 fe:00 9  /usr/bin/tcpdump\n\
                     Size:  99 kB\nRss:   88 kB\n\
                     7f70-7f80 rw-s 00000000 00:08 72  socket:[72]\nRss:   8 kB\n";
        assert_eq!(ring_kib(smaps), 65540);
    }

    #[test]
    fn a_running_program_has_memory_and_an_ended_one_what_it_had() {
        let child = std::process::Command::new("sleep").arg("60").spawn();
        let mut running = Running::new(child.expect("sleep is everywhere"), Vec::new());
        // It may not have begun to be `sleep` yet; memory it has in any case.
        let memory = running.memory();
        assert!(memory.peak_kib > 0 && memory.ring_kib == 0, "{memory:?}");
        running.interrupt().expect("it is ours");
        assert!(running.has_ended());
        assert!(running.memory().peak_kib >= memory.peak_kib);
    }
}
