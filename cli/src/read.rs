//! Capture files as the source: `-r`, `-V`, and what is done with their packets.

use crate::args::Args;
use crate::keep;
use crate::output::{self, Origin};
use crate::plan::{self, Wanted, usage};
use crate::print_either;
use crate::report;
use crate::run;
use pktrail::chain::Chain;
use pktrail::engine::{ByLinkType, Order};
use pktrail::file::{self, Between, FileSource, Moment, Progress, Repair};
use pktrail::read::Format;
use pktrail::{Engine, Error, LinkType, Result, Source};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Reads, filters, prints, converts.
pub(crate) fn files(args: &Args, filter: Option<Wanted>) -> Result<ExitCode> {
    refuse_live_flags(args)?;
    let all = paths(args)?;
    refuse_same_file(args, &all)?;
    let mut paths = all.clone().into_iter();
    let first = paths
        .next()
        .ok_or_else(|| usage("-V: the file names no capture file"))?;
    let options = file::Options {
        follow: args.follow,
    };
    let between = between(args)?;
    let mut source = open_part(&first, options, between)?;
    // A pipe may take its time; what it says first decides the output's header.
    let (control, signals) = run::control()?;
    while !source.prime(run::PRIME_WAIT)? && !control.is_stopped() {}
    let progress = Reading::new(args, &all, &source);
    announce(&source);
    let origin = Origin {
        interfaces: source.interfaces().to_vec(),
        section: source.sections().first().cloned(),
        live_since_ns: None,
        show_interface: false,
        owner: None,
    };
    let opened = Arc::clone(&progress.opened);
    // A time of day means that of the first file in the others too.
    let between = between.map(|between| between.resolve(source.first_ns()));
    let rest = paths.map(move |path| open(&path, options, between, &opened));
    let source: Box<dyn Source> = Box::new(Chain::new(Box::new(source), Box::new(rest)));
    let mut engine = Engine::new().order(Order::AsDelivered);
    match filter {
        Some(Wanted::Program(filter)) => {
            engine.add_filtered(source, &filter)?;
        }
        Some(wanted) => {
            let args = args.clone();
            let compile =
                move |link_type| wanted.clone().for_file(&args, link_type, plan::SNAPLEN_MAX);
            // A mistake is found before a file is made.
            let first = origin.interfaces.first();
            compile(first.map_or(LinkType::ETHERNET, |interface| interface.link_type))?;
            engine.add_filtered_by(source, ByLinkType::new(Box::new(compile)));
        }
        None => engine.add(source),
    }
    keep::check_trigger(args, &origin)?;
    let file = output::file(args, &origin)?;
    let sink = output::sink(args, &origin, file)?;
    let mut sink = keep::before(sink, args, &origin, &signals)?;
    run::to_the_end(args, &signals, Some(&progress), |observe| {
        engine.run(&mut *sink, &control, observe)
    })
}

/// The link type of a file's first interface.
pub(crate) fn link_type(path: &Path) -> Result<LinkType> {
    let mut source = FileSource::open(path, file::Options::default())?;
    while !source.prime(run::PRIME_WAIT)? {}
    let first = source.interfaces().first();
    Ok(first.map_or(LinkType::ETHERNET, |interface| interface.link_type))
}

/// How far the reading of one file after the other has come.
pub(crate) struct Reading {
    opened: Arc<Mutex<Vec<Progress>>>,
    /// Of all files; `None` if one is no file.
    size_bytes: Option<u64>,
}

impl Reading {
    fn new(args: &Args, paths: &[PathBuf], first: &FileSource) -> Self {
        let size = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            metadata.is_file().then_some(metadata.len())
        };
        Self {
            opened: Arc::new(Mutex::new(vec![first.progress()])),
            // What is still being written has no size.
            size_bytes: match args.follow {
                true => None,
                false => paths.iter().map(size).sum(),
            },
        }
    }

    /// Percent of all bytes that are read, if it is known how many there are.
    pub(crate) fn percent(&self) -> Option<u64> {
        let opened = self.opened.lock().ok()?;
        let read: u64 = opened.iter().map(Progress::read_bytes).sum();
        let percent = read.saturating_mul(100).checked_div(self.size_bytes?)?;
        Some(percent.min(100))
    }
}

/// Opens a file, for a part of its time if that was asked for.
fn open_part(path: &Path, options: file::Options, between: Option<Between>) -> Result<FileSource> {
    match between {
        Some(between) => FileSource::open_between(path, options, between),
        None => FileSource::open(path, options),
    }
}

/// The part of the time that was asked for.
pub(crate) fn between(args: &Args) -> Result<Option<Between>> {
    let moment = |flag: &str, text: &Option<String>| {
        let moment = text.as_deref().map(str::parse::<Moment>).transpose();
        moment.map_err(|error| error.context(flag.to_owned()))
    };
    let from = moment("--from", &args.from)?;
    let to = moment("--to", &args.to)?;
    Ok((from.is_some() || to.is_some()).then_some(Between { from, to }))
}

