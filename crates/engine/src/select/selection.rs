//! Everything that a backup's spec says about what belongs to it, resolved against the cluster.

use std::collections::BTreeSet;

use bowline_api::backup::BackupSpec;

use super::label::Selector;
use super::namespace::{NamespaceLists, Namespaces};
use super::policy::Policies;
use super::resource::{Problems, ResourceFilter, ResourceLists};
use crate::catalog::{Catalog, Kind};
use crate::object::Head;

/// What belongs to a backup.
#[derive(Clone, Debug)]
pub struct Selection {
    namespaces: Namespaces,
    resources: ResourceFilter,
    labels: Vec<Selector>,
    policies: Policies,
}

/// The part of a spec that can be checked without the cluster.
#[derive(Debug)]
pub struct CheckedSpec {
    /// Namespaces to include.
    pub namespaces: NamespaceLists,
    labels: Vec<Selector>,
}

impl CheckedSpec {
    /// Checks a spec; the errors are reasons for a user.
    pub fn new(spec: &BackupSpec) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let namespaces = NamespaceLists::parse(&spec.included_namespaces, &spec.excluded_namespaces)
            .unwrap_or_else(|reasons| {
                problems.extend(reasons);
                NamespaceLists::default()
            });
        if spec.label_selector.is_some() && !spec.or_label_selectors.is_empty() {
            problems.push(
                "encountered labelSelector as well as orLabelSelectors in backup spec, only one can be specified".into(),
            );
        }
        let selectors = spec.label_selector.iter().chain(&spec.or_label_selectors).map(Selector::from_spec);
        let labels: Vec<_> = selectors
            .filter_map(|selector| selector.map_err(|error| problems.push(error.to_string())).ok())
            .collect();
        if problems.is_empty() { Ok(Self { namespaces, labels }) } else { Err(problems) }
    }
}

impl Selection {
    /// Resolves a checked spec. `live` are the namespaces that exist, `labelled` those among them whose label keeps them out.
    pub fn resolve(
        spec: &BackupSpec,
        checked: CheckedSpec,
        policies: Policies,
        live: (&BTreeSet<String>, &BTreeSet<String>),
        catalog: &Catalog,
    ) -> (Self, Problems) {
        let mut problems = Problems::default();
        let namespaces = checked.namespaces.expand(live.0, live.1);
        let merged = Merged::new(spec, &policies, &mut problems);
        let lists = ResourceLists {
            included: &spec.included_resources,
            excluded: &spec.excluded_resources,
            cluster: spec.include_cluster_resources,
            included_cluster: &merged.included_cluster,
            excluded_cluster: &merged.excluded_cluster,
            included_namespaced: &merged.included_namespaced,
            excluded_namespaced: &merged.excluded_namespaced,
        };
        let resources = ResourceFilter::resolve(&lists, namespaces.is_everything(), catalog, &mut problems);
        // A selector that selects everything makes the others pointless.
        let everything = checked.labels.iter().any(Selector::is_everything);
        let labels = if everything { Vec::new() } else { checked.labels };
        (Self { namespaces, resources, labels, policies }, problems)
    }

    /// The included namespaces.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Whether objects of a kind are listed for their own sake.
    pub fn collects(&self, kind: &Kind) -> bool {
        self.resources.collects(kind)
    }

    /// Whether objects of a kind may be stored because a stored object needs them.
    pub fn allows(&self, kind: &Kind) -> bool {
        self.resources.allows(kind)
    }

    /// The label selectors to list with, one list for each.
    pub fn label_queries(&self) -> Vec<String> {
        if self.labels.is_empty() {
            vec![String::new()]
        } else {
            self.labels.iter().map(ToString::to_string).collect()
        }
    }

    /// Whether there are label selectors at all.
    pub fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Whether an object's labels are selected.
    pub fn selects(&self, head: &Head) -> bool {
        self.labels.is_empty() || self.labels.iter().any(|selector| selector.matches(&head.labels))
    }

    /// Whether the filter policies let an object pass.
    pub fn policies_allow(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        self.policies.allow(kind, head, catalog)
    }
}

/// The lists by scope of a spec with those of the policies below them: what the spec names counts.
struct Merged {
    included_cluster: Vec<String>,
    excluded_cluster: Vec<String>,
    included_namespaced: Vec<String>,
    excluded_namespaced: Vec<String>,
}

impl Merged {
    fn new(spec: &BackupSpec, policies: &Policies, problems: &mut Problems) -> Self {
        let lists = &policies.lists;
        let old = !spec.included_resources.is_empty()
            || !spec.excluded_resources.is_empty()
            || spec.include_cluster_resources.is_some();
        if old && (!lists.is_empty() || policies.has_filters()) {
            problems.errors.push(
                "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n\
                 They cannot be used with include-exclude or filter policies"
                    .into(),
            );
        }
        let merge = |own: &[String], other: &[String], below: &[String]| -> Vec<String> {
            let added = below.iter().filter(|text| !own.contains(text) && !other.contains(text));
            own.iter().chain(added).cloned().collect()
        };
        let (in_cluster, ex_cluster) =
            (&spec.included_cluster_scoped_resources, &spec.excluded_cluster_scoped_resources);
        let (in_spaces, ex_spaces) =
            (&spec.included_namespace_scoped_resources, &spec.excluded_namespace_scoped_resources);
        Self {
            included_cluster: merge(in_cluster, ex_cluster, &lists.included_cluster),
            excluded_cluster: merge(ex_cluster, in_cluster, &lists.excluded_cluster),
            included_namespaced: merge(in_spaces, ex_spaces, &lists.included_namespaced),
            excluded_namespaced: merge(ex_spaces, in_spaces, &lists.excluded_namespaced),
        }
    }
}
