//! Sockets of a namespace, by /proc/net/{udp,tcp,udp6,tcp6} of this thread.
//!
//! Owns reading these tables.

use pktrail_core::trail::Tuple;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
/// `TCP_LISTEN` in include/net/tcp_states.h.
const LISTEN: u8 = 10;

/// One line of a table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    /// Bytes that wait to be read.
    waiting: u64,
    inode: u64,
    /// Datagrams that found no room; UDP only.
    drops: u64,
}

/// Who is at the port that a packet went to.
pub(super) fn at(tuple: &Tuple) -> Vec<String> {
    let port = tuple.destination.port();
    let protocol = match tuple.protocol {
        TCP => "TCP",
        UDP => "UDP",
        _ => return Vec::new(),
    };
    let rows = rows(tuple.protocol);
    let mut found: Vec<String> = rows
        .iter()
        .filter(|row| row.local.port() == port)
        .filter(|row| tuple.protocol == UDP || row.state == LISTEN)
        .map(|row| row.local.to_string())
        .collect();
    found.sort();
    found.dedup();
    vec![match found.is_empty() {
        true => format!("No {protocol} socket of this namespace has port {port}."),
        false => format!(
            "{protocol} port {port} is open at {}, not at {}.",
            found.join(" and "),
            tuple.destination.ip()
        ),
    }]
}

/// How full the socket is that a packet went to.
pub(super) fn buffer(tuple: &Tuple) -> Vec<String> {
    let is_it = |row: &&Row| {
        let address = row.local.ip();
        row.local.port() == tuple.destination.port()
            && (address == tuple.destination.ip() || address.is_unspecified())
    };
    let rows = rows(tuple.protocol);
    let rows = rows.iter().filter(is_it).filter(|row| row.state != LISTEN);
    rows.map(|row| {
        let owner = owner(row.inode).map_or(String::new(), |owner| format!(" of {owner}"));
        format!(
            "The socket {}{owner} holds {} bytes that nobody has read, and has dropped {} \
             datagrams so far.",
            row.local, row.waiting, row.drops
        )
    })
    .collect()
}

/// The socket that a packet was delivered to, and whose it is.
pub(super) fn receiver(tuple: &Tuple) -> Option<String> {
    let to = tuple.destination;
    let rows = rows(tuple.protocol);
    let mut rows: Vec<&Row> = rows
        .iter()
        .filter(|row| row.local.port() == to.port())
        .filter(|row| row.local.ip() == to.ip() || row.local.ip().is_unspecified())
        .filter(|row| row.remote == tuple.source || row.remote.port() == 0)
        .collect();
    // The kernel prefers what fits better.
    rows.sort_by_key(|row| (row.remote.port() == 0, row.local.ip().is_unspecified()));
    let row = rows.first()?;
    let owner = owner(row.inode).map_or(String::new(), |owner| format!(" of {owner}"));
    Some(format!("{}{owner}", row.local))
}

/// Name and number of a process that holds the socket.
fn owner(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let path = process.path();
        let Ok(files) = fs::read_dir(path.join("fd")) else {
            continue;
        };
        let holds = files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == &*wanted));
        if holds {
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let pid = process.file_name().to_string_lossy().into_owned();
            return Some(format!("{} ({pid})", name.trim()));
        }
    }
    None
}

fn rows(protocol: u8) -> Vec<Row> {
    let tables = match protocol {
        TCP => ["tcp", "tcp6"],
        _ => ["udp", "udp6"],
    };
    let texts = tables.map(|table| {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}"));
        text.unwrap_or_default()
    });
    texts
        .iter()
        .flat_map(|text| text.lines().filter_map(row))
        .collect()
}

fn row(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (_, waiting) = words.get(4)?.split_once(':')?;
    Some(Row {
        local: address(words.get(1)?)?,
        remote: address(words.get(2)?)?,
        state: u8::from_str_radix(words.get(3)?, 16).ok()?,
        waiting: u64::from_str_radix(waiting, 16).ok()?,
        inode: words.get(9)?.parse().ok()?,
        drops: words.last()?.parse().unwrap_or(0),
    })
}

/// Words of the address in the machine's order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let ip: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        _ => return None,
    };
    // A socket of IPv6 may serve IPv4.
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   59: 0100007F:0FA0 00000000:0000 07 00000000:00000900 00:00000000 00000000 \
                    0        0 12345 2 ffff888000000000 17";
        let row = row(line).expect("a row");
        assert_eq!(row.local.to_string(), "127.0.0.1:4000");
        assert_eq!(row.remote.to_string(), "0.0.0.0:0");
        assert_eq!((row.waiting, row.inode, row.drops), (0x900, 12345, 17));
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when";
        assert_eq!(super::row(head), None);
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let six = "00000000000000000000000001000000:0050";
        assert_eq!(address(six).map(|a| a.to_string()), Some("[::1]:80".into()));
        assert_eq!(address("01:02"), None);
        let four = address("0000000000000000FFFF00000100007F:0050").map(|a| a.to_string());
        assert_eq!(four, Some("127.0.0.1:80".into()));
    }
}
