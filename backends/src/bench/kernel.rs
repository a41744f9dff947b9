//! The kernel's part: a real ring, on a device made for it in a network namespace
//! of its own, fed by the kernel as fast as one of its CPUs can.
//!
//! The namespace belongs to a thread, and goes with it.

use super::{Stage, cpu_seconds};
use crate::af_packet::{AfPacket, Options};
use crate::devices::netlink::Netlink;
use crate::inject::{Injected, Injector, Sizes};
use crate::output::{FileSink, Output};
use nix::sched::{CloneFlags, unshare};
use pktrail_core::{Account, Control, Engine, Error, ErrorKind, Result};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

const INTERFACE: &str = "pkt-bench0";
const PEER: &str = "pkt-bench1";
/// Frames between two looks at whether it is enough.
const CHUNK: u64 = 1 << 20;

/// What to measure.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) sizes: Sizes,
    pub(super) ring_bytes: usize,
    pub(super) duration: Duration,
}

/// Captures what the kernel is made to receive, and throws it away.
///
/// # Errors
/// `Permission` without the right to make a namespace and to load programs, and
/// what else of it this kernel does not have.
pub(super) fn measure(load: Load, control: &Control) -> Result<Stage> {
    let result = thread::scope(|scope| scope.spawn(|| within(load, control)).join());
    result.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a thread has panicked")))
}

/// The same on the calling thread, which moves into the new namespace.
fn within(load: Load, control: &Control) -> Result<Stage> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| Error::io("cannot make a network namespace", error.into()))?;
    // The kernel's own words would be counted; where that cannot be, they are few.
    let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    Netlink::open()?.add_veth(INTERFACE, PEER)?;
    let mut injector = Injector::new(INTERFACE, load.sizes)?;
    let mut options = Options::new(INTERFACE);
    options.ring_bytes = Some(load.ring_bytes);
    let mut engine = Engine::new();
    engine.add(Box::new(AfPacket::open(&options)?));
    engine.start()?;
    let mut sink = FileSink::open(Output::new("/dev/null"))?;
    let done = Control::default();
    let cpu = cpu_seconds()?;
    let (sent, finished) = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let sent = inject(&mut injector, load.duration, control);
            done.stop();
            sent
        });
        let finished = engine.run(&mut sink, &done, |_| {});
        (load.join(), finished)
    });
    let panicked = |_| Err(Error::new(ErrorKind::Internal, "a thread has panicked"));
    let sent = sent.unwrap_or_else(panicked)?;
    let account: Account = finished.into_result()?;
    Ok(Stage {
        frames: account.delivered,
        lost: account.lost.after_tap(),
        seconds: sent.elapsed.as_secs_f64(),
        cpu_seconds: cpu_seconds()? - cpu,
        ..Stage::default()
    })
}

fn inject(injector: &mut Injector, duration: Duration, control: &Control) -> Result<Injected> {
    let begin = Instant::now();
    let mut frames = 0;
    while begin.elapsed() < duration && !control.is_stopped() {
        frames += injector.run(CHUNK)?;
    }
    Ok(Injected {
        frames,
        elapsed: begin.elapsed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it finds is tested by `tests/tests/program_netns.rs`; here, that a
    /// machine that does not allow it gets a sentence, and no panic.
    #[test]
    fn it_measures_or_says_why_not() {
        let load = Load {
            sizes: Sizes::Fixed(64),
            ring_bytes: 8 << 20,
            duration: Duration::from_millis(50),
        };
        match measure(load, &Control::default()) {
            Ok(stage) => assert!(stage.frames + stage.lost > 0, "{stage:?}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
