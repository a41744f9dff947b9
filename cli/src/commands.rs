//! The commands: what the first word may be.

use crate::args::Args;
use crate::plan::usage;
use crate::{devices, in_place, packets, print, print_either, report, usage as mistakes};
use clap::error::ErrorKind as ClapKind;
use clap::{CommandFactory, Parser};
use pktrail::Result;
use pktrail::backend::Probe;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

type Command = fn(Vec<OsString>) -> Result<ExitCode>;

/// The command of that name.
pub(crate) fn by_name(name: &str) -> Option<Command> {
    Some(match name {
        "capture" => packets,
        "devices" => devices,
        "doctor" => doctor,
        "repair" => repair,
        "index" => index,
        "bench" => crate::bench::command,
        "completions" => completions,
        #[cfg(feature = "trace")]
        "trace" => crate::trace::command,
        _ => return None,
    })
}

/// Lists the interfaces with everything known about them.
#[derive(Parser)]
#[command(name = "pktrail devices", bin_name = "pktrail devices")]
struct Devices {
    /// Network namespace: a name, a path or a process id
    #[arg(long, value_name = "NAME")]
    netns: Option<String>,
    /// JSON (docs/json.md)
    #[arg(long)]
    json: bool,
}

fn devices(words: Vec<OsString>) -> Result<ExitCode> {
    let Some(args) = parse::<Devices>(words)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let netns = args.netns.as_deref();
    print(&if args.json {
        devices::json(netns)?
    } else {
        devices::table(netns)?
    })
}

/// Says what this machine can do for a capture, backend by backend.
#[derive(Parser)]
#[command(name = "pktrail doctor", bin_name = "pktrail doctor")]
struct Doctor {
    /// JSON (docs/json.md)
    #[arg(long)]
    json: bool,
}

fn doctor(words: Vec<OsString>) -> Result<ExitCode> {
    let Some(Doctor { json }) = parse(words)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let (mut text, mut rows) = (String::new(), Vec::new());
    let mut row = |name: &str, about: &str, probe: Probe| {
        let (mark, said) = match probe {
            Probe::Works { can } => ("works", can),
            Probe::Needs(error) => ("needs", format!("{error:#}")),
            Probe::Cannot(error) => ("cannot", format!("{error:#}")),
        };
        text.push_str(&format!("{mark:7} {name} ({about}): {said}\n"));
        rows.push(json!({"backend": name, "about": about, "state": mark, "detail": said}));
    };
    for backend in pktrail::BACKENDS {
        row(backend.name, backend.about, (backend.probe)());
    }
    let (probe, points) = tracing();
    row("trace", "the way of packets through the kernel", probe);
    if let Some(last) = rows.last_mut() {
        last["points"] = points;
    }
    print_either(json, || Value::Array(rows), || text)
}

#[cfg(feature = "trace")]
use crate::trace::doctor as tracing;

#[cfg(not(feature = "trace"))]
fn tracing() -> (Probe, Value) {
    let kind = pktrail::ErrorKind::Usage;
    let what = "this pktrail was built without it: `cargo build --features trace`";
    (Probe::Cannot(pktrail::Error::new(kind, what)), Value::Null)
}

/// Makes damaged capture files clean: cuts what is after the last whole block.
#[derive(Parser)]
#[command(name = "pktrail repair", bin_name = "pktrail repair")]
struct Repair {
    /// The files, changed in place
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// JSON (docs/json.md)
    #[arg(long)]
    json: bool,
}

fn repair(words: Vec<OsString>) -> Result<ExitCode> {
    match parse::<Repair>(words)? {
        Some(args) => {
            report::use_json(args.json);
            in_place::repair(&args.files, args.json)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Adds an index of times and flows to pcapng files, which --from, --to and --flow
/// then need not read whole.
#[derive(Parser)]
#[command(name = "pktrail index", bin_name = "pktrail index")]
struct Index {
    /// The files, to which it is appended
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// JSON (docs/json.md)
    #[arg(long)]
    json: bool,
}

fn index(words: Vec<OsString>) -> Result<ExitCode> {
    match parse::<Index>(words)? {
        Some(args) => {
            report::use_json(args.json);
            in_place::index(&args.files, args.json)
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Prints a shell's completions for pktrail.
#[derive(Parser)]
#[command(name = "pktrail completions", bin_name = "pktrail completions")]
struct Completions {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
}

fn completions(words: Vec<OsString>) -> Result<ExitCode> {
    let Some(args) = parse::<Completions>(words)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "pktrail", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// The words of a command; nothing if they only asked for help.
pub(crate) fn parse<T: Parser>(words: Vec<OsString>) -> Result<Option<T>> {
    match T::try_parse_from(words) {
        Ok(args) => Ok(Some(args)),
        Err(error) if error.kind() == ClapKind::DisplayHelp => {
            print(&error.to_string())?;
            Ok(None)
        }
        Err(error) => Err(usage(mistakes::sentence(&error))),
    }
}
