//! Spreading one interface's frames over several rings (packet(7),
//! `PACKET_FANOUT`).

use super::steering;
use crate::sys::packet::PacketSocket;
use pktrail_core::{Error, ErrorKind, Instruction, Notice, Result};
use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;

/// How the kernel picks the member for a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FanoutMode {
    /// By the hash of the flow: both directions of it on one ring.
    #[default]
    Hash,
    /// In turn.
    LoadBalance,
    /// By the processor that received the frame.
    Cpu,
    /// At random.
    Random,
    /// The first until it is full, then the next.
    Rollover,
    /// By the device's receive queue.
    QueueMapping,
    /// By a program of ours: by the pair of addresses, so that fragments, and
    /// all flows between two hosts in both directions, stay on one ring.
    Ebpf,
}

impl FanoutMode {
    /// The modes by name, as `--fanout N:NAME` takes them.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("hash", Self::Hash),
        ("lb", Self::LoadBalance),
        ("cpu", Self::Cpu),
        ("rnd", Self::Random),
        ("rollover", Self::Rollover),
        ("qm", Self::QueueMapping),
        ("ebpf", Self::Ebpf),
    ];

    /// The name, as [`FanoutMode::from_str`] takes it.
    pub fn name(self) -> &'static str {
        (Self::NAMES.iter())
            .find(|(_, mode)| *mode == self)
            .map_or("hash", |(name, _)| name)
    }
}

impl FromStr for FanoutMode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        (Self::NAMES.iter())
            .find(|(known, _)| *known == name)
            .map(|(_, mode)| *mode)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
                let what = format!("no fanout mode {name}: there are {}", names.join(", "));
                Error::new(ErrorKind::Usage, what)
            })
    }
}

/// Membership of a fanout group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fanout {
    /// The group's id, or `None` for the kernel to pick a free one.
    pub group: Option<u16>,
    /// Which member this is, from 0.
    pub member: u32,
    /// How the kernel picks the member for a frame.
    pub mode: FanoutMode,
    /// Whether a frame for a full ring goes to the next one with room. It breaks
    /// the order within a flow, which the merge by time restores.
    pub rollover: bool,
    /// Whether IPv4 fragments are put together before the member is picked. The
    /// kernel then delivers the whole datagram in place of the fragments.
    pub defrag: bool,
}

const MODE_HASH: u16 = 0;
const MODE_LB: u16 = 1;
const MODE_CPU: u16 = 2;
const MODE_ROLLOVER: u16 = 3;
const MODE_RND: u16 = 4;
const MODE_QM: u16 = 5;
const MODE_CBPF: u16 = 6;
const MODE_EBPF: u16 = 7;
const FLAG_ROLLOVER: u16 = 0x1000;
const FLAG_UNIQUE_ID: u16 = 0x2000;
const FLAG_DEFRAG: u16 = 0x8000;

/// Joins the group, and returns its id.
pub(super) fn join(
    socket: &PacketSocket,
    fanout: &Fanout,
    notices: &mut impl Extend<Notice>,
) -> Result<u16> {
    let mut flags = 0;
    if fanout.rollover {
        flags |= FLAG_ROLLOVER;
    }
    if fanout.defrag {
        flags |= FLAG_DEFRAG;
    }
    let program = match fanout.mode {
        FanoutMode::Ebpf => steering::load().map(Some),
        _ => Ok(None),
    };
    let mode = match (fanout.mode, &program) {
        (FanoutMode::Hash, _) => MODE_HASH,
        (FanoutMode::LoadBalance, _) => MODE_LB,
        (FanoutMode::Cpu, _) => MODE_CPU,
        (FanoutMode::Rollover, _) => MODE_ROLLOVER,
        (FanoutMode::Random, _) => MODE_RND,
        (FanoutMode::QueueMapping, _) => MODE_QM,
        (FanoutMode::Ebpf, Ok(_)) => MODE_EBPF,
        (FanoutMode::Ebpf, Err(error)) => {
            notices.extend([Notice::Said(format!(
                "the fanout program runs as classic BPF: loading it as eBPF failed ({error:#})"
            ))]);
            MODE_CBPF
        }
    };
    let failed = |e: io::Error| Error::io(format!("cannot join a fanout group: {}", why(&e)), e);
    match fanout.group {
        Some(group) => socket.join_fanout(group, mode | flags),
        None => socket.join_fanout(0, mode | flags | FLAG_UNIQUE_ID),
    }
    .map_err(failed)?;
    // Each member gives the program: the last one stands, and all are the same.
    match (mode, &program) {
        (MODE_EBPF, Ok(Some(program))) => socket.fanout_by_ebpf(program.as_fd()).map_err(failed)?,
        (MODE_CBPF, _) => socket.fanout_by_cbpf(&steering_program()).map_err(failed)?,
        _ => {}
    }
    socket.fanout_id().map_err(failed)
}

/// The id of the group that follows `group` on an interface that has come back
/// with `index`.
pub(super) fn next_group(group: u16, index: u32) -> u16 {
    // Far from its neighbours: groups are often numbered in sequence.
    let [low, high, _, _] = index.wrapping_mul(0x9e37_79b1).to_be_bytes();
    group ^ u16::from_be_bytes([low, high]) | 1
}

fn why(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EINVAL) => "another program has a group of this number with other settings",
        Some(libc::ENOSPC) => "the group is full",
        Some(libc::EALREADY) => "the socket is in one already",
        _ => "the kernel refused",
    }
}

/// The steering program as classic BPF, which needs no capability.
fn steering_program() -> Vec<Instruction> {
    (steering::ADDRESS_STEERING.iter())
        .map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k })
        .collect()
}
