//! Lists of what can be captured: interfaces (`-D`, `devices`), link types (`-L`)
//! and time stamp types (`-J`).

use crate::args::Args;
use crate::plan::usage;
use crate::print_either;
use pktrail::Capture;
use pktrail::devices::{self, Device};
use pktrail::{LinkType, Result};
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

/// A time stamp type: its name and what it is.
type TimestampType = (&'static str, &'static str);

/// What `-i any` is called in lists.
const ANY: &str = "any (Pseudo-device that captures on all interfaces)";

/// `-D`, `-J`, `-L`.
pub(crate) fn lists(args: &Args) -> Result<ExitCode> {
    let netns = args.netns.as_deref();
    if args.list_interfaces {
        return crate::print(&if args.json {
            json(netns)?
        } else {
            list(netns)?
        });
    }
    let mut interfaces = Vec::new();
    for word in &args.interfaces {
        interfaces.push(by_number(word, netns)?);
    }
    if interfaces.is_empty() {
        interfaces.push(devices::default_interface(netns)?.name);
    }
    let (mut rows, mut text) = (Vec::new(), String::new());
    for interface in &interfaces {
        if args.list_timestamp_types {
            let types = devices::timestamp_sources(interface, netns)?;
            text.push_str(&timestamp_types(interface, &types));
            rows.push(timestamp_types_json(interface, &types));
        } else {
            let link_type = link_type(interface, netns)?;
            text.push_str(&link_types(interface, link_type));
            rows.push(link_types_json(interface, link_type));
        }
    }
    print_either(args.json, || Value::Array(rows), || text)
}

/// The link type of the interface that `-i` means.
pub(crate) fn link_type_by_word(word: &str, netns: Option<&str>) -> Result<LinkType> {
    link_type(&by_number(word, netns)?, netns)
}

/// The link type that a capture on an interface has.
fn link_type(interface: &str, netns: Option<&str>) -> Result<LinkType> {
    let capture = Capture::on(interface).promiscuous(false);
    let capture = match netns {
        Some(netns) => capture.in_netns(netns),
        None => capture,
    };
    let open = capture.ring_bytes(1 << 20).block_bytes(1 << 18).open()?;
    // `any` has none of its own before its frames come.
    let first = open.interfaces().first();
    Ok(first.map_or(LinkType::LINUX_SLL2, |interface| interface.link_type))
}

/// Interfaces as `tcpdump -D` lists them.
fn list(netns: Option<&str>) -> Result<String> {
    let devices = devices::list(netns)?;
    let mut lines: Vec<String> = devices
        .iter()
        .map(|device| format!("{} [{}]", device.name, state(device)))
        .collect();
    lines.insert(any_place(&devices), format!("{ANY} [Up, Running]"));
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let _ = writeln!(text, "{}.{line}", index + 1);
    }
    Ok(text)
}

/// The interface that `-i` means: a name, or a number of `-D`'s list.
pub(crate) fn by_number(word: &str, netns: Option<&str>) -> Result<String> {
    let Ok(number) = word.parse::<usize>() else {
        return Ok(word.to_owned());
    };
    let names = names(&devices::list(netns)?);
    if names.iter().any(|name| name == word) {
        return Ok(word.to_owned());
    }
    let chosen = number.checked_sub(1).and_then(|index| names.get(index));
    chosen.cloned().ok_or_else(|| {
        let count = names.len();
        usage(format!(
            "-i: {number} is not a number of the list of {count} interfaces (-D)"
        ))
    })
}

/// The names in the order of `-D`.
fn names(devices: &[Device]) -> Vec<String> {
    let mut names: Vec<String> = devices.iter().map(|device| device.name.clone()).collect();
    names.insert(any_place(devices), "any".into());
    names
}

/// Where tcpdump lists `any`: after the interfaces that run.
fn any_place(devices: &[Device]) -> usize {
    devices
        .iter()
        .filter(|device| device.running && !device.loopback)
        .count()
}

