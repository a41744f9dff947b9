//! What a recorded run says about the machine: enough to judge the figures,
//! nothing that names it.

use crate::measure::program;
use crate::peer::Peer;
use std::fs;
use std::process::Command;

/// Kernel, processor, memory and load, a line each.
pub fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
    };
    let cpus = read("/proc/cpuinfo");
    let count = cpus
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let virtualised = cpus.lines().any(|line| {
        line.starts_with("flags") && line.split_whitespace().any(|flag| flag == "hypervisor")
    });
    let memory_kib: u64 = value(&read("/proc/meminfo"), "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split(' ').take(3).collect();
    format!(
        "kernel     {} {}\nCPU        {}\nCPUs       {count}{}\nmemory     {:.0} GiB\n\
         load       {} (1, 5 and 15 minutes before)\n",
        read("/proc/sys/kernel/osrelease").trim(),
        std::env::consts::ARCH,
        value(&cpus, "model name"),
        if virtualised {
            ", of a virtual machine"
        } else {
            ""
        },
        memory_kib as f64 / 1024.0 / 1024.0,
        load.join(" "),
    )
}

/// What a program says of its version, in one line.
pub fn version(peer: &Peer) -> String {
    let output = Command::new(program(peer)).arg("--version").output();
    let Ok(output) = output else {
        return "not installed".to_owned();
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or("unknown").trim().to_owned()
}
