//! Programs that are not ours, asked about a capture file.

use pktrail::{Error, ErrorKind, Result};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// The packets that capinfos counts.
///
/// # Errors
/// `Damaged` where it refuses the file.
pub fn capinfos(file: &Path) -> Result<u64> {
    let output = Command::new("capinfos")
        .args(["-c", "-M", "-T", "-r"])
        .arg(file)
        .output()
        .map_err(|error| Error::io("cannot start capinfos", error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim()
        .rsplit('\t')
        .next()
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| refuses("capinfos", &output.stderr))
}

/// The packets that tshark dissects as what was sent: UDP to the discard port.
///
/// # Errors
/// `Damaged` where it refuses the file.
pub fn tshark(file: &Path) -> Result<u64> {
    let mut child = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "udp.dstport", "-r"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Error::io("cannot start tshark", error))?;
    let lines = child.stdout.take().into_iter();
    let lines = lines.flat_map(|pipe| BufReader::new(pipe).lines());
    let count = lines.filter(|line| line.as_ref().is_ok_and(|port| port == "9"));
    let count = count.count() as u64;
    let output = child
        .wait_with_output()
        .map_err(|error| Error::io("cannot wait for tshark", error))?;
    match output.status.success() {
        true => Ok(count),
        false => Err(refuses("tshark", &output.stderr)),
    }
}

fn refuses(program: &str, said: &[u8]) -> Error {
    let said = String::from_utf8_lossy(said);
    Error::new(
        ErrorKind::Damaged,
        format!("{program} refuses the file: {}", said.trim()),
    )
}
