//! tcpdump as the reference for printed frames: the same frames with the same
//! flags through it and through [`Printer`], compared frame by frame.
//!
//! It owns running tcpdump and comparing, not the frames. Needs tcpdump; no
//! privilege.

use pktrail_core::text::{Dump, Names, Printer, Style, Time};
use pktrail_core::{Frame, FrameInfo, Interface, LinkType};
use std::io::Write;
use std::process::{Command, Stdio};

/// A frame as a capture file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The captured bytes.
    pub data: Vec<u8>,
    /// Length on the wire in bytes, at least that of `data`.
    pub len: u32,
}

impl Recorded {
    /// A frame captured whole.
    pub fn whole(data: Vec<u8>) -> Self {
        let len = u32::try_from(data.len()).expect("a frame is short");
        Self { data, len }
    }

    /// The same frame of which only the first `caplen` bytes were captured.
    pub fn cut(&self, caplen: usize) -> Self {
        Self {
            data: self.data[..caplen].to_vec(),
            len: self.len,
        }
    }
}

/// A frame whose text differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Index of the frame.
    pub frame: usize,
    /// What was printed here.
    pub ours: String,
    /// What tcpdump printed.
    pub theirs: String,
}

/// Seconds since 1970 of the first frame. Each is a second after the one before,
/// so that the times tell the frames apart in the text of many.
const FIRST_SECOND: usize = 1_000_000_000;

/// A pcap file, little-endian, in microseconds.
pub fn pcap(link_type: LinkType, frames: &[Recorded]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link_type.0.into()] {
        file.extend(u32::to_le_bytes(word));
    }
    for (index, frame) in frames.iter().enumerate() {
        let second = u32::try_from(FIRST_SECOND + index).expect("few frames");
        let caplen = u32::try_from(frame.data.len()).expect("a frame is short");
        for word in [second, 0, caplen, frame.len] {
            file.extend(word.to_le_bytes());
        }
        file.extend_from_slice(&frame.data);
    }
    file
}

/// What tcpdump prints of a capture file, with time in UTC.
pub fn tcpdump(file: &[u8], flags: &[&str]) -> String {
    let mut child = Command::new("tcpdump")
        .args(flags)
        .args(["-r", "-"])
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tcpdump is installed");
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(file).expect("tcpdump reads all frames"));
        child.wait_with_output().expect("tcpdump runs")
    });
    assert!(output.status.success(), "tcpdump: {}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The style that tcpdump's flags mean, one flag to an element (`-vv`).
pub fn style(flags: &[&str]) -> Style {
    let mut style = Style::default();
    for flag in flags {
        match *flag {
            "-n" => style.numeric = true,
            "-N" => style.no_domain = true,
            "-v" => style.verbose = 1,
            "-vv" => style.verbose = 2,
            "-vvv" => style.verbose = 3,
            "-q" => style.quiet = true,
            "-e" => style.link_header = true,
            "-S" => style.absolute_seq = true,
            "-K" => style.no_checksums = true,
            "-#" => style.number = true,
            "-t" => style.time = Time::None,
            "-tt" => style.time = Time::Epoch,
            "-ttt" => style.time = Time::SincePrevious,
            "-tttt" => style.time = Time::DateTime,
            "-ttttt" => style.time = Time::SinceFirst,
            "-x" => style.dump = Dump::Hex,
            "-xx" => style.dump = Dump::HexLink,
            "-X" => style.dump = Dump::HexAscii,
            "-XX" => style.dump = Dump::HexAsciiLink,
            "-A" => style.dump = Dump::Ascii,
            "-AA" => style.dump = Dump::AsciiLink,
            "--nano" => style.nano = true,
            other => panic!("no style for the flag {other}"),
        }
    }
    style
}

/// What we print of each frame.
pub fn ours(
    link_type: LinkType,
    frames: &[Recorded],
    flags: &[&str],
    names: Box<dyn Names>,
) -> Vec<String> {
    let interface = Interface {
        link_type,
        ..Interface::default()
    };
    let mut printer = Printer::new(style(flags), names);
    frames
        .iter()
        .enumerate()
        .map(|(index, recorded)| {
            let info = FrameInfo {
                timestamp_ns: (FIRST_SECOND + index) as u64 * 1_000_000_000,
                caplen: u32::try_from(recorded.data.len()).expect("a frame is short"),
                len: recorded.len,
                ..FrameInfo::default()
            };
            let frame = Frame {
                info: &info,
                data: &recorded.data,
                options: &[],
            };
            let mut text = String::new();
            printer.print(&frame, &interface, &mut text);
            text
        })
        .collect()
}

/// The frames that are printed differently. The flags must not name a time:
/// `-tt` is added, to tell the frames apart.
pub fn differences(
    link_type: LinkType,
    frames: &[Recorded],
    flags: &[&str],
    names: Box<dyn Names>,
) -> Vec<Difference> {
    let mut flags = flags.to_vec();
    flags.push("-tt");
    let theirs = tcpdump(&pcap(link_type, frames), &flags);
    let theirs = split(&theirs, frames.len());
    ours(link_type, frames, &flags, names)
        .into_iter()
        .zip(theirs)
        .enumerate()
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|(frame, (ours, theirs))| Difference {
            frame,
            ours,
            theirs: theirs.to_owned(),
        })
        .collect()
}

/// Cuts tcpdump's text where the frames begin, by their times.
fn split(text: &str, count: usize) -> Vec<&str> {
    let mut rest = text;
    let mut parts = Vec::with_capacity(count);
    for next in 1..=count {
        let mark = format!("\n{}.000000 ", FIRST_SECOND + next);
        let end = rest.find(&mark).map_or(rest.len(), |at| at + 1);
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts
}

/// Fails with the first differences, if there are any.
pub fn assert_none(differences: &[Difference], frames: &[Recorded], what: &str) {
    let mut message = String::new();
    for difference in differences.iter().take(5) {
        let Recorded { data, len } = &frames[difference.frame];
        let bytes: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        message += &format!(
            "frame {}, {} of {len} bytes: {bytes}\n   ours: {:?}\ntcpdump: {:?}\n",
            difference.frame,
            data.len(),
            difference.ours,
            difference.theirs
        );
    }
    assert!(
        differences.is_empty(),
        "{what}: {} of {} frames differ\n{message}",
        differences.len(),
        frames.len()
    );
}
