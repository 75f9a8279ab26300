//! Format blobs, directories, lists of pieces, manifests, snapshots and names.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kopia::fuzzing::documents(data));
