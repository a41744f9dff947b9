//! The filter in the kernel and the interpreter give the same frames, on live traffic of every
//! protocol, tags that the kernel takes off included. Needs root, ip and python3.

#![allow(
    clippy::print_stdout,
    reason = "the numbers of a run are to be recorded"
)]

#[path = "filter_libpcap_peers/dice.rs"]
mod dice;
#[path = "filter_libpcap_peers/packets.rs"]
mod packets;

use dice::Dice;
use pktrail::af_packet::{ANY, AfPacket, Options};
use pktrail::filter::{LiveTarget, NoNames, Target};
use pktrail::{Filter, FrameInfo, Interface, LinkType, Marks, Next, Placement, Source};
use pktrail_tests::netns::VethPair;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Frames sent for each set of expressions.
const FRAMES: usize = 3000;
/// What an Ethernet interface carries.
const LONGEST: usize = 1514;

/// Sends what comes on standard input, each frame after its length, out of one interface.
const SENDER: &str = r#"
import socket, struct, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((sys.argv[1], 0))
data, at = sys.stdin.buffer.read(), 0
while at < len(data):
    size, = struct.unpack_from("<H", data, at)
    out.send(data[at + 2 : at + 2 + size])
    at += 2 + size
"#;

const ETHERNET: &[&str] = &[
    "",
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp",
    "icmp or icmp6",
    "not ip and not ip6",
    "host 10.0.0.1",
    "src host 10.0.0.1 or dst host 192.168.1.1",
    "net 10.0.0.0/8 and not net 10.1.0.0/16",
    "ip6 host fe80::1",
    "ip6 net 2001:db8::/32",
    "port 80",
    "tcp port 80 or 443",
    "udp portrange 50-5000",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "ip[6:2] & 0x1fff != 0",
    "ether host 02:00:00:00:00:01",
    "ether src 02:00:00:00:00:02 and ip",
    "ether broadcast or ether multicast",
    "ip multicast or ip6 multicast",
    "len > 100",
    "less 60",
    "greater 90 and udp",
    "link[0] & 1 = 1",
    "ip proto 47 or ip proto 4",
    "ip6 proto 44",
    "ip protochain 51",
    "ip6 protochain 6",
    "llc",
    "stp or ipx",
    "ether proto 0x88cc",
    "mpls",
    "pppoes and ip",
    "geneve",
    "vxlan and ip",
    "sctp port 80",
    "inbound",
    "outbound",
    "icmp[icmptype] = icmp-echo",
    "vlan",
    "not vlan",
    "vlan 100",
    "vlan 100 and tcp",
    "vlan and ip",
    "vlan and vlan 200",
    "vlan and vlan",
    "vlan 1 or vlan 200",
    "vlan and host 10.0.0.1",
    "(vlan and ip6) or arp",
    "ip or (vlan and ip)",
    "vlan 100 and mpls",
    "vlan and port 53",
    "vlan and len < 200",
    "vlan and not ip",
];

/// What can be asked of cooked packets.
const COOKED: &[&str] = &[
    "",
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp port 53",
    "host 10.0.0.1",
    "net 192.168.0.0/16 or ip6 host fe80::2",
    "portrange 1000-2000",
    "tcp[13] & 2 != 0",
    "icmp or icmp6",
    "not ip",
    "not tcp and not udp",
    "inbound",
    "outbound",
    "ip6 protochain 17",
    "ether proto 0x88cc",
    "ip[8] < 64",
    "geneve or vxlan",
];

/// A capture with a filter, or without.
struct Tap {
    filter: Option<Filter>,
    source: AfPacket,
    seen: Vec<Seen>,
}

#[derive(Clone)]
struct Seen {
    info: FrameInfo,
    data: Vec<u8>,
    interface: Interface,
}

impl Tap {
    fn open(pair: &VethPair, interface: &str, text: Option<&str>) -> Self {
        let options = Options {
            netns: Some(pair.b.name().into()),
            ring_bytes: Some(4 << 20),
            block_bytes: 1 << 18,
            ..Options::new(interface)
        };
        let mut source = AfPacket::open(&options).expect("open");
        let cooked = interface == ANY;
        let filter = text.map(|text| {
            let target = Target {
                live: Some(LiveTarget {
                    stripped_tags: true,
                    cooked,
                }),
                ..Target::new(
                    if cooked {
                        LinkType::LINUX_SLL2
                    } else {
                        LinkType::ETHERNET
                    },
                    65_535,
                )
            };
            let filter = Filter::compile(text, &target, &mut NoNames).expect(text);
            let placement = source.set_filter(&filter).expect(text);
            assert_eq!(placement, Placement::Kernel, "{text}");
            filter
        });
        source.start().expect("start");
        Self {
            filter,
            source,
            seen: Vec::new(),
        }
    }

    fn finish(&mut self) {
        self.source.stop().expect("stop");
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < Duration::from_secs(20), "it never ends");
            match self.source.next_batch(Duration::from_millis(20)) {
                Ok(Next::Batch(batch)) => {
                    for frame in batch.iter() {
                        self.seen.push(Seen {
                            info: *frame.info,
                            data: frame.data.to_vec(),
                            interface: batch.interface(frame.info).expect("known").clone(),
                        });
                    }
                }
                Ok(Next::End) => break,
                Ok(_) => {}
                Err(error) => panic!("{error:#}"),
            }
        }
        let account = self.source.account().expect("account");
        assert_eq!(account.lost.ring, 0, "{account:?}");
        assert_eq!(account.received, self.seen.len() as u64);
    }
}

