//! IEEE 802.2 logical link control, and SNAP.

use super::context::{Context, Truncated, put, u16_at};
use super::ether::{self, Stations};
use super::numbers::{ethertype_name, vendor};
use super::{dump, ip, stp};

/// Unnumbered information: a datagram.
const UI: u16 = 0x03;
const XID: u16 = 0xaf;
const POLL_U: u16 = 0x10;
const POLL_IS: u16 = 0x0100;
/// The whole of an 802.2 exchange identification follows.
const XID_FORMAT: u8 = 0x81;
const SAP_IP: u8 = 0x06;
const SAP_SPANNING_TREE: u8 = 0x42;
const SAP_SNAP: u8 = 0xaa;
const SNAP_LEN: usize = 5;
/// Padding before an Ethernet frame that was bridged (RFC 2684).
const BRIDGE_PAD: usize = 2;

/// What became of an LLC header.
pub(super) struct Printed {
    /// Whether its payload was printed.
    pub known: bool,
    /// Its length, with that of the SNAP header.
    pub header_len: usize,
}

/// Prints an LLC header and its payload, where that is known.
pub(super) fn print(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    stations: Option<Stations>,
) -> Result<Printed, Truncated> {
    cx.protocol = "llc";
    let Some(header) = Header::read(data, len) else {
        cx.put_truncated();
        dump::hex_ascii(cx, data);
        return Ok(Printed {
            known: true,
            header_len: data.len().min(len),
        });
    };
    let mut header_len = header.len;
    let payload = data.get(header_len..).unwrap_or_default();
    let payload_len = len - header_len;
    if cx.style.link_header {
        header.put_saps(cx);
    }
    let known = match (header.same_sap(), header.control) {
        (Some(SAP_SNAP), UI) => {
            header_len += SNAP_LEN;
            snap(cx, payload, payload_len, stations)?
        }
        (Some(SAP_SPANNING_TREE), UI) => {
            stp::print(cx, payload, payload_len)?;
            true
        }
        (Some(SAP_IP), UI) => {
            ip::print(cx, payload, payload_len)?;
            true
        }
        _ => {
            if !cx.style.link_header {
                header.put_short(cx, stations);
            }
            header.put_control(cx, len);
            header.put_exchange(cx, payload, payload_len)?
        }
    };
    Ok(Printed { known, header_len })
}

struct Header {
    /// Destination and source access points as they are, with their low bits.
    dsap: u8,
    ssap: u8,
    control: u16,
    unnumbered: bool,
    len: usize,
}

impl Header {
    fn read(data: &[u8], len: usize) -> Option<Self> {
        let &[dsap, ssap, control, ref rest @ ..] = data.get(..data.len().min(len))? else {
            return None;
        };
        let unnumbered = control & 3 == 3;
        let (control, len) = match unnumbered {
            true => (u16::from(control), 3),
            false => (u16::from_le_bytes([control, *rest.first()?]), 4),
        };
        Some(Self {
            dsap,
            ssap,
            control,
            unnumbered,
            len,
        })
    }

    /// The access point, if it is the same on both sides.
    fn same_sap(&self) -> Option<u8> {
        let sap = self.dsap & !1;
        (sap == self.ssap & !1).then_some(sap)
    }

    fn put_saps(&self, cx: &mut Context<'_>) {
        let (dsap, ssap) = (self.dsap & !1, self.ssap & !1);
        put!(
            cx,
            "LLC, dsap {} (0x{dsap:02x}) {}, ssap {} (0x{ssap:02x}) {}",
            sap_name(dsap).unwrap_or("Unknown"),
            if self.dsap & 1 == 0 {
                "Individual"
            } else {
                "Group"
            },
            sap_name(ssap).unwrap_or("Unknown"),
            if self.ssap & 1 == 0 {
                "Command"
            } else {
                "Response"
            },
        );
        match self.unnumbered {
            true => put!(cx, ", ctrl 0x{:02x}: ", self.control),
            false => put!(cx, ", ctrl 0x{:04x}: ", self.control),
        }
    }

    /// Who speaks to whom, where no link-layer header was printed.
    fn put_short(&self, cx: &mut Context<'_>, stations: Option<Stations>) {
        let (dsap, ssap) = (self.dsap & !1, self.ssap & !1);
        let differ = dsap != ssap;
        let source = stations.map(|it| cx.ether(it.source));
        let destination = stations.map(|it| cx.ether(it.destination));
        if let Some(source) = &source {
            put!(cx, "{source} ");
        }
        if differ {
            put_sap(cx, ssap, "SSAP");
        }
        if differ || source.is_some() {
            cx.put("> ");
        }
        if let Some(destination) = &destination {
            put!(cx, "{destination} ");
        }
        put_sap(cx, dsap, "DSAP");
    }

    fn put_control(&self, cx: &mut Context<'_>, len: usize) {
        let control = self.control;
        let response = self.ssap & 1 != 0;
        let polled = control & if self.unnumbered { POLL_U } else { POLL_IS } != 0;
        let flag = match (response, polled) {
            (false, false) => "Command",
            (true, false) => "Response",
            (false, true) => "Poll",
            (true, true) => "Final",
        };
        let received = control >> 9;
        if self.unnumbered {
            cx.put("Unnumbered, ");
            match command_name(control & 0xef) {
                Some(name) => cx.put(name),
                None => put!(cx, "{:02x}", control & 0xef),
            }
        } else if control & 1 != 0 {
            let kind = match control >> 2 & 3 {
                0 => "Receiver Ready",
                1 => "Receiver not Ready",
                2 => "Reject",
                _ => "?",
            };
            put!(cx, "Supervisory, {kind}, rcv seq {received}");
        } else {
            let sent = control >> 1 & 0x7f;
            put!(cx, "Information, send seq {sent}, rcv seq {received}");
        }
        put!(cx, ", Flags [{flag}], length {len}");
    }

