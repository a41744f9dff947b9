//! The kernel's Open vSwitch: no flow knows the first packet, so it goes up to ovs-vswitchd and
//! comes back with its actions; for the next the flow is there, and its actions run at once.

use crate::stage::{Lab, points, with};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::Netns;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const POINTS: &str = "ovs,ip_rcv,ip_output,icmp_rcv,ping_rcv";

/// A switch in a namespace of its own, with a cable to each of the others.
struct Switch {
    folder: Folder,
    host: Netns,
    left: Netns,
    right: Netns,
}

fn run(netns: &Netns, line: &str) -> String {
    netns.exec(&line.split_whitespace().collect::<Vec<_>>())
}

impl Switch {
    fn start() -> Self {
        crate::load_modules(&["openvswitch"]);
        let switch = Self {
            folder: Folder::new("lab-dp"),
            host: Netns::new("lab-dp-sw"),
            left: Netns::new("lab-dp-a"),
            right: Netns::new("lab-dp-b"),
        };
        for netns in [&switch.host, &switch.left, &switch.right] {
            for which in ["all", "default"] {
                run(
                    netns,
                    &format!("sysctl -qw net.ipv6.conf.{which}.disable_ipv6=1"),
                );
            }
        }
        switch.plug(&switch.left, "10.79.0.1/24", "pkt-va");
        switch.plug(&switch.right, "10.79.0.2/24", "pkt-vb");
        let folder = switch.folder.root().display().to_string();
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        switch.run("ovsdb-tool", &format!("create {folder}/conf.db {schema}"));
        switch.run(
            "ovsdb-server",
            &format!(
                "{folder}/conf.db --remote=punix:{folder}/db.sock \
             --pidfile={folder}/db.pid --detach"
            ),
        );
        switch.ask("--no-wait init");
        switch.run(
            "ovs-vswitchd",
            &format!("unix:{folder}/db.sock --pidfile={folder}/switch.pid --detach"),
        );
        switch.ask("add-br br0");
        switch.ask("add-port br0 pkt-va -- add-port br0 pkt-vb");
        switch
    }

    fn plug(&self, netns: &Netns, address: &str, port: &str) {
        let host = self.host.name();
        run(
            netns,
            &format!("ip link add eth0 type veth peer name {port} netns {host}"),
        );
        run(netns, &format!("ip address add {address} dev eth0"));
        run(netns, "ip link set eth0 up");
        run(&self.host, &format!("ip link set {port} up"));
    }

    /// A program of the switch, in its namespace and with files of its own.
    fn run(&self, program: &str, words: &str) -> String {
        let mut command = self.host.command(program);
        for name in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
            command.env(name, self.folder.root());
        }
        let output = command
            .args(words.split_whitespace())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn ask(&self, line: &str) {
        let socket = self.folder.path("db.sock");
        self.run(
            "ovs-vsctl",
            &format!("--timeout=60 --db=unix:{} {line}", socket.display()),
        );
    }

    /// Lets both ends know each other's link address, so that what they send first is an echo.
    fn introduce(&self) {
        let ends = [(&self.left, "10.79.0.1"), (&self.right, "10.79.0.2")];
        for ((netns, _), (other, address)) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            let link = run(other, "cat /sys/class/net/eth0/address");
            let link = link.trim();
            run(
                netns,
                &format!("ip neighbour add {address} dev eth0 lladdr {link}"),
            );
        }
    }

    /// What the kernel's own counters say of the flow table: hits and misses.
    fn lookups(&self) -> (u64, u64) {
        let shown = self.run("ovs-dpctl", "show");
        let line = shown.lines().find(|line| line.contains("lookups:"));
        let number = |name: &str| {
            let words = line.unwrap_or("").split_whitespace();
            let mut numbers = words.filter_map(|word| word.strip_prefix(name)?.parse().ok());
            numbers.next().unwrap_or(0)
        };
        (number("hit:"), number("missed:"))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for name in ["switch.pid", "db.pid"] {
            let pid = std::fs::read_to_string(self.folder.path(name)).unwrap_or_default();
            if !pid.trim().is_empty() {
                let _ = Command::new("kill").arg(pid.trim()).status();
            }
        }
    }
}

#[test]
fn the_datapath_asks_for_the_first_packet_and_knows_the_next() {
    let switch = Switch::start();
    switch.introduce();
    let before = switch.lookups();
    let names = [&switch.left, &switch.host, &switch.right].map(Netns::name);
    let words = ["--points", POINTS, "--attach", "fentry", "icmp"];
    let lab = Lab::begin(&names, &words);
    run(&switch.left, "ping -q -c 4 -i 1 10.79.0.2");
    std::thread::sleep(Duration::from_secs(1));
    let traced = lab.end();
    println!("{}", traced.said);
    let mut requests = with(&traced.trails(), "icmp_type", 8);
    requests.retain(|trail| trail["from"].is_null());
    requests.sort_by_key(|trail| trail["time"].to_string());
    assert_eq!(requests.len(), 4, "{requests:#?}");
    check_first(&requests[0]);
    check_later(&requests[3]);
    let (hits, missed) = switch.lookups();
    println!("lookups: {before:?} to {:?}", (hits, missed));
    assert!(missed > before.1 && hits > before.0);
}

fn in_order(trail: &Value, wanted: &[&str]) {
    let way = points(trail);
    let mut rest = way.iter();
    for point in wanted {
        assert!(
            rest.any(|hop| hop == point),
            "'{point}' is missing or out of order in {way:#?}"
        );
    }
}

/// One trail, through the program of the switch and back.
fn check_first(trail: &Value) {
    in_order(
        trail,
        &[
            "ovs_vport_receive",
            "ovs_dp_process_packet",
            "ovs_dp_upcall",
            "queue_userspace_packet",
            "ovs_execute_actions",
            "ovs_vport_send",
            "icmp_rcv",
        ],
    );
}

fn check_later(trail: &Value) {
    in_order(
        trail,
        &[
            "ovs_vport_receive",
            "ovs_dp_process_packet",
            "ovs_execute_actions",
            "do_execute_actions",
            "ovs_vport_send",
            "icmp_rcv",
        ],
    );
    assert!(
        !points(trail).iter().any(|hop| hop == "ovs_dp_upcall"),
        "{trail:#}"
    );
}