/// In an order that does not depend on which CPU was first.
fn sorted(mut frames: Vec<(Vec<u8>, u32)>) -> Vec<(Vec<u8>, u32)> {
    frames.sort_unstable();
    frames
}

fn key(seen: &Seen) -> (Vec<u8>, u32) {
    (seen.data.clone(), seen.info.len)
}

/// Since 6.10 the kernel tells a cooked socket the type behind all tags, but leaves the inner tag
/// in the packet (`vlan_get_protocol_dgram`): what is delivered is not what it was.
fn has_two_tags(frame: &[u8]) -> bool {
    let is_tag = |at: usize| {
        let kind = frame.get(at..at + 2);
        matches!(kind, Some([0x81, 0] | [0x88, 0xa8] | [0x91, 0]))
    };
    is_tag(12) && is_tag(16)
}

/// The kernel drops these before any tap (`skb_vlan_untag`).
fn is_cut_in_its_tag(frame: &[u8]) -> bool {
    matches!(frame.get(12..14), Some([0x81, 0] | [0x88, 0xa8])) && frame.len() < 20
}

fn send(pair: &VethPair, frames: &[Vec<u8>]) {
    let mut sender = pair.a.command("python3");
    sender
        .args(["-c", SENDER, VethPair::A])
        .stdin(Stdio::piped());
    let mut sender = sender.spawn().expect("python3 runs");
    let mut input = sender.stdin.take().expect("a pipe");
    for frame in frames {
        let size = u16::try_from(frame.len()).expect("short");
        input.write_all(&size.to_le_bytes()).expect("it reads");
        input.write_all(frame).expect("it reads");
    }
    drop(input);
    assert!(sender.wait().expect("it ends").success());
    // Another CPU may still be receiving the last.
    std::thread::sleep(Duration::from_millis(200));
}

/// Numbered frames of every protocol, and common ones.
fn frames(seed: u64) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(seed);
    let mut found = Vec::with_capacity(FRAMES);
    while found.len() < FRAMES {
        let mut some = packets::frames(1, 20, &mut dice);
        some.extend((0..10).map(|_| packets::common(&mut dice)));
        let fits = |frame: &packets::Frame| (14..=LONGEST - 4).contains(&frame.bytes.len());
        for frame in some.into_iter().filter(fits) {
            // What was cut is sent as short as it is.
            assert!(frame.bytes.len() <= frame.len as usize);
            let mut bytes = frame.bytes;
            // A number behind all headers, where there is room, tells equal frames apart.
            if bytes.len() >= 60 {
                bytes.extend((found.len() as u32).to_be_bytes());
            }
            found.push(bytes);
        }
    }
    found.truncate(FRAMES);
    found
}

fn compare(interface: &str, expressions: &[&str], seed: u64) {
    let pair = VethPair::new("agree");
    let mut sent = frames(seed);
    if interface == ANY {
        sent.retain(|frame| !has_two_tags(frame));
    }
    let mut all = Tap::open(&pair, interface, None);
    let mut taps: Vec<Tap> = (expressions.iter())
        .map(|text| Tap::open(&pair, interface, Some(text)))
        .collect();
    send(&pair, &sent);
    all.finish();
    let lost = sent.iter().filter(|frame| is_cut_in_its_tag(frame)).count();
    let (seen, expected) = (all.seen.len(), sent.len() - lost);
    assert!(seen >= expected, "{seen} of {expected}");
    let tagged = all
        .seen
        .iter()
        .filter(|it| it.info.marks.has(Marks::VLAN_RESTORED));
    let tagged = tagged.count();
    assert!(
        tagged > sent.len() / 20,
        "the kernel took off only {tagged} tags"
    );
    let mut accepted = 0;
    for (text, tap) in expressions.iter().zip(&mut taps) {
        tap.finish();
        let filter = tap.filter.as_ref().expect("compiled");
        let here = all
            .seen
            .iter()
            .filter(|seen| filter.run(&seen.data, &seen.info, &seen.interface) > 0);
        let here = sorted(here.map(key).collect());
        let kernel = sorted(tap.seen.iter().map(key).collect());
        if kernel != here {
            let of = |from: &[(Vec<u8>, u32)], other: &[(Vec<u8>, u32)]| {
                let only = from.iter().filter(|frame| !other.contains(*frame));
                only.take(3).cloned().collect::<Vec<_>>()
            };
            let (kernel_only, here_only) = (of(&kernel, &here), of(&here, &kernel));
            panic!("{text:?}: kernel only: {kernel_only:02x?}\nhere only: {here_only:02x?}");
        }
        accepted += kernel.len();
    }
    println!(
        "{interface}: {} frames, {tagged} tags taken off, {} expressions, {accepted} accepted",
        all.seen.len(),
        expressions.len(),
    );
    assert!(accepted > all.seen.len() * 2);
}

#[test]
fn the_kernel_gives_the_frames_that_the_interpreter_accepts() {
    compare(VethPair::B, ETHERNET, 17);
}

#[test]
fn the_kernel_gives_the_cooked_packets_that_the_interpreter_accepts() {
    compare(ANY, COOKED, 19);
}