fn state(device: &Device) -> String {
    let words = [
        (device.up, "Up"),
        (device.running, "Running"),
        (device.loopback, "Loopback"),
        (device.wireless, "Wireless"),
        (
            device.connected == Some(true) && !device.loopback,
            "Connected",
        ),
        (device.up && device.connected == Some(false), "Disconnected"),
    ];
    let words: Vec<&str> = words
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, word)| *word)
        .collect();
    if words.is_empty() {
        "none".into()
    } else {
        words.join(", ")
    }
}

/// Interfaces as a table with everything known about them.
pub(crate) fn table(netns: Option<&str>) -> Result<String> {
    let mut rows = vec![
        [
            "NAME",
            "STATE",
            "TYPE",
            "SPEED",
            "DRIVER",
            "QUEUES",
            "ADDRESSES",
        ]
        .map(String::from),
    ];
    for device in devices::list(netns)? {
        let mut addresses: Vec<String> = device.mac.iter().map(|mac| hardware(*mac)).collect();
        addresses.extend(
            device
                .addresses
                .iter()
                .map(|(address, len)| format!("{address}/{len}")),
        );
        rows.push([
            device.name.clone(),
            state(&device),
            device.kind.clone(),
            device.speed_bps.map_or("-".into(), speed),
            device.driver.clone().unwrap_or("-".into()),
            device.rx_queues.to_string(),
            addresses.join(" "),
        ]);
    }
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    Ok(text)
}

/// Interfaces as a JSON array (schema: docs/json.md).
pub(crate) fn json(netns: Option<&str>) -> Result<String> {
    let devices: Vec<Value> = devices::list(netns)?.iter().map(describe).collect();
    Ok(format!("{:#}\n", Value::Array(devices)))
}

fn describe(device: &Device) -> Value {
    let addresses = device.addresses.iter();
    let addresses: Vec<String> = addresses
        .map(|(address, len)| format!("{address}/{len}"))
        .collect();
    json!({
        "name": device.name,
        "index": device.index,
        "netns": device.netns,
        "type": device.kind,
        "up": device.up,
        "running": device.running,
        "loopback": device.loopback,
        "connected": device.connected,
        "speed_bps": device.speed_bps,
        "mtu": device.mtu,
        "mac": device.mac.map(hardware),
        "addresses": addresses,
        "driver": device.driver,
        "rx_queues": device.rx_queues,
    })
}

/// The time stamp types of an interface, as `tcpdump -J` lists them.
fn timestamp_types(interface: &str, types: &[TimestampType]) -> String {
    let mut text = format!("Time stamp types for {interface} (use option -j to set):\n");
    for (name, description) in types {
        let _ = writeln!(text, "  {name} ({description})");
    }
    text
}

fn timestamp_types_json(interface: &str, types: &[TimestampType]) -> Value {
    let one = |it: &TimestampType| json!({"name": it.0, "description": it.1});
    let types: Vec<Value> = types.iter().map(one).collect();
    json!({"interface": interface, "timestamp_types": types})
}

fn link_types_json(interface: &str, link_type: LinkType) -> Value {
    let (name, description) = link_type.name().unzip();
    let one = json!({"number": link_type.0, "name": name, "description": description});
    json!({"interface": interface, "link_types": [one]})
}

/// The link types of an interface, as `tcpdump -L` lists them.
fn link_types(interface: &str, link_type: LinkType) -> String {
    let mut text = format!("Data link types for {interface} (use option -y to set):\n");
    match link_type.name() {
        Some((name, description)) => {
            let _ = writeln!(text, "  {name} ({description})");
        }
        None => {
            let _ = writeln!(text, "  {}", link_type.0);
        }
    }
    text
}

fn hardware(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn speed(bps: u64) -> String {
    match bps {
        1_000_000_000.. => format!("{} Gb/s", bps as f64 / 1e9),
        _ => format!("{} Mb/s", bps as f64 / 1e6),
    }
}
