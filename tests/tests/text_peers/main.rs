//! The printer against tcpdump: the same words for every frame, with every
//! flag, cut anywhere, and after random damage. Needs tcpdump 4.99.
//!
//! Where they differ on purpose, [`explained`] says why.

mod build;
mod explained;
mod frames;
mod golden;
mod names;
mod random;
mod times;

use build::Group;
use names::System;
use pktrail_core::LinkType;
use pktrail_tests::tcpdump::{Recorded, differences, ours, pcap, tcpdump};

/// Sets of flags, one flag to an element.
const FLAGS: &[&[&str]] = &[
    &["-n"],
    &["-n", "-v"],
    &["-n", "-vv"],
    &["-n", "-vvv", "-e"],
    &["-n", "-e"],
    &["-n", "-q"],
    &["-n", "-q", "-e"],
    &["-n", "-q", "-v"],
    &["-n", "-S", "-v"],
    &["-n", "-K", "-vv"],
    &["-n", "-x"],
    &["-n", "-xx", "-e"],
    &["-n", "-X", "-v"],
    &["-n", "-XX"],
    &["-n", "-A", "-v"],
    &["-n", "-AA"],
    &["-n", "-q", "-A"],
];

/// How the groups differ, in words; nothing where they do not.
struct Report {
    names: System,
    /// One for each group and set of flags.
    complaints: Vec<String>,
    /// How many differences were meant.
    explained: usize,
}

impl Report {
    fn new() -> Self {
        Self {
            names: System::read(),
            complaints: Vec::new(),
            explained: 0,
        }
    }

    /// Compares, and counts what is explained apart.
    fn compare(&mut self, group: &Group, frames: &[Recorded], flags: &[&str]) {
        let names = Box::new(self.names.clone());
        let mut left = differences(group.link_type, frames, flags, names);
        let all = left.len();
        left.retain(|it| explained::class(it).is_none());
        self.explained += all - left.len();
        if left.is_empty() {
            return;
        }
        let mut complaint = format!("{} {flags:?}: {} differ", group.name, left.len());
        for it in left.iter().take(2) {
            let Recorded { data, len } = &frames[it.frame];
            let bytes: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            complaint += &format!(
                "\nframe {}, {} of {len} bytes: {bytes}\n   ours: {:?}\ntcpdump: {:?}",
                it.frame,
                data.len(),
                it.ours,
                it.theirs
            );
        }
        self.complaints.push(complaint);
    }

    fn finish(self) {
        assert!(self.complaints.is_empty(), "{}", self.complaints.join("\n"));
    }
}

#[test]
fn every_frame_reads_the_same_with_all_flags() {
    let mut report = Report::new();
    for group in frames::all() {
        for flags in FLAGS {
            report.compare(&group, &group.frames, flags);
        }
    }
    assert_eq!(
        report.explained, 0,
        "these frames are of protocols that we decode"
    );
    report.finish();
}

#[test]
fn names_are_found_where_tcpdump_finds_them() {
    let mut report = Report::new();
    for group in frames::named() {
        for flags in [
            &[][..],
            &["-v"],
            &["-N", "-e"],
            &["-q", "-vv"],
            &["-e", "-X"],
        ] {
            report.compare(&group, &group.frames, flags);
        }
    }
    report.finish();
}

#[test]
fn times_and_numbers_are_written_the_same() {
    let times = [
        (1_000_000_000, 0),
        (1_000_000_000, 1),
        (1_000_000_000, 999_999_999),
        (1_000_000_001, 5_000),
        (1_000_000_000, 123_456_789),
        (951_827_696, 700),
        (1_000_086_400, 999),
        (0, 0),
        (0, 1),
        (86_399, 1_001),
        (0x7fff_ffff, 0),
        (0x8000_0000, 0),
        (0xffff_ffff, 999_999_999),
        (1_700_000_000, 1),
    ];
    for form in ["-t", "-tt", "-ttt", "-tttt", "-ttttt", ""] {
        for other in ["", "-#", "--nano", "--micro"] {
            let flags: Vec<&str> = ["-n", form, other]
                .into_iter()
                .filter(|it| !it.is_empty())
                .collect();
            // libpcap reads later times of a pcap file as before 1970, which
            // shows in differences alone.
            let relative = matches!(form, "-ttt" | "-ttttt");
            let times = times
                .iter()
                .copied()
                .filter(|(seconds, _)| !relative || *seconds <= i32::MAX as u32);
            times::compare(times, &flags);
        }
    }
}

#[test]
fn wrong_lengths_are_told_the_same() {
    let frame = frames::demo().remove(0);
    let rows = [
        (0, 0),
        (0, 60),
        (60, 0),
        (60, 59),
        (60, 262_145),
        (60, 262_144),
    ];
    let frames: Vec<Recorded> = rows
        .iter()
        .map(|&(caplen, len)| Recorded {
            data: frame[..caplen].to_vec(),
            len,
        })
        .collect();
    for flags in [&["-n"][..], &["-n", "-#", "-x"]] {
        let file = pcap(LinkType::ETHERNET, &frames);
        let names = Box::new(System::default());
        let ours = ours(LinkType::ETHERNET, &frames, flags, names).concat();
        assert_eq!(ours, tcpdump(&file, flags));
    }
}

#[test]
fn every_frame_reads_the_same_cut_at_every_byte() {
    let mut report = Report::new();
    for group in frames::all() {
        let cut: Vec<Recorded> = group
            .frames
            .iter()
            .flat_map(|it| (1..it.data.len()).map(|caplen| it.cut(caplen)))
            .collect();
        for flags in [
            &["-n"][..],
            &["-n", "-vvv"],
            &["-n", "-e", "-q"],
            &["-n", "-x"],
        ] {
            report.compare(&group, &cut, flags);
        }
    }
    assert_eq!(
        report.explained, 0,
        "these frames are of protocols that we decode"
    );
    report.finish();
}

#[test]
fn damaged_frames_read_the_same() {
    let mut report = Report::new();
    let mut compared = 0;
    for group in random::damaged(frames::all(), 20_000) {
        for flags in [
            &["-n"][..],
            &["-n", "-vv", "-e"],
            &["-n", "-vvv", "-S", "-A"],
            &["-n", "-K", "-x"],
        ] {
            report.compare(&group, &group.frames, flags);
            compared += group.frames.len();
        }
    }
    assert!(
        report.explained * 200 < compared,
        "{} of {compared} comparisons end in a protocol that only tcpdump decodes",
        report.explained
    );
    report.finish();
}
