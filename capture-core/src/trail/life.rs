//! One packet while it is followed: its buffer, its faces, its hops.
//!
//! Owns whether an event can be this packet's, and what changed since the last one.

use super::event::{Event, Happening, Returned};
use super::fingerprint::{Core, Likeness};
use super::join::Pair;
use super::packet::{Packet, Piece};
use super::path::{Change, Hop, Relation, Trail};
use super::point::Role;
use super::verdict::Verdict;

/// Faces that are kept: a packet that is wrapped and cut more often than that is not followed
/// through its first.
const FACES: usize = 8;

/// How a packet's headers fit a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Same(Likeness),
    Wrapped,
    Unwrapped,
    Grown,
    Piece(Piece),
    Other,
}

impl Fit {
    /// Whether the same buffer with these headers is the same packet.
    pub(super) fn continues(self) -> bool {
        !matches!(self, Self::Piece(_) | Self::Other)
    }
}

#[derive(Debug)]
pub(super) struct Life {
    pub(super) trail: Trail,
    pub(super) skb: u64,
    pub(super) head: u64,
    /// The buffer has not been freed.
    pub(super) alive: bool,
    pub(super) last_ns: u64,
    /// Headers that it has had, the latest last.
    pub(super) faces: Vec<Packet>,
    /// Under what it can be found.
    pub(super) indexed: Vec<(Core, Pair)>,
    /// Under which data it can be found.
    pub(super) heads: Vec<u64>,
    /// Segments and fragments that it was cut into.
    pub(super) pieces: u32,
}

impl Life {
    pub(super) fn new(trail: Trail, event: &Event) -> Self {
        Self {
            trail,
            skb: event.skb,
            head: event.head,
            alive: true,
            last_ns: event.time_ns,
            faces: Vec::new(),
            indexed: Vec::new(),
            heads: Vec::new(),
            pieces: 0,
        }
    }

    pub(super) fn fit(&self, packet: &Packet) -> Fit {
        let like = |a: &Packet, b: &Packet| a.fingerprint.compare(&b.fingerprint);
        let same = |a: &Packet, b: &Packet| like(a, b) != Likeness::Different;
        for face in self.faces.iter().rev() {
            let likeness = like(face, packet);
            if likeness != Likeness::Different {
                return Fit::Same(likeness);
            }
        }
        for face in self.faces.iter().rev() {
            if packet.inner.as_ref().is_some_and(|inner| same(inner, face)) {
                return Fit::Wrapped;
            }
            if face.inner.as_ref().is_some_and(|inner| same(inner, packet)) {
                return Fit::Unwrapped;
            }
            if packet.grew_from(face) {
                return Fit::Grown;
            }
        }
        let mut faces = self.faces.iter().rev();
        match faces.find_map(|face| packet.is_piece_of(face)) {
            Some(piece) => Fit::Piece(piece),
            None => Fit::Other,
        }
    }

    /// Whether `event` is at the very place where this packet began: then it is another one, for
    /// a packet does not begin twice.
    pub(super) fn began_at(&self, event: &Event) -> bool {
        self.trail.hops.first().is_some_and(|hop| {
            let first = &hop.event;
            (first.point, first.interface, first.netns)
                == (event.point, event.interface, event.netns)
        })
    }

    /// What became of it, when nothing more is to come.
    pub(super) fn judge(&mut self) {
        if self.trail.verdict == Verdict::Open {
            self.trail.verdict = Verdict::of(&self.trail.hops, false);
        }
        let is_gone = matches!(self.trail.verdict, Verdict::Consumed | Verdict::Lost);
        if self.pieces > 0 && is_gone {
            let pieces = self.pieces;
            self.trail.verdict = Verdict::Cut { pieces };
        }
    }

    /// Whether `packet` has the data of this one, which goes on there. Of fragments that become
    /// one packet the kernel may have freed one by then.
    pub(super) fn went_into(&self, packet: &Packet) -> bool {
        let is_consumed = self.trail.verdict == Verdict::Consumed;
        self.faces.last().is_some_and(|face| {
            let may = self.alive || is_consumed && face.is_fragment();
            may && (packet.holds(face) || packet.grew_from(face))
        })
    }

    /// Whether what holds its data and more goes on its way.
    pub(super) fn may_have_grown(&self) -> bool {
        !self.alive && !self.trail.verdict.is_drop()
    }

    /// Whether it was only seen in front of the buffers so far.
    pub(super) fn has_no_buffer(&self) -> bool {
        self.skb == self.head
    }

    /// Whether it went where another buffer may have taken over.
    pub(super) fn may_go_on(&self) -> bool {
        !self.alive
            && matches!(
                self.trail.verdict,
                Verdict::Sent { .. } | Verdict::Forwarded { .. } | Verdict::Tapped
            )
            || self.trail.last(Role::Queue).is_some() && !self.trail.verdict.is_drop()
    }

