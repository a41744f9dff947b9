//! Frames as text, in the words of tcpdump 4.99.
//!
//! A file for each protocol. Each has one `print` that is given what was
//! captured of its payload (`data`) and how long that payload was on the wire
//! (`len`), and that appends to the context's output. A packet's own length
//! cuts `data` for what is inside it.
//!
//! Data that ends too soon ends in one of two ways, and each place has to take
//! the one that tcpdump takes there. `Err(Truncated)` ends the whole frame: the
//! caller at the top closes the line with the name of the protocol that was
//! being printed (`[|dns]`), and a dump then shows the link-layer header too.
//! `Context::put_truncated` says the same in place, and printing goes on
//! behind the protocol.

mod address;
mod arp;
mod arp_atm;
mod checksum;
mod context;
mod dhcp;
mod dhcp6;
mod dns;
mod dump;
mod ether;
#[cfg(test)]
mod golden;
mod icmp;
mod icmp6;
mod igmp;
mod ip;
mod ip6;
mod ip6_headers;
mod ip_options;
mod ipsec;
mod lines;
mod link;
mod llc;
mod lldp;
mod mobility;
mod mptcp;
mod ntp;
mod numbers;
mod payload;
mod phrases;
mod ports;
mod resp;
mod sll;
mod ssh;
mod stamp;
mod stp;
mod syslog;
mod tcp;
mod tcp_options;
#[cfg(test)]
mod tests;
mod tftp;
mod tunnel;
mod udp;
mod vrrp;

use crate::{Frame, Interface};
use context::put;
pub(crate) use context::{Context, Truncated};
pub use context::{Names, NoNames, Transport};

/// Most bytes of a frame, captured or not; headers that say more are wrong.
const MAX_LEN: usize = 262_144;

/// How frames are printed: tcpdump's flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `-n`: numbers instead of names.
    pub numeric: bool,
    /// `-N`: host names without their domain.
    pub no_domain: bool,
    /// `-v`, `-vv`, `-vvv`.
    pub verbose: u8,
    /// `-q`: less about each protocol.
    pub quiet: bool,
    /// `-e`: the link-layer header.
    pub link_header: bool,
    /// `-x`, `-xx`, `-X`, `-XX`, `-A`, `-AA`.
    pub dump: Dump,
    /// `-S`: TCP sequence numbers as they are.
    pub absolute_seq: bool,
    /// `-t` and its repetitions.
    pub time: Time,
    /// `--nano`: nanoseconds instead of microseconds.
    pub nano: bool,
    /// `-#`: a number before each frame.
    pub number: bool,
    /// `-K`: checksums are not verified.
    pub no_checksums: bool,
    /// Each line begins with the interface the frame was seen on, as tcpdump
    /// does for `-i any`.
    pub interface: bool,
}

/// The bytes shown below a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dump {
    /// None.
    #[default]
    None,
    /// `-x`: hexadecimal, without the link-layer header.
    Hex,
    /// `-xx`: hexadecimal, all of it.
    HexLink,
    /// `-X`: hexadecimal and ASCII, without the link-layer header.
    HexAscii,
    /// `-XX`: hexadecimal and ASCII, all of it.
    HexAsciiLink,
    /// `-A`: ASCII, without the link-layer header.
    Ascii,
    /// `-AA`: ASCII, all of it.
    AsciiLink,
}

/// The time before a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// Time of day.
    #[default]
    OfDay,
    /// `-t`: none.
    None,
    /// `-tt`: seconds since 1970.
    Epoch,
    /// `-ttt`: since the frame before.
    SincePrevious,
    /// `-tttt`: date and time of day.
    DateTime,
    /// `-ttttt`: since the first frame.
    SinceFirst,
}

/// Prints frames. It keeps what tcpdump keeps from frame to frame: the time of
/// the first and the last, TCP's first sequence numbers, a frame count.
pub struct Printer {
    style: Style,
    names: Box<dyn Names>,
    count: u64,
    clock: stamp::Clock,
    flows: tcp::Flows,
}

impl Printer {
    /// A printer in `style` that asks `names` unless the style is numeric.
    pub fn new(style: Style, names: Box<dyn Names>) -> Self {
        Self {
            style,
            names,
            count: 0,
            clock: stamp::Clock::default(),
            flows: tcp::Flows::default(),
        }
    }

    /// Appends the text of one frame to `out`, with its last line's end.
    pub fn print(&mut self, frame: &Frame<'_>, interface: &Interface, out: &mut String) {
        self.count += 1;
        let mut cx = Context::new(&self.style, &mut *self.names, out);
        cx.flows = Some(&mut self.flows);
        if cx.style.number {
            put!(cx, "{:5}  ", self.count);
        }
        if let Some(complaint) = bad_lengths(frame) {
            put!(cx, "[Invalid header:{complaint}]\n");
            return;
        }
        self.clock.print(&mut cx, frame.info.timestamp_ns);
        let header_len = match link::print(&mut cx, frame, interface) {
            Ok(header_len) => header_len,
            Err(Truncated) => {
                cx.put_truncated();
                0
            }
        };
        dump::frame(&mut cx, frame.data, header_len);
        cx.put("\n");
    }
}

/// What is wrong with a frame's lengths, each preceded by a space.
fn bad_lengths(frame: &Frame<'_>) -> Option<String> {
    let caplen = frame.data.len();
    let len = frame.info.len as usize;
    let mut complaints = Vec::new();
    if caplen == 0 {
        complaints.push(" caplen==0".to_owned());
    }
    if len == 0 {
        complaints.push(" len==0".to_owned());
    } else if len < caplen {
        complaints.push(format!(" len({len}) < caplen({caplen})"));
    }
    if caplen > MAX_LEN {
        complaints.push(format!(" caplen({caplen}) > {MAX_LEN}"));
    }
    if len > MAX_LEN {
        complaints.push(format!(" len({len}) > {MAX_LEN}"));
    }
    (!complaints.is_empty()).then(|| complaints.join(","))
}
