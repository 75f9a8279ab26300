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
    /// Its labels are not selected, or a filter policy of the resource policies leaves it out.
    FilterPolicy,
    /// It is being deleted.
    BeingDeleted,
    /// An action asked to leave it out.
    Action,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExcludeLabel => "Excluding item because it has label velero.io/exclude-from-backup=true",
            Self::NamespaceExcluded => "Excluding item because namespace is excluded",
            Self::ClusterResourceExcluded => {
                "Excluding item because resource is cluster-scoped and is excluded by cluster filter"
            }
            Self::ResourceExcluded => "Excluding item because resource is excluded",
            Self::FilterPolicy => "Excluding item because a filter policy leaves it out",
            Self::BeingDeleted => "Skipping item because it's being deleted",
            Self::Action => "Skipping item because an item action asked to leave it out",
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
    /// How it came along.
    pub origin: Origin,
}

/// How an object came along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a list of its kind.
    Listed,
    /// A stored object needs it.
    Related,
    /// A stored object demands it whatever the filters say (`backup.velero.io/must-include-additional-items`).
    MustInclude,
}

type Check = fn(&Candidate<'_>, &Selection, &Catalog) -> Option<Skip>;

/// The checks that `must_include` overrides.
const FILTERS: &[Check] = &[exclude_label, namespace, cluster_resource, resource, filter_policy];

/// The checks that nothing overrides.
const CHECKS: &[Check] = &[being_deleted];

/// The first reason not to store an object; `None` to store it.
pub fn decide(candidate: &Candidate<'_>, selection: &Selection, catalog: &Catalog) -> Option<Skip> {
    let filters = if candidate.origin == Origin::MustInclude { &[] } else { FILTERS };
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
    let Candidate { kind, head, .. } = candidate;
    let allowed = match candidate.origin {
        // Namespaces have rules of their own about labels.
        Origin::Listed if !kind.group_resource().is("", "namespaces") => selection.wants(kind, head, catalog),
        _ => selection.policies_allow_related(kind, head, catalog),
    };
    (!allowed).then_some(Skip::FilterPolicy)
}

fn being_deleted(candidate: &Candidate<'_>, _: &Selection, _: &Catalog) -> Option<Skip> {
    candidate.head.deleting.then_some(Skip::BeingDeleted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bowline_api::backup::BackupSpec;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::object::Object;
    use crate::select::CheckedSpec;
    use crate::select::namespace::LiveNamespaces;
    use crate::select::policy::Policies;

    fn catalog() -> Catalog {
        let kinds = vec![
            Kind::builtin("", "v1", "Secret", "secrets", true),
            Kind::builtin("", "v1", "Pod", "pods", true),
            Kind::builtin("", "v1", "Node", "nodes", false),
            Kind::builtin("", "v1", "Namespace", "namespaces", false),
        ];
        Catalog::new(kinds, Vec::new())
    }

    fn decided(
        spec: &Value,
        policies: &str,
        resource: &str,
        metadata: &Value,
        origin: Origin,
    ) -> Option<Skip> {
        let spec = BackupSpec::deserialize(spec).unwrap();
        let names: std::collections::BTreeSet<_> = ["shop", "other"].map(str::to_owned).into();
        let live = LiveNamespaces { names, complete: true, ..LiveNamespaces::default() };
        let policies = Policies::parse(&format!("version: v1\n{policies}")).unwrap();
        let checked = CheckedSpec::new(&spec).unwrap();
        let catalog = catalog();
        let (selection, _) = Selection::resolve(&spec, checked, policies, &live, &catalog);
        let kind: Arc<Kind> = catalog.resolve(resource).unwrap().clone();
        let allowed = resource == "namespaces" || selection.allows(&kind);
        let object = Object::from_tree(&json!({"metadata": metadata})).unwrap();
        decide(&Candidate { kind: &kind, allowed, head: object.head(), origin }, &selection, &catalog)
    }

    #[test]
    fn the_first_reason_that_objects_is_given() {
        use Origin::{Listed, MustInclude, Related};
        let secret = |extra: Value| {
            let mut metadata = json!({"name": "s", "namespace": "shop"});
            metadata.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            metadata
        };
        let label = json!({"labels": {"velero.io/exclude-from-backup": "true"}});
        let leaving = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let node = json!({"name": "n"});
        for (spec, resource, metadata, origin, expected) in [
            (json!({}), "secrets", secret(json!({})), Listed, None),
            (json!({}), "secrets", secret(label.clone()), Listed, Some(Skip::ExcludeLabel)),
            (
                json!({}),
                "secrets",
                secret(json!({"labels": {"velero.io/exclude-from-backup": "1"}})),
                Listed,
                None,
            ),
            (
                json!({"excludedNamespaces": ["shop"]}),
                "secrets",
                secret(label.clone()),
                Related,
                Some(Skip::ExcludeLabel),
            ),
            (
                json!({"includedNamespaces": ["other"]}),
                "secrets",
                secret(json!({})),
                Related,
                Some(Skip::NamespaceExcluded),
            ),
            (
                json!({"excludedResources": ["secrets"]}),
                "secrets",
                secret(json!({})),
                Related,
                Some(Skip::ResourceExcluded),
            ),
            (
                json!({"includeClusterResources": false}),
                "nodes",
                node.clone(),
                Related,
                Some(Skip::ClusterResourceExcluded),
            ),
            (json!({"includedNamespaces": ["shop"]}), "nodes", node.clone(), Related, None),
            (json!({}), "secrets", secret(leaving.clone()), Listed, Some(Skip::BeingDeleted)),
            (json!({}), "secrets", secret(leaving), MustInclude, Some(Skip::BeingDeleted)),
            (json!({"excludedNamespaces": ["shop"]}), "secrets", secret(label), MustInclude, None),
            (json!({"includeClusterResources": false}), "nodes", node.clone(), MustInclude, None),
            (json!({"includeClusterResources": false}), "namespaces", node, Listed, None),
        ] {
            let found = decided(&spec, "", resource, &metadata, origin);
            assert_eq!(found, expected, "{spec} {resource} {metadata} {origin:?}");
        }
    }

    #[test]
    fn a_filter_policy_takes_the_place_of_the_selectors_where_it_speaks() {
        let policies = "namespacedFilterPolicies:\n- namespaces: [shop]\n  resourceFilters:\n  \
             - {kinds: [secrets], names: [kept], labelSelector: {matchLabels: {tier: db}}}";
        let spec = json!({"labelSelector": {"matchLabels": {"app": "web"}}});
        let left_out = Some(Skip::FilterPolicy);
        for (resource, namespace, name, label, origin, expected) in [
            ("secrets", "shop", "kept", "tier=db", Origin::Listed, None),
            ("secrets", "shop", "kept", "app=web", Origin::Listed, left_out),
            ("secrets", "shop", "kept", "app=web", Origin::Related, None),
            ("secrets", "shop", "other", "tier=db", Origin::Related, left_out),
            ("pods", "shop", "kept", "app=web", Origin::Listed, left_out),
            ("pods", "shop", "kept", "app=web", Origin::Related, None),
            ("secrets", "other", "any", "app=web", Origin::Listed, None),
            ("secrets", "other", "any", "tier=db", Origin::Listed, left_out),
        ] {
            let (key, value) = label.split_once('=').unwrap();
            let metadata = json!({"name": name, "namespace": namespace, "labels": {key: value}});
            let found = decided(&spec, policies, resource, &metadata, origin);
            assert_eq!(found, expected, "{resource} {namespace}/{name} {label} {origin:?}");
        }
    }
}
