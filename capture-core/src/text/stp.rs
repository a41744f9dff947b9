//! Spanning tree: 802.1D, rapid (802.1w), multiple (802.1s) and shortest path
//! bridging (802.1aq).

use super::context::{Context, Truncated, bytes_at, put, u8_at, u16_at, u32_at};
use super::phrases;

const CONFIG_LEN: usize = 35;
const RAPID_LEN: usize = 36;
const MULTIPLE_LEN: usize = 102;
const BRIDGING_LEN: usize = 87;

const RAPID: u8 = 2;
const MULTIPLE: u8 = 3;
const SHORTEST_PATH: u8 = 4;

/// Where the length of version 3 is.
const V3_LEN: usize = 36;
/// Bytes of version 3 before the instances, and of one instance.
const V3_FIXED_LEN: usize = 64;
const INSTANCE_LEN: usize = 16;

const FLAGS: &[(u32, &str)] = &[
    (0x01, "Topology change"),
    (0x02, "Proposal"),
    (0x10, "Learn"),
    (0x20, "Forward"),
    (0x40, "Agreement"),
    (0x80, "Topology change ACK"),
];

fn role(flags: u8) -> &'static str {
    ["Unknown", "Alternate", "Root", "Designated"][usize::from(flags >> 2 & 3)]
}

/// Prints a bridge protocol data unit.
pub(super) fn print(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    cx.protocol = "stp";
    if len < 4 {
        cx.put_invalid();
        return Ok(());
    }
    if u16_at(data, 0)? != 0 {
        put!(cx, "unknown STP version, length {len}");
        return Ok(());
    }
    let version = u8_at(data, 2)?;
    let name = match version {
        0 => "802.1d",
        RAPID => "802.1w",
        MULTIPLE => "802.1s",
        SHORTEST_PATH => "802.1aq",
        _ => {
            put!(cx, "STP Unknown STP protocol (0x{version:02x})");
            return Ok(());
        }
    };
    put!(cx, "STP {name}");
    let kind = u8_at(data, 3)?;
    match kind {
        0 => cx.put(", Config"),
        2 => cx.put(", Rapid STP"),
        0x80 => cx.put(", Topology Change"),
        _ => put!(cx, ", Unknown BPDU Type (0x{kind:02x})"),
    }
    let valid = match (kind, version) {
        (0, _) if len >= CONFIG_LEN => config(cx, data, len, version).map(|()| true)?,
        (2, RAPID) if len >= RAPID_LEN => config(cx, data, len, version).map(|()| true)?,
        (2, MULTIPLE | SHORTEST_PATH) => multiple(cx, data, len, version)?,
        (0, _) | (2, RAPID) => false,
        _ => true,
    };
    if !valid {
        cx.put_invalid();
    }
    Ok(())
}

fn put_flags(cx: &mut Context<'_>, flags: u8) {
    cx.put("Flags [");
    phrases::flags(cx, flags.into(), FLAGS, "none");
    cx.put("]");
}

/// A bridge's identifier: its priority and its address.
fn bridge(data: &[u8], at: usize) -> Result<String, Truncated> {
    let id = bytes_at(data, at, 8)?;
    Ok(format!(
        "{:02x}{:02x}.{}",
        id[0],
        id[1],
        super::address::colons(&id[2..])
    ))
}

fn put_times(cx: &mut Context<'_>, data: &[u8]) -> Result<(), Truncated> {
    let seconds = |at| Ok(f64::from(u16_at(data, at)?) / 256.0);
    let (age, max_age) = (seconds(27)?, seconds(29)?);
    let (hello, delay) = (seconds(31)?, seconds(33)?);
    put!(
        cx,
        "\n\tmessage-age {age:.2}s, max-age {max_age:.2}s, \
         hello-time {hello:.2}s, forwarding-delay {delay:.2}s"
    );
    Ok(())
}

fn config(cx: &mut Context<'_>, data: &[u8], len: usize, version: u8) -> Result<(), Truncated> {
    let flags = u8_at(data, 4)?;
    cx.put(", ");
    put_flags(cx, flags);
    let (id, port) = (bridge(data, 17)?, u16_at(data, 25)?);
    put!(cx, ", bridge-id {id}.{port:04x}, length {len}");
    if cx.style.verbose == 0 {
        return Ok(());
    }
    put_times(cx, data)?;
    let (root, cost) = (bridge(data, 5)?, u32_at(data, 13)?);
    put!(cx, "\n\troot-id {root}, root-pathcost {cost}");
    if version == RAPID {
        put!(cx, ", port-role {}", role(flags));
    }
    Ok(())
}

