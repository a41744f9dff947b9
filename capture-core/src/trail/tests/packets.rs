//! Reading headers: what is there, what is left out, and nothing else.

use super::*;

#[test]
fn headers_may_end_anywhere() {
    let mut tunnel = vec![0; 22];
    tunnel.extend(stamped(1, 2, b"data", 3).bytes());
    for whole in [
        udp(1, 2, b"data").bytes(),
        stamped(1, 2, b"data", 3).bytes(),
        echo(8, 1, 1).bytes(),
        udp(1, 4789, &tunnel).bytes(),
        ipv6_fragment(),
    ] {
        for end in 0..whole.len() {
            let _ = Packet::read(&whole[..end], 0);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = Packet::read(&bytes, u32::MAX);
            }
        }
        assert!(Packet::read(&whole, 0).is_some());
    }
}

/// Hop-by-hop options, then the second fragment of a UDP datagram.
fn ipv6_fragment() -> Vec<u8> {
    let mut bytes = vec![0x60, 0x0a, 0xbc, 0xde, 0, 32, 0, 64];
    bytes.extend([0xfd; 16]);
    bytes.extend([0xfe; 16]);
    bytes.extend([44, 0, 1, 4, 0, 0, 0, 0]);
    bytes.extend([17, 0, 0x05, 0x78, 0, 0, 0x12, 0x34]);
    bytes.extend([0x63; 16]);
    bytes
}

#[test]
fn extension_headers_are_stepped_over() {
    let packet = Packet::read(&ipv6_fragment(), 0).expect("IPv6");
    let core = packet.fingerprint.core;
    assert_eq!((core.protocol, core.id, core.length), (17, 0x1234, 16));
    assert_eq!(core.fragment, Some((0x578, false)));
    assert_eq!(packet.tuple.source.port(), 0);
}

#[test]
fn translation_and_forwarding_leave_the_fingerprint_alone() {
    for datagram in [udp(1, 2, b"data"), stamped(1, 2, b"data", 3), echo(8, 1, 1)] {
        let before = datagram.packet();
        let mut after = datagram.clone().from(NAT).ttl(3);
        // Ports, or the identifier of an echo, and the checksum.
        match after.protocol {
            1 => after.payload[2..6].fill(9),
            6 => {
                after.payload[..4].fill(9);
                after.payload[16..18].fill(9);
            }
            _ => {
                after.payload[..4].fill(9);
                after.payload[6..8].fill(9);
            }
        }
        assert_eq!(before.fingerprint, after.packet().fingerprint);
        assert_ne!(before.tuple, after.packet().tuple);
        after.payload.push(1);
        assert_ne!(before.fingerprint, after.packet().fingerprint);
    }
    let (one, other) = (udp(1, 2, b"data"), udp(1, 2, b"dada"));
    assert_ne!(one.packet().fingerprint, other.packet().fingerprint);
}

#[test]
fn a_payload_that_was_not_copied_makes_a_join_unsure() {
    use super::super::fingerprint::Likeness;
    let bytes = udp(1, 2, b"some data").bytes();
    let whole = Packet::read(&bytes, 0).expect("headers");
    let short = Packet::read(&bytes[..30], 0).expect("headers");
    assert_eq!(short.fingerprint.payload, None);
    let likeness = whole.fingerprint.compare(&short.fingerprint);
    assert_eq!(likeness, Likeness::Unsure);
    let likeness = whole.fingerprint.compare(&whole.fingerprint);
    assert_eq!(likeness, Likeness::Same);
}

#[test]
fn a_segment_beyond_sixty_four_kilobytes_has_its_length_from_the_buffer() {
    let mut bytes = tcp(1, 16, b"data").bytes();
    bytes[2..4].fill(0);
    let packet = Packet::read(&bytes, 100_040).expect("headers");
    assert_eq!(packet.segment.map(|segment| segment.length), Some(100_000));
}
