//! The packet socket (packet(7)), and each question it can be asked.

use super::{check, size_of};
use pktrail_core::Instruction;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

const PACKET_FANOUT_DATA: libc::c_int = 22;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// The counts of one `PACKET_STATISTICS` read: since the read before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statistics {
    /// Frames that passed the filter, drops included.
    pub(crate) packets: u32,
    /// Frames for which the ring had no room.
    pub(crate) drops: u32,
    /// How often the ring was full.
    pub(crate) freezes: u32,
}

/// What [`PacketSocket::wait`] came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Time is up, or a signal came.
    No,
    /// A block is closed.
    Frames,
    /// The socket has an error to report.
    Failed,
}

/// Sizes of a ring, in bytes and blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingShape {
    /// Bytes of one block: a multiple of the page size.
    pub(crate) block_bytes: usize,
    /// How many blocks.
    pub(crate) blocks: usize,
    /// Bytes of each block before its first frame.
    pub(crate) lead_bytes: usize,
    /// After how long a block with frames is closed although it is not full.
    pub(crate) retire_ms: u32,
}

/// An AF_PACKET socket.
#[derive(Debug)]
pub(crate) struct PacketSocket(OwnedFd);

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl PacketSocket {
    /// A socket that receives nothing yet, since it has no protocol. `cooked`:
    /// frames come without their link-layer header.
    pub(crate) fn new(cooked: bool) -> io::Result<Self> {
        let kind = if cooked {
            libc::SOCK_DGRAM
        } else {
            libc::SOCK_RAW
        };
        // SAFETY: takes numbers only; a descriptor that it returns is ours alone.
        unsafe {
            let fd = check(libc::socket(libc::AF_PACKET, kind | libc::SOCK_CLOEXEC, 0))?;
            Ok(Self(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// Sets an option. `T` must be the type that the option takes, which the
    /// callers in this file see to.
    fn set<T>(&self, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
        // SAFETY: `value` is valid for reads of the size given, for the call.
        check(unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                level,
                option,
                std::ptr::from_ref(value).cast(),
                size_of::<T>(),
            )
        })?;
        Ok(())
    }

    fn set_packet(&self, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
        self.set(libc::SOL_PACKET, option, &value)
    }

    /// Reads an option. Every bit pattern of `T` must be a value of it.
    fn get<T: Copy>(&self, level: libc::c_int, option: libc::c_int) -> io::Result<T> {
        // SAFETY: T is one of this file's types made of integers, for which all
        // zeroes is valid; the kernel writes at most `length` bytes, its size.
        unsafe {
            let mut value: T = mem::zeroed();
            let mut length = size_of::<T>();
            check(libc::getsockopt(
                self.0.as_raw_fd(),
                level,
                option,
                (&raw mut value).cast(),
                &raw mut length,
            ))?;
            Ok(value)
        }
    }

    /// Selects TPACKET_V3. Before the ring.
    pub(crate) fn use_version_3(&self) -> io::Result<()> {
        self.set_packet(
            libc::PACKET_VERSION,
            libc::tpacket_versions::TPACKET_V3 as _,
        )
    }

    /// Keeps `bytes` more free before each frame. Before the ring.
    pub(crate) fn reserve(&self, bytes: u32) -> io::Result<()> {
        self.set_packet(libc::PACKET_RESERVE, bytes.cast_signed())
    }

    /// Which clock stamps the frames: `SOF_TIMESTAMPING_*`, or 0 for the kernel's.
    pub(crate) fn timestamp(&self, sources: u32) -> io::Result<()> {
        self.set_packet(libc::PACKET_TIMESTAMP, sources.cast_signed())
    }

    /// Leaves out what this host sends (Linux 4.20).
    pub(crate) fn ignore_outgoing(&self) -> io::Result<()> {
        self.set_packet(PACKET_IGNORE_OUTGOING, 1)
    }

    /// Makes the ring.
    pub(crate) fn make_ring(&self, shape: &RingShape) -> io::Result<()> {
        let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
        let block_bytes = u32::try_from(shape.block_bytes).map_err(invalid)?;
        let blocks = u32::try_from(shape.blocks).map_err(invalid)?;
        let lead = u32::try_from(shape.lead_bytes.saturating_sub(48)).map_err(invalid)?;
        // Frames are of any length in this version of the ring; the kernel only
        // checks that these two numbers fit the blocks.
        let frame_bytes = 2048.min(block_bytes);
        let request = libc::tpacket_req3 {
            tp_block_size: block_bytes,
            tp_block_nr: blocks,
            tp_frame_size: frame_bytes,
            tp_frame_nr: block_bytes / frame_bytes * blocks,
            tp_retire_blk_tov: shape.retire_ms,
            tp_sizeof_priv: lead,
            tp_feature_req_word: 0,
        };
        self.set(libc::SOL_PACKET, libc::PACKET_RX_RING, &request)
    }

    /// Frees the receive ring, which must not be mapped: EBUSY otherwise.
    pub(crate) fn give_ring_back(&self) -> io::Result<()> {
        let request = libc::tpacket_req3 {
            tp_block_size: 0,
            tp_block_nr: 0,
            tp_frame_size: 0,
            tp_frame_nr: 0,
            tp_retire_blk_tov: 0,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        self.set(libc::SOL_PACKET, libc::PACKET_RX_RING, &request)
    }

    /// Attaches a filter program in place of the one before, at once.
    pub(crate) fn attach(&self, program: &[Instruction]) -> io::Result<()> {
        let mut filter = to_kernel(program);
        let program = to_fprog(&mut filter)?;
        self.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// From now on nobody can change the filter.
    pub(crate) fn lock_filter(&self) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &1)
    }

    /// Receives frames of `protocol` (an Ethernet type in host order) from the
    /// interface with `index`, or from all if 0.
    pub(crate) fn bind(&self, index: u32, protocol: u16) -> io::Result<()> {
        // SAFETY: all zeroes is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = index.cast_signed();
        // SAFETY: `address` is valid for reads of the size given, for the call.
        check(unsafe {
            libc::bind(
                self.0.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>(),
            )
        })?;
        Ok(())
    }

    /// Makes the interface take frames for other hosts too, while this socket
    /// is open.
    pub(crate) fn be_promiscuous(&self, index: u32) -> io::Result<()> {
        let membership = libc::packet_mreq {
            mr_ifindex: index.cast_signed(),
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        self.set(libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
    }

    /// Joins the fanout group `id`; `mode` is a `PACKET_FANOUT_*` with flags.
    pub(crate) fn join_fanout(&self, id: u16, mode: u16) -> io::Result<()> {
        let argument = u32::from(id) | u32::from(mode) << 16;
        self.set_packet(libc::PACKET_FANOUT, argument.cast_signed())
    }

    /// The id of the fanout group that the socket is in.
    pub(crate) fn fanout_id(&self) -> io::Result<u16> {
        let value: u32 = self.get(libc::SOL_PACKET, libc::PACKET_FANOUT)?;
        Ok((value & 0xffff) as u16)
    }

    /// Gives the fanout group the eBPF program that picks the member.
    pub(crate) fn fanout_by_ebpf(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        self.set_packet(PACKET_FANOUT_DATA, program.as_raw_fd())
    }

    /// Gives the fanout group the classic program that picks the member.
    pub(crate) fn fanout_by_cbpf(&self, program: &[Instruction]) -> io::Result<()> {
        let mut filter = to_kernel(program);
        let program = to_fprog(&mut filter)?;
        self.set(libc::SOL_PACKET, PACKET_FANOUT_DATA, &program)
    }

    /// Counts since the last call.
    pub(crate) fn statistics(&self) -> io::Result<Statistics> {
        // struct tpacket_stats_v3: packets, drops, freezes.
        let [packets, drops, freezes]: [u32; 3] =
            self.get(libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        Ok(Statistics {
            packets,
            drops,
            freezes,
        })
    }

    /// Takes the pending error away, if there is one.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let code: libc::c_int = self.get(libc::SOL_SOCKET, libc::SO_ERROR)?;
        Ok((code != 0).then(|| io::Error::from_raw_os_error(code)))
    }

    /// Waits until a block is closed or the socket fails, `timeout` at most.
    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<Ready> {
        let mut poll = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // Rounded up: a rest of a millisecond must not become a busy loop.
        let ms = timeout.as_nanos().div_ceil(1_000_000);
        let ms = libc::c_int::try_from(ms).unwrap_or(libc::c_int::MAX);
        // SAFETY: `poll` is one pollfd, valid for the call.
        match check(unsafe { libc::poll(&raw mut poll, 1, ms) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Ready::No),
            Err(error) => Err(error),
            Ok(0) => Ok(Ready::No),
            Ok(_) if poll.revents & (libc::POLLERR | libc::POLLNVAL) != 0 => Ok(Ready::Failed),
            Ok(_) => Ok(Ready::Frames),
        }
    }
}

fn to_kernel(program: &[Instruction]) -> Vec<libc::sock_filter> {
    (program.iter())
        .map(|i| libc::sock_filter {
            code: i.code,
            jt: i.jt,
            jf: i.jf,
            k: i.k,
        })
        .collect()
}

fn to_fprog(filter: &mut [libc::sock_filter]) -> io::Result<libc::sock_fprog> {
    let len =
        u16::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    Ok(libc::sock_fprog {
        len,
        filter: filter.as_mut_ptr(),
    })
}
