//! Following packets through the kernel: programs at tracepoints and between the tables of
//! netfilter, and the events that they report.
//!
//! Owns loading, attaching, the ring, and the names of interfaces and namespaces. Which events
//! are one packet's is decided by `pktrail_core::trail`. Needs no kprobes.

mod adopt;
mod facts;
mod filter;
mod follow;
mod names;
mod record;
mod rings;
mod rules;
mod settings;
mod slot;

use crate::netns;
use crate::sys::bpf;
pub use adopt::Moved;
pub use filter::with_filter;
pub use follow::{Followed, Summary};
use libbpf_rs::{Link, MapCore, MapFlags, Object, ObjectBuilder, OpenObject, ProgramType};
use names::{Interfaces, Namespaces, Reasons, Symbols};
use nix::time::ClockId;
use pktrail_core::filter::SkbFilter;
use pktrail_core::trail::hook::Hook;
use pktrail_core::trail::{Event, Frame, Happening, Names, PointId};
use pktrail_core::{Error, ErrorKind, Result};
use record::Record;
use rings::Rings;
pub use rules::RulePlan;
use settings::Settings;
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

static PROGRAMS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/trace.bpf.o"));

/// Bytes of `struct count` in `report.h`.
const COUNT: usize = 64;
/// `NFPROTO_IPV4` and `NFPROTO_IPV6`.
const FAMILIES: [u32; 2] = [2, 10];

/// Which packets are followed, and what is told of them.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The namespaces in which packets are picked up: names, process ids or paths. None: all. A
    /// packet that was picked up is followed everywhere.
    pub namespaces: Vec<String>,
    /// The interfaces at which packets are picked up, by name. None: all.
    pub interfaces: Vec<String>,
    /// Packets of this mark under this mask (`mark`, `mask`).
    pub mark: Option<(u32, u32)>,
    /// Packets that this process sends or reads.
    pub process: Option<u32>,
    /// Packets that a process of this name sends or reads.
    pub process_name: Option<String>,
    /// Decides in the kernel where packets begin, enter, leave or end, until one fits; it is
    /// followed from there.
    pub filter: Option<SkbFilter>,
    /// Bytes of each packet that are copied, from its link header on. `None`: 192, for headers.
    pub snap_length: Option<u32>,
    /// Whether events keep these bytes ([`Event::frame`]).
    pub keep_frames: bool,
    /// Size of the ring of each CPU in bytes: a power of two, at least a page. `None`: 64 MiB
    /// for all together, 1 to 16 MiB each.
    pub ring_bytes: Option<u32>,
}

impl Selection {
    /// Whether it leaves packets out.
    fn is_selective(&self) -> bool {
        !self.namespaces.is_empty()
            || !self.interfaces.is_empty()
            || self.mark.is_some()
            || self.process.is_some()
            || self.process_name.is_some()
            || self.filter.is_some()
    }
}

/// What was attached, and what the kernel refused.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The points, and at how many places each: a hook has one for each namespace and family.
    pub attached: Vec<(PointId, usize)>,
    /// The points that are missing, and why.
    pub refused: Vec<(String, String)>,
}

/// Numbers that the programs gave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Produced {
    /// Events.
    pub produced: u64,
    /// Of these, events for which the ring had no room.
    pub lost: u64,
}

/// A running trace. Everything is detached when it is dropped, or the process ends.
pub struct Tracer {
    // Dropped first, so that nothing reports any more.
    links: Vec<Link>,
    /// By what was entered; the empty name is one's own namespace.
    hooks: HashMap<String, Vec<OwnedFd>>,
    /// Namespaces were chosen: new ones are left alone.
    chosen: bool,
    rings: Rings,
    object: Object,
    /// What was read last. Events that keep their frames share it.
    batch: Arc<Vec<u8>>,
    keep_frames: bool,
    plan: Plan,
    interfaces: Interfaces,
    /// From the kernel's monotonic clock to the time since 1970.
    clock_ns: u64,
    namespaces: Namespaces,
    reasons: Reasons,
    symbols: Symbols,
}

