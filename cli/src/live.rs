//! Interfaces as the source: a live capture.

use crate::args::Args;
use crate::devices;
use crate::keep::{self, Drops};
use crate::output::{self, Origin};
use crate::plan::{self, Wanted, usage};
use crate::report;
use crate::run;
use crate::size;
use pktrail::af_packet::{Direction, FanoutMode, TimestampSource};
use pktrail::capture::{Capture, OpenCapture, Spread};
use pktrail::output::PerRing;
use pktrail::privileges::{self, User};
use pktrail::{Interface, LinkType, Placement, Result};
use serde_json::json;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest time that packets wait in a ring block, in milliseconds.
const RETIRE_WRITING_MS: u32 = 100;
const RETIRE_PRINTING_MS: u32 = 5;

/// Captures, writes, prints.
pub(crate) fn capture(args: &Args, filter: Option<Wanted>) -> Result<ExitCode> {
    if args.follow {
        return Err(usage("--follow has a meaning only with -r FILE"));
    }
    if args.from.is_some() || args.to.is_some() {
        return Err(usage("--from and --to have a meaning only with -r FILE"));
    }
    if args.flow.is_some() {
        return Err(usage(
            "--flow has a meaning only with -r FILE; live, write it as an expression, such as: \
             host 10.0.0.1 and host 10.0.0.2 and port 80",
        ));
    }
    let mut capture = plan_capture(args)?;
    let mut text = String::new();
    let drops_of = filter.clone();
    capture = match filter {
        Some(Wanted::Program(filter)) => capture.filter(filter),
        Some(Wanted::Expression(expression)) => {
            text.clone_from(&expression);
            capture
                .expression(expression)
                .reach(args.any_tag, args.inner)
        }
        None => capture,
    };
    let mut open = capture
        .open()
        .map_err(|error| plan::picture(error, &text))?;
    check_link_type(args, open.interfaces())?;
    let user = args.user.as_deref().map(User::by_name).transpose()?;
    let origin = Origin {
        interfaces: open.interfaces().to_vec(),
        section: None,
        live_since_ns: Some(now_ns()),
        show_interface: is_several(open.interfaces()) || args.interfaces.len() > 1,
        owner: user.as_ref().map(|user| (user.uid, user.gid)),
        rings: open.rings(),
    };
    keep::check_trigger(args, &origin)?;
    // While there is the privilege for it, and before there is a file.
    let watch = Drops::open(args, drops_of)?;
    let file = output::file(args, &origin)?;
    // From here on signals end a file in good order. While a FIFO waits for its
    // reader there is none yet: they end the program.
    let (control, signals) = run::control()?;
    give_up_privileges(args, user.as_ref(), file.as_ref())?;
    let sink = output::sink(args, &origin, file)?;
    let drops = watch.map(Drops::start).transpose()?;
    let mut sink = keep::before(sink, args, &origin, &signals, drops.as_ref())?;
    open.start()?;
    announce(args, &open);
    let status = run::to_the_end(args, &signals, None, |observe| {
        open.run(&mut *sink, &control, observe)
    })?;
    Ok(match drops.map(Drops::finish) {
        Some(false) => ExitCode::FAILURE,
        _ => status,
    })
}

/// Whether frames come from more than one interface. Those of `any` are not
/// known yet; the members of a fanout are the same one.
fn is_several(interfaces: &[Interface]) -> bool {
    let mut names: Vec<String> = interfaces.iter().map(Interface::full_name).collect();
    names.dedup();
    names.len() != 1
}

/// Gives up all that is no longer needed. Rotation must go on working: where only
/// root's right to write into folders of others lets it, that alone is kept.
fn give_up_privileges(args: &Args, user: Option<&User>, file: Option<&PerRing>) -> Result<()> {
    let preflight = || file.map_or(Ok(()), PerRing::preflight);
    match user {
        Some(user) => user.become_now()?,
        None if privileges::without_capabilities(preflight).is_ok() => privileges::drop_all()?,
        None => {
            privileges::drop_all_but_file_access()?;
            if args.verbose > 0 {
                report::note("CAP_DAC_OVERRIDE is kept, to make further files");
            }
        }
    }
    preflight()
}

