//! Load generation for the benches.
