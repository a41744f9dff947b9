//! The program's command line, as anyone may run it: no privilege, no peers.

use pktrail_tests::files::Folder;
use pktrail_tests::program::pktrail;
use serde_json::Value;
use std::fs;
use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    pktrail().args(words).output().expect("the program runs")
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON value")
}

/// Two frames of four bytes, and the first half of a third, as pcap.
fn cut_pcap() -> Vec<u8> {
    let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1];
    let record = [1_700_000_000_u32, 0, 4, 4, 0x0102_0304];
    let words = words.iter().chain(&record).chain(&record).chain(&record);
    let mut bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
    bytes.truncate(24 + 2 * 20 + 10);
    bytes
}

#[test]
fn lists_and_counts_have_json_twins() {
    assert_eq!(json(&run(&["--json", "--version"]))["program"], "pktrail");
    let filter = json(&run(&["--json", "-d", "arp"]));
    assert_eq!(filter[1]["k"], 0x806);
    let doctor = json(&run(&words("doctor --json")));
    assert_eq!(doctor[0]["backend"], "af_packet");
    let types = json(&run(&["-J", "-i", "lo", "--json"]));
    assert_eq!(types[0]["timestamp_types"][0]["name"], "host");
}

#[test]
fn files_and_failures_have_json_twins() {
    let folder = Folder::new("cli-json");
    let (cut, none) = (folder.path("cut"), folder.path("none"));
    fs::write(&cut, cut_pcap()).unwrap();
    let (cut, none) = (cut.to_str().unwrap(), none.to_str().unwrap());
    let printed = run(&["--json", "-c", "1", "-r", cut]);
    assert_eq!(json(&printed)["interface"], Value::Null);
    let counted = run(&["--json", "--count", "-r", cut]);
    assert_eq!(counted.status.code(), Some(1));
    assert_eq!(json(&counted)["packets"], 2);
    let said: Vec<Value> = stderr(&counted)
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(said[0]["reading"]["link_type"], "EN10MB");
    assert_eq!(said[1]["account"]["delivered"], 2);
    let error = said[2]["error"].as_str().unwrap();
    assert!(error.contains("packet record 3 at offset 64"), "{error}");
    // One that is not there does not keep the others from being repaired.
    let repaired = run(&words(&format!("repair --json {none} {cut}")));
    assert_eq!(repaired.status.code(), Some(1));
    assert!(stderr(&repaired).starts_with("{\"error\":"));
    assert_eq!(json(&repaired)["cut_bytes"], 10);
    assert_eq!(fs::metadata(cut).unwrap().len(), 64);
    assert!(run(&words(&format!("repair {cut}"))).status.success());
}

#[test]
fn a_filter_is_printed_for_the_link_type_of_the_file() {
    let folder = Folder::new("cli-dump");
    let file = folder.path("raw.pcap");
    let mut bytes = cut_pcap();
    bytes.truncate(24);
    bytes[20] = 101;
    fs::write(&file, bytes).unwrap();
    let output = run(&["-r", file.to_str().unwrap(), "-ddd", "ip"]);
    let raw = run(&["-y", "RAW", "-ddd", "ip"]);
    assert!(!raw.stdout.is_empty());
    assert_eq!(output.stdout, raw.stdout);
}

