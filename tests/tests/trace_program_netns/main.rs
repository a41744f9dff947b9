//! `pktrail trace` as a program: what it shows, writes and says. Needs root.

mod causes;
mod devices;
mod diagram;
mod files;
mod killed;
mod namespaces;
mod refused;
mod rules;
mod shown;
