//! DHCP options: their names, and the form of each one's value.

use super::super::context::{Context, Truncated, bytes_at, put, u8_at};
use super::super::phrases;
use std::net::Ipv4Addr;

const PAD: u8 = 0;
const NETBIOS_NODE: u8 = 46;
const OVERLOAD: u8 = 52;
const MESSAGE_TYPE: u8 = 53;
const PARAMETER_REQUEST: u8 = 55;
const CLIENT_ID: u8 = 61;
const USER_CLASS: u8 = 77;
const CLIENT_NAME: u8 = 81;
const AGENT_INFORMATION: u8 = 82;
const CLASSLESS_ROUTE: u8 = 121;
const CLASSLESS_ROUTE_MICROSOFT: u8 = 249;
const END: u8 = 255;

/// How a value is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    AddressPairs,
    Addresses,
    Bytes,
    Shorts,
    SignedWords,
    Special,
    Switches,
    Text,
    Words,
}

/// Options by number, with their names and forms.
const KNOWN: &[(u8, &str, Form)] = &[
    (0, "PAD", Form::Bytes),
    (1, "Subnet-Mask", Form::Addresses),
    (2, "Time-Zone", Form::SignedWords),
    (3, "Default-Gateway", Form::Addresses),
    (4, "Time-Server", Form::Addresses),
    (5, "IEN-Name-Server", Form::Addresses),
    (6, "Domain-Name-Server", Form::Addresses),
    (7, "LOG", Form::Addresses),
    (8, "CS", Form::Addresses),
    (9, "LPR-Server", Form::Addresses),
    (10, "IM", Form::Addresses),
    (11, "RL", Form::Addresses),
    (12, "Hostname", Form::Text),
    (13, "BS", Form::Shorts),
    (14, "DP", Form::Text),
    (15, "Domain-Name", Form::Text),
    (16, "SS", Form::Addresses),
    (17, "RP", Form::Text),
    (18, "EP", Form::Text),
    (19, "IPF", Form::Switches),
    (20, "SRT", Form::Switches),
    (21, "PF", Form::AddressPairs),
    (22, "RSZ", Form::Shorts),
    (23, "TTL", Form::Bytes),
    (24, "MTU-Timeout", Form::Words),
    (25, "MTU-Table", Form::Shorts),
    (26, "MTU", Form::Shorts),
    (27, "LSN", Form::Switches),
    (28, "BR", Form::Addresses),
    (29, "MD", Form::Switches),
    (30, "MS", Form::Switches),
    (31, "Router-Discovery", Form::Switches),
    (32, "RSA", Form::Addresses),
    (33, "Static-Route", Form::AddressPairs),
    (34, "UT", Form::Switches),
    (35, "AT", Form::Words),
    (36, "IE", Form::Switches),
    (37, "TT", Form::Bytes),
    (38, "KI", Form::Words),
    (39, "KG", Form::Switches),
    (40, "YD", Form::Text),
    (41, "YS", Form::Addresses),
    (42, "NTP", Form::Addresses),
    (43, "Vendor-Option", Form::Bytes),
    (44, "Netbios-Name-Server", Form::Addresses),
    (45, "WDD", Form::Addresses),
    (46, "Netbios-Node", Form::Special),
    (47, "Netbios-Scope", Form::Text),
    (48, "XFS", Form::Addresses),
    (49, "XDM", Form::Addresses),
    (50, "Requested-IP", Form::Addresses),
    (51, "Lease-Time", Form::Words),
    (52, "OO", Form::Special),
    (53, "DHCP-Message", Form::Bytes),
    (54, "Server-ID", Form::Addresses),
    (55, "Parameter-Request", Form::Bytes),
    (56, "MSG", Form::Text),
    (57, "MSZ", Form::Shorts),
    (58, "RN", Form::Words),
    (59, "RB", Form::Words),
    (60, "Vendor-Class", Form::Text),
    (61, "Client-ID", Form::Special),
    (64, "N+D", Form::Shorts),
    (65, "N+S", Form::Addresses),
    (66, "TFTP", Form::Text),
    (67, "BF", Form::Text),
    (68, "MH", Form::Addresses),
    (69, "SMTP", Form::Addresses),
    (70, "POP3", Form::Addresses),
    (71, "NNTP", Form::Addresses),
    (72, "WWW", Form::Addresses),
    (73, "FG", Form::Addresses),
    (74, "IRC", Form::Addresses),
    (75, "STS", Form::Addresses),
    (76, "STDA", Form::Addresses),
    (77, "User-Class", Form::Special),
    (78, "SLP-DA", Form::Bytes),
    (79, "SLP-SCOPE", Form::Bytes),
    (80, "SLP-NA", Form::Text),
    (81, "FQDN", Form::Special),
    (82, "Agent-Information", Form::Special),
    (83, "ARMT", Form::Bytes),
    (88, "TZSTR", Form::Text),
    (89, "FQDNS", Form::Bytes),
    (90, "AUTH", Form::Bytes),
    (91, "Last-Transaction-Time", Form::SignedWords),
    (92, "Associated-IP", Form::Addresses),
    (93, "ARCH", Form::Shorts),
    (94, "NDI", Form::Bytes),
    (95, "LDAP", Form::Text),
    (97, "GUID", Form::Bytes),
    (98, "UAP", Form::Text),
    (100, "POSIX-TZ", Form::Text),
    (101, "TZ-Name", Form::Text),
    (112, "NI", Form::Addresses),
    (113, "NITAG", Form::Text),
    (114, "URL", Form::Text),
    (116, "NOAUTO", Form::Switches),
    (117, "NSSEARCH", Form::Shorts),
    (118, "SUBNET", Form::Addresses),
    (121, "Classless-Static-Route", Form::Special),
    (150, "TFTP-Server-Address", Form::Addresses),
    (161, "MUD-URL", Form::Text),
    (249, "Classless-Static-Route-Microsoft", Form::Special),
    (255, "END", Form::Bytes),
];

