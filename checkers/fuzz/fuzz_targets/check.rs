//! Any bytes, as a history that some model judges.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| schism_checkers_fuzz::check(bytes));
