//! Names for numbers of the kernel: namespaces, drop reasons, functions.
//!
//! Owns where these names come from. Interface names come with the events.

use super::cgroups::Cgroups;
use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::{Enum, EnumMember};
use pktrail_core::trail::{Names, Process};
use pktrail_core::{Error, Result};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where tools keep namespaces by name: iproute2, then Docker.
const PLACES: [&str; 2] = ["/run/netns", "/var/run/docker/netns"];
/// Namespaces are not looked for more often than that.
const AGAIN: Duration = Duration::from_millis(200);

/// The inode of the network namespace of this thread.
pub(super) fn own_inode() -> Result<u32> {
    let path = "/proc/thread-self/ns/net";
    let status = fs::metadata(path).map_err(|e| Error::io(format!("cannot stat {path}"), e))?;
    Ok(u32::try_from(status.ino()).unwrap_or(0))
}

/// A namespace, as it can be named and entered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    name: String,
    path: String,
    /// It is still there.
    alive: bool,
}

/// What has changed among the namespaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    /// Paths of those that are new.
    pub(super) new: Vec<String>,
    /// Names and paths of those that are gone.
    pub(super) gone: Vec<(String, String)>,
}

/// Names of namespaces by inode: of those that iproute2 or Docker have named, and of the others by
/// a process that is in them.
pub(super) struct Namespaces {
    known: HashMap<u32, Known>,
    own: u32,
    read: Instant,
    /// Something was seen in a namespace that is not known.
    strange: bool,
}

impl Namespaces {
    pub(super) fn read() -> Self {
        let mut namespaces = Self {
            known: HashMap::new(),
            own: own_inode().unwrap_or(0),
            read: Instant::now(),
            strange: false,
        };
        namespaces.known = found(true);
        namespaces
    }

    /// The paths of all but one's own.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let others = self.known.iter().filter(|(inode, _)| **inode != self.own);
        others.map(|(_, known)| known.path.as_str())
    }

    /// The name of an inode.
    pub(super) fn name(&self, inode: u32) -> Option<&str> {
        self.known.get(&inode).map(|known| known.name.as_str())
    }

    /// How to enter the namespace of an inode: a path, or `None` for one's own.
    pub(super) fn place(&self, inode: u32) -> Option<Option<String>> {
        match inode == self.own {
            true => Some(None),
            false => self.known.get(&inode).map(|known| Some(known.path.clone())),
        }
    }

    /// Something was seen in a namespace.
    pub(super) fn see(&mut self, inode: u32) {
        self.strange |= inode != 0 && !self.known.contains_key(&inode);
    }

    /// Looks for what is new and what is gone, now and then.
    pub(super) fn follow(&mut self) -> Changed {
        let mut changed = Changed::default();
        if self.read.elapsed() < AGAIN {
            return changed;
        }
        self.read = Instant::now();
        // Processes are looked through only where that can tell something.
        let now = found(std::mem::take(&mut self.strange));
        for (inode, known) in &mut self.known {
            // What is gone still has trails to be shown.
            let is_named = !known.path.starts_with("/proc/");
            if known.alive && is_named && !now.contains_key(inode) {
                known.alive = false;
                changed.gone.push((known.name.clone(), known.path.clone()));
            }
        }
        for (inode, found) in now {
            match self.known.get_mut(&inode) {
                Some(known) if known.alive && !known.path.starts_with("/proc/") => {}
                Some(known) => {
                    // It has a name by now, or its number is used again.
                    let is_new = !known.alive;
                    *known = found;
                    if is_new {
                        changed.new.push(known.path.clone());
                    }
                }
                None => {
                    changed.new.push(found.path.clone());
                    self.known.insert(inode, found);
                }
            }
        }
        changed
    }
}

/// The namespaces that are there; those without a name only `with_processes`.
fn found(with_processes: bool) -> HashMap<u32, Known> {
    let mut known: HashMap<u32, Known> = HashMap::new();
    let mut add = |path: String, name: String| {
        let inode = fs::metadata(&path).map(|status| status.ino());
        if let Some(inode) = inode.ok().and_then(|inode| u32::try_from(inode).ok()) {
            known.entry(inode).or_insert(Known {
                name,
                path,
                alive: true,
            });
        }
    };
    for place in PLACES {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A file that is no namespace (yet) has the inode of its file system.
            if is_namespace(&entry.path()) {
                add(format!("{place}/{name}"), name);
            }
        }
    }
    add("/proc/1/ns/net".to_owned(), "host".to_owned());
    if with_processes {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            if pid.parse::<u32>().is_ok() {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                add(
                    format!("/proc/{pid}/ns/net"),
                    format!("{}:{pid}", name.trim()),
                );
            }
        }
    }
    known
}

/// Namespaces lie on a file system of their own, mounted on the file.
fn is_namespace(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|status| status.dev()).ok();
    let own = device(Path::new("/proc/self/ns/net"));
    own.is_some() && device(path) == own
}

