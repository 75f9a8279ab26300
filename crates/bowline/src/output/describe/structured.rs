//! Descriptions for programs: what the ones for people say, as trees.

mod backup;
mod restore;

use bowline_api::ObjectMeta;
use bowline_api::artifact::Results;
use serde::Serialize;
use serde_json::{Value, json};

pub(super) use backup::backup;
pub(super) use restore::{files, restore};

use crate::download::Artifact;

/// Name and namespace; labels and annotations where there are any.
fn metadata(meta: &ObjectMeta) -> Value {
    let mut object = json!({ "name": meta.name, "namespace": meta.namespace });
    for (key, entries) in [("labels", &meta.labels), ("annotations", &meta.annotations)] {
        if let Some(entries) = entries.as_ref().filter(|entries| !entries.is_empty()) {
            object[key] = json!(entries);
        }
    }
    object
}

/// Why the whole did not work, if so.
fn failures(object: &mut Value, reason: &str, validation_errors: &[String]) {
    if !reason.is_empty() {
        object["failureReason"] = json!(reason);
    }
    if !validation_errors.is_empty() {
        object["validationErrors"] = json!(validation_errors);
    }
}

/// Errors and warnings, where there are any.
fn findings(object: &mut Value, results: &Artifact<Results>) {
    let Artifact::Here(results) = results else { return };
    for (key, set) in [("errors", &results.errors), ("warnings", &results.warnings)] {
        if !set.is_empty() {
            object[key] = json!(set);
        }
    }
}

/// JSON with Velero's indentation of four blanks.
pub(super) fn indented(value: &Value) -> anyhow::Result<String> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    text.push(b'\n');
    Ok(String::from_utf8(text)?)
}
