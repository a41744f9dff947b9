//! What is done for a source, on a thread of its own or on the engine's: takes
//! what the source has, filters it where the source could not, and hands it on.

use super::by_link_type::ByLinkType;
use crate::filter::{Selection, select};
use crate::{Batch, Error, Filter, FrameInfo, Next, Notice, Result, Source, SourceAccount};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a source's thread says.
pub(super) enum Message {
    /// Frames, and how many more the filter here has rejected.
    Batch {
        source: usize,
        batch: Batch,
        filtered: u64,
    },
    /// No frame up to a time will come any more.
    Complete { source: usize, until_ns: u64 },
    /// What the source has counted.
    Account {
        source: usize,
        account: SourceAccount,
    },
    /// Something a person should know.
    Notice(Notice),
    /// The last message of a source.
    Ended { source: usize, error: Option<Error> },
}

/// How often a source's account is taken.
const ACCOUNT_EVERY: Duration = Duration::from_millis(200);
/// How long a source waits before it says that it is idle: where others may be
/// held up by it, and otherwise.
const WAIT_SHARED: Duration = Duration::from_millis(10);
const WAIT_ALONE: Duration = Duration::from_millis(100);

/// What filters a source's frames here.
pub(super) enum Here {
    /// One filter.
    Same(Filter),
    /// One for each link type.
    ByLinkType(ByLinkType),
}

impl Here {
    /// How much to keep of each frame.
    fn select(&self, batch: &Batch, selection: &mut Selection) {
        match self {
            Self::Same(filter) => filter.select(batch, selection),
            Self::ByLinkType(filters) => {
                select(batch, |link_type| filters.filter(link_type), selection);
            }
        }
    }
}

/// One source, and how far it is.
pub(super) struct Feed<'a> {
    pub(super) id: usize,
    source: Box<dyn Source>,
    /// The filter that the source could not take.
    filter: Option<Here>,
    selection: Selection,
    stop: &'a AtomicBool,
    user_stop: &'a AtomicBool,
    /// Whether other sources wait for this one.
    shared: bool,
    stopping: bool,
    accounted: Instant,
}

impl<'a> Feed<'a> {
    /// `stop`: the engine has enough. `user_stop`: somebody else has.
    pub(super) fn new(
        id: usize,
        (source, filter): (Box<dyn Source>, Option<Here>),
        stop: &'a AtomicBool,
        user_stop: &'a AtomicBool,
        shared: bool,
    ) -> Self {
        Self {
            id,
            source,
            filter,
            selection: Selection::default(),
            stop,
            user_stop,
            shared,
            stopping: false,
            accounted: Instant::now(),
        }
    }

    /// Whether to run it between the batches that it yields is as good as a
    /// thread of its own.
    pub(super) fn is_light(&self) -> bool {
        self.filter.is_none() && self.source.is_light()
    }

    /// Waits for what the source has to say, a tenth of a second at most, and
    /// says it. Whether there can be more.
    pub(super) fn step(&mut self, say: &mut dyn FnMut(Message)) -> bool {
        let result = self.next(say);
        if let Ok(true) = result {
            return true;
        }
        let error = match (result, self.source.account()) {
            (Err(error), account) => {
                self.report(account.ok(), say);
                Some(error)
            }
            (Ok(_), Ok(account)) => {
                self.report(Some(account), say);
                None
            }
            (Ok(_), Err(error)) => Some(error),
        };
        let source = self.id;
        say(Message::Ended { source, error });
        false
    }

    fn next(&mut self, say: &mut dyn FnMut(Message)) -> Result<bool> {
        let asked = self.stop.load(Ordering::Relaxed) || self.user_stop.load(Ordering::Relaxed);
        if asked && !self.stopping {
            self.stopping = true;
            self.source.stop()?;
        }
        let wait = if self.shared { WAIT_SHARED } else { WAIT_ALONE };
        match self.source.next_batch(wait)? {
            Next::Batch(batch) => {
                self.hand_over(batch, say)?;
            }
            Next::Idle { complete_until_ns } => {
                // The frames of an only source wait for nobody in the merge.
                if self.shared {
                    let (source, until_ns) = (self.id, complete_until_ns);
                    say(Message::Complete { source, until_ns });
                }
            }
            Next::Notice(notice) => say(Message::Notice(notice)),
            Next::End => return Ok(false),
        }
        if self.accounted.elapsed() >= ACCOUNT_EVERY {
            self.accounted = Instant::now();
            let account = self.source.account()?;
            self.report(Some(account), say);
        }
        Ok(true)
    }

    fn hand_over(&mut self, mut batch: Batch, say: &mut dyn FnMut(Message)) -> Result<()> {
        let mut filtered = 0;
        // Frames whose filter cannot be made are not accepted by it.
        let result = match &mut self.filter {
            Some(Here::ByLinkType(filters)) => filters.prepare(&batch),
            _ => Ok(()),
        };
        if let Some(filter) = &self.filter {
            let before = batch.frames.len();
            filter.select(&batch, &mut self.selection);
            apply(self.selection.kept(), &mut batch);
            filtered = (before - batch.frames.len()) as u64;
        }
        say(Message::Batch {
            source: self.id,
            batch,
            filtered,
        });
        result
    }

    fn report(&self, account: Option<SourceAccount>, say: &mut dyn FnMut(Message)) {
        if let Some(account) = account {
            let source = self.id;
            say(Message::Account { source, account });
        }
    }
}

/// Keeps so many bytes of each frame, and no frame of which none are kept.
fn apply(selected: &[u32], batch: &mut Batch) {
    let mut verdicts = selected.iter();
    let mut kept = 0;
    let mut moved = Vec::with_capacity(batch.notes.len());
    let mut notes = std::mem::take(&mut batch.notes).into_iter().peekable();
    let mut index = 0;
    batch.frames.retain_mut(|frame: &mut FrameInfo| {
        while let Some(mut note) = notes.next_if(|note| note.before <= index) {
            note.before = kept;
            moved.push(note);
        }
        index += 1;
        let snaplen = verdicts.next().copied().unwrap_or(0);
        frame.caplen = frame.caplen.min(snaplen);
        kept += usize::from(snaplen > 0);
        snaplen > 0
    });
    moved.extend(notes.map(|mut note| {
        note.before = kept;
        note
    }));
    batch.notes = moved;
}
