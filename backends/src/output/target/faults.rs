//! A disk that fails or writes too little, under writes that are under way several
//! at once.

use super::direct::Fault;
use super::tests::{LEN, Pages};
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const BLOCKS: usize = 12;
/// Frames that each block is said to have.
const FRAMES: u64 = 10;
/// Blocks of 16 bytes, which the memory consists of.
const UNIT: usize = 16;

/// What is in the file, and how writing it went.
struct Ended {
    file: Vec<u8>,
    target: Target,
    error: Option<i32>,
}

/// Writes all blocks, of which the one with number `at` meets `fault`.
fn write(at: usize, fault: Fault) -> Ended {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("pktrail-target-fault-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut target = Target::open(&path, true).unwrap();
    target.direct = Some(Direct::with_fault((at * LEN) as u64, fault));
    let format = Format::default();
    let mut error = None;
    for number in 0..BLOCKS {
        let started = target.start(Pages::block(number as u8, 0), LEN, FRAMES, &format);
        error = error.or(started.err());
        if error.is_some() {
            // Whoever writes stops at the first error.
            break;
        }
    }
    let error = error.or(target.settle(&format).err());
    let file = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let error = error.map(|cause| cause.raw_os_error().expect("an error number"));
    Ended {
        file,
        target,
        error,
    }
}

fn all() -> Vec<u8> {
    let blocks = (0..BLOCKS).map(|number| Pages::block(number as u8, 0));
    blocks.flat_map(|block| block.bytes().to_vec()).collect()
}

#[test]
fn what_a_short_write_leaves_is_written_then() {
    for at in 0..BLOCKS {
        for len in [UNIT, 1000, 5000, direct::UNIT, LEN - 1] {
            let ended = write(at, Fault::Short(len));
            assert_eq!(ended.error, None, "{len} of block {at}");
            let there = (ended.target.bytes(), ended.target.frames());
            let expected = (BLOCKS * LEN) as u64;
            assert_eq!(there, (expected, FRAMES * BLOCKS as u64));
            assert!(ended.file == all(), "{len} of block {at}");
        }
    }
}

#[test]
fn an_error_leaves_what_was_whole_before_it() {
    for at in 0..BLOCKS {
        for code in [libc::EIO, libc::ENOSPC, libc::EDQUOT, libc::EFBIG] {
            let ended = write(at, Fault::Error(code));
            assert_eq!(ended.error, Some(code), "block {at}");
            let there = (ended.target.bytes(), ended.target.frames());
            assert_eq!(there, ((at * LEN) as u64, FRAMES * at as u64));
            assert!(ended.file == all()[..at * LEN], "block {at}");
        }
    }
}

#[test]
fn what_was_only_interrupted_or_refused_is_written_again() {
    for at in 0..BLOCKS {
        let refusals = [libc::EINVAL, libc::EOPNOTSUPP];
        for code in [libc::EINTR, libc::EAGAIN].into_iter().chain(refusals) {
            let ended = write(at, Fault::Error(code));
            assert_eq!(ended.error, None, "{code} for block {at}");
            assert!(ended.file == all(), "{code} for block {at}");
            let is_said = ended.target.notice.is_some();
            assert_eq!(is_said, refusals.contains(&code));
        }
    }
}
