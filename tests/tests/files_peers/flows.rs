//! Frames of one flow, as tshark finds them, in a file with an index and without.

use super::Folder;
use etherparse::PacketBuilder;
use pktrail::pcapng::{Encoder, Section};
use pktrail::{Batch, FrameInfo, Interface, LinkType};
use pktrail_tests::program::pktrail;
use std::fs;
use std::process::Command;
use std::sync::Arc;

const FRAMES: u32 = 6_000;
const START: u64 = 1_700_000_000_000_000_000;

/// Frames of many kinds between a few hosts: each number is another flow of a few
/// hundred.
fn frame(number: u32) -> Vec<u8> {
    let host = (number / 7 % 5) as u8;
    let port = (1_000 + number / 300) as u16;
    let ports = if number.is_multiple_of(2) {
        (port, 53)
    } else {
        (53, port)
    };
    let (a, b) = ([10, 0, 0, host], [10, 0, 1, 1]);
    let (from, to) = if number.is_multiple_of(2) {
        (a, b)
    } else {
        (b, a)
    };
    let six = |last: [u8; 4]| {
        let mut address = [0x20; 16];
        address[12..].copy_from_slice(&last);
        address
    };
    let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let payload = vec![1; 300 + number as usize % 900];
    let mut data = Vec::new();
    let written = match number % 11 {
        0 => ethernet
            .ipv4(from, to, 9)
            .icmpv4_echo_request(1, 2)
            .write(&mut data, &payload),
        1..4 => ethernet
            .ipv4(from, to, 9)
            .tcp(ports.0, ports.1, 1, 2)
            .write(&mut data, &payload),
        4..6 => {
            let tagged = ethernet
                .single_vlan(5.try_into().unwrap())
                .ipv4(from, to, 9);
            tagged.udp(ports.0, ports.1).write(&mut data, &payload)
        }
        6 => {
            let tags = (5.try_into().unwrap(), 6.try_into().unwrap());
            let tagged = ethernet
                .double_vlan(tags.0, tags.1)
                .ipv6(six(from), six(to), 9);
            tagged
                .tcp(ports.0, ports.1, 1, 2)
                .write(&mut data, &payload)
        }
        7..10 => {
            let ipv6 = ethernet.ipv6(six(from), six(to), 9);
            ipv6.udp(ports.0, ports.1).write(&mut data, &payload)
        }
        _ => ethernet
            .ipv4(from, to, 9)
            .udp(ports.0, ports.1)
            .write(&mut data, &payload),
    };
    written.unwrap();
    data
}

fn file(folder: &Folder) -> String {
    let (mut bytes, mut frames) = (Vec::new(), Vec::new());
    for number in 0..FRAMES {
        let data = frame(number);
        frames.push(FrameInfo {
            timestamp_ns: START + u64::from(number),
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
    let batch = Batch::new(bytes, frames, Arc::new(vec![interface]));
    let (mut encoder, mut out) = (Encoder::new(Section::default()), Vec::new());
    encoder.section(&mut out);
    encoder.interfaces(&batch.interfaces, &mut out).unwrap();
    encoder.batch(&batch, &mut out).unwrap();
    folder.file("flows.pcapng", &out)
}

/// The times of the frames that tshark finds.
fn tshark(path: &str, filter: &str) -> Vec<String> {
    let output = Command::new("tshark")
        .args([
            "-n",
            "-T",
            "fields",
            "-e",
            "frame.time_epoch",
            "-r",
            path,
            "-Y",
            filter,
        ])
        .output()
        .expect("tshark runs");
    assert!(output.status.success(), "{filter}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(String::from).collect()
}

#[test]
fn tshark_finds_the_same_frames_of_a_flow() {
    let folder = Folder::new();
    let path = file(&folder);
    let plain = fs::metadata(&path).unwrap().len();
    let expected: Vec<_> = [
        (
            "10.0.0.3:1004-10.0.1.1:53",
            "(ip.src==10.0.0.3 && ip.dst==10.0.1.1 && (tcp.srcport==1004 && tcp.dstport==53 || \
             udp.srcport==1004 && udp.dstport==53)) || (ip.src==10.0.1.1 && ip.dst==10.0.0.3 && \
             (tcp.srcport==53 && tcp.dstport==1004 || udp.srcport==53 && udp.dstport==1004))",
        ),
        (
            "10.0.1.1:53-10.0.0.0:1011/tcp",
            "ip.addr==10.0.0.0 && ip.addr==10.0.1.1 && tcp.port==53 && tcp.port==1011",
        ),
        (
            "10.0.0.2:1017-10.0.1.1/udp",
            "ip.addr==10.0.0.2 && ip.addr==10.0.1.1 && udp.port==1017",
        ),
        (
            "10.0.0.4-10.0.1.1",
            "ip.addr==10.0.0.4 && ip.addr==10.0.1.1",
        ),
        ("10.0.0.4-10.0.1.1/icmp", "ip.addr==10.0.0.4 && icmp"),
        (
            "[2020:2020:2020:2020:2020:2020:a00:1]:1002-[2020:2020:2020:2020:2020:2020:a00:101]:53",
            "ipv6.addr==2020:2020:2020:2020:2020:2020:a00:1 && \
             (udp.port==1002 && udp.port==53 || tcp.port==1002 && tcp.port==53)",
        ),
        (
            "2020:2020:2020:2020:2020:2020:a00:101-2020:2020:2020:2020:2020:2020:a00:4/tcp",
            "ipv6.addr==2020:2020:2020:2020:2020:2020:a00:4 && tcp",
        ),
        (
            "10.0.0.4-10.0.0.3",
            "ip.addr==10.0.0.4 && ip.addr==10.0.0.3",
        ),
    ]
    .map(|(flow, filter)| (flow, tshark(&path, filter)))
    .into();
    let found = expected
        .iter()
        .filter(|(_, times)| !times.is_empty())
        .count();
    assert_eq!(found, expected.len() - 1, "all but the last are there");
    for is_indexed in [false, true] {
        for (flow, times) in &expected {
            let out = folder.path("out.pcapng");
            let status = pktrail()
                .args(["-r", &path, "--flow", flow, "-w", &out])
                .status();
            assert!(status.expect("the program runs").success(), "{flow}");
            assert!(
                tshark(&out, "frame") == *times,
                "{flow}, indexed: {is_indexed}"
            );
        }
        let indexed = pktrail().args(["index", &path]).status();
        assert!(indexed.expect("the program runs").success());
    }
    assert!(fs::metadata(&path).unwrap().len() > plain + 1_000);
    assert_eq!(tshark(&path, "frame").len(), FRAMES as usize);
    let output = Command::new("tcpdump").args(["-nqt", "-r", &path]).output();
    let output = output.expect("tcpdump runs");
    assert!(output.status.success());
    let lines = String::from_utf8_lossy(&output.stdout).lines().count();
    assert_eq!(lines, FRAMES as usize);
}
