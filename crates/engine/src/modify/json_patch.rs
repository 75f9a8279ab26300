//! JSON patch with the rules of Go's json-patch library, version 5: RFC 6902, and negative indexes count from the end.

use serde_json::Value;

use super::PatchError;

mod pointer;

pub(super) use pointer::Pointer;

/// Nesting that a patched object may have: JSON's own reader stops there.
const MAX_DEPTH: usize = 128;
/// What `copy` may add to an object in sum: no object may be larger.
const MAX_COPIED_BYTES: usize = crate::object::MAX_OBJECT_BYTES;

const MISSING: &str = "there is no such field or element";
const NO_PARENT: &str = "nothing is there that could have it";
const BAD_INDEX: &str = "not an index of the list";
const TOO_DEEP: &str = "the object would be nested too deeply";
const TOO_LARGE: &str = "the object would become too large";

/// One operation of a patch.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) action: Action,
    pub(super) path: Pointer,
}

/// What an operation does at its path.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Add(Value),
    Remove,
    Replace(Value),
    Test(Value),
    Move(Pointer),
    Copy(Pointer),
}

/// Why an operation is not possible, and which path that is about.
type Refusal<'a> = (&'a Pointer, &'static str);

/// The document after all operations; `None` when a `test` failed, which is no error. Either all operations count or none.
pub(super) fn apply(operations: &[Operation], document: &Value) -> Result<Option<Value>, PatchError> {
    let mut patched = document.clone();
    let mut copied = 0;
    for (operation, number) in operations.iter().zip(1..) {
        let holds = operation.apply(&mut patched, &mut copied).map_err(|(path, problem)| {
            PatchError::Operation { number, operation: operation.name(), path: path.to_string(), problem }
        })?;
        if !holds {
            return Ok(None);
        }
    }
    Ok(Some(patched))
}

impl Operation {
    fn name(&self) -> &'static str {
        match self.action {
            Action::Add(_) => "add",
            Action::Remove => "remove",
            Action::Replace(_) => "replace",
            Action::Test(_) => "test",
            Action::Move(_) => "move",
            Action::Copy(_) => "copy",
        }
    }

    /// Changes the document. `false` is a `test` that fails.
    fn apply(&self, document: &mut Value, copied: &mut usize) -> Result<bool, Refusal<'_>> {
        let path = &self.path;
        match &self.action {
            Action::Add(value) => add(document, path, value.clone())?,
            Action::Remove => drop(remove(document, path)?),
            Action::Replace(value) => {
                check_depth(path, value)?;
                *path.find_mut(document).ok_or((path, MISSING))? = value.clone();
            }
            Action::Test(value) => return test(document, path, value),
            Action::Move(from) => {
                let value = remove(document, from)?;
                add(document, path, value)?;
            }
            Action::Copy(from) => {
                let value = from.find(document).ok_or((from, MISSING))?;
                *copied += size(value);
                if *copied > MAX_COPIED_BYTES {
                    return Err((path, TOO_LARGE));
                }
                let value = value.clone();
                add(document, path, value)?;
            }
        }
        Ok(true)
    }
}

fn add<'a>(document: &mut Value, path: &'a Pointer, value: Value) -> Result<(), Refusal<'a>> {
    check_depth(path, &value)?;
    match path.find_parent_mut(document) {
        Some(Value::Object(fields)) => {
            fields.insert(path.last().to_owned(), value);
        }
        Some(Value::Array(elements)) if path.last() == "-" => elements.push(value),
        Some(Value::Array(elements)) => {
            // One more than there are: adding at the end is allowed, and -1 means the end.
            let index = pointer::index(path.last(), elements.len() + 1).ok_or((path, BAD_INDEX))?;
            elements.insert(index, value);
        }
        _ => return Err((path, NO_PARENT)),
    }
    Ok(())
}

fn remove<'a>(document: &mut Value, path: &'a Pointer) -> Result<Value, Refusal<'a>> {
    match path.find_parent_mut(document) {
        Some(Value::Object(fields)) => fields.remove(path.last()).ok_or((path, MISSING)),
        Some(Value::Array(elements)) => {
            let index = pointer::index(path.last(), elements.len()).ok_or((path, BAD_INDEX))?;
            Ok(elements.remove(index))
        }
        _ => Err((path, NO_PARENT)),
    }
}

/// A missing field equals null; a missing element or parent is an error.
fn test<'a>(document: &Value, path: &'a Pointer, value: &Value) -> Result<bool, Refusal<'a>> {
    match (path.find(document), path.find_parent(document)) {
        (Some(found), _) => Ok(found == value),
        (None, Some(Value::Object(_))) => Ok(value.is_null()),
        (None, Some(Value::Array(_))) => Err((path, BAD_INDEX)),
        (None, _) => Err((path, NO_PARENT)),
    }
}

fn check_depth<'a>(path: &'a Pointer, value: &Value) -> Result<(), Refusal<'a>> {
    if path.len() + depth(value) > MAX_DEPTH { Err((path, TOO_DEEP)) } else { Ok(()) }
}

/// Nesting of a value; no document is ever deeper than [`MAX_DEPTH`], so this ends early enough for the stack.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// About the number of bytes of a value as JSON.
fn size(value: &Value) -> usize {
    let inner: usize = match value {
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(size).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + 3 + size(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
    };
    inner + 2
}

#[cfg(test)]
mod tests;