fn open(
    path: &Path,
    options: file::Options,
    between: Option<Between>,
    opened: &Mutex<Vec<Progress>>,
) -> Result<Box<dyn Source>> {
    let mut source = open_part(path, options, between)?;
    if let Ok(mut opened) = opened.lock() {
        opened.push(source.progress());
    }
    source.prime(run::PRIME_WAIT)?;
    announce(&source);
    Ok(Box::new(source))
}

/// Says what is read, as tcpdump does.
fn announce(source: &FileSource) {
    let name = source.name();
    let link = source.interfaces().first().map(|interface| {
        let snaplen = match interface.snaplen {
            0 => plan::SNAPLEN_MAX,
            snaplen => snaplen,
        };
        (interface.link_type, snaplen)
    });
    let (link_type, snaplen) = link.unzip();
    let link_name = link_type.and_then(|link_type| link_type.name().map(|(name, _)| name));
    report::either(
        || json!({"reading": {"file": name, "link_type": link_name, "snaplen": snaplen}}),
        || match link {
            Some((link_type, snaplen)) => format!(
                "reading from file {name}, link-type {link_type}, snapshot length {snaplen}"
            ),
            None => format!("reading from file {name}"),
        },
    );
}

fn paths(args: &Args) -> Result<Vec<PathBuf>> {
    let Some(list) = &args.read_list else {
        return Ok(args.read.iter().cloned().collect());
    };
    if args.read.is_some() {
        return Err(usage(
            "give a file by -r or a list of files by -V, not both",
        ));
    }
    let text = match list.as_os_str() == "-" {
        true => io::read_to_string(io::stdin()),
        false => fs::read_to_string(list),
    };
    let text =
        text.map_err(|cause| Error::io(format!("-V: cannot read {}", list.display()), cause))?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(PathBuf::from)
        .collect())
}

/// Writing to a file that is read would destroy it.
fn refuse_same_file(args: &Args, paths: &[PathBuf]) -> Result<()> {
    let file = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
    };
    let Some(written) = args.write.as_ref().and_then(file) else {
        return Ok(());
    };
    match paths.iter().find(|path| file(path) == Some(written)) {
        Some(path) => Err(usage(format!(
            "-w names a file that is read ({}): give the new one another name",
            path.display()
        ))),
        None => Ok(()),
    }
}

fn refuse_live_flags(args: &Args) -> Result<()> {
    let flags = [
        ("-i", !args.interfaces.is_empty()),
        ("--fanout", args.fanout.is_some()),
        ("--netns", args.netns.is_some()),
        ("-Q", args.direction.is_some()),
        ("--ring", args.ring.is_some()),
        ("--block", args.block.is_some()),
    ];
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(usage(format!(
            "{flag} has no meaning for a file that is read"
        ))),
        None => Ok(()),
    }
}

/// `repair FILE …`: makes damaged files clean. One that cannot be repaired does
/// not keep the others from it.
pub(crate) fn repair(paths: &[PathBuf], is_json: bool) -> Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for path in paths {
        let mut shown = Shown::new(is_json);
        let repaired_file = file::repair_observed(path, |done, size| shown.tell(done, size));
        shown.end();
        match repaired_file {
            Ok(done) => {
                print_either(
                    is_json,
                    || repaired_json(path, &done),
                    || repaired(path, &done),
                )?;
            }
            Err(error) => {
                report::error(&error);
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}

/// How far a file is examined, on a terminal.
struct Shown {
    next: Option<Instant>,
    is_there: bool,
}

impl Shown {
    fn new(is_json: bool) -> Self {
        let wanted = !is_json && io::stderr().is_terminal();
        Self {
            next: wanted.then(|| Instant::now() + run::SHORT),
            is_there: false,
        }
    }

    fn tell(&mut self, done: u64, size: u64) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + run::PRIME_WAIT);
            self.is_there = true;
            let percent = done.saturating_mul(100).checked_div(size).unwrap_or(100);
            let _ = write!(io::stderr(), "\r{percent:3} % read ");
        }
    }

    fn end(&self) {
        if self.is_there {
            run::clear_line();
        }
    }
}

fn repaired_json(path: &Path, done: &Repair) -> Value {
    json!({
        "file": path.display().to_string(),
        "format": match done.format {
            Format::Pcap => "pcap",
            Format::Pcapng => "pcapng",
        },
        "kept_packets": done.kept_frames,
        "kept_blocks": done.kept_blocks,
        "kept_bytes": done.kept_bytes,
        "cut_bytes": done.cut_bytes,
        "reason": done.reason,
    })
}

fn repaired(path: &Path, done: &Repair) -> String {
    let name = path.display();
    let kept = format!(
        "{} packets in {} blocks",
        done.kept_frames, done.kept_blocks
    );
    match &done.reason {
        None => format!("{name}: sound, {kept}\n"),
        Some(reason) => format!(
            "{name}: kept {kept}, cut {} bytes: {reason}\n",
            done.cut_bytes
        ),
    }
}