/// A pcap file of one packet.
fn one_packet(link_type: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = cut_pcap();
    bytes.truncate(40);
    bytes[20] = link_type;
    let len = u32::try_from(data.len()).unwrap().to_le_bytes();
    bytes[32..36].copy_from_slice(&len);
    bytes[36..40].copy_from_slice(&len);
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn a_filter_means_the_same_in_files_of_every_link_type() {
    let folder = Folder::new("cli-types");
    let (ethernet, raw, list) = (folder.path("e"), folder.path("r"), folder.path("list"));
    let ip = [[0x45, 0, 0, 20].as_slice(), &[0; 16]].concat();
    let frame = [[0; 12].as_slice(), &[8, 0], &ip].concat();
    fs::write(&ethernet, one_packet(1, &frame)).unwrap();
    fs::write(&raw, one_packet(101, &ip)).unwrap();
    fs::write(
        &list,
        format!("{}\n{}\n", ethernet.display(), raw.display()),
    )
    .unwrap();
    let list = list.to_str().unwrap();
    let output = run(&["-V", list, "--count", "ip"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 packets\n");
    // Where it has no meaning, that is said, and the account adds up.
    let output = run(&["-V", list, "--count", "--json", "not vlan 3"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(json(&output)["packets"], 1);
    let said = stderr(&output);
    let account = said.lines().find(|line| line.contains("\"account\""));
    let account: Value = serde_json::from_str(account.unwrap()).unwrap();
    assert_eq!(account["account"]["in_flight"], 0, "{account}");
    assert_eq!(account["account"]["received"], 2, "{account}");
}

#[test]
fn a_file_is_not_written_over_while_it_is_read() {
    let folder = Folder::new("cli-same");
    let file = folder.path("a.pcap");
    fs::write(&file, &cut_pcap()[..64]).unwrap();
    fs::hard_link(&file, folder.path("b.pcap")).unwrap();
    let [a, b] = ["a.pcap", "b.pcap"].map(|name| folder.path(name).display().to_string());
    let output = run(&["-r", &a, "-w", &b]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("-w names a file that is read"));
    assert_eq!(fs::metadata(&file).unwrap().len(), 64);
}

#[test]
fn a_list_of_files_comes_by_standard_input_too() {
    let folder = Folder::new("cli-list");
    let cut = folder.path("cut");
    fs::write(&cut, &cut_pcap()[..64]).unwrap();
    let script = format!(
        "printf '%s\\n%s\\n' {0} {0} | {1} -V - --count",
        cut.display(),
        pktrail_tests::program::path().display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "4 packets\n");
}

#[test]
fn mistakes_are_found_before_anything_is_opened() {
    let folder = Folder::new("cli-early");
    let out = folder.path("out");
    let out = out.to_str().unwrap();
    for wrong in [
        &["--stats", "0"][..],
        &["-c", "0"],
        &["-c", "-1"],
        &["--duration", "-1"],
        &["--format", "x"],
        &["--rotate-packets", "0"],
        &["-B", "0"],
        &["-y", "NONE"],
        &["--max-bytes", "0"],
        &["--align"],
        &["-w", "-", "--print"],
        &["-w", "-", "--count"],
    ] {
        let output = run(&[&["-i", "lo", "-w", out], wrong].concat());
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!fs::exists(out).unwrap(), "{wrong:?}");
    }
    let monitor = run(&["-I", "-i", "lo"]);
    assert_eq!(monitor.status.code(), Some(1));
    assert!(stderr(&monitor).contains("monitor mode is not supported"));
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
        (&["--retrie-ms", "5"][..], "did you mean '--retire-ms'?"),
        (&["-g", "-r", "x"], "did you mean '-G'?"),
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
fn an_expression_reaches_behind_tags_and_into_tunnels_on_request() {
    let listing = |words: &[&str]| String::from_utf8(run(words).stdout).unwrap();
    let plain = listing(&["-d", "port", "80"]);
    assert!(
        !plain.contains("#0x8100") && !plain.contains("#0x12b5"),
        "{plain}"
    );
    assert!(listing(&["--any-tag", "-d", "port", "80"]).contains("#0x8100"));
    assert!(listing(&["--inner", "-d", "port", "80"]).contains("#0x12b5"));
}

#[test]
fn an_expression_is_explained() {
    let text = |words: &[&str]| String::from_utf8(run(words).stdout).unwrap();
    let words = text(&["--explain", "tcp port 80 or 443"]);
    assert!(words.contains("80") && words.lines().count() > 4, "{words}");
    assert!(text(&["--explain=dot", "arp"]).starts_with("digraph"));
    assert!(text(&["--ebpf", "arp"]).contains("exit"));
    assert!(text(&["--explain=svg", "arp"]).starts_with("<svg"));
    assert_eq!(run(&["--explain=png", "arp"]).status.code(), Some(2));
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
