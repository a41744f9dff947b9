//! Files compressed while they are written, by others.

use crate::peers::{run, tshark_fields};
use crate::{Folder, batch, seen};
use pktrail::output::{Compression, FileSink, Output};
use pktrail::{Account, Sink};
use std::path::Path;

#[test]
fn tshark_zstd_and_gzip_read_every_piece() {
    let folder = Folder::new();
    let all = [
        (Compression::Zstandard(3), "zstd"),
        (Compression::Gzip(6), "gzip"),
    ];
    for (compression, program) in all {
        let path = folder.path(program);
        let mut sink = FileSink::open(Output {
            compression: Some(compression),
            packet_buffered: true,
            is_live: false,
            ..Output::new(Path::new(&path))
        })
        .unwrap();
        let count = 30 * seen(&batch(200)).len();
        for _ in 0..30 {
            sink.write(batch(200)).unwrap();
        }
        sink.finish(&Account::default()).unwrap();
        assert_eq!(
            tshark_fields(&path, &["frame.number"]).len(),
            count,
            "{program}"
        );
        let plain = run(program, &["-d", "-c", &path]).out;
        let plain = folder.file("plain.pcapng", &plain);
        assert_eq!(
            tshark_fields(&plain, &["frame.number"]).len(),
            count,
            "{program}"
        );
    }
}
