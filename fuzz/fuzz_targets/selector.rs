//! Label selectors: what is read is written and read again the same.
#![no_main]

use bowline_engine::select::label::Selector;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(selector) = Selector::parse(text) {
        let again = Selector::parse(&selector.to_string());
        assert_eq!(again.expect("its own text is a selector"), selector);
        selector.matches(&std::collections::BTreeMap::new());
    }
});
