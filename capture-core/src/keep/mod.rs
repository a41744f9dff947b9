//! A flight recorder: a sink that keeps the last frames in memory and hands
//! them on only when something triggers it.
//!
//! Frames are copied into memory of its own, so that ring blocks go back at
//! once. A trigger hands on the frames of the time before it and lets those of
//! the time after it through; then it goes on keeping. A frame that falls out
//! of memory is counted as [`expired`](Sink::expired), one that is in memory as
//! [`held`](Sink::held). What a trigger is to mean (a signal, a filter) comes
//! from outside.

mod chunk;
#[cfg(test)]
mod tests;

use crate::{
    Account, Batch, Error, ErrorKind, Filter, Flow, Frame, Interface, LinkType, Losses, Result,
    Sink,
};
use chunk::{Chunk, Memory};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Memory is taken in so many pieces, where the frames are small enough.
const PIECES: usize = 32;
/// No piece is smaller or larger than this, in bytes, unless a frame asks for
/// it.
const PIECE: std::ops::RangeInclusive<usize> = 4 << 10..=1 << 20;
/// Pieces of a recording that are handed on with each batch, and with each tick:
/// the sink gets them sooner than frames come, and never so many that the ring
/// waits for it.
const WITH_BATCH: usize = 4;
const WITH_TICK: usize = 16;
/// How much longer than the window a frame is held where only the clock goes
/// on: a frame that triggers may still be on its way.
const GRACE_NS: u64 = 2_000_000_000;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The time before a trigger that is handed on; `None`: all that is in
    /// memory.
    pub span: Option<Duration>,
    /// Most memory in bytes, for frames, what is known of them, and what the
    /// sink behind has not given back. The oldest frames make room, a
    /// thirty-second part of the memory at a time.
    pub bytes: usize,
    /// The time after a trigger that is handed on.
    pub after: Duration,
}

impl Window {
    /// The least memory that makes sense, in bytes.
    pub const LEAST_BYTES: usize = 64 << 10;
}

/// What made a recording begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The flag that a signal handler or another thread sets.
    Flag,
    /// A frame that the filter accepts.
    Frame,
    /// The flag that is set where the kernel drops a packet.
    Drop,
}

/// A recording that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triggered {
    /// What made it begin.
    pub cause: Cause,
    /// The time of the trigger, in nanoseconds since 1970.
    pub at_ns: u64,
    /// Frames in memory that it hands on.
    pub frames: u64,
    /// The time of the first of them.
    pub from_ns: Option<u64>,
    /// The time before the trigger is not all there: memory was too small.
    pub is_short: bool,
}

/// Makes the trigger's filter for frames of one link type.
pub type Compile = Box<dyn FnMut(LinkType) -> Result<Filter>>;

/// Is told of each recording as it begins.
pub type Observer = Box<dyn FnMut(Triggered)>;

/// Keeps frames in memory before another sink.
pub struct Keep<S> {
    sink: S,
    window: Window,
    is_live: bool,
    flags: Vec<(Cause, Arc<AtomicBool>)>,
    matcher: Option<Matcher>,
    observer: Option<Observer>,
    /// Oldest first; the last one is being filled.
    chunks: VecDeque<Chunk>,
    /// All memory that is in use, that which is lent to the sink included.
    memory: Arc<AtomicUsize>,
    interfaces: Arc<Vec<Interface>>,
    /// Frames up to this time go through, while there is one: behind those of
    /// the recording that are still in memory.
    until_ns: Option<u64>,
    /// The time from which on the recording wants frames.
    from_ns: u64,
    newest_ns: u64,
    /// The last frame that had to go before its time.
    squeezed_ns: Option<u64>,
    /// The sink wants no more.
    ended: bool,
    /// Each frame that was taken is in one of the counters below.
    taken: u64,
    handed_on: u64,
    held: u64,
    expired: u64,
    surplus: u64,
    lost: u64,
}

