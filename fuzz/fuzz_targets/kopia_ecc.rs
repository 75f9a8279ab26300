//! Error correction: anything is refused or recovered, and what was protected is recovered.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kopia::fuzzing::error_correction(data));
