//! Names as the C library finds them: from the files in `/etc`, and the
//! interfaces of this network namespace.

use pktrail_core::text::{Names, Transport};
use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;

/// The names of this system, read once.
#[derive(Clone, Default)]
pub(crate) struct System {
    hosts: HashMap<IpAddr, String>,
    ports: HashMap<(u16, Transport), String>,
    ethers: HashMap<[u8; 6], String>,
    interfaces: HashMap<u32, String>,
}

impl System {
    pub(crate) fn read() -> Self {
        let mut names = Self::default();
        for [address, name] in rows("/etc/hosts") {
            if let Ok(address) = address.parse() {
                names.hosts.entry(address).or_insert(name);
            }
        }
        for [name, port] in rows("/etc/services") {
            let Some((port, transport)) = port.split_once('/') else {
                continue;
            };
            let transport = match transport {
                "tcp" => Transport::Tcp,
                "udp" => Transport::Udp,
                _ => continue,
            };
            let port = port.parse().expect("a port is a number");
            names.ports.entry((port, transport)).or_insert(name);
        }
        for [address, name] in rows("/etc/ethers") {
            let bytes: Vec<u8> = address
                .split(':')
                .filter_map(|byte| u8::from_str_radix(byte, 16).ok())
                .collect();
            if let Ok(address) = bytes.try_into() {
                names.ethers.entry(address).or_insert(name);
            }
        }
        for entry in fs::read_dir("/sys/class/net").expect("sysfs is mounted") {
            let entry = entry.expect("it can be listed");
            let index = fs::read_to_string(entry.path().join("ifindex"));
            if let Some(index) = index.ok().and_then(|it| it.trim().parse().ok()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                names.interfaces.insert(index, name);
            }
        }
        names
    }
}

/// The first two words of each line, without comments; nothing of a file that
/// does not exist.
fn rows(path: &str) -> Vec<[String; 2]> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            Some([words.next()?.to_owned(), words.next()?.to_owned()])
        })
        .collect()
}

impl Names for System {
    fn host(&mut self, address: IpAddr) -> Option<String> {
        self.hosts.get(&address).cloned()
    }
    fn port(&mut self, port: u16, transport: Transport) -> Option<String> {
        self.ports.get(&(port, transport)).cloned()
    }
    fn ether(&mut self, address: [u8; 6]) -> Option<String> {
        self.ethers.get(&address).cloned()
    }
    fn protocol(&mut self, _: u8) -> Option<String> {
        None
    }
    fn utc_offset(&mut self, _: i64) -> i32 {
        0
    }
    fn interface(&mut self, index: u32) -> Option<String> {
        self.interfaces.get(&index).cloned()
    }
}
