//! A file with an index: others do not notice it.

use crate::Folder;
use crate::peers::{run, tshark_fields};
use pktrail::output::{FileSink, Output};
use pktrail::pcapng::INDEX_BLOCK;
use pktrail::{Account, Batch, FrameInfo, Interface, LinkType, Sink};
use std::path::Path;
use std::sync::Arc;

#[test]
fn stock_readers_skip_the_index() {
    let folder = Folder::new();
    let path = folder.path("indexed.pcapng");
    let mut sink = FileSink::open(Output::new(Path::new(&path))).unwrap();
    let interface = Interface {
        name: "eth0".into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    let interfaces = Arc::new(vec![interface]);
    let count = 3_000;
    for number in 0..count {
        let info = FrameInfo {
            timestamp_ns: 1_795_341_600_000_000_000 + number,
            caplen: 1_000,
            len: 1_000,
            ..FrameInfo::default()
        };
        let batch = Batch::new(vec![2; 1_000], vec![info], Arc::clone(&interfaces));
        sink.write(batch).unwrap();
    }
    sink.finish(&Account::default()).unwrap();
    let file = std::fs::read(&path).unwrap();
    let index = INDEX_BLOCK.to_le_bytes();
    assert!(file.windows(4).any(|word| word == index), "there is one");
    let rows = tshark_fields(&path, &["frame.number", "frame.len"]);
    assert_eq!(rows.len() as u64, count);
    let info = run("capinfos", &["-c", "-M", &path]);
    assert!(info.err.is_empty(), "{}", info.err);
    assert!(info.text().contains("3000"), "{}", info.text());
    let printed = run("tcpdump", &["-n", "-e", "-r", &path]).text();
    let frames = printed.lines().filter(|line| !line.starts_with('\t'));
    assert_eq!(frames.count() as u64, count);
    // What editcap makes of it is read too, though its index is gone.
    let copy = folder.path("copy.pcapng");
    run("editcap", &[&path, &copy]);
    assert_eq!(tshark_fields(&copy, &["frame.number"]).len() as u64, count);
}
