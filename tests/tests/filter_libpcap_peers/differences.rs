//! Each deliberate difference from libpcap 1.10, with its reason.

use crate::machine::run;
use crate::{compiled, libpcap, lines};
use pktrail_core::LinkType;

/// An Ethernet frame with `payload` behind the type.
fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An IPv4 header with `protocol`, from 10.0.0.1 to `to`, and what follows.
fn ipv4(protocol: u8, to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 100, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1];
    packet.extend(to);
    packet.extend(payload);
    frame(0x0800, &packet)
}

/// Whether libpcap, and whether we, accept the frame.
fn both(link: (i32, LinkType), text: &str, bytes: &[u8]) -> (bool, bool) {
    let theirs = libpcap(link.0, text, false).expect(text);
    let ours = lines(&compiled(link.1, text).expect(text).program);
    let len = bytes.len() as u32;
    (
        run(&theirs, bytes, len).accepted,
        run(&ours, bytes, len).accepted,
    )
}

fn on_ethernet(text: &str, bytes: &[u8]) -> (bool, bool) {
    both((1, LinkType::ETHERNET), text, bytes)
}

/// 240.0.0.0/4 is reserved, not multicast; libpcap 1.11 says so too.
#[test]
fn reserved_addresses_are_not_multicast() {
    let to = |address| on_ethernet("ip multicast", &ipv4(17, address, &[0; 8]));
    assert_eq!(to([239, 0, 0, 1]), (true, true));
    assert_eq!(to([240, 0, 0, 1]), (true, false));
}

/// `byte I & V` and `byte I | V` load no byte in 1.10; in 1.11 they do.
#[test]
fn byte_tests_of_bits_look_at_the_byte() {
    let bytes = frame(0x0800, &[0; 40]);
    assert!(on_ethernet("byte 0 & 2", &bytes).1);
    assert!(!on_ethernet("byte 1 & 2", &bytes).1);
    assert!(on_ethernet("byte 1 | 2", &bytes).1);
}

/// Behind an authentication header libpcap counts from the begin of the packet.
#[test]
fn a_chain_goes_on_behind_an_authentication_header() {
    let mut payload = vec![6, 4];
    payload.extend([0; 22]);
    payload.extend([0; 20]);
    let bytes = ipv4(51, [10, 0, 0, 2], &payload);
    assert!(on_ethernet("ip protochain 6", &bytes).1);
    assert!(!on_ethernet("ip protochain 17", &bytes).1);
}

/// A chain has eight headers at most, so that the kernel can run it.
#[test]
fn a_chain_ends_after_eight_headers() {
    let packet = |headers: usize| {
        let mut packet = vec![0x60, 0, 0, 0, 1, 0, 60, 64];
        packet.extend([0; 32]);
        for header in 0..headers {
            packet.extend([
                if header + 1 == headers { 6 } else { 60 },
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]);
        }
        packet.extend([0; 20]);
        frame(0x86dd, &packet)
    };
    assert_eq!(on_ethernet("ip6 protochain 6", &packet(8)), (true, true));
    assert_eq!(on_ethernet("ip6 protochain 6", &packet(9)), (true, false));
}

/// A field of which only the first part matters is judged by that part, also
/// if the frame was cut inside it.
#[test]
fn a_frame_cut_inside_an_address_is_judged_by_what_is_there() {
    let whole = ipv4(17, [10, 9, 8, 7], &[]);
    assert_eq!(on_ethernet("dst net 10.0.0.0/8", &whole), (true, true));
    let cut = whole.get(..32).expect("longer");
    assert_eq!(on_ethernet("ip dst net 10.0.0.0/8", cut), (false, true));
}

/// A byte that cannot change the outcome is not asked for.
#[test]
fn a_byte_that_does_not_matter_may_be_missing() {
    let bytes = ipv4(6, [10, 0, 0, 2], &[0; 20]);
    assert_eq!(on_ethernet("tcp[200] >= 0 or ip", &bytes), (false, true));
    assert_eq!(on_ethernet("tcp[200] = 1 or ip", &bytes), (false, true));
    // But one that may matter is asked for in the order of the text.
    assert_eq!(
        on_ethernet("tcp[200] = 1 or ip[8] = 64", &bytes),
        (false, false)
    );
    assert_eq!(
        on_ethernet("ip[8] = 64 or tcp[200] = 1", &bytes),
        (true, true)
    );
}

/// Behind a `geneve` that does not hold, libpcap reads memory that it never
/// wrote; for us there is nothing there, so no test of its contents holds.
#[test]
fn tests_behind_a_tunnel_hold_only_in_it() {
    let bytes = ipv4(6, [10, 0, 0, 2], &[0; 20]);
    assert!(!on_ethernet("geneve or tcp", &bytes).1);
    assert!(on_ethernet("tcp or geneve", &bytes).1);
    assert!(on_ethernet("geneve or len > 10", &bytes).1);
}

/// Files with DLT_NULL come from machines of either byte order, and the BSDs
/// do not agree on the number for IPv6; libpcap 1.11 takes all for files.
#[test]
fn loopback_families_of_every_system_are_known() {
    let six = |family: [u8; 4]| {
        let mut bytes = family.to_vec();
        bytes.extend([0x60, 0, 0, 0, 0, 0, 6, 64]);
        bytes.extend([0; 40]);
        both((0, LinkType::NULL), "ip6", &bytes).1
    };
    assert!(six([30, 0, 0, 0]) && six([0, 0, 0, 24]) && six([28, 0, 0, 0]) && six([10, 0, 0, 0]));
    assert!(!six([2, 0, 0, 0]));
}

/// IS-IS keeps other bits beside the type of a PDU; 1.11 masks them too.
#[test]
fn types_of_isis_are_five_bits() {
    let bytes = |pdu| {
        let mut bytes = frame(40, &[0xfe, 0xfe, 3, 0x83, 27, 1, 0, pdu]);
        bytes.extend([0; 20]);
        bytes
    };
    assert_eq!(on_ethernet("iih", &bytes(15)), (true, true));
    assert_eq!(on_ethernet("iih", &bytes(0x20 | 15)), (false, true));
}

/// What can be seen to hold for no frame is a mistake, also where libpcap does
/// not see it.
#[test]
fn what_nothing_can_match_is_refused() {
    for text in [
        "tcp and udp",
        "ip[8] > 255",
        "port 80 and ip[9] = 1",
        "less 10 and greater 20",
    ] {
        let said = compiled(LinkType::ETHERNET, text).expect_err(text);
        assert!(said.contains("rejects every frame"), "{text}: {said}");
    }
    libpcap(1, "tcp and udp", true).expect_err("libpcap sees this one");
    libpcap(1, "ip[8] > 255", true).expect("but not this one");
}

/// Constants are computed before anything else, so a division by what is zero
/// is seen even where it is written as a sum.
#[test]
fn constants_are_computed_first() {
    for text in ["len / (1 - 1) = 2", "1 << (30 + 2) = 0"] {
        compiled(LinkType::ETHERNET, text).expect_err(text);
        libpcap(1, text, false).expect(text);
    }
    // libpcap looks at the first number only.
    compiled(LinkType::ETHERNET, "len / (0 + 5) = 12").expect("divides by five");
    libpcap(1, "len / (0 + 5) = 12", false).expect_err("takes it for a zero");
}

/// A direction is known only while capturing (1.11 says so too).
#[test]
fn directions_need_an_interface() {
    compiled(LinkType::ETHERNET, "inbound").expect_err("a file does not know");
    compiled(LinkType::LINUX_SLL, "inbound").expect("cooked headers do");
}
