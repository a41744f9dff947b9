//! The program's command line, as anyone may run it: no privilege, no peers.

use pktrail_tests::program::pktrail;
use std::fs;
use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    pktrail().args(words).output().expect("the program runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn version_and_help_are_on_standard_output() {
    let version = run(&["--version"]);
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("pktrail "));
    let help = run(&["--help"]);
    assert!(help.status.success());
    for flag in [
        "--fanout",
        "--rotate-packets",
        "-Z",
        "--netns",
        "--immediate-mode",
    ] {
        assert!(
            String::from_utf8_lossy(&help.stdout).contains(flag),
            "{flag}"
        );
    }
}

#[test]
fn wrong_usage_is_one_sentence_and_status_2() {
    for (words, part) in [
        (&["--retire", "5"][..], "did you mean '--retire-ms'?"),
        (&["-tttttt", "-r", "x"], "-ttttt"),
        (&["-s", "300000", "-r", "x"], "262144"),
        (
            &["--time-stamp-precision", "pico", "-r", "x"],
            "micro nor nano",
        ),
        (&["-i", "9999"], "not a number of the list"),
    ] {
        let output = run(words);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.starts_with("pktrail: ") && text.contains(part),
            "{text}"
        );
    }
}

#[test]
fn a_mistake_in_an_expression_is_pointed_at() {
    let output = run(&["-d", "tcp", "prot", "80"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("tcp prot 80\n    ^^^^"), "{text}");
}

#[test]
fn an_expression_is_compiled_without_privilege() {
    let listing = String::from_utf8(run(&["-d", "-s", "96", "arp"]).stdout).unwrap();
    assert!(
        listing.contains("#0x806") && listing.contains("ret      #96"),
        "{listing}"
    );
    let raw = String::from_utf8(run(&["-y", "RAW", "-ddd", "ip"]).stdout).unwrap();
    assert!(raw.starts_with("5\n48 0 0 0\n"), "{raw}");
}

#[test]
fn a_program_from_a_file_is_printed_in_three_forms() {
    let path = std::env::temp_dir().join(format!("pkt-cli-{}.bpf", std::process::id()));
    // tcpdump -y EN10MB -ddd arp
    let text = "4\n40 0 0 12\n21 0 1 2054\n6 0 0 262144\n6 0 0 0\n";
    fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let listing = String::from_utf8(run(&["-d", "-F", file]).stdout).unwrap();
    assert!(
        listing.starts_with("(000) ldh      [12]\n(001) jeq      #0x806"),
        "{listing}"
    );
    let structs = String::from_utf8(run(&["-dd", "-F", file]).stdout).unwrap();
    assert!(
        structs.starts_with("{ 0x28, 0, 0, 0x0000000c },\n"),
        "{structs}"
    );
    assert_eq!(
        String::from_utf8(run(&["-ddd", "-F", file]).stdout).unwrap(),
        text
    );
    fs::write(&path, "1\n40 0 0 12\n").unwrap();
    let wrong = run(&["-d", "-F", file]);
    assert_ne!(wrong.status.code(), Some(0));
    assert!(stderr(&wrong).contains(file), "{}", stderr(&wrong));
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let program = pktrail_tests::program::path().display().to_string();
    let script = format!("{{ sleep 0.2; {program} --help; echo $? >&2; }} | true");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(stderr(&output).trim(), "0");
}
