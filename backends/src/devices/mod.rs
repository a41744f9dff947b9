//! The network devices of a namespace: what they are called, what they are and
//! how they do.

pub(crate) mod netlink;

use crate::netns;
use crate::sys::ifreq;
use netlink::Netlink;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, State};
use pktrail_core::{Error, ErrorKind, Result};
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd;

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The name in its namespace.
    pub name: String,
    /// The kernel's index.
    pub index: u32,
    /// The network namespace as it was asked for, if not the caller's.
    pub netns: Option<String>,
    /// The kind of link as the kernel names it (`veth`, `bridge`, `tun` …), or
    /// `ethernet`, `loopback`, `wireless` or `arphrd-N`.
    pub kind: String,
    /// `ARPHRD_*` of `linux/if_arp.h`.
    pub arphrd: u16,
    /// Configured up.
    pub up: bool,
    /// Up, and able to carry frames.
    pub running: bool,
    /// The loopback device.
    pub loopback: bool,
    /// A wireless device.
    pub wireless: bool,
    /// Whether a cable or an association is there; `None` if the device does not
    /// know the notion.
    pub connected: Option<bool>,
    /// Link speed in bits per second, where the driver knows one.
    pub speed_bps: Option<u64>,
    /// Largest payload of a frame in bytes.
    pub mtu: u32,
    /// The link-layer address, if it has six bytes.
    pub mac: Option<[u8; 6]>,
    /// Network addresses and their prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The driver's name.
    pub driver: Option<String>,
    /// How many receive queues there are.
    pub rx_queues: u32,
}

/// The devices of a network namespace (see [`netns::within`] for what names it;
/// `None` is the caller's), in the order of `tcpdump -D`: those that run before
/// those that are only up, those before the rest, the loopback device last among
/// equals, otherwise by index.
///
/// # Errors
/// Those of [`netns::within`], and [`ErrorKind::System`] if netlink fails.
pub fn list(namespace: Option<&str>) -> Result<Vec<Device>> {
    let mut devices = netns::within(namespace, list_here)?;
    for device in &mut devices {
        device.netns = namespace.map(Into::into);
    }
    Ok(devices)
}

/// The device that is captured on when none is named: the first of [`list`] that
/// is up, as tcpdump chooses.
///
/// # Errors
/// [`ErrorKind::NotFound`] if no device is up, and those of [`list`].
pub fn default_interface(namespace: Option<&str>) -> Result<Device> {
    (list(namespace)?.into_iter())
        .find(|device| device.up)
        .ok_or_else(|| {
            let what = "no interface is up: set one up, or name one with -i";
            Error::new(ErrorKind::NotFound, what)
        })
}

/// The timestamp sources that `interface` offers, by tcpdump's names, with a
/// few words on each.
///
/// # Errors
/// Those of [`netns::within`]. A device that cannot answer offers `host` only.
pub fn timestamp_sources(
    interface: &str,
    namespace: Option<&str>,
) -> Result<Vec<(&'static str, &'static str)>> {
    let abilities = netns::within(namespace, || {
        let socket = any_socket()?;
        Ok(ifreq::timestamping(socket.as_fd(), interface).unwrap_or(0))
    })?;
    let mut sources = vec![("host", "Host")];
    if abilities & libc::SOF_TIMESTAMPING_SYS_HARDWARE != 0 {
        sources.push(("adapter", "Adapter"));
    }
    if abilities & libc::SOF_TIMESTAMPING_RAW_HARDWARE != 0 {
        sources.push(("adapter_unsynced", "Adapter, not synced with system time"));
    }
    Ok(sources)
}

/// A socket to send `ioctl`s through; it needs no privilege.
pub(crate) fn any_socket() -> Result<UdpSocket> {
    UdpSocket::bind("0.0.0.0:0").map_err(|e| Error::io("cannot open a socket", e))
}

fn list_here() -> Result<Vec<Device>> {
    let mut netlink = Netlink::open()?;
    let socket = any_socket()?;
    let mut devices: Vec<Device> = netlink.links()?.iter().map(device).collect();
    for device in &mut devices {
        device.driver = ifreq::driver(socket.as_fd(), &device.name).ok();
        device.speed_bps = ifreq::speed_bps(socket.as_fd(), &device.name);
    }
    for message in netlink.addresses()? {
        let index = message.header.index;
        let Some(device) = devices.iter_mut().find(|device| device.index == index) else {
            continue;
        };
        // On a point-to-point link `Address` is the peer's.
        let (mut local, mut address) = (None, None);
        for attribute in message.attributes {
            match attribute {
                AddressAttribute::Local(ip) => local = Some(ip),
                AddressAttribute::Address(ip) => address = Some(ip),
                _ => {}
            }
        }
        if let Some(ip) = local.or(address) {
            device.addresses.push((ip, message.header.prefix_len));
        }
    }
    devices.sort_by_key(rank);
    Ok(devices)
}

