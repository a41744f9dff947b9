//! DHCPv6 options: those of RFC 8415 and many after it. Options may hold
//! options, and a relay's message holds a message.

use super::super::context::{Context, Truncated, put, u8_at, u16_at, u32_at};
use super::super::{dns, phrases};
use super::print as print_message;

const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const IA_NA: u16 = 3;
const IA_TA: u16 = 4;
const IA_ADDRESS: u16 = 5;
const REQUESTED: u16 = 6;
const PREFERENCE: u16 = 7;
const ELAPSED_TIME: u16 = 8;
const RELAY_MESSAGE: u16 = 9;
const AUTHENTICATION: u16 = 11;
const STATUS: u16 = 13;
const INTERFACE_ID: u16 = 18;
const RECONFIGURE: u16 = 19;
const SIP_DOMAINS: u16 = 21;
const SIP_ADDRESSES: u16 = 22;
const DNS_SERVERS: u16 = 23;
const DOMAINS: u16 = 24;
const IA_PD: u16 = 25;
const IA_PREFIX: u16 = 26;
const NIS_SERVERS: u16 = 27;
const NISP_SERVERS: u16 = 28;
const SNTP_SERVERS: u16 = 31;
const LIFETIME: u16 = 32;
const BCMCS_ADDRESSES: u16 = 34;
const REMOTE_ID: u16 = 37;
const SUBSCRIBER_ID: u16 = 38;
const PANA_AGENTS: u16 = 40;
const POSIX_TIMEZONE: u16 = 41;
const NAMED_TIMEZONE: u16 = 42;
const ECHO_REQUEST: u16 = 43;
const LEASE_QUERY: u16 = 44;
const CLIENT_DATA: u16 = 45;
const CLIENT_TIME: u16 = 46;
const RELAY_DATA: u16 = 47;
const CLIENT_LINK: u16 = 48;
const NTP_SERVERS: u16 = 56;
const AFTR_NAME: u16 = 64;
const MUD_URL: u16 = 112;

const NAMES: &[(u32, &str)] = &[
    (1, "client-ID"),
    (2, "server-ID"),
    (3, "IA_NA"),
    (4, "IA_TA"),
    (5, "IA_ADDR"),
    (6, "option-request"),
    (7, "preference"),
    (8, "elapsed-time"),
    (9, "relay-message"),
    (11, "authentication"),
    (12, "server-unicast"),
    (13, "status-code"),
    (14, "rapid-commit"),
    (15, "user-class"),
    (16, "vendor-class"),
    (17, "vendor-specific-info"),
    (18, "interface-ID"),
    (19, "reconfigure-message"),
    (20, "reconfigure-accept"),
    (21, "SIP-servers-domain"),
    (22, "SIP-servers-address"),
    (23, "DNS-server"),
    (24, "DNS-search-list"),
    (25, "IA_PD"),
    (26, "IA_PD-prefix"),
    (27, "NIS-server"),
    (28, "NIS+-server"),
    (29, "NIS-domain-name"),
    (30, "NIS+-domain-name"),
    (31, "SNTP-servers"),
    (32, "lifetime"),
    (33, "BCMCS-domain-name"),
    (34, "BCMCS-server"),
    (36, "Geoconf-Civic"),
    (37, "Remote-ID"),
    (38, "Subscriber-ID"),
    (39, "Client-FQDN"),
    (40, "PANA-agent"),
    (41, "POSIX-timezone"),
    (42, "POSIX-tz-database"),
    (43, "Echo-request-option"),
    (44, "Lease-query"),
    (45, "LQ-client-data"),
    (46, "Clt-time"),
    (47, "LQ-relay-data"),
    (48, "LQ-client-link"),
    (56, "NTP-server"),
    (64, "AFTR-Name"),
    (112, "MUD-URL"),
];

const STATUSES: [&str; 11] = [
    "Success",
    "UnspecFail",
    "NoAddrsAvail",
    "NoBinding",
    "NotOnLink",
    "UseMulticast",
    "NoPrefixAvail",
    "UnknownQueryType",
    "MalformedQuery",
    "NotConfigured",
    "NotAllowed",
];

