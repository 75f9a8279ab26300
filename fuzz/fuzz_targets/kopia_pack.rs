//! The recovery index at the end of a pack.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kopia::fuzzing::pack(data));
