//! The engine: joins sources to a sink, and accounts for every frame.
//!
//! One thread for each source takes batches and filters those that the source
//! could not filter; a bounded queue brings them to the calling thread, which
//! merges them in time order and owns the sink. While the sink is slow the
//! queue fills, the sources stop taking, and the loss happens, and is counted,
//! in the kernel's rings.
//!
//! An only source that asks for no thread has none: the calling thread takes
//! a batch and hands it to the sink, with nobody to be woken in between. What
//! waits while the sink is slow then waits in the ring, where it would be anyway.

mod by_link_type;
mod feed;
mod merge;
mod tally;

use crate::{
    Account, Batch, Error, Filter, Flow, Interface, Notice, Placement, Result, Sink, Source,
};
pub use by_link_type::{ByLinkType, Compile};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use feed::{Feed, Here, Message};
use merge::Merge;
pub use merge::Order;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tally::{Sunk, Tally};

/// Stops a run from outside: from a signal handler, another thread, a timer.
#[derive(Clone, Debug, Default)]
pub struct Control {
    stop: Arc<AtomicBool>,
}

impl Control {
    /// Asks the run to end: what the sources still hold is drained and written.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for what can only set a flag: a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Whether the run has been asked to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What an engine tells while it runs.
pub enum Event<'a> {
    /// Something happened to a source.
    Notice(Notice),
    /// A source has failed; the others go on.
    Failed(&'a Error),
    /// The account a tenth of a second on.
    Tick(&'a Account),
}

/// A run that has ended: the account is there whether it went well or not.
#[derive(Debug)]
pub struct Finished {
    /// What became of every frame.
    pub account: Account,
    /// The first thing that went wrong.
    pub result: Result<()>,
}

impl Finished {
    /// The account, or what went wrong.
    pub fn into_result(self) -> Result<Account> {
        self.result.map(|()| self.account)
    }
}

/// Batches waiting for the merge, for each source.
const QUEUE_BATCHES: usize = 8;
/// How often the sink is ticked.
const TICK: Duration = Duration::from_millis(100);

/// Joins sources to a sink.
pub struct Engine {
    feeds: Vec<(Box<dyn Source>, Option<Here>)>,
    order: Order,
}

impl Default for Engine {
    fn default() -> Self {
        let order = Order::ByTime {
            window_ns: 1_000_000_000,
            held_bytes: 32 << 20,
        };
        Self {
            feeds: Vec::new(),
            order,
        }
    }
}

impl Engine {
    /// An engine without a source, in time order, with a merge window of one
    /// second and 32 MiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// The order in which frames reach the sink.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Adds a source whose filter is set already, or that needs none.
    pub fn add(&mut self, source: Box<dyn Source>) {
        self.feeds.push((source, None));
    }

    /// Adds a source with a filter, which runs here if the source cannot.
    /// Says where it runs.
    pub fn add_filtered(
        &mut self,
        mut source: Box<dyn Source>,
        filter: &Filter,
    ) -> Result<Placement> {
        let placement = source.set_filter(filter)?;
        let here = matches!(placement, Placement::Here(_)).then(|| Here::Same(filter.clone()));
        self.feeds.push((source, here));
        Ok(placement)
    }

    /// Adds a source whose frames may be of several link types, with filters
    /// that run here. If one cannot be made, the source ends with that error.
    pub fn add_filtered_by(&mut self, source: Box<dyn Source>, filters: ByLinkType) {
        self.feeds.push((source, Some(Here::ByLinkType(filters))));
    }

    /// The interfaces that the sources know now.
    pub fn interfaces(&self) -> Vec<Interface> {
        self.feeds
            .iter()
            .flat_map(|(source, _)| source.interfaces().to_vec())
            .collect()
    }

    /// Lets every source begin to receive, so that a caller can say "listening"
    /// and be right. Optional: otherwise `run` does it.
    pub fn start(&mut self) -> Result<()> {
        self.feeds
            .iter_mut()
            .try_for_each(|(source, _)| source.start())
    }

    /// Lets sources pack their frames where nobody needs an index of them: neither
    /// the sink, nor a filter, nor whoever brings several sources in order.
    fn let_pack(&mut self, sink: &dyn Sink) {
        let is_merged = self.feeds.len() > 1 && matches!(self.order, Order::ByTime { .. });
        let Some(packing) = sink.packing().filter(|_| !is_merged) else {
            return;
        };
        for (source, filter) in &mut self.feeds {
            if filter.is_none() {
                source.pack(packing);
            }
        }
    }

    /// Runs until the sources end, the sink has enough or `control` says stop.
    /// `observe` is called on the calling thread, as the sink is.
    pub fn run(
        mut self,
        sink: &mut dyn Sink,
        control: &Control,
        mut observe: impl FnMut(Event<'_>),
    ) -> Finished {
        let count = self.feeds.len();
        self.let_pack(sink);
        let mut run = Run {
            sink,
            merge: Merge::new(self.order, count),
            tally: Tally::new(count),
            observe: &mut observe,
            error: None,
            wanted: Wanted::Yes,
            stop: &AtomicBool::new(false),
            ticked: Instant::now(),
        };
        for (id, (source, _)) in self.feeds.iter().enumerate() {
            run.merge.announce(id, source.interfaces());
        }
        let stop = run.stop;
        let feeds = self.feeds.into_iter().enumerate();
        let mut feeds: Vec<_> = feeds
            .map(|(id, feed)| Feed::new(id, feed, stop, &control.stop, count > 1))
            .collect();
        match &mut feeds[..] {
            [only] if only.is_light() => run.drive_alone(only),
            _ => run.drive_all(feeds),
        }
        run.finish()
    }
}

/// Whether the sink still takes frames, and where they go if not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Yes,
    /// A limit is reached or the reader of a pipe has gone.
    No,
    /// The sink has failed: what still comes is lost.
    Failed,
}

/// A run of the engine, on the calling thread.
struct Run<'a> {
    sink: &'a mut dyn Sink,
    merge: Merge,
    tally: Tally,
    observe: &'a mut dyn FnMut(Event<'_>),
    error: Option<Error>,
    wanted: Wanted,
    stop: &'a AtomicBool,
    ticked: Instant,
}

