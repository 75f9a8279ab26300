//! Lists in strategic merge patches: merging by key, deleting, and the order of the result.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::schema::{Field, Schema};
use super::{ORDER, PATCH, StrategicError, cleaned, merge_map};

/// The list after a patch. `is_deletion`: the patch names plain values to delete.
pub(super) fn merge(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    field: Field,
    is_deletion: bool,
) -> Result<Vec<Value>, StrategicError> {
    if !field.is_merged && !is_deletion {
        return Ok(patch.into_iter().filter_map(cleaned).collect());
    }
    if !are_objects(original.iter().chain(&patch))? {
        if is_deletion {
            original.retain(|value| !patch.contains(value));
            return Ok(original);
        }
        let server_order = original.clone();
        original.extend(patch.iter().cloned());
        return Ok(ordered(original, &patch, &server_order, None));
    }
    let Some(key) = field.key else {
        return Err(StrategicError::new("lists of objects that have no merge key cannot be merged"));
    };
    let Directives { kept: original, merged: patch } = obey_directives(original, patch, key)?;
    let server_order = original.clone();
    let merged = merge_elements(original, patch.clone(), key, field.inner)?;
    Ok(ordered(merged, &patch, &server_order, Some(key)))
}

/// `$setElementOrder/x`: merges the lists that have one and puts their elements into that order.
pub(super) fn reorder(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    schema: Schema,
) -> Result<(), StrategicError> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER)).cloned().collect();
    for directive in directives {
        let name = &directive[ORDER.len()..];
        let order = patch.remove(&directive).unwrap_or_default();
        // A list that the patch deletes or that changes its type is no matter of order.
        if original.get(name).is_some_and(|value| !value.is_array())
            || patch.get(name).is_some_and(|value| !value.is_array())
        {
            return Err(StrategicError::new(format!("{directive} is for lists")));
        }
        let old = original.remove(name);
        let new = patch.remove(name);
        let sorted = merge_in_order(old, new, &order, schema.field(name));
        if let Some(sorted) = sorted.map_err(|error| error.below(name))? {
            original.insert(name.to_owned(), Value::Array(sorted));
        }
    }
    Ok(())
}

fn merge_in_order(
    old: Option<Value>,
    new: Option<Value>,
    order: &Value,
    field: Field,
) -> Result<Option<Vec<Value>>, StrategicError> {
    let Value::Array(order) = order else {
        return Err(StrategicError::new("$setElementOrder must be a list"));
    };
    let elements = |value: Option<Value>| match value {
        Some(Value::Array(elements)) => Some(elements),
        _ => None,
    };
    let (old, new) = (elements(old), elements(new));
    check_order(new.as_deref().unwrap_or_default(), order, field.key)?;
    let server_order = old.clone().unwrap_or_default();
    let merged = match (old, new) {
        (None, None) => return Ok(None),
        (Some(old), None) => old,
        (None, Some(new)) => new.into_iter().filter_map(cleaned).collect(),
        (Some(old), Some(new)) => merge(old, new, field, false)?,
    };
    if are_objects(merged.iter().chain(order))? {
        let Some(key) = field.key else {
            return Err(StrategicError::new("lists of objects that have no merge key cannot be ordered"));
        };
        check_keys(merged.iter().chain(order), key)?;
    }
    Ok(Some(ordered(merged, order, &server_order, field.key)))
}

/// The elements of a patch must come in the given order, which names all of them.
fn check_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), StrategicError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut order = order.iter().map(|element| identity(element, key));
    let mut wanted =
        patch.iter().filter(|element| element.get(PATCH).is_none()).map(|element| identity(element, key));
    if wanted.all(|wanted| order.any(|element| element == wanted)) {
        Ok(())
    } else {
        Err(StrategicError::new("the order of the elements is not that of $setElementOrder"))
    }
}

/// A list and the rest of its patch, after the elements with `$patch` were obeyed.
struct Directives {
    kept: Vec<Value>,
    merged: Vec<Value>,
}

