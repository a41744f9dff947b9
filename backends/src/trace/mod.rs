//! Following packets through the kernel: programs at tracepoints and between the tables of
//! netfilter, and the events that they report.
//!
//! Owns loading, attaching, the ring, and the names of interfaces and namespaces. Which events
//! are one packet's is decided by `pktrail_core::trail`. Needs no kprobes.

mod adopt;
mod btf;
mod cgroups;
mod devices;
mod doctor;
mod facts;
mod filter;
mod follow;
mod functions;
mod names;
mod plan;
mod record;
mod rings;
mod rules;
mod settings;
mod slot;

pub use adopt::Moved;
use cgroups::Cgroups;
use devices::Devices;
pub use doctor::attempt;
pub use filter::with_filter;
pub use follow::{Followed, Summary};
pub use functions::Method;
use libbpf_rs::btf::Btf;
use libbpf_rs::{MapCore, MapFlags, Object};
pub use names::KnownNames;
use names::{Interfaces, Namespaces, Reasons, Symbols};
use nix::time::ClockId;
use pktrail_core::filter::SkbFilter;
use pktrail_core::trail::{Event, Frame, Happening, Names, Process};
use pktrail_core::{Error, ErrorKind, Result};
pub use plan::Plan;
use plan::{Hooks, Links, Loaded, Wish};
use record::Record;
use rings::Rings;
pub use rules::RulePlan;
use settings::Settings;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

static PROGRAMS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/trace.bpf.o"));

/// Bytes of `struct count` in `report.h`.
const COUNT: usize = 64;

/// Bytes of memory for the events of a moment, where those before are still in use.
const BATCH: usize = 1 << 18;

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
    /// Only count events, and report none: what the cheapest observer at the same points costs.
    pub count_only: bool,
    /// The points, as [`select`](pktrail_core::trail::point::select) takes them; functions of the
    /// kernel that have no row too, and with `all` every one that takes a packet. `None`:
    /// `default`, the tracepoints and the places between the tables of netfilter.
    pub points: Option<String>,
    /// How functions are attached to. `None`: the best that the kernel takes.
    pub method: Option<Method>,
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

/// Numbers that the programs gave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Produced {
    /// Events.
    pub produced: u64,
    /// Of these, events for which the ring had no room.
    pub lost: u64,
    /// Buffers that were followed no longer, since others needed their places.
    pub displaced: u64,
}

/// A running trace. Everything is detached when it is dropped, or the process ends.
pub struct Tracer {
    // Dropped first, so that nothing reports any more.
    links: Links,
    /// By what was entered; the empty name is one's own namespace.
    hooks: HashMap<String, Hooks>,
    devices: Devices,
    tables_read: Instant,
    /// Namespaces were chosen: new ones are left alone.
    chosen: bool,
    wish: Wish,
    rings: Rings,
    object: Object,
    /// What was read last. Events that keep their frames share it.
    batch: Arc<Vec<u8>>,
    keep_frames: bool,
    plan: Plan,
    interfaces: Interfaces,
    cgroups: Cgroups,
    /// From the kernel's monotonic clock to the time since 1970.
    clock_ns: u64,
    namespaces: Namespaces,
    /// A copy of the names, until there are others.
    known: Option<Arc<KnownNames>>,
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
        let btf = kernel_types()?;
        let mut loaded = Loaded::load(selection, &settings, &btf)?;
        let rings = Rings::open(&loaded.object, selection.ring_bytes)?;
        let links = loaded.attach()?;
        let places: Vec<Option<&str>> = match &selection.namespaces[..] {
            [] => std::iter::once(None)
                .chain(namespaces.paths().map(Some))
                .collect(),
            names => names.iter().map(|name| Some(name.as_str())).collect(),
        };
        let hooks = places.into_iter().map(|place| {
            let hooks = loaded.attach_hooks(place);
            (place.unwrap_or("").to_owned(), hooks)
        });
        let hooks: HashMap<_, _> = hooks.collect();
        let Loaded {
            object,
            mut plan,
            wish,
        } = loaded;
        let mut devices = Devices::default();
        devices.follow(&object, hooks.keys(), &wish, &mut plan);
        Ok(Self {
            links,
            hooks,
            devices,
            tables_read: Instant::now(),
            chosen: !selection.namespaces.is_empty(),
            wish,
            rings,
            object,
            batch: Arc::default(),
            keep_frames: selection.keep_frames,
            plan,
            interfaces: Interfaces::default(),
            cgroups: Cgroups::default(),
            clock_ns: clock_ns()?,
            namespaces,
            known: None,
            reasons: Reasons::read(&btf),
            symbols: Symbols::default(),
        })
    }

    /// What is attached.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The names that are known now, for a thread that makes text of trails.
    pub fn known_names(&mut self) -> Arc<KnownNames> {
        let known = || {
            Arc::new(KnownNames::of(
                &self.interfaces,
                &self.namespaces,
                &self.cgroups,
            ))
        };
        Arc::clone(self.known.get_or_insert_with(known))
    }

    /// Takes everything off the kernel. What was reported before can still be polled.
    pub fn detach(&mut self) {
        self.links = Links::default();
        self.hooks.clear();
        self.devices.clear();
    }

    /// Waits for events for `timeout` at most, and hands each to `take`. They are in the order of
    /// the rings: those of one CPU are nearly in time order.
    ///
    /// # Errors
    /// `System` if a ring cannot be read.
    pub fn poll(&mut self, timeout: Duration, mut take: impl FnMut(Event)) -> Result<()> {
        // Memory is used again if no event keeps it.
        let mut memory = std::mem::take(&mut self.batch);
        let mut batch =
            Arc::get_mut(&mut memory).map_or_else(|| Vec::with_capacity(BATCH), std::mem::take);
        batch.clear();
        self.rings.read(timeout, &mut batch);
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
            if self
                .interfaces
                .see(netns, index, interface_name, event.time_ns)
            {
                self.known = None;
            }
        }
        self.namespaces.see(event.netns);
        if let Some(process) = &event.process
            && self.cgroups.see(process)
        {
            self.known = None;
        }
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
                displaced: number(count, 16),
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

    fn cgroup(&self, process: &Process) -> Option<String> {
        self.cgroups.path(process).map(str::to_owned)
    }
}

/// The kernel's reasons for dropping a packet, without SKB_DROP_REASON_, as [`Happening::Dropped`]
/// names them. Those of subsystems are not among them. Needs no privilege.
///
/// # Errors
/// `Unsupported` if the kernel has no BTF.
pub fn drop_reasons() -> Result<Vec<String>> {
    libbpf_rs::set_print(None);
    Ok(Reasons::read(&kernel_types()?).names())
}

fn kernel_types() -> Result<Btf<'static>> {
    Btf::from_vmlinux().map_err(|cause| {
        let kind = ErrorKind::Unsupported {
            feature: "tracing",
            since: "a kernel with BTF (CONFIG_DEBUG_INFO_BTF)",
        };
        let what = "tracing needs a kernel that tells its types (CONFIG_DEBUG_INFO_BTF): \
                    cannot read /sys/kernel/btf/vmlinux";
        Error::new(kind, what).with_source(cause)
    })
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
