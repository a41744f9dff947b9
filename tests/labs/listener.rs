//! The program behind a queue of NFQUEUE.

use pktrail_tests::netns::VethPair;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// The program behind queue 5 of `a`.
pub(crate) struct Listener(Child);

impl Listener {
    pub(crate) fn start(pair: &VethPair, words: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/nfqueue.py");
        let mut command = pair.a.command("python3");
        command
            .args([script, "5"])
            .args(words)
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("python runs");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        said.read_line(&mut line).expect("it can be read");
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
