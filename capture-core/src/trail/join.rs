//! Joining events into trails.
//!
//! Owns which packet an event belongs to: by the buffer's address while the buffer lives, by the
//! kernel's word or the shared data for clones, by the fingerprint where a packet goes on in
//! another buffer. A join that is not certain is marked.

use super::event::{Event, Happening, Returned};
use super::fingerprint::{Core, Likeness};
use super::life::{Fit, Life};
use super::order::Ordered;
use super::packet::Packet;
use super::path::{Edge, Relation, Trail, TrailId};
use super::sent::Sent;
use super::verdict::Verdict;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

/// Packets of one pair of addresses that are looked through for a relation.
const RELATIVES: usize = 64;

/// Hops of a packet from one program to another.
const USUAL_HOPS: usize = 8;

/// Bounds in time and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a packet may be out of sight, in nanoseconds, before it is given up.
    pub lifetime_ns: u64,
    /// How long an ended packet is kept, in nanoseconds, for what goes on in another buffer.
    pub linger_ns: u64,
    /// Packets that are followed at once.
    pub most_packets: usize,
    /// Hops that are kept of a packet.
    pub most_hops: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // A packet waits three seconds for a neighbour that does not answer.
            lifetime_ns: 4_000_000_000,
            linger_ns: 200_000_000,
            most_packets: 65_536,
            most_hops: 512,
        }
    }
}

/// A life's number.
type Key = u64;
/// A table by numbers that nobody chooses to collide.
type ByNumber<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;
/// What fragments and segments share with their whole: addresses and protocol.
pub(super) type Pair = (IpAddr, IpAddr, u8);

/// Joins events into trails.
#[derive(Debug, Default)]
pub struct Joiner {
    settings: Settings,
    lives: ByNumber<Life>,
    next_key: Key,
    next_family: u64,
    families: ByNumber<Family>,
    by_skb: ByNumber<Key>,
    /// Those that left their buffer last.
    by_last_skb: ByNumber<Key>,
    by_head: ByNumber<Key>,
    by_core: HashMap<Core, VecDeque<Key>>,
    by_pair: HashMap<Pair, VecDeque<Key>>,
    /// Lives under which a fragment can be found.
    fragmented: usize,
    deadlines: BinaryHeap<Reverse<(u64, Key)>>,
    finished: VecDeque<Trail>,
    sent: Sent,
}

/// Spreads a number over all bits by one multiplication (Fibonacci hashing, Knuth, The Art of
/// Computer Programming 3, section 6.4).
#[derive(Clone, Copy, Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        // Tables look at the lowest bits and the highest ones.
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// What numbers the members of a family, while one lives.
#[derive(Debug, Default)]
struct Family {
    last_member: u32,
    living: usize,
}

/// Where an event belongs.
enum Place {
    /// To this life.
    Here(Key),
    /// To this life, in another buffer.
    Rejoined(Key, bool),
    /// To a child of this life.
    Child(Key, Relation, bool),
    /// To a new family, which repeats this packet.
    Again(TrailId),
    /// To a new family.
    New,
}

impl Joiner {
    /// A joiner that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Takes the next event in time order. Events without buffer and data are ignored.
    pub fn push(&mut self, ordered: Ordered) {
        let Ordered { mut event, late } = ordered;
        self.expire(event.time_ns);
        if event.skb == 0 {
            event.skb = self.buffer_of(&event);
        }
        if event.skb == 0 {
            return;
        }
        if let Happening::Returned(value) = event.happening {
            return self.returned(&event, value);
        }
        let merged = match event.happening {
            Happening::MergedInto { target } => self.by_skb.get(&target).copied(),
            _ => None,
        };
        let (key, rejoined) = match self.place(&event) {
            Place::Here(key) => (key, None),
            Place::Rejoined(key, certain) => (key, Some(certain)),
            Place::Child(parent, relation, certain) => {
                (self.child(parent, relation, certain, &event), None)
            }
            Place::Again(original) => (self.family(Some(original), &event), None),
            Place::New => (self.family(None, &event), None),
        };
        self.take(key, event, rejoined, late);
        if let Some(into) = merged {
            self.merge(key, into);
        }
    }

    /// Gives up what has been out of sight for too long at `now_ns`.
    pub fn expire(&mut self, now_ns: u64) {
        while let Some(Reverse((deadline, key))) = self.deadlines.peek().copied() {
            if deadline > now_ns && self.lives.len() <= self.settings.most_packets {
                break;
            }
            self.deadlines.pop();
            let Some(life) = self.lives.get(&key) else {
                continue;
            };
            let due = self.deadline(life);
            if due > now_ns && deadline != due {
                self.deadlines.push(Reverse((due, key)));
            } else {
                self.end(key);
            }
        }
    }

