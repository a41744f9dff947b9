//! BOOTP (RFC 951) and DHCP (RFC 2131) with their options (RFC 2132 and those
//! after it). The options are in `option`.

mod option;

use super::context::{Context, Truncated, array_at, put, u8_at, u16_at, u32_at};
use super::phrases;

const REQUEST: u8 = 1;
const ETHERNET: u8 = 1;

const SNAME: usize = 44;
const SNAME_LEN: usize = 64;
const FILE: usize = 108;
const FILE_LEN: usize = 128;
const VENDOR: usize = 236;

/// Begins options (RFC 1497).
const MAGIC_OPTIONS: [u8; 4] = [99, 130, 83, 99];
/// Begins the vendor data of Carnegie Mellon.
const MAGIC_CMU: [u8; 4] = *b"CMU\0";

/// Prints a message.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "bootp";
    let op = u8_at(data, 0)?;
    match op {
        REQUEST => cx.put("BOOTP/DHCP, Request"),
        2 => cx.put("BOOTP/DHCP, Reply"),
        _ => put!(cx, "BOOTP/DHCP, unknown (0x{op:02x})"),
    }
    let (hardware, hardware_len) = (u8_at(data, 1)?, u8_at(data, 2)?);
    let is_ethernet = hardware == ETHERNET && hardware_len == 6;
    if is_ethernet && op == REQUEST {
        put!(cx, " from {}", cx.ether(array_at(data, 28)?));
    }
    put!(cx, ", length {len}");
    if cx.style.verbose == 0 {
        return Ok(());
    }
    if data.len() < 10 {
        cx.put_truncated();
        return Ok(());
    }
    if hardware != ETHERNET {
        put!(cx, ", htype {hardware}");
    }
    if !is_ethernet {
        put!(cx, ", hlen {hardware_len}");
    }
    print_header(cx, data)?;
    if is_ethernet {
        let address = cx.ether(array_at(data, 28)?);
        put!(cx, "\n\t  Client-Ethernet-Address {address}");
    }
    let ended = print_text(cx, data, "sname", SNAME, SNAME_LEN)?
        && print_text(cx, data, "file", FILE, FILE_LEN)?;
    let Some(vendor) = data.get(VENDOR..).filter(|_| ended) else {
        cx.put_truncated();
        return Ok(());
    };
    match array_at(vendor, 0) {
        Ok(MAGIC_OPTIONS) => option::print_all(cx, vendor)?,
        Ok(MAGIC_CMU) => {
            if print_cmu(cx, vendor).is_err() {
                cx.put_truncated();
            }
        }
        Ok([0, 0, 0, 0]) => {}
        Ok(other) => put!(cx, "\n\t  Vendor-#0x{:x}", u32::from_be_bytes(other)),
        Err(Truncated) => cx.put_truncated(),
    }
    Ok(())
}

fn print_header(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    let (hops, transaction, seconds) = (u8_at(data, 3)?, u32_at(data, 4)?, u16_at(data, 8)?);
    if hops != 0 {
        put!(cx, ", hops {hops}");
    }
    if transaction != 0 {
        put!(cx, ", xid 0x{transaction:x}");
    }
    if seconds != 0 {
        put!(cx, ", secs {seconds}");
    }
    let flags = u16_at(data, 10)?;
    cx.put(", Flags [");
    phrases::flags(cx, flags.into(), &[(0x8000, "Broadcast")], "none");
    cx.put("]");
    if cx.style.verbose > 1 {
        put!(cx, " (0x{flags:04x})");
    }
    for (name, at) in [
        ("Client", 12),
        ("Your", 16),
        ("Server", 20),
        ("Gateway", 24),
    ] {
        if u32_at(data, at)? != 0 {
            put!(cx, "\n\t  {name}-IP {}", cx.host4_at(data, at)?);
        }
    }
    Ok(())
}

/// A text of at most `len` bytes; false if it does not end with a zero.
fn print_text(
    cx: &mut Context<'_>,
    data: &[u8],
    name: &str,
    at: usize,
    len: usize,
) -> Result<bool, Truncated> {
    if u8_at(data, at)? == 0 {
        return Ok(true);
    }
    let field = &data[at..data.len().min(at + len)];
    put!(cx, "\n\t  {name} \"");
    phrases::padded(cx, field);
    cx.put("\"");
    Ok(field.contains(&0))
}

fn print_cmu(cx: &mut Context<'_>, vendor: &[u8]) -> Result<(), Truncated> {
    cx.put(" vend-cmu");
    u32_at(vendor, 4)?;
    let flags = u8_at(vendor, 4)?;
    if flags & !1 != 0 {
        put!(cx, " F:0x{flags:x}");
    }
    let mask = if flags & 1 != 0 { "SM" } else { "SM*" };
    for (name, at) in [
        ("DG", 12),
        (mask, 8),
        ("NS1", 16),
        ("NS2", 20),
        ("IEN1", 24),
        ("IEN2", 28),
        ("TS1", 32),
        ("TS2", 36),
    ] {
        if u32_at(vendor, at)? != 0 {
            put!(cx, " {name}:{}", cx.host4_at(vendor, at)?);
        }
    }
    Ok(())
}
