//! Functions of the kernel as points: which ones, and attaching to them.
//!
//! Owns the choice between the methods and what a program is told of its function (the cookie).
//! Where a function has its buffer is read from BTF, not from the table of points.

use super::btf::{self, Function, Returns};
use super::slot;
use crate::sys::bpf_trace::{self, Purpose};
use libbpf_rs::{KprobeOpts, Object, ProgramMut};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pktrail_core::Result;
use pktrail_core::trail::point::{self, Attach};
use pktrail_core::trail::{Layer, Pattern, PointId, SkbAt};
use std::collections::HashMap;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

/// Functions for which a trampoline each is made; for more, one link serves all.
const MOST_TRAMPOLINES: usize = 300;
/// Descriptors of the process, at most.
const MOST_OPEN: u64 = 65_536;
/// At these the network header is not where the buffer says: the packet begins at data.
const RECEIVED: [&str; 7] = [
    "netif_rx_internal",
    "enqueue_to_backlog",
    "gro_receive_skb",
    "dev_gro_receive",
    "__dev_forward_skb",
    "dev_forward_skb",
    "do_xdp_generic",
];
/// Roles of `enum role` in `buffer.h`.
const ROLE_RECEIVED: u64 = 1;
const ROLE_NO_DEVICE: u64 = 4;
const ROLE_PICKS: u64 = 8;
/// Of `enum returns` in `choose.h`.
const SIGNED: u64 = 1 << 24;
const ADDRESS: u64 = 1 << 25;
const PIECES: u64 = 1 << 26;
/// The program in `trace.bpf.c` that runs where a function returns.
pub(super) const AT_EXIT: &str = "fn_exit";

/// A function that is to be attached to.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) point: PointId,
    /// Its name in this kernel.
    pub(super) name: String,
    function: Function,
}

/// What is to be attached, and what there is.
#[derive(Debug, Default)]
pub(super) struct Functions {
    /// Functions that take a buffer, of kernel and modules.
    pub(super) candidates: usize,
    pub(super) chosen: Vec<Chosen>,
    /// Rows of the table that this kernel has no function for.
    pub(super) missing: Vec<PointId>,
    /// How many are attached under a name other than the table's.
    pub(super) renamed: usize,
}

impl Functions {
    /// The functions among the points of `list` (as [`point::select`]), and all others that take
    /// a buffer and fit a name, a pattern or `all` of it. Also the other points of the list.
    ///
    /// # Errors
    /// `Usage` for a word that fits nothing.
    pub(super) fn choose(list: &str) -> Result<(Self, Vec<PointId>)> {
        let all = btf::functions();
        let elsewhere = |pattern: &Pattern| all.keys().any(|name| pattern.fits(name));
        let points = point::select_also(list, elsewhere)?;
        let patterns = Pattern::list(list)?;
        let mut functions = Self {
            candidates: all.len(),
            ..Self::default()
        };
        let mut taken: HashMap<&str, PointId> = HashMap::new();
        for id in &points {
            let Some(row) = id.point() else { continue };
            if !row.attach.contains(&Attach::Fentry) || row.skb == SkbAt::None {
                continue;
            }
            let names = std::iter::once(row.name).chain(row.old_names.iter().map(|old| old.name));
            match names.filter_map(|name| all.get_key_value(name)).next() {
                Some((name, _)) => {
                    functions.renamed += usize::from(name != row.name);
                    taken.insert(name, *id);
                }
                None => functions.missing.push(*id),
            }
        }
        for (name, function) in &all {
            let known = taken.get(name.as_str()).copied();
            let is_meant = || patterns.iter().any(|pattern| pattern.fits(name));
            let point = known.or_else(|| is_meant().then(|| PointId::learn(name)));
            functions.chosen.extend(point.map(|point| Chosen {
                point,
                name: name.clone(),
                function: function.clone(),
            }));
        }
        functions.chosen.sort_by_key(|chosen| chosen.point);
        Ok((functions, points))
    }
}

impl Chosen {
    pub(super) fn is_in_kernel(&self) -> bool {
        self.function.module.is_none()
    }

    /// What the program at the entry is told (`SLOT` and the following in `trace.bpf.c`). `exits`
    /// says whether the exit is watched.
    fn cookie(&self, exits: bool) -> u64 {
        let (way, number) = match self.function.skb {
            SkbAt::Behind(number) => (1, number),
            SkbAt::Member(number) => (2, number),
            SkbAt::Argument(number) => (0, number),
            SkbAt::None => (0, 1),
        };
        let row = self.point.point();
        let is_socket = row.is_some_and(|row| {
            matches!(
                row.layer,
                Layer::Tcp | Layer::Udp | Layer::Socket | Layer::Drop
            )
        });
        let mut role = ROLE_PICKS;
        if is_socket {
            role |= ROLE_NO_DEVICE;
        }
        if RECEIVED.contains(&self.name.as_str()) {
            role |= ROLE_RECEIVED;
        }
        u64::from(slot::of_function(self.point))
            | role << 16
            | u64::from(self.function.state & 15) << 24
            | self.judge() << 28
            | u64::from(exits) << 30
            | way << 32
            | u64::from(number.saturating_sub(1)) << 40
            | u64::from(self.function.offset) << 48
    }

