//! Names of namespaces and interfaces, while they change.

use pktrail_tests::netns::{Netns, VethPair};
use pktrail_tests::tracing::{Tracing, in_order, way};
use std::net::UdpSocket;

fn send_to_self(netns: &Netns, port: u16) {
    netns.within(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let _listener = UdpSocket::bind(("127.0.0.1", port)).expect("a port");
        socket.send_to(b"hello", ("127.0.0.1", port)).expect("sent");
    });
}

#[test]
fn a_namespace_that_appears_is_followed_and_one_that_vanishes_is_a_sentence() {
    let first = Netns::new("names-one");
    let (name_one, mut tracing) = {
        let tracing = Tracing::start(&["--json", "udp port 4321 or udp port 4322"]);
        (first.name().to_owned(), tracing)
    };
    send_to_self(&first, 4321);
    let second = Netns::new("names-two");
    // A namespace is found within a moment; nothing says when, so that packets go until one
    // was seen at its hooks.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    send_to_self(&second, 4322);
    drop(first);
    tracing.wait_for(&format!("namespace {name_one} has vanished"));
    let traced = tracing.end();
    assert!(traced.status.success(), "{}", traced.said);
    let name_two = second.name();
    in_order(
        &traced.trail_to(4322),
        &[
            format!("nf:output:51 lo@{name_two}"),
            format!("net_dev_start_xmit lo@{name_two}"),
            format!("nf:input:101 lo@{name_two}"),
        ],
    );
    let seen = way(&traced.trail_to(4321));
    assert!(
        seen.contains(&format!("nf:input:101 lo@{name_one}")),
        "{seen:?}"
    );
    assert!(!traced.said.contains("\"error\""), "{}", traced.said);
}

#[test]
fn a_namespace_without_a_name_is_called_by_a_process_and_a_renamed_interface_by_its_name() {
    let pair = VethPair::new("names-ren");
    let mut command = std::process::Command::new("unshare");
    command.args(["-n", "sh", "-c"]);
    // Says that it is ready, and waits; then its loopback is up and it pings itself once.
    command.arg("ip link set lo up; echo ready; read go; ping -q -c 1 127.0.0.9");
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut hidden = command.spawn().expect("unshare runs");
    let mut ready = [0; 6];
    use std::io::{Read, Write};
    hidden
        .stdout
        .as_mut()
        .expect("a pipe")
        .read_exact(&mut ready)
        .expect("it is ready");
    let tracing = Tracing::start(&["--json", "icmp or udp port 4000"]);
    let send = || {
        let socket = pair.a.within(|| UdpSocket::bind((VethPair::ADDRESS_A, 0)));
        let sent = socket
            .expect("a socket")
            .send_to(b"x", (VethPair::ADDRESS_B, 4000));
        sent.expect("it is sent");
    };
    send();
    pair.a
        .exec(&["ip", "link", "set", VethPair::A, "name", "pkt-new"]);
    send();
    hidden
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"go\n")
        .expect("it listens");
    let pid = hidden.id();
    assert!(hidden.wait().expect("it ends").success());
    let traced = tracing.end();
    let trails = traced.trails();
    let mut to_4000 = trails
        .iter()
        .filter(|trail| trail["headers"]["destination_port"] == 4000);
    let names: Vec<String> = to_4000
        .by_ref()
        .map(|trail| way(trail)[0].clone())
        .collect();
    let a = pair.a.name();
    let point = "nf:output:51";
    assert_eq!(
        names,
        [format!("{point} pkt-a@{a}"), format!("{point} pkt-new@{a}")]
    );
    let ping = trails
        .iter()
        .find(|trail| trail["headers"]["destination"] == "127.0.0.9");
    let ping = way(ping.unwrap_or_else(|| panic!("{}", traced.shown)));
    assert!(ping[0].starts_with("nf:output"), "{ping:?}");
    assert!(ping[0].ends_with(&format!(":{pid}")), "{ping:?}");
}
