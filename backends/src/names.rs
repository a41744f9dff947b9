//! Names from the system's databases, for printing: hosts by the resolver,
//! services, protocols and Ethernet addresses by the files in `/etc`, interfaces
//! and the time zone by the system. Looked up once and remembered.

use crate::sys::resolve;
use jiff::{Timestamp, tz::TimeZone};
use pktrail_core::filter::{Resolver, Service};
use pktrail_core::text::{Names, Transport};
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Most host names remembered; beyond that all are forgotten and asked again.
const HOSTS_MAX: usize = 65_536;

/// The system's names.
pub struct SystemNames {
    hosts: HashMap<IpAddr, Option<String>>,
    ports: HashMap<(u16, Transport), String>,
    ethers: HashMap<[u8; 6], String>,
    protocols: HashMap<u8, String>,
    interfaces: HashMap<u32, Option<String>>,
    zone: TimeZone,
}

impl SystemNames {
    /// Reads the databases. One that is missing is taken as empty, as the C
    /// library does.
    pub fn new() -> Self {
        Self {
            hosts: HashMap::new(),
            ports: lines("/etc/services")
                .iter()
                .rev()
                .filter_map(|line| service(line))
                .collect(),
            ethers: lines("/etc/ethers")
                .iter()
                .filter_map(|line| ether(line))
                .collect(),
            protocols: lines("/etc/protocols")
                .iter()
                .rev()
                .filter_map(|l| protocol(l))
                .collect(),
            interfaces: HashMap::new(),
            zone: TimeZone::system(),
        }
    }
}

impl Default for SystemNames {
    fn default() -> Self {
        Self::new()
    }
}

impl Names for SystemNames {
    fn host(&mut self, address: IpAddr) -> Option<String> {
        if self.hosts.len() >= HOSTS_MAX {
            self.hosts.clear();
        }
        self.hosts
            .entry(address)
            .or_insert_with(|| host_name(address))
            .clone()
    }

    fn port(&mut self, port: u16, transport: Transport) -> Option<String> {
        self.ports.get(&(port, transport)).cloned()
    }

    fn ether(&mut self, address: [u8; 6]) -> Option<String> {
        self.ethers.get(&address).cloned()
    }

    fn protocol(&mut self, number: u8) -> Option<String> {
        self.protocols.get(&number).cloned()
    }

    fn utc_offset(&mut self, seconds: i64) -> i32 {
        Timestamp::from_second(seconds).map_or(0, |time| self.zone.to_offset(time).seconds())
    }

    fn interface(&mut self, index: u32) -> Option<String> {
        self.interfaces
            .entry(index)
            .or_insert_with(|| resolve::interface_name(index))
            .clone()
    }
}

fn host_name(address: IpAddr) -> Option<String> {
    let address = SocketAddr::new(address, 0);
    dns_lookup::getnameinfo(&address, libc::NI_NAMEREQD)
        .ok()
        .map(|(host, _)| host)
}

impl Resolver for SystemNames {
    fn host(&mut self, name: &str) -> Vec<IpAddr> {
        dns_lookup::lookup_host(name)
            .map(Iterator::collect)
            .unwrap_or_default()
    }

    fn network(&mut self, name: &str) -> Option<Ipv4Addr> {
        let lines = lines("/etc/networks");
        let words = lines.iter().find(|words| is_called(words, 0, 2, name))?;
        network_number(words.get(1)?)
    }

    fn service(&mut self, name: &str) -> Option<Service> {
        let lines = lines("/etc/services");
        let named = || lines.iter().filter(|words| is_called(words, 0, 2, name));
        let ports: Vec<(u16, Transport)> = named()
            .filter_map(|words| service(words))
            .map(|(key, _)| key)
            .collect();
        let (port, transport) = *ports.first()?;
        let both = ports
            .iter()
            .any(|other| other.0 == port && other.1 != transport);
        Some(Service {
            port,
            transport: (!both).then_some(transport),
        })
    }

    fn protocol(&mut self, name: &str) -> Option<u8> {
        let lines = lines("/etc/protocols");
        let words = lines.iter().find(|words| is_called(words, 0, 2, name))?;
        words.get(1)?.parse().ok()
    }

    fn ether(&mut self, name: &str) -> Option<[u8; 6]> {
        let mut known = self.ethers.iter();
        known
            .find(|(_, known)| known.as_str() == name)
            .map(|(address, _)| *address)
    }
}

/// Whether a line's name, at `main`, or one of its aliases, from `aliases` on,
/// is `name`.
fn is_called(words: &[String], main: usize, aliases: usize, name: &str) -> bool {
    let others = words.iter().skip(aliases);
    words
        .get(main)
        .into_iter()
        .chain(others)
        .any(|word| word == name)
}

/// A network's number as getnetbyname(3) gives it: `10` and `10.0.0.0` are both
/// 10.0.0.0 here.
fn network_number(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > octets.len() {
        return None;
    }
    for (octet, part) in octets.iter_mut().zip(parts) {
        *octet = part.parse().ok()?;
    }
    Some(Ipv4Addr::from(octets))
}

/// A database's lines without comments, each split at white space.
fn lines(path: &str) -> Vec<Vec<String>> {
    let text = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect()
}

fn service(words: &[String]) -> Option<((u16, Transport), String)> {
    let (port, transport) = words.get(1)?.split_once('/')?;
    let transport = match transport {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return None,
    };
    Some(((port.parse().ok()?, transport), words[0].clone()))
}

fn protocol(words: &[String]) -> Option<(u8, String)> {
    Some((words.get(1)?.parse().ok()?, words[0].clone()))
}

fn ether(words: &[String]) -> Option<([u8; 6], String)> {
    let mut address = [0; 6];
    let mut parts = words[0].split(':');
    for byte in &mut address {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts
        .next()
        .is_none()
        .then(|| words.get(1).cloned().map(|name| (address, name)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn database_lines() {
        assert_eq!(
            service(&words("domain 53/udp nameserver")),
            Some(((53, Transport::Udp), "domain".into()))
        );
        assert_eq!(service(&words("sctp-thing 1/sctp")), None);
        assert_eq!(protocol(&words("icmp 1 ICMP")), Some((1, "icmp".into())));
        assert_eq!(
            ether(&words("2:0:0:0:0:ff box")),
            Some(([2, 0, 0, 0, 0, 255], "box".into()))
        );
        assert_eq!(ether(&words("2:0:0:0:0 box")), None);
    }

    #[test]
    fn names_in_expressions() {
        let mut names = SystemNames::new();
        assert!(
            Resolver::host(&mut names, "localhost")
                .iter()
                .all(IpAddr::is_loopback)
        );
        assert_eq!(network_number("10.1"), Some(Ipv4Addr::new(10, 1, 0, 0)));
        assert_eq!(network_number("10.1.2.3.4"), None);
        assert!(is_called(&words("www 80/tcp http"), 0, 2, "http"));
        assert!(!is_called(&words("www 80/tcp http"), 0, 2, "80/tcp"));
    }

    #[test]
    fn loopback_has_its_interface_name() {
        assert_eq!(SystemNames::new().interface(1).as_deref(), Some("lo"));
    }
}
