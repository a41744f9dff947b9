//! The program `pktrail`: what was typed, what it means, what is shown.
//!
//! Exit status: 0 done, 1 something was lost or failed, 2 wrong usage. That the
//! reader of a pipe has gone is no failure.

mod args;
mod bench;
mod commands;
mod devices;
mod in_place;
mod keep;
mod live;
mod output;
mod plan;
mod read;
mod report;
mod run;
mod show;
mod size;
mod text_sink;
#[cfg(feature = "trace")]
mod trace;
mod usage;

use args::Args;
use clap::Parser;
use clap::error::ErrorKind as ClapKind;
use pktrail::{ErrorKind, Result};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // So that a limit on file sizes is an error with a sentence.
    pktrail::output::ignore_file_size_signal();
    match run(std::env::args_os().collect()) {
        Ok(status) => status,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            ExitCode::from(if error.kind() == ErrorKind::Usage {
                2
            } else {
                1
            })
        }
    }
}

/// A first word that is no command begins a flag or an expression.
fn run(mut words: Vec<OsString>) -> Result<ExitCode> {
    let command = words
        .get(1)
        .and_then(|word| word.to_str())
        .and_then(commands::by_name);
    match command {
        Some(command) => {
            words.remove(1);
            command(words)
        }
        None => packets(words),
    }
}

/// Captures or reads, as the flags say.
fn packets(words: Vec<OsString>) -> Result<ExitCode> {
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) if error.kind() == ClapKind::DisplayHelp => return print(&error.to_string()),
        Err(error) => return Err(plan::usage(usage::sentence(&error))),
    };
    report::use_json(args.json);
    if args.version {
        let version = env!("CARGO_PKG_VERSION");
        return print_either(
            args.json,
            || json!({"program": "pktrail", "version": version}),
            || format!("pktrail {version}\n"),
        );
    }
    if args.list_interfaces || args.list_timestamp_types || args.list_link_types {
        return devices::lists(&args);
    }
    plan::check(&args)?;
    output::check(&args)?;
    keep::check(&args)?;
    read::part(&args)?;
    let filter = plan::filter(&args)?;
    if show::is_wanted(&args) {
        return show::filter(&args, filter);
    }
    match args.read.is_some() || args.read_list.is_some() {
        true => read::files(&args, filter),
        false => live::capture(&args, filter),
    }
}

/// Writes a line of JSON or text to standard output.
pub(crate) fn print_either(
    is_json: bool,
    json: impl FnOnce() -> Value,
    text: impl FnOnce() -> String,
) -> Result<ExitCode> {
    print(&if is_json {
        format!("{}\n", json())
    } else {
        text()
    })
}

/// Writes text to standard output.
pub(crate) fn print(text: &str) -> Result<ExitCode> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    written.map_err(|cause| pktrail::Error::io("cannot write to standard output", cause))?;
    Ok(ExitCode::SUCCESS)
}
