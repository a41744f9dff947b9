//! Files that a test writes, and what is in them by our own count and by
//! tshark's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A new folder below the system's temporary one, open to everyone; it goes with
/// the value.
pub struct Folder(PathBuf);

impl Folder {
    /// A folder with `name` in its name.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pkt-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("it is ours");
        Self(path)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How many bytes of a little-endian pcapng file are whole blocks, and the time
/// of each frame in whole seconds.
pub fn seconds(file: &[u8]) -> (u64, Vec<u64>) {
    let word = |at: usize| {
        let bytes = file.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let (mut at, mut seconds) = (0, Vec::new());
    while let (Some(kind), Some(len)) = (word(at), word(at + 4)) {
        let end = at + len as usize;
        if len < 12 || end > file.len() {
            break;
        }
        if let (6, Some(high), Some(low)) = (kind, word(at + 12), word(at + 16)) {
            seconds.push((u64::from(high) << 32 | u64::from(low)) / 1_000_000_000);
        }
        at = end;
    }
    (at as u64, seconds)
}

/// The time of each frame in whole seconds, by tshark, which may complain about
/// the end of the file.
///
/// # Panics
/// If tshark cannot be run.
pub fn tshark_seconds(path: &Path) -> Vec<u64> {
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "frame.time_epoch", "-r"])
        .arg(path)
        .output()
        .expect("tshark runs");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split('.').next()?.parse().ok())
        .collect()
}
