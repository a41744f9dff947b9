//! A filter for packets inside the kernel, run there over packets that are given to it: the same
//! verdicts as at a tracepoint, without traffic. In the programs that trace it is put by
//! `trace`.

use crate::sys::{bpf, xdp_run};
use pktrail_core::filter::{EbpfInstruction, SkbFilter};
use pktrail_core::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};

/// `sizeof(struct packet)` of `trace/filter.h`; the packet's bytes follow.
const HEAD: usize = 176;
/// Longest packet that can be given.
const LONGEST: usize = 4096;
/// The kernel's buffers go on after their end, and so do ours.
const BEHIND: usize = 320;

/// A packet as the kernel has it: `struct packet` of `trace/filter.h`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkbPacket<'a> {
    /// It begins with the network header; else with the Ethernet header.
    pub is_network: bool,
    /// The bytes of the linear part.
    pub linear: &'a [u8],
    /// Length, with what is not in the linear part.
    pub length: u32,
    /// Index of the interface.
    pub interface: u32,
    /// Firewall mark.
    pub mark: u32,
    /// Queue.
    pub queue: u32,
    /// EtherType.
    pub protocol: u32,
    /// `PACKET_HOST` and so on (`include/uapi/linux/if_packet.h`).
    pub packet_type: u32,
    /// The VLAN tag that is beside the packet: its second word.
    pub tag: Option<u16>,
}

impl SkbPacket<'_> {
    fn bytes(&self) -> Vec<u8> {
        // The address of the first byte is filled in by the program.
        let mut bytes = vec![0; 8];
        let facts = [
            u32::try_from(self.linear.len()).unwrap_or(u32::MAX),
            self.length,
            self.is_network.into(),
            self.interface,
            self.mark,
            self.queue,
            self.protocol,
            self.packet_type,
            self.tag.is_some().into(),
            self.tag.unwrap_or(0).into(),
        ];
        bytes.extend(facts.iter().flat_map(|fact| fact.to_ne_bytes()));
        // What is read before it was written must not look right.
        bytes.resize(HEAD, 0xa5);
        bytes.extend_from_slice(self.linear);
        bytes.resize(bytes.len() + BEHIND, 0xa5);
        bytes
    }
}

/// A filter that the kernel has verified as a part of a raw tracepoint's program.
#[derive(Debug)]
pub struct SkbProgram {
    program: OwnedFd,
    packet: bpf::Shared,
}

impl SkbProgram {
    /// Loads `filter`.
    ///
    /// # Errors
    /// `Permission` without CAP_BPF and CAP_PERFMON; otherwise those of [`SkbFilter::function`],
    /// and what the verifier said.
    pub fn load(filter: &SkbFilter) -> Result<Self> {
        let packet = bpf::Shared::new(HEAD + LONGEST + BEHIND)?;
        let mut program = Vec::from(packet.address_into(1));
        // r2 = r1; r2 += HEAD; *(u64 *)(r1 + 0) = r2; call the function behind the next; exit
        program.extend([
            bpf::Instruction::new(0xbf, 2, 1, 0, 0),
            bpf::Instruction::new(0x07, 2, 0, 0, HEAD as i32),
            bpf::Instruction::new(0x7b, 1, 2, 0, 0),
            bpf::Instruction::new(0x85, 0, 1, 0, 1),
            bpf::Instruction::new(0x95, 0, 0, 0, 0),
        ]);
        program.extend(filter.function()?.iter().map(as_loaded));
        let program = bpf::load(bpf::PROGRAM_RAW_TRACEPOINT, "pktrail_skb", &program)?;
        Ok(Self { program, packet })
    }

    /// Whether the kernel's program accepts `packet`, of 4,096 linear bytes at most.
    ///
    /// # Errors
    /// `Usage` if it is longer; what bpf(BPF_PROG_TEST_RUN) says.
    pub fn accepts(&self, packet: &SkbPacket<'_>) -> Result<bool> {
        if packet.linear.len() > LONGEST {
            let what = format!("a packet of {} bytes is too long", packet.linear.len());
            return Err(Error::new(ErrorKind::Usage, what));
        }
        self.packet.set(&packet.bytes())?;
        let verdict = xdp_run::run_tracepoint(self.program.as_fd(), &[0])
            .map_err(|error| Error::io("bpf(BPF_PROG_TEST_RUN) for a filter", error))?;
        Ok(verdict != 0)
    }
}

fn as_loaded(instruction: &EbpfInstruction) -> bpf::Instruction {
    let i = instruction;
    bpf::Instruction::new(i.opcode, i.dst, i.src, i.offset, i.imm)
}
