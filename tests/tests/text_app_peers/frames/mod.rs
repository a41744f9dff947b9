//! The frames that are printed: one at least for each form of each protocol.

mod dhcp;
mod dhcp6;
mod dns;
mod icmp6;
mod igmp;
mod lines;
mod lldp;
mod ntp;
mod small;
mod tunnel;

use etherparse::PacketBuilder;

/// A frame, and where what is looked at begins and ends in it.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    pub(crate) payload: usize,
    pub(crate) end: usize,
}

/// Every frame.
pub(crate) fn all() -> Vec<Made> {
    [
        dns::all(),
        icmp6::all(),
        igmp::all(),
        lines::all(),
        dhcp::all(),
        ntp::all(),
        dhcp6::all(),
        tunnel::all(),
        small::all(),
        small::routers(),
        lldp::all(),
    ]
    .concat()
}

/// Those that show no addresses but the IP header's, whose names a test can know.
pub(crate) fn without_addresses() -> Vec<Made> {
    [dns::all(), lines::all(), small::all()].concat()
}

const STATIONS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);

fn made(bytes: Vec<u8>, payload_len: usize) -> Made {
    let end = bytes.len();
    let payload = end - payload_len;
    Made {
        bytes,
        payload,
        end,
    }
}

/// A datagram over IPv4.
pub(crate) fn udp(source: u16, destination: u16, payload: &[u8]) -> Made {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(STATIONS.0, STATIONS.1)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(source, destination)
        .write(&mut bytes, payload)
        .expect("a Vec takes all");
    made(bytes, payload.len())
}

/// A datagram over IPv6.
pub(crate) fn udp6(source: u16, destination: u16, payload: &[u8]) -> Made {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(STATIONS.0, STATIONS.1)
        .ipv6(SOURCE6, DESTINATION6, 64)
        .udp(source, destination)
        .write(&mut bytes, payload)
        .expect("a Vec takes all");
    made(bytes, payload.len())
}

/// A segment over IPv4.
pub(crate) fn tcp(source: u16, destination: u16, payload: &[u8]) -> Made {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(STATIONS.0, STATIONS.1)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(source, destination, 1000, 65_000)
        .psh()
        .ack(2000)
        .write(&mut bytes, payload)
        .expect("a Vec takes all");
    made(bytes, payload.len())
}

const SOURCE6: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DESTINATION6: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// An IPv6 packet whose next header is `next`.
pub(crate) fn ip6(next: u8, payload: &[u8]) -> Made {
    let mut bytes = Vec::new();
    bytes.extend(STATIONS.1);
    bytes.extend(STATIONS.0);
    bytes.extend([0x86, 0xdd]);
    bytes.extend(packet6(next, payload));
    made(bytes, payload.len())
}

/// An IPv6 packet without a link-layer header.
pub(crate) fn packet6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).expect("it is short");
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([next, 255]);
    bytes.extend(SOURCE6);
    bytes.extend(DESTINATION6);
    bytes.extend(payload);
    bytes
}

/// An IPv4 packet with the protocol `next`, on Ethernet.
pub(crate) fn ip4(next: u8, payload: &[u8]) -> Made {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(STATIONS.0, STATIONS.1)
        .ipv4([10, 0, 0, 1], [224, 0, 0, 1], 1)
        .write(&mut bytes, next.into(), payload)
        .expect("a Vec takes all");
    made(bytes, payload.len())
}

/// The Internet checksum over parts of even length, but for the last.
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| low.into());
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}
