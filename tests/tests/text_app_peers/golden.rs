//! The golden files of `capture-core` for these protocols: a capture of some of
//! the frames, and what tcpdump prints of it. They are written anew by
//!
//! ```text
//! PKTRAIL_GOLDEN=write cargo test -p pktrail-tests --test text_app_peers golden
//! ```

use super::frames;
use pktrail_core::LinkType;
use pktrail_tests::tcpdump::{Recorded, pcap, tcpdump};
use std::path::Path;
use std::{env, fs};

/// Flags, with the name of the file for what they print.
const FILES: &[(&str, &[&str])] = &[
    ("n", &["-n"]),
    ("n-v", &["-n", "-v"]),
    ("n-vvv-t", &["-n", "-vvv", "-t"]),
];

/// One frame in so many is kept, and one in so many of those is cut.
const KEPT: usize = 9;
const CUT: usize = 8;

fn some_frames() -> Vec<Recorded> {
    frames::all()
        .into_iter()
        .step_by(KEPT)
        .map(|made| Recorded::whole(made.bytes))
        .enumerate()
        .map(|(index, frame)| match index % CUT {
            0 => frame.cut(frame.data.len() * 3 / 4),
            _ => frame,
        })
        .collect()
}

#[test]
fn golden_files_are_what_tcpdump_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../capture-core/tests/golden");
    let write = env::var_os("PKTRAIL_GOLDEN").is_some();
    let capture = pcap(LinkType::ETHERNET, &some_frames());
    let mut files = vec![("app.pcap".to_owned(), capture.clone())];
    for (name, flags) in FILES {
        files.push((
            format!("app.{name}.txt"),
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
