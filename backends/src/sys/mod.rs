//! All unsafe code of pktrail: system calls behind safe functions.
#![allow(unsafe_code)]

pub(crate) mod bpf;
pub(crate) mod file;
pub(crate) mod resolve;
pub(crate) mod xdp_run;
