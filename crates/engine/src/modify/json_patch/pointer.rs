//! Paths into a document: JSON pointers, RFC 6901, with indexes that may be negative.

use std::fmt;

use serde_json::Value;

/// Longest path, in segments; no document is deeper.
const MAX_SEGMENTS: usize = 128;

/// A path to a field or an element; never the whole document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::modify) struct Pointer {
    parents: Vec<String>,
    last: String,
}

impl Pointer {
    /// Reads a path such as `/metadata/labels/a~1b`. The error is the reason.
    pub(in crate::modify) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("path cannot be empty".to_owned());
        }
        let Some(path) = text.strip_prefix('/') else {
            return Err(format!("path {text:?} must start with '/'"));
        };
        let mut parents: Vec<_> =
            path.split('/').map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
        if parents.len() > MAX_SEGMENTS {
            return Err("path is too long".to_owned());
        }
        let last = parents.pop().unwrap_or_default();
        Ok(Self { parents, last })
    }

    /// The last segment: a field, an index, or `-`.
    pub(super) fn last(&self) -> &str {
        &self.last
    }

    /// How deep it leads.
    pub(super) fn len(&self) -> usize {
        self.parents.len() + 1
    }

    /// What is at the path.
    pub(in crate::modify) fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        child(self.find_parent(document)?, &self.last)
    }

    /// The object or list that has, or could have, what the path names.
    pub(in crate::modify) fn find_parent<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.parents.iter().try_fold(document, |at, key| child(at, key))
    }

    /// What is at the path, to change it.
    pub(super) fn find_mut<'a>(&self, document: &'a mut Value) -> Option<&'a mut Value> {
        child_mut(self.find_parent_mut(document)?, &self.last)
    }

    /// The object or list around it, to change it.
    pub(super) fn find_parent_mut<'a>(&self, document: &'a mut Value) -> Option<&'a mut Value> {
        self.parents.iter().try_fold(document, |at, key| child_mut(at, key))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut segments = self.parents.iter().chain([&self.last]);
        segments.try_for_each(|segment| write!(f, "/{}", segment.replace('~', "~0").replace('/', "~1")))
    }
}

fn child<'a>(at: &'a Value, key: &str) -> Option<&'a Value> {
    match at {
        Value::Object(fields) => fields.get(key),
        Value::Array(elements) => elements.get(index(key, elements.len())?),
        _ => None,
    }
}

fn child_mut<'a>(at: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match at {
        Value::Object(fields) => fields.get_mut(key),
        Value::Array(elements) => {
            let index = index(key, elements.len())?;
            elements.get_mut(index)
        }
        _ => None,
    }
}

/// The place below `count` that a segment names; negative ones count from the end.
pub(super) fn index(segment: &str, count: usize) -> Option<usize> {
    let index: i64 = segment.parse().ok()?;
    let count = i64::try_from(count).ok()?;
    let index = if index < 0 { index.checked_add(count)? } else { index };
    usize::try_from(index).ok().filter(|_| index < count)
}