impl Tracer {
    /// Loads and attaches.
    ///
    /// # Errors
    /// `Permission` without CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, `NotFound` for a namespace that
    /// does not exist, `Unsupported` if the kernel has no BTF or takes no program at all.
    pub fn open(selection: &Selection) -> Result<Self> {
        // What libbpf has to say comes as errors; libraries do not print.
        libbpf_rs::set_print(None);
        let namespaces = Namespaces::read();
        let settings = Settings::new(selection)?;
        let btf = libbpf_rs::btf::Btf::from_vmlinux().map_err(|cause| {
            let kind = ErrorKind::Unsupported {
                feature: "tracing",
                since: "a kernel with BTF (CONFIG_DEBUG_INFO_BTF)",
            };
            let what = "cannot read the kernel's types in /sys/kernel/btf/vmlinux";
            Error::new(kind, what).with_source(cause)
        })?;
        let programs = with_filter(PROGRAMS, selection.filter.as_ref())?;
        let (object, mut plan) = load(|plan| {
            let mut open = ObjectBuilder::default()
                .open_memory(&programs)
                .map_err(|cause| refused("cannot read the trace programs", cause))?;
            configure(&mut open, &btf, &settings, plan)?;
            Ok(open)
        })?;
        let rings = Rings::open(&object, selection.ring_bytes)?;
        let links = attach_tracepoints(&object, &mut plan)?;
        let places: Vec<Option<&str>> = match &selection.namespaces[..] {
            [] => std::iter::once(None)
                .chain(namespaces.paths().map(Some))
                .collect(),
            names => names.iter().map(|name| Some(name.as_str())).collect(),
        };
        let mut hooks = HashMap::new();
        for place in places {
            let links = attach_hooks(&object, &[place], &mut plan);
            hooks.insert(place.unwrap_or("").to_owned(), links);
        }
        Ok(Self {
            links,
            hooks,
            chosen: !selection.namespaces.is_empty(),
            rings,
            object,
            batch: Arc::default(),
            keep_frames: selection.keep_frames,
            plan,
            interfaces: Interfaces::default(),
            clock_ns: clock_ns()?,
            namespaces,
            reasons: Reasons::read(&btf),
            symbols: Symbols::default(),
        })
    }

    /// What is attached.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes everything off the kernel. What was reported before can still be polled.
    pub fn detach(&mut self) {
        self.links.clear();
        self.hooks.clear();
    }

    /// Waits for events for `timeout` at most, and hands each to `take`. They are in the order of
    /// the rings: those of one CPU are nearly in time order.
    ///
    /// # Errors
    /// `System` if a ring cannot be read.
    pub fn poll(&mut self, timeout: Duration, mut take: impl FnMut(Event)) -> Result<()> {
        // Memory is used again if no event keeps it.
        let mut memory = std::mem::take(&mut self.batch);
        let mut batch = Arc::get_mut(&mut memory)
            .map(std::mem::take)
            .unwrap_or_default();
        batch.clear();
        self.rings.read(timeout, &mut batch)?;
        let batch = Arc::new(batch);
        let mut at = 0;
        while let Some((record, next)) = record::next(&batch, at) {
            let data = next - record.data.len()..next;
            let (link_bytes, device_type) = (record.link_bytes, record.device_type);
            let mut event = self.event(record);
            if self.keep_frames {
                let memory = Arc::clone(&batch);
                event.frame = Frame::new(memory, data, link_bytes, device_type);
            }
            take(event);
            at = next;
        }
        self.batch = batch;
        Ok(())
    }

    fn event(&mut self, record: Record<'_>) -> Event {
        let Record {
            mut event,
            dropped,
            interface_name,
            ..
        } = record;
        event.time_ns = event.time_ns.saturating_add(self.clock_ns);
        if event.interface != 0 && !interface_name.is_empty() {
            let (netns, index) = (event.netns, event.interface);
            self.interfaces
                .see(netns, index, interface_name, event.time_ns);
        }
        self.namespaces.see(event.netns);
        if let Some((location, reason)) = dropped {
            event.happening = Happening::Dropped {
                reason: self.reasons.name(reason),
                function: self.symbols.function(location),
            };
        }
        event
    }

