//! Addresses as numbers: IPv6 in its short form, link-layer addresses in
//! hexadecimal. Names are the [`Context`](super::Context)'s.

use std::fmt::Write as _;

/// An IPv6 address (RFC 5952), with the last 32 bits as an IPv4 address where
/// the first 96 are zero or map one (RFC 4291, section 2.5.5).
pub(super) fn ipv6(address: [u8; 16]) -> String {
    let mut words = [0u16; 8];
    for (word, pair) in words.iter_mut().zip(address.chunks_exact(2)) {
        *word = u16::from_be_bytes([pair[0], pair[1]]);
    }
    let zeros = longest_zeros(&words);
    let embeds_ipv4 = zeros == (0, 6) || (zeros == (0, 5) && words[5] == 0xffff);
    let mut text = String::with_capacity(40);
    for (i, word) in words.iter().enumerate() {
        if (zeros.0..zeros.0 + zeros.1).contains(&i) {
            if i == zeros.0 {
                text.push(':');
            }
            continue;
        }
        if i != 0 {
            text.push(':');
        }
        if i == 6 && embeds_ipv4 {
            let [.., a, b, c, d] = address;
            let _ = write!(text, "{a}.{b}.{c}.{d}");
            return text;
        }
        let _ = write!(text, "{word:x}");
    }
    if zeros.1 > 0 && zeros.0 + zeros.1 == 8 {
        text.push(':');
    }
    text
}

/// Where the first of the longest runs of at least two zero words begins, and
/// its length; length 0 where there is none.
fn longest_zeros(words: &[u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut start = 0;
    for (i, word) in words.iter().enumerate() {
        if *word != 0 {
            start = i + 1;
        } else if i + 1 - start >= 2 && i + 1 - start > best.1 {
            best = (start, i + 1 - start);
        }
    }
    best
}

/// Bytes in hexadecimal with colons between them.
pub(super) fn colons(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            text.push(':');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The connection identifier in a Frame Relay address (ITU-T Q.922) of two to
/// four bytes, each but the last with its low bit clear.
pub(super) fn frame_relay(address: &[u8]) -> String {
    const TOO_SHORT: &str = "<Truncated>";
    const WRONG: &str = "<Invalid DLCI>";
    let last = |byte: u8| byte & 1 != 0;
    let identifier = match *address {
        [first, ..] if last(first) => return WRONG.to_owned(),
        [first, second, ref rest @ ..] => {
            let head = u32::from(first & 0xfc) << 2 | u32::from(second >> 4);
            match *rest {
                _ if last(second) => head,
                [third, ..] if last(third) => head << 6 | u32::from(third >> 2),
                [_, fourth, ..] if !last(fourth) => return WRONG.to_owned(),
                [third, fourth, ..] => {
                    (head << 7 | u32::from(third >> 1)) << 6 | u32::from(fourth >> 2)
                }
                _ => return TOO_SHORT.to_owned(),
            }
        }
        _ => return TOO_SHORT.to_owned(),
    };
    format!("DLCI {identifier}")
}

#[cfg(test)]
mod tests {
    use super::ipv6;
    use std::net::Ipv6Addr;

    #[test]
    fn ipv6_addresses_take_their_short_form() {
        for text in [
            "::",
            "::1",
            "1::",
            "fe80::1",
            "2001:db8::1:0:0:1",
            "2001:db8:0:1:1:1:1:1",
            "1:2:3:4:5:6:7:8",
            "::ffff:1.2.3.4",
            "::1.2.3.4",
            "0:0:1::",
            "::1:2:3:4:5:6:7",
        ] {
            let address: Ipv6Addr = text.parse().unwrap();
            let want = match text {
                "::1:2:3:4:5:6:7" => "0:1:2:3:4:5:6:7",
                _ => text,
            };
            assert_eq!(ipv6(address.octets()), want);
        }
    }
}
