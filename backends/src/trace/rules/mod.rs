//! Rule by rule: the kernel's own trace of nftables, in one namespace.
//!
//! Owns a table that marks packets to be traced, and the reports of the rules that they meet. The
//! kernel removes the table when the socket that made it is closed, so that it is gone on every
//! way out, kill -9 included. Rules of iptables-nft are rules of nftables; those of
//! iptables-legacy are reported elsewhere (`legacy`).

mod legacy;
mod listing;
mod message;
mod text;
mod watch;

use message::{Attributes, Came, Found, Messages};
use netlink_packet_core::NLM_F_DUMP;
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use pktrail_core::trail::hook::Hook;
use pktrail_core::trail::rules::Traced;
use pktrail_core::trail::{Packet, RuleStep};
use pktrail_core::{Error, ErrorKind, Filter, Result};
use std::collections::HashMap;
use std::io;
use text::Texts;
pub use watch::RulePlan;
pub(super) use watch::Watch;

/// `NFNLGRP_NFTABLES`: changes of rules.
const CHANGES: u32 = 7;
/// `NFNLGRP_NFTRACE`: reports.
const REPORTS: u32 = 9;
/// Instructions that xt_bpf takes (`XT_BPF_MAX_NUM_INSTR`).
const MOST_INSTRUCTIONS: usize = 64;
/// Bytes of `struct xt_bpf_info`.
const XT_BPF_INFO: usize = 528;
/// Before all tables, defragmentation included.
const PRIORITY: i32 = -450;
/// The receive buffer in bytes, as far as the system allows it.
const BUFFER: u32 = 8 << 20;

const INET: u8 = 1;
const IPV4: u8 = 2;
const ARP: u8 = 3;
const NETDEV: u8 = 5;
const BRIDGE: u8 = 7;
const IPV6: u8 = 10;

/// What the name of our table begins with; the socket's number follows.
const TABLE: &str = "pktrail-";

/// Whether a table only marks packets: that of this trace, or of another that runs beside it.
fn is_of_a_trace(table: &str) -> bool {
    let number = table.strip_prefix(TABLE).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn family_name(family: u8) -> &'static str {
    match family {
        INET => "inet",
        IPV4 => "ip",
        ARP => "arp",
        NETDEV => "netdev",
        BRIDGE => "bridge",
        IPV6 => "ip6",
        _ => "?",
    }
}

/// Whether anything may judge or change packets at the hooks of this thread's namespace: tables of
/// nftables or of iptables-legacy, or services of IPVS. Yes, where that cannot be found out.
pub(super) fn has_hooks() -> bool {
    let services = std::fs::read_to_string("/proc/thread-self/net/ip_vs");
    !legacy::families().is_empty()
        || services.is_ok_and(|text| text.lines().count() > 3)
        || RuleTrace::connect(0)
            .and_then(|rules| rules.families())
            .map_or(true, |families| !families.is_empty())
}

/// A socket in the namespace of this thread, and its number there.
fn socket() -> Result<(Socket, u32)> {
    let failed = |cause| Error::io("cannot open a netlink socket for rules", cause);
    let mut socket = Socket::new(NETLINK_NETFILTER).map_err(failed)?;
    let own = socket.bind_auto().map_err(failed)?.port_number();
    socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
    // A smaller buffer loses reports earlier; that is noticed.
    let _ = socket.set_rx_buf_sz(BUFFER);
    Ok((socket, own))
}

/// Family, table, chain.
type ChainKey = (u8, String, String);

/// Tracing of the rules of nftables in one namespace.
pub(super) struct RuleTrace {
    socket: Socket,
    netns: u32,
    /// The name of our table.
    own: String,
    chains: HashMap<ChainKey, Option<(Hook, i32)>>,
    texts: Option<Texts>,
    /// Rules have changed since they were read.
    stale: bool,
    /// Hook and priority of the base chain in which each packet is.
    bases: HashMap<u32, (Hook, i32)>,
    /// Reports were lost.
    overflown: bool,
}

