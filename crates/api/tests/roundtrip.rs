//! What is written is read back as it was, whatever it is; and nothing that is read makes us panic.

use bowline_api::backup::BackupPhase;
use bowline_api::label::{MAX_VALUE_LENGTH, valid_value};
use bowline_api::{Duration, GroupResource, go_json};
use proptest::prelude::*;
use serde_json::Value;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn durations_are_read_as_written(nanos: i64) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(duration.to_string().parse(), Ok(duration));
    }

    #[test]
    fn any_text_is_a_duration_or_an_error(text in "[-+0-9.hmsun\u{b5}\u{3bc} ]{0,24}|.{0,24}") {
        if let Ok(duration) = text.parse::<Duration>() {
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }

    #[test]
    fn json_text_means_what_was_written(text: String) {
        let value = serde_json::json!({ &text: [text] });
        let json = go_json::to_vec(&value).expect("any text can be written");
        prop_assert!(!json.iter().any(|byte| b"<>&".contains(byte)));
        prop_assert_eq!(serde_json::from_slice::<Value>(&json).expect("what is written can be read"), value);
    }

    #[test]
    fn floats_are_exact(number: f64) {
        prop_assert_eq!(go_json::float(number).parse(), Ok(number));
    }

    #[test]
    fn resources_and_words_are_read_as_written(text in "[a-z]{1,8}([.][a-z0-9]{1,8}){0,3}") {
        prop_assert_eq!(GroupResource::from(text.as_str()).to_string(), text.clone());
        prop_assert_eq!(BackupPhase::from(text.as_str()).to_string(), text);
    }

    #[test]
    fn label_values_are_never_too_long(text: String) {
        prop_assert!(valid_value(&text).len() <= MAX_VALUE_LENGTH);
    }
}
