//! Indexes of both versions: refused, or searched without fault.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kopia::fuzzing::index(data));
