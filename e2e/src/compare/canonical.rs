//! One spelling for what means the same, so that a comparison leaf by leaf is fair.

use serde_json::{Map, Value};

/// The object with `metadata.managedFields` as a map from "manager operation apiVersion subresource" to the owned fields,
/// because the order of its entries means nothing and their times say when, not what; and with labels and annotations, if only
/// empty ones, because having none is the same.
pub(super) fn canonical(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        for map in ["labels", "annotations"] {
            metadata.entry(map).or_insert_with(|| Value::Object(Map::new()));
        }
        if let Some(Value::Array(entries)) = metadata.get("managedFields") {
            let by_manager =
                entries.iter().map(|entry| (name_of(entry), entry["fieldsV1"].clone())).collect();
            metadata.insert("managedFields".to_owned(), Value::Object(by_manager));
        }
    }
    object
}

fn name_of(entry: &Value) -> String {
    let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    ["manager", "operation", "apiVersion", "subresource"].map(text).join(" ").trim_end().to_owned()
}
