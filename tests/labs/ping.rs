//! Two kinds of ping: a raw socket gets a copy of each reply, an ICMP datagram socket the reply
//! itself. Who else gets a copy?

use crate::stage::{Lab, points, with};
use pktrail_tests::netns::VethPair;
use pktrail_tests::tracing::Traced;
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

fn ping(pair: &VethPair, groups: &str) -> Traced {
    let range = format!("net.ipv4.ping_group_range={groups}");
    pair.a.exec(&["sysctl", "-qw", &range]);
    let lab = Lab::begin(&[pair.a.name(), pair.b.name()], &["icmp"]);
    pair.a.exec(&["ping", "-q", "-c", "1", VethPair::ADDRESS_B]);
    lab.end()
}

/// What kind of socket sent the request.
fn asker(traced: &Traced) -> Value {
    let requests = with(&traced.trails(), "icmp_type", 8);
    let hops = requests[0]["hops"].as_array().expect("hops").iter();
    let mut senders = hops.map(|hop| hop["sender"].clone());
    senders.find(|sender| !sender.is_null()).unwrap_or_default()
}

/// The reply that came and its copies.
fn replies(traced: &Traced) -> (Value, Vec<Value>) {
    let trails = with(&traced.trails(), "icmp_type", 0);
    let (mut came, copies): (Vec<Value>, Vec<Value>) = trails
        .into_iter()
        .partition(|trail| trail["from"].is_null());
    assert_eq!(came.len(), 1, "{}", traced.shown);
    (came.remove(0), copies)
}

fn reader(trail: &Value) -> &str {
    trail["verdict"]["reader"]["name"].as_str().unwrap_or("-")
}

#[test]
fn ping_with_a_raw_socket_reads_a_copy() {
    let pair = VethPair::new("lab-ping-raw");
    // No group may open ICMP datagram sockets.
    let traced = ping(&pair, "1 0");
    assert_eq!(asker(&traced), "raw socket", "{}", traced.shown);
    let (came, copies) = replies(&traced);
    let [copy] = &copies[..] else {
        panic!("{copies:#?}")
    };
    assert_eq!(copy["from"]["packet"], came["packet"]);
    assert_eq!(copy["from"]["relation"], "clone");
    assert_eq!(copy["verdict"]["kind"], "delivered");
    assert_eq!(reader(copy), "ping");
    // The reply itself finds no ICMP datagram socket, and that is as it should be.
    assert_eq!(came["verdict"]["function"], "ping_rcv");
    let cause = came["verdict"]["cause"].as_str().expect("a cause");
    assert!(cause.contains("raw socket"), "{cause}");
}

#[test]
fn ping_with_a_datagram_socket_reads_the_reply_itself() {
    let pair = VethPair::new("lab-ping-dgram");
    let traced = ping(&pair, "0 2147483647");
    assert_eq!(asker(&traced), "ICMP datagram socket", "{}", traced.shown);
    let (came, copies) = replies(&traced);
    assert_eq!(copies, [] as [Value; 0]);
    assert_eq!(came["verdict"]["kind"], "delivered");
    assert_eq!(reader(&came), "ping");
    assert!(
        points(&came).contains(&"skb_copy_datagram_iovec".to_owned()),
        "{came:#}"
    );
}

#[test]
fn ping_is_overheard_by_another_raw_socket() {
    let pair = VethPair::new("lab-ping-two");
    let listener = pair.a.within(|| {
        Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("a raw socket")
    });
    let range = "net.ipv4.ping_group_range=0 2147483647";
    pair.a.exec(&["sysctl", "-qw", range]);
    let lab = Lab::begin(&[pair.a.name(), pair.b.name()], &["icmp"]);
    pair.a.exec(&["ping", "-q", "-c", "1", VethPair::ADDRESS_B]);
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 200];
    let size = listener.recv(&mut buffer).expect("it overhears the reply");
    assert_eq!(size, 84);
    let (came, copies) = replies(&lab.end());
    assert_eq!(reader(&came), "ping");
    let [copy] = &copies[..] else {
        panic!("{copies:#?}")
    };
    assert_eq!(copy["verdict"]["kind"], "delivered");
    let me = u64::from(std::process::id());
    assert_eq!(copy["verdict"]["reader"]["pid"], me, "{copy:#}");
}
