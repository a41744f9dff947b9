//! Where interfaces are: namespaces by all their names, devices and their facts.

use super::support::{drain, options, send, started};
use pktrail::af_packet::{AfPacket, Options, members_for_queues};
use pktrail::{ErrorKind, LinkType, Source, devices};
use pktrail_tests::netns::{Netns, VethPair};
use std::process::Stdio;

#[test]
fn a_namespace_is_found_by_name_path_and_process() {
    let pair = VethPair::new("names");
    let mut sleeper = pair
        .b
        .command("sleep")
        .arg("60")
        .stdout(Stdio::null())
        .spawn()
        .expect("sleep");
    let ways = [
        pair.b.name().to_owned(),
        format!("/run/netns/{}", pair.b.name()),
        sleeper.id().to_string(),
    ];
    for way in ways {
        // `ip netns exec` becomes the program in its own process, a moment later.
        let options = Options {
            netns: Some(way.clone()),
            ..options(VethPair::B, &pair.b)
        };
        let start = std::time::Instant::now();
        let mut source = loop {
            match AfPacket::open(&options) {
                Err(e) if e.kind() == ErrorKind::NotFound && start.elapsed().as_secs() < 5 => {}
                opened => break opened.expect("open"),
            }
        };
        source.start().expect("start");
        send(&pair, 0..3, 100);
        let collected = drain(&mut source);
        assert_eq!(collected.numbers(), [0, 1, 2], "{way}");
        assert_eq!(source.interfaces()[0].netns.as_deref(), Some(way.as_str()));
    }
    sleeper.kill().expect("it sleeps");
    sleeper.wait().expect("it ends");
}

/// The list, once the kernel has noticed that the cable is in, which takes it up
/// to a second.
fn connected(pair: &VethPair) -> Vec<devices::Device> {
    let start = std::time::Instant::now();
    loop {
        let devices = devices::list(Some(pair.b.name())).expect("a list");
        let done = devices.iter().any(|device| device.connected == Some(true));
        if done || start.elapsed().as_secs() > 5 {
            return devices;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn devices_of_a_namespace_are_listed_with_their_facts() {
    let pair = VethPair::with_queues("list", 4);
    let devices = connected(&pair);
    let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, [VethPair::B, "lo"]);
    let device = &devices[0];
    assert!(device.up && device.running && !device.loopback);
    assert_eq!(device.kind, "veth");
    assert_eq!(device.driver.as_deref(), Some("veth"));
    assert_eq!(device.speed_bps, Some(10_000_000_000));
    assert_eq!(device.addresses, [("10.77.0.2".parse().expect("ip"), 24)]);
    assert_eq!((device.mtu, device.rx_queues), (1500, 4));
    assert_eq!(device.connected, Some(true));
    let mac = pair
        .b
        .exec(&["cat", &format!("/sys/class/net/{}/address", VethPair::B)]);
    let listed: Vec<String> = device
        .mac
        .expect("six bytes")
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(listed.join(":"), mac.trim());
    assert_eq!(
        devices::default_interface(Some(pair.b.name()))
            .expect("one")
            .name,
        VethPair::B
    );
    let processors = std::thread::available_parallelism()
        .map_or(1, |n| n.get())
        .min(4);
    assert_eq!(
        members_for_queues(VethPair::B, Some(pair.b.name())) as usize,
        processors
    );
}

#[test]
fn the_order_is_that_of_tcpdump() {
    let pair = VethPair::new("order");
    for (name, up) in [("zz0", true), ("aa0", false), ("mm0", true)] {
        pair.a.exec(&["ip", "link", "add", name, "type", "bridge"]);
        if up {
            pair.a.exec(&["ip", "link", "set", name, "up"]);
        }
    }
    let theirs: Vec<String> = (pair.a.exec(&["tcpdump", "-D"]).lines())
        .filter_map(|line| line.split_once('.')?.1.split(' ').next().map(Into::into))
        .collect();
    let ours = devices::list(Some(pair.a.name())).expect("a list");
    let ours: Vec<&str> = ours.iter().map(|device| device.name.as_str()).collect();
    let theirs: Vec<&str> = (theirs.iter().map(String::as_str))
        .filter(|name| ours.contains(name))
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn a_tunnel_has_raw_packets() {
    let netns = Netns::new("tun");
    netns.exec(&["ip", "tuntap", "add", "pkt-tun", "mode", "tun"]);
    netns.exec(&["ip", "link", "set", "pkt-tun", "up"]);
    let mut source = started(&options("pkt-tun", &netns));
    assert_eq!(source.interfaces()[0].link_type, LinkType::RAW);
    drain(&mut source);
}

#[test]
fn hardware_timestamps_are_refused_where_there_are_none() {
    let pair = VethPair::new("hwts");
    let sources = devices::timestamp_sources(VethPair::B, Some(pair.b.name())).expect("a list");
    assert_eq!(sources[0].0, "host");
    let error = AfPacket::open(&Options {
        timestamps: pktrail::af_packet::TimestampSource::AdapterUnsynced,
        ..options(VethPair::B, &pair.b)
    });
    let error = error.err().expect("veth has no clock");
    assert!(
        matches!(error.kind(), ErrorKind::Unsupported { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("-J"), "{error}");
}
