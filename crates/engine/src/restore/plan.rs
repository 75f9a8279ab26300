//! What a restore would do, as a value: for `--dry-run`, and for tests.

use std::collections::BTreeMap;
use std::fmt;

use bowline_api::resource::{GroupVersionKind, ObjectKey};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::skip::Skip;
use crate::catalog::GroupResource;
use crate::diff::FieldChange;
use crate::finding::Finding;

/// What happens to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It does not exist and is created.
    Create,
    /// It exists, differs, and is changed.
    Update,
    /// It is left as it is, or not restored at all.
    Skip(Skip),
    /// It can't be restored; the text is the one of the results.
    Fail(String),
}

impl Step {
    /// One word: `create`, `update`, `skip` or `fail`.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Skip(_) => "skip",
            Self::Fail(_) => "fail",
        }
    }

    /// Why, for objects that are skipped or fail.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Create | Self::Update => None,
            Self::Skip(reason) => Some(reason.to_string()),
            Self::Fail(message) => Some(message.clone()),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(reason) => write!(f, "{}: {reason}", self.action()),
            None => f.write_str(self.action()),
        }
    }
}

/// One object of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    /// Kind and version.
    pub kind: GroupVersionKind,
    /// Namespace and name in the cluster that is restored to.
    pub key: ObjectKey,
    /// What happens to it.
    pub step: Step,
    /// From the object in the cluster to the one of the backup, where they differ and the request asks for it
    /// ([`super::RestoreRequest::explain`]).
    pub changes: Vec<FieldChange>,
}

/// Objects that are left out together, unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Their kind.
    pub resource: GroupResource,
    /// Their namespace in the backup; `None` when they are cluster-scoped.
    pub namespace: Option<String>,
    /// How many there are.
    pub count: usize,
    /// Why.
    pub reason: Skip,
}

/// A restore as it would go, in the order in which it would go.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Objects that pass the filters.
    pub items: Vec<PlannedItem>,
    /// Objects that don't.
    pub left_out: Vec<LeftOut>,
    /// Warnings and errors that the restore would give.
    pub findings: Vec<Finding>,
}

/// How many objects of a kind meet which step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StepCounts {
    /// Objects that are created.
    pub create: usize,
    /// Objects that are changed.
    pub update: usize,
    /// Objects that pass the filters and are not restored.
    pub skip: usize,
    /// Objects that can't be restored.
    pub fail: usize,
}

impl Plan {
    /// How many objects of each kind meet which step.
    pub fn counts(&self) -> BTreeMap<GroupVersionKind, StepCounts> {
        let mut counts: BTreeMap<_, StepCounts> = BTreeMap::new();
        for item in &self.items {
            let of_kind = counts.entry(item.kind.clone()).or_default();
            match item.step {
                Step::Create => of_kind.create += 1,
                Step::Update => of_kind.update += 1,
                Step::Skip(_) => of_kind.skip += 1,
                Step::Fail(_) => of_kind.fail += 1,
            }
        }
        counts
    }
}

impl Serialize for PlannedItem {
    /// As `{"apiVersion", "kind", "namespace"?, "name", "action", "reason"?, "changes"?}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("PlannedItem", 7)?;
        out.serialize_field("apiVersion", &self.kind.api_version())?;
        out.serialize_field("kind", &self.kind.kind)?;
        if let Some(namespace) = &self.key.namespace {
            out.serialize_field("namespace", namespace)?;
        }
        out.serialize_field("name", &self.key.name)?;
        out.serialize_field("action", self.step.action())?;
        if let Some(reason) = self.step.reason() {
            out.serialize_field("reason", &reason)?;
        }
        if !self.changes.is_empty() {
            out.serialize_field("changes", &self.changes)?;
        }
        out.end()
    }
}

impl Serialize for LeftOut {
    /// As `{"resource", "namespace"?, "count", "reason"}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("LeftOut", 4)?;
        out.serialize_field("resource", &self.resource)?;
        if let Some(namespace) = &self.namespace {
            out.serialize_field("namespace", namespace)?;
        }
        out.serialize_field("count", &self.count)?;
        out.serialize_field("reason", &self.reason.to_string())?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_read_as_what_happens_and_why() {
        let mut item = PlannedItem {
            kind: GroupVersionKind::new("", "v1", "Pod"),
            key: ObjectKey::namespaced("shop", "web"),
            step: Step::Skip(Skip::Completed),
            changes: Vec::new(),
        };
        let json = r#"{"apiVersion":"v1","kind":"Pod","namespace":"shop","name":"web","action":"skip","reason":"it has run to its end"}"#;
        assert_eq!(serde_json::to_string(&item).unwrap(), json);
        item.step = Step::Create;
        assert_eq!((item.step.to_string(), item.step.reason()), ("create".to_owned(), None));
    }
}
