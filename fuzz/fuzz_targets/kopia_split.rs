//! Cuts of any data lie within their bounds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kopia::fuzzing::split(data));
