//! VRRP versions 2 (RFC 3768) and 3 (RFC 5798).

use super::checksum;
use super::context::{Context, Truncated, put, u8_at, u16_at};
use super::numbers::protocol;
use super::payload::{self, Ip};
use super::phrases;

const ADVERTISEMENT: u8 = 1;
const SIMPLE: u8 = 1;

/// Prints a message.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    cx.protocol = "vrrp";
    cx.put("VRRP");
    let first = u8_at(data, 0)?;
    let (version, kind) = (first >> 4, first & 0x0f);
    match kind {
        ADVERTISEMENT => put!(cx, "v{version}, Advertisement"),
        _ => put!(cx, "v{version}, unknown type ({kind})"),
    }
    let hops = ip.hops()?;
    if hops != 255 {
        put!(cx, ", (ttl {hops})");
    }
    if !matches!((version, kind), (2 | 3, ADVERTISEMENT)) {
        return Ok(());
    }
    let (router, priority) = (u8_at(data, 1)?, u8_at(data, 2)?);
    put!(cx, ", vrid {router}, prio {priority}");
    let authentication = u8_at(data, 4)?;
    if version == 2 {
        match authentication {
            0 => cx.put(", authtype none"),
            SIMPLE => cx.put(", authtype simple"),
            2 => cx.put(", authtype ah"),
            other => put!(cx, ", authtype #{other}"),
        }
        put!(cx, ", intvl {}s, length {len}", u8_at(data, 5)?);
    } else {
        let interval = u16_at(data, 4)? & 0x0fff;
        put!(cx, ", intvl {interval}cs, length {len}");
    }
    if cx.style.verbose > 0 {
        let simple = version == 2 && authentication == SIMPLE;
        put_addresses(cx, data, len, ip, simple)?;
    }
    Ok(())
}

/// A verdict on the checksum if it is wrong, the addresses, the password.
fn put_addresses(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    ip: Ip<'_>,
    password: bool,
) -> Result<(), Truncated> {
    let count = usize::from(u8_at(data, 3)?);
    if let Some(message) = payload::whole(data, len) {
        let sum = match u8_at(data, 0)? >> 4 {
            2 => checksum::of(&[message]),
            _ => ip.checksum(protocol::VRRP, message)?,
        };
        if sum != 0 {
            put!(cx, ", (bad vrrp cksum {:x})", u16_at(data, 6)?);
        }
    }
    cx.put(", addrs");
    if count > 1 {
        put!(cx, "({count})");
    }
    cx.put(":");
    let size = if ip.version() == 6 { 16 } else { 4 };
    for index in 0..count {
        let at = 8 + index * size;
        let address = match size {
            16 => cx.host6_at(data, at)?,
            _ => cx.host4_at(data, at)?,
        };
        put!(cx, "{}{address}", if index == 0 { ' ' } else { ',' });
    }
    if password {
        cx.put(" auth \"");
        let rest = data.get(8 + count * size..).unwrap_or_default();
        let field = &rest[..rest.len().min(8)];
        phrases::padded(cx, field);
        if field.len() < 8 && !field.contains(&0) {
            return Err(Truncated);
        }
        cx.put("\"");
    }
    Ok(())
}
