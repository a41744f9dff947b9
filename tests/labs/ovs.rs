//! Open vSwitch in user space between two namespaces: ping works, TCP does not, since nobody
//! completes the checksum that the sender left open.

use crate::stage::{Lab, with};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::Netns;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

/// A switch in a namespace of its own, with a cable to each of the others.
struct Switch {
    folder: Folder,
    host: Netns,
    left: Netns,
    right: Netns,
}

impl Switch {
    fn start() -> Self {
        let switch = Self {
            folder: Folder::new("lab-ovs"),
            host: Netns::new("lab-ovs-sw"),
            left: Netns::new("lab-ovs-a"),
            right: Netns::new("lab-ovs-b"),
        };
        for netns in [&switch.host, &switch.left, &switch.right] {
            for which in ["all", "default"] {
                let setting = format!("net.ipv6.conf.{which}.disable_ipv6=1");
                netns.exec(&["sysctl", "-qw", &setting]);
            }
        }
        switch.plug(&switch.left, "10.79.0.1/24", "pkt-va");
        switch.plug(&switch.right, "10.79.0.2/24", "pkt-vb");
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        switch.run("ovsdb-tool", &["create", &switch.path("conf.db"), schema]);
        let remote = format!("--remote=punix:{}", switch.path("db.sock"));
        let pidfile = |name: &str| format!("--pidfile={}", switch.path(name));
        let (conf, pid) = (switch.path("conf.db"), pidfile("db.pid"));
        let words = [&conf, &remote, &pid].map(String::as_str);
        switch.run("ovsdb-server", &[&words[..], &["--detach"]].concat());
        switch.ask(&["--no-wait", "init"]);
        let database = format!("unix:{}", switch.path("db.sock"));
        let pid = pidfile("switch.pid");
        let words = [&database, &pid].map(String::as_str);
        switch.run("ovs-vswitchd", &[&words[..], &["--detach"]].concat());
        switch.ask(&[
            "add-br",
            "br0",
            "--",
            "set",
            "bridge",
            "br0",
            "datapath_type=netdev",
        ]);
        switch.ask(&[
            "add-port", "br0", "pkt-va", "--", "add-port", "br0", "pkt-vb",
        ]);
        switch
    }

    fn plug(&self, netns: &Netns, address: &str, port: &str) {
        let link = [
            "ip", "link", "add", "eth0", "type", "veth", "peer", "name", port,
        ];
        netns.exec(&[&link[..], &["netns", self.host.name()]].concat());
        netns.exec(&["ip", "address", "add", address, "dev", "eth0"]);
        netns.exec(&["ip", "link", "set", "eth0", "up"]);
        self.host.exec(&["ip", "link", "set", port, "up"]);
    }

    fn path(&self, name: &str) -> String {
        self.folder.path(name).display().to_string()
    }

    /// A program of the switch, in its namespace and with files of its own.
    fn run(&self, program: &str, words: &[&str]) {
        let mut command = self.host.command(program);
        for name in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
            command.env(name, self.folder.root());
        }
        // What is detached would keep a pipe open.
        let log = std::fs::File::create(self.folder.path("log")).expect("a file");
        let status = command
            .args(words)
            .stderr(log)
            .stdout(std::process::Stdio::null());
        let status = status.status().expect("it runs");
        let log = std::fs::read_to_string(self.folder.path("log")).unwrap_or_default();
        assert!(status.success(), "{program}: {log}");
    }

    fn ask(&self, words: &[&str]) {
        let database = format!("--db=unix:{}", self.path("db.sock"));
        self.run("ovs-vsctl", &[&[&database, "--timeout=20"], words].concat());
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for name in ["switch.pid", "db.pid"] {
            if let Ok(pid) = std::fs::read_to_string(self.folder.path(name)) {
                let _ = Command::new("kill").arg(pid.trim()).status();
            }
        }
    }
}

#[test]
fn ovs_in_user_space_passes_ping_and_spoils_tcp() {
    let switch = Switch::start();
    switch
        .left
        .exec(&["ping", "-q", "-c", "1", "-w", "10", "10.79.0.2"]);
    let _listener = switch
        .right
        .within(|| TcpListener::bind("10.79.0.2:80").expect("a port"));
    let connect = || {
        let address = "10.79.0.2:80".parse().expect("an address");
        TcpStream::connect_timeout(&address, Duration::from_millis(500))
    };
    let namespaces = [switch.left.name(), switch.host.name(), switch.right.name()];
    let lab = Lab::begin(&namespaces, &["tcp"]);
    assert!(
        switch.left.within(connect).is_err(),
        "TCP does not get through"
    );
    let trails = lab.end().trails();
    let trail = with(&trails, "destination_port", 80).remove(0);
    // The three points at which a person would use tcpdump, in one trail.
    let hops = trail["hops"].as_array().expect("hops");
    let at = |point: &str, interface: &str| {
        let is = |hop: &&serde_json::Value| hop["point"] == point && hop["interface"] == interface;
        let found = hops.iter().find(is);
        found.unwrap_or_else(|| panic!("{point} {interface}: {trail:#}"))
    };
    assert_eq!(at("net_dev_start_xmit", "eth0")["checksum"], "partial");
    assert_eq!(at("netif_receive_skb", "pkt-va")["checksum"], "partial");
    assert_eq!(at("net_dev_start_xmit", "pkt-vb")["checksum"], "none");
    let verdict = &trail["verdict"];
    assert_eq!(verdict["reason"], "TCP_CSUM", "{verdict:#}");
    let cause = verdict["cause"].as_str().expect("a cause");
    assert!(
        cause.contains("left the checksum to a device that never completed it"),
        "{cause}"
    );
    let advice = verdict["advice"].as_str().expect("advice");
    assert!(
        advice.contains("ethtool -K") && advice.contains("tx off"),
        "{advice}"
    );
    // And that is the cure.
    switch.left.exec(&["ethtool", "-K", "eth0", "tx", "off"]);
    switch.right.exec(&["ethtool", "-K", "eth0", "tx", "off"]);
    let cured = switch.left.within(|| {
        let address = "10.79.0.2:80".parse().expect("an address");
        TcpStream::connect_timeout(&address, Duration::from_secs(10))
    });
    assert!(cured.is_ok(), "{cured:?}");
}
