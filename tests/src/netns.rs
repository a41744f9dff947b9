//! Network namespaces for tests: made with iproute2, removed on every way out.
//!
//! Needs root. Names are `pkt-LABEL-PID-N`, so that what a killed test left
//! behind can be told from what another one is using, and is swept later.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace that goes with the value. Its loopback interface is up.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// A fresh namespace. `label` says in its name which test made it.
    ///
    /// # Panics
    /// Without root or iproute2.
    pub fn new(label: &str) -> Self {
        static SWEPT: Once = Once::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        SWEPT.call_once(sweep);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("pkt-{label}-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let netns = Self { name };
        netns.exec(&["ip", "link", "set", "lo", "up"]);
        netns
    }

    /// The name, as `ip netns` and `--netns` take it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command inside to its end, and returns what it printed.
    ///
    /// # Panics
    /// If it fails, with what it said.
    pub fn exec(&self, command: &[&str]) -> String {
        let (program, arguments) = command.split_first().expect("a command");
        let output = (self.command(program).args(arguments).output()).expect("ip netns exec");
        printed(command, &output)
    }

    /// A command that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `work` inside, on a thread of its own: sockets that it opens stay
    /// there.
    ///
    /// # Panics
    /// If the namespace cannot be entered, or `work` panics.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        pktrail::netns::within(Some(&self.name), || Ok(work())).expect("the namespace is there")
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

/// Two namespaces joined by a cable: `a` has the interface `pkt-a`, `b` has
/// `pkt-b`. Both are up, without IPv6, so that nothing is on the cable that a
/// test did not send.
#[derive(Debug)]
pub struct VethPair {
    /// Has `pkt-a`, 10.77.0.1/24.
    pub a: Netns,
    /// Has `pkt-b`, 10.77.0.2/24.
    pub b: Netns,
}

impl VethPair {
    /// The interface in `a`.
    pub const A: &str = "pkt-a";
    /// The interface in `b`.
    pub const B: &str = "pkt-b";
    /// The address of `pkt-a`.
    pub const ADDRESS_A: &str = "10.77.0.1";
    /// The address of `pkt-b`.
    pub const ADDRESS_B: &str = "10.77.0.2";

    /// A fresh pair of namespaces and the cable between them, with one queue on
    /// each side.
    ///
    /// # Panics
    /// As [`Netns::new`].
    pub fn new(label: &str) -> Self {
        Self::with_queues(label, 1)
    }

    /// The same with `queues` transmit and receive queues on each side.
    ///
    /// # Panics
    /// As [`Netns::new`].
    pub fn with_queues(label: &str, queues: u32) -> Self {
        let pair = Self {
            a: Netns::new(&format!("{label}-a")),
            b: Netns::new(&format!("{label}-b")),
        };
        for netns in [&pair.a, &pair.b] {
            for which in ["all", "default"] {
                let setting = format!("net.ipv6.conf.{which}.disable_ipv6=1");
                netns.exec(&["sysctl", "-qw", &setting]);
            }
        }
        pair.plug(queues);
        pair
    }

    /// Makes the cable, again if it has been deleted.
    ///
    /// # Panics
    /// If it exists.
    pub fn plug(&self, queues: u32) {
        let queues = queues.to_string();
        let ends = ["numtxqueues", &queues, "numrxqueues", &queues];
        let mut make = vec!["ip", "link", "add", Self::A];
        make.extend(ends);
        make.extend([
            "type",
            "veth",
            "peer",
            "name",
            Self::B,
            "netns",
            self.b.name(),
        ]);
        make.extend(ends);
        self.a.exec(&make);
        let sides = [
            (&self.a, Self::A, Self::ADDRESS_A, Self::ADDRESS_B),
            (&self.b, Self::B, Self::ADDRESS_B, Self::ADDRESS_A),
        ];
        for (netns, interface, address, _) in sides {
            let address = format!("{address}/24");
            netns.exec(&["ip", "address", "add", &address, "dev", interface]);
            netns.exec(&["ip", "link", "set", interface, "up"]);
        }
        // Known neighbours: no ARP among the frames that a test counts.
        for (at, (netns, interface, _, peer)) in sides.iter().enumerate() {
            let (other, other_interface, _, _) = &sides[1 - at];
            let path = format!("/sys/class/net/{other_interface}/address");
            let mac = other.exec(&["cat", &path]);
            netns.exec(&[
                "ip",
                "neigh",
                "replace",
                peer,
                "lladdr",
                mac.trim(),
                "dev",
                interface,
            ]);
        }
    }

    /// Takes the cable away.
    ///
    /// # Panics
    /// If it is not there.
    pub fn unplug(&self) {
        self.a.exec(&["ip", "link", "delete", Self::A]);
    }
}

/// Runs a command to its end, and returns what it printed.
///
/// # Panics
/// If it fails, with what it said.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = (Command::new(program).args(arguments).output())
        .unwrap_or_else(|e| panic!("{program} cannot be run: {e}"));
    let mut command = vec![program];
    command.extend(arguments);
    printed(&command, &output)
}

fn printed(command: &[&str], output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`{}` failed: {said}",
        command.join(" ")
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn delete(name: &str) {
    // On the way out there is nobody to tell; what stays is swept another time.
    let _ = Command::new("ip").args(["netns", "delete", name]).output();
}

/// Removes namespaces of tests that no longer run.
fn sweep() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if maker(&name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            delete(&name);
        }
    }
}

/// The process that made a namespace of this name, if a test did.
fn maker(name: &str) -> Option<u32> {
    let mut parts = name.strip_prefix("pkt-")?.rsplit('-');
    parts.next()?.parse::<u32>().ok()?;
    parts.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maker_is_read_from_the_name() {
        assert_eq!(maker("pkt-ring-lo-123-4"), Some(123));
        assert_eq!(maker("pkt-ring"), None);
        assert_eq!(maker("cni-1-2"), None);
    }
}
