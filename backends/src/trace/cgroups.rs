//! The cgroups of processes that were seen: their paths.
//!
//! Owns where these come from: what the kernel says of the process while it lives, and the folders
//! of cgroup2, whose inodes the events tell. Where a container has a cgroup of version 1 only, the
//! process alone tells.

use pktrail_core::trail::{Process, words};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Processes that are remembered at once.
const MOST: usize = 4_096;
/// Folders that are looked through for one cgroup.
const MOST_FOLDERS: usize = 10_000;

/// Paths by process and cgroup.
#[derive(Clone, Debug, Default)]
pub(super) struct Cgroups {
    known: HashMap<(u32, u64), Option<String>>,
    /// Where cgroup2 is mounted, once that was asked.
    mount: Option<Option<PathBuf>>,
}

impl Cgroups {
    /// A process was seen. Returns whether it is new.
    pub(super) fn see(&mut self, process: &Process) -> bool {
        let key = (process.pid, process.cgroup);
        if process.cgroup == 0 || self.known.contains_key(&key) {
            return false;
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let mount = self.mount.get_or_insert_with(mount);
        let text = fs::read_to_string(format!("/proc/{}/cgroup", process.pid));
        let path = find(mount.as_deref(), &text.unwrap_or_default(), process.cgroup);
        self.known.insert(key, path);
        true
    }

    /// The path of the cgroup that a process was seen in.
    pub(super) fn path(&self, process: &Process) -> Option<&str> {
        let known = self.known.get(&(process.pid, process.cgroup));
        known.and_then(|path| path.as_deref())
    }
}

/// The path of a cgroup: `text` is what the kernel says of the process, if it is still there.
fn find(mount: Option<&Path>, text: &str, inode: u64) -> Option<String> {
    let paths = || text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    if let Some(container) = paths().find(|path| words::container(path).is_some()) {
        return Some(container.to_owned());
    }
    let mount = mount?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::"));
    // A process id may be used again, an inode tells.
    let is_it = |path: &&str| is_folder(&mount.join(path.trim_start_matches('/')), inode);
    if let Some(path) = own.filter(is_it) {
        return Some(path.to_owned());
    }
    let folder = search(mount, inode)?;
    let path = folder.strip_prefix(mount).ok()?.to_string_lossy();
    Some(format!("/{path}"))
}

fn is_folder(path: &Path, inode: u64) -> bool {
    fs::metadata(path).is_ok_and(|status| status.ino() == inode)
}

/// The folder of an inode.
fn search(mount: &Path, inode: u64) -> Option<PathBuf> {
    let mut left = vec![mount.to_owned()];
    for _ in 0..MOST_FOLDERS {
        let folder = left.pop()?;
        if is_folder(&folder, inode) {
            return Some(folder);
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        left.extend(folders.map(|entry| entry.path()));
    }
    None
}

/// Where cgroup2 is mounted.
fn mount() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut lines = text.lines().map(|line| line.split(' '));
    lines.find_map(|mut words| {
        let place = words.nth(1)?;
        (words.next()? == "cgroup2").then(|| place.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_of_a_container_is_found_in_either_version() {
        let id = "82b3537704ec34a551876698fd6c0510".repeat(2);
        let old = format!("9:name=systemd:/\n4:memory:/docker/{id}\n0::/\n");
        assert_eq!(find(None, &old, 1), Some(format!("/docker/{id}")));
        let new = format!("0::/system.slice/docker-{id}.scope\n");
        let path = find(None, &new, 1).expect("a path");
        assert_eq!(words::container(&path), Some(&id[..12]));
    }

    #[test]
    fn a_cgroup_is_found_by_its_inode_when_its_process_is_gone() {
        let root = std::env::temp_dir().join(format!("pktrail-cgroups-{}", std::process::id()));
        let folder = root.join("system.slice/a.service");
        fs::create_dir_all(&folder).expect("a folder");
        fs::create_dir_all(root.join("user.slice/b.scope")).expect("a folder");
        let inode = fs::metadata(&folder).expect("it is there").ino();
        let path = Some("/system.slice/a.service".to_owned());
        assert_eq!(find(Some(&root), "", inode), path);
        // What another process of this number says is not believed.
        assert_eq!(find(Some(&root), "0::/user.slice/b.scope\n", inode), path);
        assert_eq!(find(Some(&root), "", u64::MAX), None);
        fs::remove_dir_all(&root).expect("it is ours");
    }
}
