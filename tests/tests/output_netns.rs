//! Written files where it takes root: a full disk, and rights that are gone.
//! The disk is a small tmpfs in a mount namespace of its own.

use pktrail::output::{FileSink, Output};
use pktrail_tests::files::{Folder, tshark_seconds};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

const WRITE: &str = env!("CARGO_BIN_EXE_pkt-write");
const NOBODY: u32 = 65_534;

#[test]
fn a_full_disk_leaves_a_valid_file_and_a_true_sentence() {
    for (size, frames) in [("1m", &["3000"][..]), ("3m", &["5000", "blocks"])] {
        fill_a_disk(size, frames);
    }
}

fn fill_a_disk(size: &str, frames: &[&str]) {
    let folder = Folder::new("full");
    let kept = folder.path("kept.pcapng");
    let disk = folder.path("disk");
    fs::create_dir(&disk).expect("a new folder");
    // What is on the disk goes with the namespace, so it is copied out.
    let script = "disk=$1 kept=$2 size=$3 write=$4; shift 4; \
                  mount -t tmpfs -o size=$size none \"$disk\" && { \
                  \"$write\" \"$disk/out\" \"$@\"; code=$?; \
                  cp \"$disk/out\" \"$kept\"; exit $code; }";
    let ended = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .args([disk.as_os_str(), kept.as_os_str()])
        .args([size, WRITE])
        .args(frames)
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{text}");
    let said: Value = serde_json::from_slice(&ended.stdout).expect("a line of JSON");
    let error = said["error"].as_str().expect("an error");
    assert!(error.contains("No space left on device"), "{error}");
    let held = tshark_seconds(&kept);
    assert_eq!(
        held,
        (1_600_000_000..).take(held.len()).collect::<Vec<u64>>()
    );
    assert!(held.len() > 500, "{}", held.len());
    let count = |name: &str| said["counts"][name].as_u64().expect("a number");
    assert_eq!(count("lost") + held.len() as u64, count("taken"), "{said}");
    assert!(
        error.contains(&format!("holds {} frames", held.len())),
        "{error}"
    );
    let checked = Command::new("capinfos")
        .arg(&kept)
        .output()
        .expect("capinfos runs");
    assert!(checked.status.success(), "the file is not valid to its end");
}

#[test]
fn rotation_is_refused_beforehand_where_the_user_may_not_write() {
    let folder = Folder::new("rights");
    let out = folder.path("out");
    let as_nobody = |expected: i32| {
        let ended = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args([WRITE.as_ref(), out.as_os_str()])
            .args(["25", "10"])
            .output()
            .expect("setpriv runs");
        assert_eq!(ended.status.code(), Some(expected));
        let said: Value = serde_json::from_slice(&ended.stdout).expect("a line of JSON");
        said["error"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(as_nobody(0), "");
    assert!(folder.path("out2").exists());
    // The first file may still be written, the next could not be made.
    fs::set_permissions(folder.root(), fs::Permissions::from_mode(0o755)).expect("ours");
    let error = as_nobody(1);
    let expected = format!("cannot make further files in {}", folder.root().display());
    assert!(
        error.starts_with(&expected) && error.contains("Permission denied"),
        "{error}"
    );
}

#[test]
fn the_first_file_and_the_log_are_given_to_the_user() {
    let folder = Folder::new("owner");
    let (path, log) = (folder.path("out"), folder.path("log"));
    let _sink = FileSink::open(Output {
        owner: Some((NOBODY, NOBODY)),
        file_log: Some(log.clone()),
        ..Output::new(&path)
    })
    .expect("opens");
    for path in [path, log] {
        let metadata = fs::metadata(path).expect("a file");
        assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, NOBODY));
    }
}