    /// Ends everything, at the end of the run.
    pub fn finish(&mut self) {
        let mut keys: Vec<Key> = self.lives.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.end(key);
        }
    }

    /// The next trail that has ended.
    pub fn pop(&mut self) -> Option<Trail> {
        self.finished.pop_front()
    }

    /// Packets that are being followed.
    pub fn open(&self) -> usize {
        self.lives.len()
    }

    /// The call may have outlived the packet, whose buffer may be another's by now.
    fn returned(&mut self, event: &Event, value: Returned) {
        for known in [&self.by_skb, &self.by_last_skb] {
            let life = known
                .get(&event.skb)
                .and_then(|key| self.lives.get_mut(key));
            if life.is_some_and(|life| life.returned(event, value)) {
                return;
            }
        }
    }

    fn deadline(&self, life: &Life) -> u64 {
        let wait = match life.alive {
            true => self.settings.lifetime_ns,
            false => self.settings.linger_ns,
        };
        life.last_ns.saturating_add(wait)
    }

    /// The buffer of a frame that was seen in front of the buffers: that of the living packet which
    /// has its data or was last seen at its interface, else of the youngest that is like it. If
    /// there is none yet, the data stands for it.
    fn buffer_of(&self, event: &Event) -> u64 {
        let mut buffer = event.head;
        let Some(packet) = &event.packet else {
            return buffer;
        };
        let place = (event.netns, event.interface);
        let by_core = self.by_core.get(&packet.fingerprint.core);
        for life in by_core
            .into_iter()
            .flatten()
            .filter_map(|key| self.lives.get(key))
        {
            if !life.alive || life.fit(packet) != Fit::Same(Likeness::Same) {
                continue;
            }
            buffer = life.skb;
            let last = life.trail.hops.last().map(|hop| &hop.event);
            let is_here = last.is_some_and(|last| (last.netns, last.interface) == place);
            if is_here || life.head == event.head {
                break;
            }
        }
        buffer
    }

    fn place(&mut self, event: &Event) -> Place {
        if let Some(key) = self.by_skb.get(&event.skb).copied()
            && let Some(life) = self.lives.get(&key)
        {
            let fit = event.packet.as_ref().map(|packet| life.fit(packet));
            match fit {
                None => return Place::Here(key),
                // Headers may be unknown so far.
                _ if life.faces.is_empty() => return Place::Here(key),
                Some(fit) if fit.continues() => return Place::Here(key),
                Some(Fit::Piece(piece)) => return Place::Child(key, piece.into(), true),
                // The address was given to another packet; the end was not seen.
                _ => self.close(key),
            }
        }
        self.place_anew(event)
    }

    /// Where the first event of a buffer belongs.
    fn place_anew(&self, event: &Event) -> Place {
        if let Happening::MadeFrom { parent } = event.happening
            && let Some(key) = self.by_skb.get(&parent)
        {
            let relation = self.relation(*key, event.packet.as_ref());
            return Place::Child(*key, relation, true);
        }
        let Some(packet) = &event.packet else {
            return Place::New;
        };
        if let Some(key) = self.by_head.get(&event.head)
            && let Some(life) = self.lives.get(key)
        {
            // The data of a freed buffer lives on while a clone holds it.
            match life.fit(packet) {
                Fit::Same(_) if life.has_no_buffer() => return Place::Rejoined(*key, true),
                Fit::Same(_) if life.alive => return Place::Child(*key, Relation::Clone, true),
                Fit::Same(Likeness::Same) if !life.may_go_on() => {
                    return Place::Child(*key, Relation::Clone, true);
                }
                _ => {}
            }
        }
        if let Some(place) = self.by_fingerprint(event, packet) {
            return place;
        }
        self.by_relation(event, packet)
    }

    fn relation(&self, parent: Key, packet: Option<&Packet>) -> Relation {
        let fit = self.lives.get(&parent).zip(packet);
        match fit.map(|(life, packet)| life.fit(packet)) {
            Some(Fit::Piece(piece)) => piece.into(),
            _ => Relation::Clone,
        }
    }

    /// A packet that went through a gate goes on; a living one was copied.
    fn by_fingerprint(&self, event: &Event, packet: &Packet) -> Option<Place> {
        let (mut gone, mut living) = (Vec::new(), None);
        for key in self.by_core.get(&packet.fingerprint.core)? {
            let Some(life) = self.lives.get(key) else {
                continue;
            };
            let Fit::Same(likeness) = life.fit(packet) else {
                continue;
            };
            if life.began_at(event) {
                continue;
            }
            let is_same = likeness == Likeness::Same;
            if life.may_go_on() || life.has_no_buffer() || is_same && life.may_be_sent_on() {
                gone.push((*key, likeness));
            } else if life.alive && is_same {
                living = Some(*key);
            }
        }
        // Queues and cables keep the order: the one that went first comes first.
        if let Some((key, likeness)) = gone.first() {
            let certain = gone.len() == 1 && *likeness == Likeness::Same;
            return Some(Place::Rejoined(*key, certain));
        }
        living.map(|key| Place::Child(key, Relation::Clone, false))
    }

    fn by_relation(&self, event: &Event, packet: &Packet) -> Place {
        // Only segments and fragments have relatives.
        if packet.segment.is_none() && !packet.is_fragment() && self.fragmented == 0 {
            return Place::New;
        }
        let relatives = self.by_pair.get(&pair(packet));
        let mut again = None;
        for key in relatives.into_iter().flatten().rev() {
            let Some(life) = self.lives.get(key) else {
                continue;
            };
            match life.fit(packet) {
                Fit::Piece(piece) => return Place::Child(*key, piece.into(), true),
                // All fragments became one: it is the first one's way that goes on.
                Fit::Grown if life.may_have_grown() && !life.began_at(event) => {
                    return Place::Rejoined(*key, true);
                }
                _ => {}
            }
            let first = life.trail.packet.as_ref();
            if first.is_some_and(|first| packet.repeats(first)) && life.began_at(event) {
                again = Some(life.trail.id);
            }
        }
        again
            .or_else(|| self.sent.find(event, packet))
            .map_or(Place::New, Place::Again)
    }

    fn family(&mut self, original: Option<TrailId>, event: &Event) -> Key {
        self.next_family += 1;
        let id = TrailId {
            family: self.next_family,
            member: 0,
        };
        let edge = original.map(|from| Edge {
            from,
            relation: Relation::Retransmit,
            certain: true,
        });
        self.begin(id, edge, event)
    }

    fn child(&mut self, parent: Key, relation: Relation, certain: bool, event: &Event) -> Key {
        let Some(life) = self.lives.get_mut(&parent) else {
            return self.family(None, event);
        };
        life.pieces += u32::from(matches!(relation, Relation::Segment | Relation::Fragment));
        let from = life.trail.id;
        let family = self.families.entry(from.family).or_default();
        family.last_member += 1;
        let id = TrailId {
            family: from.family,
            member: family.last_member,
        };
        let edge = Edge {
            from,
            relation,
            certain,
        };
        self.begin(id, Some(edge), event)
    }

    fn begin(&mut self, id: TrailId, edge: Option<Edge>, event: &Event) -> Key {
        let trail = Trail {
            id,
            edge,
            packet: None,
            // Most packets pass fewer points: hops are large, and not to be moved.
            hops: Vec::with_capacity(USUAL_HOPS),
            rules: Vec::new(),
            left_out: 0,
            receiver: None,
            verdict: Verdict::Open,
        };
        self.families.entry(id.family).or_default().living += 1;
        self.next_key += 1;
        let life = Life::new(trail, event);
        let deadline = self.deadline(&life);
        self.deadlines.push(Reverse((deadline, self.next_key)));
        self.lives.insert(self.next_key, life);
        self.next_key
    }

    /// Gives the event to its life, and keeps the indices right.
    fn take(&mut self, key: Key, event: Event, rejoined: Option<bool>, late: bool) {
        let Some(life) = self.lives.get_mut(&key) else {
            return;
        };
        let place = event.packet.as_ref().map(place_of);
        let is_new = place.is_some_and(|place| !life.indexed.contains(&place));
        let grown = event.packet.as_ref().filter(|_| is_new);
        let grown = grown.filter(|packet| life.fit(packet) == Fit::Grown);
        let grown = grown.cloned();
        let (skb, old_skb) = (event.skb, life.skb);
        life.add(event, rejoined, late, self.settings.most_hops);
        let (alive, head) = (life.alive, life.head);
        if old_skb != skb && self.by_skb.get(&old_skb) == Some(&key) {
            self.by_skb.remove(&old_skb);
        }
        if old_skb != skb && self.by_last_skb.get(&old_skb) == Some(&key) {
            self.by_last_skb.remove(&old_skb);
        }
        if alive {
            self.by_skb.insert(skb, key);
            if head != 0 {
                let is_alive = |key: &Key| self.lives.get(key).is_some_and(|life| life.alive);
                if !self.by_head.get(&head).is_some_and(is_alive) {
                    self.by_head.insert(head, key);
                    if let Some(life) = self.lives.get_mut(&key) {
                        life.heads.push(head);
                    }
                }
            }
        } else {
            self.leave_buffer(key, skb);
            self.hurry(key);
        }
        if let Some(place) = place.filter(|_| is_new) {
            self.index(key, place);
        }
        if let Some(packet) = grown {
            self.absorb(key, &packet);
        }
    }

    /// An ended packet is not kept as long as one that is under way.
    fn hurry(&mut self, key: Key) {
        if let Some(life) = self.lives.get(&key) {
            self.deadlines.push(Reverse((self.deadline(life), key)));
        }
    }

    fn leave_buffer(&mut self, key: Key, skb: u64) {
        if self.by_skb.get(&skb) == Some(&key) {
            self.by_skb.remove(&skb);
            self.by_last_skb.insert(skb, key);
        }
    }

    fn index(&mut self, key: Key, place: (Core, Pair)) {
        if let Some(life) = self.lives.get_mut(&key) {
            life.indexed.push(place);
            self.fragmented += usize::from(place.0.fragment.is_some());
            remember(self.by_core.entry(place.0).or_default(), key);
            remember(self.by_pair.entry(place.1).or_default(), key);
        }
    }

    /// Packets whose data is now in the grown packet of `key` go on there.
    fn absorb(&mut self, key: Key, packet: &Packet) {
        let relatives = self.by_pair.get(&pair(packet)).cloned();
        for other in relatives
            .into_iter()
            .flatten()
            .filter(|other| *other != key)
        {
            let life = self.lives.get(&other);
            let inside = life.is_some_and(|life| life.went_into(packet));
            if inside {
                self.merge(other, key);
            }
        }
    }

    fn merge(&mut self, key: Key, into: Key) {
        let Some(into) = self.lives.get(&into).map(|life| life.trail.id) else {
            return;
        };
        if let Some(life) = self.lives.get_mut(&key) {
            life.alive = false;
            life.trail.verdict = Verdict::Merged { into };
            let skb = life.skb;
            self.leave_buffer(key, skb);
            self.hurry(key);
        }
    }

    /// The buffer has been given to another packet.
    fn close(&mut self, key: Key) {
        if let Some(life) = self.lives.get_mut(&key) {
            life.alive = false;
            life.trail.verdict = Verdict::of(&life.trail.hops, false);
            let skb = life.skb;
            self.leave_buffer(key, skb);
            self.hurry(key);
        }
    }

    fn end(&mut self, key: Key) {
        let Some(mut life) = self.lives.remove(&key) else {
            return;
        };
        self.leave_buffer(key, life.skb);
        if self.by_last_skb.get(&life.skb) == Some(&key) {
            self.by_last_skb.remove(&life.skb);
        }
        for head in &life.heads {
            if self.by_head.get(head) == Some(&key) {
                self.by_head.remove(head);
            }
        }
        for (core, pair) in &life.indexed {
            self.fragmented -= usize::from(core.fragment.is_some());
            forget(&mut self.by_core, core, key);
            forget(&mut self.by_pair, pair, key);
        }
        let number = life.trail.id.family;
        if let Some(family) = self.families.get_mut(&number) {
            family.living -= 1;
            if family.living == 0 {
                self.families.remove(&number);
            }
        }
        life.judge();
        self.sent.remember(&life.trail);
        self.finished.push_back(life.trail);
    }
}

fn pair(packet: &Packet) -> Pair {
    let tuple = &packet.tuple;
    (
        tuple.source.ip(),
        tuple.destination.ip(),
        packet.fingerprint.core.protocol,
    )
}

/// Under what a packet can be found.
fn place_of(packet: &Packet) -> (Core, Pair) {
    (packet.fingerprint.core, pair(packet))
}

fn remember(keys: &mut VecDeque<Key>, key: Key) {
    if !keys.contains(&key) {
        if keys.len() >= RELATIVES {
            keys.pop_front();
        }
        keys.push_back(key);
    }
}

fn forget<K: std::hash::Hash + Eq>(index: &mut HashMap<K, VecDeque<Key>>, at: &K, key: Key) {
    if let Some(keys) = index.get_mut(at) {
        keys.retain(|known| *known != key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}
