//! What comes in is what is in the file: several interfaces, rings, namespaces.

use super::support::{PORT, Running, numbers, on_cable, send};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use pktrail_tests::program::pktrail;
use std::process::Command;
use std::time::Duration;

/// The file holds exactly these numbers, in order.
fn assert_all(file: &std::path::Path, count: u32) {
    let numbers = numbers(file);
    assert!(
        numbers.iter().copied().eq(0..count),
        "{} numbers in the file",
        numbers.len()
    );
}

#[test]
fn every_packet_is_in_the_file_in_order() {
    let (pair, folder) = (VethPair::new("file"), Folder::new("program-file"));
    for (name, format) in [
        ("a.pcapng", "pcapng"),
        ("a.pcap", "pcap"),
        ("b.pcap", "pcap-ns"),
    ] {
        let file = folder.path(name);
        let words = ["--format", format, "-w", file.to_str().unwrap()];
        let running = Running::start(&mut on_cable(&pair, &words), &folder);
        send(&pair, 0..20_000, 200, Duration::ZERO);
        let ended = running.stop();
        assert!(ended.status.success(), "{}", ended.said);
        assert_eq!(ended.assert_accounted(20_000), 20_000);
        assert_all(&file, 20_000);
    }
}

#[test]
fn several_rings_become_one_file_in_order() {
    let (pair, folder) = (
        VethPair::with_queues("rings", 2),
        Folder::new("program-rings"),
    );
    for mode in ["hash", "lb", "cpu", "rnd", "rollover", "qm", "ebpf"] {
        let file = folder.path("f.pcapng");
        let fanout = format!("3:{mode}");
        let words = [
            "--fanout",
            &fanout,
            "--ring",
            "16M",
            "-w",
            file.to_str().unwrap(),
        ];
        let running = Running::start(&mut on_cable(&pair, &words), &folder);
        send(&pair, 0..5_000, 100, Duration::ZERO);
        let ended = running.stop();
        assert!(ended.status.success(), "{mode}: {}", ended.said);
        assert_eq!(ended.assert_accounted(5_000), 5_000, "{mode}");
        assert_eq!(ended.account()["late"], 0, "{mode}");
        assert_all(&file, 5_000);
    }
}

#[test]
fn two_interfaces_become_one_file_in_time_order() {
    let (pair, folder) = (VethPair::new("two"), Folder::new("program-two"));
    let file = folder.path("two.pcapng");
    // lo sees the same numbers, a little later each.
    let words = ["-i", "lo", "-w", file.to_str().unwrap()];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    let local = |address| {
        pair.b
            .within(|| std::net::UdpSocket::bind((address, 0)).expect("bind"))
    };
    let (sender, _listener) = (local("127.0.0.1"), local("127.0.0.1"));
    let to = ("127.0.0.1", _listener.local_addr().unwrap().port());
    for number in 0..300_u32 {
        send(&pair, number..number + 1, 64, Duration::ZERO);
        sender.send_to(b"local", to).unwrap();
    }
    let ended = running.stop();
    assert_eq!(ended.assert_accounted(600), 600);
    assert_all(&file, 300);
    let info = Command::new("capinfos")
        .arg("-o")
        .arg("-I")
        .arg(&file)
        .output()
        .unwrap();
    let info = String::from_utf8_lossy(&info.stdout);
    assert!(info.contains("True"), "{info}");
    let names = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "frame.interface_name", "-r"])
        .arg(&file)
        .output()
        .unwrap();
    let names = String::from_utf8_lossy(&names.stdout);
    let of = |name: &str| names.lines().filter(|line| *line == name).count();
    assert_eq!((of(VethPair::B), of("lo")), (300, 300));
}

#[test]
fn another_namespace_is_named_in_the_file() {
    let (pair, folder) = (VethPair::new("netns"), Folder::new("program-netns"));
    let file = folder.path("n.pcapng");
    let mut command = pktrail();
    let words = ["--json", "--netns", pair.b.name(), "-i", VethPair::B, "-w"];
    let running = Running::start(command.args(words).arg(&file), &folder);
    send(&pair, 0..10, 64, Duration::ZERO);
    running.stop().assert_accounted(10);
    let names = Command::new("tshark")
        .args([
            "-n",
            "-c",
            "1",
            "-T",
            "fields",
            "-e",
            "frame.interface_name",
            "-r",
        ])
        .arg(&file)
        .output()
        .unwrap();
    let expected = format!("{}@{}", VethPair::B, pair.b.name());
    assert_eq!(String::from_utf8_lossy(&names.stdout).trim(), expected);
}

#[test]
fn a_program_filters_in_the_kernel() {
    let (pair, folder) = (VethPair::new("filter"), Folder::new("program-filter"));
    // The payload is the magic and a 32-bit number: byte 15 of UDP is its lowest.
    let expression = format!("udp dst port {PORT} and udp[15] & 1 == 1");
    let compiled = Command::new("tcpdump")
        .args(["-y", "EN10MB", "-ddd", &expression])
        .output();
    let (program, file) = (folder.path("odd.bpf"), folder.path("odd.pcapng"));
    std::fs::write(&program, compiled.unwrap().stdout).unwrap();
    let words = [
        "-F",
        program.to_str().unwrap(),
        "-w",
        file.to_str().unwrap(),
    ];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..1_000, 64, Duration::ZERO);
    // The kernel rejected the others: they were never received.
    assert_eq!(running.stop().assert_accounted(500), 500);
    assert!(
        numbers(&file)
            .iter()
            .copied()
            .eq((0..1_000).filter(|number| number % 2 == 1))
    );
}

#[test]
fn what_is_printed_is_what_tcpdump_prints() {
    let (pair, folder) = (VethPair::new("print"), Folder::new("program-print"));
    let (file, shown) = (folder.path("p.pcap"), folder.path("shown"));
    let mut command = pair
        .b
        .command(pktrail_tests::program::path().to_str().unwrap());
    command
        .args(["-i", VethPair::B, "-n", "-e", "-w"])
        .arg(&file)
        .arg("--print");
    command.stdout(std::fs::File::create(&shown).unwrap());
    let running = Running::start(&mut command, &folder);
    send(&pair, 0..50, 64, Duration::from_millis(1));
    // A person sees a packet while it is new, not when a block is full.
    let begin = std::time::Instant::now();
    while std::fs::read_to_string(&shown).unwrap().lines().count() < 50 {
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "not shown while it runs"
        );
    }
    running.stop();
    let tcpdump = Command::new("tcpdump")
        .args(["-n", "-e", "-r"])
        .arg(&file)
        .output()
        .unwrap();
    let ours = std::fs::read_to_string(&shown).unwrap();
    assert_eq!(ours, String::from_utf8_lossy(&tcpdump.stdout));
}

#[test]
fn an_interface_given_twice_is_captured_once() {
    let (pair, folder) = (VethPair::new("twice"), Folder::new("program-twice"));
    let file = folder.path("t.pcapng");
    let words = ["-i", VethPair::B, "-w", file.to_str().unwrap()];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..100, 64, Duration::ZERO);
    assert_eq!(running.stop().assert_accounted(100), 100);
    assert_all(&file, 100);
}
