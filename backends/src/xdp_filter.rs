//! A filter as an XDP program in the kernel, run over frames that are given to
//! it: the same verdicts as on an interface, without one.

use crate::sys::{bpf, xdp_run};
use pktrail_core::filter::EbpfContext;
use pktrail_core::{Error, Filter, Result};
use std::os::fd::{AsFd, OwnedFd};

/// `XDP_DROP` and `XDP_PASS` (`include/uapi/linux/bpf.h`).
const DROP: u32 = 1;
const PASS: u32 = 2;

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
        let program = filter.ebpf(EbpfContext::Xdp, PASS as i32, DROP as i32)?;
        let program: Vec<bpf::Instruction> = program
            .iter()
            .map(|i| bpf::Instruction::new(i.opcode, i.dst, i.src, i.offset, i.imm))
            .collect();
        bpf::load(bpf::PROGRAM_XDP, "pktrail_filter", &program).map(Self)
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
