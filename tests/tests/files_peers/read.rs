//! Files that others wrote, read by us; and what passes through us.

use crate::peers::{run, try_run, tshark_fields};
use crate::{Folder, as_pcap, batch, frames, pcapng_bytes, read, seen};
use pktrail::file::{FileSource, Options};
use pktrail::{Next, Note, Source, pcapng};
use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

/// Without the options that editcap and mergecap do not keep.
fn same(ours: &[crate::Seen], theirs: &[crate::Seen]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn what_editcap_mergecap_and_tshark_write_is_read_the_same() {
    let folder = Folder::new();
    let batch = batch(600);
    let all = seen(&batch);
    let path = folder.file("ours", &pcapng_bytes(&batch));
    let copy = folder.path("copy");
    for (program, args, unit_ns) in [
        ("editcap", &["-F", "pcap", &path, &copy][..], 1000),
        ("editcap", &["-F", "nsecpcap", &path, &copy], 1),
        ("tshark", &["-r", &path, "-F", "pcap", "-w", &copy], 1000),
        ("mergecap", &["-F", "nsecpcap", "-w", &copy, &path], 1),
    ] {
        run(program, args);
        same(&frames(&copy), &as_pcap(&all, unit_ns));
    }
    for (program, args) in [
        ("editcap", &["-F", "pcapng", &path, &copy][..]),
        ("mergecap", &["-w", &copy, &path]),
        ("tshark", &["-r", &path, "-w", &copy]),
    ] {
        run(program, args);
        same(&frames(&copy), &all);
    }
    // A file of two merged ones has the interfaces of both.
    run("mergecap", &["-I", "none", "-w", &copy, &path, &path]);
    let (merged, _, end) = read(&copy);
    assert_eq!(merged.len(), 1200);
    assert_eq!(end.expect("a sound file").interfaces().len(), 4);
    for frame in &merged {
        assert!(all.contains(frame));
    }
}

#[test]
fn compressed_files_of_the_usual_programs_are_read() {
    let folder = Folder::new();
    let batch = batch(600);
    let all = seen(&batch);
    let bytes = pcapng_bytes(&batch);
    let path = folder.file("ours", &bytes);
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let (first, second) = (folder.file("first", first), folder.file("second", second));
    for (program, args) in [
        ("gzip", &["-c"][..]),
        ("zstd", &["-q", "-c"]),
        ("zstd", &["-q", "-c", "-19", "--long=27"]),
        ("lz4", &["-q", "-c"]),
        ("lz4", &["-q", "-c", "-9", "-B4", "-BD"]),
    ] {
        let pack = |path: &str| run(program, &[args, &[path]].concat()).out;
        let whole = folder.file("whole", &pack(&path));
        assert_eq!(frames(&whole), all, "{program} {args:?}");
        let parts = folder.file("parts", &[pack(&first), pack(&second)].concat());
        assert_eq!(frames(&parts), all, "{program} {args:?} in two parts");
    }
}

#[test]
fn a_fifo_and_a_pipe_are_read_as_they_are_written() {
    let folder = Folder::new();
    let batch = batch(600);
    let all = seen(&batch);
    let path = folder.file("ours", &pcapng_bytes(&batch));
    let fifo = folder.path("fifo");
    run("mkfifo", &[&fifo]);
    let mut writer = Command::new("tshark")
        .args(["-r", &path, "-w", &fifo])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("tshark starts");
    let source = FileSource::open(&fifo, Options::default()).expect("the fifo opens");
    assert_eq!(drain(source), all);
    assert!(writer.wait().expect("tshark ends").success());

    let zipped = folder.file("zipped", &run("gzip", &["-c", &path]).out);
    let file = File::open(zipped).expect("it is there");
    let source = FileSource::from_reader(Box::new(file), "pipe").expect("a thread");
    assert_eq!(drain(source), all);
}

fn drain(mut source: FileSource) -> Vec<crate::Seen> {
    let mut frames = Vec::new();
    loop {
        match source
            .next_batch(Duration::from_secs(20))
            .expect("sound input")
        {
            Next::Batch(batch) => frames.extend(seen(&batch)),
            Next::End => return frames,
            _ => panic!("nothing came in time"),
        }
    }
}

/// Reads a file and writes it again.
fn through_us(path: &str, to: &str) {
    let mut source = FileSource::open(path, Options::default()).expect("it opens");
    let mut encoder = pcapng::Encoder::new(source.sections()[0].clone());
    let mut out = Vec::new();
    encoder.section(&mut out);
    encoder
        .interfaces(source.interfaces(), &mut out)
        .expect("one link type");
    while let Next::Batch(batch) = source.next_batch(Duration::ZERO).expect("sound input") {
        encoder.batch(&batch, &mut out).expect("one link type");
    }
    fs::write(to, out).expect("it is written");
}

/// A name resolution block with two addresses. No program here writes one
/// without asking a name server.
fn names() -> Vec<u8> {
    let mut body = Vec::new();
    for (last, name) in [(1, b"first.example\0\0\0"), (2, b"second.example\0\0")] {
        // A record of type 1 with an address and a name of 14 or 15 bytes.
        let length = 4 + 13 + last;
        body.extend([1, 0, length, 0, 192, 0, 2, last]);
        body.extend(name);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    body.extend([0; 4]);
    let note = Note {
        before: 0,
        block_type: 4,
        body,
    };
    let mut out = Vec::new();
    pcapng::Encoder::new(pcapng::Section::default()).note(&note, &mut out);
    out
}

#[test]
fn comments_names_and_secrets_pass_through() {
    let folder = Folder::new();
    let path = folder.file("ours", &pcapng_bytes(&batch(50)));
    let keys = folder.file("keys", b"CLIENT_RANDOM 00 11\n");
    let secret = format!("tls,{keys}");
    let rich = folder.path("rich");
    let comments = ["-a", "1:the first", "-a", "7:täglich", "-a", "50:the last"];
    let args = [
        "--inject-secrets",
        &secret,
        "--capture-comment",
        "of the file",
        &path,
        &rich,
    ];
    run("editcap", &[&comments[..], &args].concat());
    let mut bytes = fs::read(&rich).expect("editcap wrote it");
    bytes.extend(names());
    let named = folder.file("named", &bytes);
    let again = folder.path("again");
    through_us(&named, &again);

    let fields = [
        "frame.number",
        "frame.time_epoch",
        "frame.comment",
        "frame.interface_name",
    ];
    let before = tshark_fields(&named, &fields);
    let after = tshark_fields(&again, &fields);
    assert_eq!(after, before);
    let commented: Vec<_> = after
        .iter()
        .map(|row| &row[2])
        .filter(|c| !c.is_empty())
        .collect();
    assert_eq!(commented, ["the first", "täglich", "the last"]);
    same(&frames(&again), &frames(&named));
    let lines = |path: &str| -> Vec<String> {
        let text = run("capinfos", &["-M", path]).text();
        let kept = |line: &&str| {
            [
                "decryption",
                "resolved",
                "comment",
                "Name =",
                "Speed",
                "Filter",
            ]
            .iter()
            .any(|word| line.contains(word))
        };
        text.lines().filter(kept).map(str::to_owned).collect()
    };
    let kept = lines(&again);
    assert_eq!(kept, lines(&named));
    assert!(
        kept.iter()
            .any(|line| line.contains("decryption secrets in file: 1")),
        "{kept:?}"
    );
    assert!(
        kept.iter()
            .any(|line| line.contains("resolved IPv4 addresses in file: 2"))
    );
    let (_, notes, _) = read(&again);
    let types: Vec<u32> = notes.iter().map(|note| note.block_type).collect();
    assert!(types.contains(&4) && types.contains(&10), "{types:?}");
}

#[test]
fn the_corpus_reads_as_tshark_reads_it() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/read");
    let mut files = 0;
    for entry in fs::read_dir(corpus).expect("the corpus is there") {
        let path = entry
            .expect("an entry")
            .path()
            .to_str()
            .expect("a plain path")
            .to_owned();
        if path.ends_with(".md") {
            continue;
        }
        files += 1;
        let mut args = vec!["-n", "-r", &path, "-T", "fields"];
        args.extend([
            "-e",
            "frame.time_epoch",
            "-e",
            "frame.len",
            "-e",
            "frame.cap_len",
        ]);
        args.extend(["-e", "frame.packet_flags", "-e", "frame.protocols"]);
        let theirs = try_run("tshark", &args).text();
        // tshark counts a custom block as a frame, of protocol "data".
        let frames = theirs.lines().filter_map(|line| line.rsplit_once('\t'));
        let theirs: Vec<&str> = frames
            .filter(|(_, protocols)| *protocols != "data")
            .map(|(row, _)| row.strip_prefix("0.000000000").unwrap_or(row))
            .collect();
        let mut frames = read(&path).0;
        if path.ends_with("kuznetzov.pcap") {
            // Only we read the packet type there.
            assert_eq!(frames[0].flags, pktrail::Flags::OUTBOUND);
            frames[0].flags = pktrail::Flags(0);
        }
        let ours: Vec<String> = frames.iter().map(row).collect();
        assert_eq!(ours, theirs, "{path}");
    }
    assert!(files > 10);
}

/// A frame as tshark prints it. A simple packet block has no time; we say 0.
fn row(frame: &crate::Seen) -> String {
    let (seconds, fraction) = (frame.time_ns / 1_000_000_000, frame.time_ns % 1_000_000_000);
    let time = match frame.time_ns {
        0 => String::new(),
        _ => format!("{seconds}.{fraction:09}"),
    };
    let flags = match frame.flags.0 {
        0 => String::new(),
        flags => format!("{flags:#010x}"),
    };
    format!("{time}\t{}\t{}\t{flags}", frame.len, frame.data.len())
}
