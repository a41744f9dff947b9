//! A real Docker: container to container, from outside to a published port, and from a container
//! to the outside. Its daemon has a network namespace, folders and a socket of its own.

use crate::stage::{Lab, rewrites};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::{VethPair, run};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon in namespace `a` of the pair; `b` is the outside.
struct Docker {
    daemon: Child,
    folder: Folder,
}

impl Docker {
    fn start(pair: &VethPair) -> Self {
        let folder = Folder::new("lab-docker");
        let netns = format!("--net=/run/netns/{}", pair.a.name());
        let path = |name: &str| folder.path(name).display().to_string();
        let log = File::create(folder.path("log")).expect("a file");
        // `ip netns exec` would hide the control groups.
        let mut command = Command::new("nsenter");
        command.args([&netns, "dockerd", "--storage-driver", "vfs"]);
        command.args(["--data-root", &path("data"), "--exec-root", &path("run")]);
        command.args([
            "--pidfile",
            &path("pid"),
            "--host",
            &format!("unix://{}", path("sock")),
        ]);
        let daemon = command.stderr(log).stdin(Stdio::null()).spawn();
        let docker = Self {
            daemon: daemon.expect("dockerd starts"),
            folder,
        };
        let question = ["version"];
        let begin = Instant::now();
        while !docker
            .client(&question)
            .output()
            .is_ok_and(|o| o.status.success())
        {
            let log = fs::read_to_string(docker.folder.path("log")).unwrap_or_default();
            assert!(begin.elapsed() < PATIENCE, "dockerd does not answer: {log}");
            std::thread::sleep(Duration::from_millis(200));
        }
        docker.import();
        docker
    }

    /// An image of busybox alone.
    fn import(&self) {
        let tree = self.folder.path("tree");
        fs::create_dir_all(tree.join("bin")).expect("a folder");
        fs::copy("/bin/busybox", tree.join("bin/busybox")).expect("busybox is static");
        let (tree, tar) = (tree.display().to_string(), self.folder.path("image.tar"));
        let tar = tar.display().to_string();
        run("tar", &["-C", &tree, "-cf", &tar, "."]);
        self.ask(&["import", &tar, "pkt:1"]);
    }

    fn client(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        let socket = format!("unix://{}", self.folder.path("sock").display());
        command.args(["--host", &socket]).args(words);
        command
    }

