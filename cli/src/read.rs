//! Capture files as the source: `-r`, `-V`, and what is done with their packets.

use crate::args::Args;
use crate::keep;
use crate::output::{self, Origin};
use crate::plan::{self, Wanted, usage};
use crate::report;
use crate::run;
use pktrail::chain::Chain;
use pktrail::engine::{ByLinkType, Order};
use pktrail::file::{self, FileSource, Moment, Part, Progress};
use pktrail::{Engine, Error, LinkType, Result, Source};
use serde_json::json;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// A file of so many bytes takes a while to read.
const LONG: u64 = 64 << 20;

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
    let part = part(args)?;
    let mut source = open_part(&first, options, part)?;
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
        rings: 1,
    };
    let opened = Arc::clone(&progress.opened);
    // A time of day means that of the first file in the others too.
    let part = part.map(|part| part.resolve(source.first_ns()));
    let rest = paths.map(move |path| open(&path, options, part, &opened));
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
    let mut sink = keep::before(sink, args, &origin, &signals, None)?;
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

/// Opens a file, for a part of it if that was asked for.
fn open_part(path: &Path, options: file::Options, part: Option<Part>) -> Result<FileSource> {
    let Some(part) = part else {
        return FileSource::open(path, options);
    };
    let source = FileSource::open_part(path, options, part)?;
    let size = path.metadata().map_or(0, |metadata| metadata.len());
    if part.flow.is_some() && !source.has_flow_index() && size >= LONG {
        let name = path.display();
        report::note(&format!(
            "all of {name} is read: it has no index of flows; `pktrail index` adds one to a \
             pcapng file"
        ));
    }
    Ok(source)
}

/// The part that was asked for, by time and flow.
pub(crate) fn part(args: &Args) -> Result<Option<Part>> {
    let moment = |flag: &str, text: &Option<String>| {
        let moment = text.as_deref().map(str::parse::<Moment>).transpose();
        moment.map_err(|error| error.context(flag.to_owned()))
    };
    let from = moment("--from", &args.from)?;
    let to = moment("--to", &args.to)?;
    let flow = args.flow.as_deref().map(str::parse).transpose();
    let flow = flow.map_err(|error: Error| error.context("--flow"))?;
    let part = Part { from, to, flow };
    Ok((part != Part::default()).then_some(part))
}

fn open(
    path: &Path,
    options: file::Options,
    part: Option<Part>,
    opened: &Mutex<Vec<Progress>>,
) -> Result<Box<dyn Source>> {
    let mut source = open_part(path, options, part)?;
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
        ("--unordered", args.unordered),
        ("--file-per-ring", args.file_per_ring),
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
