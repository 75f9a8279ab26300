//! What differs between a backup and another one, or between a backup and what the cluster has now: objects that were added, removed
//! or changed since, with the fields of the changed ones on request.
//!
//! A comparison with the cluster makes the same backup again into a temporary file ([`spool_cluster`]), so that both sides obey the same
//! selection and went through the same actions; nothing is changed in the cluster and no hook runs. What the API server owns does not
//! count: resourceVersion, uid, creationTimestamp, generation, managedFields, and the status unless it is asked for.

mod compare;
mod fields;
mod live;
mod normal;

use std::collections::BTreeMap;

use bowline_api::resource::ObjectKey;
use serde::Serialize;
use thiserror::Error;

pub use compare::compare;
pub use fields::{FieldChange, field_changes};
pub use live::spool_cluster;

use crate::archive::ArchiveError;
use crate::backup::BackupError;
use crate::catalog::GroupResource;
use crate::object::ObjectError;

/// Most differences that are kept; further ones are counted.
pub const MAX_KEPT: usize = 100_000;

/// What to compare, and how closely.
#[derive(Clone, Debug, Default)]
pub struct DiffOptions {
    /// Whether a different status counts.
    pub status: bool,
    /// Whether the changed fields of changed objects are told.
    pub fields: bool,
    /// Which objects are looked at.
    pub only: ObjectFilter,
}

/// Names some objects; empty lists name all.
#[derive(Clone, Debug, Default)]
pub struct ObjectFilter {
    /// Kinds: plural, `plural.group` or kind in any case.
    pub resources: Vec<String>,
    /// Namespaces; cluster-scoped objects are in none.
    pub namespaces: Vec<String>,
    /// Names.
    pub names: Vec<String>,
}

/// What happened to an object since the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It is not in the backup.
    Added,
    /// It is only in the backup.
    Removed,
    /// It is in both, and differs.
    Changed,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its kind.
    pub resource: GroupResource,
    /// Its name; written as fields `namespace` and `name`.
    #[serde(flatten, serialize_with = "flat_key")]
    pub key: ObjectKey,
    /// What happened to it.
    pub change: What,
    /// The changed fields of a changed object, when they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// How many objects of a kind differ in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiffCounts {
    /// Objects that are not in the backup.
    pub added: u64,
    /// Objects that are only in the backup.
    pub removed: u64,
    /// Objects that are in both, and differ.
    pub changed: u64,
    /// Objects that are the same.
    pub equal: u64,
}

/// The outcome of a comparison, sorted by kind, namespace and name.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Totals by kind.
    pub counts: BTreeMap<GroupResource, DiffCounts>,
    /// The objects that differ.
    pub differences: Vec<Difference>,
    /// How many further ones there are above [`MAX_KEPT`].
    pub not_listed: u64,
}

/// Why a comparison could not be made.
#[derive(Debug, Error)]
pub enum DiffError {
    /// An object of an archive can't be read.
    #[error("failed to read an archive")]
    Archive(#[from] ArchiveError),
    /// An object is not what it should be.
    #[error("failed to compare {0}")]
    Object(String, #[source] ObjectError),
    /// The cluster's present state could not be read.
    #[error("failed to read the cluster as the backup did")]
    Live(#[from] BackupError),
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// The totals over all kinds.
    pub fn total(&self) -> DiffCounts {
        self.counts.values().fold(DiffCounts::default(), |sum, it| DiffCounts {
            added: sum.added + it.added,
            removed: sum.removed + it.removed,
            changed: sum.changed + it.changed,
            equal: sum.equal + it.equal,
        })
    }

    fn add(&mut self, difference: Difference) {
        let counts = self.counts.entry(difference.resource.clone()).or_default();
        match difference.change {
            What::Added => counts.added += 1,
            What::Removed => counts.removed += 1,
            What::Changed => counts.changed += 1,
        }
        if self.differences.len() < MAX_KEPT {
            self.differences.push(difference);
        } else {
            self.not_listed += 1;
        }
    }

    fn add_equal(&mut self, resource: &GroupResource) {
        self.counts.entry(resource.clone()).or_default().equal += 1;
    }
}

impl ObjectFilter {
    fn wants_resource(&self, resource: &GroupResource, kind: &str) -> bool {
        let full = resource.to_string();
        self.resources.is_empty()
            || self
                .resources
                .iter()
                .any(|name| *name == full || *name == resource.resource || name.eq_ignore_ascii_case(kind))
    }

    fn wants_namespace(&self, namespace: Option<&str>) -> bool {
        self.namespaces.is_empty()
            || namespace.is_some_and(|namespace| self.namespaces.iter().any(|have| have == namespace))
    }

    fn wants_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|have| have == name)
    }
}

fn flat_key<S: serde::Serializer>(key: &ObjectKey, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    let mut map = serializer.serialize_map(None)?;
    if let Some(namespace) = &key.namespace {
        map.serialize_entry("namespace", namespace)?;
    }
    map.serialize_entry("name", &key.name)?;
    map.end()
}
