//! Observers at the devices of the traced namespaces: traffic control, and XDP.
//!
//! Owns which devices have one, while devices come and go. The programs only look, and a device
//! that has an XDP program of its own keeps it: it then has no observer there.

use super::plan::{Plan, Wish};
use super::{Tracer, slot};
use crate::devices::netlink::Netlink;
use crate::netns;
use crate::sys::bpf::{self, Device};
use libbpf_rs::Object;
use netlink_packet_route::link::LinkAttribute;
use pktrail_core::Result;
use pktrail_core::trail::PointId;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Devices are not looked for more often than that.
const AGAIN: Duration = Duration::from_millis(200);

/// A device's number and name.
type Named = (u32, String);

/// What is attached to devices: by namespace, as it is entered, and number.
#[derive(Default)]
pub(super) struct Devices {
    attached: HashMap<String, HashMap<u32, Vec<OwnedFd>>>,
    read: Option<Instant>,
}

impl Devices {
    /// Takes everything off.
    pub(super) fn clear(&mut self) {
        self.attached.clear();
    }

    /// Attaches to the devices of these namespaces that are new, and lets go of those that are
    /// gone, now and then. The empty name is one's own namespace.
    pub(super) fn follow<'a>(
        &mut self,
        object: &Object,
        places: impl Iterator<Item = &'a String>,
        wish: &Wish,
        plan: &mut Plan,
    ) {
        if self.read.is_some_and(|read| read.elapsed() < AGAIN) {
            return;
        }
        let all: Vec<_> = object.progs().collect();
        let mut programs: Vec<Observer<'_>> = Vec::new();
        for program in all.iter().filter(|program| program.autoload()) {
            let name = program.name().to_string_lossy();
            let point = point_of(&name).filter(|point| wish.has(*point));
            programs.extend(point.map(|point| (point, program.as_fd())));
        }
        if programs.is_empty() {
            return;
        }
        self.read = Some(Instant::now());
        let mut known = std::mem::take(&mut self.attached);
        for place in places {
            let mut old = known.remove(place).unwrap_or_default();
            let here = Some(place.as_str()).filter(|place| !place.is_empty());
            // A namespace that is gone is let go of by who follows namespaces.
            let now = netns::within(here, || Ok((devices()?, attach_new(&programs, &old)?)));
            let Ok((there, new)) = now else { continue };
            old.retain(|index, _| there.iter().any(|(known, _)| known == index));
            for (device, point, link) in new {
                let links = old.entry(device.0).or_default();
                match link {
                    Ok(link) => {
                        links.push(link);
                        plan.count(point);
                    }
                    Err(cause) => {
                        let namespace = here.unwrap_or("this namespace");
                        let what = format!("{} at {} in {namespace}", point.name(), device.1);
                        plan.refused.push((what, why(point, &cause)));
                    }
                }
            }
            self.attached.insert(place.clone(), old);
        }
    }
}

impl Tracer {
    /// Whether a traced namespace has an interface of this name now.
    pub fn has_interface(&self, name: &str) -> bool {
        self.hooks.keys().any(|place| {
            let here = Some(place.as_str()).filter(|place| !place.is_empty());
            let there = netns::within(here, devices).unwrap_or_default();
            there.iter().any(|(_, known)| known == name)
        })
    }
}

/// A point, and the program for it.
type Observer<'a> = (PointId, BorrowedFd<'a>);
/// What came of attaching at a device.
type Attempt = (Named, PointId, io::Result<OwnedFd>);

/// The point of a program in `device.h`.
pub(super) fn point_of(program: &str) -> Option<PointId> {
    let mut names = slot::DEVICES.iter();
    let name = names.find(|name| name.replace(':', "_") == program)?;
    PointId::by_name(name)
}

/// The devices of the namespace of this thread.
fn devices() -> Result<Vec<Named>> {
    let links = Netlink::open()?.links()?;
    let named = links.into_iter().map(|link| {
        let mut attributes = link.attributes.into_iter();
        let name = attributes.find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name),
            _ => None,
        });
        (link.header.index, name.unwrap_or_default())
    });
    Ok(named.collect())
}

/// Attaches to the devices of the namespace of this thread that are not known yet.
fn attach_new(
    programs: &[Observer<'_>],
    known: &HashMap<u32, Vec<OwnedFd>>,
) -> Result<Vec<Attempt>> {
    let mut attempts = Vec::new();
    for device in devices()? {
        if known.contains_key(&device.0) {
            continue;
        }
        for (point, program) in programs {
            let at = match point.name() {
                "tcx:ingress" => Device::Ingress,
                "tcx:egress" => Device::Egress,
                _ => Device::Xdp,
            };
            let link = bpf::link_device(*program, device.0, at);
            attempts.push((device.clone(), *point, link));
        }
    }
    Ok(attempts)
}

fn why(point: PointId, cause: &io::Error) -> String {
    let is_taken = matches!(cause.raw_os_error(), Some(libc::EBUSY | libc::EEXIST));
    match (point.name(), cause.raw_os_error()) {
        ("xdp:observer", _) if is_taken => "it has an XDP program, which is left alone".to_owned(),
        (_, Some(libc::EINVAL)) => format!("{cause} (Linux 6.6 has programs there)"),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_their_names() {
        let source = include_str!("device.h");
        for name in slot::DEVICES {
            let program = name.replace(':', "_");
            assert!(source.contains(&format!("int {program}(")), "{program}");
            assert_eq!(point_of(&program).map(PointId::name), Some(*name));
        }
        assert_eq!(point_of("tp_kfree_skb"), None);
    }
}