/// Where an option is in the message.
#[derive(Clone, Copy)]
struct Place<'a> {
    data: &'a [u8],
    /// Where its value begins and ends.
    start: usize,
    end: usize,
}

impl<'a> Place<'a> {
    fn value(self) -> &'a [u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }
}

/// What became of an option.
enum Outcome {
    /// It was printed.
    Shown,
    /// Its length is against its RFC.
    Odd,
    /// It is damaged, and nothing after it on its level is looked at.
    Damaged,
}

use Outcome::{Damaged, Odd, Shown};

/// Prints the options between `at` and `end`. Where one is damaged a mark ends
/// them, and what they are in goes on.
pub(super) fn print_all(
    cx: &mut Context<'_>,
    data: &[u8],
    mut at: usize,
    end: usize,
) -> Result<(), Truncated> {
    while at < end {
        let start = at + 4;
        let header = data.get(at..start.min(end)).unwrap_or_default();
        let (Ok(kind), Ok(len)) = (u16_at(header, 0), u16_at(header, 2)) else {
            cx.put_truncated();
            return Ok(());
        };
        let place = Place {
            data,
            start,
            end: start + usize::from(len),
        };
        if place.end > end {
            cx.put_truncated();
            return Ok(());
        }
        cx.put(" (");
        put_name(cx, kind);
        match print(cx, kind, place)? {
            Shown => cx.put(")"),
            Odd => cx.put(" ?)"),
            Damaged => {
                cx.put_truncated();
                return Ok(());
            }
        }
        at = place.end;
    }
    Ok(())
}

fn put_name(cx: &mut Context<'_>, kind: u16) {
    match phrases::name(NAMES, kind.into()) {
        Some(name) => cx.put(name),
        None => put!(cx, "opt_{kind}"),
    }
}

/// Prints an option's value.
fn print(cx: &mut Context<'_>, kind: u16, place: Place<'_>) -> Result<Outcome, Truncated> {
    let value = place.value();
    match kind {
        CLIENT_ID | SERVER_ID => return duid(cx, value),
        IA_NA | IA_TA | IA_PD | IA_ADDRESS | IA_PREFIX | LEASE_QUERY | CLIENT_DATA => {
            return container(cx, kind, place);
        }
        RELAY_MESSAGE => {
            cx.put(" (");
            cx.nest(|cx| print_message(cx, value, value.len()))?;
        }
        AUTHENTICATION => return authentication(cx, value),
        SIP_ADDRESSES | DNS_SERVERS | SNTP_SERVERS | NIS_SERVERS | NISP_SERVERS
        | BCMCS_ADDRESSES | PANA_AGENTS | CLIENT_LINK => {
            if !value.len().is_multiple_of(16) {
                return Ok(Odd);
            }
            for at in (0..value.len()).step_by(16) {
                put!(cx, " {}", cx.host6_at(value, at)?);
            }
        }
        SIP_DOMAINS | DOMAINS => return domains(cx, place),
        NTP_SERVERS => return ntp_servers(cx, place),
        AFTR_NAME => return Ok(tunnel_name(cx, value)),
        _ => return simple(cx, kind, value),
    }
    Ok(Shown)
}

