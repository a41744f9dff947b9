//! What the configuration of a namespace says about a drop: the route, the XDP program, the queue,
//! the socket. The kernel's reason is where the verdict starts; this is what stands behind it.
//!
//! Owns which question is asked for which drop, and the sentences. All is read when the trail is
//! shown, so that it may have changed since the drop.

mod queues;
mod routes;
mod sockets;

use crate::devices::netlink::Netlink;
use crate::netns;
use libbpf_rs::query::ProgInfoIter;
use netlink_packet_route::link::{LinkAttribute, LinkXdp};
use pktrail_core::Result;
use pktrail_core::trail::{Trail, Tuple, Verdict};
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// The same question is not asked more often than that.
const AGAIN: Duration = Duration::from_secs(1);
/// What conntrack does at the end of a hook.
const CONFIRM: &str = "conntrack confirm";
/// Looking for a receiver may take a part in this many of the time.
const REST: u32 = 10;
/// Instead of an address that does not matter.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// Answers that are kept.
const MOST_KEPT: usize = 1_024;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    Route(IpAddr),
    NextHop(IpAddr),
    WayBack(IpAddr, u32),
    Xdp(u32),
    Queues(Option<u16>),
    Sockets(Tuple),
    Receiver(Tuple),
    Buffer(Tuple),
    Conntrack,
}

/// Answers, kept for a moment: drops come in floods.
#[derive(Default)]
pub(super) struct Facts {
    answers: HashMap<(u32, Question), (Instant, Vec<String>)>,
    /// Until when nobody is asked for a receiver: most packets have one.
    rests_until: Option<Instant>,
}

impl Facts {
    /// Adds what can be found out to a trail that ended in a drop or at a socket. `place` names the
    /// namespace with an inode, so that it can be entered; `None` is one's own.
    pub(super) fn add(&mut self, trail: &mut Trail, place: impl Fn(u32) -> Option<Option<String>>) {
        let Some(netns) = trail.last_place().map(|event| event.netns) else {
            return;
        };
        if trail.verdict == (Verdict::Delivered { reader: None }) {
            let question = receiver(trail).filter(|_| !self.rests());
            if let Some((question, place)) = question.zip(place(netns)) {
                let begin = Instant::now();
                trail.receiver = self.ask(netns, question, place.as_deref()).pop();
                self.rests_until = Some(Instant::now() + begin.elapsed() * REST);
            }
            return;
        }
        let question = question(trail);
        let Some((question, place)) = question.zip(place(netns)) else {
            return;
        };
        let answer = self.ask(netns, question, place.as_deref());
        if let Verdict::Dropped(dropped) = &mut trail.verdict {
            dropped.facts = answer;
        }
    }

    fn rests(&self) -> bool {
        self.rests_until.is_some_and(|until| Instant::now() < until)
    }

    fn ask(&mut self, netns: u32, question: Question, place: Option<&str>) -> Vec<String> {
        let key = (netns, question);
        if let Some((when, answer)) = self.answers.get(&key)
            && when.elapsed() < AGAIN
        {
            return answer.clone();
        }
        // A namespace that is gone, or that cannot be entered, tells nothing.
        let answer = netns::within(place, || answer(&key.1)).unwrap_or_default();
        if self.answers.len() >= MOST_KEPT {
            self.answers.clear();
        }
        self.answers.insert(key, (Instant::now(), answer.clone()));
        answer
    }
}

/// Who has the socket that a packet went to; for UDP whoever sent it.
fn receiver(trail: &Trail) -> Option<Question> {
    let mut hops = trail.hops.iter().rev();
    let mut tuple = hops.find_map(|hop| hop.event.packet.as_ref())?.tuple;
    match tuple.protocol {
        sockets::TCP => {}
        sockets::UDP => tuple.source = NOBODY,
        _ => return None,
    }
    Some(Question::Receiver(tuple))
}

