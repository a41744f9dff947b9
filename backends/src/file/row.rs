//! The backend's row in the table of backends.

use super::{FileSource, Options};
use crate::{Backend, Needs, Opened, Probe, Request};
use pktrail_core::{Error, ErrorKind, Result};

/// Frames from capture files.
pub(crate) const BACKEND: Backend = Backend {
    name: "file",
    about: "capture files, pipes and standard input",
    needs: Needs::Nothing,
    probe,
    open,
};

fn probe() -> Probe {
    Probe::Works {
        can: "read pcap and pcapng, plain or compressed by gzip, Zstandard or LZ4".into(),
    }
}

/// One source whatever `members` says: a file has one order.
fn open(request: &Request) -> Result<Opened> {
    let path = request.path.as_ref().ok_or_else(|| {
        let what = "the backend 'file' reads a capture file, and the request names none";
        Error::new(ErrorKind::Usage, what)
    })?;
    Ok(vec![Box::new(FileSource::open(path, Options::default())?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_a_path_is_refused() {
        let error = open(&Request::new("lo")).err().expect("no file is named");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}
