//! The plain difference of two JSON values: which paths were added, removed or changed. It knows nothing of Kubernetes.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// One place where two objects differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The keys and list positions that lead to it.
    pub path: Vec<String>,
    /// What was there before, if anything.
    pub before: Option<Value>,
    /// What is there afterwards, if anything.
    pub after: Option<Value>,
}

impl Change {
    /// Whether the path has this form; `*` stands for any one key, and `**` at the end for anything that follows.
    pub fn is_at(&self, pattern: &str) -> bool {
        let mut path = self.path.iter();
        for expected in pattern.split(' ') {
            match (expected, path.next()) {
                ("**", _) | ("*", Some(_)) => {}
                (expected, Some(key)) if expected == key => {}
                _ => return false,
            }
        }
        pattern.ends_with("**") || path.next().is_none()
    }

    /// Whether something is there afterwards and nothing was before.
    pub fn is_addition(&self) -> bool {
        self.before.is_none()
    }

    /// Whether something was there before and nothing is afterwards.
    pub fn is_removal(&self) -> bool {
        self.after.is_none()
    }

    /// Whether both objects have a value here, but not the same.
    pub fn is_replacement(&self) -> bool {
        self.before.is_some() && self.after.is_some()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in &self.path {
            if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                write!(f, ".{key}")?;
            } else {
                write!(f, "[{key:?}]")?;
            }
        }
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, ": {} became {}", Short(before), Short(after)),
            (Some(before), None) => write!(f, ": {} is gone", Short(before)),
            (None, Some(after)) => write!(f, ": {} is new", Short(after)),
            (None, None) => Ok(()),
        }
    }
}

/// A value in at most about 200 characters: a Secret of a megabyte is no message.
struct Short<'a>(&'a Value);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match text.char_indices().nth(200) {
            Some((end, _)) => write!(f, "{}... ({} bytes)", &text[..end], text.len()),
            None => f.write_str(&text),
        }
    }
}

/// Every place where two values differ. What exists on one side only is one change, however much is in it.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    collect(Some(before), Some(after), &mut Vec::new(), &mut found);
    found
}

fn collect(before: Option<&Value>, after: Option<&Value>, path: &mut Vec<String>, found: &mut Vec<Change>) {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for key in keys {
                path.push(key.clone());
                collect(old.get(key), new.get(key), path, found);
                path.pop();
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for position in 0..old.len().max(new.len()) {
                path.push(position.to_string());
                collect(old.get(position), new.get(position), path, found);
                path.pop();
            }
        }
        _ if before == after => {}
        _ => found.push(Change { path: path.clone(), before: before.cloned(), after: after.cloned() }),
    }
}
