//! Files that we write, read by others.

use crate::peers::{run, tshark_fields};
use crate::{Folder, as_pcap, batch, frames, pcap_bytes, pcapng_bytes, seen};
use pktrail::pcap::Precision;
use pktrail::{Batch, FrameInfo, LinkType, pcapng};
use std::sync::Arc;

/// `seconds.nanoseconds`, as tshark prints it.
fn epoch(ns: u64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

#[test]
fn tshark_sees_every_frame_with_all_that_is_known_of_it() {
    let folder = Folder::new();
    let batch = batch(600);
    let path = folder.file("ours.pcapng", &pcapng_bytes(&batch));
    let fields = [
        "frame.time_epoch",
        "frame.len",
        "frame.cap_len",
        "frame.interface_name",
        "frame.packet_flags",
        "frame.drop_count",
        "frame.interface_queue",
        "data.data",
    ];
    let rows = tshark_fields(&path, &fields);
    let some = |value: u32| match value {
        0 => String::new(),
        value => value.to_string(),
    };
    let expected: Vec<Vec<String>> = seen(&batch)
        .iter()
        .map(|frame| {
            let payload = frame.data.get(14..).unwrap_or_default();
            vec![
                epoch(frame.time_ns),
                frame.len.to_string(),
                frame.data.len().to_string(),
                frame.interface.clone(),
                match frame.flags.0 {
                    0 => String::new(),
                    flags => format!("{flags:#010x}"),
                },
                some(frame.lost_before),
                frame.queue.map_or(String::new(), |queue| queue.to_string()),
                payload.iter().map(|byte| format!("{byte:02x}")).collect(),
            ]
        })
        .collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected);
    }
}

#[test]
fn capinfos_tells_the_file_and_its_interfaces() {
    let folder = Folder::new();
    let path = folder.file("ours.pcapng", &pcapng_bytes(&batch(600)));
    let text = run("capinfos", &["-M", &path]).text();
    for line in [
        "File encapsulation:  ether",
        "File timestamp precision:  nanoseconds (9)",
        "Number of packets:   600",
        "Capture hardware:    a box",
        "Capture oper-sys:    Linux 6.1",
        "Capture application: pktrail",
        "Capture comment:     the first comment",
        "Number of interfaces in file: 2",
        "Name = eth0@blue",
        "Description = the uplink",
        "Hardware = veth",
        "Speed = 10000000000",
        "Capture length = 262144",
        "Time precision = nanoseconds (9)",
        "Filter string = tcp port 80",
        "Operating system = Linux 6.1",
        "Number of stat entries = 1",
        "Number of packets = 300",
        "Name = eth1",
    ] {
        assert!(text.contains(line), "'{line}' is not in\n{text}");
    }
}

#[test]
fn tcpdump_reads_the_same_frames_from_every_format() {
    let folder = Folder::new();
    let batch = batch(600);
    let all = seen(&batch);
    for (name, bytes, unit_ns) in [
        ("ng", pcapng_bytes(&batch), 1),
        ("nano", pcap_bytes(&batch, Precision::Nano), 1),
        ("micro", pcap_bytes(&batch, Precision::Micro), 1000),
    ] {
        let path = folder.file(name, &bytes);
        let copy = folder.path("copy");
        run("tcpdump", &["--nano", "-r", &path, "-w", &copy]);
        assert_eq!(frames(&copy), as_pcap(&all, unit_ns), "{name}");
        let micro = folder.path("micro-copy");
        run("tcpdump", &["-r", &path, "-w", &micro]);
        assert_eq!(frames(&micro), as_pcap(&all, 1000), "{name}");
        assert_eq!(tshark_fields(&path, &["frame.number"]).len(), all.len());
    }
}

#[test]
fn a_file_begun_anew_after_rotation_stands_alone() {
    let folder = Folder::new();
    let (first, second) = (batch(10), batch(20));
    let mut encoder = pcapng::Encoder::new(pcapng::Section::default());
    for (batch, count) in [(&first, 10), (&second, 20)] {
        let mut out = Vec::new();
        encoder.section(&mut out);
        encoder.batch(batch, &mut out).expect("one link type");
        let path = folder.file("rotated", &out);
        assert_eq!(frames(&path), seen(batch));
        let text = run("capinfos", &["-M", &path]).text();
        assert!(
            text.contains(&format!("Number of packets:   {count}\n")),
            "{text}"
        );
        assert!(text.contains("Name = eth0@blue") && text.contains("Name = eth1"));
        run("tcpdump", &["-r", &path, "-w", &folder.path("copy")]);
    }
}

#[test]
fn frames_longer_than_readers_accept_are_cut() {
    let folder = Folder::new();
    let info = FrameInfo {
        timestamp_ns: 1_700_000_000_000_000_000,
        caplen: 300_000,
        len: 300_054,
        ..FrameInfo::default()
    };
    let interfaces = Arc::new(crate::interfaces());
    let long = Batch::new(vec![0x55; 300_000], vec![info; 2], interfaces);
    for (name, bytes) in [
        ("ng", pcapng_bytes(&long)),
        ("pcap", pcap_bytes(&long, Precision::Micro)),
    ] {
        let path = folder.file(name, &bytes);
        let rows = tshark_fields(&path, &["frame.cap_len", "frame.len"]);
        assert_eq!(rows, [["262144", "300054"], ["262144", "300054"]]);
        run("tcpdump", &["-r", &path, "-w", &folder.path("copy")]);
    }
}

#[test]
fn an_empty_capture_opens_and_so_do_other_link_types() {
    let folder = Folder::new();
    for link_type in [LinkType::RAW, LinkType::LINUX_SLL2, LinkType::NULL] {
        let mut interface = crate::interfaces().remove(0);
        interface.link_type = link_type;
        let mut encoder = pcapng::Encoder::new(pcapng::Section::default());
        let mut ng = Vec::new();
        encoder.section(&mut ng);
        encoder
            .interface(&interface, &mut ng)
            .expect("one link type");
        let mut classic = Vec::new();
        pktrail::pcap::Encoder::new(Precision::Micro, 0).header(link_type, &mut classic);
        for bytes in [ng, classic] {
            let path = folder.file("empty", &bytes);
            assert!(tshark_fields(&path, &["frame.number"]).is_empty());
            run("tcpdump", &["-n", "-r", &path]);
            assert!(frames(&path).is_empty());
        }
    }
}
