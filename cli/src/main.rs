//! The program `pktrail`.

fn main() {}
