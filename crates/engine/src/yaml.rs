//! Reads the YAML of ConfigMaps: strictly, within limits, and with the place of a mistake and the nearest right word.

use serde::de::DeserializeOwned;

use crate::nearest::nearest;

/// Deepest nesting.
const MAX_DEPTH: usize = 100;

/// Reads YAML, of which JSON is a part. Where the shape is free, plain `yes` and `off` are booleans and `010` is octal, as in every
/// manifest. The error has line and column, and names the key that was probably meant.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| with_nearest(error.without_snippet().to_string()))
}

/// Adds the nearest of the expected names to a message such as "unknown field `a`, expected one of b, c at line 2, column 1".
fn with_nearest(message: String) -> String {
    let parts = message.split_once("expected").filter(|_| message.starts_with("unknown"));
    let Some((unknown, expected)) = parts else { return message };
    let unknown = unknown.split('`').nth(1).unwrap_or_default();
    let expected = expected.split(" at line").next().unwrap_or_default();
    let words = expected.split(|sign: char| !sign.is_alphanumeric()).filter(|word| word.len() > 3);
    match nearest(unknown, words) {
        Some(word) => format!("{message}; did you mean {word:?}?"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Shape {
        #[serde(default, rename = "volumePolicies")]
        _policies: Vec<String>,
        #[serde(default, rename = "version")]
        _version: String,
    }

    #[test]
    fn a_mistake_has_its_place_and_the_nearest_key() {
        let error = read::<Shape>("version: v1\nvolumePolicys: []").unwrap_err();
        assert!(error.contains("line 2") && error.contains("column"), "{error}");
        assert!(error.ends_with("did you mean \"volumePolicies\"?"), "{error}");
        let error = read::<Shape>("something: 1").unwrap_err();
        assert!(!error.contains("did you mean"), "{error}");
    }

    #[test]
    fn endless_nesting_is_refused() {
        assert!(read::<serde_json::Value>(&"[".repeat(10_000)).is_err());
        assert!(read::<serde_json::Value>("a: &a [x]\nb: [*a, *a]").is_ok());
    }
}