impl Run<'_> {
    /// Runs the only source on this thread.
    fn drive_alone(&mut self, feed: &mut Feed<'_>) {
        while feed.step(&mut |message| self.take(message)) {
            self.deliver();
            self.tick_if_due();
        }
        self.deliver();
    }

    /// Runs each source on a thread of its own.
    fn drive_all(&mut self, feeds: Vec<Feed<'_>>) {
        thread::scope(|scope| {
            let (to, from) = bounded(feeds.len().max(1) * QUEUE_BATCHES);
            for mut feed in feeds {
                let (id, to) = (feed.id, to.clone());
                // The receiver outlives all feeds; were it gone, nobody would listen.
                let mut say = move |message| drop(to.send(message));
                let run = move || while feed.step(&mut say) {};
                let thread = thread::Builder::new().name(format!("capture-{id}"));
                if let Err(cause) = thread.spawn_scoped(scope, run) {
                    self.fail(Error::io("cannot start a capture thread", cause));
                    self.merge.end(id);
                }
            }
            drop(to);
            self.drive(&from);
        });
    }

    fn drive(&mut self, from: &Receiver<Message>) {
        loop {
            match from.recv_timeout(TICK.saturating_sub(self.ticked.elapsed())) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.deliver();
            self.tick_if_due();
        }
        self.deliver();
    }

    fn tick_if_due(&mut self) {
        if self.ticked.elapsed() >= TICK {
            self.ticked = Instant::now();
            self.tick();
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Batch {
                source,
                batch,
                filtered,
            } => {
                self.tally
                    .handed_over(source, batch.count() as u64, filtered);
                self.merge.push(source, batch);
            }
            Message::Complete { source, until_ns } => self.merge.complete(source, until_ns),
            Message::Account { source, account } => self.tally.update(source, account),
            Message::Notice(notice) => (self.observe)(Event::Notice(notice)),
            Message::Ended { source, error } => {
                self.merge.end(source);
                if let Some(error) = error {
                    (self.observe)(Event::Failed(&error));
                    self.error.get_or_insert(error);
                }
            }
        }
    }

    /// Hands on what is in order.
    fn deliver(&mut self) {
        while let Some(batch) = self.merge.pop() {
            let count = batch.count() as u64;
            match self.wanted {
                Wanted::Yes => self.write(batch, count),
                Wanted::No => self.tally.surplus += count,
                Wanted::Failed => self.tally.lost_writer += count,
            }
        }
    }

    fn write(&mut self, batch: Batch, count: u64) {
        self.tally.handed_on += count;
        match self.sink.write(batch) {
            Ok(Flow::Continue) => {}
            Ok(Flow::Stop) => self.enough(Wanted::No),
            Err(error) => self.fail(error),
        }
    }

    fn tick(&mut self) {
        let account = self.account();
        if self.wanted == Wanted::Yes {
            match self.sink.tick(now_ns(), &account) {
                Ok(Flow::Continue) => {}
                Ok(Flow::Stop) => self.enough(Wanted::No),
                Err(error) => self.fail(error),
            }
        }
        (self.observe)(Event::Tick(&account));
    }

    fn enough(&mut self, wanted: Wanted) {
        self.wanted = wanted;
        self.stop.store(true, Ordering::Relaxed);
    }

    fn fail(&mut self, error: Error) {
        let gone = error.kind() == crate::ErrorKind::BrokenPipe;
        self.enough(if gone { Wanted::No } else { Wanted::Failed });
        self.error.get_or_insert(error);
    }

    fn account(&self) -> Account {
        self.tally.account(&Sunk::of(self.sink), self.merge.late())
    }

    fn finish(mut self) -> Finished {
        if let Err(error) = self.sink.finish(&self.account()) {
            self.error.get_or_insert(error);
        }
        Finished {
            account: self.account(),
            result: self.error.map_or(Ok(()), Err),
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
