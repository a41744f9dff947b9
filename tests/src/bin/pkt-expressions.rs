//! How long the expressions take that fuzzing has found worth keeping: `pkt-expressions FOLDER`.
//! Run by `scripts/fuzz` in an optimised build; fails if one takes more than is promised.

#![allow(
    clippy::print_stdout,
    reason = "the numbers of a run are to be recorded"
)]

use pktrail_tests::fuzz;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs, io};

const MOST_MS: u128 = 100;

fn main() -> io::Result<ExitCode> {
    let folder = env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let (mut count, mut longest) = (0, (0, Vec::new()));
    for entry in fs::read_dir(folder)? {
        let input = fs::read(entry?.path())?;
        // The least of three: other work on the machine is not the compiler's.
        let times = (0..3).map(|_| {
            let begin = Instant::now();
            fuzz::expression(&input);
            begin.elapsed().as_micros()
        });
        longest = longest.max((times.min().unwrap_or(0), input));
        count += 1;
    }
    let (us, input) = longest;
    let text = String::from_utf8_lossy(&input);
    println!("{count} expressions, the longest took {us} us: {text:.200}");
    Ok(ExitCode::from(u8::from(count == 0 || us / 1000 > MOST_MS)))
}
