//! LLDP's elements of organisations: IEEE 802.1 and 802.3, and IANA's. Of the
//! others, and of data centre bridging, only the bytes are shown.

use super::super::context::{Context, Truncated, put, u8_at, u16_at, u32_at};
use super::super::{numbers, phrases};
use super::Outcome;

const IANA: [u8; 3] = [0x00, 0x00, 0x5e];
const IEEE_8021: [u8; 3] = [0x00, 0x80, 0xc2];
const IEEE_8023: [u8; 3] = [0x00, 0x12, 0x0f];

const AGGREGATION: &[(u32, &str)] = &[(1, "supported"), (2, "enabled")];
const PROTOCOL_VLAN: &[(u32, &str)] = &[(2, "supported"), (4, "enabled")];

const POWER: &[(u32, &str)] = &[
    (1, "PSE"),
    (2, "supported"),
    (4, "enabled"),
    (8, "can be controlled"),
];

/// What a port can negotiate (RFC 4836, ifMauAutoNegCapAdvertisedBits).
const NEGOTIABLE: &[(u32, &str)] = &[
    (0x4000, "10BASE-T hdx"),
    (0x2000, "10BASE-T fdx"),
    (0x1000, "100BASE-T4"),
    (0x0800, "100BASE-TX hdx"),
    (0x0400, "100BASE-TX fdx"),
    (0x0200, "100BASE-T2 hdx"),
    (0x0100, "100BASE-T2 fdx"),
    (0x0080, "Pause for fdx links"),
    (0x0040, "Asym PAUSE for fdx"),
    (0x0020, "Sym PAUSE for fdx"),
    (0x0010, "Asym and Sym PAUSE for fdx"),
    (0x0008, "1000BASE-{X LX SX CX} hdx"),
    (0x0004, "1000BASE-{X LX SX CX} fdx"),
    (0x0002, "1000BASE-T hdx"),
    (0x0001, "1000BASE-T fdx"),
];

/// Medium attachment units by number (RFC 4836, dot3MauType).
const MEDIA: [&str; 41] = [
    "Unknown",
    "AUI",
    "10BASE_5",
    "FOIRL",
    "10BASE2",
    "10BASET duplex mode unknown",
    "10BASEFP",
    "10BASEFB",
    "10BASEFL duplex mode unknown",
    "10BROAD36",
    "10BASET hdx",
    "10BASET fdx",
    "10BASEFL hdx",
    "10BASEFL fdx",
    "100BASET4",
    "100BASETX hdx",
    "100BASETX fdx",
    "100BASEFX hdx",
    "100BASEFX fdx",
    "100BASET2 hdx",
    "100BASET2 fdx",
    "1000BASEX hdx",
    "1000BASEX fdx",
    "1000BASELX hdx",
    "1000BASELX fdx",
    "1000BASESX hdx",
    "1000BASESX fdx",
    "1000BASECX hdx",
    "1000BASECX fdx",
    "1000BASET hdx",
    "1000BASET fdx",
    "10GBASEX",
    "10GBASELX4",
    "10GBASER",
    "10GBASEER",
    "10GBASELR",
    "10GBASESR",
    "10GBASEW",
    "10GBASEEW",
    "10GBASELW",
    "10GBASESW",
];

/// Prints an organisation's number and what its element says.
pub(super) fn print(cx: &mut Context<'_>, value: &[u8]) -> Result<Outcome, Truncated> {
    let Some((&oui, rest)) = value.split_first_chunk::<3>() else {
        return Ok(Outcome::Damaged);
    };
    let [a, b, c] = oui;
    put!(
        cx,
        ": OUI {} (0x{a:02x}{b:02x}{c:02x})",
        numbers::vendor(oui)
    );
    let Some((&kind, body)) = rest.split_first() else {
        return Ok(match oui {
            IEEE_8021 | IEEE_8023 | IANA => Outcome::Known,
            _ => Outcome::Unknown,
        });
    };
    match oui {
        IEEE_8021 => Ok(ieee_8021(cx, kind, body).unwrap_or(Outcome::Known)),
        IEEE_8023 => Ok(ieee_8023(cx, kind, body).unwrap_or(Outcome::Known)),
        IANA if body.len() < 4 => Ok(Outcome::Known),
        IANA => {
            let name = if kind == 1 { "MUD-URL" } else { "unknown" };
            put_kind(cx, name, kind);
            if kind != 1 {
                return Ok(Outcome::Unknown);
            }
            cx.put("\n\t  MUD-URL=");
            phrases::characters(cx, body);
            Ok(Outcome::Known)
        }
        _ => Ok(Outcome::Unknown),
    }
}

