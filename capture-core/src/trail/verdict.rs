//! The verdict: what became of a packet.
//!
//! Owns the judgement from the hops. Why something was dropped is said by the rows of `cause`.

use super::cause::{self, Cause};
use super::event::{Happening, Process, Returned};
use super::hook::{Gap, Hook};
use super::packet::Packet;
use super::path::{Hop, TrailId};
use super::point::{Layer, Role};
use super::rules::RuleStep;
use std::fmt;

/// How a trail ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "one for each trail, of which most have hundreds of bytes for each hop"
)]
pub enum Verdict {
    /// It has not ended.
    #[default]
    Open,
    /// A socket has it. Who read it, if that was seen.
    Delivered {
        /// The program that read it.
        reader: Option<Process>,
    },
    /// A tap has its copy.
    Tapped,
    /// It left by an interface after it had been forwarded here.
    Forwarded {
        /// The interface's index.
        interface: u32,
        /// The namespace's inode.
        netns: u32,
    },
    /// It left by an interface.
    Sent {
        /// The interface's index.
        interface: u32,
        /// The namespace's inode.
        netns: u32,
    },
    /// The kernel answered it.
    Answered,
    /// The kernel needed it no more.
    Consumed,
    /// Its data went on in another packet.
    Merged {
        /// That packet.
        into: TrailId,
    },
    /// It was cut: its data went on in segments or fragments.
    Cut {
        /// How many were seen.
        pieces: u32,
    },
    /// It was thrown away.
    Dropped(Box<Dropped>),
    /// No more was heard of it.
    Lost,
}

/// A drop, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The kernel's reason, without SKB_DROP_REASON_.
    pub reason: String,
    /// The function that dropped.
    pub function: String,
    /// The hook and the table, if a hook was open: hook, table.
    pub hook: Option<(&'static str, String)>,
    /// The rule, if rules were traced.
    pub rule: Option<RuleStep>,
    /// What the configuration of the namespace says about it, a sentence each.
    pub facts: Vec<String>,
    /// What it means.
    pub cause: Option<&'static Cause>,
}

impl Verdict {
    /// Whether it was thrown away.
    pub fn is_drop(&self) -> bool {
        matches!(self, Self::Dropped(_))
    }

    /// What a packet's hops say, when its buffer is freed or it was last seen.
    pub(super) fn of(hops: &[Hop], freed: bool) -> Self {
        let Some(last) = hops.last() else {
            return Self::Lost;
        };
        if let Happening::Dropped { reason, function } = &last.event.happening {
            return Self::Dropped(Box::new(dropped(hops, reason, function)));
        }
        let mut is_gone = true;
        let mut telling = None;
        for hop in hops.iter().rev() {
            telling = match hop.event.point.role() {
                Role::Free => continue,
                Role::Read => Some(Self::Delivered {
                    reader: hop.event.process.clone(),
                }),
                Role::Socket => Some(Self::Delivered { reader: None }),
                Role::Tap => Some(Self::Tapped),
                Role::Answer => Some(Self::Answered),
                Role::Gate if is_gone => Some(sent(hops, hop)),
                // It came in again behind the gate, and nothing more is known.
                Role::Gate => break,
                _ => None,
            };
            is_gone = false;
            if telling.is_some() {
                break;
            }
        }
        match (telling, freed) {
            (Some(verdict), _) => verdict,
            (None, true) if is_echo_request(hops) => Self::Answered,
            (None, true) => Self::Consumed,
            (None, false) => Self::Lost,
        }
    }
}

/// Whether the kernel itself took an echo request: it was last seen on its way in.
fn is_echo_request(hops: &[Hop]) -> bool {
    let mut seen = hops
        .iter()
        .rev()
        .filter(|hop| hop.event.point.role() != Role::Free);
    let asked = seen.next().is_some_and(|hop| {
        let gap = Gap::by_name(hop.event.point.name());
        gap.is_some_and(|gap| gap.hook == Hook::Input)
    });
    let mut packets = hops
        .iter()
        .rev()
        .filter_map(|hop| hop.event.packet.as_ref());
    let request = |packet: &Packet| matches!(packet.icmp, Some((8 | 128, _)));
    asked && packets.next().is_some_and(request)
}

