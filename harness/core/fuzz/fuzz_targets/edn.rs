//! Any bytes, read as EDN.

#![no_main]

use schism_core::format::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| schism_core_fuzz::check(Format::Edn, bytes));
