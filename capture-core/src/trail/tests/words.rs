//! Trails in words, conditions on trails, and summaries.

use super::*;
use crate::trail::event::Forwarding;
use crate::trail::top::{By, Top};
use crate::trail::wanted::Wanted;
use crate::trail::words::{self, Detail, Names, block, packet, span};

/// Namespace 200 is called `inside`, its interface 3 `eth0`.
struct Known;

impl Names for Known {
    fn interface(&self, netns: u32, index: u32, _: u64) -> Option<String> {
        ((netns, index) == (200, 3)).then(|| "eth0".to_owned())
    }

    fn netns(&self, inode: u32) -> Option<String> {
        (inode == 200).then(|| "inside".to_owned())
    }

    fn cgroup(&self, process: &Process) -> Option<String> {
        let path = match process.pid {
            1 => "/".to_owned(),
            2 => "/system.slice/ssh.service".to_owned(),
            3 => format!(
                "/system.slice/docker-{}.scope",
                "0123456789abcdef".repeat(4)
            ),
            4 => format!("/docker/{}", "fedcba9876543210".repeat(4)),
            _ => return None,
        };
        Some(path)
    }
}

#[test]
fn a_process_is_told_with_its_container_or_cgroup() {
    let said = |pid| {
        let process = Process {
            pid,
            thread: pid,
            cgroup: 5,
            name: Name::new(b"sshd"),
        };
        words::process(&process, &Known)
    };
    assert_eq!(said(1), "sshd (1)");
    assert_eq!(said(2), "sshd (2) in system.slice/ssh.service");
    assert_eq!(said(3), "sshd (3) in container 0123456789ab");
    assert_eq!(said(4), "sshd (4) in container fedcba987654");
    assert_eq!(said(5), "sshd (5)");
}

/// A datagram that is translated, and dropped by a rule.
fn dropped() -> Trail {
    let mut stage = Stage::new();
    let datagram = udp(41000, 53, b"question");
    let translated = datagram.clone().from(NAT);
    stage.with("net_dev_queue", 0x10, (9, 100), Some(&datagram), |event| {
        event.mark = 7;
        event.checksum = Checksum::Partial;
        event.process = Some(Process {
            pid: 812,
            thread: 812,
            cgroup: 0,
            name: Name::new(b"dig"),
        });
    });
    for point in ["nf:prerouting:-2147483647", "nf:prerouting:-399"] {
        stage.with(point, 0x10, (3, 200), Some(&translated), |event| {
            event.checksum = Checksum::Partial;
        });
    }
    stage.with("nf:prerouting:-299", 0x10, (3, 200), None, |event| {
        event.checksum = Checksum::Partial;
    });
    stage.dropped(0x10, "NETFILTER_DROP", "nf_hook_slow");
    let mut trails = stage.trails();
    assert_eq!(trails.len(), 1, "{trails:#?}");
    trails.remove(0)
}

#[test]
fn a_block_says_who_where_what_changed_and_why_it_ended() {
    let text = block(&dropped(), &Known, "12:00:00", Detail::Brief);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let [head, queue, hook, end, verdict, cause, advice] = &lines[..] else {
        panic!("{text}")
    };
    assert_eq!(
        *head,
        "packet 1 at 12:00:00: UDP 10.0.0.1:41000 → 10.0.1.2:53, 16 bytes"
    );
    let says = |line: &str, words: &[&str]| {
        for word in words {
            assert!(line.contains(word), "'{word}' is missing in '{line}'");
        }
    };
    let place = "#9@net:100";
    says(queue, &["dig (812)", "mark 0x7", "checksum partial", place]);
    let nat = "source 10.0.0.1:41000 → 192.0.2.5:41000";
    says(
        hook,
        &[
            "+3.0 us",
            "PREROUTING to raw",
            "eth0@inside",
            nat,
            "mark 0x7 → 0x0",
        ],
    );
    says(end, &["kfree_skb"]);
    says(
        verdict,
        &[
            "NETFILTER_DROP in nf_hook_slow",
            "eth0@inside",
            "after 4.0 us",
        ],
    );
    says(cause, &["A rule"]);
    says(advice, &["Try: `nft list ruleset`"]);
    let full = block(&dropped(), &Known, "", Detail::Full);
    assert_eq!(full.lines().count(), lines.len() + 2, "{full}");
}