/// The packet left by the gate of `hop`.
fn sent(hops: &[Hop], hop: &Hop) -> Verdict {
    let (interface, netns) = (hop.event.interface, hop.event.netns);
    let forwarded = hops
        .iter()
        .any(|hop| hop.event.point.role() == Role::Forward);
    match forwarded {
        true => Verdict::Forwarded { interface, netns },
        false => Verdict::Sent { interface, netns },
    }
}

/// What a hook drops after NFQUEUE gave it back has another reason in the kernel.
const GIVEN_BACK: &str = "nfqnl_reinject";
const BY_HOOK: &str = "NETFILTER_DROP";

impl Dropped {
    /// Whether a netfilter hook did it.
    pub fn is_by_hook(&self) -> bool {
        self.reason == BY_HOOK || self.function == GIVEN_BACK
    }
}

fn dropped(hops: &[Hop], reason: &str, function: &str) -> Dropped {
    let judged = match function {
        GIVEN_BACK => BY_HOOK,
        _ => reason,
    };
    // Another reason comes from behind the hook, where the next gap would be.
    let gap = open_hook(hops).and_then(|gap| Some((gap.hook.name(), gap.behind()?.to_owned())));
    let hook = gap.or_else(|| last_judge(hops));
    Dropped {
        reason: reason.to_owned(),
        function: function.to_owned(),
        hook: hook.filter(|_| judged == BY_HOOK),
        rule: None,
        facts: Vec::new(),
        cause: cause::find(judged, function, hops),
    }
}

/// The gap at which the packet was last seen, if nothing but its end followed.
pub(super) fn open_hook(hops: &[Hop]) -> Option<Gap> {
    let before = hops.len().checked_sub(2)?;
    let gap = Gap::by_name(hops.get(before)?.event.point.name())?;
    gap.behind().map(|_| gap)
}

/// Hook and table of the function of netfilter that had the packet last, unless it let it pass.
fn last_judge(hops: &[Hop]) -> Option<(&'static str, String)> {
    let layers = [Layer::Netfilter, Layer::Conntrack, Layer::Ipvs];
    let mut hops = hops.iter().rev();
    let last = hops.find(|hop| {
        let row = hop.event.point.point();
        row.is_some_and(|row| layers.contains(&row.layer))
    })?;
    let passed = matches!(last.returned, Some(Returned::Number(1)));
    match &last.event.happening {
        Happening::Judged { hook, table, .. } if !table.is_empty() && !passed => {
            Some((hook.as_ref()?.name(), table.to_string()))
        }
        _ => None,
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dropped: {}", self.reason)?;
        if !self.function.is_empty() {
            write!(f, " in {}", self.function)?;
        }
        if let Some((hook, table)) = &self.hook {
            write!(f, ", at {} by {table}", hook.to_uppercase())?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    /// Without the names of interfaces and namespaces, which are not known here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("on its way"),
            Self::Delivered { reader: None } => f.write_str("delivered to a socket"),
            Self::Delivered {
                reader: Some(reader),
            } => {
                write!(f, "delivered to {} ({})", reader.name, reader.pid)
            }
            Self::Tapped => f.write_str("copied to a tap"),
            Self::Forwarded { .. } => f.write_str("forwarded"),
            Self::Sent { .. } => f.write_str("sent"),
            Self::Answered => f.write_str("answered by the kernel"),
            Self::Consumed => f.write_str("consumed by the kernel"),
            Self::Merged { into } => write!(f, "merged into {into}"),
            Self::Cut { pieces } => write!(f, "cut, and went on in {pieces} pieces"),
            Self::Dropped(dropped) => dropped.fmt(f),
            Self::Lost => f.write_str("lost from sight"),
        }
    }
}
