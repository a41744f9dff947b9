//! Why packets are dropped, in words, and what helps.
//!
//! Owns the rows (`causes.txt`) and choosing the one that fits. The kernel's reason is where the
//! choice starts: on Linux 6.18 an expired TTL is reported as IP_INHDR.

use super::event::Checksum;
use super::path::Hop;
use super::point::Role;
use super::verdict::open_hook;
use std::sync::LazyLock;

/// When a row fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// The TTL is at most 1.
    Ttl,
    /// The checksum was never completed.
    Partial,
    /// NFQUEUE held it.
    Queue,
    /// A netfilter hook was open.
    Hook,
}

/// One row: a cause and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The kernel's reason, without SKB_DROP_REASON_.
    pub reason: &'static str,
    place: &'static str,
    when: When,
    /// What happened, in one sentence.
    pub sentence: &'static str,
    /// What to do, if there is something.
    pub advice: Option<&'static str>,
}

static CAUSES: LazyLock<Vec<Cause>> = LazyLock::new(|| {
    let lines = include_str!("causes.txt").lines();
    lines
        .filter(|l| !l.starts_with('#'))
        .filter_map(row)
        .collect()
});

fn row(line: &'static str) -> Option<Cause> {
    let mut columns = line.splitn(5, '|').map(str::trim);
    let (reason, place) = (columns.next()?, columns.next()?);
    let when = match columns.next()? {
        "-" => When::Always,
        "ttl" => When::Ttl,
        "partial" => When::Partial,
        "queue" => When::Queue,
        "hook" => When::Hook,
        _ => return None,
    };
    let sentence = columns.next()?;
    let advice = columns.next().filter(|advice| *advice != "-");
    Some(Cause {
        reason,
        place,
        when,
        sentence,
        advice,
    })
}

impl Cause {
    fn fits(&self, reason: &str, function: &str, hops: &[Hop]) -> bool {
        let before = hops.len().checked_sub(2).and_then(|at| hops.get(at));
        let last_point = before.map_or("", |hop| hop.event.point.name());
        let is_here = ["*", function, last_point].contains(&self.place);
        let mut packets = hops
            .iter()
            .rev()
            .filter_map(|hop| hop.event.packet.as_ref());
        (self.reason == "*" || self.reason == reason)
            && is_here
            && match self.when {
                When::Always => true,
                When::Ttl => packets.next().is_some_and(|packet| packet.ttl <= 1),
                When::Partial => was_partial(hops),
                When::Queue => hops.iter().any(|hop| hop.event.point.role() == Role::Queue),
                When::Hook => open_hook(hops).is_some(),
            }
    }
}

/// Whether the sender left the checksum open, and nobody was seen to complete it. A packet that
/// came back from a program has forgotten that state.
fn was_partial(hops: &[Hop]) -> bool {
    hops.iter()
        .any(|hop| hop.event.checksum == Checksum::Partial)
        && !hops
            .iter()
            .any(|hop| hop.event.point.name() == "skb_checksum_help")
}

/// The first row that fits a packet dropped for `reason` by `function`.
pub fn find(reason: &str, function: &str, hops: &[Hop]) -> Option<&'static Cause> {
    CAUSES
        .iter()
        .find(|cause| cause.fits(reason, function, hops))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_row_with_a_sentence() {
        let lines = include_str!("causes.txt").lines();
        let lines = lines.filter(|line| !line.starts_with('#'));
        for line in lines {
            let cause = row(line).unwrap_or_else(|| panic!("{line}"));
            assert!(cause.sentence.ends_with('.'), "{line}");
            assert_eq!(line.matches('|').count(), 4, "{line}");
        }
        assert!(CAUSES.len() > 80);
    }

    #[test]
    fn general_rows_come_last() {
        let is_general = |cause: &Cause| cause.place == "*" && cause.when == When::Always;
        for (index, cause) in CAUSES.iter().enumerate() {
            let hidden = CAUSES
                .iter()
                .take(index)
                .any(|earlier| earlier.reason == cause.reason && is_general(earlier));
            assert!(
                !hidden,
                "{} {} is never reached",
                cause.reason, cause.sentence
            );
        }
    }
}
