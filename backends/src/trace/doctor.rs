//! What this machine lets a trace do, by trying: everything is attached once, in one's own
//! namespace, and taken off again.
//!
//! Owns what is tried. XDP is not, since that would touch how devices receive.

use super::plan::Plan;
use super::{Selection, Tracer};
use pktrail_core::trail::point::{Attach, points};
use pktrail_core::{Error, ErrorKind, Result};

const PRIVILEGE: &str =
    "tracing needs CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN: run it as root";

/// Attaches to all rows of the table of points, and says what came of it.
///
/// # Errors
/// Those of [`Tracer::open`]: nothing can be traced.
pub fn attempt() -> Result<Plan> {
    let tried = points().iter().filter(|p| !p.attach.contains(&Attach::Xdp));
    let names: Vec<&str> = tried.map(|point| point.name).collect();
    let selection = Selection {
        namespaces: vec!["/proc/thread-self/ns/net".to_owned()],
        points: Some(names.join(",")),
        count_only: true,
        ring_bytes: Some(4096),
        ..Selection::default()
    };
    let tracer = Tracer::open(&selection).map_err(|error| match error.kind() {
        // Whatever was refused first, this is what it takes.
        ErrorKind::Permission => Error::new(ErrorKind::Permission, PRIVILEGE).with_source(error),
        _ => error,
    })?;
    Ok(tracer.plan().clone())
}
