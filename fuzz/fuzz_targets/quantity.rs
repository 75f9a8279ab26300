//! Quantities and ranges of sizes.
#![no_main]

use bowline_engine::select::policy::volume::{Capacity, quantity};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = (quantity(text), Capacity::parse(text));
});
