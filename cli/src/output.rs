//! Where packets go: to a file, to the screen, to both, or into a count.

use crate::args::Args;
use crate::plan::{self, usage};
use crate::report;
use crate::size;
use crate::text_sink::{CountSink, Form, TextSink};
use pktrail::limit::{Limit, Limits};
use pktrail::names::SystemNames;
use pktrail::output::{Compression, Event, FileSink, Format, Output, PerRing, ring_name};
use pktrail::pcap::Precision;
use pktrail::pcapng::{Encoder, Section};
use pktrail::rotation::{Rules, parse_size};
use pktrail::tee::Tee;
use pktrail::text::Printer;
use pktrail::{Error, Interface, Result, Sink};
use std::path::Path;

/// What a file says of itself that is in no order.
const UNORDERED: &str = "The packets of several rings are here as they came, not in time order";

/// What the sink needs to know of the source.
pub(crate) struct Origin {
    /// Interfaces known from the start.
    pub(crate) interfaces: Vec<Interface>,
    /// What a file that is read says of where it was made.
    pub(crate) section: Option<Section>,
    /// When a live capture began, in nanoseconds since 1970.
    pub(crate) live_since_ns: Option<u64>,
    /// Whether the interface is part of each line.
    pub(crate) show_interface: bool,
    /// User and group that the first file is given to.
    pub(crate) owner: Option<(u32, u32)>,
    /// How many rings there are.
    pub(crate) rings: usize,
}

/// Finds mistakes in the flags before anything is opened.
pub(crate) fn check(args: &Args) -> Result<()> {
    if args.write.is_none()
        && let Some(flag) = unused_flag(args)
    {
        return Err(usage(format!("{flag} has a meaning only with -w FILE")));
    }
    let to_stdout = args
        .write
        .as_ref()
        .is_some_and(|path| path.as_os_str() == "-");
    if to_stdout && (args.print || args.only_count) {
        let flag = if args.print { "--print" } else { "--count" };
        return Err(usage(format!(
            "{flag} and -w - both write to standard output: name a file with -w"
        )));
    }
    if args.rotate_aligned && args.rotate_seconds.is_none() {
        return Err(usage("--align has a meaning only with -G SECONDS"));
    }
    if args.file_per_ring && (args.unordered || args.keep.is_some()) {
        let flag = if args.unordered {
            "--unordered"
        } else {
            "--keep"
        };
        return Err(usage(format!(
            "--file-per-ring has no meaning with {flag}: give one of the two"
        )));
    }
    format_name(args)?;
    compression(args)?;
    rules(args)?;
    limits(args)?;
    Ok(())
}

/// What is written, if anything: opened before privileges are dropped.
pub(crate) fn file(args: &Args, origin: &Origin) -> Result<Option<PerRing>> {
    let Some(path) = &args.write else {
        return Ok(None);
    };
    let files = match args.file_per_ring {
        false => vec![one_file(path, args, origin)?],
        true => (0..origin.rings)
            .map(|ring| one_file(&ring_name(path, ring)?, args, origin))
            .collect::<Result<_>>()?,
    };
    Ok(Some(PerRing::new(files)))
}

fn one_file(path: &Path, args: &Args, origin: &Origin) -> Result<FileSink> {
    let mut output = Output::new(path);
    output.format = format(args, origin)?;
    output.rules = rules(args)?;
    output.is_live = origin.live_since_ns.is_some();
    output.interfaces.clone_from(&origin.interfaces);
    output.packet_buffered = args.packet_buffered;
    output.compression = compression(args)?;
    output.command = args.post_rotate.as_ref().map(Into::into);
    output.file_log.clone_from(&args.file_log);
    output.owner = origin.owner;
    output.observer = Some(Box::new(observe));
    if !output.is_live {
        output.statistics_every = None;
    }
    FileSink::open(output)
}

/// The whole sink.
pub(crate) fn sink(args: &Args, origin: &Origin, file: Option<PerRing>) -> Result<Box<dyn Sink>> {
    let shown: Option<Box<dyn Sink>> = match (args.only_count, file.is_none() || args.print) {
        (true, _) => Some(Box::new(CountSink::new(args.json))),
        (false, true) => Some(Box::new(text(args, origin)?)),
        (false, false) => None,
    };
    let whole: Box<dyn Sink> = match (file, shown) {
        (Some(file), Some(shown)) => Box::new(Tee::new(file, shown)),
        (Some(file), None) => Box::new(file),
        (None, Some(shown)) => shown,
        (None, None) => Box::new(CountSink::new(args.json)),
    };
    Ok(Box::new(Limit::new(
        whole,
        limits(args)?,
        origin.live_since_ns,
    )))
}

fn limits(args: &Args) -> Result<Limits> {
    let max_bytes = args
        .max_bytes
        .as_ref()
        .map(|text| size::parse("--max-bytes", text));
    let max_bytes = max_bytes.transpose()?;
    if max_bytes == Some(0) {
        return Err(usage(
            "--max-bytes: stop after 0 bytes? give a size from 1 on",
        ));
    }
    Ok(Limits {
        packets: count(args)?,
        bytes: max_bytes,
        duration: plan::seconds("--duration", args.duration)?,
    })
}