/// An option's name and form.
fn known(code: u8) -> Option<(&'static str, Form)> {
    let index = KNOWN.binary_search_by_key(&code, |&(code, ..)| code).ok()?;
    KNOWN.get(index).map(|&(_, name, form)| (name, form))
}

const MESSAGES: &[(u32, &str)] = &[
    (1, "Discover"),
    (2, "Offer"),
    (3, "Request"),
    (4, "Decline"),
    (5, "ACK"),
    (6, "NACK"),
    (7, "Release"),
    (8, "Inform"),
    (10, "LeaseQuery"),
    (11, "LeaseUnassigned"),
    (12, "LeaseUnknown"),
    (13, "LeaseActive"),
];

/// Prints the magic number and the options after it.
pub(super) fn print_all(cx: &mut Context<'_>, vendor: &[u8]) -> Result<(), Truncated> {
    cx.put("\n\t  Vendor-rfc1048 Extensions\n\t    Magic Cookie 0x");
    phrases::hex(cx, bytes_at(vendor, 0, 4)?);
    let mut at = 4;
    while let Some(&code) = vendor.get(at) {
        at += 1;
        if matches!(code, PAD | END) {
            if cx.style.verbose > 2 {
                at = print_filler(cx, vendor, at, code);
            } else if code == END {
                break;
            }
            continue;
        }
        let len = usize::from(u8_at(vendor, at)?);
        at += 1;
        let (name, form) = known(code).unwrap_or_else(|| ("Unknown", unknown_form(len)));
        let colon = if len > 0 { ": " } else { "" };
        put!(cx, "\n\t    {name} ({code}), length {len}{colon}");
        let Some(value) = vendor.get(at..at + len) else {
            cx.put_truncated();
            break;
        };
        at += len;
        let left = print_value(cx, code, form, value);
        if left > 0 {
            put!(cx, "\n\t  trailing data length {left}");
        }
    }
    Ok(())
}

/// Padding, all that follows in one, or the end mark, which ends nothing with
/// `-vvv`; returns the offset after it.
fn print_filler(cx: &mut Context<'_>, vendor: &[u8], at: usize, code: u8) -> usize {
    let name = if code == PAD { "PAD" } else { "END" };
    put!(cx, "\n\t    {name} ({code}), length 0");
    if code == END {
        return at;
    }
    let rest = vendor.get(at..).unwrap_or_default();
    let more = rest.iter().take_while(|&&byte| byte == PAD).count();
    if more > 0 {
        put!(cx, ", occurs {}", more + 1);
    }
    at + more
}

/// The form of an option without a name: the widest that its length fits.
fn unknown_form(len: usize) -> Form {
    match len % 4 {
        0 => Form::Words,
        2 => Form::Shorts,
        _ => Form::Bytes,
    }
}

