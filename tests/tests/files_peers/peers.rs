//! Running other programs.

use std::process::{Command, Stdio};

/// What a program said, and whether it was content.
pub(crate) struct Said {
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
    pub(crate) ok: bool,
}

impl Said {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// Runs a program, which need not succeed.
pub(crate) fn try_run(program: &str, args: &[&str]) -> Said {
    let output = Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    Said {
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        ok: output.status.success(),
    }
}

/// Runs a program, which must succeed.
pub(crate) fn run(program: &str, args: &[&str]) -> Said {
    let said = try_run(program, args);
    assert!(said.ok, "{program} {args:?}: {}", said.err);
    said
}

/// One row a frame, one column a field.
pub(crate) fn tshark_fields(path: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut args = vec!["-n", "-r", path, "-T", "fields"];
    for field in fields {
        args.extend(["-e", field]);
    }
    let row = |line: &str| line.split('\t').map(str::to_owned).collect();
    run("tshark", &args).text().lines().map(row).collect()
}
