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
