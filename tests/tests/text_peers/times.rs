//! Frames of the same bytes at chosen times.

use super::build::{ether, ipv6};
use pktrail_core::text::{NoNames, Printer};
use pktrail_core::{Frame, FrameInfo, Interface, LinkType};
use pktrail_tests::tcpdump::{style, tcpdump};

/// Fails unless frames at these times, in seconds and nanoseconds since 1970,
/// read as tcpdump writes them.
pub(crate) fn compare(times: impl Iterator<Item = (u32, u32)>, flags: &[&str]) {
    let frame = ether(0x86dd, &ipv6(59, &[]));
    let len = frame.len() as u32;
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(u32::to_le_bytes(word));
    }
    let ours: Vec<&str> = flags
        .iter()
        .copied()
        .filter(|it| *it != "--micro")
        .collect();
    let mut printer = Printer::new(style(&ours), Box::new(NoNames));
    let interface = Interface {
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    let mut text = String::new();
    for (seconds, nanoseconds) in times {
        for word in [seconds, nanoseconds, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&frame);
        let info = FrameInfo {
            timestamp_ns: u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds),
            caplen: len,
            len,
            ..FrameInfo::default()
        };
        let frame = Frame {
            info: &info,
            data: &frame,
            options: &[],
        };
        printer.print(&frame, &interface, &mut text);
    }
    let theirs = tcpdump(&file, flags);
    for (index, (ours, theirs)) in text.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "{flags:?}, time {index}");
    }
    assert_eq!(text, theirs, "{flags:?}");
}
