//! What the program needs, gives up, and says when it lacks it.

use super::support::{Running, numbers, on_cable, send};
use pktrail_tests::files::Folder;
use pktrail_tests::netns::VethPair;
use pktrail_tests::program;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::time::Duration;

const NOBODY: u32 = 65_534;

/// The effective capabilities and the user of a process, from proc(5).
fn status_of(pid: u32) -> (u64, String) {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().to_owned()
    };
    (
        u64::from_str_radix(&field("CapEff:"), 16).unwrap(),
        field("Uid:"),
    )
}

#[test]
fn capabilities_are_gone_once_it_listens() {
    let (pair, folder) = (VethPair::new("caps"), Folder::new("program-caps"));
    let file = folder.path("c.pcapng");
    let words = ["-w", file.to_str().unwrap()];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    assert_eq!(status_of(running.pid()).0, 0);
    send(&pair, 0..10, 64, Duration::ZERO);
    running.stop().assert_accounted(10);
}

#[test]
fn another_user_goes_on_rotating() {
    let (pair, folder) = (VethPair::new("user"), Folder::new("program-user"));
    let dir = folder.path("theirs");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(folder.root(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
    let first = dir.join("r.pcapng");
    let words = [
        "-Z",
        "nobody",
        "--rotate-packets",
        "10",
        "-w",
        first.to_str().unwrap(),
    ];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    let (capabilities, uid) = status_of(running.pid());
    assert_eq!((capabilities, uid.starts_with("65534")), (0, true), "{uid}");
    send(&pair, 0..35, 64, Duration::ZERO);
    let ended = running.stop();
    assert!(ended.status.success(), "{}", ended.said);
    ended.assert_accounted(35);
    let files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    assert_eq!(files.len(), 4);
    assert!(
        files
            .iter()
            .all(|file| file.metadata().unwrap().uid() == NOBODY)
    );
}

#[test]
fn root_rotates_in_a_folder_of_somebody_else() {
    let (pair, folder) = (VethPair::new("theirs"), Folder::new("program-theirs"));
    let dir = folder.path("theirs");
    fs::create_dir(&dir).unwrap();
    chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
    let first = dir.join("r.pcapng");
    let words = ["--rotate-packets", "10", "-w", first.to_str().unwrap()];
    let running = Running::start(&mut on_cable(&pair, &words), &folder);
    send(&pair, 0..35, 64, Duration::ZERO);
    running.stop().assert_accounted(35);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4);
}

#[test]
fn a_user_who_may_not_rotate_there_is_told_before_anything_is_lost() {
    let (pair, folder) = (VethPair::new("refused"), Folder::new("program-refused"));
    fs::set_permissions(folder.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let first = folder.path("r.pcapng");
    let words = [
        "-Z",
        "nobody",
        "--rotate-packets",
        "10",
        "-w",
        first.to_str().unwrap(),
    ];
    let output = on_cable(&pair, &words)
        .args(["--duration", "5"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot make further files in"), "{said}");
}

/// The program as an unprivileged user, with these ambient capabilities.
fn as_nobody(pair: &VethPair, capabilities: &str, words: &[&str]) -> std::process::Command {
    let mut command = pair.b.command("setpriv");
    let user = NOBODY.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    command.args(["--inh-caps", capabilities, "--ambient-caps", capabilities]);
    command
        .arg(program::path())
        .args(["-i", VethPair::B, "--json"])
        .args(words);
    command
}

#[test]
fn the_right_to_raw_sockets_is_enough() {
    let (pair, folder) = (VethPair::new("raw"), Folder::new("program-raw"));
    fs::set_permissions(folder.root(), fs::Permissions::from_mode(0o777)).unwrap();
    let file = folder.path("raw.pcapng");
    let bin = visible(&folder);
    let mut command = as_nobody(&pair, "-all,+net_raw", &["-w", file.to_str().unwrap()]);
    swap_program(&mut command, &bin);
    let running = Running::start(&mut command, &folder);
    send(&pair, 0..20, 64, Duration::ZERO);
    running.stop().assert_accounted(20);
    assert_eq!(numbers(&file).len(), 20);
}

#[test]
fn without_a_privilege_it_says_what_to_do_and_still_reads_files() {
    let (pair, folder) = (VethPair::new("none"), Folder::new("program-none"));
    fs::set_permissions(folder.root(), fs::Permissions::from_mode(0o777)).unwrap();
    let bin = visible(&folder);
    let mut command = as_nobody(&pair, "-all", &["--duration", "5"]);
    swap_program(&mut command, &bin);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(1), 1),
        "{said}"
    );
    assert!(said.contains("cap_net_raw"), "{said}");
}

/// A copy of the program where every user can reach it.
fn visible(folder: &Folder) -> std::path::PathBuf {
    let bin = folder.path("pktrail");
    fs::copy(program::path(), &bin).unwrap();
    bin
}

/// The same command with the program at another place.
fn swap_program(command: &mut std::process::Command, bin: &std::path::Path) {
    let words: Vec<_> = command.get_args().map(|word| word.to_owned()).collect();
    let mut swapped = std::process::Command::new(command.get_program());
    for word in words {
        let is_program = word == program::path().as_os_str();
        swapped.arg(if is_program { bin.as_os_str() } else { &word });
    }
    *command = swapped;
}