#[test]
fn spans_have_a_unit_that_fits() {
    assert_eq!(span(0), "0.0 us");
    assert_eq!(span(1_940), "1.9 us");
    assert_eq!(span(82_450_000), "82.45 ms");
    assert_eq!(span(3_004_000_000), "3.004 s");
}

#[test]
fn a_packet_is_called_by_protocol_flags_and_type() {
    assert_eq!(
        packet(&tcp(5000, 18, b"").packet()),
        "TCP 10.0.0.1:41000 → 10.0.1.2:80 [S.], 20 bytes"
    );
    assert_eq!(
        packet(&echo(8, 1, 1).packet()),
        "ICMP 10.0.0.1 → 10.0.1.2, echo request, 56 bytes"
    );
}

#[test]
fn every_condition_chooses_and_all_must_hold() {
    let trail = dropped();
    let takes = |change: fn(&mut Wanted)| {
        let mut wanted = Wanted::default();
        change(&mut wanted);
        wanted.takes(&trail, &Known)
    };
    assert!(takes(|_| {}));
    assert!(takes(|w| w.drops = true));
    assert!(takes(|w| w.min_latency_ns = 4_000));
    assert!(!takes(|w| w.min_latency_ns = 4_001));
    assert!(takes(|w| w.interfaces = vec!["eth0".into()]));
    assert!(takes(|w| w.interfaces = vec!["eth0@inside".into()]));
    assert!(!takes(|w| w.interfaces = vec!["eth0@outside".into()]));
    assert!(!takes(|w| w.interfaces = vec!["eth1".into()]));
    assert!(takes(|w| w.pids = vec![1, 812]));
    assert!(!takes(|w| w.pids = vec![1]));
    assert!(takes(|w| w.commands = vec!["dig".into()]));
    assert!(takes(|w| w.marks = vec![(7, u32::MAX)]));
    assert!(takes(|w| w.marks = vec![(3, 3)]));
    assert!(!takes(|w| w.marks = vec![(8, 8)]));
    assert!(!takes(|w| {
        w.drops = true;
        w.pids = vec![1];
    }));
}

#[test]
fn summaries_rank_drops_steps_and_points() {
    let mut top = Top::default();
    top.add(&dropped());
    top.add(&dropped());
    assert_eq!(top.trails(), 2);
    let drops = top.rows(By::Drops, 10);
    assert_eq!((drops.len(), drops[0].count), (1, 2));
    assert!(drops[0].what.contains("NETFILTER_DROP"), "{drops:?}");
    let points = top.rows(By::Points, 10);
    assert_eq!(points.len(), 5, "{points:?}");
    let steps = top.rows(By::Latency, 2);
    assert_eq!(steps.len(), 2);
    let spans = steps[0].spans.expect("times");
    assert_eq!(
        (spans.count, spans.longest_ns, spans.mean_ns()),
        (2, 1000, 1000)
    );
    assert!(top.text(By::Latency, 3).contains("→"));
}

#[test]
fn an_echo_request_that_the_kernel_takes_is_answered() {
    let mut stage = Stage::new();
    let request = echo(8, 1, 1);
    stage.at("nf:input:101", 0x10, (3, 200), &request);
    stage.free(0x10);
    let reply = echo(0, 1, 1);
    stage.at("nf:input:101", 0x20, (3, 200), &reply);
    stage.free(0x20);
    let verdicts: Vec<Verdict> = stage.trails().into_iter().map(|t| t.verdict).collect();
    assert_eq!(verdicts, [Verdict::Answered, Verdict::Consumed]);
}

#[test]
fn a_server_that_was_chosen_is_told_with_its_service() {
    let mut stage = Stage::new();
    let datagram = udp(41000, 53, b"question");
    stage.with("ip_vs_nat_xmit", 0x10, (3, 200), Some(&datagram), |event| {
        event.happening = Happening::Balanced {
            service: "10.76.0.1:53".parse().expect("an end"),
            server: "10.78.0.2:5353".parse().expect("an end"),
            forwarding: Forwarding::from_kernel(0),
        };
    });
    let said = words::hops(&stage.trails()[0], &words::NoNames, Detail::Full).join("");
    let told = "service 10.76.0.1:53 → server 10.78.0.2:5353 by NAT";
    assert!(said.contains(told), "{said}");
}