/// Prints a value; returns how many bytes at its end do not fit its form.
fn print_value(cx: &mut Context<'_>, code: u8, form: Form, value: &[u8]) -> usize {
    match (code, value) {
        (MESSAGE_TYPE, &[message]) => {
            match phrases::name(MESSAGES, message.into()) {
                Some(name) => cx.put(name),
                None => put!(cx, "Unknown ({message})"),
            }
            return 0;
        }
        (PARAMETER_REQUEST, codes) => {
            for (index, &code) in codes.iter().enumerate() {
                cx.put(if index % 4 == 0 { "\n\t      " } else { ", " });
                let name = known(code).map_or("Unknown", |(name, _)| name);
                put!(cx, "{name} ({code})");
            }
            return 0;
        }
        _ => {}
    }
    match form {
        Form::Text => {
            put_quoted(cx, value);
            0
        }
        Form::Special => print_special(cx, code, value),
        Form::Bytes => put_list(cx, value, ".", |cx, &[byte]| put!(cx, "{byte}")),
        Form::Switches => put_list(cx, value, ",", |cx, &[byte]| match byte {
            0 => cx.put("N"),
            1 => cx.put("Y"),
            other => put!(cx, "{other}?"),
        }),
        Form::Shorts => put_list(cx, value, ",", |cx, &bytes| {
            put!(cx, "{}", u16::from_be_bytes(bytes));
        }),
        Form::Words => put_list(cx, value, ",", |cx, &bytes| {
            put!(cx, "{}", u32::from_be_bytes(bytes));
        }),
        Form::SignedWords => put_list(cx, value, ",", |cx, &bytes| {
            put!(cx, "{}", i32::from_be_bytes(bytes));
        }),
        Form::Addresses => put_list(cx, value, ",", |cx, &bytes| {
            put!(cx, "{}", cx.host4(bytes));
        }),
        Form::AddressPairs => put_list(cx, value, ",", |cx, &[a, b, c, d, e, f, g, h]| {
            let (first, second) = (cx.host4([a, b, c, d]), cx.host4([e, f, g, h]));
            put!(cx, "({first}:{second})");
        }),
    }
}

/// Values of `N` bytes with `between` between them; returns how many bytes are
/// left over.
fn put_list<const N: usize>(
    cx: &mut Context<'_>,
    value: &[u8],
    between: &str,
    put_one: impl Fn(&mut Context<'_>, &[u8; N]),
) -> usize {
    let (items, rest) = value.as_chunks::<N>();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            cx.put(between);
        }
        put_one(cx, item);
    }
    rest.len()
}

fn put_quoted(cx: &mut Context<'_>, text: &[u8]) {
    cx.put("\"");
    phrases::characters(cx, text);
    cx.put("\"");
}

/// Says that an option is shorter than it must be.
fn put_short(cx: &mut Context<'_>, min: usize) {
    put!(cx, "[ERROR: length < {min} bytes]");
}

/// Prints a value of a form of its own; returns how many bytes are left over.
fn print_special(cx: &mut Context<'_>, code: u8, value: &[u8]) -> usize {
    match (code, value) {
        (NETBIOS_NODE | OVERLOAD, &[number, ..]) => {
            put_number(cx, code, number);
            return value.len() - 1;
        }
        (CLIENT_ID, &[kind, ref id @ ..]) => put_client_id(cx, kind, id),
        (NETBIOS_NODE | OVERLOAD | CLIENT_ID, []) => put_short(cx, 1),
        (CLIENT_NAME, &[flags, code1, code2, ref name @ ..]) => {
            put_client_name(cx, flags, [code1, code2], name);
        }
        (CLIENT_NAME, _) => put_short(cx, 3),
        (AGENT_INFORMATION, value) => return put_agent(cx, value),
        (CLASSLESS_ROUTE | CLASSLESS_ROUTE_MICROSOFT, value) => put_routes(cx, value),
        (USER_CLASS, value) => put_user_classes(cx, value),
        // Every option of this form is named above.
        _ => {}
    }
    0
}

fn put_number(cx: &mut Context<'_>, code: u8, number: u8) {
    const NODES: &[(u32, &str)] = &[(1, "b-node"), (2, "p-node"), (4, "m-node"), (8, "h-node")];
    const FIELDS: &[(u32, &str)] = &[(1, "file"), (2, "sname"), (3, "file+sname")];
    let names = if code == OVERLOAD { FIELDS } else { NODES };
    match phrases::name(names, number.into()) {
        Some(name) => cx.put(name),
        None => put!(cx, "#{number}"),
    }
}

