//! What is attached where: made by trying, before anything is reported.
//!
//! Owns loading the programs, with what the kernel refuses left out, and attaching them. How
//! functions are attached to is `functions`'s.

use super::devices;
use super::functions::{self, Functions, Method};
use super::settings::{self, Settings};
use super::{PROGRAMS, Selection, refused, rules, slot, with_filter};
use crate::netns;
use crate::sys::bpf;
use crate::sys::bpf_trace::{self, Purpose};
use libbpf_rs::btf::Btf;
use libbpf_rs::{Link, Object, ObjectBuilder, OpenObject, ProgramType};
use pktrail_core::trail::hook::Hook;
use pktrail_core::trail::point::{self, Attach, DEFAULT, Point, PointId};
use pktrail_core::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// `NFPROTO_IPV4` and `NFPROTO_IPV6`.
const FAMILIES: [u32; 2] = [2, 10];
/// Priorities of a gap that are tried; the narrowest gaps have 49.
const MOST_TRIES: i32 = 16;
/// Tracepoints that end the life of a buffer: without them a trail has no end.
const ENDS: [&str; 2] = ["kfree_skb", "consume_skb"];
/// The hooks that are watched where there are no tables: where packets begin, are forwarded and
/// arrive. At the other two nothing can have happened that these do not show.
const BARE: [Hook; 3] = [Hook::Input, Hook::Forward, Hook::Output];

/// What was attached, and what the kernel refused.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The points, and at how many places each: a hook has one for each namespace and family.
    pub attached: Vec<(PointId, usize)>,
    /// The points that are missing, and why.
    pub refused: Vec<(String, String)>,
    /// Functions that take a packet, of the kernel and its modules; 0 if none was asked for.
    pub candidates: usize,
    /// How functions are attached to, and how many are.
    pub functions: Option<(Method, usize)>,
    /// Of these, those that tell what they return. Only trampolines do.
    pub returning: usize,
    /// Of these, those that have another name in this kernel than in the table.
    pub renamed: usize,
    /// Functions of the table that this kernel does not have.
    pub missing: Vec<PointId>,
}

/// Tracepoints at which packets are picked up (`PICKS` in `trace.bpf.c`).
pub(super) const PICK_UP: [&str; 4] = [
    "napi_gro_receive_entry",
    "netif_receive_skb",
    "net_dev_queue",
    "tcp_bad_csum",
];

impl Plan {
    /// Whether packets that fit are picked up somewhere before they end. Most tracepoints only
    /// tell of packets that are followed already.
    pub fn picks_up(&self) -> bool {
        self.has_hooks() || self.picks_up_forwarded()
    }

    /// The same for packets that are neither sent nor read here: at hooks alone only those are
    /// picked up.
    pub fn picks_up_forwarded(&self) -> bool {
        self.attached.iter().any(|(id, _)| {
            let seldom = [Attach::RawTp, Attach::Netfilter];
            let is_seldom = |point: &Point| point.attach.iter().any(|way| seldom.contains(way));
            PICK_UP.contains(&id.name()) || !id.point().is_some_and(is_seldom)
        })
    }

    fn has_hooks(&self) -> bool {
        let mut points = self.attached.iter().filter_map(|(id, _)| id.point());
        points.any(|point| point.attach.contains(&Attach::Netfilter))
    }

    /// A point is attached at one place more.
    pub(super) fn count(&mut self, point: PointId) {
        match self.attached.iter_mut().find(|(known, _)| *known == point) {
            Some((_, places)) => *places += 1,
            None => self.attached.push((point, 1)),
        }
    }
}

/// What is asked for.
pub(super) struct Wish {
    points: HashSet<PointId>,
    /// The default points are among them, so that hooks without tables are watched at their ends
    /// only.
    by_default: bool,
    functions: Functions,
    method: Option<Method>,
}

impl Wish {
    fn new(selection: &Selection, plan: &mut Plan) -> Result<Self> {
        let list = selection.points.as_deref().unwrap_or(DEFAULT);
        let by_default = list.split(',').any(|word| word.trim() == DEFAULT);
        if list == DEFAULT {
            return Ok(Self {
                points: point::select(list)?.into_iter().collect(),
                by_default,
                functions: Functions::default(),
                method: None,
            });
        }
        let (functions, points) = Functions::choose(list)?;
        plan.candidates = functions.candidates;
        plan.renamed = functions.renamed;
        plan.missing.clone_from(&functions.missing);
        let mut method = None;
        if !functions.chosen.is_empty() {
            match Method::best(&functions, selection.method) {
                Ok(best) => method = Some(best),
                Err(why) => plan
                    .refused
                    .push((format!("{} functions", functions.chosen.len()), why)),
            }
        }
        Ok(Self {
            points: points.into_iter().collect(),
            by_default,
            functions,
            method,
        })
    }

