//! UDP (RFC 768).

use super::context::{Context, Transport, Truncated, put, u16_at};
use super::numbers::protocol;
use super::payload::{self, Ip};
use super::{checksum, ports};

const HEADER_LEN: usize = 8;

/// What of a datagram's header its checksum needs.
struct Header {
    checksum: u16,
}

/// Prints a datagram.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    cx.protocol = "udp";
    let ports = u16_at(data, 0).and_then(|source| Ok((source, u16_at(data, 2)?)));
    put_endpoints(cx, ports.ok(), ip)?;
    let Ok((source, destination)) = ports else {
        cx.put_truncated();
        return Ok(());
    };
    if len < HEADER_LEN {
        put!(cx, "truncated-udp {len}");
        return Ok(());
    }
    let Ok(field) = u16_at(data, 4) else {
        cx.put_truncated();
        return Ok(());
    };
    let total = match usize::from(field) {
        0 if len > 65_535 => len,
        total => total,
    };
    if total < HEADER_LEN {
        put!(cx, "truncated-udplength {total}");
        return Ok(());
    }
    let claimed = total - HEADER_LEN;
    let payload_len = claimed.min(len - HEADER_LEN);
    let Some(payload) = data.get(HEADER_LEN..) else {
        cx.put_truncated();
        return Ok(());
    };
    let header = Header {
        checksum: u16_at(data, 6)?,
    };
    header.put_checksum(cx, data, payload_len, ip)?;
    if !cx.style.quiet && ports::udp(cx, source, destination, payload, payload_len)? {
        return Ok(());
    }
    if claimed > payload_len && !ip.fragmented() {
        put!(cx, "UDP, bad length {claimed} > {payload_len}");
    } else {
        put!(cx, "UDP, length {claimed}");
    }
    Ok(())
}

/// Prints who sent to whom: addresses only where the IP header says that this
/// is what it carries, ports where they were captured.
fn put_endpoints(
    cx: &mut Context<'_>,
    ports: Option<(u16, u16)>,
    ip: Ip<'_>,
) -> Result<(), Truncated> {
    let ports = ports.map(|(source, destination)| {
        (
            cx.port(source, Transport::Udp),
            cx.port(destination, Transport::Udp),
        )
    });
    let hosts = match ip.next()? {
        protocol::UDP => Some(ip.hosts(cx)?),
        _ => None,
    };
    match (hosts, ports) {
        (Some((from, to)), Some((source, destination))) => {
            put!(cx, "{from}.{source} > {to}.{destination}: ");
        }
        (Some((from, to)), None) => put!(cx, "{from} > {to}: "),
        (None, Some((source, destination))) => put!(cx, "{source} > {destination}: "),
        (None, None) => {}
    }
    Ok(())
}

impl Header {
    /// Prints a verdict on the checksum. Over IPv4 it takes `-vv`.
    fn put_checksum(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        payload_len: usize,
        ip: Ip<'_>,
    ) -> Result<(), Truncated> {
        let enough = if ip.version() == 4 { 2 } else { 1 };
        if cx.style.verbose < enough || cx.style.no_checksums || ip.fragmented() {
            return Ok(());
        }
        if ip.version() == 4 && self.checksum == 0 {
            cx.put("[no cksum] ");
            return Ok(());
        }
        let Some(datagram) = payload::whole(data, payload_len + HEADER_LEN) else {
            return Ok(());
        };
        match ip.checksum(protocol::UDP, datagram)? {
            0 => cx.put("[udp sum ok] "),
            sum => {
                let right = checksum::should_be(self.checksum, sum);
                put!(
                    cx,
                    "[bad udp cksum 0x{:04x} -> 0x{right:04x}!] ",
                    self.checksum
                );
            }
        }
        Ok(())
    }
}
