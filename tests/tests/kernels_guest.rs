//! What must hold under other kernels than this machine's: run by
//! `make test-guest` in guests with Debian's kernels 6.1 and 6.12.
//!
//! Runs tests of the netns targets again, by name; their code stays there. Such
//! a guest is emulated and slow, so tests that flood or measure are left out.

#![allow(
    clippy::print_stdout,
    reason = "the numbers of a run are to be recorded"
)]

use pktrail::xdp_filter;
use pktrail_core::filter::{EbpfContext, NoNames, Target};
use pktrail_core::{Filter, LinkType};
use std::net::Ipv4Addr;
use std::process::Command;

/// Tests of `netns_capture` that hold under every kernel.
const CAPTURES: &[&str] = &[
    "any::directions_hold_for_all_interfaces",
    "any::frames_are_cooked_and_keep_their_interface",
    "basic::directions_are_told_apart_in_the_kernel",
    "basic::every_frame_sent_is_captured_once_and_in_order",
    "basic::loopback_shows_each_frame_once",
    "basic::the_snap_length_cuts_and_the_length_tells",
    "changes::an_interface_may_go_down_and_come_back",
    "changes::an_interface_may_vanish_and_return",
    "filters::cooked_frames_are_left_to_the_engine",
    "filters::the_filter_is_final",
    "filters::what_a_filter_returns_is_kept_of_a_frame",
    "groups::defragmented_datagrams_come_as_one",
    "groups::directions_hold_in_a_group",
    "groups::the_group_shares_the_frames_in_every_mode",
    "groups::the_program_runs_without_the_privilege_to_load_it",
    "groups::the_program_steers_by_the_pair_of_addresses",
    "places::a_namespace_is_found_by_name_path_and_process",
    "places::a_tunnel_has_raw_packets",
    "places::devices_of_a_namespace_are_listed_with_their_facts",
    "privileges::a_capture_goes_on_after_all_privileges_are_gone",
    "privileges::net_raw_is_enough",
    "rings::batches_are_kept_and_given_back_in_any_order",
    "vlan::cooked_frames_have_their_tag_behind_the_header",
    "vlan::tags_are_put_back_where_they_were",
];
/// Kernels before 6.3 do not say TP_STATUS_GSO_TCP (include/uapi/linux/if_packet.h).
const CAPTURES_SINCE_6_3: &[&str] = &["offload::segments_and_checksums_of_a_local_sender_are_told"];

/// The running kernel's version, major and minor.
fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("procfs");
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse::<u32>().expect("MAJOR.MINOR"));
    let major = numbers.next().expect("a first number");
    (major, numbers.next().expect("a second number"))
}

/// Runs `tests` of another target, whose binary `scripts/test` has built, to
/// their ends: all must be there and pass.
fn rerun(target: &str, tests: &[&str]) {
    let variable = format!("PKTRAIL_TEST_{target}");
    let binary = std::env::var_os(&variable)
        .unwrap_or_else(|| panic!("no {variable}: run `scripts/test kernels_guest`"));
    // Those that a machine may refuse are run here too.
    let output = Command::new(binary)
        .args(["--test-threads=1", "--exact", "--include-ignored"])
        .args(tests)
        .output()
        .expect("the test binary runs");
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{target}: {}", output.status);
    // A test that has another name now would not be missed otherwise.
    let passed = format!(" {} passed", tests.len());
    assert!(said.contains(&passed), "{target}: not{passed}");
}

#[test]
fn frames_are_captured() {
    let mut tests = CAPTURES.to_vec();
    if kernel() >= (6, 3) {
        tests.extend(CAPTURES_SINCE_6_3);
    }
    rerun("netns_capture", &tests);
}

#[test]
fn sources_keep_their_contract() {
    rerun(
        "conformance_netns",
        &[
            "a_source_moves_to_another_thread_and_ends_by_being_dropped",
            "a_source_names_its_interface_first",
            "a_stopped_source_ends_and_its_account_stands_still",
            "an_unknown_namespace_is_said_by_those_that_look",
            "names_are_unique_and_said_in_words",
            "the_privilege_in_the_row_is_enough_and_its_lack_is_said",
            "the_probe_of_root_says_that_it_works",
            "zero_never_waits",
        ],
    );
}

#[test]
fn the_verifier_takes_every_filter_as_a_packet_program() {
    let target = Target {
        netmask: Some(Ipv4Addr::UNSPECIFIED),
        ..Target::new(LinkType::ETHERNET, 65_535)
    };
    let list = include_str!("filter_libpcap_peers/expressions.txt");
    let mut loaded = 0;
    for text in list.lines().filter(|line| !line.starts_with('#')) {
        let Ok(filter) = Filter::compile(text, &target, &mut NoNames) else {
            continue;
        };
        for context in [EbpfContext::Xdp, EbpfContext::Tc] {
            let verdict = xdp_filter::verify(&filter, context);
            verdict.unwrap_or_else(|e| panic!("{context:?}: {text}: {e:#}"));
            loaded += 1;
        }
    }
    println!("{loaded} programs loaded");
    assert!(loaded > 800, "only {loaded}");
}

#[test]
fn the_kernel_runs_filters_to_the_verdicts_of_the_interpreter() {
    let tests = [
        "the_list_of_expressions_is_run_by_the_kernel_as_here",
        "skb::the_list_of_expressions_is_judged_inside_the_kernel_as_here",
        "skb::a_tag_beside_the_packet_is_seen",
        "skb::facts_beside_the_packet_are_seen",
        "skb::far_bytes_are_read_on_demand",
    ];
    rerun("filter_ebpf_netns", &tests);
}

/// At tracepoints and, other than on some machines, at functions.
#[test]
fn packets_are_filtered_in_the_programs_that_trace_them() {
    let tests = [
        "a_filter_that_is_too_large_is_refused",
        "a_tag_is_seen_in_the_packet_and_beside_it",
        "datagrams_are_counted_where_they_pass",
        "functions_are_filtered_before_the_link_layer_is_there",
        "packets_of_a_tunnel_begin_with_ip",
        "without_a_filter_everything_matches",
    ];
    rerun("filter_skb_netns", &tests);
}
