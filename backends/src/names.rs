//! Names from the system's databases, for printing: hosts by the resolver,
//! services, protocols and Ethernet addresses by the files in `/etc`, interfaces
//! and the time zone by the system. Looked up once and remembered.

use crate::sys::resolve;
use jiff::{Timestamp, tz::TimeZone};
use pktrail_core::text::{Names, Transport};
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};

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
    fn loopback_has_its_interface_name() {
        assert_eq!(SystemNames::new().interface(1).as_deref(), Some("lo"));
    }
}
