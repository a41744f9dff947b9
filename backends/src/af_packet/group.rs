//! Several rings on one interface.

use super::{AfPacket, Fanout, FanoutMode, Options};
use crate::devices;
use pktrail_core::{Error, ErrorKind, Result};

/// Opens `members` rings on one interface, among which the kernel spreads the
/// frames by `mode`. Each member is a source of its own and wants a thread of
/// its own; `rollover` and `defrag` are as in [`Fanout`]. If `options.cpu` is
/// `None`, member `n` is pinned to processor `n`, as far as there are enough.
///
/// # Errors
/// Those of [`AfPacket::open`], and [`ErrorKind::Usage`] for no member at all.
pub fn open_group(
    options: &Options,
    members: u32,
    mode: FanoutMode,
    rollover: bool,
    defrag: bool,
) -> Result<Vec<AfPacket>> {
    if members == 0 || members > 256 {
        let what = format!("a fanout group of {members} members: it takes 1 to 256");
        return Err(Error::new(ErrorKind::Usage, what));
    }
    let processors = processors();
    let mut sources: Vec<AfPacket> = Vec::new();
    for member in 0..members {
        let cpu = options.cpu.or_else(|| {
            usize::try_from(member)
                .ok()
                .filter(|_| members as usize <= processors)
        });
        let member = Options {
            cpu,
            fanout: Some(Fanout {
                group: sources.first().and_then(AfPacket::fanout_group),
                member,
                mode,
                rollover,
                defrag,
            }),
            ..options.clone()
        };
        let mut source = AfPacket::open_member(&member, members as usize)?;
        if let Some(first) = sources.first() {
            // What the first has said need not be said again.
            source
                .notices
                .retain(|notice| !first.notices.contains(notice));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// How many members suit an interface: one for each receive queue, at most the
/// processors. One where the interface is not known.
pub fn members_for_queues(interface: &str, namespace: Option<&str>) -> u32 {
    let queues = (devices::list(namespace).unwrap_or_default().iter())
        .find(|device| device.name == interface)
        .map_or(1, |device| device.rx_queues);
    let processors = u32::try_from(processors()).unwrap_or(1);
    queues.clamp(1, processors)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
