//! All unsafe code of pktrail: system calls behind safe functions.
#![allow(unsafe_code)]

pub(crate) mod resolve;
