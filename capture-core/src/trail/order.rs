//! Time order over CPUs, and what is missing from each.
//!
//! Owns the bounded window and the gaps in the numbers of each CPU. Events of one CPU may come a
//! little out of order, since an interrupt can report while a report is being written.

use super::event::Event;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// An event in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The event.
    pub event: Event,
    /// It came after a younger one had left the window.
    pub late: bool,
}

/// Brings events into time order, holding each for a bounded time and a bounded number.
#[derive(Debug)]
pub struct Window {
    hold_ns: u64,
    most: usize,
    /// Times, numbers of arrival and places in `events`, the oldest on top: small, since a heap
    /// moves what it holds.
    waiting: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    arrived: u64,
    newest_ns: u64,
    released_ns: u64,
    late: u64,
}

impl Window {
    /// Holds an event until one that is `hold_ns` younger came, and `most` events at most.
    pub fn new(hold_ns: u64, most: usize) -> Self {
        Self {
            hold_ns,
            most,
            waiting: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            arrived: 0,
            newest_ns: 0,
            released_ns: 0,
            late: 0,
        }
    }

    /// Takes an event.
    pub fn push(&mut self, event: Event) {
        self.newest_ns = self.newest_ns.max(event.time_ns);
        let place = self.free.pop().unwrap_or(self.events.len());
        let key = Reverse((event.time_ns, self.arrived, place));
        match self.events.get_mut(place) {
            Some(free) => *free = Some(event),
            None => self.events.push(Some(event)),
        }
        self.arrived += 1;
        self.waiting.push(key);
    }

    /// Says what time it is, so that events are released when no younger ones come.
    pub fn advance(&mut self, now_ns: u64) {
        self.newest_ns = self.newest_ns.max(now_ns);
    }

    /// The next event whose time has come.
    pub fn pop(&mut self) -> Option<Ordered> {
        let Reverse((time_ns, _, _)) = self.waiting.peek()?;
        let due = time_ns.saturating_add(self.hold_ns) <= self.newest_ns;
        if due || self.waiting.len() > self.most {
            self.release()
        } else {
            None
        }
    }

    /// The next event at the end, when no more will come.
    pub fn release(&mut self) -> Option<Ordered> {
        let Reverse((_, _, place)) = self.waiting.pop()?;
        let event = self.events.get_mut(place)?.take()?;
        self.free.push(place);
        let late = event.time_ns < self.released_ns;
        self.late += u64::from(late);
        self.released_ns = self.released_ns.max(event.time_ns);
        Some(Ordered { event, late })
    }

    /// Events that came too late for the window.
    pub fn late(&self) -> u64 {
        self.late
    }
}

/// Numbers of one CPU.
#[derive(Debug, Default)]
struct Numbers {
    next: u64,
    /// Missing numbers: the first of a gap, and the first after it.
    missing: BTreeMap<u64, u64>,
}

/// Follows the numbers of the events of each CPU: produced = seen + lost, at every moment.
#[derive(Debug, Default)]
pub struct Sequences {
    cpus: HashMap<u32, Numbers>,
    seen: u64,
}

impl Sequences {
    /// Notes an event's number. Returns how many numbers before it are missing for the first
    /// time: what was lost here, unless it comes yet.
    pub fn see(&mut self, cpu: u32, sequence: u64) -> u64 {
        self.seen += 1;
        let numbers = self.cpus.entry(cpu).or_default();
        if sequence < numbers.next {
            numbers.fill(sequence);
            return 0;
        }
        let gap = sequence - numbers.next;
        if gap > 0 {
            numbers.missing.insert(numbers.next, sequence);
        }
        numbers.next = sequence.saturating_add(1);
        gap
    }

    /// Says that a CPU has given out `produced` numbers, at the end, so that what was lost after
    /// the last event counts too.
    pub fn finish(&mut self, cpu: u32, produced: u64) {
        let numbers = self.cpus.entry(cpu).or_default();
        if produced > numbers.next {
            numbers.missing.insert(numbers.next, produced);
            numbers.next = produced;
        }
    }

    /// Events that came.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Events that are missing now.
    pub fn lost(&self) -> u64 {
        let gaps = self.cpus.values().flat_map(|numbers| &numbers.missing);
        gaps.map(|(from, to)| to.saturating_sub(*from)).sum()
    }

    /// Events that were produced, as the numbers say.
    pub fn produced(&self) -> u64 {
        self.cpus.values().map(|numbers| numbers.next).sum()
    }
}

impl Numbers {
    /// A number that was missing has come.
    fn fill(&mut self, sequence: u64) {
        let gap = self.missing.range(..=sequence).next_back();
        let Some((from, to)) = gap.map(|(from, to)| (*from, *to)) else {
            return;
        };
        if sequence >= to {
            return;
        }
        self.missing.remove(&from);
        if from < sequence {
            self.missing.insert(from, sequence);
        }
        if sequence + 1 < to {
            self.missing.insert(sequence + 1, to);
        }
    }
}
