//! Fuzz target: a filter expression of any text compiles or is refused, without harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pktrail_tests::fuzz::expression(data));
