//! The Internet checksum (RFC 1071), alone and with the pseudo-headers of
//! IPv4 and IPv6.

/// The checksum over parts in order, each of which but the last must have an
/// even length. 0 for data that holds its own right checksum.
pub(super) fn of(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        let words = part.chunks_exact(2);
        let odd = words.remainder();
        for word in words {
            sum += u64::from(u16::from_be_bytes([word[0], word[1]]));
        }
        if let [byte] = odd {
            sum += u64::from(*byte) << 8;
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What a checksum field should have held, where it holds `field` and the sum
/// over everything came out as `sum`.
pub(super) fn should_be(field: u16, sum: u16) -> u16 {
    let total = u32::from(field) + u32::from(sum);
    ((total & 0xffff) + (total >> 16)) as u16
}

/// The checksum over a payload of IPv4 and its pseudo-header.
pub(super) fn with_ipv4(source: [u8; 4], destination: [u8; 4], next: u8, payload: &[u8]) -> u16 {
    let len = (payload.len() as u16).to_be_bytes();
    of(&[&source, &destination, &[0, next], &len, payload])
}

/// The checksum over a payload of IPv6 and its pseudo-header (RFC 8200,
/// section 8.1). `destination` is the final one, where there is a route.
pub(super) fn with_ipv6(source: [u8; 16], destination: [u8; 16], next: u8, payload: &[u8]) -> u16 {
    let len = (payload.len() as u32).to_be_bytes();
    of(&[&source, &destination, &len, &[0, 0, 0, next], payload])
}

#[cfg(test)]
mod tests {
    use super::{of, should_be};

    #[test]
    fn a_wrong_field_is_put_right() {
        // RFC 1071's example, with a field of zero after it.
        let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0];
        let sum = of(&[&data]);
        assert_eq!(sum, !0xddf2);
        assert_eq!(should_be(0, sum), 0x220d);
        assert_eq!(of(&[&data[..8], &[0x22, 0x0d]]), 0);
        assert_eq!(of(&[&[1]]), !0x0100);
    }
}
