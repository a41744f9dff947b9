//! `pktrail trace` as a program: what it shows, writes and says. Needs root.

mod files;
mod rules;
mod shown;
