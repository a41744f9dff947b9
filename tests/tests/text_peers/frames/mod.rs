//! The frames: every protocol, option and mistake that the printer knows.

mod demo;
mod ip4;
mod ip6;
mod link;
mod tcp;

use super::build::{Group, ether, group};
pub(crate) use demo::demo;
use pktrail_core::LinkType;

const IP4: u16 = 0x0800;

const IP6: u16 = 0x86dd;

const ARP: u16 = 0x0806;

/// The protocols that tcpdump hands to printers that are not here.
const ELSEWHERE: &[u8] = &[8, 9, 33, 46, 47, 55, 88, 89, 103, 112, 113, 132];

/// Frames whose addresses and numbers have names, if this system has any.
pub(crate) fn named() -> Vec<Group> {
    let local = [127, 0, 0, 1];
    let mut frames = ip4::services(local);
    frames.extend(link::vendors(local));
    vec![group("names", LinkType::ETHERNET, frames)]
}

/// Every group of frames.
pub(crate) fn all() -> Vec<Group> {
    let ethernet = LinkType::ETHERNET;
    let wrap4 = |packets: Vec<Vec<u8>>| packets.iter().map(|it| ether(IP4, it)).collect();
    let wrap6 = |packets: Vec<Vec<u8>>| packets.iter().map(|it| ether(IP6, it)).collect();
    vec![
        group("arp", ethernet, link::arp()),
        group("built", ethernet, link::built()),
        group("demo", ethernet, demo()),
        group("vlan", ethernet, link::vlan()),
        group("llc", ethernet, link::llc()),
        group("ethertypes", ethernet, link::ethertypes()),
        group("ipv4", ethernet, wrap4(ip4::ip4())),
        group("ipv4 options", ethernet, wrap4(ip4::ip4_options())),
        group("ip protocols", ethernet, wrap4(ip4::ip_protocols())),
        group("udp", ethernet, wrap4(ip4::udp_over(4))),
        group("udp over ipv6", ethernet, wrap6(ip4::udp_over(6))),
        group("tcp", ethernet, wrap4(tcp::tcp_over(4))),
        group("tcp over ipv6", ethernet, wrap6(tcp::tcp_over(6))),
        group("tcp options", ethernet, wrap4(tcp::tcp_options())),
        group("multipath tcp", ethernet, wrap4(tcp::multipath())),
        group("icmp", ethernet, wrap4(ip4::icmp_messages())),
        group("icmp errors", ethernet, wrap4(ip4::icmp_errors())),
        group("ipv6", ethernet, wrap6(ip6::ip6())),
        group("ipv6 options", ethernet, wrap6(ip6::ip6_options())),
        group("routing headers", ethernet, wrap6(ip6::routing())),
        group("mobility", ethernet, wrap6(ip6::mobility())),
        group("sll", LinkType::LINUX_SLL, link::cooked(1)),
        group("sll2", LinkType::LINUX_SLL2, link::cooked(2)),
        group("null", LinkType::NULL, link::loopback(false)),
        group("loop", LinkType::LOOP, link::loopback(true)),
        group("raw", LinkType::RAW, link::raw()),
        group("raw ipv4", LinkType::IPV4, link::raw()),
        group("of nobody", LinkType(147), link::raw()),
        group("raw ipv6", LinkType::IPV6, link::raw()),
    ]
}