/// An option of a number, a few bytes or a text.
fn simple(cx: &mut Context<'_>, kind: u16, value: &[u8]) -> Result<Outcome, Truncated> {
    match kind {
        REQUESTED | ECHO_REQUEST => {
            if !value.len().is_multiple_of(2) {
                return Ok(Odd);
            }
            for code in value.chunks(2) {
                cx.put(" ");
                put_name(cx, u16_at(code, 0)?);
            }
        }
        PREFERENCE if value.len() == 1 => put!(cx, " {}", u8_at(value, 0)?),
        ELAPSED_TIME if value.len() == 2 => put!(cx, " {}", u16_at(value, 0)?),
        LIFETIME | CLIENT_TIME if value.len() == 4 => put!(cx, " {}", u32_at(value, 0)?),
        RECONFIGURE if value.len() == 1 => match u8_at(value, 0)? {
            5 => cx.put(" for renew"),
            11 => cx.put(" for inf-req"),
            other => put!(cx, " for ???({other:02x})"),
        },
        STATUS if value.len() >= 2 => match u16_at(value, 0)? {
            256.. => cx.put(" INVALID code"),
            code => match STATUSES.get(usize::from(code)) {
                Some(name) => put!(cx, " {name}"),
                None => put!(cx, " code{code}"),
            },
        },
        INTERFACE_ID | SUBSCRIBER_ID => {
            cx.put(" ");
            put_start(cx, value);
        }
        REMOTE_ID if value.len() >= 4 => {
            put!(cx, " {} ", u32_at(value, 0)?);
            put_start(cx, &value[4..]);
        }
        RELAY_DATA if value.len() >= 16 => {
            put!(cx, " {} ", cx.host6_at(value, 0)?);
            put_start(cx, &value[16..]);
        }
        POSIX_TIMEZONE | NAMED_TIMEZONE | MUD_URL if value.len() >= 5 => {
            cx.put(" ");
            phrases::padded(cx, value);
        }
        PREFERENCE | ELAPSED_TIME | LIFETIME | CLIENT_TIME | RECONFIGURE | STATUS | REMOTE_ID
        | RELAY_DATA | POSIX_TIMEZONE | NAMED_TIMEZONE | MUD_URL => return Ok(Odd),
        _ => {}
    }
    Ok(Shown)
}

/// The first ten bytes.
fn put_start(cx: &mut Context<'_>, bytes: &[u8]) {
    phrases::hex(cx, &bytes[..bytes.len().min(10)]);
    cx.put("...");
}

/// An option with a fixed part, and maybe options after it.
fn container(cx: &mut Context<'_>, kind: u16, place: Place<'_>) -> Result<Outcome, Truncated> {
    let value = place.value();
    let fixed_len = match kind {
        IA_NA | IA_PD => 12,
        IA_TA => 4,
        IA_ADDRESS => 24,
        IA_PREFIX => 25,
        LEASE_QUERY => 17,
        _ => 0,
    };
    if value.len() < fixed_len {
        return Ok(Odd);
    }
    match kind {
        IA_NA | IA_PD => {
            put!(cx, " IAID:{}", u32_at(value, 0)?);
            put!(cx, " T1:{} T2:{}", u32_at(value, 4)?, u32_at(value, 8)?);
        }
        IA_TA => put!(cx, " IAID:{}", u32_at(value, 0)?),
        IA_ADDRESS => {
            put!(cx, " {}", cx.host6_at(value, 0)?);
            put_lifetimes(cx, &value[16..])?;
        }
        IA_PREFIX => {
            put!(cx, " {}/{}", cx.host6_at(value, 9)?, u8_at(value, 8)?);
            put_lifetimes(cx, value)?;
        }
        LEASE_QUERY => {
            match u8_at(value, 0)? {
                1 => cx.put(" by-address"),
                2 => cx.put(" by-clientID"),
                other => put!(cx, " type_{other}"),
            }
            put!(cx, " {}", cx.host6_at(value, 1)?);
        }
        _ => {}
    }
    cx.nest(|cx| print_all(cx, place.data, place.start + fixed_len, place.end))?;
    Ok(Shown)
}

fn put_lifetimes(cx: &mut Context<'_>, bytes: &[u8]) -> Result<(), Truncated> {
    let (preferred, valid) = (u32_at(bytes, 0)?, u32_at(bytes, 4)?);
    put!(cx, " pltime:{preferred} vltime:{valid}");
    Ok(())
}

/// A DHCP unique identifier (RFC 8415, section 11).
fn duid(cx: &mut Context<'_>, value: &[u8]) -> Result<Outcome, Truncated> {
    let Ok(kind) = u16_at(value, 0) else {
        return Ok(Odd);
    };
    match kind {
        1 if value.len() >= 8 => {
            let (hardware, time) = (u16_at(value, 2)?, u32_at(value, 4)?);
            put!(cx, " hwaddr/time type {hardware} time {time} ");
            phrases::hex(cx, &value[8..]);
        }
        2 if value.len() >= 10 => {
            cx.put(" vid ");
            phrases::hex(cx, &value[2..10]);
        }
        3 if value.len() >= 4 => {
            put!(cx, " hwaddr type {} ", u16_at(value, 2)?);
            phrases::hex(cx, &value[4..]);
        }
        1..=3 => return Ok(Odd),
        _ => put!(cx, " type {kind}"),
    }
    Ok(Shown)
}

