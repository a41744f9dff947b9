//! What leaves by `dev_queue_xmit`: headers in the right byte order, the process, the queueing
//! discipline and the next steps.

use crate::stage::{Lab, points, with};
use pktrail_tests::netns::VethPair;
use std::net::UdpSocket;

#[test]
fn xmit_shows_headers_process_queue_and_what_follows() {
    let pair = VethPair::new("lab-xmit");
    // A discipline that a packet cannot go around.
    let queue = ["tc", "qdisc", "add", "dev", VethPair::A, "root", "tbf"];
    let rate = ["rate", "1mbit", "burst", "2000", "limit", "100000"];
    pair.a.exec(&[&queue[..], &rate[..]].concat());
    let lab = Lab::begin(&[pair.a.name(), pair.b.name()], &["udp port 4000 or icmp"]);
    let socket = pair
        .a
        .within(|| UdpSocket::bind((VethPair::ADDRESS_A, 0)).expect("a socket"));
    let port = socket.local_addr().expect("an address").port();
    // At 1 Mbit/s each takes 8.3 ms, so that all but the first two wait.
    for _ in 0..4 {
        socket
            .send_to(&[7; 1000], (VethPair::ADDRESS_B, 4000))
            .expect("it is queued");
    }
    pair.a.exec(&["ping", "-q", "-c", "1", VethPair::ADDRESS_B]);
    let traced = lab.end();
    let sent = with(&traced.trails(), "destination_port", 4000);
    assert_eq!(sent.len(), 4, "{}", traced.shown);
    let mut waits = Vec::new();
    for trail in &sent {
        let headers = &trail["headers"];
        assert_eq!(headers["source"], VethPair::ADDRESS_A);
        assert_eq!(headers["source_port"], port);
        assert_eq!(headers["destination"], VethPair::ADDRESS_B);
        assert_eq!(headers["length"], 1008);
        let points = points(trail);
        let at = |name: &str| {
            let found = points.iter().position(|point| point == name);
            found.unwrap_or_else(|| panic!("{name} is missing in {points:#?}"))
        };
        let steps = [
            "net_dev_queue",
            "qdisc_enqueue",
            "qdisc_dequeue",
            "net_dev_start_xmit",
        ];
        let places = steps.map(at);
        assert!(places.is_sorted(), "{points:#?}");
        let hop = |at: usize| &trail["hops"][places[at]];
        // The process that sends is the one that runs there.
        assert_eq!(hop(0)["process"]["pid"], std::process::id(), "{trail:#}");
        assert_eq!(hop(0)["sender"], "UDP socket", "{trail:#}");
        for queue in [1, 2] {
            assert_eq!(hop(queue)["discipline"], "tbf", "{trail:#}");
        }
        let wait_ns = hop(2)["since_ns"].as_u64().expect("a time");
        waits.push(wait_ns);
        assert!(at("netif_receive_skb") > places[3]);
    }
    // The kernel's own count (ARP and the ping went there as well), and the last packet waited
    // longest.
    let counted = pair
        .a
        .exec(&["tc", "-s", "qdisc", "show", "dev", VethPair::A]);
    assert!(counted.contains("qdisc tbf"), "{counted}");
    let count = counted.split(" bytes ").nth(1).expect("a count of packets");
    let count = count.split(' ').next().and_then(|word| word.parse().ok());
    assert!(count.is_some_and(|count: u64| count >= 5), "{counted}");
    assert!(waits[3] > waits[0], "{waits:?}");
    // 56 bytes of data, 8 of ICMP, 20 of IP: not 21504, which 84 is in the wrong byte order.
    let ping = with(&traced.trails(), "icmp_type", 8);
    assert_eq!(ping[0]["headers"]["length"], 64);
    let queued = ping[0]["hops"].as_array().expect("hops").iter();
    let mut queued = queued.filter(|hop| hop["point"] == "net_dev_queue");
    let queued = queued.next().expect("it is sent");
    assert_eq!(queued["length"], 98, "with the Ethernet header");
    assert_eq!(queued["process"]["name"], "ping");
}
