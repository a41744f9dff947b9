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
