//! The rules of all traced namespaces.
//!
//! Owns where tracing of rules is on, and handing what is reported to the trails.

use super::RuleTrace;
use super::legacy::Legacy;
use crate::netns;
use crate::trace::names::{self, Namespaces};
use pktrail_core::trail::{Rules, Trail};
use pktrail_core::{Filter, Result};

/// Where rules are traced, and where not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulePlan {
    /// Namespaces whose rules are traced.
    pub traced: Vec<String>,
    /// Namespaces where that was refused, and why.
    pub refused: Vec<(String, String)>,
}

/// One namespace.
struct Watched {
    /// What is to be entered.
    place: Option<String>,
    netns: u32,
    rules: RuleTrace,
    legacy: Option<Legacy>,
}

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
        let known: Vec<u32> = self.watched.iter().map(|watched| watched.netns).collect();
        let begin = || -> Result<_> {
            let netns = names::own_inode()?;
            // The same namespace may come by another name.
            let is_new = !known.contains(&netns);
            let open = || (RuleTrace::open(netns, filter), Legacy::open(netns));
            Ok((netns, is_new.then(open)))
        };
        let mut refuse = |error| plan.refused.push((name.clone(), format!("{error:#}")));
        match netns::within(place.as_deref(), begin) {
            Ok((netns, Some((Ok(Some(rules)), legacy)))) => {
                let legacy = legacy.unwrap_or_else(|error| {
                    refuse(error.context("of iptables-legacy"));
                    None
                });
                plan.traced.push(name);
                self.watched.push(Watched {
                    place,
                    netns,
                    rules,
                    legacy,
                });
            }
            // What is not marked is not reported.
            Ok((_, Some((Err(error), _)))) => refuse(error),
            Ok(_) => {}
            Err(error) => refuse(error),
        }
    }

    /// Takes what has been reported, without waiting.
    pub(in crate::trace) fn poll(&mut self) {
        for watched in &mut self.watched {
            let (trace, legacy) = (&mut watched.rules, &mut watched.legacy);
            let old = legacy.as_mut().filter(|legacy| legacy.is_stale());
            if trace.is_stale() || old.is_some() {
                // A namespace that is gone has no rules to be read.
                let _ = netns::within(watched.place.as_deref(), || {
                    if trace.is_stale() {
                        trace.read_texts();
                    }
                    old.into_iter().for_each(Legacy::read_rules);
                    Ok(())
                });
            }
            let rules = &mut self.rules;
            trace.poll(|traced| rules.push(traced));
            self.overflows += u64::from(trace.take_overflown());
            if let Some(legacy) = legacy {
                legacy.poll(|traced| rules.push(traced));
                self.overflows += u64::from(legacy.take_overflown());
            }
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