    /// Prints an exchange of identifications; whether there is nothing more
    /// to print.
    fn put_exchange(
        &self,
        cx: &mut Context<'_>,
        payload: &[u8],
        len: usize,
    ) -> Result<bool, Truncated> {
        if !self.unnumbered {
            return Ok(self.control & 1 != 0);
        }
        if self.control & !POLL_U != XID {
            return Ok(false);
        }
        if len == 0 {
            return Ok(true);
        }
        match payload.get(..payload.len().min(len)).unwrap_or_default() {
            [] => cx.put_truncated(),
            [XID_FORMAT, class, window, ..] => put!(cx, ": {class:02x} {window:02x}"),
            [XID_FORMAT, ..] => {
                cx.put_truncated();
                dump::hex_ascii(cx, payload);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn put_sap(cx: &mut Context<'_>, sap: u8, side: &str) {
    match sap_name(sap) {
        Some(name) => put!(cx, "{name} "),
        None => put!(cx, "Unknown {side} 0x{sap:02x} "),
    }
}

fn sap_name(sap: u8) -> Option<&'static str> {
    Some(match sap {
        0x00 => "Null",
        0x02 => "802.1B I",
        0x04 => "SNA",
        SAP_IP => "IP",
        0x0e => "ProWay NM",
        0x42 => "STP",
        0x4e => "RS511",
        0x7e => "ISO8208",
        0x8e => "ProWay",
        SAP_SNAP => "SNAP",
        0xe0 => "IPX",
        0xf0 => "NetBeui",
        0xfe => "OSI",
        _ => return None,
    })
}

fn command_name(command: u16) -> Option<&'static str> {
    Some(match command {
        UI => "ui",
        0xe3 => "test",
        XID => "xid",
        0x63 => "ua",
        0x43 => "disc",
        0x0f => "dm",
        0x6f => "sabme",
        0x87 => "frmr",
        _ => return None,
    })
}

const OUI_ETHERNET: u32 = 0x00_0000;
const OUI_CISCO: u32 = 0x00_000c;
const OUI_CISCO_BRIDGED: u32 = 0x00_00f8;
const OUI_BRIDGED: u32 = 0x00_80c2;
const OUI_APPLETALK: u32 = 0x08_0007;

/// Prints a SNAP header and its payload; false if the payload is not known.
fn snap(
    cx: &mut Context<'_>,
    data: &[u8],
    len: usize,
    stations: Option<Stations>,
) -> Result<bool, Truncated> {
    cx.protocol = "snap";
    let Some(([o, u, i, ..], payload)) = data.split_first_chunk::<SNAP_LEN>() else {
        cx.put_truncated();
        return Ok(true);
    };
    let Some(payload_len) = len.checked_sub(SNAP_LEN) else {
        cx.put_truncated();
        return Ok(true);
    };
    let oui = u32::from_be_bytes([0, *o, *u, *i]);
    let kind = u16_at(data, 3)?;
    let name = kind_name(oui, kind).unwrap_or("Unknown");
    let vendor = vendor([*o, *u, *i]);
    if cx.style.link_header {
        let word = if oui == OUI_ETHERNET {
            "ethertype"
        } else {
            "pid"
        };
        put!(
            cx,
            "oui {vendor} (0x{oui:06x}), {word} {name} (0x{kind:04x})"
        );
        put!(cx, ", length {payload_len}: ");
    }
    match (oui, kind) {
        (OUI_ETHERNET | OUI_CISCO_BRIDGED, _) if ether::typed(cx, kind, payload, payload_len)? => {
            return Ok(true);
        }
        (OUI_BRIDGED, 0x0001 | 0x0007) => {
            let (Some(inner), Some(inner_len)) = (
                payload.get(BRIDGE_PAD..),
                payload_len.checked_sub(BRIDGE_PAD),
            ) else {
                cx.put_truncated();
                return Ok(true);
            };
            cx.nest(|cx| ether::print(cx, inner, inner_len).map(|_| ()))?;
            return Ok(true);
        }
        _ => {}
    }
    if !cx.style.link_header {
        if let Some(stations) = stations {
            stations.put(cx);
            cx.put(" ");
        }
        match oui {
            OUI_ETHERNET => put!(cx, "SNAP, ethertype {name} (0x{kind:04x})"),
            _ => put!(
                cx,
                "SNAP, oui {vendor} (0x{oui:06x}), pid {name} (0x{kind:04x})"
            ),
        }
        put!(cx, ", length {payload_len}: ");
    }
    Ok(false)
}

fn kind_name(oui: u32, kind: u16) -> Option<&'static str> {
    match oui {
        OUI_ETHERNET | OUI_CISCO_BRIDGED | OUI_APPLETALK => ethertype_name(kind),
        OUI_CISCO => Some(match kind {
            0x2000 => "CDP",
            0x2003 => "VTP",
            0x2004 => "DTP",
            0x0111 => "UDLD",
            0x010b => "PVST",
            0x010c => "VLAN Bridge",
            _ => return None,
        }),
        OUI_BRIDGED => Some(match kind {
            0x01 => "Ethernet + FCS",
            0x07 => "Ethernet w/o FCS",
            0x02 => "802.4 + FCS",
            0x08 => "802.4 w/o FCS",
            0x03 => "Token Ring + FCS",
            0x09 => "Token Ring w/o FCS",
            0x04 => "FDDI + FCS",
            0x0a => "FDDI w/o FCS",
            0x05 => "802.6 + FCS",
            0x0b => "802.6 w/o FCS",
            0x0e => "BPDU",
            _ => return None,
        }),
        _ => None,
    }
}
