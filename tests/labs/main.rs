//! Stories with a known answer, told by `pktrail trace` with real components. `make lab NAME` runs
//! one to watch. Needs root.

mod docker;
mod iptables;
mod listener;
mod nfqueue;
mod ovs;
mod ping;
mod stage;
mod xmit;
