//! Merge patches and strategic merge patches of resource modifiers: any YAML or JSON on a Deployment.
#![no_main]

mod modified;

use serde_json::json;

libfuzzer_sys::fuzz_target!(|text: &str| {
    modified::by(&json!({"mergePatches": [{"patchData": text}]}));
    modified::by(&json!({"strategicPatches": [{"patchData": text}, {"patchData": text}]}));
});
