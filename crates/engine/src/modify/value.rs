//! The value of a patch or a condition is text; its type is guessed, as Velero does.

use serde_json::{Number, Value};

/// The value that a text stands for: `null`, booleans, JSON numbers, objects and arrays are themselves, everything else is a
/// string. Text in double quotes is a string without them, whatever is inside. What only looks like a number, such as `007`,
/// is a string. The error is for broken objects and arrays.
pub(super) fn typed(text: &str) -> Result<Value, String> {
    if text.starts_with('"') && text.ends_with('"') {
        let inner = text.strip_prefix('"').unwrap_or(text);
        return Ok(Value::String(unescape(inner.strip_suffix('"').unwrap_or(inner))));
    }
    match text {
        "null" => return Ok(Value::Null),
        _ if text.eq_ignore_ascii_case("true") => return Ok(Value::Bool(true)),
        _ if text.eq_ignore_ascii_case("false") => return Ok(Value::Bool(false)),
        _ if text.starts_with(['{', '[']) => {
            return serde_json::from_str(text).map_err(|error| format!("value is not valid JSON: {error}"));
        }
        _ => {}
    }
    // JSON's reader would also take surrounding white space.
    let number =
        text.ends_with(|last: char| last.is_ascii_digit()).then(|| text.parse::<Number>().ok()).flatten();
    Ok(number.map_or_else(|| Value::String(unescape(text)), Value::Number))
}

/// Resolves escapes such as `\n`: Velero puts the text between the quotes of a JSON string. Text that could not stand
/// there, such as several lines, is taken as it is.
pub(super) fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::typed;

    #[test]
    fn types_are_guessed() {
        let cases = [
            ("", json!("")),
            ("web", json!("web")),
            ("3", json!(3)),
            ("-2.5", json!(-2.5)),
            ("1e3", json!(1000.0)),
            ("007", json!("007")),
            ("+5", json!("+5")),
            ("1.", json!("1.")),
            (" 5", json!(" 5")),
            ("NaN", json!("NaN")),
            ("1e999", json!("1e999")),
            ("9007199254740993", json!(9_007_199_254_740_993_u64)),
            ("null", Value::Null),
            ("true", json!(true)),
            ("False", json!(false)),
            ("\"true\"", json!("true")),
            ("\"12\"", json!("12")),
            ("\"", json!("")),
            ("{\"a\":[1]}", json!({ "a": [1] })),
            ("[\"a\"]", json!(["a"])),
            ("a\\tb", json!("a\tb")),
            ("C:\\dir", json!("C:\\dir")),
            ("two\nlines", json!("two\nlines")),
        ];
        for (text, value) in cases {
            assert_eq!(typed(text).unwrap(), value, "{text:?}");
        }
        assert!(typed("{broken").is_err());
    }
}
