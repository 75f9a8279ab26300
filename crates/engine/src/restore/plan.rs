//! What a restore would do, as a value: for `--dry-run`, and for tests.

use std::fmt;

use bowline_api::resource::{GroupVersionKind, ObjectKey};

use super::skip::Skip;
use crate::catalog::GroupResource;
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

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create"),
            Self::Update => f.write_str("update"),
            Self::Skip(reason) => write!(f, "skip: {reason}"),
            Self::Fail(message) => write!(f, "fail: {message}"),
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