/// Smaller is listed earlier.
fn rank(device: &Device) -> (bool, bool, bool, bool, u32) {
    (
        !device.up,
        !device.running,
        device.connected == Some(false),
        device.loopback,
        device.index,
    )
}

fn device(link: &LinkMessage) -> Device {
    let flags = link.header.flags;
    let mut device = Device {
        index: link.header.index,
        arphrd: link.header.link_layer_type.into(),
        up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Running),
        loopback: flags.contains(LinkFlags::Loopback),
        rx_queues: 1,
        ..Device::default()
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => device.mtu = *mtu,
            LinkAttribute::NumRxQueues(queues) => device.rx_queues = *queues,
            LinkAttribute::Address(mac) => device.mac = mac.as_slice().try_into().ok(),
            LinkAttribute::OperState(state) => device.connected = connected(*state),
            LinkAttribute::LinkInfo(infos) => device.kind = kind(infos),
            _ => {}
        }
    }
    device.wireless =
        std::fs::exists(format!("/sys/class/net/{}/phy80211", device.name)).unwrap_or(false);
    if device.kind.is_empty() {
        device.kind = match device.arphrd {
            _ if device.loopback => "loopback".into(),
            _ if device.wireless => "wireless".into(),
            libc::ARPHRD_ETHER => "ethernet".into(),
            other => format!("arphrd-{other}"),
        };
    }
    device
}

fn connected(state: State) -> Option<bool> {
    match state {
        State::Up => Some(true),
        State::Down | State::LowerLayerDown | State::NotPresent | State::Dormant => Some(false),
        _ => None,
    }
}

fn kind(infos: &[netlink_packet_route::link::LinkInfo]) -> String {
    use netlink_packet_route::link::LinkInfo;
    (infos.iter())
        .find_map(|info| match info {
            LinkInfo::Kind(kind) => Some(kind.to_string()),
            _ => None,
        })
        .unwrap_or_default()
}

/// The names nearest to `wanted`, at most three; the caller says "did you mean".
pub(crate) fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = (names.iter())
        .map(|name| (distance(wanted, name), *name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 2))
        .collect();
    near.sort();
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

/// Edits that make one string of the other; two letters swapped are one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j - 1] + change)
                .min(rows[i - 1][j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// The error for an interface that does not exist.
pub(crate) fn no_such(name: &str, namespace: Option<&str>) -> Error {
    let place = namespace
        .map(|n| format!(" in network namespace {n}"))
        .unwrap_or_default();
    let devices = list(namespace).unwrap_or_default();
    let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
    let near = nearest(name, &names);
    let rest = if !near.is_empty() {
        format!("did you mean {}?", near.join(" or "))
    } else if names.is_empty() {
        "there are no interfaces at all".into()
    } else {
        let shown = &names[..names.len().min(8)];
        let is = if shown.len() == 1 { "is" } else { "are" };
        format!("there {is} {}", shown.join(", "))
    };
    let what = format!("there is no interface {name}{place}: {rest}");
    Error::new(ErrorKind::NotFound, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_what_it_is() {
        let devices = list(None).expect("no privilege needed");
        let lo = devices
            .iter()
            .find(|device| device.name == "lo")
            .expect("lo");
        assert!(lo.loopback && lo.index == 1 && lo.kind == "loopback");
        assert_eq!(lo.arphrd, libc::ARPHRD_LOOPBACK);
    }

    #[test]
    fn those_that_run_come_first_and_loopback_after_them() {
        let make = |name: &str, index, up, running, loopback| Device {
            name: name.into(),
            index,
            up,
            running,
            loopback,
            ..Device::default()
        };
        let mut devices = [
            make("lo", 1, true, true, true),
            make("down", 2, false, false, false),
            make("eth1", 4, true, true, false),
            make("eth0", 3, true, true, false),
            make("idle", 5, true, false, false),
        ];
        devices.sort_by_key(rank);
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["eth0", "eth1", "lo", "idle", "down"]);
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(nearest("eht0", &["lo", "eth0", "docker0"]), ["eth0"]);
        assert!(nearest("eth0", &["wlp3s0", "docker0"]).is_empty());
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
