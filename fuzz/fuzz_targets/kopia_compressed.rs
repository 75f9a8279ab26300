//! Compressed streams of every kind, within their limit.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kopia::fuzzing::compressed(data));
