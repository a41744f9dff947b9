//! Stories with a known answer that need another kernel: functions that can be traced, IPVS, the
//! kernel's Open vSwitch. `make lab NAME` runs one in a guest to watch. Needs root.

mod datapath;
mod functions;
mod ipvs;
#[path = "../listener.rs"]
mod listener;
#[path = "../stage.rs"]
mod stage;

use std::process::Command;

/// The ways to attach to functions that this kernel has, two at least: trampolines, and one link
/// for all or, on kernels without (Debian's 6.1), a breakpoint for each.
fn methods() -> [&'static str; 2] {
    let symbols = std::fs::read_to_string("/proc/kallsyms").expect("procfs");
    let mut names = symbols.lines();
    match names.any(|line| line.ends_with(" register_fprobe_ips")) {
        true => ["fentry", "kprobe-multi"],
        false => ["fentry", "kprobe"],
    }
}

fn load_modules(names: &[&str]) {
    let status = Command::new("modprobe").arg("-a").args(names).status();
    assert!(status.expect("modprobe runs").success(), "{names:?}");
}
