//! From a tracer to trails: time order, joining, and the account of events.
//!
//! Owns when an event is due and the arithmetic at the end.

use super::Tracer;
use super::facts::Facts;
use super::rules::{RulePlan, Watch};
use pktrail_core::trail::{Joiner, Sequences, Settings, Trail, Window};
use pktrail_core::{Filter, Result};
use std::time::{Duration, Instant};

/// Events wait this long for older ones of other CPUs.
const HOLD: Duration = Duration::from_millis(20);
/// Gaps are told of not more often than that.
const GAPS_AGAIN: Duration = Duration::from_secs(1);
/// Events that wait at once.
const MOST_WAITING: usize = 1 << 18;

/// Trails as they end.
pub struct Followed {
    tracer: Tracer,
    sequences: Sequences,
    window: Window,
    joiner: Joiner,
    newest_ns: u64,
    heard: Instant,
    rules: Option<Watch>,
    facts: Facts,
    notices: Vec<String>,
    gaps: Gaps,
}

/// Events that were lost since the last notice of it.
#[derive(Default)]
struct Gaps {
    events: u64,
    told: Option<Instant>,
}

impl Gaps {
    /// A sentence, now and then.
    fn notice(&mut self) -> Option<String> {
        if self.events == 0 || self.told.is_some_and(|told| told.elapsed() < GAPS_AGAIN) {
            return None;
        }
        self.told = Some(Instant::now());
        let events = std::mem::take(&mut self.events);
        Some(format!("{events} events were lost here: a ring was full"))
    }
}

/// What became of every event: produced = shown + lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Numbers that the programs gave out.
    pub produced: u64,
    /// Events that went into trails.
    pub shown: u64,
    /// Events for which the ring had no room, by the gaps in the numbers.
    pub lost: u64,
    /// The same by the programs' own count.
    pub lost_in_kernel: u64,
    /// Shown, but out of their order.
    pub late: u64,
    /// How often reports of rules were lost; how many is not known.
    pub rules_lost: u64,
    /// Buffers that were followed no longer, since too many were under way at once: their trails
    /// end early, or begin anew.
    pub displaced: u64,
}

impl Followed {
    /// Follows what `tracer` reports.
    pub fn new(tracer: Tracer, settings: Settings) -> Self {
        let hold_ns = u64::try_from(HOLD.as_nanos()).unwrap_or(u64::MAX);
        Self {
            tracer,
            sequences: Sequences::default(),
            window: Window::new(hold_ns, MOST_WAITING),
            joiner: Joiner::new(settings),
            newest_ns: 0,
            heard: Instant::now(),
            rules: None,
            facts: Facts::default(),
            notices: Vec::new(),
            gaps: Gaps::default(),
        }
    }

    /// What a person should know since this was asked last, a sentence each: what happened to the
    /// namespaces, and where events are missing.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Also tells which rules of nftables packets meet, in these namespaces (all that have a name,
    /// and one's own, without names) and for packets that fit `filter`. Slows packets that meet
    /// rules there.
    pub fn watch_rules(&mut self, namespaces: &[String], filter: Option<&Filter>) -> RulePlan {
        let (watch, plan) = Watch::open(namespaces, filter);
        self.rules = Some(watch);
        plan
    }

    /// The tracer, for names.
    pub fn tracer(&mut self) -> &mut Tracer {
        &mut self.tracer
    }

    /// Waits for `timeout` at most, and returns the trails that have ended.
    ///
    /// # Errors
    /// Those of [`Tracer::poll`].
    pub fn next(&mut self, timeout: Duration) -> Result<Vec<Trail>> {
        self.take(timeout)?;
        // Where nothing is heard, time goes on all the same.
        let silence = u64::try_from(self.heard.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let now_ns = self.newest_ns.saturating_add(silence);
        self.window.advance(now_ns);
        while let Some(ordered) = self.window.pop() {
            self.joiner.push(ordered);
        }
        self.joiner.expire(now_ns);
        self.follow_namespaces();
        self.notices.extend(self.gaps.notice());
        Ok(self.ended())
    }

    /// Detaches, and returns what is left and the account.
    ///
    /// # Errors
    /// Those of [`Tracer::poll`] and [`Tracer::produced`].
    pub fn finish(&mut self) -> Result<(Vec<Trail>, Summary)> {
        self.tracer.detach();
        // One reading takes only so many.
        loop {
            let before = self.sequences.seen();
            self.take(Duration::ZERO)?;
            if self.sequences.seen() == before {
                break;
            }
        }
        while let Some(ordered) = self.window.release() {
            self.joiner.push(ordered);
        }
        self.joiner.finish();
        let cpus = self.tracer.produced()?;
        for (cpu, count) in (0_u32..).zip(&cpus) {
            self.sequences.finish(cpu, count.produced);
        }
        let summary = Summary {
            produced: cpus.iter().map(|count| count.produced).sum(),
            shown: self.sequences.seen(),
            lost: self.sequences.lost(),
            lost_in_kernel: cpus.iter().map(|count| count.lost).sum(),
            late: self.window.late(),
            displaced: cpus.iter().map(|count| count.displaced).sum(),
            rules_lost: self.rules.as_ref().map_or(0, Watch::lost),
        };
        Ok((self.ended(), summary))
    }

    fn take(&mut self, timeout: Duration) -> Result<()> {
        let mut newest_ns = self.newest_ns;
        self.tracer.poll(timeout, |mut event| {
            event.lost_before = self.sequences.see(event.cpu, event.sequence);
            self.gaps.events += event.lost_before;
            newest_ns = newest_ns.max(event.time_ns);
            self.window.push(event);
        })?;
        if newest_ns != self.newest_ns {
            self.newest_ns = newest_ns;
            self.heard = Instant::now();
        }
        Ok(())
    }

    fn follow_namespaces(&mut self) {
        let moved = self.tracer.follow_namespaces();
        self.notices.extend(moved.notices);
        if let Some(rules) = &mut self.rules {
            let mut plan = RulePlan::default();
            for path in moved.adopted.into_iter().chain(moved.ruled) {
                rules.add(Some(path).filter(|path| !path.is_empty()), &mut plan);
            }
            let refused = plan.refused.into_iter();
            self.notices.extend(
                refused.map(|(name, why)| format!("rules of {name} are not traced: {why}")),
            );
        }
    }

    fn ended(&mut self) -> Vec<Trail> {
        let mut ended: Vec<Trail> = std::iter::from_fn(|| self.joiner.pop()).collect();
        if let Some(rules) = &mut self.rules {
            rules.poll();
            ended.iter_mut().for_each(|trail| rules.join(trail));
        }
        // The rules are part of what is asked.
        for trail in &mut ended {
            let namespaces = self.tracer.namespaces();
            self.facts.add(trail, |inode| namespaces.place(inode));
        }
        ended
    }
}