fn obey_directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<Directives, StrategicError> {
    let mut is_replaced = false;
    let mut merged = Vec::with_capacity(patch.len());
    for element in patch {
        let Some(directive) = element.get(PATCH) else {
            merged.push(element);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let deleted = element.get(key).ok_or_else(|| no_key(key))?;
                original.retain(|element| element.get(key) != Some(deleted));
            }
            Some("replace") => is_replaced = true,
            Some("merge") => return Err(StrategicError::new("$patch: merge is not possible in lists")),
            _ => return Err(StrategicError::new(format!("unknown $patch directive {directive}"))),
        }
    }
    if is_replaced {
        let kept = merged.into_iter().filter_map(cleaned).collect();
        return Ok(Directives { kept, merged: Vec::new() });
    }
    Ok(Directives { kept: original, merged })
}

fn merge_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
    inner: Schema,
) -> Result<Vec<Value>, StrategicError> {
    check_keys(original.iter().chain(&patch), key)?;
    for element in patch {
        let old = original.iter_mut().find(|old| old.get(key) == element.get(key));
        match (old, element) {
            (Some(old), Value::Object(element)) => {
                let Value::Object(fields) = old.take() else { continue };
                let name = element.get(key).map(Value::to_string).unwrap_or_default();
                *old = Value::Object(merge_map(fields, element, inner).map_err(|error| error.below(&name))?);
            }
            (_, element) => original.extend(cleaned(element)),
        }
    }
    Ok(original)
}

fn check_keys<'a>(mut elements: impl Iterator<Item = &'a Value>, key: &str) -> Result<(), StrategicError> {
    if elements.all(|element| element.get(key).is_some()) { Ok(()) } else { Err(no_key(key)) }
}

fn no_key(key: &str) -> StrategicError {
    StrategicError::new(format!("an element has no {key:?}, by which the list is merged"))
}

/// Whether the elements are objects or plain values; other lists can't be merged.
fn are_objects<'a>(elements: impl Iterator<Item = &'a Value>) -> Result<bool, StrategicError> {
    let mut kind = None;
    for element in elements {
        if element.is_array() || element.is_null() {
            return Err(StrategicError::new("lists with lists or nulls cannot be merged"));
        }
        if kind
            .replace(std::mem::discriminant(element))
            .is_some_and(|kind| kind != std::mem::discriminant(element))
        {
            return Err(StrategicError::new("elements of different types cannot be merged"));
        }
    }
    Ok(kind == Some(std::mem::discriminant(&Value::Object(Map::new()))))
}

/// What makes two elements the same.
fn identity<'a>(element: &'a Value, key: Option<&str>) -> Option<&'a Value> {
    match (element, key) {
        (Value::Object(fields), Some(key)) => fields.get(key),
        (element, _) => Some(element),
    }
}

/// Elements of the patch in its order, mixed with the others in theirs: wherever both were in the original list, they keep
/// their relative place; otherwise those of the patch come first. Plain values are there once.
fn ordered(
    merged: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: Option<&str>,
) -> Vec<Value> {
    let of_patch = places(patch_order, key);
    let of_server = places(server_order, key);
    let place = |places: &HashMap<&Value, usize>, element: &Value| {
        identity(element, key).and_then(|identity| places.get(identity).copied())
    };
    let merged = if key.is_none() { without_doubles(merged) } else { merged };
    let (mut patch, mut others): (Vec<_>, Vec<_>) =
        merged.into_iter().partition(|element| place(&of_patch, element).is_some());
    patch.sort_by_key(|element| place(&of_patch, element));
    others.sort_by_key(|element| place(&of_server, element).unwrap_or(usize::MAX));
    let mut result = Vec::with_capacity(patch.len() + others.len());
    let mut others = others.into_iter().peekable();
    for element in patch {
        if let Some(here) = place(&of_server, &element) {
            while let Some(other) =
                others.next_if(|other| place(&of_server, other).is_some_and(|other| other < here))
            {
                result.push(other);
            }
        }
        result.push(element);
    }
    result.extend(others);
    result
}

fn places<'a>(elements: &'a [Value], key: Option<&str>) -> HashMap<&'a Value, usize> {
    // From the end, so that the first of equal ones counts.
    let elements = elements.iter().enumerate().rev();
    elements.filter_map(|(place, element)| Some((identity(element, key)?, place))).collect()
}

fn without_doubles(values: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    values.into_iter().filter(|value| seen.insert(value.clone())).collect()
}
