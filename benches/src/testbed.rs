//! The place where loads run: a network namespace that only this process and
//! its children see, with a veth pair in it.
//!
//! The namespace has no name, so it is gone with the last process in it, on
//! every way out.

use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::unistd::Pid;
use pktrail::{Error, ErrorKind, Result};
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// The interface that frames are injected on and captured from.
pub const INTERFACE: &str = "pkt-load0";
const PEER: &str = "pkt-load1";

/// Moves the calling thread into a new network namespace and makes
/// [`INTERFACE`] there, up and silent. To be called before threads are started.
///
/// # Errors
/// `Permission` without CAP_SYS_ADMIN; `NotFound` without iproute2.
pub fn enter() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| Error::io("cannot make a network namespace (unshare)", error.into()))?;
    // Neither router solicitations nor any other word of the kernel's own.
    fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
        .map_err(|error| Error::io("cannot turn IPv6 off in the namespace", error))?;
    let ip = |arguments: &[&str]| command("ip", arguments);
    ip(&[
        "link", "add", INTERFACE, "type", "veth", "peer", "name", PEER,
    ])?;
    ip(&["link", "set", INTERFACE, "arp", "off", "up"])?;
    ip(&["link", "set", PEER, "arp", "off", "up"])
}

fn command(program: &str, arguments: &[&str]) -> Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| Error::io(format!("cannot run `{line}`"), error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(
        ErrorKind::System,
        format!("`{line}` failed: {said}"),
    ))
}

/// Binds the calling thread and what it starts to one CPU.
///
/// # Errors
/// `System` where there is no such CPU.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| Error::io(format!("cannot bind to CPU {cpu}"), error.into()))
}

/// The packet sockets that are bound and running in this namespace.
fn taps() -> usize {
    let table = fs::read_to_string("/proc/thread-self/net/packet").unwrap_or_default();
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(5) == Some(&"1"))
        .count()
}

/// Waits until somebody captures in this namespace, `timeout` at most, and then
/// a little longer, because a socket is seen here before its ring is ready.
/// Returns whether it came to that.
pub fn wait_for_tap(timeout: Duration) -> bool {
    let begin = Instant::now();
    while taps() == 0 {
        if begin.elapsed() > timeout {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(400));
    true
}