    /// Whether a program may have sent it on: one that read it, or one whose tap had a copy before
    /// the stack dropped what is for another host. A switch in user space does that.
    pub(super) fn may_be_sent_on(&self) -> bool {
        let was_read = match &self.trail.verdict {
            Verdict::Delivered { reader } => reader.is_some(),
            Verdict::Dropped(dropped) => dropped.reason == "OTHERHOST",
            _ => false,
        };
        !self.alive && was_read
    }

    /// Takes an event. `rejoined` says that it came by the fingerprint, and whether for certain.
    pub(super) fn add(&mut self, event: Event, rejoined: Option<bool>, late: bool, most: usize) {
        let mut changes = self.changes(&event);
        changes.extend(rejoined.map(|certain| Change::Rejoined { certain }));
        let since_ns = event.time_ns.saturating_sub(self.last_ns);
        self.last_ns = self.last_ns.max(event.time_ns);
        self.skb = event.skb;
        if event.head != 0 {
            self.head = event.head;
        }
        if let Some(packet) = &event.packet {
            self.show(packet);
        }
        let role = event.point.role();
        let ends = matches!(role, Role::Drop | Role::Free)
            || matches!(event.happening, Happening::Dropped { .. });
        let hop = Hop {
            event,
            since_ns,
            changes,
            late,
            returned: None,
        };
        // The end says what became of it: it takes the place of a hop in the middle.
        if self.trail.hops.len() >= most {
            self.trail.left_out += 1;
            if ends {
                self.trail.hops.pop();
                self.trail.hops.push(hop);
            }
        } else {
            self.trail.hops.push(hop);
        }
        if ends {
            self.alive = false;
            self.trail.verdict = Verdict::of(&self.trail.hops, true);
        } else {
            self.alive = true;
            self.trail.verdict = Verdict::Open;
        }
    }

    /// The function of an earlier event returned: the innermost call that has not yet. Whether
    /// there is one.
    pub(super) fn returned(&mut self, event: &Event, value: Returned) -> bool {
        let mut hops = self.trail.hops.iter_mut().rev();
        let call = hops.find(|hop| {
            let entry = &hop.event;
            hop.returned.is_none() && (entry.point, entry.skb) == (event.point, event.skb)
        });
        call.map(|hop| hop.returned = Some(value)).is_some()
    }

    /// Keeps headers that are new. Rewritten addresses make a face newer, not another.
    fn show(&mut self, packet: &Packet) {
        if self.trail.packet.is_none() {
            self.trail.packet = Some(packet.clone());
        }
        let same = |face: &Packet| face.fingerprint.core == packet.fingerprint.core;
        if let Some(last) = self.faces.last_mut().filter(|last| same(last)) {
            if last != packet {
                last.clone_from(packet);
            }
            return;
        }
        self.faces.retain(|face| !same(face));
        if self.faces.len() >= FACES {
            self.faces.remove(0);
        }
        self.faces.push(packet.clone());
    }

    fn changes(&self, event: &Event) -> Vec<Change> {
        let Some(last) = self.trail.hops.last().map(|hop| &hop.event) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        if let (Some(now), Some(before)) = (&event.packet, self.faces.last()) {
            match self.fit(now) {
                Fit::Wrapped => changes.push(Change::Wrapped { outer: now.tuple }),
                Fit::Unwrapped => changes.push(Change::Unwrapped),
                Fit::Grown => changes.push(Change::Grown {
                    length: now.fingerprint.core.length,
                }),
                Fit::Same(_) if now.fingerprint.core != before.fingerprint.core => {
                    // An earlier face shows again: what was around it came off.
                    changes.push(Change::Unwrapped);
                }
                Fit::Same(_) => changes.extend(rewritten(before, now)),
                Fit::Piece(_) | Fit::Other => {}
            }
        }
        let (from, to) = (last.mark, event.mark);
        if from != to {
            changes.push(Change::Mark { from, to });
        }
        let (from, to) = (last.checksum, event.checksum);
        // What the stack noted for itself says nothing where the buffer ends.
        let ends = matches!(event.point.role(), Role::Drop | Role::Free);
        if from != to && !ends {
            changes.push(Change::Checksum { from, to });
        }
        let (from, to) = (last.segment_size, event.segment_size);
        if from != to {
            changes.push(Change::SegmentSize { from, to });
        }
        changes
    }
}

fn rewritten(before: &Packet, now: &Packet) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.tuple != now.tuple {
        changes.push(Change::Rewritten {
            from: before.tuple,
            to: now.tuple,
        });
    }
    if before.ttl != now.ttl {
        changes.push(Change::Ttl {
            from: before.ttl,
            to: now.ttl,
        });
    }
    changes
}

impl From<Piece> for Relation {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Segment => Self::Segment,
            Piece::Fragment => Self::Fragment,
        }
    }
}