/// A client identifier: text, or a hardware address after its type.
fn put_client_id(cx: &mut Context<'_>, kind: u8, id: &[u8]) {
    match kind {
        0 => return put_quoted(cx, id),
        0x01 => cx.put("ether "),
        0x06 => cx.put("ieee802 "),
        0x07 => cx.put("arcnet "),
        0x0f => cx.put("frelay "),
        0x17 => cx.put("strip "),
        0x18 => cx.put("ieee1394 "),
        _ => put!(cx, "hardware-type {kind}, "),
    }
    put_list(cx, id, ":", |cx, &[byte]| put!(cx, "{byte:02x}"));
}

/// A client's domain name (RFC 4702).
fn put_client_name(cx: &mut Context<'_>, flags: u8, codes: [u8; 2], name: &[u8]) {
    if flags & 0xf0 != 0 {
        put!(cx, "[ERROR: MBZ nibble 0x{:x} != 0] ", flags >> 4);
    }
    if flags & 0x0f != 0 {
        cx.put("[");
        for (bit, mark) in [(1, "S"), (2, "O"), (4, "E"), (8, "N")] {
            if flags & bit != 0 {
                cx.put(mark);
            }
        }
        cx.put("] ");
    }
    if codes != [0, 0] {
        put!(cx, "{}/{} ", codes[0], codes[1]);
    }
    put_quoted(cx, name);
}

/// Relay agent information (RFC 3046).
fn put_agent(cx: &mut Context<'_>, mut value: &[u8]) -> usize {
    while let &[code, len, ref rest @ ..] = value {
        let name = match code {
            1 => "Circuit-ID",
            2 => "Remote-ID",
            6 => "Subscriber-ID",
            _ => "Unknown",
        };
        put!(cx, "\n\t      {name} SubOption {code}, length {len}: ");
        let Some((inner, after)) = rest.split_at_checked(len.into()) else {
            cx.put("length goes past end of option");
            return 0;
        };
        if matches!(code, 1 | 2 | 6) {
            phrases::characters(cx, inner);
        } else {
            phrases::hex_lines(cx, inner, "\n\t\t");
        }
        value = after;
    }
    value.len()
}

/// Routes with their prefix lengths (RFC 3442).
fn put_routes(cx: &mut Context<'_>, mut value: &[u8]) {
    if value.len() < 5 {
        return put_short(cx, 5);
    }
    let mut first = true;
    while let Some((&prefix_len, rest)) = value.split_first() {
        if !first {
            cx.put(",");
        }
        first = false;
        if prefix_len > 32 {
            put!(cx, "[ERROR: Mask width ({prefix_len}) > 32]");
            return;
        }
        let bytes = usize::from(prefix_len).div_ceil(8);
        let needed = bytes + 4;
        let Some((route, after)) = rest.split_at_checked(needed) else {
            put!(
                cx,
                "[ERROR: Remaining length ({}) < {needed} bytes]",
                rest.len()
            );
            return;
        };
        let (prefix, router) = route.split_at(bytes);
        cx.put("(");
        if prefix_len == 0 {
            cx.put("default");
        } else {
            let mut network = [0; 4];
            network[..bytes].copy_from_slice(prefix);
            put!(cx, "{}/{prefix_len}", Ipv4Addr::from(network));
        }
        if let Ok(router) = router.try_into() {
            put!(cx, ":{})", cx.host4(router));
        }
        value = after;
    }
}

/// User classes (RFC 3004).
fn put_user_classes(cx: &mut Context<'_>, mut value: &[u8]) {
    if value.len() < 2 {
        return put_short(cx, 2);
    }
    let mut number = 0;
    while let Some((&len, rest)) = value.split_first() {
        number += 1;
        put!(cx, "\n\t      instance#{number}: ");
        if len == 0 {
            cx.put("[ERROR: suboption length must be non-zero]");
            return;
        }
        let Some((class, after)) = rest.split_at_checked(len.into()) else {
            cx.put("[ERROR: invalid option]");
            return;
        };
        put_quoted(cx, class);
        put!(cx, ", length {len}");
        value = after;
    }
}
