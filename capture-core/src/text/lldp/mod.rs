//! LLDP (IEEE 802.1AB): its own elements. Those of organisations are in `org`.

mod org;

use super::context::{Context, Truncated, put, u16_at};
use super::phrases;

const END: u8 = 0;
const CHASSIS: u8 = 1;
const PORT: u8 = 2;
const LIFETIME: u8 = 3;
const PORT_DESCRIPTION: u8 = 4;
const SYSTEM_NAME: u8 = 5;
const SYSTEM_DESCRIPTION: u8 = 6;
const CAPABILITIES: u8 = 7;
const MANAGEMENT: u8 = 8;
const ORGANISATION: u8 = 127;

const CAPABILITY_NAMES: &[(u32, &str)] = &[
    (0x01, "Other"),
    (0x02, "Repeater"),
    (0x04, "Bridge"),
    (0x08, "WLAN AP"),
    (0x10, "Router"),
    (0x20, "Telephone"),
    (0x40, "Docsis"),
    (0x80, "Station Only"),
];

/// How the identifier of a chassis or a port is shown.
enum Form {
    Text,
    Link,
    Network,
    Unknown,
}

/// Whether an element was understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Known,
    /// With `-v` its bytes are shown.
    Unknown,
    /// It is too short for what it says: a mark ends the frame.
    Damaged,
}

/// Prints a frame's elements: the system's name, or with `-v` all of them.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "lldp";
    put!(cx, "LLDP, length {len}");
    let mut at = 0;
    while at + 2 <= len {
        let Ok(header) = u16_at(data, at) else {
            cx.put_truncated();
            return Ok(());
        };
        let (kind, size) = ((header >> 9) as u8, usize::from(header & 0x1ff));
        at += 2;
        if cx.style.verbose > 0 {
            let name = element_name(kind);
            put!(cx, "\n\t{name} TLV ({kind}), length {size}");
        }
        if kind == END || size == 0 {
            break;
        }
        let Some(value) = data.get(at..at + size).filter(|_| at + size <= len) else {
            cx.put_truncated();
            return Ok(());
        };
        let outcome = if cx.style.verbose > 0 || kind == SYSTEM_NAME {
            element(cx, kind, value)?
        } else {
            Outcome::Known
        };
        if outcome == Outcome::Damaged {
            cx.put_truncated();
            return Ok(());
        }
        let dumped = cx.style.verbose > 0 && outcome == Outcome::Unknown;
        if cx.style.verbose > 1 || dumped {
            phrases::hex_lines(cx, value, "\n\t  ");
        }
        at += size;
    }
    Ok(())
}

fn element_name(kind: u8) -> &'static str {
    match kind {
        END => "End",
        CHASSIS => "Chassis ID",
        PORT => "Port ID",
        LIFETIME => "Time to Live",
        PORT_DESCRIPTION => "Port Description",
        SYSTEM_NAME => "System Name",
        SYSTEM_DESCRIPTION => "System Description",
        CAPABILITIES => "System Capabilities",
        MANAGEMENT => "Management Address",
        ORGANISATION => "Organization specific",
        _ => "Unknown",
    }
}

fn element(cx: &mut Context<'_>, kind: u8, value: &[u8]) -> Result<Outcome, Truncated> {
    match kind {
        CHASSIS | PORT => return identifier(cx, kind, value),
        LIFETIME => match u16_at(value, 0) {
            Ok(seconds) => put!(cx, ": TTL {seconds}s"),
            Err(Truncated) => return Ok(Outcome::Damaged),
        },
        PORT_DESCRIPTION | SYSTEM_NAME => {
            cx.put(": ");
            phrases::padded(cx, value);
        }
        SYSTEM_DESCRIPTION => {
            cx.put("\n\t  ");
            phrases::padded(cx, value);
        }
        CAPABILITIES => {
            if value.len() < 4 {
                return Ok(Outcome::Damaged);
            }
            for (name, at) in [("System ", 0), ("Enabled", 2)] {
                let flags = u16_at(value, at)?;
                put!(cx, "\n\t  {name} Capabilities [");
                phrases::flags(cx, flags.into(), CAPABILITY_NAMES, "none");
                put!(cx, "] (0x{flags:04x})");
            }
        }
        MANAGEMENT => return Ok(management(cx, value).unwrap_or(Outcome::Damaged)),
        ORGANISATION => return org::print(cx, value),
        _ => return Ok(Outcome::Unknown),
    }
    Ok(Outcome::Known)
}

