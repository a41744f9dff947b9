//! What is said about a run, on standard error: the account, notices, errors.

use pktrail::{Account, Error, Notice};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether all that is said is JSON: lines of a stream that a program reads.
static JSON: AtomicBool = AtomicBool::new(false);

/// Says everything as JSON from now on, or nothing.
pub(crate) fn use_json(wanted: bool) {
    JSON.store(wanted, Ordering::Relaxed);
}

/// Says a line of text or its twin.
pub(crate) fn either(json: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
    say(&if JSON.load(Ordering::Relaxed) {
        json().to_string()
    } else {
        text()
    });
}

/// Something that a person should know.
pub(crate) fn note(text: &str) {
    either(|| json!({"notice": text}), || format!("pktrail: {text}"));
}

/// Writes a line to standard error. That it may be closed is no concern.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An error as one line.
pub(crate) fn error(error: &Error) {
    either(
        || json!({"error": format!("{error:#}")}),
        || format!("pktrail: {error:#}"),
    );
}

/// Something that happened to a source, as a sentence.
pub(crate) fn notice(notice: &Notice) {
    note(&sentence(notice));
}

fn sentence(notice: &Notice) -> String {
    match notice {
        Notice::Down { interface } => {
            format!("{interface} went down; capture goes on when it is up again")
        }
        Notice::Up { interface } => format!("{interface} is up again"),
        Notice::Vanished { interface } => {
            format!("{interface} no longer exists; capture goes on when it is back")
        }
        Notice::Returned { interface } => format!("{interface} is back"),
        Notice::Said(text) => text.clone(),
        _ => format!("{notice:?}"),
    }
}

/// The account in tcpdump's three lines, then where frames were lost.
pub(crate) fn account(account: &Account, verbose: bool) -> String {
    let kernel = account.lost.ring + account.lost.softnet + account.lost.device;
    let mut text = format!(
        "{} captured\n{} received by filter\n{} dropped by kernel",
        packets(account.delivered),
        packets(account.received),
        packets(kernel),
    );
    let lost = account.lost.total();
    if lost > 0 || account.late > 0 || account.expired > 0 || verbose {
        text.push_str(&format!("\naccount: {}", sum(account)));
    }
    if lost > 0 {
        let places = account.lost.by_place();
        let places = places.iter().filter(|(_, count)| *count > 0);
        let places: Vec<String> = places
            .map(|(place, count)| format!("{place} {count}"))
            .collect();
        text.push_str(&format!("\nlost {}: {}", packets(lost), places.join(", ")));
        if account.lost.ring > 0 {
            text.push_str(&format!(
                "\nthe ring was full {} times: a larger one (--ring), --fanout or a narrower \
                 filter helps",
                account.freezes
            ));
        }
    }
    if account.late > 0 {
        text.push_str(&format!("\n{} came out of order", packets(account.late)));
    }
    text
}

/// The sum in which every packet appears once.
fn sum(account: &Account) -> String {
    let mut terms = vec![format!("{} captured", account.delivered)];
    let others = [
        ("filtered here", account.filtered),
        ("after the end", account.surplus),
        ("kept and not asked for", account.expired),
        ("lost after the tap", account.lost.after_tap()),
    ];
    terms.extend(
        others
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(name, n)| format!("{n} {name}")),
    );
    if account.in_flight() != 0 {
        terms.push(format!("{} on the way", account.in_flight()));
    }
    format!("{} received = {}", account.received, terms.join(" + "))
}

/// A time since 1970 as a decimal string: a float would lose the last digits.
pub(crate) fn time(ns: u64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

/// A number of packets, in words.
pub(crate) fn packets(count: u64) -> String {
    format!("{count} packet{}", if count == 1 { "" } else { "s" })
}

/// The account as one JSON object.
pub(crate) fn account_json(account: &Account) -> String {
    let losses = |lost: &pktrail::Losses| {
        let places = lost.by_place().into_iter();
        places
            .map(|(place, count)| (place.to_owned(), json!(count)))
            .collect::<serde_json::Map<_, _>>()
    };
    let sources: Vec<_> = account
        .sources
        .iter()
        .map(|source| {
            json!({
                "name": source.name,
                "received": source.received,
                "filtered": source.filtered,
                "lost": losses(&source.lost),
                "freezes": source.freezes,
            })
        })
        .collect();
    json!({
        "account": {
            "received": account.received,
            "filtered": account.filtered,
            "delivered": account.delivered,
            "surplus": account.surplus,
            "expired": account.expired,
            "lost": losses(&account.lost),
            "late": account.late,
            "freezes": account.freezes,
            "in_flight": account.in_flight(),
            "sources": sources,
        }
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pktrail::Losses;

    #[test]
    fn a_clean_run_is_three_lines_as_tcpdump_says_them() {
        let clean = Account {
            received: 2,
            delivered: 2,
            ..Account::default()
        };
        assert_eq!(
            account(&clean, false),
            "2 packets captured\n2 packets received by filter\n0 packets dropped by kernel"
        );
    }

    #[test]
    fn losses_are_named_by_place() {
        let lost = Losses {
            ring: 3,
            disk: 1,
            ..Losses::default()
        };
        let run = Account {
            received: 14,
            delivered: 10,
            lost,
            freezes: 2,
            ..Account::default()
        };
        let text = account(&run, false);
        assert!(
            text.contains("14 received = 10 captured + 4 lost after the tap"),
            "{text}"
        );
        assert!(text.contains("lost 4 packets: ring 3, disk 1"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&account_json(&run)).unwrap();
        assert_eq!(json["account"]["lost"]["ring"], 3);
        assert_eq!(json["account"]["in_flight"], 0);
    }
}
