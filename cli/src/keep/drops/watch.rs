//! The trace that hears of drops, and its thread.
//!
//! Owns its end and the account of what it could not hear. Only the tracepoint of drops tells
//! something here, and nothing but the reason is read: there are no trails.

use super::{Heard, Reasons};
use crate::args::Args;
use crate::plan::{self, Wanted, picture, usage};
use crate::report;
use pktrail::filter::SkbFilter;
use pktrail::names::SystemNames;
use pktrail::trace::{Selection, Tracer, drop_reasons};
use pktrail::trail::{Happening, Sequences};
use pktrail::{Error, ErrorKind, LinkType, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Where the kernel tells of drops.
const POINT: &str = "kfree_skb";
/// How long the end of the capture may wait for the thread.
const PATIENCE: Duration = Duration::from_millis(50);
/// What was lost is told not more often than that.
const AGAIN: Duration = Duration::from_secs(1);

/// Drops of the packets that the capture is about. The trace ends with this.
pub(crate) struct Drops {
    heard: Heard,
    stop: Arc<AtomicBool>,
    /// Until the thread has begun.
    watch: Option<Watch>,
    thread: Option<JoinHandle<bool>>,
}

impl Drops {
    /// Attaches, if that was asked for. Privileges are needed for this alone.
    pub(crate) fn open(args: &Args, filter: Option<Wanted>) -> Result<Option<Self>> {
        let Some(text) = &args.trigger_drop else {
            return Ok(None);
        };
        // In all namespaces: where a packet is dropped, the kernel seldom knows its device.
        let selection = Selection {
            filter: filter.map(|wanted| of_buffers(args, wanted)).transpose()?,
            points: Some(POINT.to_owned()),
            // Their bytes are not read; short events leave room for more.
            snap_length: Some(1),
            ..Selection::default()
        };
        let reasons = Reasons::parse(text, &drop_reasons()?)?;
        let refused = |error: Error| error.context("--trigger-drop");
        let tracer = Tracer::open(&selection).map_err(refused)?;
        let plan = tracer.plan();
        if !plan.attached.iter().any(|(point, _)| point.name() == POINT) {
            let why = plan.refused.iter().find(|(name, _)| name == POINT);
            let why = why.map_or("it is not there", |(_, why)| why);
            let what = format!("--trigger-drop: the kernel does not tell of drops: {why}");
            return Err(Error::new(ErrorKind::System, what));
        }
        let heard = Heard::default();
        let stop = Arc::new(AtomicBool::new(false));
        Ok(Some(Self {
            heard: heard.clone(),
            stop: Arc::clone(&stop),
            watch: Some(Watch {
                tracer,
                reasons,
                heard,
                stop,
                sequences: Sequences::default(),
                told: (0, Instant::now()),
            }),
            thread: None,
        }))
    }

    /// Begins to listen: without the privileges that are given up by then.
    pub(crate) fn start(mut self) -> Result<Self> {
        if let Some(mut watch) = self.watch.take() {
            let thread = Builder::new().name("drops".to_owned());
            let thread = thread.spawn(move || watch.run());
            let failed = |cause| Error::io("cannot start a thread", cause);
            self.thread = Some(thread.map_err(failed)?);
        }
        Ok(self)
    }

    /// What is heard.
    pub(in crate::keep) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Ends the trace; whether every drop was heard.
    pub(crate) fn finish(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().map(JoinHandle::join);
        !matches!(thread, Some(Ok(false) | Err(_)))
    }
}

impl Drop for Drops {
    fn drop(&mut self) {
        self.end();
    }
}

/// The capture's expression for buffers of the kernel.
fn of_buffers(args: &Args, wanted: Wanted) -> Result<SkbFilter> {
    let Wanted::Expression(text) = wanted else {
        return Err(usage(
            "--trigger-drop goes by the capture's expression, and -F FILE holds a program: write \
             an expression",
        ));
    };
    let target = plan::target(args, LinkType::RAW, plan::SNAPLEN_MAX);
    SkbFilter::compile(&text, &target, &mut SystemNames::new())
        .map_err(|error| picture(error, &text).context("--trigger-drop"))
}

/// What the thread has.
struct Watch {
    tracer: Tracer,
    reasons: Reasons,
    heard: Heard,
    stop: Arc<AtomicBool>,
    sequences: Sequences,
    /// How many events were lost when that was told last, and when that was.
    told: (u64, Instant),
}

impl Watch {
    /// Listens until it is to stop; whether nothing was missed.
    fn run(&mut self) -> bool {
        match self.listen() {
            Ok(lost) => lost == 0,
            Err(error) => {
                report::note(&format!("drops no longer trigger: {error:#}"));
                false
            }
        }
    }

    fn listen(&mut self) -> Result<u64> {
        while !self.stop.load(Ordering::Relaxed) {
            self.take(PATIENCE)?;
            if self.told.1.elapsed() >= AGAIN {
                self.tell_lost();
            }
        }
        self.tracer.detach();
        // One reading takes only so many.
        loop {
            let before = self.sequences.seen();
            self.take(Duration::ZERO)?;
            if self.sequences.seen() == before {
                break;
            }
        }
        // Before Linux 5.19 they may be for the privileged only; then gaps alone count.
        let counts = self.tracer.produced().unwrap_or_default();
        for (cpu, count) in (0_u32..).zip(&counts) {
            self.sequences.finish(cpu, count.produced);
        }
        self.tell_lost();
        Ok(self.sequences.lost())
    }

    fn take(&mut self, timeout: Duration) -> Result<()> {
        let (sequences, reasons, heard) = (&mut self.sequences, &self.reasons, &self.heard);
        self.tracer.poll(timeout, |event| {
            sequences.see(event.cpu, event.sequence);
            if let Happening::Dropped { reason, .. } = &event.happening
                && reasons.has(reason)
            {
                heard.tell(reason);
            }
        })
    }

    /// Says how many drops were not seen since this was said last.
    fn tell_lost(&mut self) {
        let lost = self.sequences.lost();
        let new = lost.saturating_sub(self.told.0);
        self.told = (lost, Instant::now());
        if new > 0 {
            report::note(&format!(
                "{new} drops were not seen, so that they did not trigger: a ring of the trace was \
                 full. A narrower expression makes fewer"
            ));
        }
    }
}
