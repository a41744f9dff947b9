//! DHCP for IPv6 (RFC 8415). The options are in `option`.

mod option;

use super::context::{Context, Truncated, put, u32_at};

const RELAY_FORWARD: u8 = 12;
const RELAY_REPLY: u8 = 13;
const HEADER_LEN: usize = 4;
const RELAY_LEN: usize = 34;

fn message_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "inf-req",
        RELAY_FORWARD => "relay-fwd",
        RELAY_REPLY => "relay-reply",
        14 => "leasequery",
        15 => "leasequery-reply",
        _ => return None,
    })
}

/// Prints a message. `data` may go on after `len` bytes.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "dhcp6";
    cx.put("dhcp6");
    let Ok(word) = u32_at(data, 0) else {
        cx.put_truncated();
        return Ok(());
    };
    let [kind, ..] = word.to_be_bytes();
    match message_name(kind) {
        Some(name) => put!(cx, " {name}"),
        None => put!(cx, " msgtype-{kind}"),
    }
    if cx.style.verbose == 0 {
        return Ok(());
    }
    cx.put(" (");
    let end = data.len().min(len);
    if matches!(kind, RELAY_FORWARD | RELAY_REPLY) {
        put!(cx, "linkaddr={}", cx.host6_at(data, 2)?);
        put!(cx, " peeraddr={}", cx.host6_at(data, 18)?);
        option::print_all(cx, data, RELAY_LEN, end)?;
    } else {
        put!(cx, "xid={:x}", word & 0x00ff_ffff);
        option::print_all(cx, data, HEADER_LEN, end)?;
    }
    cx.put(")");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::print;
    use crate::text::golden::text;

    fn dhcp6(message: &[u8]) -> String {
        text(1, |cx| print(cx, message, message.len()))
    }

    #[test]
    fn options_in_options_are_followed_so_deep_only() {
        // Client data (45) in client data, as deep as a datagram can hold it.
        let mut message = vec![1, 0, 0, 1];
        for left in (0..16_000u16).rev() {
            message.extend([0, 45]);
            message.extend((left * 4).to_be_bytes());
        }
        let text = dhcp6(&message);
        assert!(text.contains("[nested too deep]"), "{text}");
    }

    #[test]
    fn damage_ends_a_level_and_no_more() {
        let message = [
            1, 0, 0, 1, 0, 45, 0, 7, 0, 8, 0, 2, 0, 5, 0, 0, 13, 0, 2, 0, 2,
        ];
        assert_eq!(
            dhcp6(&message[..15]),
            "dhcp6 solicit (xid=1 (LQ-client-data (elapsed-time 5) [|dhcp6]))"
        );
    }
}
