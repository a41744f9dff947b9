//! What the labs have in common: a trace that may be watched, and questions to trails.

use pktrail_tests::tracing::{Traced, Tracing};
use serde_json::Value;
use std::io::Write;

/// A trace of some namespaces. With `PKTRAIL_WATCH` set, another one shows the same as text.
pub(crate) struct Lab {
    tracing: Tracing,
    watching: Option<Tracing>,
}

impl Lab {
    /// Begins: in these namespaces, with these other words.
    pub(crate) fn begin(namespaces: &[&str], words: &[&str]) -> Self {
        let mut all = Vec::new();
        for name in namespaces {
            all.extend(["--netns", name]);
        }
        all.extend(words);
        let watching = std::env::var_os("PKTRAIL_WATCH").map(|_| Tracing::start(&all));
        let tracing = Tracing::start(&[&["--json"], &all[..]].concat());
        Self { tracing, watching }
    }

    /// Ends when everything has been reported.
    pub(crate) fn end(self) -> Traced {
        if let Some(watching) = self.watching {
            let shown = watching.end().shown;
            let _ = std::io::stderr().write_all(shown.as_bytes());
        }
        let traced = self.tracing.end();
        assert!(traced.status.success(), "{}", traced.said);
        traced
    }
}

/// Trails whose first headers have this value in this field.
pub(crate) fn with(trails: &[Value], field: &str, value: impl Into<Value>) -> Vec<Value> {
    let value = value.into();
    let fits = |trail: &&Value| trail["headers"][field] == value;
    trails.iter().filter(fits).cloned().collect()
}

/// What was rewritten: point, and the ends before and after as `ADDRESS:PORT > ADDRESS:PORT`.
pub(crate) fn rewrites(trail: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for hop in trail["hops"].as_array().expect("hops") {
        for change in hop["changes"].as_array().expect("changes") {
            if change["what"] == "rewritten" {
                let point = hop["point"].as_str().unwrap_or("-").to_owned();
                found.push((point, ends(&change["from"]), ends(&change["to"])));
            }
        }
    }
    found
}

/// `ADDRESS:PORT > ADDRESS:PORT`.
pub(crate) fn ends(headers: &Value) -> String {
    let text = |name: &str| headers[name].as_str().unwrap_or("-").to_owned();
    let (source, destination) = (text("source"), text("destination"));
    let (from, to) = (&headers["source_port"], &headers["destination_port"]);
    format!("{source}:{from} > {destination}:{to}")
}

/// `TABLE CHAIN VERDICT` of each rule that was met, policies left out.
pub(crate) fn rules(trail: &Value) -> Vec<String> {
    let rules = trail["rules"].as_array().expect("rules").iter();
    let rules = rules.filter(|rule| !rule["handle"].is_null());
    let part = |rule: &Value, name: &str| rule[name].as_str().unwrap_or("-").to_owned();
    rules
        .map(|rule| {
            let (table, chain) = (part(rule, "table"), part(rule, "chain"));
            format!("{table} {chain} {}", part(rule, "verdict"))
        })
        .collect()
}

/// The points of a trail in order.
pub(crate) fn points(trail: &Value) -> Vec<String> {
    let hops = trail["hops"].as_array().expect("hops").iter();
    hops.map(|hop| hop["point"].as_str().unwrap_or("-").to_owned())
        .collect()
}
