//! Whether an object is stored: an ordered list of small checks, the first that objects wins.

use std::fmt;

use bowline_api::label;

use crate::catalog::{Catalog, Kind};
use crate::object::Head;
use crate::select::Selection;

/// Why an object is not stored. Its text is the log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It carries the label that keeps it out of backups.
    ExcludeLabel,
    /// Its namespace is not included.
    NamespaceExcluded,
    /// Its kind is cluster-scoped and not allowed, not even where a stored object needs it.
    ClusterResourceExcluded,
    /// Its kind is namespaced and not included.
    ResourceExcluded,
    /// A filter policy of the resource policies leaves it out.
    FilterPolicy,
    /// It is being deleted.
    BeingDeleted,
    /// An action asked to leave it out.
    Action,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExcludeLabel => "excluded: it has the label velero.io/exclude-from-backup=true",
            Self::NamespaceExcluded => "excluded: its namespace is excluded",
            Self::ClusterResourceExcluded => {
                "excluded: its resource is cluster-scoped and excluded by the cluster filter"
            }
            Self::ResourceExcluded => "excluded: its resource is excluded",
            Self::FilterPolicy => "excluded by a filter policy",
            Self::BeingDeleted => "skipped: it is being deleted",
            Self::Action => "skipped: an item action asked to leave it out",
        })
    }
}

/// An object that may be stored.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    /// Its kind.
    pub kind: &'a Kind,
    /// Whether the resource lists allow its kind ([`Selection::allows`]); asked once a kind, not once an object.
    pub allowed: bool,
    /// Its head.
    pub head: &'a Head,
    /// Whether a stored object demands it whatever the filters say (`backup.velero.io/must-include-additional-items`).
    pub must_include: bool,
}

type Check = fn(&Candidate<'_>, &Selection, &Catalog) -> Option<Skip>;

/// The checks that `must_include` overrides.
const FILTERS: &[Check] = &[exclude_label, namespace, cluster_resource, resource, filter_policy];

/// The checks that nothing overrides.
const CHECKS: &[Check] = &[being_deleted];

/// The first reason not to store an object; `None` to store it.
pub fn decide(candidate: &Candidate<'_>, selection: &Selection, catalog: &Catalog) -> Option<Skip> {
    let filters = if candidate.must_include { &[] } else { FILTERS };
    filters.iter().chain(CHECKS).find_map(|check| check(candidate, selection, catalog))
}

fn exclude_label(candidate: &Candidate<'_>, _: &Selection, _: &Catalog) -> Option<Skip> {
    (candidate.head.label(label::EXCLUDE_FROM_BACKUP) == Some("true")).then_some(Skip::ExcludeLabel)
}

fn namespace(candidate: &Candidate<'_>, selection: &Selection, _: &Catalog) -> Option<Skip> {
    let namespace = candidate.head.namespace.as_deref()?;
    (!selection.namespaces().contains(namespace)).then_some(Skip::NamespaceExcluded)
}

fn cluster_resource(candidate: &Candidate<'_>, _: &Selection, _: &Catalog) -> Option<Skip> {
    (!candidate.kind.namespaced && !candidate.allowed).then_some(Skip::ClusterResourceExcluded)
}

fn resource(candidate: &Candidate<'_>, _: &Selection, _: &Catalog) -> Option<Skip> {
    (candidate.kind.namespaced && !candidate.allowed).then_some(Skip::ResourceExcluded)
}

fn filter_policy(candidate: &Candidate<'_>, selection: &Selection, catalog: &Catalog) -> Option<Skip> {
    (!selection.policies_allow(candidate.kind, candidate.head, catalog)).then_some(Skip::FilterPolicy)
}

fn being_deleted(candidate: &Candidate<'_>, _: &Selection, _: &Catalog) -> Option<Skip> {
    candidate.head.deleting.then_some(Skip::BeingDeleted)
}
