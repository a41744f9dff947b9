//! Network namespaces: finding one by what people call it, and doing something
//! inside without moving the caller there.

use crate::sys::thread;
use pktrail_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Where tools keep namespaces by name: iproute2, then Docker.
const PLACES: [&str; 2] = ["/run/netns", "/var/run/docker/netns"];

/// Runs `work` in the network namespace `namespace`, on a thread of its own, so
/// that the caller's namespace does not change; in the caller's if `None`.
///
/// A namespace is a name that `ip netns` or Docker knows, a process id, or a
/// path. Sockets that `work` opens stay in that namespace wherever they are used.
///
/// # Errors
/// [`ErrorKind::NotFound`] if there is no such namespace,
/// [`ErrorKind::Permission`] without CAP_SYS_ADMIN, and those of `work`.
pub fn within<T: Send>(
    namespace: Option<&str>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let Some(name) = namespace else {
        return work();
    };
    let file = open(name)?;
    std::thread::scope(|scope| {
        let inside = std::thread::Builder::new()
            .name("netns".into())
            .spawn_scoped(scope, move || {
                thread::enter_network_namespace(file.as_fd()).map_err(|e| refused(name, e))?;
                work()
            })
            .map_err(|e| Error::io("cannot start a thread", e))?;
        inside.join().unwrap_or_else(|_| {
            let what = format!("the work in network namespace {name} panicked");
            Err(Error::new(ErrorKind::Internal, what))
        })
    })
}

fn refused(name: &str, error: io::Error) -> Error {
    let what = match error.raw_os_error() {
        Some(libc::EPERM) => format!(
            "entering network namespace {name} needs CAP_SYS_ADMIN: run it as root, or with \
             `ip netns exec`"
        ),
        Some(libc::EINVAL) => format!("{name} is not a network namespace"),
        _ => format!("cannot enter network namespace {name}"),
    };
    Error::io(what, error)
}

fn open(name: &str) -> Result<File> {
    let mut tried = Vec::new();
    for path in candidates(name) {
        match File::open(&path) {
            Ok(file) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tried.push(path.display().to_string());
            }
            Err(error) => {
                return Err(Error::io(format!("cannot open {}", path.display()), error));
            }
        }
    }
    let what = format!(
        "there is no network namespace {name}: nothing at {}",
        tried.join(" or ")
    );
    Err(Error::new(ErrorKind::NotFound, what))
}

/// The files that `name` may mean.
fn candidates(name: &str) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![PathBuf::from(name)];
    }
    let mut paths: Vec<PathBuf> = PLACES
        .iter()
        .map(|place| [place, name].iter().collect())
        .collect();
    if name.parse::<u32>().is_ok() {
        paths.push(format!("/proc/{name}/ns/net").into());
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_says_where_it_was_looked_for() {
        let error = within(Some("pkt-no-such"), || Ok(())).expect_err("no such namespace");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.to_string().contains("/run/netns/pkt-no-such"),
            "{error}"
        );
    }

    #[test]
    fn numbers_may_be_processes() {
        assert!(candidates("17").contains(&PathBuf::from("/proc/17/ns/net")));
        assert_eq!(candidates("/a/b"), [PathBuf::from("/a/b")]);
    }

    #[test]
    fn without_a_name_nothing_changes() {
        assert_eq!(within(None, || Ok(5)).expect("no namespace to enter"), 5);
    }
}
