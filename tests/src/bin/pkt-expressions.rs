//! How long the expressions take that fuzzing has found worth keeping: `pkt-expressions FOLDER`.
//! Run by `scripts/fuzz` in an optimised build; fails if one takes more than is promised.

#![allow(
    clippy::print_stdout,
    reason = "the numbers of a run are to be recorded"
)]

use pktrail_tests::fuzz;
use std::process::ExitCode;
use std::{env, fs, io};

const MOST_MS: u128 = 100;

fn main() -> io::Result<ExitCode> {
    let folder = env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let (mut count, mut longest) = (0, (0, Vec::new()));
    for entry in fs::read_dir(folder)? {
        let input = fs::read(entry?.path())?;
        let begin = fuzz::cpu_time();
        fuzz::expression(&input);
        let took = fuzz::cpu_time().saturating_sub(begin);
        longest = longest.max((took.as_micros(), input));
        count += 1;
    }
    let (us, input) = longest;
    let text = String::from_utf8_lossy(&input);
    println!("{count} expressions, the longest took {us} us: {text:.200}");
    Ok(ExitCode::from(u8::from(count == 0 || us / 1000 > MOST_MS)))
}
