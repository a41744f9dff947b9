//! Which trails are shown: what can only be told when a packet's way is known.
//!
//! Owns the conditions. A source may apply them earlier, where it can.

use super::event::Event;
use super::path::Trail;
use super::words::Names;

/// Conditions on a trail. All that are given must hold; an empty list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only packets that were dropped.
    pub drops: bool,
    /// Only packets with at least so many nanoseconds from their first hop to their last.
    pub min_latency_ns: u64,
    /// Only packets that were seen at one of these interfaces: `name` or `name@netns`.
    pub interfaces: Vec<String>,
    /// Only packets at which one of these processes was seen.
    pub pids: Vec<u32>,
    /// Only packets at which a process of one of these names was seen.
    pub commands: Vec<String>,
    /// Only packets that had one of these marks: value and mask.
    pub marks: Vec<(u32, u32)>,
}

impl Wanted {
    /// Whether the trail is to be shown. An IP packet whose headers were never seen is not.
    pub fn takes(&self, trail: &Trail, names: &dyn Names) -> bool {
        (trail.packet.is_some() || trail.ether_type().is_some())
            && (!self.drops || trail.verdict.is_drop())
            && trail.duration_ns() >= self.min_latency_ns
            && any(&self.interfaces, trail, |wanted, event| {
                is_at(wanted, event, names)
            })
            && any(&self.pids, trail, |pid, event| {
                event.process.as_ref().is_some_and(|who| who.pid == *pid)
            })
            && any(&self.commands, trail, |name, event| {
                event
                    .process
                    .as_ref()
                    .is_some_and(|who| *who.name == **name)
            })
            && any(&self.marks, trail, |(value, mask), event| {
                event.mark & mask == value & mask
            })
    }
}

fn any<T>(wanted: &[T], trail: &Trail, fits: impl Fn(&T, &Event) -> bool) -> bool {
    let fits_one = |event: &Event| wanted.iter().any(|one| fits(one, event));
    wanted.is_empty() || trail.hops.iter().any(|hop| fits_one(&hop.event))
}

fn is_at(wanted: &str, event: &Event, names: &dyn Names) -> bool {
    let (name, netns) = match wanted.split_once('@') {
        Some((name, netns)) => (name, Some(netns)),
        None => (wanted, None),
    };
    let interface = || names.interface(event.netns, event.interface, event.time_ns);
    event.interface != 0
        && interface().is_some_and(|found| found == name)
        && netns.is_none_or(|netns| names.netns(event.netns).is_some_and(|found| found == netns))
}
