//! Rules of nftables and iptables-nft, one by one; the temporary table and its end.

use crate::shown::send;
use pktrail_tests::netns::{Netns, VethPair};
use pktrail_tests::tracing::{Traced, Tracing};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

fn start(pair: &VethPair, words: &[&str]) -> Tracing {
    let mut all = vec![
        "--rules",
        "--netns",
        pair.a.name(),
        "--netns",
        pair.b.name(),
    ];
    all.extend(words);
    Tracing::start(&all)
}

fn trace(pair: &VethPair, ports: &[u16]) -> Traced {
    let tracing = start(pair, &["--json", "udp"]);
    for port in ports {
        send(pair, *port);
    }
    let traced = tracing.end();
    assert!(traced.status.success(), "{}", traced.said);
    traced
}

fn tables(netns: &Netns) -> String {
    netns.exec(&["nft", "list", "tables"])
}

/// The rules of a trail: `TABLE CHAIN TEXT VERDICT`.
fn rules(trail: &Value) -> Vec<String> {
    let rules = trail["rules"].as_array().expect("rules").iter();
    let text = |rule: &Value| {
        let part = |name: &str| rule[name].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} {}",
            part("table"),
            part("chain"),
            part("rule"),
            part("verdict")
        )
    };
    rules.map(text).collect()
}

#[test]
fn a_drop_is_named_by_table_chain_and_rule() {
    let pair = VethPair::new("rules-nft");
    let rules_of_b = "add table inet guard; \
        add chain inet guard in { type filter hook input priority 0; }; \
        add chain inet guard datagrams; \
        add rule inet guard in ip protocol udp jump datagrams; \
        add rule inet guard datagrams udp dport 4001 counter drop; \
        add rule inet guard datagrams udp dport 4000 counter";
    pair.b.exec(&["nft", rules_of_b]);
    let traced = trace(&pair, &[4000, 4001]);
    let dropped = traced.trail_to(4001);
    assert_eq!(
        rules(&dropped),
        [
            "guard in ip protocol udp jump datagrams jump datagrams",
            "guard datagrams udp dport 4001 counter drop drop",
        ]
    );
    let rule = &dropped["verdict"]["rule"];
    assert_eq!(rule["chain"], "datagrams");
    assert_eq!(rule["rule"], "udp dport 4001 counter drop");
    assert_eq!(
        (&rule["hook"], &rule["priority"]),
        (&json!("input"), &json!(0))
    );
    // It stands behind the last gap before the chain.
    let after = dropped["rules"][1]["after_hop"].as_u64().expect("an index");
    let hop = &dropped["hops"][usize::try_from(after).expect("small")];
    assert_eq!(hop["point"], "nf:input:-149");
    let passed = traced.trail_to(4000);
    let wanted = "guard datagrams udp dport 4000 counter continue";
    assert!(rules(&passed).contains(&wanted.to_owned()), "{passed:#}");
    assert!(
        rules(&passed).contains(&"guard in - accept".to_owned()),
        "{passed:#}"
    );
    assert!(passed["verdict"]["rule"].is_null());
    // nft's own counters agree.
    let counters = pair.b.exec(&["nft", "list", "ruleset"]);
    assert!(
        counters.contains("dport 4001 counter packets 1"),
        "{counters}"
    );
    assert_eq!(tables(&pair.b).trim(), "table inet guard");
    assert_eq!(tables(&pair.a).trim(), "");
}

