//! A source's thread: takes what the source has, filters it where the source
//! could not, and sends it to the merge.

use super::by_link_type::ByLinkType;
use crate::{
    Batch, Error, Filter, Frame, FrameInfo, Interface, Next, Notice, Result, Source, SourceAccount,
};
use crossbeam_channel::Sender;
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
/// How long a source waits before it says that it is idle: while others may be
/// held up by it, and otherwise.
const WAIT_BUSY: Duration = Duration::from_millis(10);
const WAIT_IDLE: Duration = Duration::from_millis(100);

/// What filters a source's frames here.
pub(super) enum Here {
    /// One filter.
    Same(Filter),
    /// One for each link type.
    ByLinkType(ByLinkType),
}

impl Here {
    /// How much of a frame to keep, if any.
    fn accepts(&self, frame: &Frame<'_>, interface: &Interface) -> Option<u32> {
        let filter = match self {
            Self::Same(filter) => filter,
            Self::ByLinkType(filters) => filters.filter(interface.link_type)?,
        };
        filter.accepts(frame, interface)
    }
}

/// One source's thread.
pub(super) struct Feed<'a> {
    pub(super) id: usize,
    pub(super) source: Box<dyn Source>,
    /// The filter that the source could not take.
    pub(super) filter: Option<Here>,
    pub(super) to: Sender<Message>,
    pub(super) stop: &'a AtomicBool,
    pub(super) user_stop: &'a AtomicBool,
    /// Whether other sources wait for this one.
    pub(super) shared: bool,
}

impl Feed<'_> {
    /// Runs until the source ends.
    pub(super) fn run(mut self) {
        let result = self.pump();
        let error = match (result, self.source.account()) {
            (Err(error), account) => {
                self.report(account.ok());
                Some(error)
            }
            (Ok(()), Ok(account)) => {
                self.report(Some(account));
                None
            }
            (Ok(()), Err(error)) => Some(error),
        };
        self.send(Message::Ended {
            source: self.id,
            error,
        });
    }

    fn pump(&mut self) -> Result<()> {
        let mut stopping = false;
        let mut wait = WAIT_BUSY;
        let mut youngest_ns = 0;
        let mut told = false;
        let mut accounted = Instant::now();
        loop {
            let asked = self.stop.load(Ordering::Relaxed) || self.user_stop.load(Ordering::Relaxed);
            if asked && !stopping {
                stopping = true;
                self.source.stop()?;
            }
            match self.source.next_batch(wait)? {
                Next::Batch(batch) => {
                    let last = batch.frames.last().map_or(0, |frame| frame.timestamp_ns);
                    youngest_ns = youngest_ns.max(last);
                    self.hand_over(batch)?;
                    told = false;
                    wait = WAIT_BUSY;
                }
                Next::Idle { complete_until_ns } => {
                    // The merge still holds frames until it hears that they are
                    // the last of their time. After that it need not be woken.
                    let holds = complete_until_ns <= youngest_ns;
                    if self.shared || !told {
                        let (source, until_ns) = (self.id, complete_until_ns);
                        self.send(Message::Complete { source, until_ns });
                    }
                    told = !holds;
                    wait = if self.shared || holds {
                        WAIT_BUSY
                    } else {
                        WAIT_IDLE
                    };
                }
                Next::Notice(notice) => self.send(Message::Notice(notice)),
                Next::End => return Ok(()),
            }
            if accounted.elapsed() >= ACCOUNT_EVERY {
                accounted = Instant::now();
                let account = self.source.account()?;
                self.report(Some(account));
            }
        }
    }

    fn hand_over(&mut self, mut batch: Batch) -> Result<()> {
        let mut filtered = 0;
        // Frames whose filter cannot be made are not accepted by it.
        let result = match &mut self.filter {
            Some(Here::ByLinkType(filters)) => filters.prepare(&batch),
            _ => Ok(()),
        };
        if let Some(filter) = &self.filter {
            let before = batch.frames.len();
            apply(filter, &mut batch);
            filtered = (before - batch.frames.len()) as u64;
        }
        self.send(Message::Batch {
            source: self.id,
            batch,
            filtered,
        });
        result
    }

    fn report(&self, account: Option<SourceAccount>) {
        if let Some(account) = account {
            self.send(Message::Account {
                source: self.id,
                account,
            });
        }
    }

    fn send(&self, message: Message) {
        // The receiver outlives all feeds; were it gone, nobody would listen.
        let _ = self.to.send(message);
    }
}

/// Keeps the frames that `filter` accepts, as much of each as it says.
fn apply(filter: &Here, batch: &mut Batch) {
    let verdicts: Vec<Option<u32>> = batch
        .iter()
        .map(|frame| filter.accepts(&frame, batch.interface(frame.info)?))
        .collect();
    let mut verdicts = verdicts.into_iter();
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
        let Some(snaplen) = verdicts.next().flatten() else {
            return false;
        };
        frame.caplen = frame.caplen.min(snaplen);
        kept += 1;
        true
    });
    moved.extend(notes.map(|mut note| {
        note.before = kept;
        note
    }));
    batch.notes = moved;
}
