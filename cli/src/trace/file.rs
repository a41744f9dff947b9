//! `-w FILE`: trails as frames of a pcapng file.
//!
//! Owns opening the file and its account. What stands in it is made by the library.

use pktrail::host;
use pktrail::output::{FileSink, Format, Output};
use pktrail::pcapng::{Encoder, Section};
use pktrail::trace::{KnownNames, Summary};
use pktrail::trail::file::Frames;
use pktrail::trail::{Settings, Trail};
use pktrail::{Account, Error, ErrorKind, Flow, Interface, Losses, Result, Sink, SourceAccount};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Batches of trails that wait for the thread that writes.
const WAITING: usize = 64;
/// What is old enough is written at least so often.
const AGAIN: Duration = Duration::from_millis(50);

/// Trails, and the names of their time.
type Batch = (Vec<Trail>, Arc<KnownNames>);

/// A file that is being written, on a thread of its own: whoever reads events has no time for
/// text.
pub(super) struct TrailFile {
    to: SyncSender<Batch>,
    writer: JoinHandle<Result<Writer>>,
}

impl TrailFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let writer = Writer::create(path)?;
        let (to, from) = mpsc::sync_channel(WAITING);
        let thread = thread::Builder::new().name("trail file".to_owned());
        let writer = thread.spawn(move || writer.run(&from));
        let writer = writer.map_err(|cause| Error::io("cannot start a thread", cause))?;
        Ok(Self { to, writer })
    }

    /// Takes trails; waits if the file is behind.
    pub(super) fn push(&mut self, trails: Vec<Trail>, names: Arc<KnownNames>) -> Result<()> {
        if self.to.send((trails, names)).is_ok() {
            return Ok(());
        }
        // It ended, which it does by itself only for an error.
        let (to, _) = mpsc::sync_channel(0);
        self.to = to;
        let ended = thread::spawn(|| Err(stopped()));
        joined(std::mem::replace(&mut self.writer, ended)).map(drop)
    }

    /// Writes the rest and the account.
    pub(super) fn finish(self, summary: &Summary) -> Result<()> {
        drop(self.to);
        joined(self.writer)?.finish(summary)
    }
}

fn joined(writer: JoinHandle<Result<Writer>>) -> Result<Writer> {
    writer.join().unwrap_or_else(|_| Err(stopped()))
}

fn stopped() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the file of trails is no longer written",
    )
}

/// The file, and the frames that wait for older ones.
struct Writer {
    sink: FileSink,
    frames: Frames,
}

impl Writer {
    fn create(path: &Path) -> Result<Self> {
        let settings = Settings::default();
        // A trail ends at the latest so long after its last hop.
        let frames = Frames::new(settings.lifetime_ns + settings.linger_ns);
        let mut output = Output::new(path);
        let section = Section {
            application: Some(format!("pktrail {}", env!("CARGO_PKG_VERSION"))),
            os: host::operating_system(),
            hardware: host::processor(),
            ..Section::default()
        };
        output.format = Format::pcapng(Encoder::new(section));
        output.interfaces = frames.interfaces().to_vec();
        output.direct = false;
        output.statistics_every = None;
        let sink = FileSink::open(output)?;
        Ok(Self { sink, frames })
    }

    /// Takes trails until no more will come.
    fn run(mut self, from: &Receiver<Batch>) -> Result<Self> {
        loop {
            match from.recv_timeout(AGAIN) {
                Ok((trails, names)) => {
                    for trail in &trails {
                        self.frames.push(trail, &*names);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(self),
            }
            self.advance()?;
        }
    }

    /// Writes what is old enough.
    fn advance(&mut self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ns = now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        self.write(Some(now_ns)).map(drop)
    }

    fn write(&mut self, now_ns: Option<u64>) -> Result<Flow> {
        match self.frames.take(now_ns) {
            Some(batch) => self.sink.write(batch),
            None => Ok(Flow::Continue),
        }
    }

    /// Writes the rest and the account: what each interface saw, and on the first one the events
    /// that were lost, each of which may have been a frame.
    fn finish(mut self, summary: &Summary) -> Result<()> {
        self.write(None)?;
        let counts = self.frames.interfaces().iter().zip(self.frames.counts());
        let source = |(interface, count): (&Interface, &u64)| SourceAccount {
            name: interface.full_name(),
            received: *count,
            ..SourceAccount::default()
        };
        let mut sources: Vec<SourceAccount> = counts.map(source).collect();
        if let Some(first) = sources.first_mut() {
            first.received += summary.lost;
            first.lost.ring = summary.lost;
        }
        let delivered: u64 = self.frames.counts().iter().sum();
        let account = Account {
            sources,
            received: delivered + summary.lost,
            delivered,
            lost: Losses {
                ring: summary.lost,
                ..Losses::default()
            },
            late: self.frames.late(),
            ..Account::default()
        };
        self.sink.finish(&account)
    }
}
