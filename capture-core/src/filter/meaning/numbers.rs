//! Numbers of the link, network and transport layers that expressions name.

// EtherTypes (IANA "IEEE 802 Numbers"; IEEE registration authority).
pub(super) const IPV4: u32 = 0x0800;
pub(super) const ARP: u32 = 0x0806;
pub(super) const TRANSPARENT_ETHERNET: u32 = 0x6558;
pub(super) const DECNET: u32 = 0x6003;
pub(super) const RARP: u32 = 0x8035;
pub(super) const ATALK: u32 = 0x809b;
pub(super) const AARP: u32 = 0x80f3;
pub(super) const IPX_TYPE: u32 = 0x8137;
pub(super) const IPV6: u32 = 0x86dd;
pub(super) const MPLS: u32 = 0x8847;
pub(super) const PPPOE_DISCOVERY: u32 = 0x8863;
pub(super) const PPPOE_SESSION: u32 = 0x8864;
/// 802.1Q, 802.1ad and the older double tag.
pub(super) const VLAN_TYPES: [u32; 3] = [0x8100, 0x88a8, 0x9100];
/// The largest length in an 802.3 header; above it the field is a type.
pub(super) const MOST_LENGTH: u32 = 1500;

// Service access points of LLC (IEEE 802.2).
pub(super) const SAP_IP: u32 = 0x06;
pub(super) const SAP_STP: u32 = 0x42;
pub(super) const SAP_SNAP: u32 = 0xaa;
pub(super) const SAP_IPX: u32 = 0xe0;
pub(super) const SAP_NETBEUI: u32 = 0xf0;
pub(super) const SAP_OSI: u32 = 0xfe;

// Protocols of IP (IANA "Protocol Numbers").
pub(super) const ICMP: u32 = 1;
pub(super) const IGMP: u32 = 2;
pub(super) const IP_IN_IP: u32 = 4;
pub(super) const TCP: u32 = 6;
pub(super) const IGRP: u32 = 9;
pub(super) const UDP: u32 = 17;
pub(super) const IPV6_IN_IP: u32 = 41;
pub(super) const FRAGMENT: u32 = 44;
pub(super) const GRE: u32 = 47;
pub(super) const ESP: u32 = 50;
pub(super) const AH: u32 = 51;
pub(super) const ICMP6: u32 = 58;
pub(super) const PIM: u32 = 103;
pub(super) const VRRP: u32 = 112;
pub(super) const SCTP: u32 = 132;

// Network layer protocols of OSI (ISO/IEC TR 9577).
pub(super) const CLNP: u32 = 0x81;
pub(super) const ESIS: u32 = 0x82;
pub(super) const ISIS: u32 = 0x83;

/// `ether proto` names.
pub(super) const LINK_PROTOCOLS: &[(&str, u32)] = &[
    ("ip", IPV4),
    ("ip6", IPV6),
    ("arp", ARP),
    ("rarp", RARP),
    ("atalk", ATALK),
    ("aarp", AARP),
    ("decnet", DECNET),
    ("lat", 0x6004),
    ("sca", 0x6007),
    ("mopdl", 0x6001),
    ("moprc", 0x6002),
    ("loopback", 0x9000),
    ("lldp", 0x88cc),
    ("slow", 0x8809),
    ("iso", SAP_OSI),
    ("stp", SAP_STP),
    ("ipx", SAP_IPX),
    ("netbeui", SAP_NETBEUI),
];

/// Names of IP protocols that need no database.
pub(super) const IP_PROTOCOLS: &[(&str, u32)] = &[
    ("icmp", ICMP),
    ("igmp", IGMP),
    ("tcp", TCP),
    ("udp", UDP),
    ("gre", GRE),
    ("esp", ESP),
    ("ah", AH),
    ("ipv6-icmp", ICMP6),
    ("icmp6", ICMP6),
    ("ospf", 89),
    ("pim", PIM),
    ("vrrp", VRRP),
    ("sctp", SCTP),
    ("ipencap", 4),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", FRAGMENT),
    ("rsvp", 46),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("l2tp", 115),
    ("udplite", 136),
];

/// Common services, with the one transport that has the name, where the system's database does
/// not have them (the IANA registry of service names, as Debian has it).
pub(super) const SERVICES: &[(&str, u32, Option<u32>)] = &[
    ("ftp-data", 20, Some(TCP)),
    ("ftp", 21, Some(TCP)),
    ("ssh", 22, Some(TCP)),
    ("telnet", 23, Some(TCP)),
    ("smtp", 25, Some(TCP)),
    ("mail", 25, Some(TCP)),
    ("domain", 53, None),
    ("bootps", 67, Some(UDP)),
    ("bootpc", 68, Some(UDP)),
    ("tftp", 69, Some(UDP)),
    ("http", 80, Some(TCP)),
    ("www", 80, Some(TCP)),
    ("kerberos", 88, None),
    ("pop3", 110, Some(TCP)),
    ("sunrpc", 111, None),
    ("ntp", 123, Some(UDP)),
    ("netbios-ns", 137, Some(UDP)),
    ("netbios-dgm", 138, Some(UDP)),
    ("netbios-ssn", 139, Some(TCP)),
    ("imap2", 143, Some(TCP)),
    ("imap", 143, Some(TCP)),
    ("snmp", 161, None),
    ("snmp-trap", 162, None),
    ("bgp", 179, Some(TCP)),
    ("ldap", 389, None),
    ("https", 443, None),
    ("isakmp", 500, Some(UDP)),
    ("syslog", 514, Some(UDP)),
    ("submission", 587, Some(TCP)),
    ("ldaps", 636, None),
    ("imaps", 993, Some(TCP)),
    ("pop3s", 995, Some(TCP)),
    ("openvpn", 1194, None),
    ("radius", 1812, None),
    ("nfs", 2049, None),
    ("mysql", 3306, Some(TCP)),
    ("postgresql", 5432, Some(TCP)),
    ("sip", 5060, None),
    ("mdns", 5353, Some(UDP)),
];

pub(super) fn number_of(table: &[(&str, u32)], name: &str) -> Option<u32> {
    let (_, number) = table.iter().find(|(known, _)| *known == name)?;
    Some(*number)
}

/// The PPP protocol number for an EtherType or SAP (RFC 1661 and the IANA
/// registry of PPP numbers).
pub(super) fn ppp_number(protocol: u32) -> u32 {
    match protocol {
        IPV4 => 0x0021,
        IPV6 => 0x0057,
        DECNET => 0x0027,
        ATALK => 0x0029,
        0x0600 => 0x0025,
        SAP_OSI => 0x0023,
        SAP_STP => 0x0031,
        SAP_IPX => 0x002b,
        other => other,
    }
}
/// MPLS over PPP (RFC 3032).
pub(super) const PPP_MPLS: u32 = 0x0281;