/// The capture as the flags say.
pub(crate) fn plan_capture(args: &Args) -> Result<Capture> {
    let netns = args.netns.as_deref();
    let mut names = Vec::new();
    for word in &args.interfaces {
        let name = devices::by_number(word, netns)?;
        // Twice the same would give each packet twice.
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut names = names.into_iter();
    let mut capture = Capture::on(names.next().unwrap_or_default());
    for name in names {
        capture = capture.and_on(name);
    }
    if let Some(netns) = &args.netns {
        capture = capture.in_netns(netns);
    }
    if let Some(bytes) = plan::ring_bytes(args)? {
        capture = capture.ring_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if let Some(text) = &args.block {
        let bytes = size::parse("--block", text)?;
        capture = capture.block_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if let Some(text) = &args.fanout {
        capture = capture.spread(spread(text)?);
    }
    if args.unordered {
        capture = capture.unordered();
    } else if args.file_per_ring {
        capture = capture.each_ring();
    }
    if let Some(name) = &args.timestamp_type {
        capture = capture.timestamps(TimestampSource::by_name(name)?);
    }
    let printing = args.write.is_none() || args.print || args.packet_buffered;
    let retire_ms = if printing {
        RETIRE_PRINTING_MS
    } else {
        RETIRE_WRITING_MS
    };
    Ok(capture
        .snaplen(plan::snaplen(args)?)
        .promiscuous(!args.no_promiscuous)
        .direction(direction(args)?)
        .retire_ms(args.retire_ms.unwrap_or(retire_ms))
        .immediate(args.immediate))
}

fn direction(args: &Args) -> Result<Direction> {
    match args.direction.as_deref() {
        None | Some("inout") => Ok(Direction::InOut),
        Some("in") => Ok(Direction::In),
        Some("out") => Ok(Direction::Out),
        Some(other) => Err(usage(format!("-Q: '{other}' is not in, out or inout"))),
    }
}

/// `N[:MODE][:rollover][:defrag]`, or `auto[:…]`.
fn spread(text: &str) -> Result<Spread> {
    let mut words = text.split(':');
    let members = match words.next().unwrap_or_default() {
        "auto" => None,
        number => match number.parse() {
            Ok(members @ 1..=256) => Some(members),
            _ => {
                let message = format!("--fanout: '{number}' is not auto or a number from 1 to 256");
                return Err(usage(message));
            }
        },
    };
    let mut spread = Spread {
        members,
        mode: FanoutMode::Hash,
        rollover: false,
        defrag: false,
    };
    for (place, word) in words.enumerate() {
        match word {
            "defrag" => spread.defrag = true,
            "rollover" if place > 0 => spread.rollover = true,
            mode => spread.mode = mode.parse()?,
        }
    }
    // As a mode it says the same already, and the kernel refuses both at once.
    spread.rollover &= spread.mode != FanoutMode::Rollover;
    Ok(spread)
}

fn check_link_type(args: &Args, interfaces: &[Interface]) -> Result<()> {
    let Some(wanted) = plan::link_type(args)? else {
        return Ok(());
    };
    if interfaces.is_empty() && wanted != LinkType::LINUX_SLL2 {
        let only = LinkType::LINUX_SLL2;
        return Err(usage(format!("-y: any has the link type {only}, no other")));
    }
    match interfaces
        .iter()
        .find(|interface| interface.link_type != wanted)
    {
        Some(interface) => Err(usage(format!(
            "-y: {} has the link type {}, no other",
            interface.full_name(),
            interface.link_type
        ))),
        None => Ok(()),
    }
}

/// Says what is captured on, as tcpdump does.
fn announce(args: &Args, open: &OpenCapture) {
    let interfaces = open.interfaces();
    let mut names: Vec<String> = interfaces.iter().map(Interface::full_name).collect();
    names.dedup();
    if names.is_empty() {
        names.extend(args.interfaces.iter().cloned());
    }
    let link = interfaces
        .first()
        .map_or(LinkType::LINUX_SLL2, |i| i.link_type);
    let snaplen = plan::snaplen(args).unwrap_or(plan::SNAPLEN_MAX);
    let link_name = link.name().map(|(name, _)| name);
    report::either(
        || json!({"listening": {"interfaces": names, "link_type": link_name, "snaplen": snaplen}}),
        || {
            let names = names.join(", ");
            format!(
                "pktrail: listening on {names}, link-type {link}, snapshot length {snaplen} bytes"
            )
        },
    );
    if args.verbose > 0 {
        let place = match open.placement() {
            None => "no filter".to_owned(),
            Some(Placement::Kernel) => "the filter runs in the kernel".to_owned(),
            Some(Placement::Here(obstacle)) => {
                format!("pktrail runs the filter, not the kernel: {obstacle}")
            }
        };
        let mib = open.ring_bytes() >> 20;
        report::note(&format!(
            "{} rings, {mib} MiB in all; {place}",
            open.rings()
        ));
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn any_has_one_link_type() {
        let args = |name| Args::try_parse_from(["pktrail", "-i", "any", "-y", name]).unwrap();
        assert!(check_link_type(&args("LINUX_SLL2"), &[]).is_ok());
        assert!(check_link_type(&args("LINUX_SLL"), &[]).is_err());
    }

    #[test]
    fn the_members_of_a_fanout_are_one_interface() {
        let [a, b] = ["a", "b"].map(|name| Interface {
            name: name.into(),
            ..Interface::default()
        });
        assert!(!is_several(&[a.clone(), a.clone()]));
        assert!(is_several(&[a, b]));
        // `any`.
        assert!(is_several(&[]));
    }

    #[test]
    fn fanout_has_a_number_a_mode_and_flags() {
        let all = spread("4:lb:rollover:defrag").unwrap();
        let expected = Spread {
            members: Some(4),
            mode: FanoutMode::LoadBalance,
            rollover: true,
            defrag: true,
        };
        assert_eq!(all, expected);
        assert_eq!(spread("2:rollover").unwrap().mode, FanoutMode::Rollover);
        assert!(!spread("2:rollover:rollover").unwrap().rollover);
        assert_eq!(spread("auto").unwrap().members, None);
        for wrong in ["0", "x", "2:fast", "257", ""] {
            assert!(spread(wrong).is_err(), "{wrong}");
        }
    }
}
