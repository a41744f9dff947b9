//! Stories with a known answer, told by `pktrail trace` with real components. `make lab NAME` runs
//! one to watch. Needs root.

mod iptables;
mod ping;
mod stage;
mod xmit;
