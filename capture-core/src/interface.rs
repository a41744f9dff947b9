//! Interfaces as frames and files name them.

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
}

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
