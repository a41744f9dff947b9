//! What a user names a flow by: both ends, with or without ports, and perhaps the
//! protocol.

use super::{FlowKey, has_ports};
use crate::{Error, ErrorKind, Result};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Protocols that have a name here, with their numbers.
const PROTOCOLS: [(&str, u8); 7] = [
    ("tcp", 6),
    ("udp", 17),
    ("sctp", 132),
    ("dccp", 33),
    ("udplite", 136),
    ("icmp", 1),
    ("icmp6", 58),
];

/// The flows between two ends, in both directions: `10.0.0.1:4000-10.0.0.2:80`,
/// `[2001:db8::1]:4000-[2001:db8::2]:80`, each port optional, and a protocol if one
/// is wanted (`10.0.0.1-10.0.0.2/udp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPattern {
    a: End,
    b: End,
    protocol: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    address: IpAddr,
    port: Option<u16>,
}

impl End {
    fn is(self, end: SocketAddr) -> bool {
        self.address == end.ip() && self.port.is_none_or(|port| port == end.port())
    }
}

impl FlowPattern {
    /// Whether it names this flow.
    pub fn matches(&self, key: &FlowKey) -> bool {
        let is_between = |one: End, other: End| one.is(key.a) && other.is(key.b);
        self.protocol
            .is_none_or(|protocol| protocol == key.protocol)
            && (is_between(self.a, self.b) || is_between(self.b, self.a))
    }

    /// The addresses, and the ports if both are given; the lesser end first.
    pub(crate) fn ends(&self) -> (SocketAddr, SocketAddr, bool) {
        let ports = self.a.port.zip(self.b.port);
        let (p, q) = ports.unwrap_or((0, 0));
        let (x, y) = (
            SocketAddr::new(self.a.address, p),
            SocketAddr::new(self.b.address, q),
        );
        (x.min(y), x.max(y), ports.is_some())
    }
}

impl FromStr for FlowPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::new(ErrorKind::Usage, format!("'{text}': {what}"));
        let (ends, protocol) = match text.rsplit_once('/') {
            Some((ends, name)) => (ends, Some(protocol(name).map_err(wrong)?)),
            None => (text, None),
        };
        let Some((a, b)) = ends.split_once('-') else {
            return Err(wrong(
                "give both ends with a hyphen between them, as 10.0.0.1:4000-10.0.0.2:80 or \
                 [2001:db8::1]:4000-[2001:db8::2]:80"
                    .into(),
            ));
        };
        let (a, b) = (end(a).map_err(wrong)?, end(b).map_err(wrong)?);
        if a.address.is_ipv4() != b.address.is_ipv4() {
            return Err(wrong("one end is IPv4 and the other IPv6".into()));
        }
        let is_with_port = a.port.is_some() || b.port.is_some();
        if let Some(number) = protocol
            && is_with_port
            && !has_ports(number)
        {
            return Err(wrong("that protocol has no ports: leave them out".into()));
        }
        Ok(Self { a, b, protocol })
    }
}

fn protocol(name: &str) -> std::result::Result<u8, String> {
    let known = PROTOCOLS.iter().find(|(known, _)| *known == name);
    let number = known.map(|(_, number)| *number).or(name.parse().ok());
    number.ok_or_else(|| {
        let names = PROTOCOLS.map(|(name, _)| name).join(", ");
        format!("'{name}' is no protocol: write {names} or a number up to 255")
    })
}

fn end(text: &str) -> std::result::Result<End, String> {
    let wrong = || {
        format!(
            "'{text}' is no end of a flow: write an address, or an address and a port as \
             10.0.0.1:80 or [2001:db8::1]:80; names are not looked up"
        )
    };
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or_else(wrong)?;
            let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').ok_or_else(wrong)?),
            };
            (IpAddr::V6(address), port)
        }
        None => match text.parse::<IpAddr>() {
            Ok(address) => (address, None),
            Err(_) => {
                let (address, port) = text.split_once(':').ok_or_else(wrong)?;
                (
                    IpAddr::V4(address.parse().map_err(|_| wrong())?),
                    Some(port),
                )
            }
        },
    };
    let number = |port: &str| match port.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(format!(
            "'{port}' is no port: write a number from 1 to 65535"
        )),
    };
    let port = port.map(number).transpose()?;
    Ok(End { address, port })
}

