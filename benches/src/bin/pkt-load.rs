//! The load generator as a program: injects numbered frames on an interface and
//! says how many, as one line of JSON.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

use pktrail::inject::{Injector, MAX_COUNT, Sizes};
use pktrail::{Error, ErrorKind, Result};
use pktrail_benches::testbed;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
Usage: pkt-load -i INTERFACE [--size BYTES|mix] [--count FRAMES] [--rate FRAMES_PER_SECOND]
                [--seconds S] [--cpu N] [--new-namespace]
Injects numbered UDP frames as if INTERFACE had received them. It must be one made for this, in a
namespace of its own, with a name that begins with `pkt-`; --new-namespace makes both (pkt-load0).
Defaults: size 64, one million frames, rate 0 (as fast as it goes), at most 60 seconds.";

struct Arguments {
    interface: Option<String>,
    sizes: Sizes,
    count: u64,
    rate: u64,
    seconds: u64,
    cpu: Option<usize>,
    new_namespace: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("pkt-load: {error:#}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pkt-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>> {
    let mut arguments = Arguments {
        interface: None,
        sizes: Sizes::Fixed(64),
        count: 1_000_000,
        rate: 0,
        seconds: 60,
        cpu: None,
        new_namespace: false,
    };
    while let Some(flag) = words.next() {
        match flag.as_str() {
            "-h" | "--help" => return Ok(None),
            "--new-namespace" => {
                arguments.new_namespace = true;
                continue;
            }
            _ => {}
        }
        let value = words
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Usage, format!("{flag} needs a value")))?;
        match flag.as_str() {
            "-i" => arguments.interface = Some(value),
            "--size" if value == "mix" => arguments.sizes = Sizes::Mix,
            "--size" => arguments.sizes = Sizes::Fixed(number(&flag, &value)?),
            "--count" => arguments.count = number::<u64>(&flag, &value)?.min(MAX_COUNT),
            "--rate" => arguments.rate = number(&flag, &value)?,
            "--seconds" => arguments.seconds = number::<u64>(&flag, &value)?.min(3600),
            "--cpu" => arguments.cpu = Some(number(&flag, &value)?),
            _ => {
                return Err(Error::new(ErrorKind::Usage, format!("unknown flag {flag}")));
            }
        }
    }
    Ok(Some(arguments))
}

fn number<T: std::str::FromStr>(flag: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| {
        Error::new(
            ErrorKind::Usage,
            format!("{flag} {value}: not a number it can take"),
        )
    })
}

fn run(arguments: &Arguments) -> Result<()> {
    if arguments.new_namespace {
        testbed::enter()?;
    }
    if let Some(cpu) = arguments.cpu {
        testbed::pin(cpu)?;
    }
    let interface = match (&arguments.interface, arguments.new_namespace) {
        (Some(name), _) => name,
        (None, true) => testbed::INTERFACE,
        (None, false) => return Err(Error::new(ErrorKind::Usage, "-i INTERFACE is missing")),
    };
    let mut injector = Injector::new(interface, arguments.sizes)?;
    let limit = Duration::from_secs(arguments.seconds);
    let injected = injector.run_paced(arguments.rate, arguments.count, limit)?;
    let seconds = injected.elapsed.as_secs_f64();
    println!(
        "{{\"frames\":{},\"seconds\":{seconds:.6},\"rate\":{:.0}}}",
        injected.frames,
        injected.frames as f64 / seconds
    );
    Ok(())
}