fn authentication(cx: &mut Context<'_>, value: &[u8]) -> Result<Outcome, Truncated> {
    let Some((&[protocol, algorithm, detection], rest)) = value.split_first_chunk() else {
        return Ok(Odd);
    };
    let Some((replay, rest)) = rest.split_at_checked(8) else {
        return Ok(Odd);
    };
    match protocol {
        2 => cx.put(" proto: delayed"),
        3 => cx.put(" proto: reconfigure"),
        _ => put!(cx, " proto: {protocol}"),
    }
    match algorithm {
        1 => cx.put(", alg: HMAC-MD5"),
        _ => put!(cx, ", alg: {algorithm}"),
    }
    match detection {
        0 => cx.put(", RDM: mono"),
        _ => put!(cx, ", RDM: {detection}"),
    }
    cx.put(", RD:");
    put_groups(cx, replay, 2);
    match (protocol, rest.len()) {
        (2, 0) => {}
        (2, 20..) => {
            let (realm, rest) = rest.split_at(rest.len() - 20);
            if !realm.is_empty() {
                cx.put(", realm: ");
                phrases::hex(cx, realm);
            }
            cx.put(", key ID: ");
            phrases::hex(cx, &rest[..4]);
            cx.put(", HMAC-MD5:");
            put_groups(cx, &rest[4..], 4);
        }
        (3, 17) => {
            cx.put(match rest[0] {
                1 => " reconfig-key",
                2 => " type: HMAC-MD5",
                _ => " type: ??",
            });
            cx.put(" value:");
            put_groups(cx, &rest[1..], 4);
        }
        _ => cx.put(" ??"),
    }
    Ok(Shown)
}

/// Bytes in hexadecimal, in groups with a space before each.
fn put_groups(cx: &mut Context<'_>, bytes: &[u8], size: usize) {
    for group in bytes.chunks(size) {
        cx.put(" ");
        phrases::hex(cx, group);
    }
}

/// The offset after the domain name at `at`. Pointers count from `base`.
fn name(
    cx: &mut Context<'_>,
    data: &[u8],
    at: usize,
    base: usize,
) -> Result<Option<usize>, Truncated> {
    cx.put(" ");
    dns::print_name(cx, data, at, base)
}

fn domains(cx: &mut Context<'_>, place: Place<'_>) -> Result<Outcome, Truncated> {
    let mut at = place.start;
    while at < place.end {
        match name(cx, place.data, at, place.end)? {
            Some(after) => at = after,
            None => return Ok(Damaged),
        }
    }
    Ok(Shown)
}

/// NTP servers (RFC 5908): addresses and names.
fn ntp_servers(cx: &mut Context<'_>, place: Place<'_>) -> Result<Outcome, Truncated> {
    if place.value().len() < 4 {
        return Ok(Odd);
    }
    let mut at = place.start;
    while at < place.end - 4 {
        let (code, len) = (u16_at(place.data, at)?, u16_at(place.data, at + 2)?);
        at += 4;
        let end = at + usize::from(len);
        if end > place.end {
            return Ok(Damaged);
        }
        put!(cx, " subopt:{code}");
        match code {
            1 | 2 if len == 16 => put!(cx, " {}", cx.host6_at(place.data, at)?),
            3 => {
                if name(cx, place.data, at, end)?.is_none() {
                    return Ok(Damaged);
                }
            }
            _ => cx.put(" ?"),
        }
        at = end;
    }
    Ok(Shown)
}

/// The name of a tunnel's end (RFC 6334), in labels without compression.
fn tunnel_name(cx: &mut Context<'_>, value: &[u8]) -> Outcome {
    if value.len() < 3 {
        return Odd;
    }
    cx.put(" ");
    let mut rest = value;
    while let &[len, ref after @ ..] = rest {
        if len == 0 {
            break;
        }
        match after.split_at_checked(len.into()) {
            Some((label, next @ &[following, ..])) => {
                phrases::padded(cx, label);
                if following != 0 {
                    cx.put(".");
                }
                rest = next;
            }
            _ => {
                cx.put(" ?");
                break;
            }
        }
    }
    Shown
}
