//! Filters for interfaces, for any tag, and for what tunnels carry.

use crate::dice::Dice;
use crate::packets;
use pktrail_core::filter::{LiveTarget, NoNames, Target};
use pktrail_core::{Filter, FrameInfo, Interface, LinkType};

fn compile(text: &str, change: impl FnOnce(&mut Target)) -> Filter {
    let mut target = Target::new(LinkType::ETHERNET, 262_144);
    change(&mut target);
    Filter::compile(text, &target, &mut NoNames).unwrap_or_else(|e| panic!("{text}: {e:#}"))
}

fn accepts(filter: &Filter, bytes: &[u8]) -> bool {
    let len = bytes.len() as u32;
    let info = FrameInfo {
        caplen: len,
        len,
        ..FrameInfo::default()
    };
    let interface = Interface {
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    let walked = filter.run(bytes, &info, &interface) > 0;
    assert_eq!(filter.program.run(bytes, &info, &interface) > 0, walked);
    walked
}

/// Once the tag is back in the frame, the filter for the interface accepts what
/// the one for files does.
#[test]
fn live_filters_agree_with_those_for_files_on_delivered_frames() {
    let mut dice = Dice::new(41);
    let frames = packets::frames(1, 500, &mut dice);
    for text in [
        "vlan",
        "vlan 100",
        "vlan 100 and tcp",
        "vlan and vlan 200",
        "not vlan",
        "ip or vlan",
        "vlan and host 10.0.0.1",
        "vlan 1 or vlan 200",
        "tcp port 80",
        "(vlan and ip6) or arp",
    ] {
        let file = compile(text, |_| {});
        let live = compile(text, |target| {
            target.live = Some(LiveTarget {
                stripped_tags: true,
                cooked: false,
            });
        });
        for frame in &frames {
            assert_eq!(
                accepts(&live, &frame.bytes),
                accepts(&file, &frame.bytes),
                "{text}"
            );
        }
    }
}

#[test]
fn a_live_filter_asks_for_the_tag_beside_the_frame() {
    let live = |text: &str| {
        let filter = compile(text, |target| {
            target.live = Some(LiveTarget {
                stripped_tags: true,
                cooked: false,
            });
        });
        filter.program.listing()
    };
    assert!(live("vlan 100 and ip").contains("[vlanp]"));
    assert!(live("vlan 100 and ip").contains("[vlan_tci]"));
    assert!(!live("ip").contains("[vlanp]"));
    assert!(live("outbound").contains("[type]"));
    assert!(live("ifindex 3").contains("[ifidx]"));
}

#[test]
fn a_cooked_socket_has_no_header() {
    let cooked = |text: &str| {
        let mut target = Target::new(LinkType::LINUX_SLL2, 262_144);
        target.live = Some(LiveTarget {
            stripped_tags: true,
            cooked: true,
        });
        let filter = Filter::compile(text, &target, &mut NoNames).expect(text);
        filter.cooked_program().map(|program| program.listing())
    };
    let tcp = cooked("ip and tcp").expect("the kernel can");
    assert!(tcp.contains("[proto]") && tcp.contains("[9]"), "{tcp}");
    assert!(cooked("inbound").expect("it can").contains("[type]"));
    assert!(cooked("ifindex 2").expect("it can").contains("[ifidx]"));
    // The address is not anywhere.
    assert_eq!(cooked("link[13] = 5"), None);
}

/// A TCP segment to port 80 over IPv4, without a link-layer header.
fn web() -> Vec<u8> {
    let mut packet = vec![
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    packet.extend([
        0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
    ]);
    packet
}

fn ethernet(kind: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], kind, payload].concat()
}

#[test]
fn any_tag_looks_behind_tags() {
    let any = |text: &str| compile(text, |target| target.any_tag = true);
    let plain = ethernet(&[8, 0], &web());
    let tagged = ethernet(&[0x81, 0, 0, 5, 8, 0], &web());
    let twice = ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 5, 8, 0], &web());
    for bytes in [&plain, &tagged, &twice] {
        assert!(accepts(&any("tcp port 80"), bytes));
        assert!(!accepts(&any("not tcp port 80"), bytes));
        assert!(accepts(&any("host 10.0.0.2"), bytes));
        assert!(!accepts(&any("udp"), bytes));
    }
    assert!(!accepts(&compile("tcp port 80", |_| {}), &tagged));
    // Who says `vlan` decides.
    assert!(accepts(&any("vlan 5 and tcp"), &tagged));
    assert!(!accepts(&any("vlan 5 and tcp"), &plain));
}

#[test]
fn inner_looks_into_tunnels() {
    let inner = |text: &str| compile(text, |target| target.inner = true);
    let outer = |protocol: u8, payload: &[u8]| {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(payload);
        ethernet(&[8, 0], &packet)
    };
    let udp = |port: u16, payload: &[u8]| {
        let mut datagram = vec![0xc0, 0];
        datagram.extend(port.to_be_bytes());
        datagram.extend([0, 0, 0, 0]);
        datagram.extend(payload);
        outer(17, &datagram)
    };
    let frame = ethernet(&[8, 0], &web());
    let vxlan = udp(4789, &[&[8, 0, 0, 0, 0, 0, 5, 0][..], &frame].concat());
    let geneve_header = [2, 0, 0x65, 0x58, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let geneve = udp(6081, &[&geneve_header[..], &frame].concat());
    let gre = outer(47, &[&[0x20, 0, 8, 0, 0, 0, 0, 9][..], &web()].concat());
    let ip_in_ip = outer(4, &web());
    for (name, bytes) in [
        ("vxlan", vxlan),
        ("geneve", geneve),
        ("gre", gre),
        ("ipip", ip_in_ip),
    ] {
        assert!(accepts(&inner("tcp port 80"), &bytes), "{name}");
        assert!(accepts(&inner("host 10.0.0.2 and tcp"), &bytes), "{name}");
        assert!(accepts(&inner("host 192.0.2.1"), &bytes), "{name}");
        assert!(!accepts(&inner("tcp port 443"), &bytes), "{name}");
        assert!(!accepts(&compile("tcp port 80", |_| {}), &bytes), "{name}");
    }
    let vxlan = udp(4789, &[&[8, 0, 0, 0, 0, 0, 5, 0][..], &frame].concat());
    assert!(accepts(&compile("vxlan 5 and tcp port 80", |_| {}), &vxlan));
    assert!(!accepts(
        &compile("vxlan 6 and tcp port 80", |_| {}),
        &vxlan
    ));
}