#[test]
fn rules_of_iptables_nft_and_of_translation_are_seen_too() {
    let pair = VethPair::new("rules-ipt");
    pair.a.exec(&[
        "iptables-nft",
        "-t",
        "nat",
        "-A",
        "POSTROUTING",
        "-p",
        "udp",
        "--dport",
        "4000",
        "-j",
        "SNAT",
        "--to-source",
        "10.77.0.50",
    ]);
    pair.b.exec(&[
        "iptables-nft",
        "-A",
        "INPUT",
        "-p",
        "udp",
        "--dport",
        "4001",
        "-j",
        "DROP",
    ]);
    let traced = trace(&pair, &[4000, 4001]);
    let dropped = traced.trail_to(4001);
    let rule = &dropped["verdict"]["rule"];
    assert_eq!(
        (&rule["table"], &rule["chain"]),
        (&json!("filter"), &json!("INPUT"))
    );
    let text = rule["rule"].as_str().expect("text");
    assert!(
        text.contains("dport 4001") && text.ends_with("drop"),
        "{text}"
    );
    let translated = traced.trail_to(4000);
    let nat = rules(&translated);
    assert!(
        nat.iter().any(|r| r.starts_with("nat POSTROUTING ")),
        "{nat:?}"
    );
}

#[test]
fn only_matching_packets_are_marked() {
    let pair = VethPair::new("rules-few");
    let chain = "add table ip pkt; add chain ip pkt c { type filter hook input priority 0; }; \
        add rule ip pkt c udp dport 4000-4001 counter";
    pair.b.exec(&["nft", chain]);
    let monitor = (pair.b.command("nft").args(["monitor", "trace"]))
        .stdout(Stdio::piped())
        .spawn();
    let mut monitor = monitor.expect("nft runs");
    let tracing = start(&pair, &["udp port 4001"]);
    // Nobody says when nft listens: packets go until it was heard.
    let begin = Instant::now();
    let heard = std::thread::scope(|scope| {
        let reader = monitor.stdout.take().expect("a pipe");
        let reader = scope.spawn(move || {
            use std::io::{BufRead, BufReader};
            let mut lines = Vec::new();
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                let last = line.contains("dport 4001");
                lines.push(line);
                if last {
                    break;
                }
            }
            lines
        });
        while !reader.is_finished() && begin.elapsed() < PATIENCE {
            send(&pair, 4000);
            send(&pair, 4001);
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = monitor.kill();
        let _ = monitor.wait();
        reader.join().expect("it reads")
    });
    let text = heard.join("\n");
    assert!(text.contains("udp dport 4001"), "{text}");
    assert!(!text.contains("udp dport 4000 "), "{text}");
    tracing.end();
}