    /// `enum table` of `choose.h`: what an argument tells beside the buffer. Before Linux 5.16
    /// the table of iptables came behind it, and is left alone.
    fn judge(&self) -> u64 {
        match self.name.as_str() {
            "ipt_do_table" | "ip6t_do_table" | "arpt_do_table" => {
                u64::from(self.function.skb == SkbAt::Argument(2))
            }
            "nft_do_chain" => 2,
            name if name.starts_with("ip_vs_") => {
                3 * u64::from(name.ends_with("_xmit") || name.ends_with("_xmit_v6"))
            }
            _ => 0,
        }
    }

    /// What the program at the exit is told (`enum returns` in `choose.h`). `None` if it is not
    /// watched.
    fn exit_cookie(&self) -> Option<u64> {
        let row = self.point.point()?;
        if !row.attach.contains(&Attach::Fexit) {
            return None;
        }
        let (shift, what) = match self.function.returns {
            Returns::Nothing => return None,
            Returns::Number { bits, signed } => {
                (64 - u64::from(bits), if signed { SIGNED } else { 0 })
            }
            Returns::Buffer if row.returns == point::Returns::Pieces => (0, ADDRESS | PIECES),
            Returns::Address | Returns::Buffer => (0, ADDRESS),
        };
        Some(u64::from(slot::of_function(self.point)) | shift << 16 | what)
    }
}

/// How functions are attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// A trampoline for each.
    Fentry,
    /// One link for all.
    KprobeMulti,
    /// A breakpoint for each.
    Kprobe,
}

impl Method {
    /// The name that people know.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::KprobeMulti => "kprobe.multi",
            Self::Kprobe => "kprobe",
        }
    }

    /// The program in `trace.bpf.c`.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Fentry => "fn_entry",
            Self::KprobeMulti => "fn_multi",
            Self::Kprobe => "fn_probe",
        }
    }

    /// Whether the kernel takes a program of this kind, for a function of its own.
    fn is_taken(self, function: Option<&Chosen>) -> std::io::Result<()> {
        let (program_type, attach_type, function) = match self {
            Self::Fentry => (
                bpf_trace::PROGRAM_TRACING,
                bpf_trace::ATTACH_FENTRY,
                function.map_or(0, |chosen| chosen.function.id),
            ),
            Self::KprobeMulti => {
                has_kprobes()?;
                let name = function.map_or("kfree_skbmem", |chosen| &chosen.name);
                return bpf_trace::are_many_taken(&CString::new(name)?).map_err(|cause| {
                    let what = format!("{cause} (Linux 5.18 with CONFIG_FPROBE)");
                    std::io::Error::new(cause.kind(), what)
                });
            }
            Self::Kprobe => {
                has_kprobes()?;
                (bpf_trace::PROGRAM_KPROBE, 0, 0)
            }
        };
        bpf_trace::is_taken(Purpose {
            program_type,
            attach_type,
            function,
            module: None,
        })
    }

    /// The best that this kernel takes for so many functions; `wanted` alone, if it is given. Else
    /// why there is none.
    pub(super) fn best(
        functions: &Functions,
        wanted: Option<Self>,
    ) -> std::result::Result<Self, String> {
        let mut own = functions.chosen.iter();
        let own = own.find(|chosen| chosen.is_in_kernel());
        let few = functions.chosen.len() <= MOST_TRAMPOLINES;
        let order = match (wanted, few) {
            (Some(method), _) => vec![method],
            (None, true) => vec![Self::Fentry, Self::KprobeMulti, Self::Kprobe],
            (None, false) => vec![Self::KprobeMulti, Self::Fentry, Self::Kprobe],
        };
        let mut refusals = Vec::new();
        for method in order {
            match method.is_taken(own) {
                Ok(()) => return Ok(method),
                Err(cause) => refusals.push(format!("{}: {cause}", method.name())),
            }
        }
        Err(refusals.join("; "))
    }
}

/// Programs for kprobes load on kernels that have none.
fn has_kprobes() -> std::io::Result<()> {
    let none = |_| std::io::Error::other("this kernel has no kprobes");
    fs::metadata("/sys/bus/event_source/devices/kprobe")
        .map(drop)
        .map_err(none)
}

/// What was attached, and what was refused with the reason.
#[derive(Default)]
pub(super) struct Attached {
    pub(super) links: Vec<OwnedFd>,
    pub(super) probes: Vec<libbpf_rs::Link>,
    pub(super) points: Vec<PointId>,
    /// Of these, how many tell what they return.
    pub(super) exits: usize,
    pub(super) refused: Vec<(String, String)>,
}