fn put_kind(cx: &mut Context<'_>, name: &str, kind: u8) {
    put!(cx, "\n\t  {name} Subtype ({kind})");
}

fn put_aggregation(cx: &mut Context<'_>, body: &[u8]) -> Result<(), Truncated> {
    let (flags, port) = (u8_at(body, 0)?, u32_at(body, 1)?);
    cx.put("\n\t    aggregation status [");
    phrases::flags(cx, flags.into(), AGGREGATION, "none");
    put!(cx, "], aggregation port ID {port}");
    Ok(())
}

/// IEEE 802.1. An element that is too short is left at what it has.
fn ieee_8021(cx: &mut Context<'_>, kind: u8, body: &[u8]) -> Result<Outcome, Truncated> {
    let name = match kind {
        1 => "Port VLAN Id",
        2 => "Port and Protocol VLAN ID",
        3 => "VLAN name",
        4 => "Protocol Identity",
        7 => "Link aggregation",
        8 => "Congestion Notification",
        9 => "ETS Configuration",
        10 => "ETS Recommendation",
        11 => "Priority Flow Control Configuration",
        12 => "Application Priority",
        13 => "EVB",
        14 => "CDCP",
        _ => "unknown",
    };
    put_kind(cx, name, kind);
    match kind {
        1 => put!(cx, "\n\t    port vlan id (PVID): {}", u16_at(body, 0)?),
        2 => {
            let (flags, vlan) = (u8_at(body, 0)?, u16_at(body, 1)?);
            put!(
                cx,
                "\n\t    port and protocol vlan id (PPVID): {vlan}, flags ["
            );
            phrases::flags(cx, flags.into(), PROTOCOL_VLAN, "none");
            put!(cx, "] (0x{flags:02x})");
        }
        3 => {
            put!(cx, "\n\t    vlan id (VID): {}", u16_at(body, 0)?);
            put_text(cx, "vlan name", body.get(2..).unwrap_or_default());
        }
        4 => put_text(cx, "protocol identity", body),
        7 => put_aggregation(cx, body)?,
        _ => return Ok(Outcome::Unknown),
    }
    Ok(Outcome::Known)
}

/// A text after its length; nothing if it is not all there.
fn put_text(cx: &mut Context<'_>, name: &str, body: &[u8]) {
    if let Some((&len, rest)) = body.split_first()
        && let Some(text) = rest.get(..len.into())
    {
        put!(cx, "\n\t    {name}: ");
        phrases::padded(cx, text);
    }
}

/// IEEE 802.3. An element that is too short is left at its name.
fn ieee_8023(cx: &mut Context<'_>, kind: u8, body: &[u8]) -> Result<Outcome, Truncated> {
    let name = match kind {
        1 => "MAC/PHY configuration/status",
        2 => "Power via MDI",
        3 => "Link aggregation",
        4 => "Max frame size",
        _ => "unknown",
    };
    put_kind(cx, name, kind);
    match kind {
        1 => {
            let (flags, can) = (u8_at(body, 0)?, u16_at(body, 1)?);
            let medium = u16_at(body, 3)?;
            cx.put("\n\t    autonegotiation [");
            phrases::flags(cx, flags.into(), AGGREGATION, "none");
            put!(cx, "] (0x{flags:02x})\n\t    PMD autoneg capability [");
            phrases::flags(cx, can.into(), NEGOTIABLE, "unknown");
            let medium_name = MEDIA.get(usize::from(medium)).unwrap_or(&"unknown");
            put!(
                cx,
                "] (0x{can:04x})\n\t    MAU type {medium_name} (0x{medium:04x})"
            );
        }
        2 => {
            let (flags, pair, class) = (u8_at(body, 0)?, u8_at(body, 1)?, u8_at(body, 2)?);
            cx.put("\n\t    MDI power support [");
            phrases::flags(cx, flags.into(), POWER, "none");
            let pair = match pair {
                1 => "signal",
                2 => "spare",
                _ => "unknown",
            };
            put!(cx, "], power pair {pair}, power class ");
            match class {
                1..=5 => put!(cx, "class{}", class - 1),
                _ => cx.put("unknown"),
            }
        }
        3 => put_aggregation(cx, body)?,
        4 => put!(cx, "\n\t    MTU size {}", u16_at(body, 0)?),
        _ => return Ok(Outcome::Unknown),
    }
    Ok(Outcome::Known)
}
