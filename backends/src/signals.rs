//! Signals of a capture: SIGINT, SIGTERM and SIGHUP end it in good order, the
//! same signal again ends the program at once, SIGUSR1 asks for the account,
//! SIGUSR2 for what a flight recorder keeps.

use pktrail_core::{Control, Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit status when a second signal ends the program at once.
const ENDED_AT_ONCE: i32 = 1;

/// Signals that have come.
#[derive(Clone, Debug)]
pub struct Signals {
    account: Arc<AtomicBool>,
    recording: Arc<AtomicBool>,
}

impl Signals {
    /// Lets signals stop what `control` controls, from now on. SIGHUP stays
    /// ignored if it was (`nohup`).
    ///
    /// # Errors
    /// `System` if the kernel refuses a handler.
    pub fn install(control: &Control) -> Result<Self> {
        let refused = |cause| Error::io("cannot handle signals", cause);
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if signal == SIGHUP && is_ignored(SIGHUP) {
                continue;
            }
            let stop = control.flag();
            // The order matters: the first signal finds the flag still down.
            flag::register_conditional_shutdown(signal, ENDED_AT_ONCE, Arc::clone(&stop))
                .map_err(refused)?;
            flag::register(signal, stop).map_err(refused)?;
        }
        let account = Arc::new(AtomicBool::new(false));
        flag::register(SIGUSR1, Arc::clone(&account)).map_err(refused)?;
        let recording = Arc::new(AtomicBool::new(false));
        flag::register(SIGUSR2, Arc::clone(&recording)).map_err(refused)?;
        Ok(Self { account, recording })
    }

    /// Whether the account was asked for since the last call.
    pub fn take_account_request(&self) -> bool {
        self.account.swap(false, Ordering::Relaxed)
    }

    /// The flag that SIGUSR2 sets, for [`Keep::on_flag`](crate::Keep::on_flag).
    /// Where nothing is kept the signal does nothing.
    pub fn recording(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.recording)
    }
}

/// Whether a signal was ignored when the program began (proc(5), `SigIgn`).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