/// Which question fits a drop.
fn question(trail: &Trail) -> Option<Question> {
    let Verdict::Dropped(dropped) = &trail.verdict else {
        return None;
    };
    let mut packets = trail
        .hops
        .iter()
        .rev()
        .filter_map(|hop| hop.event.packet.as_ref());
    let tuple = packets.next()?.tuple;
    let to = tuple.destination.ip();
    let hop = trail.hops.iter().rev().find(|hop| hop.event.interface != 0);
    let interface = hop.map_or(0, |hop| hop.event.interface);
    Some(match (dropped.reason.as_str(), dropped.function.as_str()) {
        ("IP_RPFILTER", _) => Question::WayBack(tuple.source.ip(), interface),
        ("XDP", _) | (_, "veth_xdp_rcv_skb" | "do_xdp_generic") => Question::Xdp(interface),
        ("NEIGH_FAILED" | "NEIGH_QUEUEFULL" | "NEIGH_CREATEFAIL", _) => Question::NextHop(to),
        ("NO_SOCKET", "ping_rcv") => return None,
        ("NO_SOCKET", _) => Question::Sockets(tuple),
        ("SOCKET_RCVBUFF" | "SOCKET_BACKLOG" | "PROTO_MEM", _) => Question::Buffer(tuple),
        ("IP_OUTNOROUTES" | "IP_INNOROUTES", _) => Question::Route(to),
        (_, "ip_error" | "dst_discard" | "dst_discard_out" | "ip6_pkt_drop") => Question::Route(to),
        _ if dropped
            .hook
            .as_ref()
            .is_some_and(|(_, table)| table == CONFIRM) =>
        {
            Question::Conntrack
        }
        (_, function) if function.starts_with("nfqnl_") => Question::Queues(queues::number(trail)),
        (_, "nf_queue" | "__nf_queue") => Question::Queues(queues::number(trail)),
        (_, "nf_confirm" | "__nf_conntrack_confirm") => Question::Conntrack,
        _ => return None,
    })
}

/// Asks in the namespace of this thread.
fn answer(question: &Question) -> Result<Vec<String>> {
    Ok(match question {
        Question::Route(to) => vec![routes::of(*to)?],
        Question::NextHop(to) => routes::next_hop(*to)?.into_iter().collect(),
        Question::WayBack(to, interface) => way_back(*to, *interface)?,
        Question::Xdp(interface) => xdp(*interface)?.into_iter().collect(),
        Question::Queues(number) => queues::of(*number),
        Question::Sockets(tuple) => sockets::at(tuple),
        Question::Receiver(tuple) => sockets::receiver(tuple).into_iter().collect(),
        Question::Buffer(tuple) => sockets::buffer(tuple),
        Question::Conntrack => conntrack(),
    })
}

fn way_back(to: IpAddr, interface: u32) -> Result<Vec<String>> {
    let name = routes::interface_name(interface)?;
    let setting = |which: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{which}/rp_filter");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.trim().to_owned()
    };
    let (here, all) = (setting(&name), setting("all"));
    Ok(vec![
        format!("rp_filter is {here} for {name} and {all} for all: the greater one holds."),
        format!("The way back: {}", routes::of(to)?),
    ])
}

/// The XDP program of an interface.
fn xdp(interface: u32) -> Result<Option<String>> {
    let links = Netlink::open()?.links()?;
    let link = links.iter().find(|link| link.header.index == interface);
    let attributes = link.map(|link| &link.attributes[..]).unwrap_or_default();
    let id = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Xdp(xdp) => xdp.iter().find_map(|part| match part {
            LinkXdp::ProgId(id) => Some(*id),
            _ => None,
        }),
        _ => None,
    });
    let name = routes::interface_name(interface)?;
    let Some(id) = id else {
        return Ok(None);
    };
    let program = ProgInfoIter::default().find(|program| program.id == id);
    let called = program.map(|program| program.name.to_string_lossy().into_owned());
    let called = called.filter(|called| !called.is_empty());
    let called = called.map_or(String::new(), |called| format!(" ({called})"));
    Ok(Some(format!("{name} has XDP program {id}{called}.")))
}

/// Counts of conntrack: /proc/net/stat/nf_conntrack, a line of hexadecimal numbers for each CPU.
fn conntrack() -> Vec<String> {
    let path = "/proc/thread-self/net/stat/nf_conntrack";
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
    let mut sums = vec![0_u64; columns.len()];
    for line in lines {
        for (sum, word) in sums.iter_mut().zip(line.split_whitespace()) {
            *sum += u64::from_str_radix(word, 16).unwrap_or(0);
        }
    }
    let of = |name: &str| {
        columns
            .iter()
            .zip(&sums)
            .find(|(column, _)| **column == name)
    };
    // Clashes that could be resolved come last.
    let named = ["insert_failed", "drop", "clashres"];
    let counts: Vec<String> = named
        .iter()
        .filter_map(|name| of(name).map(|(name, count)| format!("{name} {count}")))
        .collect();
    match counts.is_empty() {
        true => Vec::new(),
        false => vec![format!("Conntrack counted here: {}.", counts.join(", "))],
    }
}