impl RuleTrace {
    /// Begins in the namespace of this thread. `None` if it has no rules.
    ///
    /// # Errors
    /// `Permission` without CAP_NET_ADMIN, `Unsupported` if the kernel has no tables with an
    /// owner (5.12).
    pub(super) fn open(netns: u32, filter: Option<&Filter>) -> Result<Option<Self>> {
        let failed = |cause| Error::io("cannot open a netlink socket for rules", cause);
        let mut trace = Self::connect(netns)?;
        let mut families = trace.families()?;
        families.extend(legacy::families());
        families.sort_unstable();
        families.dedup();
        if families.is_empty() {
            return Ok(None);
        }
        trace.refresh()?;
        for group in [REPORTS, CHANGES] {
            trace.socket.add_membership(group).map_err(failed)?;
        }
        trace.install(&families, filter)?;
        trace.socket.set_non_blocking(true).map_err(failed)?;
        Ok(Some(trace))
    }

    fn connect(netns: u32) -> Result<Self> {
        let (socket, own) = socket()?;
        Ok(Self {
            socket,
            netns,
            own: format!("{TABLE}{own}"),
            chains: HashMap::new(),
            texts: None,
            stale: true,
            bases: HashMap::new(),
            overflown: false,
        })
    }

    /// The families that have tables here, as those that packets have.
    fn families(&self) -> Result<Vec<u8>> {
        let mut found = Vec::new();
        self.dump(message::GET_TABLE, |family, _| {
            let families: &[u8] = match family {
                INET => &[IPV4, IPV6],
                IPV4 => &[IPV4],
                IPV6 => &[IPV6],
                BRIDGE => &[BRIDGE],
                _ => &[],
            };
            found.extend(families);
        })?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn dump(&self, kind: u16, mut take: impl FnMut(u8, Found<'_>)) -> Result<()> {
        let failed = |cause| Error::io("cannot ask the kernel for its rules", cause);
        let question = Messages::ask(kind, NLM_F_DUMP, 0);
        self.socket.send(&question, 0).map_err(failed)?;
        loop {
            let (datagram, _) = self.socket.recv_from_full().map_err(failed)?;
            for came in message::read(&datagram) {
                match came {
                    Came::Message(_, family, found) => take(family, found),
                    Came::Done | Came::Answer(0) => return Ok(()),
                    Came::Answer(code) => {
                        return Err(failed(io::Error::from_raw_os_error(-code)));
                    }
                    Came::Other | Came::Logged(..) => {}
                }
            }
        }
    }

    /// Reads chains and rules anew, in the namespace of this thread.
    fn refresh(&mut self) -> Result<()> {
        let mut chains = HashMap::new();
        self.dump(message::GET_CHAIN, |family, found| {
            if let (Some(table), Some(chain)) = (found.text(1), found.text(3)) {
                chains.insert((family, table, chain), base(family, found));
            }
        })?;
        self.chains = chains;
        self.texts = Texts::ask();
        self.stale = false;
        Ok(())
    }

    /// Makes the table: a chain where packets come in and one where they are made, each with a
    /// rule that switches tracing on for packets that fit.
    fn install(&self, families: &[u8], filter: Option<&Filter>) -> Result<()> {
        let mut batch = Messages::batch();
        for family in families {
            // NFT_TABLE_F_OWNER
            let table = Attributes::default().text(1, &self.own).number(2, 2);
            batch.create(message::NEW_TABLE, *family, table);
            for (name, hook) in [("received", 0), ("sent", 3)] {
                let hook = Attributes::default()
                    .number(1, hook)
                    .number(2, PRIORITY.cast_unsigned());
                let chain = Attributes::default()
                    .text(1, &self.own)
                    .text(3, name)
                    .nested(4, hook)
                    .text(7, "filter");
                batch.create(message::NEW_CHAIN, *family, chain);
                let rule = Attributes::default()
                    .text(1, &self.own)
                    .text(2, name)
                    .nested(4, expressions(filter));
                batch.create(message::NEW_RULE, *family, rule);
            }
        }
        let failed = |cause| Error::io("cannot send a table to the kernel", cause);
        let (bytes, mut answers) = batch.end();
        self.socket.send(&bytes, 0).map_err(failed)?;
        while answers > 0 {
            let (datagram, _) = self.socket.recv_from_full().map_err(failed)?;
            for came in message::read(&datagram) {
                match came {
                    Came::Answer(0) => answers -= 1,
                    Came::Answer(code) => return Err(refused(-code)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// What has been reported, without waiting.
    pub(super) fn poll(&mut self, mut take: impl FnMut(Traced)) {
        while let Some(datagram) = received(&self.socket, &mut self.overflown) {
            for came in message::read(&datagram) {
                match came {
                    Came::Message(message::TRACE, family, found) => {
                        if let Some(traced) = self.traced(family, found) {
                            take(traced);
                        }
                    }
                    Came::Message(message::NEW_CHAIN, family, found) => {
                        if let (Some(table), Some(chain)) = (found.text(1), found.text(3)) {
                            self.chains
                                .insert((family, table, chain), base(family, found));
                        }
                    }
                    Came::Message(message::NEW_RULE | message::DELETE_RULE, _, found) => {
                        self.stale |= found.text(1).is_none_or(|table| !is_of_a_trace(&table));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether texts should be read again: [`Self::read_texts`].
    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Reads the texts of rules again, in the namespace of this thread.
    pub(super) fn read_texts(&mut self) {
        self.texts = Texts::ask();
        self.stale = false;
    }

    /// Whether reports were lost, since the last time this was asked.
    pub(super) fn take_overflown(&mut self) -> bool {
        std::mem::take(&mut self.overflown)
    }

    fn traced(&mut self, family: u8, found: Found<'_>) -> Option<Traced> {
        let table = found.text(1)?;
        if is_of_a_trace(&table) {
            return None;
        }
        let chain = found.text(2)?;
        let number = found.number(6)?;
        let key = (family, table, chain);
        let base = self.chains.get(&key).copied().flatten();
        let (_, table, chain) = key;
        if let Some(base) = base {
            self.bases.insert(number, base);
        }
        let hook = base.or_else(|| self.bases.get(&number).copied());
        let handle = found.long(3);
        let verdict = match found.number(4)? {
            // NFT_TRACETYPE_POLICY
            1 => code(found.number(16)?, None),
            // NFT_TRACETYPE_RETURN without a rule: the chain ends, the policy follows.
            2 if handle.is_none() => return None,
            _ => {
                let verdict = found.nested(5)?;
                code(verdict.number(1)?, verdict.text(2))
            }
        };
        // The last rule of a chain is followed by its policy, which is reported too.
        if handle.is_none() && verdict == "continue" {
            return None;
        }
        let family = family_name(family);
        let texts = self.texts.as_ref();
        let text = handle
            .zip(texts)
            .and_then(|(handle, texts)| texts.get(family, &table, handle));
        let step = RuleStep {
            family,
            text: text.map(str::to_owned),
            table,
            chain,
            handle,
            verdict,
            hook,
        };
        Some(Traced {
            netns: self.netns,
            number,
            packet: packet(found),
            step,
        })
    }
}

/// The headers in a report: those of network and transport lie in attributes of their own.
fn packet(found: Found<'_>) -> Option<Packet> {
    let mut bytes = found.bytes(8)?.to_vec();
    bytes.extend(found.bytes(9).unwrap_or(&[]));
    Packet::read(&bytes, 0)
}

/// Hook and priority of a base chain.
fn base(family: u8, found: Found<'_>) -> Option<(Hook, i32)> {
    let hook = found.nested(4)?;
    let number = hook.number(1)?;
    // Chains of other families have hooks of other meaning.
    let is_ip = matches!(family, INET | IPV4 | IPV6);
    let hook_at = Hook::ALL.into_iter().find(|hook| hook.number() == number);
    Some((hook_at.filter(|_| is_ip)?, hook.number(2)?.cast_signed()))
}

/// A verdict's number (`NF_*`, `NFT_*`).
fn code(number: u32, chain: Option<String>) -> String {
    let chain = chain.unwrap_or_default();
    match number.cast_signed() {
        0 => "drop".to_owned(),
        1 => "accept".to_owned(),
        2 => "stolen".to_owned(),
        -1 => "continue".to_owned(),
        -2 => "break".to_owned(),
        -3 => format!("jump {chain}"),
        -4 => format!("goto {chain}"),
        -5 => "return".to_owned(),
        queue if queue & 0xff == 3 => format!("queue {}", number >> 16),
        other => format!("verdict {other}"),
    }
}

/// `meta nftrace set 1` behind the filter's program, if the kernel's match for programs takes it.
/// Without it all packets are traced, and those that do not fit find no trail.
fn expressions(filter: Option<&Filter>) -> Attributes {
    let expression =
        |name: &str, data: Attributes| Attributes::default().text(1, name).nested(2, data);
    let mut list = Attributes::default();
    if let Some(info) = filter.and_then(program) {
        let data = Attributes::default()
            .text(1, "bpf")
            .number(2, 0)
            .bytes(3, &info);
        list = list.nested(message::ELEMENT, expression("match", data));
    }
    let one = Attributes::default().bytes(1, &[1, 0, 0, 0]);
    // Register 1; NFT_META_NFTRACE is 12.
    let load = Attributes::default().number(1, 1).nested(2, one);
    let set = Attributes::default().number(2, 12).number(3, 1);
    list.nested(message::ELEMENT, expression("immediate", load))
        .nested(message::ELEMENT, expression("meta", set))
}

/// `struct xt_bpf_info` (include/uapi/linux/netfilter/xt_bpf.h): the number of instructions, and
/// 64 of them.
fn program(filter: &Filter) -> Option<Vec<u8>> {
    let instructions = filter.program.instructions();
    if instructions.len() > MOST_INSTRUCTIONS {
        return None;
    }
    let mut info = u16::try_from(instructions.len())
        .ok()?
        .to_ne_bytes()
        .to_vec();
    info.extend([0; 2]);
    for instruction in instructions {
        info.extend(instruction.code.to_ne_bytes());
        info.extend([instruction.jt, instruction.jf]);
        info.extend(instruction.k.to_ne_bytes());
    }
    info.resize(XT_BPF_INFO, 0);
    Some(info)
}

fn refused(code: i32) -> Error {
    let cause = io::Error::from_raw_os_error(code);
    match code {
        libc::EOPNOTSUPP | libc::EINVAL => {
            let kind = ErrorKind::Unsupported {
                feature: "tracing rules",
                since: "Linux 5.12 with nftables",
            };
            let what = "the kernel takes no table that belongs to this program";
            Error::new(kind, what).with_source(cause)
        }
        _ => Error::io("the kernel refuses the table that traces rules", cause),
    }
}

/// What the kernel has sent, without waiting. `overflown` is set if some was lost before.
fn received(socket: &Socket, overflown: &mut bool) -> Option<Vec<u8>> {
    loop {
        match socket.recv_from_full() {
            Ok((datagram, _)) => return Some(datagram),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => *overflown = true,
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_traces_are_known_by_their_names() {
        assert!(is_of_a_trace("pktrail-4711"));
        for table in ["pktrail-", "pktrail-1a", "pktrail", "filter", ""] {
            assert!(!is_of_a_trace(table), "{table}");
        }
    }
}
