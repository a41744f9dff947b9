//! Fuzz target: a capture file of any bytes is read without harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pktrail_tests::fuzz::read(data));
