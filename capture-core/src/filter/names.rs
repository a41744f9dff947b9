//! Names in expressions: what an expression asks the system's databases.

use std::net::{IpAddr, Ipv4Addr};

/// A service's port, and for which transports it has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Port number.
    pub port: u16,
    /// The one transport that has this name for this port; `None`: TCP and UDP.
    pub transport: Option<crate::text::Transport>,
}

/// Looks up the names in expressions. Each answers "not known" unless it is
/// implemented.
pub trait Resolver {
    /// All addresses of a host.
    fn host(&mut self, name: &str) -> Vec<IpAddr> {
        let _ = name;
        Vec::new()
    }

    /// A network's number as `/etc/networks` has it: 10 for 10.0.0.0.
    fn network(&mut self, name: &str) -> Option<Ipv4Addr> {
        let _ = name;
        None
    }

    /// The port of a service.
    fn service(&mut self, name: &str) -> Option<Service> {
        let _ = name;
        None
    }

    /// The number of an IP protocol.
    fn protocol(&mut self, name: &str) -> Option<u8> {
        let _ = name;
        None
    }

    /// A host's Ethernet address.
    fn ether(&mut self, name: &str) -> Option<[u8; 6]> {
        let _ = name;
        None
    }
}

/// Knows no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoNames;

impl Resolver for NoNames {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Target;
    use crate::{Filter, LinkType};

    /// A system where the web is elsewhere.
    struct Elsewhere;

    impl Resolver for Elsewhere {
        fn service(&mut self, name: &str) -> Option<Service> {
            (name == "http").then_some(Service {
                port: 8000,
                transport: None,
            })
        }

        fn protocol(&mut self, name: &str) -> Option<u8> {
            (name == "gre").then_some(250)
        }
    }

    #[test]
    fn common_names_are_known_and_the_system_is_asked_first() {
        let program = |text: &str, names: &mut dyn Resolver| {
            let target = Target::new(LinkType::ETHERNET, 262_144);
            let filter = Filter::compile(text, &target, names);
            filter.unwrap_or_else(|e| panic!("{text}: {e:#}")).program
        };
        for (name, number) in [
            ("port ssh", "tcp port 22"),
            ("port domain", "port 53"),
            ("src port ntp", "udp src port 123"),
            ("portrange ftp-data-ftp", "tcp portrange 20-21"),
            ("tcp port http or https", "tcp port 80 or 443"),
            ("ip proto gre", "ip proto 47"),
            ("proto udplite", "proto 136"),
        ] {
            let expected = program(number, &mut NoNames);
            assert_eq!(program(name, &mut NoNames), expected, "{name}");
        }
        let elsewhere = &mut Elsewhere;
        assert_eq!(
            program("port http", elsewhere),
            program("port 8000", &mut NoNames)
        );
        assert_eq!(
            program("ip proto gre", elsewhere),
            program("ip proto 250", &mut NoNames)
        );
        assert_eq!(
            program("port ssh", elsewhere),
            program("tcp port 22", &mut NoNames)
        );
    }
}