/// The names of interfaces, namespaces and cgroups that were known at a moment, for another thread.
#[derive(Clone, Debug, Default)]
pub struct KnownNames {
    interfaces: Interfaces,
    cgroups: Cgroups,
    namespaces: HashMap<u32, String>,
}

impl KnownNames {
    pub(super) fn of(interfaces: &Interfaces, namespaces: &Namespaces, cgroups: &Cgroups) -> Self {
        let names = namespaces.known.iter();
        Self {
            interfaces: interfaces.clone(),
            cgroups: cgroups.clone(),
            namespaces: names
                .map(|(inode, known)| (*inode, known.name.clone()))
                .collect(),
        }
    }
}

impl Names for KnownNames {
    fn interface(&self, netns: u32, index: u32, time_ns: u64) -> Option<String> {
        let name = self.interfaces.name(netns, index, time_ns);
        name.map(str::to_owned)
    }

    fn netns(&self, inode: u32) -> Option<String> {
        self.namespaces.get(&inode).cloned()
    }

    fn cgroup(&self, process: &Process) -> Option<String> {
        self.cgroups.path(process).map(str::to_owned)
    }
}

/// Names that the interfaces of all namespaces have and had.
#[derive(Clone, Debug, Default)]
pub(super) struct Interfaces(HashMap<(u32, u32), Vec<(u64, String)>>);

impl Interfaces {
    /// The interface `index` of a namespace was called `name` at a time. Returns whether that
    /// is new.
    pub(super) fn see(&mut self, netns: u32, index: u32, name: &str, time_ns: u64) -> bool {
        let names = self.0.entry((netns, index)).or_default();
        let at = names.partition_point(|(since, _)| *since <= time_ns);
        let before = at.checked_sub(1).and_then(|at| names.get(at));
        let is_new = before.is_none_or(|(_, known)| known != name);
        if is_new {
            names.insert(at, (time_ns, name.to_owned()));
        }
        is_new
    }

    /// The name at a time; the first one for times before.
    pub(super) fn name(&self, netns: u32, index: u32, time_ns: u64) -> Option<&str> {
        let names = self.0.get(&(netns, index))?;
        let after = names.partition_point(|(since, _)| *since <= time_ns);
        let (_, name) = names.get(after.saturating_sub(1))?;
        Some(name)
    }
}

/// Names of drop reasons by number.
pub(super) struct Reasons(HashMap<i64, String>);

impl Reasons {
    pub(super) fn read(btf: &Btf<'_>) -> Self {
        let declared = btf.type_by_name::<Enum<'_>>("skb_drop_reason");
        let mut names = HashMap::new();
        let members = declared.iter().flat_map(|declared| declared.iter());
        for EnumMember { name, value, .. } in members {
            let name = name.map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            let short = name.strip_prefix("SKB_DROP_REASON_").unwrap_or(&name);
            names.entry(value).or_insert_with(|| short.to_owned());
        }
        Self(names)
    }

    /// All of them, by number.
    pub(super) fn names(&self) -> Vec<String> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable();
        all.into_iter().map(|(_, name)| name.clone()).collect()
    }

    pub(super) fn name(&self, number: u32) -> String {
        let name = self.0.get(&i64::from(number)).cloned();
        name.unwrap_or_else(|| format!("reason {number:#x}"))
    }
}

/// Functions by address, read when the first is asked for.
#[derive(Default)]
pub(super) struct Symbols(Option<Vec<(u64, String)>>);

impl Symbols {
    /// The function that holds an address; empty if /proc/kallsyms hides addresses.
    pub(super) fn function(&mut self, address: u64) -> String {
        let table = self.0.get_or_insert_with(read_symbols);
        let after = table.partition_point(|(start, _)| *start <= address);
        let found = after.checked_sub(1).and_then(|at| table.get(at));
        found.map(|(_, name)| name.clone()).unwrap_or_default()
    }
}

fn read_symbols() -> Vec<(u64, String)> {
    let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let mut table: Vec<(u64, String)> = text.lines().filter_map(symbol).collect();
    table.sort_unstable();
    table
}

fn symbol(line: &str) -> Option<(u64, String)> {
    let mut words = line.split_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let kind = words.next()?;
    let is_code = kind.eq_ignore_ascii_case("t") || kind.eq_ignore_ascii_case("w");
    let name = words.next().filter(|_| is_code && address != 0)?;
    // A compiler's suffix (`.part.0`, `.constprop.0`) says nothing to a person.
    let name = name.split('.').next().unwrap_or(name);
    Some((address, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_the_name_of_its_time() {
        let mut interfaces = Interfaces::default();
        interfaces.see(1, 2, "old", 100);
        interfaces.see(1, 2, "old", 150);
        interfaces.see(1, 2, "new", 200);
        interfaces.see(1, 2, "old", 120);
        let name = |time_ns| interfaces.name(1, 2, time_ns);
        assert_eq!(name(50), Some("old"));
        assert_eq!(name(199), Some("old"));
        assert_eq!(name(200), Some("new"));
        assert_eq!(interfaces.name(1, 3, 100), None);
    }
}
