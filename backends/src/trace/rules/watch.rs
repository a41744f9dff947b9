//! The rules of all traced namespaces.
//!
//! Owns where tracing of rules is on, and handing what is reported to the trails.

use super::RuleTrace;
use crate::netns;
use crate::trace::names::{self, Namespaces};
use pktrail_core::trail::{Rules, Trail};
use pktrail_core::{Filter, Result};
use std::fs;

/// Where rules are traced, and where not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulePlan {
    /// Namespaces whose rules are traced.
    pub traced: Vec<String>,
    /// Namespaces where that was refused, and why.
    pub refused: Vec<(String, String)>,
    /// Namespaces with tables of iptables-legacy, whose rules the kernel's trace does not show.
    pub legacy: Vec<String>,
}

/// One namespace: what is to be entered, and its trace.
type Watched = (Option<String>, RuleTrace);

/// Tracing of rules in many namespaces.
#[derive(Default)]
pub(in crate::trace) struct Watch {
    watched: Vec<Watched>,
    rules: Rules,
    filter: Option<Filter>,
    overflows: u64,
}

impl Watch {
    /// Begins in these namespaces, by name; in all that have one, and one's own, without names.
    pub(in crate::trace) fn open(names: &[String], filter: Option<&Filter>) -> (Self, RulePlan) {
        let places: Vec<Option<String>> = match names {
            [] => {
                let all = Namespaces::read();
                let mut places = vec![None];
                places.extend(all.paths().map(|path| Some(path.to_owned())));
                places
            }
            names => names.iter().cloned().map(Some).collect(),
        };
        let (mut watch, mut plan) = (Self::default(), RulePlan::default());
        watch.filter = filter.cloned();
        for place in places {
            watch.add(place, &mut plan);
        }
        (watch, plan)
    }

    /// Begins in one namespace, if it has rules.
    pub(in crate::trace) fn add(&mut self, place: Option<String>, plan: &mut RulePlan) {
        let filter = self.filter.as_ref();
        let name = place.as_deref().unwrap_or("this namespace").to_owned();
        let begin = || -> Result<_> {
            let inode = names::own_inode()?;
            Ok((inode, RuleTrace::open(inode, filter), has_legacy_tables()))
        };
        match netns::within(place.as_deref(), begin) {
            Ok((inode, opened, legacy)) => {
                if self.watched.iter().any(|(_, trace)| trace.netns() == inode) {
                    // The same namespace by another name.
                    return;
                }
                if legacy {
                    plan.legacy.push(name.clone());
                }
                match opened {
                    Ok(Some(trace)) => {
                        plan.traced.push(name);
                        self.watched.push((place, trace));
                    }
                    Ok(None) => {}
                    Err(error) => plan.refused.push((name, format!("{error:#}"))),
                }
            }
            Err(error) => plan.refused.push((name, format!("{error:#}"))),
        }
    }

    /// Takes what has been reported, without waiting.
    pub(in crate::trace) fn poll(&mut self) {
        for (place, trace) in &mut self.watched {
            if trace.is_stale() {
                // A namespace that is gone has no rules to be read.
                let _ = netns::within(place.as_deref(), || {
                    trace.read_texts();
                    Ok(())
                });
            }
            let rules = &mut self.rules;
            trace.poll(|traced| rules.push(traced));
            self.overflows += u64::from(trace.take_overflown());
        }
    }

    /// Gives a trail the rules that its packet met.
    pub(in crate::trace) fn join(&mut self, trail: &mut Trail) {
        self.rules.join(trail);
    }

    /// How often reports were lost, since the socket was full, and packets whose rules were
    /// forgotten.
    pub(in crate::trace) fn lost(&self) -> u64 {
        self.overflows + self.rules.forgotten()
    }
}

/// Whether the namespace of this thread has tables of iptables-legacy.
pub(super) fn has_legacy_tables() -> bool {
    let names = ["ip_tables_names", "ip6_tables_names"];
    names.iter().any(|name| {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{name}"));
        text.is_ok_and(|text| !text.trim().is_empty())
    })
}
