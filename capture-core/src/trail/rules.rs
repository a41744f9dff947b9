//! Rules that a packet met, rule by rule: which packet they belong to, and at which hop.
//!
//! Owns joining what the kernel's trace of nftables says with trails. The trace names packets by
//! their headers and chains by hook and priority, so that no clock is compared.

use super::event::Happening;
use super::fingerprint::Core;
use super::hook::{Gap, Hook};
use super::packet::Packet;
use super::path::{Hop, Trail};
use super::verdict::Verdict;
use std::collections::{HashMap, VecDeque};
use std::fmt;

/// Packets whose rules are kept until their trail ends.
const MOST_KEPT: usize = 4_096;

/// What a rule, or the policy of a chain, did with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStep {
    /// The family of the table: `ip`, `inet`, …; `iptables` or `ip6tables` for the old ones.
    pub family: &'static str,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The number of the rule in its table, for iptables in its chain; `None` for the policy of
    /// the chain.
    pub handle: Option<u64>,
    /// The rule as its tool writes it, if that is known.
    pub text: Option<String>,
    /// `accept`, `drop`, `continue`, `jump CHAIN`, ….
    pub verdict: String,
    /// Hook and priority of the base chain, if the chain was found.
    pub hook: Option<(Hook, i32)>,
}

impl RuleStep {
    /// Whether the packet ends here.
    pub fn is_drop(&self) -> bool {
        self.verdict == "drop"
    }

    /// Whether it is of iptables-legacy, not of nftables.
    pub fn is_legacy(&self) -> bool {
        matches!(self.family, "iptables" | "ip6tables")
    }
}

impl fmt::Display for RuleStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family, self.table, self.chain)?;
        match (&self.text, self.handle) {
            (Some(text), _) => write!(f, ": {text}")?,
            (None, Some(handle)) => write!(f, ": rule with handle {handle}")?,
            (None, None) => f.write_str(": policy")?,
        }
        // A rule's text mostly ends with its verdict.
        let text = self.text.as_deref().unwrap_or("");
        match text.to_lowercase().ends_with(&self.verdict.to_lowercase()) {
            true => Ok(()),
            false => write!(f, " → {}", self.verdict),
        }
    }
}

/// A step as the kernel reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The namespace's inode.
    pub netns: u32,
    /// The kernel's number of the packet; it may come again.
    pub number: u32,
    /// The headers, which stand in the first report of each base chain.
    pub packet: Option<Packet>,
    /// What happened.
    pub step: RuleStep,
}

/// The steps of one packet in one namespace.
#[derive(Debug)]
struct Kept {
    key: (u32, u32),
    packets: Vec<Packet>,
    steps: Vec<RuleStep>,
}

/// Rules of packets whose trails have not ended.
#[derive(Debug, Default)]
pub struct Rules {
    /// The kept packet of each number, by its place since the beginning.
    current: HashMap<(u32, u32), u64>,
    kept: VecDeque<Kept>,
    /// How many have left the front of `kept`.
    gone: u64,
    forgotten: u64,
}

impl Rules {
    /// Takes a report.
    pub fn push(&mut self, traced: Traced) {
        let key = (traced.netns, traced.number);
        let mut at = self.current.get(&key).copied();
        if let (Some(place), Some(packet)) = (at, &traced.packet)
            && !self
                .kept_at(place)
                .is_some_and(|kept| kept.continues(packet))
        {
            // The number came again.
            at = None;
        }
        let place = match at.filter(|place| *place >= self.gone) {
            Some(place) => place,
            None => self.begin(key),
        };
        if let Some(kept) = self.kept_at(place) {
            kept.packets.extend(traced.packet);
            kept.steps.push(traced.step);
        }
    }

