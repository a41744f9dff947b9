//! Namespaces that appear and vanish while packets are followed.
//!
//! Owns attaching to the new ones and letting go of the old ones: a link holds its namespace, which
//! would live on without a name.

use super::names::Namespaces;
use super::plan::{Hooks, attach_hooks};
use super::{Tracer, rules};
use crate::netns;
use std::time::{Duration, Instant};

/// Namespaces without tables are looked at again after that.
const AGAIN: Duration = Duration::from_secs(1);

/// What happened to the namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Paths of namespaces that are followed from now on.
    pub adopted: Vec<String>,
    /// Paths of namespaces that have rules from now on; an empty one is one's own.
    pub ruled: Vec<String>,
    /// What a person should know, a sentence each.
    pub notices: Vec<String>,
}

fn not_attached((name, why): &(String, String)) -> String {
    format!("not {name}: {why}")
}

impl Tracer {
    pub(super) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Looks for namespaces that are new or gone, now and then. New ones are attached to unless
    /// namespaces were chosen.
    pub fn follow_namespaces(&mut self) -> Moved {
        let changed = self.namespaces.follow();
        let mut moved = Moved::default();
        if !changed.new.is_empty() {
            self.known = None;
        }
        for (name, path) in changed.gone {
            let let_go = [&name, &path]
                .into_iter()
                .any(|key| self.hooks.remove(key).is_some());
            if let_go {
                let what = format!("namespace {name} has vanished: its hooks are no longer seen");
                moved.notices.push(what);
            }
        }
        for path in changed.new {
            if self.chosen || self.hooks.contains_key(&path) {
                continue;
            }
            let refused = self.plan.refused.len();
            let hooks = attach_hooks(&self.object, Some(&path), &self.wish, &mut self.plan);
            let why = self.plan.refused.get(refused..).unwrap_or_default();
            moved.notices.extend(why.iter().map(not_attached));
            self.hooks.insert(path.clone(), hooks);
            moved.adopted.push(path);
        }
        self.follow_tables(&mut moved.ruled);
        let refused = self.plan.refused.len();
        let (places, plan) = (self.hooks.keys(), &mut self.plan);
        self.devices.follow(&self.object, places, &self.wish, plan);
        let new = plan.refused.get(refused..).unwrap_or_default();
        moved.notices.extend(new.iter().map(not_attached));
        moved
    }

    /// Where the first tables came to be, the places between them are watched from now on.
    fn follow_tables(&mut self, ruled: &mut Vec<String>) {
        if self.tables_read.elapsed() < AGAIN {
            return;
        }
        self.tables_read = Instant::now();
        for (path, hooks) in self.hooks.iter_mut().filter(|(_, hooks)| hooks.is_bare) {
            let place = Some(path.as_str()).filter(|path| !path.is_empty());
            if netns::within(place, || Ok(rules::has_hooks())).unwrap_or(false) {
                // One priority takes one observer: the old ones go first.
                *hooks = Hooks::default();
                *hooks = attach_hooks(&self.object, place, &self.wish, &mut self.plan);
                ruled.push(path.clone());
            }
        }
    }
}