    pub(super) fn has(&self, point: PointId) -> bool {
        self.points.contains(&point)
    }
}

/// The programs in the kernel, and what they are for.
pub(super) struct Loaded {
    pub(super) object: Object,
    pub(super) plan: Plan,
    pub(super) wish: Wish,
}

/// What ends when it is dropped.
#[derive(Default)]
pub(super) struct Links {
    links: Vec<Link>,
    descriptors: Vec<OwnedFd>,
}

impl Loaded {
    pub(super) fn load(selection: &Selection, settings: &Settings, btf: &Btf<'_>) -> Result<Self> {
        let programs = with_filter(PROGRAMS, selection.filter.as_ref())?;
        let mut plan = Plan::default();
        let wish = Wish::new(selection, &mut plan)?;
        let has_netfilter = bpf_trace::is_taken(Purpose {
            program_type: bpf_trace::PROGRAM_NETFILTER,
            attach_type: bpf_trace::ATTACH_NETFILTER,
            ..Purpose::default()
        });
        let open = |plan: &mut Plan| {
            let mut open = ObjectBuilder::default()
                .open_memory(&programs)
                .map_err(|cause| refused("cannot read the trace programs", cause))?;
            configure(&mut open, btf, &wish, has_netfilter.is_ok(), plan);
            set(&mut open, ".rodata", settings.bytes())?;
            set(&mut open, ".rodata.machine", &settings::machine())?;
            Ok(open)
        };
        let object = load(&mut plan, open)?;
        if let Err(cause) = has_netfilter {
            let what = "the places between the tables of netfilter".to_owned();
            plan.refused.push((what, format!("{cause} (Linux 6.4)")));
        }
        Ok(Self { object, plan, wish })
    }

    /// Attaches all but netfilter. From here on events come.
    pub(super) fn attach(&mut self) -> Result<Links> {
        let (plan, wish) = (&mut self.plan, &self.wish);
        let mut links = Links {
            links: attach_tracepoints(&self.object, plan)?,
            ..Links::default()
        };
        if let Some(method) = wish.method {
            let attached = functions::attach(&self.object, &wish.functions, method);
            plan.functions = Some((method, attached.points.len()));
            plan.returning = attached.exits;
            plan.attached
                .extend(attached.points.into_iter().map(|point| (point, 1)));
            plan.refused.extend(attached.refused);
            links.links.extend(attached.probes);
            links.descriptors.extend(attached.links);
        }
        Ok(links)
    }

    /// Attaches to the hooks of one namespace.
    pub(super) fn attach_hooks(&mut self, place: Option<&str>) -> Hooks {
        attach_hooks(&self.object, place, &self.wish, &mut self.plan)
    }
}

/// Loads what `open` makes; if the kernel refuses it as a whole, whatever it takes of it.
fn load(plan: &mut Plan, open: impl Fn(&mut Plan) -> Result<OpenObject>) -> Result<Object> {
    let cause = match open(plan)?.load() {
        Ok(object) => return Ok(object),
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
    open.load().map_err(not_loaded)
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
        _ => {
            let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            let what = format!(
                "this kernel (Linux {}) does not take the trace programs, which need 5.8 or later",
                release.trim()
            );
            return refused(&what, cause);
        }
    };
    refused(what, cause)
}

/// Leaves out what this kernel does not have, and what nobody asked for.
fn configure(
    open: &mut OpenObject,
    btf: &Btf<'_>,
    wish: &Wish,
    has_netfilter: bool,
    plan: &mut Plan,
) {
    let mut function = wish.functions.chosen.iter();
    let function = function.find(|chosen| chosen.is_in_kernel());
    for mut program in open.progs_mut() {
        let name = program.name().to_string_lossy().into_owned();
        if name.starts_with("nf_") {
            program.set_prog_type(ProgramType::Netfilter);
            program.set_autoload(has_netfilter);
        } else if name.starts_with("fn_") {
            let at_exit = name == functions::AT_EXIT;
            let is_it = wish.method.is_some_and(|method| {
                method.program() == name || at_exit && method == Method::Fentry
            });
            program.set_autoload(is_it);
            let is_pattern = is_it && (at_exit || name == Method::Fentry.program());
            if let Some(function) = function.filter(|_| is_pattern) {
                // Only a pattern for the others, but it has to be loaded for some function.
                let _ = program.set_attach_target(0, Some(function.name.clone()));
            }
        } else if let Some(point) = devices::point_of(&name) {
            program.set_autoload(wish.has(point));
        } else if let Some(tracepoint) = name.strip_prefix("tp_") {
            let point = PointId::by_name(tracepoint);
            if !ENDS.contains(&tracepoint) && !point.is_some_and(|point| wish.has(point)) {
                program.set_autoload(false);
                continue;
            }
            let declared = format!("btf_trace_{tracepoint}");
            let found = btf.type_by_name::<libbpf_rs::btf::types::Typedef<'_>>(&declared);
            if found.is_none() {
                program.set_autoload(false);
                let why = "this kernel has no such tracepoint".to_owned();
                plan.refused.push((tracepoint.to_owned(), why));
            }
        }
    }
}

