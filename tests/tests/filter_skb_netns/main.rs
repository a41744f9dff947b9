//! Filters in trace programs, by real packets: each is counted where it should be, and only there.
//! Needs root, and clang for the programs.

use libbpf_rs::{Link, MapCore, MapFlags, Object, ObjectBuilder, TC_EGRESS, TcHookBuilder};
use pktrail::filter::{NoNames, SkbFilter, Target};
use pktrail::inject::Injector;
use pktrail::trace::with_filter;
use pktrail::{ErrorKind, LinkType};
use pktrail_tests::netns::{Netns, VethPair, run};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;

/// Where a filter is asked (`count.bpf.c`).
#[derive(Clone, Copy)]
enum Place {
    Received,
    Sent,
    Dropped,
    /// In `ip_output`, before there is a link-layer header.
    Output,
}

const PORT: u16 = 39_113;

/// The programs, compiled.
fn programs() -> &'static [u8] {
    static PROGRAMS: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = here.join("tests/filter_skb_netns/count.bpf.c");
        let headers = here.join("../backends/src/trace");
        let name = format!("pkt-skb-{}.bpf.o", std::process::id());
        let output = std::env::temp_dir().join(name);
        let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let mut arguments = vec![
            "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror",
        ];
        let (headers, source, file) = (path(&headers), path(&source), path(&output));
        arguments.extend(["-I", &headers, "-c", &source, "-o", &file]);
        run("clang", &arguments);
        let bytes = std::fs::read(&output).expect("clang wrote it");
        std::fs::remove_file(&output).expect("it is ours");
        bytes
    })
}

fn compile(text: &str) -> SkbFilter {
    let target = Target::new(LinkType::ETHERNET, 65_535);
    SkbFilter::compile(text, &target, &mut NoNames).expect(text)
}

/// A filter at work.
struct Counting {
    object: Object,
    _links: Vec<Link>,
}

/// Matched and all, that begin with the link layer and with the network layer.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    matched: [u64; 2],
    all: [u64; 2],
}

impl Counting {
    fn start(filter: Option<&SkbFilter>, functions: bool) -> Self {
        libbpf_rs::set_print(None);
        let object = with_filter(programs(), filter).expect("it fits");
        let mut open = ObjectBuilder::default().open_memory(&object).expect("ELF");
        for mut program in open.progs_mut() {
            let is_function = program.section().to_string_lossy().starts_with("fentry");
            program.set_autoload(!is_function || functions);
        }
        let object = open.load().expect("the verifier takes the filter");
        let links = object.progs_mut();
        let links = links.filter(|program| program.autoload() && program.name() != "tag");
        let links = links.map(|program| program.attach_trace().expect("attaches"));
        let links = links.collect();
        Self {
            object,
            _links: links,
        }
    }

    /// Until the interface is gone.
    fn tag_what_leaves(&self, netns: &Netns, interface: &str) {
        let mut programs = self.object.progs();
        let tag = programs.find(|program| program.name() == "tag");
        let tag = tag.expect("the program is there");
        let tag = tag.as_fd();
        let index = netns.exec(&["cat", &format!("/sys/class/net/{interface}/ifindex")]);
        let index = index.trim().parse().expect("a number");
        netns.within(|| {
            let mut hook = TcHookBuilder::new(tag);
            hook.ifindex(index).replace(true).handle(1).priority(1);
            let mut hook = hook.hook(TC_EGRESS);
            hook.create().expect("clsact");
            hook.attach().expect("attaches");
        });
    }

    fn at(&self, place: Place) -> Counts {
        let map = self.object.maps().find(|map| map.name() == "counts");
        let key = (place as u32).to_ne_bytes();
        let value = map.expect("counts").lookup(&key, MapFlags::ANY);
        let value = value.expect("can be read").expect("an array has all keys");
        let number = |at: usize| u64::from_ne_bytes(value[8 * at..8 * at + 8].try_into().unwrap());
        Counts {
            matched: [number(0), number(1)],
            all: [number(2), number(3)],
        }
    }

    fn matched(&self, place: Place) -> [u64; 2] {
        self.at(place).matched
    }
}

/// `count` datagrams to each of ten ports, from `a` to `b`.
fn send(pair: &VethPair, count: usize) {
    pair.a.within(|| {
        let socket = std::net::UdpSocket::bind((VethPair::ADDRESS_A, 0)).expect("bind");
        for number in 0..count * 10 {
            let port = PORT + (number % 10) as u16;
            // Nobody listens, so an error of a datagram before may be told here.
            let _ = socket.send_to(&[0x55; 40], (VethPair::ADDRESS_B, port));
        }
    });
}

#[test]
fn datagrams_are_counted_where_they_pass() {
    let pair = VethPair::new("skb");
    for (text, share) in [
        (format!("udp dst port {PORT}"), 1),
        (format!("udp dst portrange {PORT}-{}", PORT + 4), 5),
        (
            format!("host {} and udp dst port {PORT}", VethPair::ADDRESS_B),
            1,
        ),
        (format!("ip6 or tcp dst port {PORT}"), 0),
        (
            format!("udp dst portrange {PORT}-{} and len = 82", PORT + 9),
            10,
        ),
        (format!("udp[2:2] = {PORT} and link[60] = 0x55"), 1),
        (format!("udp[2:2] = {PORT} and link[81] = 0x55"), 1),
        (format!("udp[2:2] = {PORT} and link[82] = 0x55"), 0),
    ] {
        let counting = Counting::start(Some(&compile(&text)), false);
        send(&pair, 100);
        for place in [Place::Sent, Place::Received] {
            let [link, _] = counting.matched(place);
            assert_eq!(link, 100 * share, "{text}: {:?}", counting.at(place));
        }
    }
}

