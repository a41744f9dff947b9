//! Tunnels that carry whole frames or packets: VXLAN (RFC 7348), Geneve
//! (RFC 8926) and GRE (RFC 2784, 2890, 2637).

use super::context::{Context, Truncated, array_at, put, u8_at, u16_at, u32_at};
use super::numbers::{ethertype, ethertype_name};
use super::{ether, ip, ip6, phrases};
use std::net::Ipv4Addr;

/// The Ethernet type of a bridged Ethernet frame.
const BRIDGED: u16 = 0x6558;

const VXLAN_LEN: usize = 8;
const GENEVE_LEN: usize = 8;

/// Prints an Ethernet frame in a tunnel.
fn inner_frame(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.nest(|cx| ether::print(cx, data, len).map(|_| ()))
}

/// The line's end before what a tunnel carries.
fn separate(cx: &mut Context<'_>) {
    cx.put(if cx.style.verbose == 0 { ": " } else { "\n\t" });
}

fn put_ethertype(cx: &mut Context<'_>, kind: u16) {
    let name = ethertype_name(kind).unwrap_or("unknown");
    put!(cx, ", proto {name} (0x{kind:04x})");
}

/// Prints a VXLAN header and the frame after it.
pub(super) fn vxlan(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "vxlan";
    cx.put("VXLAN");
    if len < VXLAN_LEN {
        cx.put_invalid();
        return Ok(());
    }
    let flags = u8_at(data, 0)?;
    let name = if flags & 8 != 0 { "I" } else { "invalid" };
    put!(cx, ", flags [{name}] (0x{flags:02x}), ");
    let [high, middle, low] = array_at(data, 4)?;
    put!(cx, "vni {}\n", u32::from_be_bytes([0, high, middle, low]));
    u8_at(data, 7)?;
    inner_frame(cx, &data[VXLAN_LEN..], len - VXLAN_LEN)
}

/// Prints a Geneve header, its options, and what comes after them.
pub(super) fn geneve(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "geneve";
    cx.put("Geneve");
    if len < GENEVE_LEN {
        put!(cx, " [length {len} < {GENEVE_LEN}]");
        cx.put_invalid();
        return Ok(());
    }
    let Some((&[first, flags, p1, p0, v2, v1, v0, reserved], rest)) = data.split_first_chunk()
    else {
        cx.put_truncated();
        return Ok(());
    };
    if first >> 6 != 0 {
        put!(cx, " ERROR: unknown-version {}", first >> 6);
        return Ok(());
    }
    cx.put(", Flags [");
    let marks = ["O", "C", "R1", "R2", "R3", "R4", "R5", "R6"];
    for (bit, mark) in marks.into_iter().enumerate() {
        if flags & 0x80 >> bit != 0 {
            cx.put(mark);
        }
    }
    cx.put(if flags == 0 { "none]" } else { "]" });
    put!(cx, ", vni 0x{:x}", u32::from_be_bytes([0, v2, v1, v0]));
    if reserved != 0 {
        put!(cx, ", rsvd 0x{reserved:x}");
    }
    let kind = u16::from_be_bytes([p1, p0]);
    if cx.style.link_header {
        put_ethertype(cx, kind);
    }
    let options_len = usize::from(first & 0x3f) * 4;
    let rest_len = len - GENEVE_LEN;
    if rest_len < options_len {
        let missing = options_len - rest_len;
        put!(cx, " truncated-geneve - {missing} bytes missing");
        return Ok(());
    }
    let Some((options, payload)) = rest.split_at_checked(options_len) else {
        cx.put_truncated();
        return Ok(());
    };
    if options_len > 0 {
        cx.put(", options [");
        match cx.style.verbose {
            0 => put!(cx, "{options_len} bytes"),
            _ => geneve_options(cx, options)?,
        }
        cx.put("]");
    }
    separate(cx);
    let payload_len = rest_len - options_len;
    if kind == BRIDGED {
        inner_frame(cx, payload, payload_len)?;
    } else if !ether::typed(cx, kind, payload, payload_len)? {
        put!(cx, "geneve-proto-0x{kind:x}");
    }
    Ok(())
}

