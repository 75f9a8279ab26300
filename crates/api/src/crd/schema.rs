//! The structural schema of a kind, from what `schemars` knows of its spec and status.
//!
//! Rules for the types: `Option` is nullable unless its field says `"nullable" = false`; a list or map is not unless its
//! field says so; `required` and `x-default` stand on the type or field; `i32` is an integer without format.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::object::Kind;

/// The schema of a whole object.
pub(super) fn of<K: Kind>() -> JSONSchemaProps {
    let schema = json!({
        "type": "object",
        "description": K::DESCRIPTION.trim(),
        "properties": {
            "apiVersion": { "type": "string", "description": "Group and version of the schema of this object." },
            "kind": { "type": "string", "description": "Kind of this object." },
            "metadata": { "type": "object" },
            "spec": section::<K::Spec>(),
            "status": section::<K::Status>(),
        },
    });
    serde_json::from_value(schema)
        .expect("every schema that the types give is valid for a CRD, see the tests")
}

/// The schema of a spec or status, without references.
fn section<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    restructure(&mut schema);
    schema
}

/// Turns a schema, and all inside it, into the form that Kubernetes wants.
fn restructure(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    // What serde fills in is no default that the API server should write into objects.
    schema.remove("default");
    schema.remove("title");
    if let Some(default) = schema.remove("x-default") {
        schema.insert("default".to_owned(), default);
    }
    if schema.get("format") == Some(&json!("int32")) {
        schema.remove("format");
    }
    settle_null(schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(restructure);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(inner) {
            restructure(inner);
        }
    }
}

/// `type: [x, null]` becomes `type: x` with `nullable`, which a field may also set itself.
fn settle_null(schema: &mut Map<String, Value>) {
    let mut optional = false;
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        optional = true;
        let name = types.pop().unwrap_or_default();
        schema.insert("type".to_owned(), name);
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    match schema.get("nullable") {
        Some(Value::Bool(false)) => {
            schema.remove("nullable");
        }
        None if optional => {
            schema.insert("nullable".to_owned(), json!(true));
        }
        _ => {}
    }
}
