//! From what is asked for to a socket with a ring that receives nothing yet.
//!
//! The order matters. A socket without a protocol receives nothing; then come
//! the ring and a filter that rejects everything; only then is the socket bound
//! to its interface. No frame from before the real filter can be in the ring.

use super::link::{self, Capture};
use super::options::DEFAULT_BLOCK;
use super::program;
use super::walk::Link;
use super::{Direction, Options, TimestampSource};
use crate::devices;
use crate::sys::ifreq;
use crate::sys::packet::{PacketSocket, RingShape};
use crate::sys::ring::{HEADER_BYTES, Ring};
use pktrail_core::{Error, ErrorKind, Notice, Result};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

/// `ETH_P_ALL`, `linux/if_ether.h`.
const EVERY_PROTOCOL: u16 = 3;
/// Reserved by RFC 1701 and assigned to nobody: a socket bound to it is deaf.
pub(super) const NO_PROTOCOL: u16 = 0xffff;

/// A socket and its ring, bound and deaf.
pub(super) struct Tap {
    pub(super) socket: PacketSocket,
    pub(super) ring: Arc<Ring>,
    /// The interface's index; 0 is all of them.
    pub(super) index: u32,
    pub(super) capture: Capture,
    /// Whether the kernel leaves out outgoing frames without a program.
    pub(super) incoming_only: bool,
    pub(super) loopback: bool,
    /// The fanout group joined.
    pub(super) group: Option<u16>,
    /// For a member of a group, a socket to go on with should the interface
    /// vanish and return: by then the privilege to open one may be gone.
    pub(super) spare: Option<PacketSocket>,
}

/// Opens a socket of either kind, in the calling thread's namespace.
pub(super) fn socket(cooked: bool, interface: &str) -> Result<PacketSocket> {
    PacketSocket::new(cooked).map_err(|e| match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Error::io(no_privilege(interface), e),
        Some(libc::EAFNOSUPPORT) => {
            let kind = ErrorKind::Unsupported {
                feature: "packet sockets",
                since: "",
            };
            Error::io("this kernel has no packet sockets (CONFIG_PACKET)", e).with_kind(kind)
        }
        _ => Error::io(format!("cannot open a packet socket for {interface}"), e),
    })
}

fn no_privilege(interface: &str) -> String {
    let program = std::env::current_exe()
        .map_or_else(|_| "PROGRAM".into(), |path| path.display().to_string());
    format!(
        "capturing on {interface} needs CAP_NET_RAW: run as root, or grant it once with \
         `sudo setcap cap_net_raw+ep {program}`"
    )
}

/// The index of the interface and how it is captured.
fn find(socket: &PacketSocket, options: &Options) -> Result<(u32, Capture)> {
    if options.interface == super::ANY {
        return Ok((0, link::ANY));
    }
    let name = options.interface.as_str();
    let index = ifreq::index(socket.as_fd(), name).map_err(|e| {
        if e.raw_os_error() == Some(libc::ENODEV) {
            devices::no_such(name, options.netns.as_deref())
        } else {
            Error::io(format!("cannot look up interface {name}"), e)
        }
    })?;
    let arphrd = ifreq::hardware_type(socket.as_fd(), name)
        .map_err(|e| Error::io(format!("cannot read the hardware type of {name}"), e))?;
    Ok((index, link::by_hardware_type(name, arphrd)?))
}

