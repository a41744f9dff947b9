//! What every protocol's printer is given: the style, the names, the output,
//! and ways to take numbers from bytes that may end too soon.

use super::Style;
use std::net::IpAddr;

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

/// A printer's surroundings.
pub(crate) struct Context<'a> {
    /// How to print.
    pub style: &'a Style,
    /// Where names come from.
    pub names: &'a mut dyn Names,
    /// Where the text goes.
    pub out: &'a mut String,
    /// The protocol being printed, in tcpdump's short form: what `[|…]` names
    /// when the data ends too soon. Each `print` sets it first.
    pub protocol: &'static str,
}

impl<'a> Context<'a> {
    pub(crate) fn new(style: &'a Style, names: &'a mut dyn Names, out: &'a mut String) -> Self {
        Self {
            style,
            names,
            out,
            protocol: "",
        }
    }

    /// Appends text.
    pub(crate) fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }
}

/// Appends formatted text to a [`Context`].
macro_rules! put {
    ($cx:expr, $($format:tt)+) => {{
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!($cx.out, $($format)+);
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
