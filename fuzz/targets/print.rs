//! Fuzz target: a frame of any bytes is printed without harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pktrail_tests::fuzz::print(data));
