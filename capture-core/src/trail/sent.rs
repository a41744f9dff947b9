//! TCP segments whose trails have ended, for what sends them again.
//!
//! Owns how many are kept: a retransmit comes a fifth of a second after its original at the
//! earliest, and often many seconds.

use super::event::Event;
use super::packet::{Packet, Tuple};
use super::path::{Trail, TrailId};
use super::point::PointId;
use std::collections::{HashMap, VecDeque};

/// Segments that are remembered.
const MOST: usize = 16_384;

/// Ends, sequence number, and the place where it began: point, interface, namespace.
type Key = (Tuple, u32, (PointId, u32, u32));

/// What has been sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    known: HashMap<Key, TrailId>,
    order: VecDeque<Key>,
}

/// `None` for what carries nothing that would be sent again.
fn key(event: &Event, packet: &Packet) -> Option<Key> {
    let segment = packet.segment.filter(|segment| segment.length > 0)?;
    let place = (event.point, event.interface, event.netns);
    Some((packet.tuple, segment.sequence, place))
}

impl Sent {
    /// A trail has ended. The first packet with some data is the original.
    pub(super) fn remember(&mut self, trail: &Trail) {
        let first = trail.hops.first().zip(trail.packet.as_ref());
        let Some(key) = first.and_then(|(hop, packet)| key(&hop.event, packet)) else {
            return;
        };
        if trail.edge.is_some() || self.known.contains_key(&key) {
            return;
        }
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(key, trail.id);
        self.order.push_back(key);
    }

    /// The packet that `packet` repeats at this place.
    pub(super) fn find(&self, event: &Event, packet: &Packet) -> Option<TrailId> {
        self.known.get(&key(event, packet)?).copied()
    }
}