/// Gives constants of the programs their values.
fn set(open: &mut OpenObject, section: &str, bytes: &[u8]) -> Result<()> {
    let mut maps = open.maps_mut();
    let constants = maps.find(|map| map.name().to_string_lossy().ends_with(section));
    let mut constants = constants
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the trace programs take no settings"))?;
    let to = constants.initial_value_mut().unwrap_or_default();
    for (to, from) in to.iter_mut().zip(bytes) {
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

/// What is attached to the hooks of a namespace.
#[derive(Default)]
pub(super) struct Hooks {
    _links: Vec<OwnedFd>,
    /// Nothing else was registered there: only the ends of the hooks in `BARE` are watched, since
    /// there is nothing between them to tell of.
    pub(super) is_bare: bool,
}

/// Puts an observer into every gap of every hook of a namespace, or where there are no tables, at
/// the end of those that packets begin at, are forwarded and arrive by. What is refused is written
/// down once.
pub(super) fn attach_hooks(
    object: &Object,
    place: Option<&str>,
    wish: &Wish,
    plan: &mut Plan,
) -> Hooks {
    let mut programs: Vec<(i32, BorrowedFd<'_>)> = Vec::new();
    let all: Vec<_> = object.progs().collect();
    for program in all.iter().filter(|program| program.autoload()) {
        let name = program.name().to_string_lossy();
        let slot = name.strip_prefix("nf_").and_then(|n| n.parse().ok());
        let priority = slot.and_then(|slot: usize| slot::PRIORITIES.get(slot));
        programs.extend(priority.map(|priority| (*priority, program.as_fd())));
    }
    if programs.is_empty() {
        return Hooks::default();
    }
    match netns::within(place, || Ok(attach_here(&programs, wish))) {
        Ok(here) => {
            for (point, cause) in here.refused {
                let place = place.unwrap_or("this namespace");
                let what = format!("{} in {place}", point.name());
                plan.refused.push((what, cause.to_string()));
            }
            let links = here.links.into_iter().map(|(point, link)| {
                plan.count(point);
                link
            });
            Hooks {
                _links: links.collect(),
                is_bare: here.is_bare,
            }
        }
        Err(error) => {
            let name = format!("netfilter in {}", place.unwrap_or("this namespace"));
            plan.refused.push((name, format!("{error:#}")));
            Hooks::default()
        }
    }
}

/// What is attached in a namespace.
struct Here {
    is_bare: bool,
    links: Vec<(PointId, OwnedFd)>,
    refused: Vec<(PointId, io::Error)>,
}

/// The gaps of the namespace of this thread.
fn attach_here(programs: &[(i32, BorrowedFd<'_>)], wish: &Wish) -> Here {
    // Points that were asked for by name are all watched.
    let is_bare = wish.by_default && !rules::has_hooks();
    let mut here = Here {
        is_bare,
        links: Vec::new(),
        refused: Vec::new(),
    };
    for hook in Hook::ALL
        .into_iter()
        .filter(|hook| !is_bare || BARE.contains(hook))
    {
        let points = programs.iter().filter_map(|(priority, program)| {
            let point = slot::gap_point(hook, *priority);
            let point = point.filter(|point| wish.has(*point))?;
            Some((*priority, program, point))
        });
        let points: Vec<_> = points.collect();
        let from = if is_bare {
            points.len().saturating_sub(1)
        } else {
            0
        };
        for (priority, program, point) in points.into_iter().skip(from) {
            for family in FAMILIES {
                match link(*program, family, hook, priority) {
                    Ok(link) => here.links.push((point, link)),
                    Err(cause) => here.refused.push((point, cause)),
                }
            }
        }
    }
    here
}

/// Attaches in a gap. A priority that a chain has is refused: then it is one of the next ones.
fn link(program: BorrowedFd<'_>, family: u32, hook: Hook, priority: i32) -> io::Result<OwnedFd> {
    let mut last = io::Error::from_raw_os_error(libc::EBUSY);
    for further in 0..MOST_TRIES {
        match bpf::link_netfilter(program, family, hook.number(), priority + further) {
            Err(cause) if cause.raw_os_error() == Some(libc::EBUSY) => last = cause,
            result => return result,
        }
    }
    Err(last)
}