/// Opens the interface of `options`, with a `spare` socket if there is one.
/// Frames flow once a filter is attached.
pub(super) fn open(
    options: &Options,
    shape: RingShape,
    spare: Option<PacketSocket>,
    notices: &mut impl Extend<Notice>,
) -> Result<Tap> {
    let name = options.interface.as_str();
    let fresh = spare.is_none();
    let mut made = spare.map_or_else(|| socket(false, name), Ok)?;
    let (index, capture) = find(&made, options)?;
    let cooked = capture.link == Link::Cooked;
    if cooked && fresh {
        made = socket(true, name)?;
    }
    let loopback = index != 0
        && ifreq::flags(made.as_fd(), name)
            .is_ok_and(|flags| flags & libc::IFF_LOOPBACK.cast_unsigned() != 0);
    let failed = |what: &str, e| Error::io(format!("cannot {what} for {name}"), e);
    made.use_version_3().map_err(|e| {
        let kind = ErrorKind::Unsupported {
            feature: "TPACKET_V3",
            since: "Linux 3.2",
        };
        failed("select ring version 3", e).with_kind(kind)
    })?;
    made.reserve(reserve(capture.link))
        .map_err(|e| failed("reserve room in the ring", e))?;
    select_clock(&made, options, notices)?;
    let ring = make_ring(&made, name, shape, notices)?;
    made.attach(&program::reject_all())
        .map_err(|e| failed("attach a filter", e))?;
    let incoming_only = ignores_outgoing(&made, options, loopback);
    made.bind(index, EVERY_PROTOCOL)
        .map_err(|e| failed("bind the socket", e))?;
    if options.promiscuous
        && index != 0
        && !loopback
        && let Err(error) = made.be_promiscuous(index)
    {
        notices.extend([Notice::Said(format!(
            "{name} is not in promiscuous mode: the kernel refused it ({error})"
        ))]);
    }
    let group = match &options.fanout {
        Some(fanout) => Some(super::fanout::join(&made, fanout, notices)?),
        None => None,
    };
    Ok(Tap {
        socket: made,
        ring,
        index,
        capture,
        incoming_only,
        loopback,
        group,
        // A socket belongs to the namespace it was opened in, which is this
        // thread's only if the other one was opened here too.
        spare: group
            .filter(|_| fresh)
            .and_then(|_| PacketSocket::new(cooked).ok()),
    })
}

/// Binds the socket to an interface that has come back under another index.
pub(super) fn bind_again(tap: &mut Tap, index: u32, promiscuous: bool) -> io::Result<()> {
    tap.socket.bind(index, EVERY_PROTOCOL)?;
    tap.index = index;
    if promiscuous {
        // As at the start: a capture without it is better than none.
        let _ = tap.socket.be_promiscuous(index);
    }
    Ok(())
}

/// Room before each frame, beyond what the kernel leaves: so much that the data
/// lies at 4 modulo 8 from the frame's start, and a pcapng packet header fits
/// right before it on a 4-byte boundary, whatever is put back first.
fn reserve(link: Link) -> u32 {
    match link {
        // tp_mac is 82, for an Ethernet header.
        Link::Ethernet => 2,
        // tp_mac is 96 without a link-layer header.
        Link::Other => 0,
        // 96; the cooked header takes 20 of it, a VLAN tag 4.
        Link::Cooked => 12,
    }
}

/// Leaves out what the host sends, if that is wanted and the kernel can. In a
/// fanout group the option is the group's, so a program does it there.
fn ignores_outgoing(socket: &PacketSocket, options: &Options, loopback: bool) -> bool {
    let wanted = match options.direction {
        Direction::In => true,
        // What loopback sends comes again as received.
        Direction::InOut => loopback,
        Direction::Out => false,
    };
    wanted && options.fanout.is_none() && socket.ignore_outgoing().is_ok()
}

fn select_clock(
    socket: &PacketSocket,
    options: &Options,
    notices: &mut impl Extend<Notice>,
) -> Result<()> {
    let name = options.interface.as_str();
    let wanted = match options.timestamps {
        TimestampSource::Host => return Ok(()),
        TimestampSource::Adapter => libc::SOF_TIMESTAMPING_SYS_HARDWARE,
        TimestampSource::AdapterUnsynced => libc::SOF_TIMESTAMPING_RAW_HARDWARE,
    };
    let abilities = ifreq::timestamping(socket.as_fd(), name).unwrap_or(0);
    if options.interface == super::ANY || abilities & wanted == 0 {
        let what = format!("{name} has no such timestamps: -J lists what it has");
        let kind = ErrorKind::Unsupported {
            feature: "hardware timestamps",
            since: "",
        };
        return Err(Error::new(kind, what));
    }
    // Somebody may have switched it on already, so a refusal is not the end.
    if let Err(error) = ifreq::stamp_in_hardware(socket.as_fd(), name) {
        notices.extend([Notice::Said(format!(
            "{name} could not be told to stamp all frames ({error}): it needs CAP_NET_ADMIN, \
             and frames that it does not stamp have the kernel's time"
        ))]);
    }
    socket
        .timestamp(wanted)
        .map_err(|e| Error::io(format!("cannot select the timestamps of {name}"), e))
}

