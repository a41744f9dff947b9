//! Trails in words: a block of text for each packet, made for reading.
//!
//! Owns the text of hops, changes and verdicts. Names of interfaces and namespaces come from
//! whoever followed them.

use super::event::{Checksum, Event, Happening, Process, Sender};
use super::hook::{Gap, Hook};
use super::packet::{Packet, Tuple};
use super::path::{Change, Edge, Hop, Relation, Trail};
use super::point::{PointId, Role};
use super::returns;
use super::verdict::Verdict;
use std::fmt::Write;
use std::net::SocketAddr;

/// Names of what the kernel numbers.
pub trait Names {
    /// The name that the interface `index` of a namespace had at a time.
    fn interface(&self, netns: u32, index: u32, time_ns: u64) -> Option<String>;

    /// The name of the namespace with this inode.
    fn netns(&self, inode: u32) -> Option<String>;

    /// The path of the cgroup that a process was in.
    fn cgroup(&self, _process: &Process) -> Option<String> {
        None
    }
}

/// Knows no name.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn interface(&self, _netns: u32, _index: u32, _time_ns: u64) -> Option<String> {
        None
    }

    fn netns(&self, _inode: u32) -> Option<String> {
        None
    }
}

/// `interface@namespace`; numbers for what has no name, nothing for what is not known.
pub fn place(names: &dyn Names, event: &Event) -> String {
    at(names, event.netns, event.interface, event.time_ns)
}

fn at(names: &dyn Names, netns: u32, index: u32, time_ns: u64) -> String {
    let interface = match index {
        0 if netns == 0 => return String::new(),
        0 => "-".to_owned(),
        _ => names
            .interface(netns, index, time_ns)
            .unwrap_or_else(|| format!("#{index}")),
    };
    match netns {
        0 => interface,
        inode => format!("{interface}@{}", namespace(names, inode)),
    }
}

/// A namespace's name, or `net:INODE`.
pub fn namespace(names: &dyn Names, inode: u32) -> String {
    names.netns(inode).unwrap_or_else(|| format!("net:{inode}"))
}

/// A time span with a unit that fits it.
pub fn span(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{}.{} us", ns / 1_000, ns / 100 % 10),
        1_000_000..1_000_000_000 => format!("{}.{:02} ms", ns / 1_000_000, ns / 10_000 % 100),
        _ => format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1_000),
    }
}

/// The name of an IP protocol.
pub fn protocol(number: u8) -> String {
    let name = match number {
        1 => "ICMP",
        2 => "IGMP",
        4 => "IP in IP",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6 in IP",
        47 => "GRE",
        50 => "ESP",
        58 => "ICMPv6",
        132 => "SCTP",
        _ => return format!("protocol {number}"),
    };
    name.to_owned()
}

fn socket(address: SocketAddr, has_ports: bool) -> String {
    match has_ports {
        true => address.to_string(),
        false => address.ip().to_string(),
    }
}

fn has_ports(tuple: &Tuple) -> bool {
    tuple.source.port() != 0 || tuple.destination.port() != 0
}

fn ends(tuple: &Tuple) -> String {
    let ports = has_ports(tuple);
    let (source, destination) = (tuple.source, tuple.destination);
    format!("{} → {}", socket(source, ports), socket(destination, ports))
}

/// What a packet is: protocol, ends, what TCP or ICMP says, length.
pub fn packet(packet: &Packet) -> String {
    let mut text = format!(
        "{} {}",
        protocol(packet.tuple.protocol),
        ends(&packet.tuple)
    );
    if let Some(segment) = &packet.segment {
        let _ = write!(text, " [{}]", flags(segment.flags));
    }
    if let Some((kind, code)) = packet.icmp {
        let named = match (packet.tuple.protocol, kind) {
            (1, 0) | (58, 129) => "echo reply",
            (1, 3) | (58, 1) => "unreachable",
            (1, 8) | (58, 128) => "echo request",
            (1, 11) | (58, 3) => "time exceeded",
            _ => "",
        };
        match named {
            "" => drop(write!(text, ", type {kind} code {code}")),
            named => drop(write!(text, ", {named}")),
        }
    }
    let _ = write!(text, ", {} bytes", packet.fingerprint.core.length);
    if let Some(inner) = &packet.inner {
        let _ = write!(text, ", holds {}", self::packet(inner));
    }
    text
}

/// TCP flags as tcpdump writes them.
fn flags(flags: u8) -> String {
    let letters = [(1, 'F'), (2, 'S'), (4, 'R'), (8, 'P'), (32, 'U')];
    let set = letters.iter().filter(|(bit, _)| flags & bit != 0);
    let mut text: String = set.map(|(_, letter)| *letter).collect();
    if flags & 16 != 0 {
        text.push('.');
    }
    text
}

