//! The counting: from what sources, merge and sink say to one [`Account`].

use crate::{Account, Losses, Sink, SourceAccount};

/// The counts of a run.
pub(super) struct Tally {
    sources: Vec<Counted>,
    /// Frames handed to the sink.
    pub(super) handed_on: u64,
    /// Frames that came when nobody wanted them any more.
    pub(super) surplus: u64,
    /// Frames that came after the sink had failed.
    pub(super) lost_writer: u64,
}

/// What a sink says of the frames that it was handed and has not delivered.
#[derive(Default)]
pub(super) struct Sunk {
    surplus: u64,
    expired: u64,
    held: u64,
    lost: Losses,
}

impl Sunk {
    pub(super) fn of(sink: &dyn Sink) -> Self {
        Self {
            surplus: sink.surplus(),
            expired: sink.expired(),
            held: sink.held(),
            lost: sink.losses(),
        }
    }
}

#[derive(Default)]
struct Counted {
    account: SourceAccount,
    /// Frames it has handed over, those filtered here included.
    seen: u64,
    /// Frames filtered here.
    filtered: u64,
}

impl Tally {
    pub(super) fn new(sources: usize) -> Self {
        let sources = (0..sources).map(|_| Counted::default()).collect();
        Self {
            sources,
            handed_on: 0,
            surplus: 0,
            lost_writer: 0,
        }
    }

    /// Counts a batch that came from a source: frames in it, and frames that a
    /// filter took out of it.
    pub(super) fn handed_over(&mut self, source: usize, frames: u64, filtered: u64) {
        if let Some(counted) = self.sources.get_mut(source) {
            counted.seen += frames + filtered;
            counted.filtered += filtered;
        }
    }

    /// Takes a source's newest account.
    pub(super) fn update(&mut self, source: usize, account: SourceAccount) {
        if let Some(counted) = self.sources.get_mut(source) {
            counted.account = account;
        }
    }

    /// The whole account. A source's own count is a little older than the frames
    /// it has handed over since, so what was seen counts as received.
    pub(super) fn account(&self, sunk: &Sunk, late: u64) -> Account {
        let mut whole = Account {
            late,
            ..Account::default()
        };
        for counted in &self.sources {
            let mut account = counted.account.clone();
            let settled = counted.seen + account.filtered + account.lost.after_tap();
            account.received = account.received.max(settled);
            account.filtered += counted.filtered;
            whole.received += account.received;
            whole.filtered += account.filtered;
            whole.freezes += account.freezes;
            whole.lost.add(&account.lost);
            whole.sources.push(account);
        }
        whole.surplus = self.surplus + sunk.surplus;
        whole.expired = sunk.expired;
        whole.lost.writer += self.lost_writer;
        whole.lost.add(&sunk.lost);
        let gone = sunk.surplus + sunk.expired + sunk.held + sunk.lost.after_tap();
        whole.delivered = self.handed_on.saturating_sub(gone);
        // The backlog is one for all interfaces: do not count it for each.
        whole.lost.softnet = whole
            .sources
            .iter()
            .map(|s| s.lost.softnet)
            .max()
            .unwrap_or(0);
        // Fanout members share their device's counter.
        whole.lost.device = device_drops(&whole.sources);
        whole
    }
}

/// Device drops, once for each interface.
fn device_drops(sources: &[SourceAccount]) -> u64 {
    let mut names: Vec<(&str, u64)> = sources
        .iter()
        .map(|source| (source.name.as_str(), source.lost.device))
        .collect();
    names.sort_unstable();
    names.reverse();
    names.dedup_by_key(|(name, _)| *name);
    names.iter().map(|(_, drops)| drops).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fanout_members_share_their_device_and_the_backlog() {
        let mut tally = Tally::new(3);
        for (source, name) in ["eth0", "eth0", "eth1"].iter().enumerate() {
            let lost = Losses {
                device: 5,
                softnet: 7,
                ring: 1,
                ..Losses::default()
            };
            let account = SourceAccount {
                name: (*name).into(),
                received: 11,
                lost,
                ..Default::default()
            };
            tally.update(source, account);
            tally.handed_over(source, 8, 2);
        }
        tally.handed_on = 24;
        let account = tally.account(&Sunk::default(), 0);
        assert_eq!(account.lost.device, 10);
        assert_eq!(account.lost.softnet, 7);
        assert_eq!(
            (account.received, account.filtered, account.delivered),
            (33, 6, 24)
        );
        assert!(account.is_balanced());
    }
}