/// Makes the ring, with half as many blocks each time the kernel has no memory.
fn make_ring(
    socket: &PacketSocket,
    name: &str,
    wanted: RingShape,
    notices: &mut impl Extend<Notice>,
) -> Result<Arc<Ring>> {
    let kib = |shape: RingShape| shape.block_bytes * shape.blocks / 1024;
    let (ring, got) = largest(wanted, |shape| {
        socket
            .make_ring(&shape)
            .and_then(|()| Ring::map(socket, shape))
            // The kernel takes no other ring while it has this one.
            .inspect_err(|_| drop(socket.give_ring_back()))
    })
    .map_err(|e| {
        let what = format!(
            "the kernel refused a ring of {} KiB for {name}: try a smaller -B",
            kib(wanted)
        );
        Error::io(what, e)
    })?;
    if got != wanted {
        notices.extend([Notice::Said(format!(
            "the ring of {name} has {} KiB instead of {} KiB: the kernel has no memory for more",
            kib(got),
            kib(wanted),
        ))]);
    }
    Ok(ring)
}

/// The largest ring that `make` has memory for: first fewer blocks, then smaller
/// ones, which the kernel finds more easily.
fn largest<T>(
    wanted: RingShape,
    make: impl Fn(RingShape) -> io::Result<T>,
) -> io::Result<(T, RingShape)> {
    const LEAST_BLOCK: usize = 1 << 16;
    let mut shape = wanted;
    loop {
        match make(shape) {
            Ok(made) => return Ok((made, shape)),
            Err(e) if e.raw_os_error() != Some(libc::ENOMEM) => return Err(e),
            Err(_) if shape.blocks > 2 => shape.blocks /= 2,
            Err(_) if shape.block_bytes > LEAST_BLOCK => {
                shape.block_bytes = LEAST_BLOCK;
                shape.blocks = (wanted.block_bytes * wanted.blocks / LEAST_BLOCK / 2).max(2);
            }
            Err(e) => return Err(e),
        }
    }
}

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;
/// The least that a ring has where memory is not short.
const LEAST_RING: usize = 64 * MIB;
/// The most that a ring is given unasked.
const MOST_RING: usize = 1024 * MIB;

/// The ring's sizes for `options`: a quarter of a second at the link's speed,
/// at least 64 MiB and at most a sixteenth of the memory, shared by `members`.
pub(super) fn shape(
    options: &Options,
    members: usize,
    speed_bps: Option<u64>,
) -> Result<RingShape> {
    let block_bytes = options.block_bytes;
    if !block_bytes.is_multiple_of(PAGE) || !(4 * PAGE..=1 << 28).contains(&block_bytes) {
        let what = format!(
            "a ring block of {block_bytes} bytes: it takes a multiple of {PAGE} from {} to {}",
            4 * PAGE,
            1 << 28
        );
        return Err(Error::new(ErrorKind::Usage, what));
    }
    let memory = memory_bytes().unwrap_or(usize::MAX);
    if options.ring_bytes.is_some_and(|asked| asked > memory / 2) {
        let what = format!(
            "a ring of {} MiB is more than half of this machine's memory ({} MiB): give a \
             smaller -B",
            options.ring_bytes.unwrap_or(0) / MIB,
            memory / MIB
        );
        return Err(Error::new(ErrorKind::Usage, what));
    }
    let total = options.ring_bytes.unwrap_or_else(|| {
        let burst = speed_bps.map_or(0, |bps| usize::try_from(bps / 8 / 4).unwrap_or(MOST_RING));
        burst
            .clamp(LEAST_RING, MOST_RING)
            .min((memory / 16).max(16 * MIB))
            / members.max(1)
    });
    let retire_ms = if options.immediate {
        1
    } else {
        options.retire_ms.max(1)
    };
    let block_bytes = fitting_block(block_bytes, total);
    Ok(RingShape {
        block_bytes,
        blocks: (total.div_ceil(block_bytes)).clamp(2, 1 << 16),
        // A whole page: then what is lent begins on a page boundary, which
        // direct writes to a disk need, and without the block's own header.
        lead_bytes: PAGE.max(HEADER_BYTES),
        retire_ms,
    })
}

