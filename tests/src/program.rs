//! The program under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A command that runs the `pktrail` built from this tree. Builds it first, once
/// for each test binary, unless `PKTRAIL_PROGRAM` says where it lies: a test that
/// runs as root must not build in another user's tree.
///
/// # Panics
/// If it does not build.
pub fn pktrail() -> Command {
    Command::new(path())
}

/// Where the built program lies.
///
/// # Panics
/// If it does not build.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os("PKTRAIL_PROGRAM") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    // A test binary lies in target/PROFILE/deps, the program in target/PROFILE.
    let test = std::env::current_exe().expect("the test binary has a path");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("a test binary lies two folders deep");
    let name = profile
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("debug");
    let name = if name == "debug" { "dev" } else { name };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--package",
            "pktrail-cli",
            "--profile",
            name,
        ])
        .args(cfg!(feature = "trace").then_some("--features=trace"))
        .arg("--target-dir")
        .arg(
            profile
                .parent()
                .expect("a profile lies in the target folder"),
        )
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the program does not build");
    profile.join("pktrail")
}
