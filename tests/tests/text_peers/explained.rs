//! The differences that are meant, by name. Each is a protocol that tcpdump
//! decodes and we do not: up to where it begins, both have to agree.

use pktrail_tests::tcpdump::Difference;
use std::net::IpAddr;

/// A class of differences.
struct Class {
    name: &'static str,
    /// Whether it is this, by what both print before they differ, and by the
    /// whole of either text.
    fits: fn(before: &str, it: &Difference) -> bool,
}

const CLASSES: &[Class] = &[
    Class {
        name: "a datagram to a port of a protocol that only tcpdump decodes",
        fits: |before, it| {
            it.ours.contains("UDP, ") && ports(before).iter().any(|it| is_udp_port(*it))
        },
    },
    Class {
        name: "a segment to a port of a protocol that only tcpdump decodes",
        fits: |before, _| {
            before.contains("Flags [") && ports(before).iter().any(|it| is_tcp_port(*it))
        },
    },
    Class {
        name: "an IP protocol that only tcpdump decodes",
        fits: |_, it| {
            [
                "8", "9", "33", "46", "55", "88", "89", "103", "112", "113", "132",
            ]
            .iter()
            .any(|word| it.ours.contains(&format!(" ip-proto-{word} ")))
        },
    },
    Class {
        name: "an Ethernet type that only tcpdump decodes",
        fits: |_, it| ETHERTYPES.iter().any(|word| it.ours.contains(word)),
    },
    Class {
        name: "an 802.2 access point or SNAP protocol that only tcpdump decodes",
        fits: |_, it| {
            [
                "IPX Unn",
                "OSI Unn",
                "NetBeui Unn",
                "oui Cisco",
                "oui Ethernet bridged",
                "dsap IPX",
                "dsap OSI",
                "dsap NetBeui",
            ]
            .iter()
            .any(|word| it.ours.contains(word))
        },
    },
    Class {
        name: "IPX in an 802.3 frame without an LLC header",
        fits: |_, it| it.theirs.contains("IPX ") || it.theirs.contains("ipx"),
    },
    Class {
        name: "PIM version 1 and DVMRP, which are in IGMP messages",
        fits: |before, _| before.contains("igmp pimv1") || before.contains("igmp dvmrp"),
    },
];

/// How we print the Ethernet types that only tcpdump decodes.
const ETHERTYPES: [&str; 36] = [
    "ethertype DN (",
    "ethertype Appletalk",
    "ethertype IPX",
    "ethertype OSI",
    "ethertype PPPoE",
    "ethertype EAPOL",
    "ethertype Realtek",
    "ethertype PPP (",
    "ethertype MPCP",
    "ethertype Slow",
    "ethertype CFM",
    "ethertype LLDP",
    "ethertype NSH",
    "ethertype Loopback",
    "ethertype MPLS",
    "ethertype TIPC",
    "ethertype MS NLB",
    "ethertype GeoNet",
    "ethertype CALM",
    "ethertype AoE",
    "ethertype PTP",
    "ethertype 802.1AE",
    "ethertype Arista",
    "(0x3c12)",
    "(0x3c13)",
    "AF ISO",
    "AF Appletalk",
    "AF IPX",
    "ethertype 0x8863",
    "802.1AE MACsec",
    "Arista Vendor",
    "Slow Protocols",
    "PPPoE",
    "LLDP",
    "MPCP",
    "Loopback",
];

/// Why a frame is printed differently, if that is meant.
pub(crate) fn class(it: &Difference) -> Option<&'static str> {
    let agree = it
        .ours
        .bytes()
        .zip(it.theirs.bytes())
        .take_while(|(ours, theirs)| ours == theirs)
        .count();
    let before = it.ours.get(..agree)?;
    CLASSES
        .iter()
        .find(|class| (class.fits)(before, it))
        .map(|class| class.name)
}

/// The ports in a text: what stands on both sides of `>`, with an address
/// before it or alone.
fn ports(text: &str) -> Vec<u16> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let port = |word: &&str| {
        let word = word.trim_end_matches(':');
        match word.rsplit_once('.') {
            Some((host, port)) if host.parse::<IpAddr>().is_ok() => port.parse().ok(),
            Some(_) => None,
            None => word.parse().ok(),
        }
    };
    words
        .windows(3)
        .filter(|three| three[1] == ">")
        .flat_map(|three| [port(&three[0]), port(&three[2])])
        .flatten()
        .collect()
}

/// AppleTalk is also known by its first byte.
fn is_udp_port(port: u16) -> bool {
    matches!(
        port,
            88
            |  137
            | 138
            | 161
            | 162
            | 319
            | 320
            | 496
            | 500
            |  520
            | 521
            | 525
            |   646
            | 654
            | 698
            | 701
            | 750
            | 921
            | 1589
            | 1645
            | 1646
            | 1700
            | 1701
            | 1812
            | 1813
            | 1985
            | 2049
            | 2103
            | 2104
            | 3456
            | 3503
            | 49152
            | 3784
            | 3785
            | 3799
            | 4342
            | 4500
            | 4567
            | 4784
            |  4790
            |   5359
            |  6343
            | 6635
            | 6696..=6697
            | 6784
            | 7000..=7009
            | 7500
            | 8231
            | 8472
            | 8500
            | 12222..=12223
            | 17754
            | 30490
            | 200..=327
            | 768..=895
            | 16512..=16639
    )
}

fn is_tcp_port(port: u16) -> bool {
    matches!(
        port,
        23 | 139 | 179 | 323 | 445 | 639 | 646 | 1723 | 2049 | 6633 | 6653 | 10288 | 6379
    )
}