impl<S: Sink> Keep<S> {
    /// Keeps what `window` says before `sink`. Nothing triggers it yet.
    ///
    /// # Errors
    /// `Usage` for less memory than [`Window::LEAST_BYTES`].
    pub fn new(sink: S, window: Window) -> Result<Self> {
        if window.bytes < Window::LEAST_BYTES {
            let message = format!(
                "{} bytes are too few to keep packets in; give {} KiB or more",
                window.bytes,
                Window::LEAST_BYTES >> 10
            );
            return Err(Error::new(ErrorKind::Usage, message));
        }
        Ok(Self {
            sink,
            window,
            is_live: false,
            flags: Vec::new(),
            matcher: None,
            observer: None,
            chunks: VecDeque::new(),
            memory: Arc::default(),
            interfaces: Arc::default(),
            until_ns: None,
            from_ns: 0,
            newest_ns: 0,
            squeezed_ns: None,
            ended: false,
            taken: 0,
            handed_on: 0,
            held: 0,
            expired: 0,
            surplus: 0,
            lost: 0,
        })
    }

    /// Frames come as they happen: a flag is answered by the clock. Otherwise
    /// the frames' times alone count, as is right for a file that is read.
    #[must_use]
    pub fn live(mut self, is_live: bool) -> Self {
        self.is_live = is_live;
        self
    }

    /// Triggers when `flag` is set, and clears it. It is looked at with every
    /// [`tick`](Sink::tick), several times a second.
    #[must_use]
    pub fn on_flag(mut self, flag: Arc<AtomicBool>) -> Self {
        self.flags.push((Cause::Flag, flag));
        self
    }

    /// The same for a flag that is set when the kernel has dropped a packet.
    #[must_use]
    pub fn on_drop(mut self, flag: Arc<AtomicBool>) -> Self {
        self.flags.push((Cause::Drop, flag));
        self
    }

    /// Triggers at each frame that a filter accepts; `compile` makes it when
    /// the first frame of a link type comes.
    #[must_use]
    pub fn on_match(mut self, compile: Compile) -> Self {
        let known = Vec::new();
        self.matcher = Some(Matcher { compile, known });
        self
    }

