//! The assigned numbers of Ethernet types, IP protocols and vendors, with the
//! names that tcpdump gives them (which are not always those of IANA and IEEE).

/// Ethernet types that this crate looks at.
pub(super) mod ethertype {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const TRAILER: u16 = 0x1000;
    pub(crate) const REVERSE_ARP: u16 = 0x8035;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const JUMBO: u16 = 0x8870;
    pub(crate) const QINQ: u16 = 0x88a8;
    pub(crate) const LLDP: u16 = 0x88cc;
    pub(crate) const VLAN_9100: u16 = 0x9100;
    pub(crate) const VLAN_9200: u16 = 0x9200;
    /// Values up to this one are lengths (IEEE 802.3).
    pub(crate) const MAX_LENGTH: u16 = 1500;
}

/// IP protocols that this crate looks at.
pub(super) mod protocol {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IGMP: u8 = 2;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const DCCP: u8 = 33;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const ESP: u8 = 50;
    pub(crate) const AH: u8 = 51;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const NO_NEXT_HEADER: u8 = 59;
    pub(crate) const DESTINATION_OPTIONS: u8 = 60;
    pub(crate) const MOBILITY_OLD: u8 = 62;
    pub(crate) const SUN_ND: u8 = 77;
    pub(crate) const IPCOMP: u8 = 108;
    pub(crate) const VRRP: u8 = 112;
    pub(crate) const SCTP: u8 = 132;
    pub(crate) const MOBILITY: u8 = 135;
    pub(crate) const ETHERNET: u8 = 143;
}

/// An Ethernet type's name.
pub(super) fn ethertype_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x00fe => "GRE-OSI",
        0x0200 => "PUP",
        0x0500 => "Sprite",
        0x0600 => "NS",
        0x0707 => "GeoNet (old)",
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x1000 => "Trail",
        0x1111 => "CALM FAST",
        0x6001 => "MOP DL",
        0x6002 => "MOP RC",
        0x6003 => "DN",
        0x6004 => "LAT",
        0x6007 => "SCA",
        0x6558 => "TEB",
        0x8035 => "Reverse ARP",
        0x8038 => "Lanbridge",
        0x803c => "DEC DNS",
        0x803e => "DEC DTS",
        0x805b => "VEXP",
        0x805c => "VPROD",
        0x809b => "Appletalk",
        0x80f3 => "Appletalk ARP",
        0x8100 => "802.1Q",
        0x8137 => "IPX",
        0x86dd => "IPv6",
        0x8808 => "MPCP",
        0x8809 => "Slow Protocols",
        0x880b => "PPP",
        0x8847 => "MPLS unicast",
        0x8848 => "MPLS multicast",
        0x8863 => "PPPoE D",
        0x8864 => "PPPoE S",
        0x886f => "MS NLB heartbeat",
        0x8870 => "Jumbo",
        0x888e => "EAPOL",
        0x8899 => "Realtek protocols",
        0x88a2 => "AoE",
        0x88a8 => "802.1Q-QinQ",
        0x88ca => "TIPC",
        0x88cc => "LLDP",
        0x88e5 => "802.1AE MACsec",
        0x88f7 => "PTP",
        0x8902 => "CFM",
        0x893a => "IEEE1905.1",
        0x8947 => "GeoNet",
        0x894f => "NSH",
        0x9000 => "Loopback",
        0x9100 => "802.1Q-9100",
        0x9200 => "802.1Q-9200",
        0xabcd => "CFM (old)",
        0xd28b => "Arista Vendor Specific Protocol",
        0xfefe => "OSI",
        _ => return None,
    })
}

