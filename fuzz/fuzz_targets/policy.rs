//! Resource policies, as the YAML of a ConfigMap.
#![no_main]

use bowline_engine::select::policy::Policies;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Policies::parse(text);
});
