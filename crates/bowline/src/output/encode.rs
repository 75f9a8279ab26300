//! Objects as JSON and YAML.

use serde_json::Value;

/// Forms of an object that programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Yaml,
}

/// An object as text, with a newline at its end. Keys are sorted, as Kubernetes' own tools do.
pub(crate) fn encode(object: &Value, encoding: Encoding) -> anyhow::Result<String> {
    let mut text = match encoding {
        Encoding::Json => serde_json::to_string_pretty(object)?,
        Encoding::Yaml => serde_saphyr::to_string(object)?,
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Several objects of a kind as one: a list, or the object itself if it is the only one, as Velero prints it.
pub(crate) fn bundle(mut objects: Vec<Value>, api_version: &str, kind: &str) -> Value {
    match objects.pop() {
        Some(object) if objects.is_empty() => object,
        last => {
            objects.extend(last);
            serde_json::json!({ "apiVersion": api_version, "kind": format!("{kind}List"), "items": objects, "metadata": {} })
        }
    }
}

/// A `List` of objects of any kind.
pub(crate) fn list(objects: &[Value]) -> Value {
    serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects, "metadata": {} })
}

/// Any value with its keys sorted.
pub(crate) fn sorted(value: &impl serde::Serialize) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(value)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Encoding, bundle, encode};

    #[test]
    fn yaml_looks_like_that_of_kubernetes() {
        let object = json!({
            "kind": "Backup",
            "apiVersion": "velero.io/v1",
            "spec": { "ttl": "24h0m0s", "includedNamespaces": ["a", "b"], "hooks": {}, "minor": "34", "on": "true" },
            "metadata": { "creationTimestamp": null },
        });
        let expected = "apiVersion: velero.io/v1\nkind: Backup\nmetadata:\n  creationTimestamp: null\nspec:\n  hooks: {}\n  \
                        includedNamespaces:\n  - a\n  - b\n  minor: \"34\"\n  \"on\": \"true\"\n  ttl: 24h0m0s\n";
        assert_eq!(encode(&object, Encoding::Yaml).unwrap(), expected);
    }

    #[test]
    fn yaml_can_be_read_back() {
        let object = json!({ "a": "1e3", "b": "null", "c": ["", "- x", "x: y", "#", "multi\nline\n", " lead", "\u{e9}"], "d": "0x1f",
            "e": "~", "f": "yes", "g": 9_007_199_254_740_993_i64, "h": 1.5, "i": [], "j": "2026-01-02T03:04:05Z", "k": "'", "l": "a\tb\u{7}" });
        let text = encode(&object, Encoding::Yaml).unwrap();
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, object, "{text}");
    }

    #[test]
    fn a_single_object_is_not_a_list() {
        assert_eq!(bundle(vec![json!(1)], "velero.io/v1", "Backup"), json!(1));
        let two = bundle(vec![json!(1), json!(2)], "velero.io/v1", "Backup");
        assert_eq!((&two["kind"], &two["items"]), (&json!("BackupList"), &json!([1, 2])));
        assert_eq!(bundle(vec![], "velero.io/v1", "Backup")["items"], json!([]));
    }
}
