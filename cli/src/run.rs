//! A run of the engine from the program's point of view: signals, progress, the
//! account at the end, and the exit status.

use crate::args::Args;
use crate::plan;
use crate::read::Reading;
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

/// Runs, reports, and says how it went. `reading`: if files are read.
pub(crate) fn to_the_end(
    args: &Args,
    signals: &Signals,
    reading: Option<&Reading>,
    engine: impl FnOnce(&mut dyn FnMut(Event<'_>)) -> Finished,
) -> Result<ExitCode> {
    let mut progress = Progress::new(args, reading)?;
    let finished = engine(&mut |event| match event {
        Event::Notice(notice) => {
            progress.end();
            report::notice(&notice);
        }
        // It is reported at the end; the others go on until then.
        Event::Failed(_) => {}
        Event::Tick(account) => progress.tick(args, signals, account),
    });
    progress.end();
    let account = &finished.account;
    if args.json {
        report::say(&report::account_json(account));
    } else if reading.is_none() || args.verbose > 1 || account.lost.total() > 0 {
        report::say(&report::account(account, args.verbose > 0));
    }
    match finished.result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ if account.lost.after_tap() > 0 => Ok(ExitCode::FAILURE),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Takes a line of progress off the terminal.
pub(crate) fn clear_line() {
    let _ = write!(std::io::stderr(), "\r\x1b[K");
}

/// What is shown while a run goes on.
struct Progress<'a> {
    stats: Option<Duration>,
    shown: Instant,
    reading: Option<&'a Reading>,
    /// From when on a line on the terminal is kept up to date, if ever.
    counter: Option<Instant>,
    counted: bool,
}

/// Work on files that is shorter than this needs no line of its own.
pub(crate) const SHORT: Duration = Duration::from_secs(1);

impl<'a> Progress<'a> {
    fn new(args: &Args, reading: Option<&'a Reading>) -> Result<Self> {
        let quiet = args.quiet || args.json || args.print;
        let silent = args.write.is_some()
            || reading.is_some() && (args.only_count || !std::io::stdout().is_terminal());
        let now = Instant::now();
        let from = if reading.is_some() { now + SHORT } else { now };
        let wanted = silent && !quiet && std::io::stderr().is_terminal();
        Ok(Self {
            stats: plan::seconds("--stats", args.stats)?,
            shown: now,
            reading,
            counter: wanted.then_some(from),
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
        } else if self.counter.is_some_and(|from| Instant::now() >= from) {
            self.counted = true;
            let _ = write!(std::io::stderr(), "\r{}", self.line(account));
        }
    }

    fn line(&self, account: &Account) -> String {
        let Some(reading) = self.reading else {
            return format!("Got {} ", account.delivered);
        };
        let packets = account.received;
        match reading.percent() {
            Some(percent) => format!("{percent:3} % read, {packets} packets "),
            None => format!("{packets} packets read "),
        }
    }

    /// Leaves the line of the counter.
    fn end(&mut self) {
        if !std::mem::take(&mut self.counted) {
            return;
        }
        match self.reading {
            Some(_) => clear_line(),
            None => report::say(""),
        }
    }
}
