//! Frames of one flow: the same by the index as by reading all of the file, and
//! the rest is not read.

use etherparse::PacketBuilder;
use pktrail::file::{FileSource, Moment, Options, Part, add_index};
use pktrail::output::{FileSink, Output};
use pktrail::pcapng::{FLOWS_BLOCK, INDEX_BLOCK};
use pktrail::{Account, Batch, ErrorKind, FrameInfo, Interface, LinkType, Next, Sink, Source};
use pktrail_tests::files::Folder;
use pktrail_tests::program::pktrail;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const FRAMES: u32 = 30_000;
const START: u64 = 1_795_341_600_000_000_000;
/// Flow n lives for so many frames, while four others do.
const LIFE: u32 = 1_000;

fn at(number: u32) -> u64 {
    START + u64::from(number) * 1_000_000
}

/// The flow that a frame belongs to: its client's address, and port.
fn client(number: u32) -> ([u8; 4], u16) {
    let flow = number / LIFE * 5 + number % 5;
    ([10, 0, (flow / 8) as u8, 1], (4_000 + flow) as u16)
}

/// Frame n goes to a server or comes from there, by TCP or UDP; some are ARP.
fn frame(number: u32) -> Vec<u8> {
    let (address, port) = client(number);
    let (server, service) = ([192, 0, 2, 1], 443);
    let (from, to, ports) = match number % 2 {
        0 => (address, server, (port, service)),
        _ => (server, address, (service, port)),
    };
    let payload = vec![0; 400];
    let mut data = Vec::new();
    if number.is_multiple_of(97) {
        data.extend([2; 12]);
        data.extend([8, 6]);
        data.resize(60, 0);
        return data;
    }
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from, to, 64);
    let written = match number % 5 {
        0 => builder.udp(ports.0, ports.1).write(&mut data, &payload),
        _ => builder
            .tcp(ports.0, ports.1, number, 512)
            .write(&mut data, &payload),
    };
    written.unwrap();
    data
}