/// What identifies a chassis or a port, and the kind's name.
fn identifier_kind(element: u8, kind: u8) -> (&'static str, Form) {
    match (element, kind) {
        (CHASSIS, 1) => ("Chassis component", Form::Text),
        (CHASSIS, 2) | (PORT, 1) => ("Interface alias", Form::Text),
        (CHASSIS, 3) | (PORT, 2) => ("Port component", Form::Text),
        (CHASSIS, 4) | (PORT, 3) => ("MAC address", Form::Link),
        (CHASSIS, 5) => ("Network address", Form::Network),
        (PORT, 4) => ("Network Address", Form::Network),
        (CHASSIS, 6) => ("Interface name", Form::Text),
        (PORT, 5) => ("Interface Name", Form::Text),
        (PORT, 6) => ("Agent circuit ID", Form::Text),
        (_, 7) => ("Local", Form::Text),
        _ => ("Unknown", Form::Unknown),
    }
}

fn identifier(cx: &mut Context<'_>, element: u8, value: &[u8]) -> Result<Outcome, Truncated> {
    let (&[kind], id @ [_, ..]) = value.split_at(1) else {
        return Ok(Outcome::Damaged);
    };
    let (name, form) = identifier_kind(element, kind);
    put!(cx, "\n\t  Subtype {name} ({kind}): ");
    match form {
        Form::Text => phrases::padded(cx, id),
        Form::Link => match id.first_chunk() {
            Some(&address) => put!(cx, "{}", cx.ether(address)),
            None => return Ok(Outcome::Damaged),
        },
        Form::Network => match network_address(cx, id) {
            Some(text) => cx.put(&text),
            None => return Ok(Outcome::Damaged),
        },
        Form::Unknown => return Ok(Outcome::Unknown),
    }
    Ok(Outcome::Known)
}

/// An address after the number of its family.
fn network_address(cx: &mut Context<'_>, value: &[u8]) -> Option<String> {
    let (&family, address) = value.split_first()?;
    let name = match family {
        0 => "Reserved",
        1 => "IPv4",
        2 => "IPv6",
        3 => "NSAP",
        4 => "HDLC",
        5 => "BBN 1822",
        6 => "802",
        7 => "E.163",
        8 => "E.164",
        9 => "F.69",
        10 => "X.121",
        11 => "Novell IPX",
        12 => "Appletalk",
        13 => "Decnet IV",
        14 => "Banyan Vines",
        15 => "E.164 with NSAP subaddress",
        25 => "VPLS",
        196 => "Layer-2 VPN",
        _ => "Unknown",
    };
    let text = match family {
        1 => cx.host4(*address.first_chunk()?),
        2 => cx.host6(*address.first_chunk()?),
        6 => cx.ether(*address.first_chunk()?),
        _ => return Some(format!("AFI {name} ({family}), no AF printer !")),
    };
    Some(format!("AFI {name} ({family}): {text}"))
}

/// A management address, an interface's number, an object identifier.
fn management(cx: &mut Context<'_>, value: &[u8]) -> Option<Outcome> {
    let (&len, rest) = value.split_first()?;
    let (address, rest) = rest.split_at_checked(len.into())?;
    let address = network_address(cx, address)?;
    put!(cx, "\n\t  Management Address length {len}, {address}");
    let (&[kind, number @ ..], rest) = rest.split_first_chunk::<5>()?;
    let name = match kind {
        2 => "Interface Index",
        3 => "System Port Number",
        _ => "Unknown",
    };
    let number = u32::from_be_bytes(number);
    put!(cx, "\n\t  {name} Interface Numbering ({kind}): {number}");
    if let Some((&len, rest)) = rest.split_first() {
        let object = rest.get(..len.into())?;
        if len > 0 {
            put!(cx, "\n\t  OID length {len}");
            phrases::padded(cx, object);
        }
    }
    Some(Outcome::Known)
}