/// A vendor by the first three bytes of an address; "Unknown" for most.
pub(super) fn vendor(oui: [u8; 3]) -> &'static str {
    match u32::from_be_bytes([0, oui[0], oui[1], oui[2]]) {
        0x000000 => "Ethernet",
        0x00000c => "Cisco",
        0x00005e => "IANA",
        0x000081 => "Nortel Networks SONMP",
        0x0000f8 => "Cisco bridged",
        0x00049f => "Freescale",
        0x0004ea => "HP-Labs",
        0x001018 => "Broadcom",
        0x00120f => "IEEE 802.3 Private",
        0x0012bb => "ANSI/TIA",
        0x0015ad => "Netronome",
        0x001b21 => "DCBX",
        0x002320 => "Nicira Networks",
        0x002481 => "HP",
        0x0080c2 => "Ethernet bridged",
        0x009069 => "Juniper",
        0x00a03e => "ATM Forum",
        0x00e004 => "PMC-Sierra",
        0x00e02f => "DOCSIS Spanning Tree",
        0x080007 => "Appletalk",
        0x080009 => "Hewlett-Packard",
        0x5c16c7 => "Big Switch Networks",
        0x748771 => "Infoblox Inc",
        0xa42305 => "Open Networking Lab",
        0xb0d2f5 => "Vello Systems",
        0xd0f0db => "Ericsson",
        _ => "Unknown",
    }
}

/// An IP protocol's name in the `proto` field of a verbose line; "unknown" for
/// those that tcpdump does not decode.
pub(super) fn protocol_name(number: u8) -> &'static str {
    match number {
        0 => "Options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        8 => "EGP",
        9 => "IGRP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPv6",
        43 => "Routing",
        44 => "Fragment",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        55 => "Mobile IP",
        58 => "ICMPv6",
        62 => "Mobile IP (old)",
        88 => "EIGRP",
        89 => "OSPF",
        103 => "PIM",
        108 => "Compressed IP",
        112 => "VRRP",
        113 => "PGM",
        132 => "SCTP",
        135 => "Mobility",
        143 => "Ethernet",
        _ => "unknown",
    }
}

/// An IP protocol's name where it is not decoded, as in protocols(5).
pub(super) fn database_name(number: u8) -> Option<&'static str> {
    match number {
        253 => Some("exptest-253"),
        254 => Some("exptest-254"),
        255 => Some("reserved"),
        _ => DATABASE
            .get(usize::from(number))
            .copied()
            .filter(|name| !name.is_empty()),
    }
}

/// Names up to 142; empty where the number has none.
#[rustfmt::skip]
const DATABASE: [&str; 143] = [
    "hopopt", "icmp", "igmp", "ggp", "ipencap", "st", "tcp", "cbt", "egp", "igp", "bbn-rcc-mon",
    "nvp-ii", "pup", "argus", "emcon", "xnet", "chaos", "udp", "mux", "dcn-meas", "hmp", "prm",
    "xns-idp", "trunk-1", "trunk-2", "leaf-1", "leaf-2", "rdp", "irtp", "iso-tp4", "netblt",
    "mfe-nsp", "merit-inp", "dccp", "3pc", "idpr", "xtp", "ddp", "idpr-cmtp", "tp++", "il",
    "ipv6", "sdrp", "ipv6-route", "ipv6-frag", "idrp", "rsvp", "gre", "dsr", "bna", "esp", "ah",
    "i-nlsp", "swipe", "narp", "mobile", "tlsp", "skip", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts",
    "", "cftp", "", "sat-expak", "kryptolan", "rvd", "ippc", "", "sat-mon", "visa", "ipcv",
    "cpnx", "rspf", "wsn", "pvp", "br-sat-mon", "sun-nd", "wb-mon", "wb-expak", "iso-ip", "vmtp",
    "secure-vmtp", "vines", "ttp", "nsfnet-igp", "dgp", "tcf", "eigrp", "ospf", "sprite-rpc",
    "larp", "mtp", "ax.25", "ipip", "micp", "scc-sp", "etherip", "encap", "", "gmtp", "ifmp",
    "pnni", "pim", "aris", "scps", "qnx", "a/n", "ipcomp", "snp", "compaq-peer", "ipx-in-ip",
    "vrrp", "pgm", "", "l2tp", "ddx", "iatp", "stp", "srp", "uti", "smp", "sm", "ptp", "isis",
    "fire", "crtp", "crudp", "sscopmce", "iplt", "sps", "pipe", "sctp", "fc", "rsvp-e2e-ignore",
    "mobility-header", "udplite", "mpls-in-ip", "manet", "hip", "shim6", "wesp", "rohc",
];