    /// Tells `observer` of each recording as it begins.
    #[must_use]
    pub fn observed(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The sink behind.
    pub fn into_inner(self) -> S {
        self.sink
    }

    /// Memory in use, in bytes: at most [`Window::bytes`].
    pub fn memory_bytes(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// What the first flag that is set stands for; clears all.
    fn take_flag(&self) -> Option<Cause> {
        let mut cause = None;
        for (stands_for, flag) in &self.flags {
            if flag.swap(false, Ordering::Acquire) {
                cause = cause.or(Some(*stands_for));
            }
        }
        cause
    }

    fn span_ns(&self) -> Option<u64> {
        self.window.span.map(nanoseconds)
    }

    /// Begins a recording, or makes the one that goes on last longer.
    fn trigger(&mut self, cause: Cause, at_ns: u64) -> Result<()> {
        let until = at_ns.saturating_add(nanoseconds(self.window.after));
        if let Some(now) = &mut self.until_ns {
            *now = until.max(*now);
            return Ok(());
        }
        self.until_ns = Some(until);
        let from_ns = self.span_ns().map_or(0, |span| at_ns.saturating_sub(span));
        self.expire_before(from_ns);
        let squeezed = self.squeezed_ns.take();
        let triggered = Triggered {
            cause,
            at_ns,
            frames: self.held,
            from_ns: self.chunks.front().and_then(Chunk::oldest_ns),
            is_short: self.window.span.is_some() && squeezed.is_some_and(|ns| ns >= from_ns),
        };
        if let Some(observer) = &mut self.observer {
            observer(triggered);
        }
        self.from_ns = from_ns;
        self.chunks.iter_mut().for_each(|chunk| chunk.want(from_ns));
        self.hand_on_due(WITH_BATCH)
    }

    /// Whether frames of a recording are still in memory.
    fn is_due(&self) -> bool {
        let front = self.chunks.front();
        front.is_some_and(|chunk| chunk.due_from_ns().is_some())
    }

    /// Hands on what is in memory of a recording, `most` pieces of it.
    fn hand_on_due(&mut self, most: usize) -> Result<()> {
        for _ in 0..most {
            let due = self
                .chunks
                .pop_front_if(|chunk| chunk.due_from_ns().is_some());
            let Some(chunk) = due else {
                break;
            };
            let count = chunk.frames() as u64;
            let from_ns = chunk.due_from_ns().unwrap_or(0);
            let batch = chunk.into_batch(from_ns, Arc::clone(&self.interfaces));
            self.held -= count;
            // Frames that came late among younger ones.
            self.expired += count - batch.frames.len() as u64;
            self.hand_on(batch)?;
        }
        Ok(())
    }

    fn hand_on(&mut self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.ended {
            self.surplus += batch.frames.len() as u64;
            return Ok(());
        }
        // What becomes of them now, the sink behind counts.
        self.handed_on += batch.frames.len() as u64;
        self.ended = self.sink.write(batch)? == Flow::Stop;
        Ok(())
    }

    /// After an error: the frames that have not been handed on are lost, or of
    /// no use to a reader that has gone.
    fn give_up(&mut self, error: Error) -> Error {
        self.ended = true;
        self.held = 0;
        self.chunks.clear();
        let settled = self.handed_on + self.expired + self.surplus + self.lost;
        let left = self.taken.saturating_sub(settled);
        match error.kind() {
            ErrorKind::BrokenPipe => self.surplus += left,
            _ => self.lost += left,
        }
        error
    }

    /// After the end: what is still in memory came too late.
    fn end_if_enough(&mut self) -> Flow {
        if self.ended {
            self.surplus += std::mem::take(&mut self.held);
            self.chunks.clear();
        }
        Flow::stop_if(self.ended)
    }

    /// A batch, and what stands in it beside frames.
    fn take_batch(&mut self, mut batch: Batch) -> Result<()> {
        self.hand_on_due(WITH_BATCH)?;
        self.interfaces = Arc::clone(&batch.interfaces);
        // What is no frame is not kept: it may be needed for all that follows.
        let mut notes = std::mem::take(&mut batch.notes);
        notes.iter_mut().for_each(|note| note.before = 0);
        self.hand_on(Batch {
            interfaces: Arc::clone(&batch.interfaces),
            notes,
            ..Batch::default()
        })?;
        if !self.is_live
            && let Some(cause) = self.take_flag()
        {
            self.trigger(cause, self.newest_ns)?;
        }
        self.take(&batch)
    }

    /// What depends on the clock.
    fn at_clock(&mut self, now_ns: u64) -> Result<()> {
        self.hand_on_due(WITH_TICK)?;
        if let Some(cause) = self.take_flag() {
            self.trigger(cause, now_ns)?;
        }
        if let Some(span) = self.span_ns() {
            self.expire_before(now_ns.saturating_sub(span).saturating_sub(GRACE_NS));
        }
        Ok(())
    }

    /// Takes a frame into memory; `due_from_ns`: as part of a recording.
    fn keep(&mut self, frame: &Frame<'_>, due_from_ns: Option<u64>) -> Result<()> {
        if let Some(span) = self.span_ns() {
            self.expire_before(self.newest_ns.saturating_sub(span));
        }
        let last = self.chunks.back_mut();
        let mut last = last.filter(|last| last.due_from_ns() == due_from_ns);
        if last.as_mut().is_some_and(|last| last.push(frame)) {
            self.held += 1;
            return Ok(());
        }
        let usual = self.window.bytes / PIECES;
        let usual = usual.clamp(*PIECE.start(), *PIECE.end());
        let len = Chunk::cost(frame).max(usual);
        if len > self.window.bytes {
            self.expired += 1;
            self.squeezed_ns = Some(frame.info.timestamp_ns);
            return Ok(());
        }
        let Some(memory) = self.room(len)? else {
            // The sink behind still has all the memory.
            self.lost += 1;
            return Ok(());
        };
        let mut chunk = Chunk::new(memory, due_from_ns);
        if chunk.push(frame) {
            self.held += 1;
        }
        self.chunks.push_back(chunk);
        Ok(())
    }

    /// Memory of `len` bytes, which the oldest frames make room for: those of a
    /// recording by being handed on at once.
    fn room(&mut self, len: usize) -> Result<Option<Memory>> {
        while self.memory_bytes() + len > self.window.bytes {
            if self.is_due() {
                self.hand_on_due(1)?;
                continue;
            }
            let Some(oldest) = self.chunks.pop_front() else {
                return Ok(None);
            };
            let count = oldest.frames() as u64;
            self.held -= count;
            self.expired += count;
            self.squeezed_ns = oldest.last_ns().or(self.squeezed_ns);
            let memory = oldest.into_memory();
            if memory.len() == len {
                return Ok(Some(memory));
            }
        }
        Ok(Some(Memory::new(len, &self.memory)))
    }

    /// Lets the frames before a time go, once those of a recording are gone.
    fn expire_before(&mut self, from_ns: u64) {
        if self.is_due() {
            return;
        }
        while let Some(chunk) = self.chunks.front_mut() {
            while chunk.oldest_ns().is_some_and(|oldest| oldest < from_ns) {
                chunk.expire_one();
                self.held -= 1;
                self.expired += 1;
            }
            // The last one is still being filled.
            if chunk.frames() > 0 || self.chunks.len() == 1 {
                return;
            }
            self.chunks.pop_front();
        }
    }

    /// Frame by frame: keeps, triggers, and lets through.
    fn take(&mut self, batch: &Batch) -> Result<()> {
        // Where the frames begin that go through and are not handed on yet.
        let mut through = None;
        for (index, frame) in batch.iter().enumerate() {
            let at_ns = frame.info.timestamp_ns;
            self.newest_ns = self.newest_ns.max(at_ns);
            let matches = match (&mut self.matcher, batch.interface(frame.info)) {
                (Some(matcher), Some(interface)) => matcher.accepts(&frame, interface)?,
                _ => false,
            };
            if matches {
                self.trigger(Cause::Frame, at_ns)?;
            }
            match self.until_ns {
                Some(until) if at_ns <= until && self.is_due() => {
                    self.keep(&frame, Some(self.from_ns))?;
                }
                Some(until) if at_ns <= until => _ = through.get_or_insert(index),
                _ => {
                    self.until_ns = None;
                    if let Some(from) = through.take() {
                        self.hand_on(part(batch, from..index))?;
                    }
                    self.keep(&frame, None)?;
                }
            }
        }
        match through {
            Some(from) => self.hand_on(part(batch, from..batch.frames.len())),
            None => Ok(()),
        }
    }
}

impl<S: Sink> Sink for Keep<S> {
    fn write(&mut self, batch: Batch) -> Result<Flow> {
        let count = batch.frames.len() as u64;
        self.taken += count;
        if self.ended {
            self.surplus += count;
            return Ok(Flow::Stop);
        }
        self.take_batch(batch)
            .map_err(|error| self.give_up(error))?;
        Ok(self.end_if_enough())
    }

    fn tick(&mut self, now_ns: u64, account: &Account) -> Result<Flow> {
        if self.is_live && !self.ended {
            self.at_clock(now_ns).map_err(|error| self.give_up(error))?;
        }
        match self.sink.tick(now_ns, account) {
            Ok(flow) => self.ended |= flow == Flow::Stop,
            Err(error) => return Err(self.give_up(error)),
        }
        Ok(self.end_if_enough())
    }

    fn finish(&mut self, account: &Account) -> Result<()> {
        let cause = self.take_flag().filter(|_| !self.ended);
        let triggered = match cause {
            Some(cause) => self.trigger(cause, self.newest_ns),
            None => Ok(()),
        };
        let triggered = triggered
            .and_then(|()| self.hand_on_due(usize::MAX))
            .map_err(|error| self.give_up(error));
        self.expired += std::mem::take(&mut self.held);
        self.chunks.clear();
        triggered.and(self.sink.finish(account))
    }

    fn surplus(&self) -> u64 {
        self.surplus + self.sink.surplus()
    }

    fn losses(&self) -> Losses {
        let mut losses = self.sink.losses();
        losses.writer += self.lost;
        losses
    }

    fn expired(&self) -> u64 {
        self.expired + self.sink.expired()
    }

    fn held(&self) -> u64 {
        self.held + self.sink.held()
    }
}

/// The trigger's filter, one for each link type.
struct Matcher {
    compile: Compile,
    known: Vec<(LinkType, Filter)>,
}

impl Matcher {
    fn accepts(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<bool> {
        let link_type = interface.link_type;
        if let Some((_, filter)) = self.known.iter().find(|(known, _)| *known == link_type) {
            return Ok(filter.accepts(frame, interface).is_some());
        }
        let filter = (self.compile)(link_type)?;
        let accepts = filter.accepts(frame, interface).is_some();
        self.known.push((link_type, filter));
        Ok(accepts)
    }
}

/// Some of the frames of a batch, where they lie.
fn part(batch: &Batch, range: std::ops::Range<usize>) -> Batch {
    Batch {
        blocks: batch.blocks.clone(),
        frames: batch.frames.get(range).unwrap_or_default().to_vec(),
        packed: None,
        interfaces: Arc::clone(&batch.interfaces),
        notes: Vec::new(),
        is_sorted: batch.is_sorted,
        source: batch.source,
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
