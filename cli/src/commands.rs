//! The commands: what the first word may be.

use crate::args::Args;
use crate::plan::usage;
use crate::{packets, print, read, usage as mistakes};
use clap::error::ErrorKind as ClapKind;
use clap::{CommandFactory, Parser};
use pktrail::Result;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

type Command = fn(Vec<OsString>) -> Result<ExitCode>;

/// The command of that name.
pub(crate) fn by_name(name: &str) -> Option<Command> {
    Some(match name {
        "capture" => packets,
        "repair" => repair,
        "completions" => completions,
        _ => return None,
    })
}

/// Makes damaged capture files clean: cuts what is after the last whole block.
#[derive(Parser)]
#[command(name = "pktrail repair", bin_name = "pktrail repair")]
struct Repair {
    /// The files, changed in place
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn repair(words: Vec<OsString>) -> Result<ExitCode> {
    match parse::<Repair>(words)? {
        Some(args) => read::repair(&args.files),
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
fn parse<T: Parser>(words: Vec<OsString>) -> Result<Option<T>> {
    match T::try_parse_from(words) {
        Ok(args) => Ok(Some(args)),
        Err(error) if error.kind() == ClapKind::DisplayHelp => {
            print(&error.to_string())?;
            Ok(None)
        }
        Err(error) => Err(usage(mistakes::sentence(&error))),
    }
}
