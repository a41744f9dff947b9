//! The flow a frame belongs to: addresses, protocol and ports, the same for both
//! directions.

mod pattern;

pub use pattern::FlowPattern;

use crate::{Frame, Interface, LinkType};
use etherparse::{LaxNetSlice, LaxSlicedPacket};
use std::net::{IpAddr, SocketAddr};

/// Both ends of a conversation, the lesser one first, and the IP protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// The lesser end; its port is 0 where the protocol has none.
    pub a: SocketAddr,
    /// The greater end.
    pub b: SocketAddr,
    /// The IP protocol number (RFC 790 and its successors).
    pub protocol: u8,
}

impl FlowKey {
    /// The flow of a frame, if it carries IPv4 or IPv6. Fragments have no ports.
    pub fn of(frame: &Frame<'_>, interface: &Interface) -> Option<Self> {
        let packet = slice(frame.data, interface.link_type)?;
        let (source, destination, payload) = match packet.net.as_ref()? {
            LaxNetSlice::Ipv4(ip) => (
                IpAddr::V4(ip.header().source_addr()),
                IpAddr::V4(ip.header().destination_addr()),
                ip.payload(),
            ),
            LaxNetSlice::Ipv6(ip) => (
                IpAddr::V6(ip.header().source_addr()),
                IpAddr::V6(ip.header().destination_addr()),
                ip.payload(),
            ),
            LaxNetSlice::Arp(_) => return None,
        };
        let protocol = payload.ip_number.0;
        let (from, to) = match payload.payload {
            [a, b, c, d, ..] if has_ports(protocol) && !payload.fragmented => {
                (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
            }
            _ => (0, 0),
        };
        let (x, y) = (
            SocketAddr::new(source, from),
            SocketAddr::new(destination, to),
        );
        Some(Self {
            a: x.min(y),
            b: x.max(y),
            protocol,
        })
    }
}

/// Whether packets of an IP protocol begin with the ports of both ends: TCP, UDP,
/// DCCP, SCTP and UDP-Lite.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

fn slice(data: &[u8], link_type: LinkType) -> Option<LaxSlicedPacket<'_>> {
    match link_type {
        LinkType::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => LaxSlicedPacket::from_ip(data).ok(),
        LinkType::NULL | LinkType::LOOP => LaxSlicedPacket::from_ip(data.get(4..)?).ok(),
        LinkType::LINUX_SLL => cooked(data, 14, 16),
        LinkType::LINUX_SLL2 => cooked(data, 0, 20),
        _ => None,
    }
}

/// A cooked frame: the EtherType at `protocol_at`, the payload at `payload_at`.
fn cooked(data: &[u8], protocol_at: usize, payload_at: usize) -> Option<LaxSlicedPacket<'_>> {
    let protocol: [u8; 2] = data.get(protocol_at..protocol_at + 2)?.try_into().ok()?;
    let ether_type = etherparse::EtherType(u16::from_be_bytes(protocol));
    Some(LaxSlicedPacket::from_ether_type(
        ether_type,
        data.get(payload_at..)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameInfo;
    use etherparse::PacketBuilder;

    fn key(data: &[u8], link_type: LinkType) -> Option<FlowKey> {
        let frame = Frame {
            info: &FrameInfo::default(),
            data,
            options: &[],
        };
        FlowKey::of(
            &frame,
            &Interface {
                link_type,
                ..Interface::default()
            },
        )
    }

    fn udp(from: [u8; 4], to: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
            .single_vlan(7.try_into().unwrap())
            .ipv4(from, to, 64)
            .udp(ports.0, ports.1);
        let mut data = Vec::new();
        builder.write(&mut data, b"x").unwrap();
        data
    }

    #[test]
    fn both_directions_are_one_flow() {
        let there = udp([10, 0, 0, 1], [10, 0, 0, 2], (4000, 53));
        let back = udp([10, 0, 0, 2], [10, 0, 0, 1], (53, 4000));
        let flow = key(&there, LinkType::ETHERNET).unwrap();
        assert_eq!(Some(flow), key(&back, LinkType::ETHERNET));
        assert_eq!(flow.a, "10.0.0.1:4000".parse().unwrap());
        assert_eq!(flow.protocol, 17);
        assert_eq!(key(&there[18..], LinkType::RAW), Some(flow));
    }

    #[test]
    fn cut_frames_are_no_flow_and_no_panic() {
        let whole = udp([10, 0, 0, 1], [10, 0, 0, 2], (4000, 53));
        for len in 0..38 {
            assert_eq!(key(&whole[..len], LinkType::ETHERNET), None, "{len}");
        }
        for link_type in [LinkType::LINUX_SLL, LinkType::LINUX_SLL2] {
            assert_eq!(key(&[0; 3], link_type), None);
        }
    }
}
