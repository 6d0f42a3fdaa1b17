//! Any bytes, read as Jepsen's logs.

#![no_main]

use schism_core::format::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| schism_core_fuzz::check(Format::JepsenLog, bytes));
