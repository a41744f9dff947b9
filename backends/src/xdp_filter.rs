//! A filter as an XDP program in the kernel, run over frames that are given to
//! it: the same verdicts as on an interface, without one.

use crate::sys::{bpf, xdp_run};
use pktrail_core::filter::EbpfContext;
use pktrail_core::{Error, ErrorKind, Filter, Result};
use std::os::fd::{AsFd, OwnedFd};

/// `XDP_DROP` and `XDP_PASS` (`include/uapi/linux/bpf.h`).
const DROP: u32 = 1;
const PASS: u32 = 2;
/// `TC_ACT_OK` and `TC_ACT_SHOT` (`include/uapi/linux/pkt_cls.h`).
const TC_OK: u32 = 0;
const TC_SHOT: u32 = 2;

/// Has the kernel's verifier judge `filter` as a packet program for `context`. The
/// program is unloaded again.
///
/// # Errors
/// As [`XdpFilter::load`].
pub fn verify(filter: &Filter, context: EbpfContext) -> Result<()> {
    let (program_type, accept, reject) = match context {
        EbpfContext::Xdp => (bpf::PROGRAM_XDP, PASS, DROP),
        EbpfContext::Tc => (bpf::PROGRAM_TC, TC_OK, TC_SHOT),
        EbpfContext::Skb => {
            let what = "a filter for a tracing program is no program: see SkbProgram";
            return Err(Error::new(ErrorKind::Usage, what));
        }
    };
    load(filter, context, program_type, accept, reject).map(drop)
}

fn load(
    filter: &Filter,
    context: EbpfContext,
    program_type: u32,
    accept: u32,
    reject: u32,
) -> Result<OwnedFd> {
    let program = filter.ebpf(context, accept as i32, reject as i32)?;
    let program: Vec<bpf::Instruction> = program
        .iter()
        .map(|i| bpf::Instruction::new(i.opcode, i.dst, i.src, i.offset, i.imm))
        .collect();
    bpf::load(program_type, "pktrail_filter", &program)
}

/// A filter that the kernel has verified as an XDP program.
#[derive(Debug)]
pub struct XdpFilter(OwnedFd);

impl XdpFilter {
    /// Loads `filter` as a program that passes what it accepts, and drops the
    /// rest.
    ///
    /// # Errors
    /// `Unsupported` if it asks for what is not in the packet; `Permission`
    /// without CAP_BPF and CAP_NET_ADMIN; otherwise what the verifier said.
    pub fn load(filter: &Filter) -> Result<Self> {
        load(filter, EbpfContext::Xdp, bpf::PROGRAM_XDP, PASS, DROP).map(Self)
    }

    /// Whether the kernel's program accepts `frame`, of 14 to about 3,500 bytes.
    ///
    /// # Errors
    /// What bpf(BPF_PROG_TEST_RUN) says.
    pub fn accepts(&self, frame: &[u8]) -> Result<bool> {
        let verdict = xdp_run::run_once(self.0.as_fd(), frame)
            .map_err(|error| Error::io("bpf(BPF_PROG_TEST_RUN) for a filter", error))?;
        Ok(verdict == PASS)
    }
}