#[test]
fn without_a_filter_everything_matches() {
    let pair = VethPair::new("skball");
    let counting = Counting::start(None, false);
    send(&pair, 10);
    let counts = counting.at(Place::Sent);
    assert_eq!(counts.matched, counts.all);
    assert!(counts.all[0] >= 100, "{counts:?}");
}

/// A tag that came in the packet is in its bytes at first; one that the kernel puts there is beside
/// it, and goes so over a pair of veths.
#[test]
fn a_tag_is_seen_in_the_packet_and_beside_it() {
    let pair = VethPair::new("skbtag");
    let mut frame = vec![
        0x02, 0, 0, 0, 0, 9, 0x02, 0, 0, 0, 0, 8, 0x81, 0, 0x20, 77, 8, 0,
    ];
    frame.extend([
        0x45, 0, 0, 84, 0, 0, 0, 0, 64, 17, 0, 0, 10, 77, 0, 1, 10, 77, 9, 8,
    ]);
    frame.extend([0; 64]);
    let source = format!("src host {}", VethPair::ADDRESS_A);
    for (text, matches) in [
        (format!("vlan 77 and {source}"), true),
        (format!("vlan and udp and {source}"), true),
        (format!("vlan 78 and {source}"), false),
        (format!("vlan 77 and vlan 77 and {source}"), false),
    ] {
        let expected = [u64::from(matches) * 50, 0];
        let counting = Counting::start(Some(&compile(&text)), false);
        pair.b.within(|| {
            let mut injector = Injector::from_template(VethPair::B, &frame).expect("injector");
            assert_eq!(injector.run(50).expect("run"), 50);
        });
        assert_eq!(counting.matched(Place::Received), expected, "{text}");
        // The kernel forgets a tag that is nobody's before it drops the packet.
        assert_eq!(counting.matched(Place::Dropped), [0, 0], "{text}");
        drop(counting);

        let counting = Counting::start(Some(&compile(&text)), false);
        counting.tag_what_leaves(&pair.a, VethPair::A);
        send(&pair, 5);
        assert_eq!(counting.matched(Place::Sent), expected, "{text}");
        assert_eq!(counting.matched(Place::Received), expected, "{text}");
    }
}

/// A tunnel's device has no link-layer header.
#[test]
fn packets_of_a_tunnel_begin_with_ip() {
    let netns = Netns::new("skbtun");
    netns.exec(&["ip", "tuntap", "add", "pkt-tun", "mode", "tun"]);
    netns.exec(&["ip", "address", "add", "10.78.0.1/24", "dev", "pkt-tun"]);
    netns.exec(&["ip", "link", "set", "pkt-tun", "up"]);
    let text = format!("udp dst port {PORT} and dst host 10.78.0.9");
    let counting = Counting::start(Some(&compile(&text)), false);
    let by_address = format!("({text}) and ether src host 02:00:00:00:00:01");
    let filter = compile(&by_address);
    assert!(filter.network.is_none());
    let never = Counting::start(Some(&filter), false);
    netns.within(|| {
        let socket = std::net::UdpSocket::bind("10.78.0.1:0").expect("bind");
        for _ in 0..20 {
            socket.send_to(b"x", ("10.78.0.9", PORT)).expect("send");
        }
    });
    // Nobody has opened the device, so all are dropped there.
    assert_eq!(counting.matched(Place::Dropped), [0, 20]);
    assert_eq!(never.matched(Place::Dropped), [0, 0]);
}

#[test]
fn a_filter_that_is_too_large_is_refused() {
    let hosts: Vec<String> = (0..6000)
        .map(|n| format!("10.{}.{}.{}", n % 7, n % 251, n % 253))
        .collect();
    let text = format!("host {}", hosts.join(" or "));
    let error = with_filter(programs(), Some(&compile(&text))).expect_err("too large");
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }));
    assert!(error.to_string().contains("instructions"), "{error}");
    let few = format!("host {}", hosts[..1000].join(" or "));
    let counting = Counting::start(Some(&compile(&few)), false);
    drop(counting);
    let error = with_filter(b"no ELF", None).expect_err("no ELF");
    assert!(error.to_string().contains("packet_filter"), "{error}");
}

#[test]
#[ignore = "for guests: a machine may refuse programs at functions"]
fn functions_are_filtered_before_the_link_layer_is_there() {
    let pair = VethPair::new("skbfun");
    let text = format!("udp dst port {PORT}");
    let counting = Counting::start(Some(&compile(&text)), true);
    send(&pair, 10);
    assert_eq!(counting.matched(Place::Output), [0, 10]);
    assert_eq!(counting.matched(Place::Received), [10, 0]);
}
