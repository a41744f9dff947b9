//! ARP over ATM (RFC 2225), whose header has lengths for a number and a
//! subaddress on each side.

use super::address;
use super::arp::{hardware_name, operation_name};
use super::context::{Context, Truncated, bytes_at, put, u8_at, u16_at};
use super::dump;
use super::numbers::{ethertype, ethertype_name};

const HEADER_LEN: usize = 12;
/// The bits of a length that are not its kind.
const LEN_MASK: u8 = 0x3f;

/// One side's ATM number, subaddress and protocol address.
struct Side<'a> {
    number: &'a [u8],
    subaddress: &'a [u8],
    host: &'a [u8],
    /// "splen" or "tplen".
    length_name: &'static str,
}

/// Prints an ATM ARP packet.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    let protocol = u16_at(data, 2)?;
    let operation = u16_at(data, 6)?;
    let source_lens = [
        u8_at(data, 4)? & LEN_MASK,
        u8_at(data, 5)? & LEN_MASK,
        u8_at(data, 8)?,
    ];
    let target_lens = [
        u8_at(data, 9)? & LEN_MASK,
        u8_at(data, 10)? & LEN_MASK,
        u8_at(data, 11)?,
    ];
    let mut at = HEADER_LEN;
    let source = read(data, &mut at, source_lens, "splen")?;
    let target = read(data, &mut at, target_lens, "tplen")?;
    if !cx.style.link_header {
        cx.put("ARP, ");
    }
    let for_ipv4 = is_ipv4(protocol) && source.host.len() == 4 && target.host.len() == 4;
    let verbose = cx.style.verbose > 0;
    if !for_ipv4 || verbose {
        put_kinds(cx, u16_at(data, 0)?, protocol);
        put!(cx, " (len {}/{})", source.host.len(), target.host.len());
        if !verbose {
            put!(cx, ", length {len}");
            return Ok(());
        }
        cx.put(", ");
    }
    if put_operation(cx, operation, protocol, &source, &target) {
        put!(cx, ", length {len}");
    } else {
        dump::hex_ascii(cx, data);
    }
    Ok(())
}

/// Prints who asks or tells what; false if the operation is not known.
fn put_operation(
    cx: &mut Context<'_>,
    operation: u16,
    protocol: u16,
    source: &Side<'_>,
    target: &Side<'_>,
) -> bool {
    match operation_name(operation) {
        Some(name) => put!(cx, "{name} "),
        None => put!(cx, "Unknown ({operation}) "),
    }
    match operation {
        1 => {
            cx.put("who-has ");
            target.put_host(cx, protocol);
            if !target.number.is_empty() {
                cx.put(" (");
                target.put_link(cx);
                cx.put(")");
            }
            cx.put(" tell ");
            source.put_host(cx, protocol);
        }
        2 => {
            source.put_host(cx, protocol);
            cx.put(" is-at ");
            source.put_link(cx);
        }
        8 => {
            cx.put("who-is ");
            target.put_link(cx);
            cx.put(" tell ");
            source.put_link(cx);
        }
        9 => {
            source.put_link(cx);
            cx.put("at ");
            source.put_host(cx, protocol);
        }
        10 => {
            cx.put("for ");
            source.put_host(cx, protocol);
        }
        _ => return false,
    }
    true
}

fn is_ipv4(protocol: u16) -> bool {
    matches!(protocol, ethertype::IPV4 | ethertype::TRAILER)
}

fn put_kinds(cx: &mut Context<'_>, hardware: u16, protocol: u16) {
    match hardware_name(hardware) {
        Some(name) => cx.put(name),
        None => put!(cx, "Unknown Hardware ({hardware})"),
    }
    cx.put(", ");
    match ethertype_name(protocol) {
        Some(name) => cx.put(name),
        None => put!(cx, "Unknown Protocol (0x{protocol:04x})"),
    }
}

fn read<'a>(
    data: &'a [u8],
    at: &mut usize,
    lens: [u8; 3],
    length_name: &'static str,
) -> Result<Side<'a>, Truncated> {
    let mut next = |len: u8| {
        let field = bytes_at(data, *at, len.into())?;
        *at += usize::from(len);
        Ok(field)
    };
    Ok(Side {
        number: next(lens[0])?,
        subaddress: next(lens[1])?,
        host: next(lens[2])?,
        length_name,
    })
}

impl Side<'_> {
    fn put_host(&self, cx: &mut Context<'_>, protocol: u16) {
        if !is_ipv4(protocol) {
            cx.put("<wrong proto type>");
        } else if let Ok(host) = <[u8; 4]>::try_from(self.host) {
            let name = cx.host4(host);
            cx.put(&name);
        } else {
            put!(cx, "<wrong {}>", self.length_name);
        }
    }

    fn put_link(&self, cx: &mut Context<'_>) {
        if self.number.is_empty() {
            cx.put("<No address>");
            return;
        }
        put!(cx, "{}", address::colons(self.number));
        if !self.subaddress.is_empty() {
            put!(cx, ",{}", address::colons(self.subaddress));
        }
    }
}