    fn ask(&self, words: &[&str]) -> String {
        let output = self.client(words).output().expect("docker runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts a container; returns its process and its address.
    fn container(&self, name: &str, words: &[&str], command: &[&str]) -> (String, String) {
        let first = ["run", "--detach", "--name", name];
        self.ask(&[&first[..], words, &["pkt:1", "/bin/busybox"], command].concat());
        let pid = self.ask(&["inspect", "-f", "{{.State.Pid}}", name]);
        let address = "{{.NetworkSettings.IPAddress}}";
        (pid, self.ask(&["inspect", "-f", address, name]))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let _ = self.client(&["rm", "--force", "web", "other"]).output();
        let pid = self.daemon.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.daemon.wait();
    }
}

/// Interfaces in the order in which the packet passed them, with the inode of their namespace.
fn interfaces(trail: &Value) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for hop in trail["hops"].as_array().expect("hops") {
        let name = hop["interface"].as_str().unwrap_or("").to_owned();
        let place = (name, hop["netns_inode"].as_u64().unwrap_or(0));
        if !place.0.is_empty() && found.last() != Some(&place) {
            found.push(place);
        }
    }
    found
}

fn inode(path: &str) -> u64 {
    fs::metadata(path).expect("the namespace is there").ino()
}

#[test]
fn docker_bridges_publishes_and_masquerades() {
    let pair = VethPair::new("lab-docker");
    pair.b
        .exec(&["ip", "route", "add", "default", "via", VethPair::ADDRESS_A]);
    let docker = Docker::start(&pair);
    let serve = ["httpd", "-f", "-p", "80"];
    let (web, web_address) = docker.container("web", &["--publish", "8080:80"], &serve);
    let (other, other_address) = docker.container("other", &[], &["sleep", "1000"]);
    let host = inode(&format!("/run/netns/{}", pair.a.name()));
    let (in_web, in_other) = (
        inode(&format!("/proc/{web}/ns/net")),
        inode(&format!("/proc/{other}/ns/net")),
    );
    let namespaces = [pair.a.name(), pair.b.name(), &web, &other];
    let lab = Lab::begin(&namespaces, &["icmp or tcp"]);
    let inside = |words: &[&str]| docker.ask(&[&["exec", "other", "/bin/busybox"], words].concat());
    // It is still there when its first packet is shown, and so is what the kernel says of it.
    inside(&["ping", "-c", "2", &web_address]);
    inside(&["ping", "-c", "1", VethPair::ADDRESS_B]);
    // From outside, and from the host itself.
    for netns in [&pair.b, &pair.a] {
        let mut asked = netns.command("curl");
        let url = format!("http://{}:8080/", VethPair::ADDRESS_A);
        let asked = asked
            .args(["-s", "-o", "/dev/null", "--max-time", "10", &url])
            .status();
        assert!(asked.expect("curl runs").success());
    }
    let trails = lab.end().trails();
    let find = |what: &str, fits: &dyn Fn(&Value) -> bool| {
        let found = trails.iter().find(|trail| fits(&trail["headers"]));
        found.unwrap_or_else(|| panic!("no {what}")).clone()
    };

    let across = find("ping across", &|h| {
        h["destination"] == *web_address && h["icmp_type"] == 8
    });
    check_across(&across, [in_other, host, in_web]);
    let id = docker.ask(&["inspect", "-f", "{{.Id}}", "other"]);
    check_owner(&trails, id.get(..12).expect("a number"));
    let out = find("ping to the outside", &|h| {
        h["source"] == *other_address && h["destination"] == VethPair::ADDRESS_B
    });
    check_out(&out, host);
    let asked_by = |address: &str| {
        find("request", &|h| {
            h["destination_port"] == 8080 && h["source"] == address
        })
    };
    let routed = ["prerouting", "forward", "postrouting"];
    for (address, point, passed) in [
        (VethPair::ADDRESS_B, "nf:prerouting:-99", &routed[..]),
        (
            VethPair::ADDRESS_A,
            "nf:output:-99",
            &["output", "postrouting"],
        ),
    ] {
        let published = asked_by(address);
        assert_eq!(hooks(&published, host), passed, "{published:#}");
        check_published(&published, point, &web_address, in_web);
    }
}

/// The hooks of netfilter that a packet passed in a namespace.
fn hooks(trail: &Value, netns: u64) -> Vec<String> {
    let hops = trail["hops"].as_array().expect("hops").iter();
    let here = hops.filter(|hop| hop["netns_inode"] == netns);
    let mut hooks: Vec<String> = here
        .filter_map(|hop| hop["hook"].as_str().map(str::to_owned))
        .collect();
    hooks.dedup();
    hooks
}

/// The ping is told with its container. Its first packet waits for a neighbour, and is then sent by
/// whoever is interrupted.
fn check_owner(trails: &[Value], container: &str) {
    let hops = trails.iter().flat_map(|trail| trail["hops"].as_array());
    let owners = hops.flatten().map(|hop| &hop["process"]);
    let owners: Vec<_> = owners
        .filter(|owner| owner["container"] == container)
        .collect();
    assert!(!owners.is_empty(), "nobody of {container}");
    assert!(
        owners.iter().all(|owner| owner["name"] == "busybox"),
        "{owners:?}"
    );
}

/// Out of one, over two ports of the bridge, into the other.
fn check_across(across: &Value, [in_other, host, in_web]: [u64; 3]) {
    let ways = interfaces(across);
    assert_eq!(
        ways.first(),
        Some(&("eth0".to_owned(), in_other)),
        "{ways:?}"
    );
    assert_eq!(ways.last(), Some(&("eth0".to_owned(), in_web)), "{ways:?}");
    let between = &ways[1..ways.len() - 1];
    assert!(between.len() >= 2, "{ways:?}");
    assert!(between.iter().all(|(_, netns)| *netns == host), "{ways:?}");
    let ports = [between.first(), between.last()].map(|port| port.map(|(name, _)| name.clone()));
    assert!(
        ports.iter().flatten().all(|name| name.starts_with("veth")),
        "{ways:?}"
    );
    assert_ne!(ports[0], ports[1]);
    assert_eq!(rewrites(across), [], "addresses stay");
    assert_eq!(across["verdict"]["kind"], "answered");
}

/// By the bridge and the cable, as the host.
fn check_out(out: &Value, host: u64) {
    assert_eq!(
        hooks(out, host),
        ["prerouting", "forward", "postrouting"],
        "{out:#}"
    );
    let names: Vec<String> = interfaces(out).into_iter().map(|(name, _)| name).collect();
    let at = |name: &str| names.iter().position(|known| known == name);
    let places = ["eth0", "docker0", "pkt-a"].map(|name| at(name).expect(name));
    assert!(places.is_sorted(), "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("pkt-b"));
    let [(point, _, to)] = &rewrites(out)[..] else {
        panic!("{:?}", rewrites(out))
    };
    assert_eq!(point, "nf:postrouting:101");
    assert!(to.starts_with("10.77.0.1:"), "{to}");
}

/// The host's address becomes the container's.
fn check_published(published: &Value, wanted: &str, web_address: &str, in_web: u64) {
    let [(point, _, to)] = &rewrites(published)[..] else {
        panic!("{:?}", rewrites(published))
    };
    assert_eq!(point, wanted);
    assert!(to.ends_with(&format!("{web_address}:80")), "{to}");
    let ways = interfaces(published);
    assert_eq!(ways.last(), Some(&("eth0".to_owned(), in_web)), "{ways:?}");
}
