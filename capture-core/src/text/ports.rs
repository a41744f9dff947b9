//! The way from a port to the printer of what is spoken there. tcpdump goes by
//! either port and in a fixed order, and so does this.

use super::context::{Context, Truncated};
use super::lines::{self, Protocol};
use super::{dhcp, dns, ntp};

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
    } else if either(67) || either(68) {
        dhcp::print(cx, data, len)?;
    } else if either(123) {
        ntp::print(cx, data, len)?;
    } else if either(5060) {
        lines::print(cx, data, len, Protocol::Sip)?;
    } else {
        return Ok(false);
    }
    Ok(true)
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
    const LINES: [(u16, Protocol); 7] = [
        (25, Protocol::Smtp),
        (43, Protocol::Whois),
        (21, Protocol::Ftp),
        (80, Protocol::Http),
        (8080, Protocol::Http),
        (554, Protocol::Rtsp),
        (8554, Protocol::Rtsp),
    ];
    let either = |port| source == port || destination == port;
    for (port, protocol) in LINES {
        if either(port) {
            cx.put(": ");
            return lines::print(cx, data, len, protocol);
        }
    }
    if either(53) {
        return dns::print(cx, data, len, dns::Over::Tcp);
    }
    Ok(())
}
