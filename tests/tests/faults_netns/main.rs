//! What goes wrong while frames come faster than they can be written: the program
//! is killed, a disk is full, broken or slow. Frames are numbered by the load: each
//! is in the file once, in order, or is counted as lost. Needs root, tshark, tcpdump
//! and util-linux.
//!
//! `PKTRAIL_KILLS` is how often a capture is killed, 20 if not said otherwise.
//!
//! Each test makes a namespace for its own thread; it is gone with the thread.

mod disk;
mod files;
mod kill;
mod rings;
mod rotation;
mod support;
