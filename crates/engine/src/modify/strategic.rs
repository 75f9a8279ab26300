//! Strategic merge patch: a merge patch that knows which lists of built-in kinds are merged, and by which field of their
//! elements. The rules are Kubernetes' own, directives included:
//! `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/x` and `$setElementOrder/x`.

mod list;
mod schema;

use serde_json::{Map, Value};
use thiserror::Error;

use super::PatchError;
use schema::Schema;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// What is wrong with a strategic merge patch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}{}{problem}", if path.is_empty() { "" } else { ": " })]
pub struct StrategicError {
    /// The field, such as `spec.template.spec.containers`; empty for the object itself.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl StrategicError {
    fn new(problem: impl Into<String>) -> Self {
        Self { path: String::new(), problem: problem.into() }
    }

    /// The same problem, seen from one level up.
    fn below(self, field: &str) -> Self {
        let path = if self.path.is_empty() { field.to_owned() } else { format!("{field}.{}", self.path) };
        Self { path, ..self }
    }
}

/// The object after a patch.
pub(super) fn apply(item: Value, patch: &Value) -> Result<Value, PatchError> {
    let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(schema) = Schema::of_kind(&api_version, &kind) else {
        return Err(PatchError::UnknownKind { api_version, kind });
    };
    match (item, patch) {
        (Value::Object(item), Value::Object(patch)) => {
            merge_map(item, patch.clone(), schema).map(Value::Object).map_err(PatchError::Strategic)
        }
        _ => Err(PatchError::NoObject),
    }
}

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    schema: Schema,
) -> Result<Map<String, Value>, StrategicError> {
    if let Some(directive) = patch.remove(PATCH) {
        return match directive.as_str() {
            Some("replace") => Ok(cleaned_map(patch)),
            Some("delete") => Ok(Map::new()),
            _ => Err(StrategicError::new(format!("unknown $patch directive {directive}"))),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    list::reorder(&mut original, &mut patch, schema)?;
    for (key, value) in patch {
        let (field, is_deletion) = match key.strip_prefix(DELETE_FROM) {
            Some(field) => (field.to_owned(), true),
            None => (key, false),
        };
        let merged = merge_field(original.remove(&field), value, schema, &field, is_deletion);
        if let Some(merged) = merged.map_err(|error| error.below(&field))? {
            original.insert(field, merged);
        }
    }
    Ok(original)
}

/// The new value of a field; `None` when it goes.
fn merge_field(
    original: Option<Value>,
    patch: Value,
    schema: Schema,
    name: &str,
    is_deletion: bool,
) -> Result<Option<Value>, StrategicError> {
    let field = schema.field(name);
    match (original, patch) {
        (_, Value::Null) => Ok(None),
        (Some(Value::Object(original)), Value::Object(patch)) if !is_deletion && !field.is_replaced => {
            merge_map(original, patch, field.inner).map(|merged| Some(Value::Object(merged)))
        }
        (Some(Value::Object(_)), Value::Object(patch)) if !is_deletion => {
            Ok(Some(Value::Object(cleaned_map(patch))))
        }
        (Some(Value::Array(original)), Value::Array(patch)) => {
            list::merge(original, patch, field, is_deletion).map(|merged| Some(Value::Array(merged)))
        }
        (original, _) if is_deletion => Ok(original),
        (_, patch) => Ok(cleaned(patch)),
    }
}

/// `$retainKeys`: fields that it does not name go. The patch must set no other fields.
fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
) -> Result<(), StrategicError> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(retained) = retained else {
        return Err(StrategicError::new("$retainKeys must be a list"));
    };
    let is_retained = |key: &str| retained.iter().any(|retained| retained.as_str() == Some(key));
    let sets_other =
        |(key, value): (&String, &Value)| !value.is_null() && !is_directive(key) && !is_retained(key);
    if patch.iter().any(sets_other) {
        return Err(StrategicError::new("the patch sets fields that $retainKeys does not name"));
    }
    original.retain(|key, _| is_retained(key));
    Ok(())
}

fn is_directive(key: &str) -> bool {
    key == PATCH || key == RETAIN_KEYS || key.starts_with(DELETE_FROM) || key.starts_with(ORDER)
}

/// A part of a patch that meets nothing in the object, without nulls and directives; `None` if it is there to delete.
fn cleaned(patch: Value) -> Option<Value> {
    match patch {
        Value::Object(fields) if fields.contains_key(PATCH) => None,
        Value::Object(fields) => Some(Value::Object(cleaned_map(fields))),
        Value::Array(elements) => Some(Value::Array(elements.into_iter().filter_map(cleaned).collect())),
        value => Some(value),
    }
}

fn cleaned_map(patch: Map<String, Value>) -> Map<String, Value> {
    let fields = patch.into_iter().filter(|(key, value)| !value.is_null() && !is_directive(key));
    fields.filter_map(|(key, value)| Some((key, cleaned(value)?))).collect()
}

#[cfg(test)]
mod tests;
