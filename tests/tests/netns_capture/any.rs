//! All interfaces of a namespace at once.

use super::support::{PORT, drain, number, options, payload, started, udp};
use pktrail::af_packet::{ANY, Direction, Options};
use pktrail::{LinkType, Source};
use pktrail_tests::netns::VethPair;

/// Sends 1 to loopback, 2 out of `a`, 3 into `a`.
fn one_each_way(pair: &VethPair) {
    let lo = udp(&pair.a, "127.0.0.1", PORT);
    let a = udp(&pair.a, VethPair::ADDRESS_A, PORT);
    let b = udp(&pair.b, VethPair::ADDRESS_B, PORT);
    lo.send_to(&payload(1, 8), ("127.0.0.1", PORT))
        .expect("send");
    a.send_to(&payload(2, 8), (VethPair::ADDRESS_B, PORT))
        .expect("send");
    b.send_to(&payload(3, 8), (VethPair::ADDRESS_A, PORT))
        .expect("send");
}

#[test]
fn frames_are_cooked_and_keep_their_interface() {
    let pair = VethPair::new("any");
    let mut source = started(&options(ANY, &pair.a));
    one_each_way(&pair);
    let collected = drain(&mut source);
    assert_eq!(
        collected.numbers(),
        [1, 2, 3],
        "loopback shows each frame once"
    );
    assert_eq!(source.interfaces()[0].link_type, LinkType::LINUX_SLL2);
    let lo = format!("lo@{}", pair.a.name());
    let veth = format!("pkt-a@{}", pair.a.name());
    for (seen, (interface, packet_type, hardware)) in
        collected
            .frames
            .iter()
            .zip([(&lo, 0, 772u16), (&veth, 4, 1), (&veth, 0, 1)])
    {
        assert_eq!(&seen.interface, interface);
        assert_eq!(seen.data[..2], [8, 0], "protocol");
        let index = u32::from_be_bytes(seen.data[4..8].try_into().expect("four"));
        let entry = &source.interfaces()[seen.info.interface as usize];
        assert_eq!(entry.index, Some(index));
        assert_eq!(entry.link_type, LinkType::LINUX_SLL2);
        assert_eq!(seen.data[8..10], hardware.to_be_bytes());
        assert_eq!(seen.data[10..12], [packet_type, 6]);
        assert_eq!(seen.data[20], 0x45, "the IPv4 header follows");
        assert_eq!(seen.data.len(), 20 + 28 + 8);
        assert_eq!(seen.info.offset % 4, 0);
    }
}

#[test]
fn directions_hold_for_all_interfaces() {
    let pair = VethPair::new("anydir");
    for (direction, expected) in [(Direction::In, vec![1, 3]), (Direction::Out, vec![1, 2])] {
        let mut source = started(&Options {
            direction,
            ..options(ANY, &pair.a)
        });
        one_each_way(&pair);
        let collected = drain(&mut source);
        let numbers: Vec<u32> = collected
            .frames
            .iter()
            .filter_map(|seen| number(&seen.data))
            .collect();
        assert_eq!(numbers, expected, "{direction:?}");
    }
}
