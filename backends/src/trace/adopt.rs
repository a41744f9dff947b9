//! Namespaces that appear and vanish while packets are followed.
//!
//! Owns attaching to the new ones and letting go of the old ones: a link holds its namespace, which
//! would live on without a name.

use super::names::Namespaces;
use super::{Tracer, attach_hooks};

/// What happened to the namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Paths of namespaces that are followed from now on.
    pub adopted: Vec<String>,
    /// What a person should know, a sentence each.
    pub notices: Vec<String>,
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
            let links = attach_hooks(&self.object, &[Some(&path)], &mut self.plan);
            let why = self.plan.refused.get(refused..).unwrap_or_default();
            let why = why.iter().map(|(name, why)| format!("not {name}: {why}"));
            moved.notices.extend(why);
            self.hooks.insert(path.clone(), links);
            moved.adopted.push(path);
        }
        moved
    }
}