#[test]
fn the_table_is_gone_on_every_way_out() {
    let pair = VethPair::new("rules-gone");
    pair.b.exec(&[
        "nft",
        "add table ip pkt; add chain ip pkt c { type filter hook input priority 0; }",
    ]);
    for signal in ["INT", "TERM", "KILL"] {
        let tracing = start(&pair, &[]);
        let during = tables(&pair.b);
        assert!(during.contains("table ip pktrail-"), "{during}");
        assert!(!tables(&pair.a).contains("pktrail"), "it has no rules");
        tracing.signal(signal);
        tracing.wait();
        let begin = Instant::now();
        while tables(&pair.b).contains("pktrail") {
            assert!(begin.elapsed() < PATIENCE, "{signal}: {}", tables(&pair.b));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(tables(&pair.b).trim(), "table ip pkt");
    }
}

/// Rules of iptables-legacy in `b`: a chain of one's own, a mark, and a drop of what goes to 4001.
fn legacy(pair: &VethPair) {
    for rule in [
        "-t mangle -A PREROUTING -p udp -j MARK --set-mark 5",
        "-N guard",
        "-A INPUT -p tcp -j ACCEPT",
        "-A INPUT -p udp -j guard",
        "-A guard -p udp --dport 4001 -j DROP",
    ] {
        let words: Vec<&str> = rule.split(' ').collect();
        pair.b.exec(&[&["iptables-legacy"], &words[..]].concat());
    }
}

fn logger(netns: &Netns) -> String {
    netns.exec(&["cat", "/proc/sys/net/netfilter/nf_log/2"])
}

#[test]
fn rules_of_iptables_legacy_are_seen_beside_those_of_nftables() {
    let pair = VethPair::new("rules-old");
    legacy(&pair);
    let chain = "add table ip pkt; add chain ip pkt c { type filter hook input priority -10; }; \
        add rule ip pkt c udp dport 4001 counter";
    pair.b.exec(&["nft", chain]);
    let traced = trace(&pair, &[4000, 4001]);
    let dropped = traced.trail_to(4001);
    assert_eq!(
        rules(&dropped),
        [
            "mangle PREROUTING -p udp -j MARK --set-xmark 0x5/0xffffffff continue",
            "mangle PREROUTING - accept",
            "mangle INPUT - accept",
            "pkt c udp dport 4001 counter continue",
            "pkt c - accept",
            "filter INPUT -p udp -j guard jump guard",
            "filter guard -p udp -m udp --dport 4001 -j DROP drop",
        ]
    );
    let rule = &dropped["verdict"]["rule"];
    assert_eq!(
        (&rule["family"], &rule["handle"]),
        (&json!("iptables"), &json!(1))
    );
    let advice = dropped["verdict"]["advice"].as_str().expect("advice");
    assert!(
        advice.contains("iptables-legacy -t filter -nvL guard"),
        "{advice}"
    );
    let passed = rules(&traced.trail_to(4000));
    let end = ["filter guard - return", "filter INPUT - accept"];
    assert!(passed.ends_with(&end.map(str::to_owned)), "{passed:?}");
    // The old tools' own counters agree, and their rules are as they were.
    let saved = pair.b.exec(&["iptables-legacy-save", "-c"]);
    assert!(
        saved.contains("[1:38] -A guard -p udp -m udp --dport 4001"),
        "{saved}"
    );
    assert!(
        !saved.contains("TRACE") && !saved.contains("*raw"),
        "{saved}"
    );
}

#[test]
fn the_logger_is_put_back_on_every_way_out() {
    let pair = VethPair::new("rules-log");
    legacy(&pair);
    let before = logger(&pair.b);
    assert!(!before.contains("nfnetlink_log"), "{before}");
    for signal in ["INT", "TERM", "KILL"] {
        let tracing = start(&pair, &[]);
        assert_eq!(logger(&pair.b).trim(), "nfnetlink_log");
        assert_eq!(logger(&pair.a), before, "it has no rules");
        tracing.signal(signal);
        tracing.wait();
        let begin = Instant::now();
        while logger(&pair.b) != before {
            assert!(begin.elapsed() < PATIENCE, "{signal}: {}", logger(&pair.b));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn without_rules_and_with_a_listener_it_says_so() {
    let pair = VethPair::new("rules-none");
    let traced = start(&pair, &[]).end();
    let said = "no traced namespace has rules";
    assert!(traced.said.contains(said), "{}", traced.said);
    legacy(&pair);
    // The first one has the reports, and the second one says what is missing.
    let first = start(&pair, &["--json", "udp"]);
    let second = start(&pair, &[]).end();
    assert!(second.said.contains("NFLOG group 0"), "{}", second.said);
    send(&pair, 4001);
    let first = first.end();
    let dropped = first.trail_to(4001);
    assert_eq!(dropped["verdict"]["rule"]["chain"], "guard", "{dropped:#}");
    assert!(!logger(&pair.b).contains("nfnetlink_log"));
}

#[test]
fn the_first_rule_of_a_namespace_may_come_later() {
    let pair = VethPair::new("rules-late");
    let tracing = start(&pair, &["--json", "udp"]);
    assert_eq!(tables(&pair.b), "");
    let drop = "add table ip late; add chain ip late c { type filter hook input priority 0; }; \
        add rule ip late c udp dport 4001 drop";
    pair.b.exec(&["nft", drop]);
    // It is looked for once a second.
    let begin = Instant::now();
    while !tables(&pair.b).contains("pktrail-") {
        assert!(begin.elapsed() < PATIENCE, "{}", tables(&pair.b));
        std::thread::sleep(Duration::from_millis(100));
    }
    send(&pair, 4001);
    let traced = tracing.end();
    let trail = traced.trail_to(4001);
    assert_eq!(rules(&trail), ["late c udp dport 4001 drop drop"]);
    assert_eq!(trail["verdict"]["hook"], "input", "{trail:#}");
    assert_eq!(tables(&pair.b), "table ip late\n");
}
