//! `pktrail trace` as a program: what it shows, writes and says. Needs root.

mod causes;
mod devices;
mod diagram;
mod files;
mod identity;
mod killed;
mod namespaces;
mod others;
mod recorder;
mod refused;
mod rules;
mod shown;
