//! `-w FILE`: trails as frames of a pcapng file.
//!
//! Owns opening the file and its account. What stands in it is made by the library.

use pktrail::host;
use pktrail::output::{FileSink, Format, Output};
use pktrail::pcapng::{Encoder, Section};
use pktrail::trace::Summary;
use pktrail::trail::file::Frames;
use pktrail::trail::{Names, Settings, Trail};
use pktrail::{Account, Flow, Interface, Losses, Result, Sink, SourceAccount};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A file that is being written.
pub(super) struct TrailFile {
    sink: FileSink,
    frames: Frames,
}

impl TrailFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
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

    pub(super) fn push(&mut self, trail: &Trail, names: &dyn Names) {
        self.frames.push(trail, names);
    }

    /// Writes what is old enough.
    pub(super) fn advance(&mut self) -> Result<()> {
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
    pub(super) fn finish(mut self, summary: &Summary) -> Result<()> {
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
