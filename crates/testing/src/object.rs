//! Builders of objects.

use serde_json::{Value, json};

/// An object with the given type and name; `namespace` may be empty. Add fields with [`with`].
pub fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

/// Sets the field at a JSON pointer, making the maps on the way.
#[must_use]
pub fn with(mut object: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let mut at = &mut object;
    for part in pointer.trim_start_matches('/').split('/') {
        at = &mut at[part.replace("~1", "/").replace("~0", "~").as_str()];
    }
    *at = value.into();
    object
}

/// A ConfigMap with one entry.
pub fn config_map(namespace: &str, name: &str) -> Value {
    with(object("v1", "ConfigMap", namespace, name), "/data/key", "value")
}

/// An active namespace.
pub fn namespace(name: &str) -> Value {
    with(object("v1", "Namespace", "", name), "/status/phase", "Active")
}
