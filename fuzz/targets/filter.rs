//! Fuzz target: a filter program of any text runs on any frame without harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pktrail_tests::fuzz::filter(data));
