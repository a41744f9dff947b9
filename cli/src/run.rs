//! A run of the engine from the program's point of view: signals, progress, the
//! account at the end, and the exit status.

use crate::args::Args;
use crate::plan;
use crate::report;
use pktrail::engine::Event;
use pktrail::signals::Signals;
use pktrail::{Account, Control, ErrorKind, Finished, Result};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a pipe is waited for at a time.
pub(crate) const PRIME_WAIT: Duration = Duration::from_millis(100);

/// A control that signals stop.
pub(crate) fn control() -> Result<(Control, Signals)> {
    let control = Control::default();
    let signals = Signals::install(&control)?;
    Ok((control, signals))
}

/// Runs, reports, and says how it went.
pub(crate) fn to_the_end(
    args: &Args,
    signals: &Signals,
    engine: impl FnOnce(&mut dyn FnMut(Event<'_>)) -> Finished,
) -> Result<ExitCode> {
    let live = args.read.is_none() && args.read_list.is_none();
    let mut progress = Progress::new(args)?;
    let finished = engine(&mut |event| match event {
        Event::Notice(notice) => report::notice(&notice),
        // It is reported at the end; the others go on until then.
        Event::Failed(_) => {}
        Event::Tick(account) => progress.tick(args, signals, account),
    });
    progress.end();
    let account = &finished.account;
    if args.json {
        report::say(&report::account_json(account));
    } else if live || args.verbose > 1 || account.lost.total() > 0 {
        report::say(&report::account(account, args.verbose > 0));
    }
    match finished.result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ if account.lost.after_tap() > 0 => Ok(ExitCode::FAILURE),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// What is shown while a capture runs.
struct Progress {
    stats: Option<Duration>,
    shown: Instant,
    counter: bool,
    counted: bool,
}

impl Progress {
    fn new(args: &Args) -> Result<Self> {
        let quiet = args.quiet || args.json || args.print;
        Ok(Self {
            stats: plan::seconds("--stats", args.stats)?,
            shown: Instant::now(),
            counter: args.write.is_some() && !quiet && std::io::stderr().is_terminal(),
            counted: false,
        })
    }

    fn tick(&mut self, args: &Args, signals: &Signals, account: &Account) {
        let asked = signals.take_account_request();
        let due = self
            .stats
            .is_some_and(|every| self.shown.elapsed() >= every);
        if asked || due {
            self.end();
            self.shown = Instant::now();
            report::say(&match args.json {
                true => report::account_json(account),
                false => report::account(account, true),
            });
        } else if self.counter {
            self.counted = true;
            let _ = write!(std::io::stderr(), "\rGot {} ", account.delivered);
        }
    }

    /// Leaves the line of the counter.
    fn end(&mut self) {
        if std::mem::take(&mut self.counted) {
            report::say("");
        }
    }
}
