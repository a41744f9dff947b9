//! The interfaces' counts as they stand in a file.

use crate::pcapng::Statistics;
use crate::{Account, Interface, SourceAccount};

/// The counts of each interface that sources of `account` are named after. One
/// that no source is named after (it was read from a file) has none.
pub(super) fn of<'a>(
    account: &'a Account,
    interfaces: &'a [Interface],
    start_ns: u64,
    now_ns: u64,
    is_end: bool,
) -> impl Iterator<Item = Statistics> + 'a {
    (0..).zip(interfaces).filter_map(move |(index, interface)| {
        let name = interface.full_name();
        let sum = |count: fn(&SourceAccount) -> u64| {
            let mut total = None;
            for source in account.sources.iter().filter(|source| source.name == name) {
                *total.get_or_insert(0) += count(source);
            }
            total
        };
        let received = sum(|source| source.received)?;
        let is_only = account.sources.iter().all(|source| source.name == name);
        Some(Statistics {
            interface: index,
            timestamp_ns: now_ns,
            start_ns: Some(start_ns),
            end_ns: is_end.then_some(now_ns),
            received: Some(received),
            interface_dropped: sum(|source| source.lost.device),
            accepted: sum(|source| source.received.saturating_sub(source.filtered)),
            os_dropped: sum(|source| source.lost.ring),
            delivered: is_only.then_some(account.delivered),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Losses;

    #[test]
    fn the_members_of_a_fanout_are_one_interface() {
        let source = |name: &str, received, ring| SourceAccount {
            name: name.into(),
            received,
            filtered: 1,
            lost: Losses {
                ring,
                ..Losses::default()
            },
            ..SourceAccount::default()
        };
        let account = Account {
            sources: vec![source("a", 10, 1), source("a", 20, 2), source("b@ns", 5, 0)],
            ..Account::default()
        };
        let interface = |name: &str, netns: Option<&str>| Interface {
            name: name.into(),
            netns: netns.map(String::from),
            ..Interface::default()
        };
        let table = [
            interface("c", None),
            interface("b", Some("ns")),
            interface("a", None),
        ];
        let counts: Vec<_> = of(&account, &table, 1, 2, true).collect();
        let seen: Vec<_> = counts
            .iter()
            .map(|c| (c.interface, c.received, c.os_dropped))
            .collect();
        assert_eq!(seen, [(1, Some(5), Some(0)), (2, Some(30), Some(3))]);
        assert_eq!((counts[1].accepted, counts[1].delivered), (Some(28), None));
    }
}
