//! The backend's row in the table of backends.

use super::{AfPacket, FanoutMode, Options, open, open_group};
use crate::{Backend, Needs, Opened, Probe, Request};
use pktrail_core::{ErrorKind, Result, Source};

/// Live capture by packet sockets.
pub(crate) const BACKEND: Backend = Backend {
    name: "af_packet",
    about: "live capture on network interfaces, through a mapped ring",
    needs: Needs::NetRaw,
    probe,
    open: open_row,
};

fn probe() -> Probe {
    match open::socket(false, "an interface").and_then(|socket| {
        socket
            .use_version_3()
            .map_err(|e| pktrail_core::Error::io("no ring version 3", e))
    }) {
        Ok(()) => Probe::Works {
            can: "capture on interfaces, in rings of version 3".into(),
        },
        Err(error) if error.kind() == ErrorKind::Permission => Probe::Needs(error),
        Err(error) => Probe::Cannot(error),
    }
}

fn open_row(request: &Request) -> Result<Opened> {
    let options = Options {
        netns: request.netns.clone(),
        snaplen: request.snaplen,
        ring_bytes: request.ring_bytes,
        ..Options::new(request.interface.as_str())
    };
    if request.members > 1 {
        let members = open_group(&options, request.members, FanoutMode::Hash, false, false)?;
        return Ok(members
            .into_iter()
            .map(|member| Box::new(member) as Box<dyn Source>)
            .collect());
    }
    Ok(vec![Box::new(AfPacket::open(&options)?)])
}
