//! Interfaces as frames and files name them.

use std::fmt;
use std::net::IpAddr;

/// A link-layer header type, by its number in capture files
/// (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: four bytes of address family in the writer's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IPv4 or IPv6.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: four bytes of address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);

    /// The name that tcpdump's `-y` and `-L` use, and what it stands for.
    pub fn name(self) -> Option<(&'static str, &'static str)> {
        let (_, name, description) = LINK_TYPES.iter().find(|(number, ..)| *number == self.0)?;
        Some((name, description))
    }

    /// The link type of that name, in upper or lower case, with or without
    /// `DLT_`.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        let name = name.strip_prefix("DLT_").unwrap_or(&name);
        let (number, ..) = LINK_TYPES.iter().find(|(_, known, _)| *known == name)?;
        Some(Self(*number))
    }
}

impl fmt::Display for LinkType {
    /// As in `link-type EN10MB (Ethernet)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some((name, description)) => write!(f, "{name} ({description})"),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Link types by number, name and description
/// (<https://www.tcpdump.org/linktypes.html>).
const LINK_TYPES: &[(u16, &str, &str)] = &[
    (0, "NULL", "BSD loopback"),
    (1, "EN10MB", "Ethernet"),
    (6, "IEEE802", "Token ring"),
    (7, "ARCNET", "BSD ARCNET"),
    (8, "SLIP", "SLIP"),
    (9, "PPP", "PPP"),
    (10, "FDDI", "FDDI"),
    (50, "PPP_SERIAL", "PPP over serial"),
    (51, "PPP_ETHER", "PPPoE"),
    (101, "RAW", "Raw IP"),
    (104, "C_HDLC", "Cisco HDLC"),
    (105, "IEEE802_11", "802.11"),
    (107, "FRELAY", "Frame Relay"),
    (108, "LOOP", "OpenBSD loopback"),
    (113, "LINUX_SLL", "Linux cooked v1"),
    (117, "PFLOG", "OpenBSD pflog file"),
    (127, "IEEE802_11_RADIO", "802.11 plus radiotap header"),
    (129, "ARCNET_LINUX", "Linux ARCNET"),
    (138, "APPLE_IP_OVER_IEEE1394", "Apple IP-over-IEEE 1394"),
    (144, "LINUX_IRDA", "Linux IrDA"),
    (177, "LINUX_LAPD", "Raw LAPD with Linux cooked header"),
    (189, "USB_LINUX", "USB with Linux header"),
    (192, "PPI", "Per-Packet Information"),
    (195, "IEEE802_15_4", "IEEE 802.15.4 with FCS"),
    (220, "USB_LINUX_MMAPPED", "USB with padded Linux header"),
    (227, "CAN_SOCKETCAN", "CAN-bus with SocketCAN headers"),
    (228, "IPV4", "Raw IPv4"),
    (229, "IPV6", "Raw IPv6"),
    (239, "NFLOG", "Linux netfilter log messages"),
    (
        240,
        "NETANALYZER",
        "Ethernet with Hilscher netANALYZER pseudo-header",
    ),
    (253, "NETLINK", "Linux netlink"),
    (276, "LINUX_SLL2", "Linux cooked v2"),
];

/// An interface that frames were seen on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// The name in its namespace.
    pub name: String,
    /// The network namespace, where it is not the program's own.
    pub netns: Option<String>,
    /// A sentence about it.
    pub description: Option<String>,
    /// What its frames begin with.
    pub link_type: LinkType,
    /// Most bytes captured of a frame; 0 for no limit.
    pub snaplen: u32,
    /// The kernel's index.
    pub index: Option<u32>,
    /// The link-layer address.
    pub mac: Option<[u8; 6]>,
    /// Network addresses and prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Bits per second.
    pub speed_bps: Option<u64>,
    /// Driver or device name.
    pub hardware: Option<String>,
    /// Operating system of the capturing host.
    pub os: Option<String>,
    /// The filter expression in force.
    pub filter: Option<String>,
    /// The other pcapng options that the interface had in a file (comments,
    /// frame check sequence), as bytes: little-endian, without the end of
    /// options. Empty unless read from a file.
    pub options: Vec<u8>,
}

impl Interface {
    /// `name`, or `name@netns`: how files and accounts call it.
    pub fn full_name(&self) -> String {
        match &self.netns {
            Some(netns) => format!("{}@{netns}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_types_have_names_both_ways() {
        for (number, name, _) in LINK_TYPES {
            assert_eq!(LinkType::from_name(name), Some(LinkType(*number)));
        }
        assert_eq!(LinkType::from_name("dlt_en10mb"), Some(LinkType::ETHERNET));
        assert_eq!(LinkType::ETHERNET.to_string(), "EN10MB (Ethernet)");
        assert_eq!(LinkType(9999).to_string(), "9999");
    }
}