    /// What each CPU has produced so far.
    ///
    /// # Errors
    /// `System` if the counters cannot be read.
    pub fn produced(&self) -> Result<Vec<Produced>> {
        let mut maps = self.object.maps();
        let counts = maps
            .find(|map| map.name().to_string_lossy().ends_with(".counts"))
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the trace programs have no counts"))?;
        let bytes = counts
            .lookup(&0_u32.to_ne_bytes(), MapFlags::ANY)
            .map_err(|cause| refused("cannot read the counts of the trace programs", cause))?;
        let bytes = bytes.unwrap_or_default();
        let number = |bytes: &[u8], at: usize| {
            let bytes = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
            bytes.map_or(0, u64::from_ne_bytes)
        };
        let cpus = bytes.chunks_exact(COUNT);
        Ok(cpus
            .map(|count| Produced {
                produced: number(count, 0),
                lost: number(count, 8),
            })
            .collect())
    }
}

impl Names for Tracer {
    fn interface(&self, netns: u32, index: u32, time_ns: u64) -> Option<String> {
        let name = self.interfaces.name(netns, index, time_ns);
        name.map(str::to_owned)
    }

    fn netns(&self, inode: u32) -> Option<String> {
        self.namespaces.name(inode).map(str::to_owned)
    }
}

/// What has to be added to the kernel's monotonic clock for nanoseconds since 1970. It stays the
/// same in a run, so that times never step back.
fn clock_ns() -> Result<u64> {
    let failed = |cause: nix::Error| Error::io("cannot read the clock", cause.into());
    let now = |clock| nix::time::clock_gettime(clock).map(Duration::from);
    let since_boot = now(ClockId::CLOCK_MONOTONIC).map_err(failed)?;
    let since_1970 = now(ClockId::CLOCK_REALTIME).map_err(failed)?;
    let apart = since_1970.saturating_sub(since_boot);
    Ok(u64::try_from(apart.as_nanos()).unwrap_or(0))
}

fn refused(what: &str, cause: libbpf_rs::Error) -> Error {
    let kind = match cause.kind() {
        libbpf_rs::ErrorKind::PermissionDenied => ErrorKind::Permission,
        _ => ErrorKind::System,
    };
    Error::new(kind, what).with_source(cause)
}

/// Loads what `open` makes; if the kernel refuses it as a whole, whatever it takes of it. Older
/// kernels have no netfilter programs, and tracepoints with fewer arguments.
fn load(open: impl Fn(&mut Plan) -> Result<OpenObject>) -> Result<(Object, Plan)> {
    let mut plan = Plan::default();
    let cause = match open(&mut plan)?.load() {
        Ok(object) => return Ok((object, plan)),
        Err(cause) => cause,
    };
    let names = wanted(&open(&mut Plan::default())?);
    let mut taken = HashSet::new();
    for name in names {
        let mut alone = open(&mut Plan::default())?;
        only(&mut alone, |program| program == name);
        match alone.load() {
            Ok(_) => {
                taken.insert(name);
            }
            Err(error) => plan.refused.push((name, error.to_string())),
        }
    }
    if taken.is_empty() {
        return Err(not_loaded(cause));
    }
    let mut open = open(&mut Plan::default())?;
    only(&mut open, |program| taken.contains(program));
    Ok((open.load().map_err(not_loaded)?, plan))
}

/// The programs that are to be loaded.
fn wanted(open: &OpenObject) -> Vec<String> {
    let programs = open.progs().filter(|program| program.autoload());
    programs
        .map(|program| program.name().to_string_lossy().into_owned())
        .collect()
}

/// Leaves out all programs but those that `keep` names.
fn only(open: &mut OpenObject, keep: impl Fn(&str) -> bool) {
    for mut program in open.progs_mut() {
        let kept = keep(&program.name().to_string_lossy());
        program.set_autoload(kept && program.autoload());
    }
}

fn not_loaded(cause: libbpf_rs::Error) -> Error {
    let what = match cause.kind() {
        libbpf_rs::ErrorKind::PermissionDenied => {
            "tracing needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN: run it as root. If you are, \
             this kernel refuses a trace program"
        }
        _ => "the kernel does not take the trace programs",
    };
    refused(what, cause)
}