/// Attaches to all that is chosen. A function that is refused does not hinder the others.
pub(super) fn attach(object: &Object, functions: &Functions, method: Method) -> Attached {
    let mut attached = Attached::default();
    let mut programs = object.progs_mut();
    let Some(program) = programs.find(|program| program.name() == method.program()) else {
        return attached;
    };
    match method {
        Method::Fentry => {
            let mut exits = object.progs_mut();
            let exit = exits.find(|program| program.name() == AT_EXIT);
            let exit = exit.filter(|program| program.autoload());
            trampolines(&program, exit.as_ref(), &functions.chosen, &mut attached);
        }
        Method::KprobeMulti => {
            let traceable = traceable();
            let (can, cannot): (Vec<&Chosen>, Vec<&Chosen>) = functions
                .chosen
                .iter()
                .partition(|chosen| traceable.as_ref().is_none_or(|t| t.contains(&chosen.name)));
            let why = "the kernel does not let it be traced".to_owned();
            let cannot = cannot.into_iter();
            attached
                .refused
                .extend(cannot.map(|chosen| (chosen.name.clone(), why.clone())));
            multi(&program, &can, &mut attached);
        }
        Method::Kprobe => breakpoints(&program, &functions.chosen, &mut attached),
    }
    attached
}

/// The functions that can be traced, if the kernel says so.
fn traceable() -> Option<std::collections::HashSet<String>> {
    let places = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
    let read = |place: &&str| fs::read_to_string(format!("{place}/available_filter_functions"));
    let text = places.iter().find_map(|place| read(place).ok())?;
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    Some(text.lines().filter_map(name).collect())
}

/// A program of its own for each function, and one more where it returns.
fn trampolines(
    entry: &ProgramMut<'_>,
    exit: Option<&ProgramMut<'_>>,
    chosen: &[Chosen],
    attached: &mut Attached,
) {
    make_room();
    let modules = modules();
    for one in chosen {
        let module = one.function.module.as_deref();
        let types = match module.map(|name| modules.get(name)) {
            Some(None) => {
                let why = "its module has no types here".to_owned();
                attached.refused.push((one.name.clone(), why));
                continue;
            }
            types => types.flatten(),
        };
        let run = |program: &ProgramMut<'_>, attach_type, cookie| {
            let purpose = Purpose {
                program_type: bpf_trace::PROGRAM_TRACING,
                attach_type,
                function: one.function.id,
                module: types.map(OwnedFd::as_fd),
            };
            let program = bpf_trace::load_for(purpose, program.insns())?;
            bpf_trace::link_function(program.as_fd(), attach_type, cookie)
        };
        // The exit first: an entry that nobody waits for would be remembered.
        let exit = exit.zip(one.exit_cookie());
        let exit = exit.map(|(program, cookie)| run(program, bpf_trace::ATTACH_FEXIT, cookie));
        let exit = exit.and_then(|exit| match exit {
            Ok(link) => Some(link),
            Err(cause) => {
                let what = format!("the exit of {}", one.name);
                attached.refused.push((what, cause.to_string()));
                None
            }
        });
        let cookie = one.cookie(exit.is_some());
        match run(entry, bpf_trace::ATTACH_FENTRY, cookie) {
            Ok(link) => {
                attached.exits += usize::from(exit.is_some());
                attached.links.extend(exit);
                attached.links.push(link);
                attached.points.push(one.point);
            }
            Err(cause) => attached.refused.push((one.name.clone(), cause.to_string())),
        }
    }
}

/// A trampoline holds two descriptors, and so does a breakpoint: with hundreds the usual limit of
/// 1,024 is over. It is raised as far as the process may.
fn make_room() {
    if let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, now.max(most.min(MOST_OPEN)), most);
    }
}

/// The types of modules by name.
fn modules() -> HashMap<String, OwnedFd> {
    let infos = libbpf_rs::query::BtfInfoIter::default();
    infos
        .filter_map(|info| {
            let name = info.name.to_string_lossy().into_owned();
            Some((name, bpf_trace::types_by_id(info.id).ok()?))
        })
        .collect()
}

/// One link for all; where the kernel refuses that, for halves, down to those that it refuses.
fn multi(program: &ProgramMut<'_>, chosen: &[&Chosen], attached: &mut Attached) {
    if chosen.is_empty() {
        return;
    }
    let named = |one: &&Chosen| Some((CString::new(one.name.as_str()).ok()?, one.cookie(false)));
    let functions: Vec<(CString, u64)> = chosen.iter().filter_map(named).collect();
    match (
        bpf_trace::link_functions(program.as_fd(), &functions),
        chosen,
    ) {
        (Ok(link), _) => {
            attached.links.push(link);
            attached.points.extend(chosen.iter().map(|one| one.point));
        }
        (Err(cause), [one]) => attached.refused.push((one.name.clone(), cause.to_string())),
        (Err(_), several) => {
            let (first, second) = several.split_at(several.len() / 2);
            multi(program, first, attached);
            multi(program, second, attached);
        }
    }
}

fn breakpoints(program: &ProgramMut<'_>, chosen: &[Chosen], attached: &mut Attached) {
    make_room();
    for one in chosen {
        let options = KprobeOpts {
            cookie: one.cookie(false),
            ..KprobeOpts::default()
        };
        match program.attach_kprobe_with_opts(false, &one.name, options) {
            Ok(link) => {
                attached.probes.push(link);
                attached.points.push(one.point);
            }
            Err(cause) => attached.refused.push((one.name.clone(), cause.to_string())),
        }
    }
}
