//! JSON merge patch, RFC 7396, with the extra of Go's json-patch library: nulls inside of new lists go too.

use serde_json::{Map, Value};

/// The target after a patch: `null` removes, objects are merged, everything else replaces.
pub(super) fn apply(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        // The library looks into what takes the place of a plain value or a list, but not of an object.
        return if target.is_object() { patch.clone() } else { without_nulls(patch) };
    };
    let mut merged = match target {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        let old = merged.remove(name);
        if !value.is_null() {
            merged.insert(name.clone(), apply(old.unwrap_or_default(), value));
        }
    }
    Value::Object(merged)
}

/// A value whose objects have no nulls; those that are elements of lists stay.
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(elements) => elements.iter().map(without_nulls).collect(),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::apply;

    #[test]
    fn examples_of_the_rfc() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (target, patch, merged) in cases {
            assert_eq!(apply(target, &patch), merged, "{patch}");
        }
    }
    #[test]
    fn nulls_inside_of_new_lists_go_as_in_go() {
        let patch = json!({"a": [{"b": null, "c": 1}, null]});
        for (target, merged) in [
            (json!({}), json!({"a": [{"c": 1}, null]})),
            (json!({"a": [1]}), json!({"a": [{"c": 1}, null]})),
            (json!({"a": {"x": 1}}), json!({"a": [{"b": null, "c": 1}, null]})),
        ] {
            assert_eq!(apply(target, &patch), merged);
        }
    }
}
