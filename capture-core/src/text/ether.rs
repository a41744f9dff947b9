//! Ethernet, its VLAN tags, and what follows an Ethernet type.

use super::context::{Context, Truncated, array_at, put, u16_at};
use super::numbers::{ethertype, ethertype_name};
use super::{arp, dump, ip, ip6, llc, lldp};

const HEADER_LEN: usize = 14;
const TAG_LEN: usize = 4;

/// Who sent a frame to whom.
#[derive(Clone, Copy)]
pub(super) struct Stations {
    pub source: [u8; 6],
    pub destination: [u8; 6],
}

impl Stations {
    /// Prints `source > destination`.
    pub(super) fn put(self, cx: &mut Context<'_>) {
        let source = cx.ether(self.source);
        let destination = cx.ether(self.destination);
        put!(cx, "{source} > {destination}");
    }
}

/// Prints an Ethernet frame, and gives the length of its header, tags and LLC
/// header included.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<usize, Truncated> {
    cx.protocol = "ether";
    if len < data.len() {
        put!(cx, "[length {len} < caplen {}]", data.len());
        cx.put_invalid();
        return Ok(len);
    }
    if data.len() < HEADER_LEN {
        cx.put_truncated();
        return Ok(data.len());
    }
    let stations = Stations {
        destination: array_at(data, 0)?,
        source: array_at(data, 6)?,
    };
    if cx.style.link_header {
        stations.put(cx);
        cx.put(", ");
    }
    let mut length_printed = false;
    let mut header_len = HEADER_LEN;
    let mut kind = u16_at(data, 12)?;
    while is_tag(kind) {
        if data.len() - header_len < TAG_LEN {
            cx.protocol = "vlan";
            cx.put_truncated();
            return Ok(data.len());
        }
        if cx.style.link_header {
            put_type(cx, kind);
            match length_printed {
                false => put!(cx, ", length {len}: "),
                true => cx.put(", "),
            }
            length_printed = true;
            put_tag(cx, u16_at(data, header_len)?);
        }
        kind = u16_at(data, header_len + 2)?;
        header_len += TAG_LEN;
    }
    let payload = data.get(header_len..).unwrap_or_default();
    let rest = Rest {
        stations,
        length_printed,
        frame_len: len,
    };
    let payload_len = len - header_len;
    if kind <= ethertype::MAX_LENGTH {
        let payload_len = payload_len.min(usize::from(kind));
        let payload = payload.get(..payload_len).unwrap_or(payload);
        if cx.style.link_header {
            cx.put("802.3");
            if !length_printed {
                put!(cx, ", length {payload_len}: ");
            }
        }
        header_len += logical_link(cx, payload, payload_len, stations)?;
    } else if kind == ethertype::JUMBO {
        header_len += logical_link(cx, payload, payload_len, stations)?;
    } else {
        rest.print(cx, kind, payload, payload_len)?;
    }
    Ok(header_len)
}

fn is_tag(kind: u16) -> bool {
    matches!(
        kind,
        ethertype::VLAN | ethertype::QINQ | ethertype::VLAN_9100 | ethertype::VLAN_9200
    )
}

/// What is known of a frame when its payload is reached.
struct Rest {
    stations: Stations,
    length_printed: bool,
    frame_len: usize,
}

impl Rest {
    /// Prints the payload, or the header and the bytes of one not known.
    fn print(
        &self,
        cx: &mut Context<'_>,
        kind: u16,
        payload: &[u8],
        payload_len: usize,
    ) -> Result<(), Truncated> {
        if cx.style.link_header {
            put_type(cx, kind);
            match self.length_printed {
                false => put!(cx, ", length {}: ", self.frame_len),
                true => cx.put(", "),
            }
        }
        if !typed(cx, kind, payload, payload_len)? {
            if !cx.style.link_header {
                self.stations.put(cx);
                cx.put(", ");
                put_type(cx, kind);
                put!(cx, ", length {}: ", self.frame_len);
            }
            dump::unknown(cx, payload);
        }
        Ok(())
    }
}

/// Prints an LLC header and what follows, and gives the header's length.
fn logical_link(
    cx: &mut Context<'_>,
    payload: &[u8],
    len: usize,
    stations: Stations,
) -> Result<usize, Truncated> {
    let printed = llc::print(cx, payload, len, Some(stations))?;
    if !printed.known {
        dump::unknown(cx, payload);
    }
    Ok(printed.header_len)
}

/// Prints what follows an Ethernet type; false if the type is not known here,
/// and nothing was printed.
pub(super) fn typed(
    cx: &mut Context<'_>,
    kind: u16,
    data: &[u8],
    len: usize,
) -> Result<bool, Truncated> {
    match kind {
        ethertype::IPV4 => ip::print(cx, data, len)?,
        ethertype::IPV6 => ip6::print(cx, data, len)?,
        ethertype::ARP | ethertype::REVERSE_ARP => arp::print(cx, data, len)?,
        ethertype::LLDP => lldp::print(cx, data, len)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn put_type(cx: &mut Context<'_>, kind: u16) {
    match (cx.style.quiet, ethertype_name(kind)) {
        (false, name) => put!(cx, "ethertype {} (0x{kind:04x})", name.unwrap_or("Unknown")),
        (true, Some(name)) => cx.put(name),
        (true, None) => put!(cx, "Unknown Ethertype (0x{kind:04x})"),
    }
}

/// Prints a VLAN tag's identifier, priority and drop eligibility, and a comma.
pub(super) fn put_tag(cx: &mut Context<'_>, tag: u16) {
    put!(cx, "vlan {}, p {}", tag & 0xfff, tag >> 13);
    if tag & 0x1000 != 0 {
        cx.put(", DEI");
    }
    cx.put(", ");
}
