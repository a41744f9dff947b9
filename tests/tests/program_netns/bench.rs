//! What rate is safe, with and without the kernel's part.

use pktrail_tests::program;
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::process::Command;

const NOBODY: u32 = 65_534;

fn bench(command: &mut Command) -> Value {
    let words = ["bench", "--duration", "1", "--ring", "16M", "--json"];
    let output = command.args(words).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["bench"].clone()
}

#[test]
fn root_measures_a_real_ring_and_others_are_told_that_they_cannot() {
    let found = bench(&mut program::pktrail());
    assert!(found["kernel_missing"].is_null(), "{found}");
    let count = |name: &str| found["kernel"][name].as_u64().unwrap();
    // The least that is sent at once is a million packets.
    assert!(count("packets") + count("lost") >= 1 << 20, "{found}");
    let rate = |part: &str| found[part]["packets_per_second"].as_f64().unwrap();
    assert!(rate("kernel") < rate("cpu"), "{found}");
    assert_eq!(found["limit"], "kernel");

    let path = std::env::temp_dir().join(format!("pktrail-bench-{}", std::process::id()));
    std::fs::copy(program::path(), &path).unwrap();
    let found = bench(Command::new(&path).uid(NOBODY).gid(NOBODY));
    std::fs::remove_file(&path).unwrap();
    assert!(found["kernel"].is_null(), "{found}");
    let said = found["kernel_missing"].as_str().unwrap();
    assert!(said.contains("network namespace"), "{said}");
    assert_eq!(found["limit"], "cpu");
}