/// Multiple spanning tree, and shortest path bridging after it. False if a
/// length makes no sense.
fn multiple(cx: &mut Context<'_>, data: &[u8], len: usize, version: u8) -> Result<bool, Truncated> {
    if len < MULTIPLE_LEN || u8_at(data, 35)? != 0 {
        return Ok(false);
    }
    let v3_len = usize::from(u16_at(data, V3_LEN)?) + 2;
    let v4_at = RAPID_LEN + v3_len;
    if len < v4_at {
        return Ok(false);
    }
    put_multiple(cx, data, len)?;
    if version == SHORTEST_PATH {
        let v4_len = usize::from(u16_at(data, V3_LEN + v3_len)?) + 2;
        if len < v4_at + v4_len || v4_len < BRIDGING_LEN {
            return Ok(false);
        }
        put_bridging(cx, data.get(v4_at..).unwrap_or_default())?;
    }
    Ok(true)
}

fn put_multiple(cx: &mut Context<'_>, data: &[u8], len: usize) -> Result<(), Truncated> {
    let flags = u8_at(data, 4)?;
    cx.put(", CIST ");
    put_flags(cx, flags);
    put!(cx, ", length {len}");
    if cx.style.verbose == 0 {
        return Ok(());
    }
    put!(cx, "\n\tport-role {}, ", role(flags));
    let (root, cost) = (bridge(data, 5)?, u32_at(data, 13)?);
    put!(cx, "CIST root-id {root}, CIST ext-pathcost {cost}");
    put!(cx, "\n\tCIST regional-root-id {}, ", bridge(data, 17)?);
    put!(cx, "CIST port-id {:04x},", u16_at(data, 25)?);
    put_times(cx, data)?;
    let v3_len = usize::from(u16_at(data, V3_LEN)?);
    put!(cx, "\n\tv3len {v3_len}, MCID Name ");
    put_name(cx, data, 39)?;
    let (revision, digest) = (u16_at(data, 71)?, bytes_at(data, 73, 16)?);
    put!(cx, ", rev {revision},\n\t\tdigest ");
    phrases::hex(cx, digest);
    cx.put(", ");
    put!(cx, "CIST int-root-pathcost {},", u32_at(data, 89)?);
    put!(cx, "\n\tCIST bridge-id {}, ", bridge(data, 93)?);
    put!(cx, "CIST remaining-hops {}", u8_at(data, 101)?);
    for instance in 0..v3_len.saturating_sub(V3_FIXED_LEN) / INSTANCE_LEN {
        put_instance(cx, data, MULTIPLE_LEN + instance * INSTANCE_LEN)?;
    }
    Ok(())
}

/// A name of at most 32 bytes.
fn put_name(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<(), Truncated> {
    let rest = data.get(at..).unwrap_or_default();
    let field = &rest[..rest.len().min(32)];
    phrases::padded(cx, field);
    if field.len() < 32 && !field.contains(&0) {
        return Err(Truncated);
    }
    Ok(())
}

fn put_instance(cx: &mut Context<'_>, data: &[u8], at: usize) -> Result<(), Truncated> {
    let id = u16_at(data, at + 1)? & 0x0fff;
    let flags = u8_at(data, at)?;
    put!(cx, "\n\tMSTI {id}, ");
    put_flags(cx, flags);
    put!(cx, ", port-role {}", role(flags));
    let (root, cost) = (bridge(data, at + 1)?, u32_at(data, at + 9)?);
    put!(cx, "\n\t\tMSTI regional-root-id {root}, pathcost {cost}");
    let (priority, port) = (u8_at(data, at + 13)? >> 4, u8_at(data, at + 14)? >> 4);
    let hops = u8_at(data, at + 15)?;
    put!(
        cx,
        "\n\t\tMSTI bridge-prio {priority}, port-prio {port}, hops {hops}"
    );
    Ok(())
}

/// The part of shortest path bridging, from its length on.
fn put_bridging(cx: &mut Context<'_>, part: &[u8]) -> Result<(), Truncated> {
    if cx.style.verbose == 0 {
        return Ok(());
    }
    put!(cx, "\n\tv4len {}, AUXMCID Name ", u16_at(part, 0)?);
    put_name(cx, part, 3)?;
    let (revision, digest) = (u16_at(part, 35)?, bytes_at(part, 37, 16)?);
    put!(cx, ", Rev {revision},\n\t\tdigest ");
    phrases::hex(cx, digest);
    let (agreement, format, convention) = (u8_at(part, 53)?, u8_at(part, 55)?, u8_at(part, 56)?);
    let (edges, digest) = (u16_at(part, 57)?, bytes_at(part, 67, 20)?);
    put!(
        cx,
        "\n\tAgreement num {}, Discarded Agreement num {}, Agreement valid-flag {},",
        agreement >> 6,
        agreement >> 4 & 3,
        agreement >> 3 & 1
    );
    put!(
        cx,
        "\n\tRestricted role-flag: {}, Format id {} cap {format}, \
         Convention id {} cap {convention},\n\tEdge count {edges}, Agreement digest ",
        agreement >> 2 & 1,
        format >> 4,
        convention >> 4
    );
    phrases::hex(cx, digest);
    Ok(())
}
