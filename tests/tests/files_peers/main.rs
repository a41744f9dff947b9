//! Capture files against tshark, capinfos, editcap, mergecap and tcpdump: what
//! we write they read, what they write we read, and nothing is lost between.
//! Needs these programs, gzip, zstd and lz4; no privilege.

mod compress;
mod damage;
mod flows;
mod index;
mod peers;
mod read;
mod written;

use pktrail::file::{FileSource, Options};
use pktrail::{
    Batch, Flags, FrameInfo, Interface, LinkType, Next, Note, Result, Source, pcap, pcapng,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A folder that goes when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pktrail-files-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder for files");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").to_owned()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.0.join(name), bytes).expect("a file");
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is compared of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    time_ns: u64,
    len: u32,
    data: Vec<u8>,
    interface: String,
    flags: Flags,
    lost_before: u32,
    queue: Option<u32>,
    options: Vec<u8>,
}

fn seen(batch: &Batch) -> Vec<Seen> {
    let seen = |frame: pktrail::Frame<'_>| Seen {
        time_ns: frame.info.timestamp_ns,
        len: frame.info.len,
        data: frame.data.to_vec(),
        interface: batch
            .interface(frame.info)
            .expect("an interface")
            .full_name(),
        flags: frame.info.flags,
        lost_before: frame.info.lost_before,
        queue: frame.info.queue,
        options: frame.options.to_vec(),
    };
    batch.iter().map(seen).collect()
}

/// The frames without what pcap has no room for, in its unit of time.
fn as_pcap(frames: &[Seen], unit_ns: u64) -> Vec<Seen> {
    let plain = |frame: &Seen| Seen {
        time_ns: frame.time_ns / unit_ns * unit_ns,
        interface: String::new(),
        flags: Flags(0),
        lost_before: 0,
        queue: None,
        options: Vec::new(),
        ..frame.clone()
    };
    frames.iter().map(plain).collect()
}

/// All of a file, or its frames up to an error.
fn read(path: impl AsRef<Path>) -> (Vec<Seen>, Vec<Note>, Result<FileSource>) {
    let (mut frames, mut notes) = (Vec::new(), Vec::new());
    let mut source = match FileSource::open(path, Options::default()) {
        Ok(source) => source,
        Err(error) => return (frames, notes, Err(error)),
    };
    loop {
        match source.next_batch(Duration::from_secs(10)) {
            Ok(Next::Batch(batch)) => {
                frames.extend(seen(&batch));
                notes.extend(batch.notes);
            }
            Ok(Next::End) => return (frames, notes, Ok(source)),
            Ok(_) => panic!("a regular file is not waited for"),
            Err(error) => return (frames, notes, Err(error)),
        }
    }
}

/// The frames of a sound file.
fn frames(path: impl AsRef<Path>) -> Vec<Seen> {
    let (frames, _, end) = read(path);
    end.expect("a sound file");
    frames
}

/// Frames of every size up to 1,500 bytes on two interfaces, with all that can
/// be known about a frame on some of them.
fn batch(count: u32) -> Batch {
    let mut bytes = Vec::new();
    let mut frames = Vec::new();
    for number in 0..count {
        let caplen = 14 + number * 37 % 1487;
        let offset = bytes.len() as u32;
        // An EtherType for experiments: no program looks further.
        bytes.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]);
        bytes.extend((14..caplen).map(|place| (place * 7 + number) as u8));
        let direction = [Flags(0), Flags::INBOUND, Flags::OUTBOUND][number as usize % 3];
        frames.push(FrameInfo {
            timestamp_ns: 1_700_000_000_123_456_789 + u64::from(number) * 1_000_003,
            offset,
            caplen,
            len: caplen + number % 5,
            interface: number % 2,
            lost_before: if number % 7 == 0 { number } else { 0 },
            queue: (number % 4 == 0).then_some(number % 8),
            flags: direction.with(Flags(if number % 11 == 0 { 1 << 9 } else { 0 })),
            ..FrameInfo::default()
        });
    }
    Batch::new(bytes, frames, Arc::new(interfaces()))
}

fn interfaces() -> Vec<Interface> {
    let eth0 = Interface {
        name: "eth0".to_owned(),
        netns: Some("blue".to_owned()),
        description: Some("the uplink".to_owned()),
        link_type: LinkType::ETHERNET,
        snaplen: 65_535,
        mac: Some([2, 0, 0, 0, 0, 1]),
        addresses: vec![("192.0.2.1".parse().expect("an address"), 24)],
        speed_bps: Some(10_000_000_000),
        hardware: Some("veth".to_owned()),
        os: Some("Linux 6.1".to_owned()),
        filter: Some("tcp port 80".to_owned()),
        ..Interface::default()
    };
    let eth1 = Interface {
        name: "eth1".to_owned(),
        link_type: LinkType::ETHERNET,
        ..Interface::default()
    };
    vec![eth0, eth1]
}

fn section() -> pcapng::Section {
    pcapng::Section {
        hardware: Some("a box".to_owned()),
        os: Some("Linux 6.1".to_owned()),
        application: Some("pktrail".to_owned()),
        comments: vec!["the first comment".to_owned()],
    }
}

/// The batch as pcapng, with padding in the middle and statistics at the end.
fn pcapng_bytes(batch: &Batch) -> Vec<u8> {
    let mut encoder = pcapng::Encoder::new(section());
    let mut out = Vec::new();
    encoder.section(&mut out);
    encoder
        .interfaces(&batch.interfaces, &mut out)
        .expect("one link type");
    assert!(pcapng::padding(4096 - out.len(), &mut out));
    encoder.batch(batch, &mut out).expect("one link type");
    for interface in 0..2 {
        let statistics = pcapng::Statistics {
            interface,
            timestamp_ns: 1_700_000_001_000_000_000,
            received: Some(1000),
            os_dropped: Some(7),
            delivered: Some(993),
            ..pcapng::Statistics::default()
        };
        encoder.statistics(&statistics, &mut out);
    }
    out
}

fn pcap_bytes(batch: &Batch, precision: pcap::Precision) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = pcap::Encoder::new(precision, 0);
    encoder.batch(batch, &mut out).expect("one link type");
    out
}