fn geneve_options(cx: &mut Context<'_>, mut options: &[u8]) -> Result<(), Truncated> {
    let mut between = "";
    while !options.is_empty() {
        cx.put(between);
        between = ", ";
        let class = u16_at(options, 0)?;
        let (kind, units) = (u8_at(options, 2)?, u8_at(options, 3)? & 0x1f);
        let size = 4 + usize::from(units) * 4;
        let class_name = match class {
            0x0100 => "Linux",
            0x0101 => "Open vSwitch",
            0x0102 => "Open Virtual Networking (OVN)",
            0x0103 => "In-band Network Telemetry (INT)",
            0x0104 => "VMware",
            0..=0x00ff => "Standard",
            0xfff0.. => "Experimental",
            _ => "Unknown",
        };
        let critical = if kind & 0x80 != 0 { "(C)" } else { "" };
        put!(
            cx,
            "class {class_name} (0x{class:x}) type 0x{kind:x}{critical} len {size}"
        );
        let Some((option, rest)) = options.split_at_checked(size) else {
            cx.put(" [bad length]");
            break;
        };
        if cx.style.verbose > 1 && size > 4 {
            cx.put(" data");
            for word in option[4..].chunks(4) {
                cx.put(" ");
                phrases::hex(cx, word);
            }
        }
        options = rest;
    }
    Ok(())
}

const GRE_CHECKSUM: u16 = 0x8000;
const GRE_ROUTING: u16 = 0x4000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
const GRE_ACK: u16 = 0x0080;

const GRE_FLAGS: &[(u32, &str)] = &[
    (GRE_CHECKSUM as u32, "checksum present"),
    (GRE_ROUTING as u32, "routing present"),
    (GRE_KEY as u32, "key present"),
    (GRE_SEQUENCE as u32, "sequence# present"),
    (0x0800, "source routing present"),
    (GRE_ACK as u32, "ack present"),
];

/// Prints a GRE header and what comes after it.
pub(super) fn gre(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "gre";
    // What is beyond the packet does not count.
    let mut header = Walk {
        data: &data[..data.len().min(len)],
        at: 0,
    };
    let Ok(flags) = header.u16() else {
        cx.put_truncated();
        return Ok(());
    };
    put!(cx, "GREv{}", flags & 7);
    let payload = match flags & 7 {
        0 => gre_0(cx, &mut header, flags, len),
        1 => gre_1(cx, &mut header, flags, len),
        _ => {
            cx.put(" ERROR: unknown-version");
            return Ok(());
        }
    };
    let kind = match payload {
        Ok(Some(kind)) => kind,
        Ok(None) => return Ok(()),
        Err(Truncated) => {
            cx.put_truncated();
            return Ok(());
        }
    };
    let (rest, rest_len) = (data.get(header.at..).unwrap_or_default(), len - header.at);
    match kind {
        ethertype::IPV4 if flags & 7 == 0 => ip::print(cx, rest, rest_len),
        ethertype::IPV6 if flags & 7 == 0 => ip6::print(cx, rest, rest_len),
        BRIDGED if flags & 7 == 0 => inner_frame(cx, rest, rest_len),
        _ => {
            put!(cx, "gre-proto-0x{kind:x}");
            Ok(())
        }
    }
}

/// A header that is read field by field.
struct Walk<'a> {
    data: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn u16(&mut self) -> Result<u16, Truncated> {
        let value = u16_at(self.data, self.at)?;
        self.at += 2;
        Ok(value)
    }

    fn u32(&mut self) -> Result<u32, Truncated> {
        let value = u32_at(self.data, self.at)?;
        self.at += 4;
        Ok(value)
    }
}

