//! Giving up what a capture no longer needs once its sockets are open. Threads
//! that are started afterwards have nothing of it either.

use caps::{CapSet, Capability};
use nix::unistd;
use pktrail_core::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::ffi::CString;
use std::io;

/// A user to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
}

impl User {
    /// Looks a user up.
    ///
    /// # Errors
    /// `NotFound` if there is none of that name.
    pub fn by_name(name: &str) -> Result<Self> {
        let found = unistd::User::from_name(name)
            .map_err(|errno| Error::io(format!("cannot look up the user {name}"), errno.into()))?;
        let unknown = || Error::new(ErrorKind::NotFound, format!("there is no user {name}"));
        let user = found.ok_or_else(unknown)?;
        Ok(Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        })
    }

    /// Becomes this user, with its groups and without any capability. There is
    /// no way back.
    ///
    /// # Errors
    /// `Permission` unless the program runs as root.
    pub fn become_now(&self) -> Result<()> {
        let name = CString::new(self.name.as_str())
            .map_err(|cause| Error::io("a user's name", io::Error::from(cause)))?;
        let gid = unistd::Gid::from_raw(self.gid);
        let uid = unistd::Uid::from_raw(self.uid);
        unistd::initgroups(&name, gid)
            .and_then(|()| unistd::setgid(gid))
            .and_then(|()| unistd::setuid(uid))
            .map_err(|errno| {
                let what = format!("cannot become the user {}: that needs root", self.name);
                Error::io(what, errno.into())
            })?;
        drop_all()
    }
}

/// Gives up every capability of this thread, and of those that it starts.
///
/// # Errors
/// `System` if the kernel refuses.
pub fn drop_all() -> Result<()> {
    drop_but(&HashSet::new())
}

/// As [`drop_all`], but keeps the right of root to make files in folders of
/// others, if the program has it.
///
/// # Errors
/// `System` if the kernel refuses.
pub fn drop_all_but_file_access() -> Result<()> {
    let held = caps::read(None, CapSet::Permitted).map_err(refused)?;
    let kept: HashSet<Capability> = held
        .into_iter()
        .filter(|cap| *cap == Capability::CAP_DAC_OVERRIDE)
        .collect();
    drop_but(&kept)
}

/// Runs `check` as it would go without any capability, and has them back after.
///
/// # Errors
/// `System` if the kernel refuses, and those of `check`.
pub fn without_capabilities<T>(check: impl FnOnce() -> Result<T>) -> Result<T> {
    let held = caps::read(None, CapSet::Effective).map_err(refused)?;
    caps::clear(None, CapSet::Effective).map_err(refused)?;
    let result = check();
    caps::set(None, CapSet::Effective, &held).map_err(refused)?;
    result
}

fn drop_but(kept: &HashSet<Capability>) -> Result<()> {
    // Ambient capabilities go with the inheritable ones; kernels before 4.3 have
    // none.
    let _ = caps::clear(None, CapSet::Ambient);
    caps::clear(None, CapSet::Inheritable).map_err(refused)?;
    caps::set(None, CapSet::Effective, kept).map_err(refused)?;
    caps::set(None, CapSet::Permitted, kept).map_err(refused)
}

fn refused(error: caps::errors::CapsError) -> Error {
    Error::new(
        ErrorKind::System,
        format!("cannot give up capabilities: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name() {
        assert_eq!(User::by_name("root").unwrap().uid, 0);
        let error = User::by_name("pkt-nobody-here").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_thread_that_gave_everything_up_has_nothing() {
        let held = std::thread::spawn(|| {
            drop_all().unwrap();
            caps::read(None, CapSet::Permitted).unwrap().len()
        });
        assert_eq!(held.join().unwrap(), 0);
    }

    #[test]
    fn a_check_without_capabilities_ends_with_them() {
        std::thread::spawn(|| {
            let before = caps::read(None, CapSet::Effective).unwrap();
            let inside = without_capabilities(|| Ok(caps::read(None, CapSet::Effective).unwrap()));
            assert!(inside.unwrap().is_empty());
            assert_eq!(caps::read(None, CapSet::Effective).unwrap(), before);
        })
        .join()
        .unwrap();
    }
}