    fn begin(&mut self, key: (u32, u32)) -> u64 {
        if self.kept.len() >= MOST_KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.forgotten += u64::from(!oldest.steps.is_empty());
            if self.current.get(&oldest.key) == Some(&self.gone) {
                self.current.remove(&oldest.key);
            }
            self.gone += 1;
        }
        let place = self.gone + u64::try_from(self.kept.len()).unwrap_or(0);
        self.kept.push_back(Kept {
            key,
            packets: Vec::new(),
            steps: Vec::new(),
        });
        self.current.insert(key, place);
        place
    }

    fn kept_at(&mut self, place: u64) -> Option<&mut Kept> {
        let at = place.checked_sub(self.gone)?;
        self.kept.get_mut(usize::try_from(at).ok()?)
    }

    /// Moves the rules that a packet met into its trail: each after the last hop before it.
    pub fn join(&mut self, trail: &mut Trail) {
        let mut met: Vec<(u32, RuleStep)> = Vec::new();
        for kept in self.kept.iter_mut().filter(|kept| !kept.steps.is_empty()) {
            let netns = kept.key.0;
            // Of packets that cannot be told apart, each gets the rules of one, in order.
            let is_legacy = kept.steps.first().is_some_and(RuleStep::is_legacy);
            let has_one = met
                .iter()
                .any(|(known, step)| (*known, step.is_legacy()) == (netns, is_legacy));
            if !has_one && kept.is_of(trail) {
                met.extend(kept.steps.drain(..).map(|step| (netns, step)));
                kept.packets.clear();
            }
        }
        while self.kept.front().is_some_and(|kept| kept.steps.is_empty()) {
            self.kept.pop_front();
            self.gone += 1;
        }
        let gone = self.gone;
        self.current.retain(|_, place| *place >= gone);
        for (netns, step) in met {
            let at = place(trail, netns, &step);
            trail.rules.push((at, step));
        }
        // What is reported by different ways is in the order of the tables.
        let priority = |step: &RuleStep| step.hook.map(|(_, priority)| priority);
        trail.rules.sort_by_key(|(at, step)| (*at, priority(step)));
        if let Verdict::Dropped(dropped) = &mut trail.verdict
            && dropped.is_by_hook()
        {
            let last = trail.rules.iter().rev().find(|(_, step)| step.is_drop());
            dropped.rule = last.map(|(_, step)| step.clone());
        }
    }

    /// Packets whose rules were forgotten, since too many were under way.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl Kept {
    fn continues(&self, packet: &Packet) -> bool {
        let last = self.packets.last();
        last.is_none_or(|last| core(last) == core(packet))
    }

    fn is_of(&self, trail: &Trail) -> bool {
        let at_hooks = |hop: &&Hop| {
            let is_judged = matches!(hop.event.happening, Happening::Judged { .. });
            hop.event.netns == self.key.0
                && (is_judged || Gap::by_name(hop.event.point.name()).is_some())
        };
        let mut seen = trail
            .hops
            .iter()
            .filter(at_hooks)
            .filter_map(|hop| hop.event.packet.as_ref());
        seen.any(|seen| {
            let mut packets = self.packets.iter();
            packets.any(|packet| seen.tuple == packet.tuple && core(seen) == core(packet))
        })
    }
}

/// What of a packet can be compared: reports have neither TCP's options nor payload.
fn core(packet: &Packet) -> Core {
    let mut core = packet.fingerprint.core;
    core.extra = 0;
    core
}

/// The hop after which the step happened: the last gap of its hook that lies before its chain, the
/// chain itself where functions are seen, or the beginning.
fn place(trail: &Trail, netns: u32, step: &RuleStep) -> usize {
    let Some((hook, priority)) = step.hook else {
        return 0;
    };
    let is_before = |hop: &&Hop| {
        let gap = Gap::by_name(hop.event.point.name());
        let gap = gap.is_some_and(|g| g.hook == hook && g.priority <= priority);
        let is_chain = match &hop.event.happening {
            Happening::Judged {
                hook: at, table, ..
            } => *at == Some(hook) && table.is_start_of(&step.table),
            _ => false,
        };
        hop.event.netns == netns && (gap || is_chain)
    };
    let before = trail.hops.iter().rev().position(|hop| is_before(&hop));
    before.map_or(0, |from_end| trail.hops.len() - 1 - from_end)
}
