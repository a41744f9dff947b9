//! Rules of iptables-legacy, in one namespace. The table that marks packets for the trace of
//! nftables sets the same bit as the target TRACE, so that no rule has to be put among theirs.
//!
//! Owns what the kernel needs to hand the reports over: a listener at NFLOG's group 0, and
//! nfnetlink_log as the logger of the namespace. The old logger is put back on every way out: by a
//! shell that waits for our end, since the kernel does not do it.

use super::listing::Listing;
use super::message::{self, Attributes, Came, Found, Messages};
use super::{IPV4, IPV6, received};
use netlink_sys::Socket;
use pktrail_core::trail::hook::Hook;
use pktrail_core::trail::rules::Traced;
use pktrail_core::trail::{Packet, RuleStep};
use pktrail_core::{Error, ErrorKind, Result};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the kernel calls the logger that reports to sockets.
const LOGGER: &str = "nfnetlink_log";
/// Bytes of each packet in a report.
const RANGE: u32 = 128;
/// Nobody says when rules have changed: they are read again after that.
const AGAIN: Duration = Duration::from_secs(1);
/// Puts loggers back when its input ends, unless somebody has set another one since.
const KEEPER: &str = "cat >/dev/null
while [ $# -gt 1 ]; do
    read -r now <\"$1\" && [ \"$now\" = nfnetlink_log ] && echo \"$2\" >\"$1\"
    shift 2
done";

/// The families that have tables in the namespace of this thread.
pub(super) fn families() -> Vec<u8> {
    let names = [(IPV4, "ip_tables_names"), (IPV6, "ip6_tables_names")];
    let has = |(_, name): &(u8, &str)| {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{name}"));
        text.is_ok_and(|text| !text.trim().is_empty())
    };
    let found = names.into_iter().filter(has);
    found.map(|(family, _)| family).collect()
}

/// The loggers of a namespace while they are changed: the shell that puts them back.
struct Loggers(Child);

impl Drop for Loggers {
    fn drop(&mut self) {
        // Its input ends.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Tracing of the old rules of one namespace.
pub(super) struct Legacy {
    socket: Socket,
    netns: u32,
    listing: Listing,
    read: Instant,
    overflown: bool,
    _loggers: Loggers,
}

impl Legacy {
    /// Begins in the namespace of this thread. `None` if it has no such rules.
    ///
    /// # Errors
    /// `System` if somebody else listens at the group, or the logger cannot be set.
    pub(super) fn open(netns: u32) -> Result<Option<Self>> {
        let families = families();
        if families.is_empty() {
            return Ok(None);
        }
        let failed = |cause| Error::io("cannot open a netlink socket for rules", cause);
        let socket = super::socket()?.0;
        configure(&socket)?;
        let loggers = set_loggers(&families)?;
        socket.set_non_blocking(true).map_err(failed)?;
        Ok(Some(Self {
            socket,
            netns,
            listing: Listing::ask(&families),
            read: Instant::now(),
            overflown: false,
            _loggers: loggers,
        }))
    }

    /// Whether there are reports, and rules may have changed since they were read:
    /// [`Self::read_rules`].
    pub(super) fn is_stale(&self) -> bool {
        let mut byte = [0];
        let mut waits = || self.socket.recv(&mut &mut byte[..], libc::MSG_PEEK).is_ok();
        self.read.elapsed() > AGAIN && waits()
    }

    /// Reads the rules again, in the namespace of this thread.
    pub(super) fn read_rules(&mut self) {
        self.listing = Listing::ask(&families());
        self.read = Instant::now();
    }

    /// What has been reported, without waiting.
    pub(super) fn poll(&mut self, mut take: impl FnMut(Traced)) {
        while let Some(datagram) = received(&self.socket, &mut self.overflown) {
            for came in message::read(&datagram) {
                if let Came::Logged(family, found) = came
                    && let Some(traced) = self.traced(family, found)
                {
                    take(traced);
                }
            }
        }
    }

    /// Whether reports were lost, since the last time this was asked.
    pub(super) fn take_overflown(&mut self) -> bool {
        std::mem::take(&mut self.overflown)
    }

    /// A report: `TRACE: TABLE:CHAIN:KIND:NUMBER`, where it happened, and the packet.
    fn traced(&self, family: u8, found: Found<'_>) -> Option<Traced> {
        // NFULA_PREFIX, NFULA_PAYLOAD, NFULA_PACKET_HDR
        let prefix = found.text(10)?;
        let packet = Packet::read(found.bytes(9)?, 0)?;
        let number = u32::from(*found.bytes(1)?.get(2)?);
        let mut words = prefix.strip_prefix("TRACE: ")?.trim().split(':');
        let (table, chain) = (words.next()?.to_owned(), words.next()?.to_owned());
        let place: usize = words.nth(1)?.parse().ok()?;
        let hook = Hook::ALL.into_iter().find(|hook| hook.number() == number)?;
        let rule = self.listing.rule(family, &table, &chain, place);
        let step = RuleStep {
            family: family_name(family),
            hook: Some((hook, priority(&table, hook))),
            handle: rule
                .text
                .is_some()
                .then(|| u64::try_from(place).unwrap_or(0)),
            text: rule.text,
            verdict: rule.verdict,
            table,
            chain,
        };
        Some(Traced {
            netns: self.netns,
            number: likeness(&packet),
            packet: Some(packet),
            step,
        })
    }
}

/// Packets have no number here: what stays the same on their way stands for it.
fn likeness(packet: &Packet) -> u32 {
    let mut hasher = DefaultHasher::new();
    packet.fingerprint.core.hash(&mut hasher);
    u32::try_from(hasher.finish() >> 32).unwrap_or(0)
}

fn family_name(family: u8) -> &'static str {
    match family {
        IPV6 => "ip6tables",
        _ => "iptables",
    }
}

fn priority(table: &str, hook: Hook) -> i32 {
    match (table, hook) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", Hook::Prerouting | Hook::Output) => -100,
        ("nat", _) => 100,
        ("security", _) => 50,
        _ => 0,
    }
}

/// Binds group 0, and has each packet handed over at once.
fn configure(socket: &Socket) -> Result<()> {
    let failed = |cause| {
        Error::io(
            "cannot ask the kernel for the trace of iptables-legacy",
            cause,
        )
    };
    let mut mode = RANGE.to_be_bytes().to_vec();
    // NFULNL_COPY_PACKET
    mode.extend([2, 0]);
    let steps = [
        // NFULNL_CFG_CMD_BIND
        Attributes::default().bytes(1, &[1]),
        Attributes::default().bytes(2, &mode).number(5, 1),
    ];
    for step in steps {
        socket.send(&Messages::configure(step), 0).map_err(failed)?;
        let (datagram, _) = socket.recv_from_full().map_err(failed)?;
        for came in message::read(&datagram) {
            match came {
                // The group belongs to another socket. Without privilege we would not be here.
                Came::Answer(code) if [-libc::EPERM, -libc::EBUSY].contains(&code) => {
                    let what = "another program listens at NFLOG group 0, to which the kernel \
                                reports rules of iptables-legacy: end it first (ulogd?)";
                    return Err(Error::new(ErrorKind::System, what));
                }
                Came::Answer(code) if code != 0 => {
                    return Err(failed(io::Error::from_raw_os_error(-code)));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Makes nfnetlink_log the logger of these families, in the namespace of this thread.
fn set_loggers(families: &[u8]) -> Result<Loggers> {
    let paths: Vec<String> = families
        .iter()
        .map(|family| format!("/proc/sys/net/netfilter/nf_log/{family}"))
        .collect();
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "sh"]);
    for path in &paths {
        let old = fs::read_to_string(path)
            .map_err(|cause| Error::io(format!("cannot read {path}"), cause))?;
        if old.trim() != LOGGER {
            command.args([path, old.trim()]);
        }
    }
    // The keys of a terminal are for us alone.
    command.stdin(Stdio::piped()).process_group(0);
    let keeper = command
        .spawn()
        .map_err(|cause| Error::io("cannot run sh, which puts loggers back", cause))?;
    // From here on it puts back whatever was set.
    let loggers = Loggers(keeper);
    for path in &paths {
        fs::write(path, LOGGER).map_err(|cause| {
            let what = format!("cannot make {LOGGER} the logger by {path}");
            Error::io(what, cause)
        })?;
    }
    Ok(loggers)
}
