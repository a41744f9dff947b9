//! What every protocol's printer is given: the style, the names, the output,
//! and ways to take numbers from bytes that may end too soon.

use super::tcp::Flows;
use super::{Style, address, numbers};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A transport protocol, for the names of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Where names come from. The system's databases are outside this crate.
pub trait Names: Send {
    /// A host's name.
    fn host(&mut self, address: IpAddr) -> Option<String>;
    /// A service's name.
    fn port(&mut self, port: u16, transport: Transport) -> Option<String>;
    /// The name of an Ethernet address (ethers(5)).
    fn ether(&mut self, address: [u8; 6]) -> Option<String>;
    /// The name of an IP protocol (protocols(5)).
    fn protocol(&mut self, number: u8) -> Option<String>;
    /// Local time's offset from UTC in seconds at a time, in seconds since 1970.
    fn utc_offset(&mut self, seconds: i64) -> i32;
    /// The name of the interface with a kernel index, for link types that
    /// carry only the index.
    fn interface(&mut self, index: u32) -> Option<String>;
}

/// No names at all, and UTC.
pub struct NoNames;

impl Names for NoNames {
    fn host(&mut self, _: IpAddr) -> Option<String> {
        None
    }
    fn port(&mut self, _: u16, _: Transport) -> Option<String> {
        None
    }
    fn ether(&mut self, _: [u8; 6]) -> Option<String> {
        None
    }
    fn protocol(&mut self, _: u8) -> Option<String> {
        None
    }
    fn utc_offset(&mut self, _: i64) -> i32 {
        0
    }
    fn interface(&mut self, _: u32) -> Option<String> {
        None
    }
}

/// The captured bytes ended before the protocol's fields did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncated;

/// How deep packets may lie in packets. tcpdump has no such limit; a frame of
/// nothing but nested headers would use up the stack.
const MAX_DEPTH: u32 = 48;

/// A printer's surroundings.
pub(crate) struct Context<'a> {
    /// How to print.
    pub style: &'a Style,
    /// Where names come from.
    pub names: &'a mut dyn Names,
    /// Where the text goes.
    pub out: &'a mut String,
    /// The protocol being printed, in tcpdump's short form: what `[|…]` names
    /// when the data ends too soon. Each `print` sets it first. It keeps the
    /// name of what was printed last, also after that has returned.
    pub protocol: &'static str,
    /// TCP's first sequence numbers; none where a caller keeps none.
    pub flows: Option<&'a mut Flows>,
    depth: u32,
}

impl<'a> Context<'a> {
    pub(crate) fn new(style: &'a Style, names: &'a mut dyn Names, out: &'a mut String) -> Self {
        Self {
            style,
            names,
            out,
            protocol: "",
            flows: None,
            depth: 0,
        }
    }

    /// Appends text.
    pub(crate) fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Says that the data ended too soon, where printing can go on after it.
    pub(crate) fn put_truncated(&mut self) {
        put!(self, " [|{}]", self.protocol);
    }

    /// Says that what was printed makes no sense.
    pub(crate) fn put_invalid(&mut self) {
        self.put(" (invalid)");
    }

    /// Prints a packet inside a packet, unless it lies too deep.
    pub(crate) fn nest(
        &mut self,
        print: impl FnOnce(&mut Self) -> Result<(), Truncated>,
    ) -> Result<(), Truncated> {
        if self.depth >= MAX_DEPTH {
            self.put("[nested too deep]");
            return Ok(());
        }
        self.depth += 1;
        let result = print(self);
        self.depth -= 1;
        result
    }

    /// An IPv4 address, by name unless the style is numeric.
    pub(crate) fn host4(&mut self, address: [u8; 4]) -> String {
        let address = Ipv4Addr::from(address);
        self.host(address.into())
            .unwrap_or_else(|| address.to_string())
    }

    /// An IPv6 address, by name unless the style is numeric.
    pub(crate) fn host6(&mut self, address: [u8; 16]) -> String {
        self.host(Ipv6Addr::from(address).into())
            .unwrap_or_else(|| address::ipv6(address))
    }

    fn host(&mut self, address: IpAddr) -> Option<String> {
        if self.style.numeric {
            return None;
        }
        let mut name = self.names.host(address)?;
        if self.style.no_domain
            && let Some(dot) = name.find('.')
        {
            name.truncate(dot);
        }
        Some(name)
    }

    /// The IPv4 address at `at`, by name unless the style is numeric.
    pub(crate) fn host4_at(&mut self, data: &[u8], at: usize) -> Result<String, Truncated> {
        Ok(self.host4(array_at(data, at)?))
    }

    /// The IPv6 address at `at`, by name unless the style is numeric.
    pub(crate) fn host6_at(&mut self, data: &[u8], at: usize) -> Result<String, Truncated> {
        Ok(self.host6(array_at(data, at)?))
    }

    /// A port, by its service's name unless the style is numeric.
    pub(crate) fn port(&mut self, port: u16, transport: Transport) -> String {
        let name = match self.style.numeric {
            true => None,
            false => self.names.port(port, transport),
        };
        name.unwrap_or_else(|| port.to_string())
    }

    /// An Ethernet address: by name, or with its vendor where tcpdump knows
    /// one, unless the style is numeric.
    pub(crate) fn ether(&mut self, address: [u8; 6]) -> String {
        if self.style.numeric {
            return address::colons(&address);
        }
        if let Some(name) = self.names.ether(address) {
            return name;
        }
        if address == [0xff; 6] {
            return "Broadcast".to_owned();
        }
        let vendor = numbers::vendor([address[0], address[1], address[2]]);
        format!("{} (oui {vendor})", address::colons(&address))
    }

    /// A link-layer address of any length, as an Ethernet one where it has
    /// six bytes.
    pub(crate) fn link_address(&mut self, address: &[u8]) -> String {
        match <[u8; 6]>::try_from(address) {
            Ok(ether) => self.ether(ether),
            Err(_) if address.is_empty() => "<empty>".to_owned(),
            Err(_) => address::colons(address),
        }
    }
}

/// Appends formatted text to a [`Context`].
macro_rules! put {
    ($cx:expr, $($format:tt)+) => {{
        use std::fmt::Write as _;
        // The arguments first: they may need the context themselves.
        let text = format_args!($($format)+);
        // Writing to a String cannot fail.
        let _ = $cx.out.write_fmt(text);
    }};
}
pub(crate) use put;

/// The byte at `at`.
pub(crate) fn u8_at(data: &[u8], at: usize) -> Result<u8, Truncated> {
    data.get(at).copied().ok_or(Truncated)
}

/// The 16-bit number in network byte order at `at`.
pub(crate) fn u16_at(data: &[u8], at: usize) -> Result<u16, Truncated> {
    array_at(data, at).map(u16::from_be_bytes)
}

/// The 32-bit number in network byte order at `at`.
pub(crate) fn u32_at(data: &[u8], at: usize) -> Result<u32, Truncated> {
    array_at(data, at).map(u32::from_be_bytes)
}

/// `N` bytes at `at`.
pub(crate) fn array_at<const N: usize>(data: &[u8], at: usize) -> Result<[u8; N], Truncated> {
    let end = at.checked_add(N).ok_or(Truncated)?;
    data.get(at..end)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(Truncated)
}

/// `len` bytes at `at`.
pub(crate) fn bytes_at(data: &[u8], at: usize, len: usize) -> Result<&[u8], Truncated> {
    let end = at.checked_add(len).ok_or(Truncated)?;
    data.get(at..end).ok_or(Truncated)
}