/// The point as a person would call it: a hook by what has been passed there.
pub fn point(point: PointId) -> String {
    match Gap::by_name(point.name()) {
        Some(gap) => match gap.before() {
            Some(table) => format!("{} after {table}", gap.hook),
            None => format!("{} begins", gap.hook),
        },
        None => point.name().to_owned(),
    }
}

/// The layer of a point.
pub fn layer(point: PointId) -> &'static str {
    point.point().map_or("", |point| point.layer.name())
}

/// One change.
pub fn change(change: &Change) -> String {
    match change {
        Change::Rewritten { from, to } => rewritten(from, to),
        Change::Wrapped { outer } => format!("wrapped in {}", ends(outer)),
        Change::Unwrapped => "unwrapped".to_owned(),
        Change::Grown { length } => format!("grown to {length} bytes"),
        Change::Ttl { from, to } => format!("TTL {from} → {to}"),
        Change::Mark { from, to } => format!("mark {from:#x} → {to:#x}"),
        Change::Checksum { from, to } => {
            format!("checksum {} → {}", checksum(*from), checksum(*to))
        }
        Change::SegmentSize { from: 0, to } => format!("large, to be cut into segments of {to}"),
        Change::SegmentSize { from, to: 0 } => format!("no more segments of {from}"),
        Change::SegmentSize { from, to } => format!("segments of {from} → {to}"),
        Change::Rejoined { certain: true } => "goes on in another buffer".to_owned(),
        Change::Rejoined { certain: false } => "probably goes on in another buffer".to_owned(),
    }
}

fn rewritten(from: &Tuple, to: &Tuple) -> String {
    let ports = has_ports(from) || has_ports(to);
    let mut parts = Vec::new();
    for (what, from, to) in [
        ("source", from.source, to.source),
        ("destination", from.destination, to.destination),
    ] {
        if from != to {
            parts.push(format!(
                "{what} {} → {}",
                socket(from, ports),
                socket(to, ports)
            ));
        }
    }
    parts.join(", ")
}

/// The state of the checksum in a word.
pub fn checksum(state: Checksum) -> &'static str {
    match state {
        Checksum::None => "none",
        Checksum::Unnecessary => "valid",
        Checksum::Complete => "complete",
        Checksum::Partial => "partial",
    }
}

/// How a packet came from another.
pub fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Clone => "clone",
        Relation::Segment => "segment",
        Relation::Fragment => "fragment",
        Relation::Retransmit => "retransmit",
    }
}

fn edge(edge: &Edge) -> String {
    let sure = if edge.certain { "" } else { ", probably" };
    format!("{} of packet {}{sure}", relation(edge.relation), edge.from)
}

/// The container whose cgroup has this path, by the beginning of its number: Docker and others
/// call the cgroup by the 64 digits of it, alone or with something around.
pub fn container(path: &str) -> Option<&str> {
    let last = path.rsplit('/').next()?;
    let mut parts = last.split(['-', '.', ':']);
    let is_number = |part: &&str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
    parts.find(is_number)?.get(..12)
}

/// Name and number, and the container or the cgroup unless that is the root.
pub fn process(process: &Process, names: &dyn Names) -> String {
    let text = format!("{} ({})", process.name, process.pid);
    match names.cgroup(process).as_deref() {
        None | Some("/") => text,
        Some(path) => match container(path) {
            Some(container) => format!("{text} in container {container}"),
            None => format!("{text} in {}", path.trim_start_matches('/')),
        },
    }
}

/// What a hop shows beside point and place: on the first the state, later what is different.
pub fn remarks(hop: &Hop, before: Option<&Hop>, names: &dyn Names) -> Vec<String> {
    let event = &hop.event;
    let mut said = Vec::new();
    if event.lost_before > 0 {
        let (lost, cpu) = (event.lost_before, event.cpu);
        said.push(format!("{lost} events of CPU {cpu} were lost before"));
    }
    said.extend(
        event
            .process
            .as_ref()
            .filter(|_| is_owned(event))
            .map(|owner| process(owner, names)),
    );
    // What TCP and UDP packets are sent by goes without saying.
    said.extend(
        event
            .sender
            .filter(|_| is_owned(event))
            .filter(|sender| !matches!(sender, Sender::Tcp | Sender::Udp | Sender::Other))
            .map(|sender| format!("by {}", sender.name())),
    );
    if event.queue != 0 && event.point.name() == "net_dev_start_xmit" {
        said.push(format!("queue {}", event.queue));
    }
    if before.is_none() {
        if event.mark != 0 {
            said.push(format!("mark {:#x}", event.mark));
        }
        if event.checksum == Checksum::Partial {
            said.push("checksum partial".to_owned());
        }
        if event.segment_size != 0 {
            said.push(format!(
                "large, to be cut into segments of {}",
                event.segment_size
            ));
        }
    }
    said.extend(hop.changes.iter().map(change));
    match &event.happening {
        Happening::Judged { hook, table, chain } => said.extend(judge(*hook, table, chain)),
        Happening::Balanced {
            service,
            server,
            forwarding,
        } => said.push(format!(
            "service {service} → server {server} by {}",
            forwarding.name()
        )),
        Happening::Queued { discipline } => said.push(discipline.to_string()),
        Happening::MadeFrom { .. } => said.push("made from another buffer".to_owned()),
        Happening::MergedInto { .. } => said.push("merged into another buffer".to_owned()),
        Happening::Dropped { .. } | Happening::Seen | Happening::Returned(_) => {}
    }
    let returned = hop.returned;
    said.extend(returned.and_then(|value| returns::words(event.point, value)));
    if hop.late {
        said.push("late".to_owned());
    }
    said
}