/// A ring that was asked to be small gets smaller blocks than the usual ones, so
/// that it is as small as asked and still has a few.
fn fitting_block(block_bytes: usize, total: usize) -> usize {
    if block_bytes != DEFAULT_BLOCK || total >= 4 * block_bytes {
        return block_bytes;
    }
    let quarter = (total / 4).max(4 * PAGE);
    1 << quarter.ilog2()
}

fn memory_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_ring_is_as_small_as_asked() {
        for (asked, block, blocks) in [(2 * MIB, MIB / 2, 4), (MIB, MIB / 4, 4), (1, 16384, 2)] {
            let options = Options {
                ring_bytes: Some(asked),
                ..Options::new("lo")
            };
            let shape = shape(&options, 1, None).unwrap();
            assert_eq!(
                (shape.block_bytes, shape.blocks),
                (block, blocks),
                "{asked}"
            );
        }
    }

    #[test]
    fn the_ring_is_sized_by_speed_and_never_small_unasked() {
        let options = Options::new("eth0");
        let blocks = |options: &Options, members, speed| {
            shape(options, members, speed).expect("sound").blocks
        };
        assert_eq!(blocks(&options, 1, None), 64);
        assert_eq!(blocks(&options, 1, Some(1_000_000_000)), 64);
        assert!(blocks(&options, 1, Some(10_000_000_000)) > 64);
        assert_eq!(blocks(&options, 4, None), 16);
        let asked = Options {
            ring_bytes: Some(5 * MIB),
            ..options
        };
        assert_eq!(blocks(&asked, 1, None), 5);
    }

    #[test]
    fn a_ring_shrinks_to_what_the_kernel_has_memory_for() {
        let wanted = shape(&Options::new("eth0"), 1, None).expect("sound");
        let give = |most_blocks: usize, most_block_bytes: usize| {
            largest(wanted, |shape| {
                if shape.blocks > most_blocks || shape.block_bytes > most_block_bytes {
                    return Err(io::Error::from_raw_os_error(libc::ENOMEM));
                }
                Ok(())
            })
        };
        let (_, got) = give(1000, MIB).expect("enough");
        assert_eq!(got, wanted);
        let (_, got) = give(20, MIB).expect("some");
        assert_eq!((got.blocks, got.block_bytes), (16, MIB));
        let (_, got) = give(1000, 1 << 16).expect("small blocks only");
        assert_eq!((got.blocks, got.block_bytes), (512, 1 << 16));
        assert!(give(1, MIB).is_err(), "it ends");
    }

    #[test]
    fn a_ring_beyond_the_memory_is_refused_before_the_kernel_tries() {
        let options = Options {
            ring_bytes: Some(usize::MAX / 2),
            ..Options::new("eth0")
        };
        let error = shape(&options, 1, None).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }

    #[test]
    fn odd_blocks_are_refused() {
        for block_bytes in [0, 4096, 10_000, 1 << 30] {
            let options = Options {
                block_bytes,
                ..Options::new("eth0")
            };
            assert!(shape(&options, 1, None).is_err(), "{block_bytes}");
        }
    }
}
