//! Netfilter hooks: the tables at each, in order of priority.
//!
//! Owns the built-in priorities (include/uapi/linux/netfilter_ipv4.h). Chains of nftables may
//! have any other; they then lie in the same gaps.

use std::fmt;

/// A hook of the IP families (include/uapi/linux/netfilter.h, `enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Received, before routing.
    Prerouting,
    /// For this host.
    Input,
    /// To be forwarded.
    Forward,
    /// Made by this host.
    Output,
    /// About to leave.
    Postrouting,
}

impl Hook {
    /// Every hook, by the kernel's number.
    pub const ALL: [Self; 5] = [
        Self::Prerouting,
        Self::Input,
        Self::Forward,
        Self::Output,
        Self::Postrouting,
    ];

    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }

    /// The kernel's number.
    pub fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }

    /// The built-in tables with their priorities, in order.
    pub fn tables(self) -> &'static [(i32, &'static str)] {
        match self {
            Self::Prerouting => &[
                (-400, "defragmentation"),
                (-300, "raw"),
                (-200, "conntrack"),
                (-150, "mangle"),
                (-100, "nat"),
            ],
            Self::Input => &[
                (-150, "mangle"),
                (0, "filter"),
                (50, "security"),
                (100, "nat"),
                (i32::MAX, "conntrack confirm"),
            ],
            Self::Forward => &[(-150, "mangle"), (0, "filter"), (50, "security")],
            Self::Output => &[
                (-400, "defragmentation"),
                (-300, "raw"),
                (-200, "conntrack"),
                (-150, "mangle"),
                (-100, "nat"),
                (0, "filter"),
                (50, "security"),
            ],
            Self::Postrouting => &[
                (-150, "mangle"),
                (100, "nat"),
                (i32::MAX, "conntrack confirm"),
            ],
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().to_uppercase())
    }
}

/// A place between the tables of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gap {
    /// The hook.
    pub hook: Hook,
    /// The priority of the observer.
    pub priority: i32,
}

impl Gap {
    /// The gap of a point named `nf:HOOK:PRIORITY`.
    pub fn by_name(name: &str) -> Option<Self> {
        let (hook, priority) = name.strip_prefix("nf:")?.split_once(':')?;
        let hook = Hook::ALL.into_iter().find(|known| known.name() == hook)?;
        Some(Self {
            hook,
            priority: priority.parse().ok()?,
        })
    }

    /// The last table before the gap.
    pub fn before(self) -> Option<&'static str> {
        let mut tables = self.hook.tables().iter().rev();
        tables
            .find(|(priority, _)| *priority < self.priority)
            .map(|(_, name)| *name)
    }

    /// The first table behind the gap: who dropped a packet that was last seen here.
    pub fn behind(self) -> Option<&'static str> {
        let mut tables = self.hook.tables().iter();
        tables
            .find(|(priority, _)| *priority > self.priority)
            .map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trail::point::points;

    #[test]
    fn each_gap_of_the_table_lies_between_other_tables() {
        let gaps: Vec<Gap> = points()
            .iter()
            .filter_map(|p| Gap::by_name(p.name))
            .collect();
        for hook in Hook::ALL {
            assert_eq!(Hook::ALL.get(hook.number() as usize), Some(&hook));
            let mut seen: Vec<_> = gaps.iter().filter(|gap| gap.hook == hook).collect();
            let before: Vec<_> = seen.iter().map(|gap| gap.before()).collect();
            seen.dedup_by_key(|gap| gap.before());
            assert_eq!(seen.len(), before.len(), "{hook}: {before:?}");
            assert_eq!(before.first(), Some(&None), "{hook}");
            let named = gaps.iter().filter(|gap| gap.hook == hook);
            let tables: Vec<_> = named.filter_map(|gap| gap.behind()).collect();
            let all: Vec<_> = hook.tables().iter().map(|(_, name)| *name).collect();
            assert_eq!(tables, all, "{hook}");
        }
    }
}