fn count(args: &Args) -> Result<Option<u64>> {
    match args.count {
        Some(0) => Err(usage("-c: stop after 0 packets? give a number from 1 on")),
        count => Ok(count),
    }
}

fn text(args: &Args, origin: &Origin) -> Result<TextSink> {
    let mut style = plan::style(args)?;
    style.interface = origin.show_interface;
    // With -n too: local time and the interfaces of cooked frames come from there.
    let printer = Printer::new(style, Box::new(SystemNames::new()));
    let form = if args.json { Form::Json } else { Form::Text };
    Ok(TextSink::new(printer, form))
}

/// A flag that only a file gives a meaning.
fn unused_flag(args: &Args) -> Option<&'static str> {
    let flags = [
        ("-C", args.rotate_bytes.is_some()),
        ("-G", args.rotate_seconds.is_some()),
        ("-W", args.file_count.is_some()),
        ("--rotate-packets", args.rotate_packets.is_some()),
        ("--align", args.rotate_aligned),
        ("-z", args.post_rotate.is_some()),
        ("--file-log", args.file_log.is_some()),
        ("--max-files", args.max_files.is_some()),
        ("--format", args.format.is_some()),
        ("--compress", args.compress.is_some()),
        ("--file-per-ring", args.file_per_ring),
    ];
    flags
        .iter()
        .find(|(_, given)| *given)
        .map(|(flag, _)| *flag)
}

/// The format by `--format`, or by the file's name.
fn compression(args: &Args) -> Result<Option<Compression>> {
    let compression = args.compress.as_deref().map(str::parse).transpose();
    compression.map_err(|error: Error| error.context("--compress"))
}

fn format_name(args: &Args) -> Result<&'static str> {
    let mut name = args.write.as_ref().and_then(|path| path.extension());
    if let (Some(path), Some(_)) = (&args.write, &args.compress)
        && name.is_some_and(|name| ["gz", "zst"].iter().any(|end| name == *end))
    {
        name = path
            .file_stem()
            .and_then(|stem| Path::new(stem).extension());
    }
    let by_name = match name.and_then(|extension| extension.to_str()) {
        Some("pcap" | "cap" | "dmp") => "pcap",
        _ => "pcapng",
    };
    let Some(wanted) = args.format.as_deref() else {
        return Ok(by_name);
    };
    let known = ["pcapng", "pcap", "pcap-ns"];
    let known = known.into_iter().find(|name| *name == wanted);
    known.ok_or_else(|| {
        usage(format!(
            "--format: '{wanted}' is not pcapng, pcap or pcap-ns"
        ))
    })
}

fn format(args: &Args, origin: &Origin) -> Result<Format> {
    let nano = plan::is_nano(args)?;
    let snaplen = plan::snaplen(args)?;
    match format_name(args)? {
        "pcap" if nano => Ok(Format::pcap(Precision::Nano, snaplen)),
        "pcap" => Ok(Format::pcap(Precision::Micro, snaplen)),
        "pcap-ns" => Ok(Format::pcap(Precision::Nano, snaplen)),
        _ => {
            let encoder = Encoder::new(section(args, origin)).with_snaplen(snaplen);
            Ok(Format::pcapng(
                encoder.with_mixed_link_types(args.mixed_link_types),
            ))
        }
    }
}

fn section(args: &Args, origin: &Origin) -> Section {
    let application = Some(concat!("pktrail ", env!("CARGO_PKG_VERSION")).to_owned());
    match &origin.section {
        Some(section) => Section {
            application,
            ..section.clone()
        },
        None => Section {
            application,
            os: pktrail::host::operating_system(),
            hardware: pktrail::host::processor(),
            comments: args
                .unordered
                .then(|| UNORDERED.to_owned())
                .into_iter()
                .collect(),
        },
    }
}

fn rules(args: &Args) -> Result<Rules> {
    let small = |flag: &str, value: Option<u64>| {
        let convert = |value: u64| match u32::try_from(value) {
            Ok(value) if value > 0 => Ok(value),
            _ => Err(usage(format!("{flag}: {value} is not a number of files"))),
        };
        value.map(convert).transpose()
    };
    let bytes = args.rotate_bytes.as_deref().map(parse_size).transpose();
    let rules = Rules {
        bytes: bytes.map_err(|error| usage(format!("-C: {error}")))?,
        packets: args.rotate_packets,
        seconds: args.rotate_seconds,
        aligned: args.rotate_aligned,
        files: small("-W", args.file_count)?,
        stop_after_files: small("--max-files", args.max_files)?,
    };
    for (flag, value) in [("--rotate-packets", rules.packets), ("-G", rules.seconds)] {
        if value == Some(0) {
            return Err(usage(format!(
                "{flag}: 0 would never end a file; give a number from 1 on"
            )));
        }
    }
    Ok(rules)
}

/// Says what became of finished files, where that is not as it should be.
fn observe(event: Event) {
    match event {
        Event::Finished(_) => {}
        Event::CommandFailed { path, reason } => {
            report::note(&format!("-z for {}: {reason}", path.display()));
        }
        Event::CommandLeft { path } => {
            report::note(&format!("-z for {} is still at work", path.display()));
        }
        Event::Notice(text) | Event::Failed(text) => report::note(&text),
        _ => {}
    }
}
