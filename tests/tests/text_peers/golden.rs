//! The golden files of `capture-core`: a capture, and what tcpdump prints of
//! it. They are written anew by
//!
//! ```text
//! PKTRAIL_GOLDEN=write cargo test -p pktrail-tests --test text_peers golden
//! ```

use super::frames;
use pktrail_core::LinkType;
use pktrail_tests::tcpdump::{Recorded, pcap, tcpdump};
use std::path::Path;
use std::{env, fs};

/// Flags, with the name of the file for what they print.
const FILES: &[(&str, &[&str])] = &[
    ("n", &["-n"]),
    ("n-e", &["-n", "-e"]),
    ("n-v", &["-n", "-v"]),
    ("n-vvv-e", &["-n", "-vvv", "-e"]),
    ("n-q-t", &["-n", "-q", "-t"]),
    ("n-S-tttt", &["-n", "-S", "-tttt"]),
    ("n-x-ttt", &["-n", "-x", "-ttt"]),
    ("n-XX-number", &["-n", "-XX", "-#"]),
    ("n-A-v", &["-n", "-A", "-v"]),
];

#[test]
fn golden_files_are_what_tcpdump_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../capture-core/tests/golden");
    let write = env::var_os("PKTRAIL_GOLDEN").is_some();
    let frames: Vec<Recorded> = frames::demo().into_iter().map(Recorded::whole).collect();
    let capture = pcap(LinkType::ETHERNET, &frames);
    let mut files = vec![("demo.pcap".to_owned(), capture.clone())];
    for (name, flags) in FILES {
        files.push((
            format!("demo.{name}.txt"),
            tcpdump(&capture, flags).into_bytes(),
        ));
    }
    for (name, content) in files {
        let path = folder.join(&name);
        if write {
            fs::write(&path, &content).expect("the folder may be written");
        }
        let found = fs::read(&path).unwrap_or_default();
        assert!(
            found == content,
            "{name} is out of date: see the head of this file"
        );
    }
}