/// The hook, and the table with its chain where that is not called as the hook.
fn judge(hook: Option<Hook>, table: &str, chain: &str) -> Option<String> {
    let hook = hook.map(|hook| hook.name().to_uppercase());
    let table = match chain {
        "" => table.to_owned(),
        _ if hook.as_deref() == Some(chain) => table.to_owned(),
        chain => format!("{table} {chain}"),
    };
    match (hook, table.is_empty()) {
        (Some(hook), true) => Some(hook),
        (Some(hook), false) => Some(format!("{table} at {hook}")),
        (None, true) => None,
        (None, false) => Some(table),
    }
}

/// Whether who runs is who owns the packet: where a program's packet is handed to the device, and
/// where a program reads. Received packets interrupt anybody, and so do the kernel's own answers.
pub fn is_owned(event: &Event) -> bool {
    let answer = event.packet.as_ref().is_some_and(|packet| {
        let reset = packet.segment.is_some_and(|segment| segment.flags & 4 != 0);
        reset
            || packet
                .icmp
                .is_some_and(|(kind, _)| !matches!(kind, 8 | 128))
    });
    event.point.role() == Role::Read || event.point.name() == "net_dev_queue" && !answer
}

/// The line of a hop, without an end of line.
fn line(since: Option<u64>, what: (&str, &str), place: &str, said: &[String]) -> String {
    let since = since.map_or(String::new(), |ns| format!("+{}", span(ns)));
    let (layer, point) = what;
    let mut line = format!("{since:>12}  {layer:<9}  {point:<27}  {place:<20}");
    if !said.is_empty() {
        let _ = write!(line, "  {}", said.join("; "));
    }
    line.truncate(line.trim_end().len());
    line
}

/// One line for a hop, without an end of line.
pub fn hop(hop: &Hop, before: Option<&Hop>, names: &dyn Names) -> String {
    let event = &hop.event;
    line(
        before.map(|_| hop.since_ns),
        (layer(event.point), &point(event.point)),
        &place(names, event),
        &remarks(hop, before, names),
    )
}

/// The same without columns, behind what `text` holds.
pub(super) fn append_hop(text: &mut String, hop: &Hop, before: Option<&Hop>, names: &dyn Names) {
    let event = &hop.event;
    if before.is_some() {
        let _ = write!(text, "+{} ", span(hop.since_ns));
    }
    let _ = write!(text, "{} ", layer(event.point));
    text.push_str(&point(event.point));
    for (number, part) in std::iter::once(place(names, event))
        .chain(remarks(hop, before, names))
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
    {
        text.push_str(if number > 1 { "; " } else { " " });
        text.push_str(&part);
    }
}

/// How much of a way is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Tables of one hook that changed nothing share a line.
    #[default]
    Brief,
    /// A line for each hop.
    Full,
}

/// The lines of the hops, without ends of line.
pub fn hops(trail: &Trail, names: &dyn Names, detail: Detail) -> Vec<String> {
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(first) = trail.hops.get(at) {
        let before = at.checked_sub(1).and_then(|at| trail.hops.get(at));
        let run = match detail {
            Detail::Full => 1,
            Detail::Brief => quiet_run(trail, at),
        };
        let last = trail.hops.get(at + run - 1).unwrap_or(first);
        lines.push(match Gap::by_name(last.event.point.name()) {
            Some(gap) if run > 1 => {
                let passed = trail.hops.get(at..at + run).unwrap_or_default();
                let since = passed.iter().map(|hop| hop.since_ns).sum();
                line(
                    before.map(|_| since),
                    (
                        layer(last.event.point),
                        &format!("{} to {}", gap.hook, gap.before().unwrap_or("begin")),
                    ),
                    &place(names, &last.event),
                    &remarks(first, before, names),
                )
            }
            _ => hop(first, before, names),
        });
        let passed = at..at + run;
        let rules = trail.rules.iter().filter(|(hop, _)| passed.contains(hop));
        lines.extend(rules.map(|(_, step)| format!("{:>12}  rule       {step}", "")));
        at += run;
    }
    lines
}