/// The header of version 0; the type of what follows it.
fn gre_0(
    cx: &mut Context<'_>,
    header: &mut Walk<'_>,
    flags: u16,
    len: usize,
) -> Result<Option<u16>, Truncated> {
    put_gre_flags(cx, flags);
    let kind = header.u16()?;
    if flags & (GRE_CHECKSUM | GRE_ROUTING) != 0 {
        let sum = header.u16()?;
        if cx.style.verbose > 0 {
            put!(cx, ", sum 0x{sum:x}");
        }
        put!(cx, ", off 0x{:x}", header.u16()?);
    }
    if flags & GRE_KEY != 0 {
        put!(cx, ", key=0x{:x}", header.u32()?);
    }
    if flags & GRE_SEQUENCE != 0 {
        put!(cx, ", seq {}", header.u32()?);
    }
    if flags & GRE_ROUTING != 0 {
        gre_routes(cx, header)?;
    }
    if cx.style.link_header {
        put_ethertype(cx, kind);
    }
    put!(cx, ", length {len}");
    separate(cx);
    Ok(Some(kind))
}

/// The header of version 1; the type of what follows it, if anything does.
fn gre_1(
    cx: &mut Context<'_>,
    header: &mut Walk<'_>,
    flags: u16,
    len: usize,
) -> Result<Option<u16>, Truncated> {
    put_gre_flags(cx, flags);
    let kind = header.u16()?;
    if flags & GRE_KEY != 0 {
        put!(cx, ", call {}", header.u32()? & 0xffff);
    }
    let has_payload = flags & GRE_SEQUENCE != 0;
    if has_payload {
        put!(cx, ", seq {}", header.u32()?);
    }
    if flags & GRE_ACK != 0 {
        put!(cx, ", ack {}", header.u32()?);
    }
    if !has_payload {
        cx.put(", no-payload");
    }
    if cx.style.link_header {
        put_ethertype(cx, kind);
    }
    put!(cx, ", length {len}");
    if !has_payload {
        return Ok(None);
    }
    separate(cx);
    Ok(Some(kind))
}

fn put_gre_flags(cx: &mut Context<'_>, flags: u16) {
    if cx.style.verbose > 0 {
        cx.put(", Flags [");
        phrases::flags(cx, flags.into(), GRE_FLAGS, "none");
        cx.put("]");
    }
}

/// Source routes (RFC 1701), up to the empty one that ends them.
fn gre_routes(cx: &mut Context<'_>, header: &mut Walk<'_>) -> Result<(), Truncated> {
    loop {
        let (family, lengths) = (header.u16()?, header.u16()?);
        let [offset, size] = lengths.to_be_bytes().map(usize::from);
        if family == 0 && size == 0 {
            return Ok(());
        }
        let unit = match family {
            0x0800 => 4,
            0xfffe => 2,
            _ => {
                put!(cx, ", (rtaf=0x{family:x})");
                header.at += size;
                if header.at > header.data.len() {
                    return Err(Truncated);
                }
                continue;
            }
        };
        put!(cx, ", (rtaf={}", if unit == 4 { "ip" } else { "asn" });
        let whole = gre_route(cx, header, unit, offset, size);
        cx.put(")");
        whole?;
        header.at += size;
        if header.at > header.data.len() {
            return Err(Truncated);
        }
    }
}

/// One source route: addresses or numbers of `unit` bytes.
fn gre_route(
    cx: &mut Context<'_>,
    header: &Walk<'_>,
    unit: usize,
    offset: usize,
    size: usize,
) -> Result<(), Truncated> {
    if !offset.is_multiple_of(unit) {
        put!(cx, ", badoffset={offset}");
    } else if !size.is_multiple_of(unit) {
        put!(cx, ", badlength={size}");
    } else if offset >= size {
        put!(cx, ", badoff/len={offset}/{size}");
    } else {
        for at in (0..size).step_by(unit) {
            let mark = if at == offset { "*" } else { "" };
            if unit == 4 {
                let address = Ipv4Addr::from(u32_at(header.data, header.at + at)?);
                put!(cx, " {mark}{address}");
            } else {
                put!(cx, " {mark}{:x}", u16_at(header.data, header.at + at)?);
            }
        }
    }
    Ok(())
}