/// Leaves out what this kernel does not have, and says which namespaces are meant.
fn configure(
    open: &mut OpenObject,
    btf: &libbpf_rs::btf::Btf<'_>,
    wanted: &Settings,
    plan: &mut Plan,
) -> Result<()> {
    for mut program in open.progs_mut() {
        let name = program.name().to_string_lossy().into_owned();
        if name.starts_with("nf_") {
            program.set_prog_type(ProgramType::Netfilter);
        }
        let Some(tracepoint) = name.strip_prefix("tp_") else {
            continue;
        };
        let declared = format!("btf_trace_{tracepoint}");
        let found = btf.type_by_name::<libbpf_rs::btf::types::Typedef<'_>>(&declared);
        if found.is_none() {
            program.set_autoload(false);
            let why = "this kernel has no such tracepoint".to_owned();
            plan.refused.push((tracepoint.to_owned(), why));
        }
    }
    let mut maps = open.maps_mut();
    let settings = maps.find(|map| map.name().to_string_lossy().ends_with(".rodata"));
    let mut settings = settings
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the trace programs take no settings"))?;
    let bytes = settings.initial_value_mut().unwrap_or_default();
    for (to, from) in bytes.iter_mut().zip(wanted.bytes()) {
        *to = *from;
    }
    Ok(())
}

fn attach_tracepoints(object: &Object, plan: &mut Plan) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    for program in object.progs_mut() {
        let name = program.name().to_string_lossy().into_owned();
        let Some(tracepoint) = name.strip_prefix("tp_").filter(|_| program.autoload()) else {
            continue;
        };
        match program.attach() {
            Ok(link) => {
                links.push(link);
                let point = PointId::by_name(tracepoint);
                plan.attached.extend(point.map(|point| (point, 1)));
            }
            Err(error) => plan
                .refused
                .push((tracepoint.to_owned(), error.to_string())),
        }
    }
    if links.is_empty() {
        let what = "no tracepoint could be attached: the kernel refuses tracing programs";
        return Err(Error::new(ErrorKind::System, what));
    }
    Ok(links)
}

/// Puts an observer into every gap of every hook of the namespaces. What is refused is written
/// down once for each namespace.
fn attach_hooks(object: &Object, places: &[Option<&str>], plan: &mut Plan) -> Vec<OwnedFd> {
    let mut programs: Vec<(i32, BorrowedFd<'_>)> = Vec::new();
    let all: Vec<_> = object.progs().collect();
    for program in all.iter().filter(|program| program.autoload()) {
        let name = program.name().to_string_lossy();
        let slot = name.strip_prefix("nf_").and_then(|n| n.parse().ok());
        let priority = slot.and_then(|slot: usize| slot::PRIORITIES.get(slot));
        programs.extend(priority.map(|priority| (*priority, program.as_fd())));
    }
    let mut links = Vec::new();
    let mut counts: HashMap<PointId, usize> = HashMap::new();
    for place in places {
        let attached = netns::within(*place, || attach_here(&programs));
        match attached {
            Ok(here) => {
                for (point, link) in here {
                    *counts.entry(point).or_default() += 1;
                    links.push(link);
                }
            }
            Err(error) => {
                let name = format!("netfilter in {}", place.unwrap_or("this namespace"));
                plan.refused.push((name, format!("{error:#}")));
            }
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    for (point, places) in counts {
        match plan.attached.iter_mut().find(|(known, _)| *known == point) {
            Some((_, known)) => *known += places,
            None => plan.attached.push((point, places)),
        }
    }
    links
}

/// The gaps of the namespace of this thread.
fn attach_here(programs: &[(i32, BorrowedFd<'_>)]) -> Result<Vec<(PointId, OwnedFd)>> {
    let mut links = Vec::new();
    for hook in Hook::ALL {
        for (priority, program) in programs {
            let Some(point) = slot::gap_point(hook, *priority) else {
                continue;
            };
            for family in FAMILIES {
                let link = bpf::link_netfilter(*program, family, hook.number(), *priority);
                let link = link.map_err(|cause| {
                    Error::io(format!("cannot attach at {hook} {priority}"), cause)
                })?;
                links.push((point, link));
            }
        }
    }
    Ok(links)
}