/// How many hops from `at` on are of one hook and place, with nothing to say but on the first.
fn quiet_run(trail: &Trail, at: usize) -> usize {
    let rest = trail.hops.get(at..).unwrap_or_default();
    let meets_rule = |hop: usize| trail.rules.iter().any(|(at, _)| *at == hop);
    let key = |hop: &Hop| {
        let hook = Gap::by_name(hop.event.point.name())?.hook;
        Some((hook, hop.event.netns, hop.event.interface))
    };
    let Some(first) = rest.first().and_then(key) else {
        return 1;
    };
    let rest = rest.iter().skip(1).zip(rest).zip(at..);
    // A rule stands behind the hop before it, so that the run ends there.
    1 + rest
        .take_while(|((hop, before), at)| {
            let quiet = remarks(hop, Some(before), &NoNames).is_empty();
            key(hop) == Some(first) && quiet && !meets_rule(*at)
        })
        .count()
}

/// The verdict, with names.
pub fn verdict(trail: &Trail, names: &dyn Names) -> String {
    let time_ns = trail.hops.last().map_or(0, |hop| hop.event.time_ns);
    let words = match &trail.verdict {
        Verdict::Sent { interface, netns } | Verdict::Forwarded { interface, netns } => {
            let place = at(names, *netns, *interface, time_ns);
            format!("{} by {place}", trail.verdict)
        }
        Verdict::Dropped(_) | Verdict::Lost => {
            match trail.last_place().map(|event| place(names, event)) {
                Some(place) => format!("{}; last seen at {place}", trail.verdict),
                None => trail.verdict.to_string(),
            }
        }
        Verdict::Delivered {
            reader: Some(reader),
        } => format!("delivered to {}", process(reader, names)),
        Verdict::Delivered { reader: None } => match &trail.receiver {
            Some(receiver) => format!("delivered to the socket {receiver}"),
            None => trail.verdict.to_string(),
        },
        other => other.to_string(),
    };
    format!("{words}, after {}", span(trail.duration_ns()))
}

/// What happened to a dropped packet, and what to do about it, if that is known.
pub fn advice(trail: &Trail) -> (Option<String>, Option<String>) {
    let Verdict::Dropped(dropped) = &trail.verdict else {
        return (None, None);
    };
    if let Some(rule) = &dropped.rule {
        let (family, table, chain) = (rule.family, &rule.table, &rule.chain);
        let list = match rule.is_legacy() {
            true => format!("{family}-legacy -t {table} -nvL {chain} --line-numbers"),
            false => format!("nft -a list chain {family} {table} {chain}"),
        };
        let list = format!("`{list}` shows it with its neighbours.");
        return (Some(format!("This drops it: {rule}")), Some(list));
    }
    let sentence = dropped.cause.map(|cause| cause.sentence.to_owned());
    let advice = dropped.cause.and_then(|cause| cause.advice);
    (sentence, advice.map(str::to_owned))
}

/// What the configuration says about a drop.
pub fn facts(trail: &Trail) -> &[String] {
    match &trail.verdict {
        Verdict::Dropped(dropped) => &dropped.facts,
        _ => &[],
    }
}

/// The packet's name, what it is, and where it came from.
pub fn title(trail: &Trail) -> String {
    let mut text = format!("packet {}:", trail.id);
    if let Some(first) = &trail.packet {
        let _ = write!(text, " {}", packet(first));
    }
    match trail.ether_type() {
        None => {}
        Some(0x0806) => text.push_str(" ARP"),
        Some(other) => {
            let _ = write!(text, " EtherType {other:#06x}");
        }
    }
    if let Some(from) = &trail.edge {
        let _ = write!(text, " ({})", edge(from));
    }
    text
}

/// One packet: what it is, lines for its hops, the verdict, advice. `time` stands behind the
/// packet's name.
pub fn block(trail: &Trail, names: &dyn Names, time: &str, detail: Detail) -> String {
    let mut text = match time {
        "" => title(trail),
        time => title(trail).replacen(':', &format!(" at {time}:"), 1),
    };
    text.push('\n');
    for line in hops(trail, names, detail) {
        let _ = writeln!(text, "{line}");
    }
    if trail.left_out > 0 {
        let _ = writeln!(text, "  … {} more hops", trail.left_out);
    }
    let _ = writeln!(text, "  = {}", verdict(trail, names));
    let (sentence, advice) = advice(trail);
    if let Some(sentence) = sentence {
        let _ = writeln!(text, "    {sentence}");
    }
    for fact in facts(trail) {
        let _ = writeln!(text, "    {fact}");
    }
    if let Some(advice) = advice {
        let _ = writeln!(text, "    Try: {advice}");
    }
    text
}