fn batch(numbers: std::ops::Range<u32>) -> Batch {
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    for number in numbers {
        let data = frame(number);
        frames.push(FrameInfo {
            timestamp_ns: at(number),
            offset: bytes.len() as u32,
            caplen: data.len() as u32,
            len: data.len() as u32,
            ..FrameInfo::default()
        });
        bytes.extend(data);
    }
    let interface = Interface {
        name: "eth0".into(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    Batch::new(bytes, frames, Arc::new(vec![interface]))
}

fn write(path: &Path, frames: u32) {
    let mut sink = FileSink::open(Output::new(path)).unwrap();
    for first in (0..frames).step_by(500) {
        sink.write(batch(first..first + 500)).unwrap();
    }
    sink.finish(&Account::default()).unwrap();
}

/// The times of the frames as their numbers, how many were received in all, and how
/// many bytes it took.
struct Got {
    numbers: Vec<u32>,
    received: u64,
    bytes: u64,
}

fn read(mut source: FileSource) -> Got {
    let mut numbers = Vec::new();
    while let Next::Batch(batch) = source.next_batch(Duration::ZERO).unwrap() {
        let number = |frame: &FrameInfo| ((frame.timestamp_ns - START) / 1_000_000) as u32;
        numbers.extend(batch.frames.iter().map(number));
    }
    let account = source.account().unwrap();
    assert_eq!(account.received - account.filtered, numbers.len() as u64);
    Got {
        numbers,
        received: account.received,
        bytes: source.offset(),
    }
}

fn part(path: &Path, pattern: &str, numbers: std::ops::Range<u32>) -> (Got, bool) {
    let part = Part {
        from: Some(Moment::at(at(numbers.start))),
        to: Some(Moment::at(at(numbers.end))),
        flow: Some(pattern.parse().unwrap()),
    };
    let source = FileSource::open_part(path, Options::default(), part).unwrap();
    let has_flow_index = source.has_flow_index();
    (read(source), has_flow_index)
}

/// What the generator says of the frames of flow `flow`.
fn expected(flow: u32, numbers: std::ops::Range<u32>) -> Vec<u32> {
    let is_of = |number: &u32| number / LIFE * 5 + number % 5 == flow && !number.is_multiple_of(97);
    numbers.filter(is_of).collect()
}

fn pattern(flow: u32) -> String {
    let [a, b, c, d] = client(flow / 5 * LIFE + flow % 5).0;
    format!("192.0.2.1:443-{a}.{b}.{c}.{d}:{}", 4_000 + flow)
}

/// The block that ends at `end`: its type and where it begins.
fn block_before(file: &[u8], end: usize) -> (u32, usize) {
    let word = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().unwrap());
    let at = end - word(end - 4) as usize;
    (word(at), at)
}

#[test]
fn a_flow_is_found_without_reading_the_rest() {
    let folder = Folder::new("flows-found");
    let path = folder.path("a.pcapng");
    write(&path, FRAMES);
    let plain = fs::read(&path).unwrap();
    let indexed = add_index(&path, |_, _| {}).unwrap();
    let file = fs::read(&path).unwrap();
    assert_eq!(indexed.frames, u64::from(FRAMES));
    assert_eq!(indexed.file_bytes, file.len() as u64);
    let (kind, at) = block_before(&file, file.len());
    let (before, flows_at) = block_before(&file, at);
    assert_eq!((kind, before), (INDEX_BLOCK, FLOWS_BLOCK));
    assert_eq!(flows_at as u64 + indexed.index_bytes, indexed.file_bytes);
    assert_eq!(
        file[..flows_at],
        plain[..flows_at],
        "only the index changes"
    );
    for flow in [0, 1, 77, 149] {
        let (got, has_flow_index) = part(&path, &pattern(flow), 0..FRAMES);
        assert!(has_flow_index);
        assert_eq!(got.numbers, expected(flow, 0..FRAMES), "flow {flow}");
        assert_eq!(got.received, u64::from(FRAMES), "the account is the file's");
        assert!(got.bytes < file.len() as u64 / 4, "{} bytes", got.bytes);
    }
    // In a part of the time.
    let numbers = 15_200..15_300;
    let (got, _) = part(&path, &pattern(77), numbers.clone());
    assert_eq!(got.numbers, expected(77, numbers));
    // By hosts alone, and by a protocol that is not theirs.
    let (got, has_flow_index) = part(&path, "192.0.2.1-10.0.0.1", 0..FRAMES);
    let mut flows: Vec<u32> = (0..8).flat_map(|flow| expected(flow, 0..FRAMES)).collect();
    flows.sort_unstable();
    assert!(has_flow_index);
    assert_eq!(got.numbers, flows);
    let (got, _) = part(&path, &format!("{}/sctp", pattern(3)), 0..FRAMES);
    assert_eq!(got.numbers, [0; 0]);
    let (got, _) = part(&path, "192.0.2.1:443-10.9.9.9:1", 0..FRAMES);
    assert!(got.numbers.is_empty() && got.bytes < file.len() as u64 / 10);
    // Once more, it comes out the same.
    assert_eq!(add_index(&path, |_, _| {}).unwrap(), indexed);
    assert_eq!(fs::read(&path).unwrap(), file);
}

#[test]
fn files_with_another_index_or_none_are_read_through() {
    let folder = Folder::new("flows-none");
    let path = folder.path("a.pcapng");
    write(&path, FRAMES);
    let of_times = fs::read(&path).unwrap();
    add_index(&path, |_, _| {}).unwrap();
    let whole = fs::read(&path).unwrap();
    let (_, index_at) = block_before(&whole, whole.len());
    let (_, flows_at) = block_before(&whole, index_at);
    let mut flipped = whole.clone();
    flipped[flows_at + 10..index_at - 10]
        .iter_mut()
        .for_each(|byte| *byte ^= 0x55);
    let cut = whole[..flows_at].to_vec();
    for (name, bytes) in [("times", of_times), ("flipped", flipped), ("cut", cut)] {
        fs::write(&path, bytes).unwrap();
        let (got, has_flow_index) = part(&path, &pattern(60), 0..FRAMES);
        assert!(!has_flow_index, "{name}");
        assert_eq!(got.numbers, expected(60, 0..FRAMES), "{name}");
        assert_eq!(got.received, u64::from(FRAMES), "{name}");
        // The next index is as good as the first; what is damaged stays behind.
        add_index(&path, |_, _| {}).unwrap();
        assert!(
            name == "flipped" || fs::read(&path).unwrap() == whole,
            "{name}"
        );
        let (got, has_flow_index) = part(&path, &pattern(60), 0..FRAMES);
        assert!(
            has_flow_index && got.numbers == expected(60, 0..FRAMES),
            "{name}"
        );
    }
}

#[test]
fn sections_that_follow_one_another_keep_their_interfaces() {
    let folder = Folder::new("flows-sections");
    let path = folder.path("a.pcapng");
    write(&path, FRAMES / 2);
    let one = fs::read(&path).unwrap();
    fs::write(&path, [one.clone(), one].concat()).unwrap();
    add_index(&path, |_, _| {}).unwrap();
    for flow in [2, 70] {
        let (got, has_flow_index) = part(&path, &pattern(flow), 0..FRAMES);
        let once = expected(flow, 0..FRAMES / 2);
        assert!(has_flow_index);
        assert_eq!(got.numbers, [once.clone(), once].concat());
    }
}

#[test]
fn what_cannot_have_an_index_is_refused_and_stays() {
    let folder = Folder::new("flows-refused");
    let path = folder.path("a.pcapng");
    write(&path, 2_000);
    let whole = fs::read(&path).unwrap();
    let mut big_endian = whole.clone();
    big_endian[8..12].reverse();
    for (bytes, kind, words) in [
        (
            &whole[..whole.len() - 500],
            ErrorKind::Damaged,
            "pktrail repair",
        ),
        (
            &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0],
            ErrorKind::Usage,
            "-r and -w",
        ),
        (&big_endian, ErrorKind::Usage, "little-endian"),
        (b"", ErrorKind::Usage, "only little-endian pcapng"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = add_index(&path, |_, _| {}).unwrap_err();
        assert_eq!(error.kind(), kind, "{error:#}");
        assert!(format!("{error:#}").contains(words), "{error:#}");
        assert!(fs::read(&path).unwrap() == bytes);
    }
    fs::write(&path, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).unwrap();
    let error = add_index(&path, |_, _| {}).unwrap_err();
    assert!(
        format!("{error:#}").contains("decompress it first"),
        "{error:#}"
    );
    // So short that nothing is gained.
    write(&path, 500);
    let done = add_index(&path, |_, _| {}).unwrap();
    assert_eq!((done.frames, done.index_bytes), (500, 0));
}

#[test]
fn the_program_has_it_all() {
    let folder = Folder::new("flows-program");
    let path = folder.path("a.pcapng");
    write(&path, FRAMES);
    let ended = |words: &[&str]| {
        let output = pktrail().args(words).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), printed, said)
    };
    let file = path.to_str().unwrap();
    let (code, printed, _) = ended(&["index", file]);
    assert!(
        code == Some(0) && printed.contains("30000 packets, index of"),
        "{printed}"
    );
    let (_, printed, _) = ended(&["index", "--json", file]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&printed).unwrap()["packets"],
        FRAMES
    );
    let (flow, all) = (pattern(60), expected(60, 0..FRAMES));
    let count = |more: &[&str]| {
        let mut words = vec!["-r", file, "--flow", &flow, "--count"];
        words.extend(more);
        let (code, printed, said) = ended(&words);
        assert_eq!(code, Some(0), "{said}");
        printed.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(count(&[]), all.len());
    assert_eq!(count(&["-c", "7"]), 7);
    assert_eq!(count(&["udp"]), all.len());
    assert_eq!(count(&["tcp"]), 0);
    let outgoing = all.iter().filter(|number| *number % 2 == 0).count();
    assert_eq!(count(&["src", "port", "4060"]), outgoing);
    let copy = folder.path("b.pcapng");
    let (code, ..) = ended(&["-r", file, "--flow", &flow, "-w", copy.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    let copied = read(FileSource::open(&copy, Options::default()).unwrap());
    assert_eq!(copied.numbers, all);
    for (words, sentence) in [
        (
            &["-r", file, "--flow", "web-1"][..],
            "'web' is no end of a flow",
        ),
        (&["--flow", &flow], "only with -r FILE"),
    ] {
        let (code, _, said) = ended(words);
        assert!(code == Some(2) && said.contains(sentence), "{said}");
    }
    let (code, _, said) = ended(&["index", "/nonexistent", file]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot index /nonexistent"), "{said}");
}
