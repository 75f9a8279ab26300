//! JSON patches of resource modifiers: any list of operations on a Deployment.
#![no_main]

mod modified;

use serde_json::{Value, json};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(operations @ Value::Array(_)) = serde_json::from_str(text) {
        modified::by(&json!({"patches": operations}));
    }
});
