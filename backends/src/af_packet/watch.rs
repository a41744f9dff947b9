//! Interfaces that go down, come back, vanish, or exist again under the same
//! name while a capture is on.

use super::open::Tap;
use crate::sys::ifreq;
use pktrail_core::{Error, Result};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What happened to the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    Down,
    Up,
    Vanished,
    Returned {
        /// Its index from now on.
        index: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Down,
    /// Gone since then.
    Gone(Instant),
}

/// How often to look while the interface is not up.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the last frames of an interface that is gone have to leave the ring.
const LAST_FRAMES: Duration = Duration::from_millis(100);

pub(super) struct Watch {
    /// `None` for all interfaces of a namespace.
    name: Option<String>,
    state: State,
    due: Option<Instant>,
}

impl Watch {
    pub(super) fn new(name: &str, tap: &Tap) -> Self {
        Self {
            name: (tap.index != 0).then(|| name.to_string()),
            state: State::Up,
            // The socket may have an error to report from the start, if the
            // interface is down.
            due: Some(Instant::now()),
        }
    }

    /// Something is wrong with the socket.
    pub(super) fn look_now(&mut self) {
        self.due = Some(Instant::now());
    }

    /// Whether it is time to look.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// How long to wait for frames before it is time to look.
    pub(super) fn longest_wait(&self) -> Duration {
        self.due.map_or(Duration::MAX, |due| {
            due.saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1))
        })
    }

    /// Looks at the socket's error and the interface.
    pub(super) fn look(&mut self, tap: &Tap) -> Result<Option<Happened>> {
        let failed = |e| Error::io("cannot read the error of a packet socket", e);
        let error = tap.socket.take_error().map_err(failed)?;
        self.due = None;
        let Some(name) = &self.name else {
            return match error {
                Some(error) if error.raw_os_error() != Some(libc::ENETDOWN) => {
                    Err(Error::io("capture on all interfaces failed", error))
                }
                _ => Ok(None),
            };
        };
        let was_down = error.is_some();
        if let Some(error) = error
            && !matches!(
                error.raw_os_error(),
                Some(libc::ENETDOWN | libc::ENODEV | libc::ENXIO)
            )
        {
            return Err(Error::io(format!("capture on {name} failed"), error));
        }
        let socket = tap.socket.as_fd();
        let named = ifreq::name(socket, tap.index).ok();
        let up = named.as_deref().is_some_and(|name| {
            ifreq::flags(socket, name).is_ok_and(|flags| flags & 1 != 0) // IFF_UP
        });
        let there = ifreq::index(socket, name).ok();
        let (state, happened) = match (self.state, named.is_some(), up) {
            (State::Up | State::Down, false, _) => {
                (State::Gone(Instant::now()), Some(Happened::Vanished))
            }
            (State::Up, true, false) => (State::Down, Some(Happened::Down)),
            // Down and up again before this look.
            (State::Up, true, true) if was_down => (State::Down, Some(Happened::Down)),
            (State::Down, true, true) => (State::Up, Some(Happened::Up)),
            (State::Gone(since), false, _) if since.elapsed() >= LAST_FRAMES => match there {
                Some(index) => (State::Down, Some(Happened::Returned { index })),
                None => (self.state, None),
            },
            (state, _, _) => (state, None),
        };
        self.state = state;
        if self.state != State::Up {
            self.due = Some(Instant::now() + PAUSE);
        }
        Ok(happened)
    }
}
