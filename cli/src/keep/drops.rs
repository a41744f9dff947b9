//! `--trigger-drop`: a drop by the kernel as what asks for the packets that are kept.
//!
//! Owns which reasons are meant, and how a drop is told to the recorder. The trace that hears of
//! drops is in `watch`.

#[cfg(feature = "trace")]
mod watch;

use crate::args::Args;
use crate::plan::usage;
use pktrail::Result;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "trace")]
pub(crate) use watch::Drops;

/// Reasons that have to be asked for by name. A device in promiscuous mode, as a capture puts it
/// into, makes the kernel drop what is for others; and where a ring of a capture is full, its copy
/// is dropped, not the packet.
#[cfg(feature = "trace")]
const NO_HARM: [&str; 2] = ["OTHERHOST", "PACKET_SOCK_ERROR"];

/// Finds mistakes before anything is opened.
pub(super) fn check(args: &Args) -> Result<()> {
    let Some(text) = &args.trigger_drop else {
        return Ok(());
    };
    if args.read.is_some() || args.read_list.is_some() {
        return Err(usage(
            "--trigger-drop has a meaning only in a live capture: a file does not tell of drops",
        ));
    }
    check_reasons(text)
}

#[cfg(feature = "trace")]
fn check_reasons(text: &str) -> Result<()> {
    Reasons::parse(text, &pktrail::trace::drop_reasons()?).map(drop)
}

#[cfg(not(feature = "trace"))]
fn check_reasons(_text: &str) -> Result<()> {
    Err(absent())
}

#[cfg(not(feature = "trace"))]
fn absent() -> pktrail::Error {
    usage(
        "--trigger-drop needs the trace, and this pktrail was built without it: \
         `cargo build --features trace`",
    )
}

/// The reasons that trigger.
#[cfg(feature = "trace")]
#[derive(Debug, PartialEq, Eq)]
struct Reasons(Vec<String>);

#[cfg(feature = "trace")]
impl Reasons {
    /// Names between commas, each one of `known`; none of them: every drop.
    fn parse(text: &str, known: &[String]) -> Result<Self> {
        let mut reasons = Vec::new();
        for word in text.split(',').filter(|_| !text.is_empty()) {
            let name = word.trim().to_ascii_uppercase();
            let name = name.strip_prefix("SKB_DROP_REASON_").unwrap_or(&name);
            if !known.iter().any(|known| known == name) {
                return Err(usage(format!(
                    "--trigger-drop: '{word}' is no reason of this kernel: `pktrail trace --drops` \
                     shows their names, and `bpftool btf dump file /sys/kernel/btf/vmlinux | grep \
                     SKB_DROP_REASON_` lists them"
                )));
            }
            reasons.push(name.to_owned());
        }
        Ok(Self(reasons))
    }

    fn has(&self, reason: &str) -> bool {
        match self.0.is_empty() {
            true => !NO_HARM.contains(&reason),
            false => self.0.iter().any(|wanted| wanted == reason),
        }
    }
}

/// What the recorder is told of drops.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    flag: Arc<AtomicBool>,
    reason: Arc<Mutex<String>>,
}

impl Heard {
    /// The flag for [`Keep::on_drop`](pktrail::Keep::on_drop).
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Why the packet was dropped that set the flag last.
    pub(super) fn reason(&self) -> String {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone()
    }

    /// Sets the flag, unless the last drop was not answered yet.
    #[cfg(feature = "trace")]
    fn tell(&self, reason: &str) {
        use std::sync::atomic::Ordering;
        if self.flag.load(Ordering::Relaxed) {
            return;
        }
        let mut said = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone_into(&mut said);
        // What is in `said` is to be seen with it.
        self.flag.store(true, Ordering::Release);
    }
}

/// Without the trace there is none.
#[cfg(not(feature = "trace"))]
pub(crate) enum Drops {}

#[cfg(not(feature = "trace"))]
impl Drops {
    pub(crate) fn open(args: &Args, _filter: Option<crate::plan::Wanted>) -> Result<Option<Self>> {
        args.trigger_drop
            .as_ref()
            .map_or(Ok(None), |_| Err(absent()))
    }

    pub(crate) fn start(self) -> Result<Self> {
        match self {}
    }

    pub(super) fn heard(&self) -> &Heard {
        match *self {}
    }

    pub(crate) fn finish(self) -> bool {
        match self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn args(words: &[&str]) -> Args {
        Args::try_parse_from(std::iter::once(&"pktrail").chain(words)).unwrap()
    }

    #[test]
    fn a_file_has_no_drops() {
        let error = check(&args(&["--keep", "1s", "--trigger-drop", "-r", "f"]));
        assert!(error.unwrap_err().to_string().contains("live"));
        assert!(check(&args(&["--keep", "1s", "-r", "f"])).is_ok());
    }

    #[test]
    fn an_expression_may_follow_the_flag() {
        let args = args(&["--trigger-drop", "udp", "--trigger", "tcp"]);
        assert_eq!(args.trigger_drop.as_deref(), Some(""));
        assert_eq!(args.expression, ["udp"]);
        assert_eq!(args.trigger.as_deref(), Some("tcp"));
    }

    #[cfg(not(feature = "trace"))]
    #[test]
    fn without_the_trace_the_feature_is_named() {
        let error = check(&args(&["--keep", "1s", "--trigger-drop"])).unwrap_err();
        assert!(error.to_string().contains("--features trace"), "{error}");
    }

    #[cfg(feature = "trace")]
    #[test]
    fn reasons_are_those_of_the_kernel() {
        let known = ["NOT_SPECIFIED", "NO_SOCKET", "OTHERHOST"].map(str::to_owned);
        let parse = |text: &str| Reasons::parse(text, &known);
        let some = parse("no_socket,SKB_DROP_REASON_OTHERHOST").unwrap();
        assert_eq!(some, Reasons(vec!["NO_SOCKET".into(), "OTHERHOST".into()]));
        assert!(some.has("NO_SOCKET") && some.has("OTHERHOST") && !some.has("NOT_SPECIFIED"));
        let all = parse("").unwrap();
        assert!(all.has("NO_SOCKET") && all.has("NOT_SPECIFIED"));
        assert!(!all.has("OTHERHOST") && !all.has("PACKET_SOCK_ERROR"));
        for wrong in ["NO_SUCH", "NO_SOCKET,", ",", "NO_SOCKET NO_SOCKET"] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains("pktrail trace --drops"), "{error}");
        }
    }
}
