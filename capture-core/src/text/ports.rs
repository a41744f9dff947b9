//! The way from a port to the printer of what is spoken there. tcpdump goes by
//! either port and in a fixed order, and so does this.

use super::context::{Context, Truncated, u8_at, u32_at};
use super::lines::{self, Protocol};
use super::{dhcp, dhcp6, dns, ipsec, ntp, resp, ssh, syslog, tftp, tunnel};

/// Prints what a datagram carries; false if nobody here knows its ports.
/// `data` may go on after `len` bytes.
pub(super) fn udp(
    cx: &mut Context<'_>,
    source: u16,
    destination: u16,
    data: &[u8],
    len: usize,
) -> Result<bool, Truncated> {
    let either = |port| source == port || destination == port;
    if either(53) {
        dns::print(cx, data, len, dns::Over::Udp)?;
    } else if either(5353) {
        dns::print(cx, data, len, dns::Over::Mdns)?;
    } else if either(69) {
        tftp::print(cx, data, len)?;
    } else if either(67) || either(68) {
        dhcp::print(cx, data, len)?;
    } else if either(4500) && !carries_ike(data, len) {
        ipsec_over_udp(cx, data, len)?;
    } else if either(123) {
        ntp::print(cx, data, len)?;
    } else if either(546) || either(547) {
        dhcp6::print(cx, data, len)?;
    } else if either(5060) {
        lines::print(cx, data, len, Protocol::Sip)?;
    } else if either(514) {
        syslog::print(cx, data, len)?;
    } else if either(4789) {
        tunnel::vxlan(cx, data, len)?;
    } else if either(6081) {
        tunnel::geneve(cx, data, len)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Whether a datagram of IPsec over UDP (RFC 3948) carries a message of IKE,
/// which nobody here knows.
fn carries_ike(data: &[u8], len: usize) -> bool {
    len >= 4 && data.starts_with(&[0; 4])
}

/// Prints ESP in UDP, or what keeps a way open.
fn ipsec_over_udp(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "isakmp_rfc3948";
    if len == 1 && u8_at(data, 0)? == 0xff {
        cx.put("isakmp-nat-keep-alive");
        return Ok(());
    }
    if len < 4 {
        cx.put_truncated();
        return Ok(());
    }
    u32_at(data, 0)?;
    cx.put("UDP-encap: ");
    ipsec::print_esp(cx, data, len)
}

/// Prints what a segment carries, after its length; nothing if nobody here
/// knows its ports.
pub(super) fn tcp(
    cx: &mut Context<'_>,
    source: u16,
    destination: u16,
    data: &[u8],
    len: usize,
) -> Result<(), Truncated> {
    const BEFORE_SSH: [(u16, Protocol); 2] = [(25, Protocol::Smtp), (43, Protocol::Whois)];
    const AFTER_SSH: [(u16, Protocol); 5] = [
        (21, Protocol::Ftp),
        (80, Protocol::Http),
        (8080, Protocol::Http),
        (554, Protocol::Rtsp),
        (8554, Protocol::Rtsp),
    ];
    let either = |port| source == port || destination == port;
    let among = |ports: &[(u16, Protocol)]| ports.iter().find(|it| either(it.0)).map(|it| it.1);
    let mut text = among(&BEFORE_SSH);
    if text.is_none() && either(6379) {
        return resp::print(cx, data, len);
    }
    if text.is_none() && either(22) {
        return ssh::print(cx, data, len);
    }
    text = text.or_else(|| among(&AFTER_SSH));
    if let Some(protocol) = text {
        cx.put(": ");
        return lines::print(cx, data, len, protocol);
    }
    if either(53) {
        return dns::print(cx, data, len, dns::Over::Tcp);
    }
    Ok(())
}