impl fmt::Display for FlowPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |f: &mut fmt::Formatter<'_>, end: End| match end.port {
            Some(port) => SocketAddr::new(end.address, port).fmt(f),
            None => end.address.fmt(f),
        };
        end(f, self.a)?;
        f.write_str("-")?;
        end(f, self.b)?;
        let Some(number) = self.protocol else {
            return Ok(());
        };
        match PROTOCOLS.iter().find(|(_, known)| *known == number) {
            Some((name, _)) => write!(f, "/{name}"),
            None => write!(f, "/{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(a: &str, b: &str, protocol: u8) -> FlowKey {
        let (a, b): (SocketAddr, SocketAddr) = (a.parse().unwrap(), b.parse().unwrap());
        FlowKey {
            a: a.min(b),
            b: a.max(b),
            protocol,
        }
    }

    #[test]
    fn ends_are_found_in_both_directions() {
        let web = key("10.0.0.9:4000", "10.0.0.2:80", 6);
        for (text, expected) in [
            ("10.0.0.9:4000-10.0.0.2:80", true),
            ("10.0.0.2:80-10.0.0.9:4000", true),
            ("10.0.0.2-10.0.0.9", true),
            ("10.0.0.2:80-10.0.0.9/tcp", true),
            ("10.0.0.2-10.0.0.9:4000/6", true),
            ("10.0.0.2-10.0.0.9/udp", false),
            ("10.0.0.9:80-10.0.0.2:4000", false),
            ("10.0.0.9:4001-10.0.0.2:80", false),
            ("10.0.0.9-10.0.0.3", false),
        ] {
            let pattern: FlowPattern = text.parse().unwrap();
            assert_eq!(pattern.matches(&web), expected, "{text}");
            assert_eq!(pattern.to_string().parse::<FlowPattern>().unwrap(), pattern);
        }
        let six = key("[2001:db8::1]:5", "[2001:db8::2]:53", 17);
        for text in [
            "[2001:db8::2]:53-[2001:db8::1]:5/udp",
            "2001:db8::2-2001:db8::1",
            "[2001:db8::2]-[2001:db8::1]:5",
        ] {
            assert!(text.parse::<FlowPattern>().unwrap().matches(&six), "{text}");
        }
        // A host that speaks with itself.
        let own = key("127.0.0.1:9", "127.0.0.1:8", 17);
        let pattern: FlowPattern = "127.0.0.1:9-127.0.0.1:8".parse().unwrap();
        assert!(pattern.matches(&own));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("10.0.0.1", "give both ends"),
            ("10.0.0.1:80-web", "'web' is no end of a flow"),
            ("10.0.0.1:80-10.0.0.300:1", "'10.0.0.300:1' is no end"),
            ("10.0.0.1:80-10.0.0.3:x", "'x' is no port"),
            ("10.0.0.1:0-10.0.0.3:5", "'0' is no port"),
            ("10.0.0.1:70000-10.0.0.3:5", "'70000' is no port"),
            ("[::1:80-[::1]:80", "'[::1:80' is no end"),
            ("[::1]80-[::1]:80", "'[::1]80' is no end"),
            ("10.0.0.1-::1", "one end is IPv4"),
            ("10.0.0.1-10.0.0.2/tpc", "'tpc' is no protocol"),
            ("10.0.0.1:5-10.0.0.2/icmp", "has no ports"),
            ("-", "'' is no end"),
            ("", "give both ends"),
        ] {
            let error = text.parse::<FlowPattern>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}
