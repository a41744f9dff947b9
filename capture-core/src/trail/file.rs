//! Trails as frames of a file: the packet as each device saw it, with its way as comments.
//!
//! Owns which hops are frames, what their comments and options say, and their order in time.
//! Writing them is a sink's. The form is described in docs/trail-files.md.

use super::event::{Checksum, Event};
use super::path::{Hop, Trail};
use super::words::{self, Names};
use crate::pcapng::options::{put, put_text};
use crate::{Batch, Flags, FrameInfo, Interface, LinkType};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::Write;
use std::sync::Arc;

/// `opt_comment`, `epb_packetid` and a custom option with text that may be copied
/// (draft-ietf-opsawg-pcapng, sections 3.5 and 4.3.1).
const COMMENT: u16 = 1;
const PACKET_ID: u16 = 5;
const CUSTOM_TEXT: u16 = 2988;
/// The enterprise number reserved for documentation.
const ENTERPRISE: u32 = 32_473;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes that most lines fit into.
const USUAL_LINE: usize = 256;
/// Longest text of an option.
const MOST_TEXT: usize = 60_000;

/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK`: devices whose frames begin with an Ethernet header.
const ETHERNET_DEVICES: [u16; 2] = [1, 772];

/// The interface of packets that never reached one.
const NOWHERE: &str = "none";

/// A frame that waits for older ones.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    time_ns: u64,
    arrived: u64,
    frame: usize,
}

/// A frame to be.
#[derive(Debug, Default)]
struct Made {
    info: FrameInfo,
    /// The frame, and behind it the options.
    bytes: Vec<u8>,
}

/// Makes batches of trails, in time order as far as a bounded wait allows.
#[derive(Debug)]
pub struct Frames {
    hold_ns: u64,
    interfaces: Arc<Vec<Interface>>,
    numbers: HashMap<String, u32>,
    made: HashMap<usize, Made>,
    order: BinaryHeap<Reverse<Waiting>>,
    arrived: u64,
    newest_ns: u64,
    written_ns: u64,
    late: u64,
    counts: Vec<u64>,
    /// Memory for what is being made.
    options: Vec<u8>,
    text: Vec<u8>,
}

impl Frames {
    /// Holds each frame until one that is `hold_ns` younger came: trails end long after their
    /// first frame.
    pub fn new(hold_ns: u64) -> Self {
        let mut frames = Self {
            hold_ns,
            interfaces: Arc::default(),
            numbers: HashMap::new(),
            made: HashMap::new(),
            order: BinaryHeap::new(),
            arrived: 0,
            newest_ns: 0,
            written_ns: 0,
            late: 0,
            counts: Vec::new(),
            options: Vec::new(),
            text: Vec::new(),
        };
        // A file without an interface is none to libpcap.
        frames.interface(NOWHERE.to_owned(), None, None);
        frames
    }

    /// The interfaces so far; the table only grows.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Frames of each interface that have been handed out.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Frames that were handed out after a younger one.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Takes a trail: a frame for each device that the packet passed, or one from where it was
    /// last seen if it passed none.
    pub fn push(&mut self, trail: &Trail, names: &dyn Names) {
        let is_frame =
            |hop: &Hop| direction(&hop.event).is_some() && !hop.event.frame.bytes().is_empty();
        let mut at: Vec<usize> = Vec::new();
        at.extend(
            (0..)
                .zip(&trail.hops)
                .filter(|(_, hop)| is_frame(hop))
                .map(|(at, _)| at),
        );
        if at.is_empty() {
            let with_bytes = |hop: &Hop| !hop.event.frame.network().is_empty();
            at.extend(trail.hops.iter().rposition(with_bytes));
        }
        let mut begin = 0;
        for (number, hop) in at.iter().enumerate() {
            let is_last = number + 1 == at.len();
            let end = if is_last { trail.hops.len() } else { hop + 1 };
            self.make(trail, *hop, begin..end, is_last, names);
            begin = end;
        }
    }

    fn make(
        &mut self,
        trail: &Trail,
        at: usize,
        hops: std::ops::Range<usize>,
        is_last: bool,
        names: &dyn Names,
    ) {
        let Some(event) = trail.hops.get(at).map(|hop| &hop.event) else {
            return;
        };
        let (data, is_made) = link_frame(event);
        let mut options = std::mem::take(&mut self.options);
        options.clear();
        put_comments(trail, hops.clone(), is_last, names, &mut options);
        if is_made {
            let made = "the link header was made for this file";
            put_text(COMMENT, made, &mut options);
        }
        let id = trail.id.family << 20 | u64::from(trail.id.member);
        put(PACKET_ID, &id.to_le_bytes(), &mut options);
        structured(&mut self.text, trail, hops, is_last);
        put(CUSTOM_TEXT, &self.text, &mut options);
        let caplen = u32::try_from(data.len()).unwrap_or(0);
        let info = FrameInfo {
            timestamp_ns: event.time_ns,
            caplen,
            len: on_the_wire(event, is_made).max(caplen),
            interface: self.interface_of(event, names),
            queue: Some(u32::from(event.queue)),
            flags: flags(event),
            ..FrameInfo::default()
        };
        // It waits for seconds, so that it takes no more memory than it needs.
        let mut bytes = Vec::with_capacity(data.len() + options.len());
        bytes.extend_from_slice(&data);
        bytes.extend_from_slice(&options);
        self.options = options;
        self.wait(Made { info, bytes });
    }

    fn wait(&mut self, made: Made) {
        let time_ns = made.info.timestamp_ns;
        self.newest_ns = self.newest_ns.max(time_ns);
        let frame = usize::try_from(self.arrived).unwrap_or(usize::MAX);
        self.order.push(Reverse(Waiting {
            time_ns,
            arrived: self.arrived,
            frame,
        }));
        self.made.insert(frame, made);
        self.arrived += 1;
    }

    fn interface_of(&mut self, event: &Event, names: &dyn Names) -> u32 {
        let name = names.interface(event.netns, event.interface, event.time_ns);
        let (Some(name), false) = (name, event.interface == 0) else {
            return 0;
        };
        let netns = words::namespace(names, event.netns);
        self.interface(name, Some(netns), Some(event.interface))
    }

    fn interface(&mut self, name: String, netns: Option<String>, index: Option<u32>) -> u32 {
        let interface = Interface {
            name,
            netns,
            index,
            link_type: LinkType::ETHERNET,
            ..Interface::default()
        };
        let next = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(interface.full_name()).or_insert(next);
        if number == next {
            Arc::make_mut(&mut self.interfaces).push(interface);
            self.counts.push(0);
        }
        number
    }

    /// The frames whose time has come at `now_ns`; all of them at the end, with `None`.
    pub fn take(&mut self, now_ns: Option<u64>) -> Option<Batch> {
        let before = now_ns.map_or(u64::MAX, |now| now.saturating_sub(self.hold_ns));
        let (mut block, mut frames) = (Vec::new(), Vec::new());
        while let Some(Reverse(next)) = self.order.peek() {
            if next.time_ns > before {
                break;
            }
            let made = self.made.remove(&next.frame);
            self.late += u64::from(next.time_ns < self.written_ns);
            self.written_ns = self.written_ns.max(next.time_ns);
            self.order.pop();
            frames.extend(made.map(|made| placed(made, &mut block)));
        }
        for info in &frames {
            if let Some(count) = self.counts.get_mut(info.interface as usize) {
                *count += 1;
            }
        }
        (!frames.is_empty()).then(|| Batch::new(block, frames, Arc::clone(&self.interfaces)))
    }
}

/// Puts a frame's bytes into the block.
fn placed(made: Made, block: &mut Vec<u8>) -> FrameInfo {
    let mut info = made.info;
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    info.offset = length(block.len());
    info.options_offset = info.offset.saturating_add(info.caplen);
    info.options_len = length(made.bytes.len()).saturating_sub(info.caplen);
    block.extend(&made.bytes);
    info
}

/// Whether the event is a frame at a device, and which way.
fn direction(event: &Event) -> Option<Flags> {
    match event.point.name() {
        "net_dev_start_xmit" => Some(Flags::OUTBOUND),
        "netif_receive_skb" => Some(Flags::INBOUND),
        _ => None,
    }
}

fn flags(event: &Event) -> Flags {
    let mut flags = direction(event).unwrap_or_default();
    match event.checksum {
        Checksum::Partial => flags = flags.with(Flags::CHECKSUM_NOT_READY),
        Checksum::Unnecessary => flags = flags.with(Flags::CHECKSUM_VALID),
        Checksum::None | Checksum::Complete => {}
    }
    let is_tcp = |packet: &super::Packet| packet.segment.is_some();
    if event.segment_size != 0 && event.packet.as_ref().is_some_and(is_tcp) {
        flags = flags.with(Flags::TCP_SEGMENTATION);
    }
    flags
}

/// The frame from its Ethernet header on, and whether that header was made up: for devices
/// without one, and for packets that have not come to a device.
fn link_frame(event: &Event) -> (Vec<u8>, bool) {
    let frame = &event.frame;
    let has_header = direction(event).is_some()
        && frame.link_bytes() >= ETHERNET
        && ETHERNET_DEVICES.contains(&frame.device_type());
    if !has_header {
        let network = frame.network();
        let ether_type: u16 = match network.first().map(|byte| byte >> 4) {
            Some(6) => 0x86dd,
            Some(4) => 0x0800,
            _ => event.protocol,
        };
        let mut bytes = vec![0; 12];
        bytes.extend(ether_type.to_be_bytes());
        bytes.extend(network);
        return (bytes, true);
    }
    let mut bytes = frame.bytes().to_vec();
    if let Some((protocol, tag)) = event.vlan {
        // The kernel keeps the tag beside the data.
        let [a, b] = protocol.to_be_bytes();
        let [c, d] = tag.to_be_bytes();
        bytes.splice(12..12, [a, b, c, d]);
    }
    (bytes, false)
}

fn on_the_wire(event: &Event, is_made: bool) -> u32 {
    let tag = if event.vlan.is_some() { 4 } else { 0 };
    let link = u32::try_from(event.frame.link_bytes()).unwrap_or(0);
    match event.point.name() {
        // The data begins with the link header.
        "net_dev_start_xmit" if is_made => event.length.saturating_sub(link) + 14,
        "net_dev_start_xmit" => event.length + tag,
        _ if is_made => event.length + 14,
        _ => event.length + link + tag,
    }
}

/// What a person reads: at the first frame what packet this is, then a line for each hop and
/// rule, at the last the verdict.
fn put_comments(
    trail: &Trail,
    hops: std::ops::Range<usize>,
    is_last: bool,
    names: &dyn Names,
    options: &mut Vec<u8>,
) {
    let mut put = |line: &str| put_text(COMMENT, &squeezed(line), options);
    if hops.start == 0 {
        put(&words::title(trail));
    } else {
        put(&format!("packet {} goes on", trail.id));
    }
    let mut line = String::with_capacity(USUAL_LINE);
    for at in hops {
        let before = at.checked_sub(1).and_then(|at| trail.hops.get(at));
        if let Some(hop) = trail.hops.get(at) {
            line.clear();
            words::append_hop(&mut line, hop, before, names);
            put(&line);
        }
        let rules = trail.rules.iter().filter(|(after, _)| *after == at);
        rules.for_each(|(_, step)| put(&format!("rule {step}")));
    }
    if is_last {
        put(&format!("= {}", words::verdict(trail, names)));
        let (sentence, advice) = words::advice(trail);
        sentence.iter().for_each(|sentence| put(sentence));
        words::facts(trail).iter().for_each(|fact| put(fact));
        if let Some(advice) = advice {
            put(&format!("Try: {advice}"));
        }
    }
}

/// Columns are for terminals.
fn squeezed(line: &str) -> Cow<'_, str> {
    let is_plain = |text: &str| {
        !text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  ") && {
            !text.contains(['\t', '\n'])
        }
    };
    if is_plain(line) {
        return Cow::Borrowed(line);
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    Cow::Owned(words.join(" "))
}

/// What a program reads: the number of who defines it, then the same as JSON.
fn structured(text: &mut Vec<u8>, trail: &Trail, hops: std::ops::Range<usize>, is_last: bool) {
    text.clear();
    text.extend(ENTERPRISE.to_le_bytes());
    let _ = write!(
        text,
        "{{\"packet\":\"{}\",\"first_hop\":{}",
        trail.id, hops.start
    );
    text.extend_from_slice(b",\"hops\":[");
    for (number, hop) in trail.hops.get(hops).unwrap_or_default().iter().enumerate() {
        if text.len() > MOST_TEXT {
            break;
        }
        let event = &hop.event;
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}{{\"time_ns\":{},\"cpu\":{},\"point\":\"{}\",\"interface_index\":{},\
             \"netns_inode\":{},\"mark\":{},\"checksum\":\"{}\",\"segment_size\":{},\
             \"queue\":{},\"lost_before\":{}}}",
            event.time_ns,
            event.cpu,
            event.point.name(),
            event.interface,
            event.netns,
            event.mark,
            words::checksum(event.checksum),
            event.segment_size,
            event.queue,
            event.lost_before,
        );
    }
    text.push(b']');
    if is_last {
        let verdict = trail.verdict.to_string();
        let verdict = verdict.replace(['"', '\\'], "'");
        let _ = write!(text, ",\"verdict\":\"{verdict}\"");
    }
    text.push(b'}');
}
