//! Compiles the trace programs from C, if the feature `trace` is on; else does nothing.
//!
//! The compiler is `$CLANG`, or `clang`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const SOURCES: &[&str] = &[
    "src/trace/trace.bpf.c",
    "src/trace/device.h",
    "src/trace/report.h",
    "src/trace/choose.h",
    "src/trace/buffer.h",
    "src/trace/filter.h",
    "src/trace/record.h",
    "src/trace/kernel.h",
];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-env-changed=CLANG");
    if env::var_os("CARGO_FEATURE_TRACE").is_none() {
        return;
    }
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let clang = env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    let status = Command::new(&clang)
        .args([
            "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror",
        ])
        .args(["-c", "src/trace/trace.bpf.c", "-o"])
        .arg(output.join("trace.bpf.o"))
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{} on the trace programs: {status}", clang.display()),
        Err(error) => panic!(
            "cannot run {}, which the feature trace needs (Debian: apt-get install clang; or set \
             CLANG): {error}",
            clang.display()
        ),
    }
}
