//! What a trail is made of: hops, what changed at each, and where the packet came from.
//!
//! Owns the data; `join` makes it, `verdict` judges it.

use super::event::{Checksum, Event, Returned};
use super::packet::{Packet, Tuple};
use super::point::Role;
use super::rules::RuleStep;
use super::verdict::Verdict;
use std::fmt;

/// A packet family and a member of it: clones, segments and fragments are children of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrailId {
    /// The family, from 1.
    pub family: u64,
    /// The member, 0 for the first.
    pub member: u32,
}

impl fmt::Display for TrailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.member {
            0 => write!(f, "{}", self.family),
            member => write!(f, "{}.{member}", self.family),
        }
    }
}

/// How a packet came from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// It shares its data, or is a copy.
    Clone,
    /// It was cut from a large TCP segment.
    Segment,
    /// It was cut from an IP packet.
    Fragment,
    /// It sends again what the other sent.
    Retransmit,
}

/// Where a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The other packet. A retransmit's original is of another family.
    pub from: TrailId,
    /// How.
    pub relation: Relation,
    /// Whether the kernel or unmistakable headers said so.
    pub certain: bool,
}

/// What is different from the hop before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Addresses or ports were rewritten: NAT.
    Rewritten {
        /// Before.
        from: Tuple,
        /// After.
        to: Tuple,
    },
    /// The packet was put into another.
    Wrapped {
        /// The outer tuple.
        outer: Tuple,
    },
    /// The packet was taken out of another.
    Unwrapped,
    /// More segments or fragments were joined to it.
    Grown {
        /// Bytes behind the IP header, now.
        length: u32,
    },
    /// TTL or hop limit.
    Ttl {
        /// Before.
        from: u8,
        /// After.
        to: u8,
    },
    /// The packet mark.
    Mark {
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// The checksum's state.
    Checksum {
        /// Before.
        from: Checksum,
        /// After.
        to: Checksum,
    },
    /// Bytes of each segment that it holds, 0 for one that is none of many.
    SegmentSize {
        /// Before.
        from: u16,
        /// After.
        to: u16,
    },
    /// It goes on in another buffer, found by its fingerprint.
    Rejoined {
        /// Whether no other packet could have been meant.
        certain: bool,
    },
}

/// One event of a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The event.
    pub event: Event,
    /// Nanoseconds since the hop before; 0 for the first.
    pub since_ns: u64,
    /// What is different from the hop before.
    pub changes: Vec<Change>,
    /// Its place in time is not certain: it came too late to be sorted.
    pub late: bool,
    /// What the function returned, if it is one that was watched until then.
    pub returned: Option<Returned>,
}

/// The way of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// Its name in this run.
    pub id: TrailId,
    /// Where it came from, if it was not born as itself.
    pub edge: Option<Edge>,
    /// The headers as first seen.
    pub packet: Option<Packet>,
    /// The points it passed, in time order.
    pub hops: Vec<Hop>,
    /// Rules that it met, each with the index of the hop after which it did.
    pub rules: Vec<(usize, RuleStep)>,
    /// Hops that were not kept, because there were too many.
    pub left_out: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// Where nobody was seen to read it: the socket at its destination and whose that is, as far as
    /// the caller finds out.
    pub receiver: Option<String>,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

impl Trail {
    /// The EtherType of a packet that is not one of IP.
    pub fn ether_type(&self) -> Option<u16> {
        let mut types = self.hops.iter().map(|hop| hop.event.protocol);
        let first = types.find(|kind| *kind != 0)?;
        (self.packet.is_none() && ![IPV4, IPV6].contains(&first)).then_some(first)
    }

    /// Nanoseconds from the first hop to the last.
    pub fn duration_ns(&self) -> u64 {
        match (self.hops.first(), self.hops.last()) {
            (Some(first), Some(last)) => last.event.time_ns.saturating_sub(first.event.time_ns),
            _ => 0,
        }
    }

    /// The event that tells last where the packet was. One without an interface may only know the
    /// namespace of the socket that the packet came from.
    pub fn last_place(&self) -> Option<&Event> {
        let events = || self.hops.iter().rev().map(|hop| &hop.event);
        events()
            .find(|event| event.interface != 0)
            .or_else(|| events().find(|event| event.netns != 0))
    }

    /// The last hop of a role.
    pub fn last(&self, role: Role) -> Option<&Hop> {
        let mut hops = self.hops.iter().rev();
        hops.find(|hop| hop.event.point.role() == role)
    }
}
