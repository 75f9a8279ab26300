//! Everything that a backup's spec says about what belongs to it, resolved against the cluster.

use bowline_api::backup::BackupSpec;

use super::label::Selector;
use super::namespace::{LiveNamespaces, NamespaceLists, Namespaces};
use super::policy::{Policies, PolicyLists};
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
    /// Resolves a checked spec. `live` are the namespaces that exist.
    pub fn resolve(
        spec: &BackupSpec,
        checked: CheckedSpec,
        policies: Policies,
        live: &LiveNamespaces,
        catalog: &Catalog,
    ) -> (Self, Problems) {
        let mut problems = Problems { errors: checked.namespaces.check_labelled(live), warnings: Vec::new() };
        let namespaces = checked.namespaces.expand(live);
        let lists = ResourceLists {
            included: &spec.included_resources,
            excluded: &spec.excluded_resources,
            cluster: spec.include_cluster_resources,
            included_cluster: &spec.included_cluster_scoped_resources,
            excluded_cluster: &spec.excluded_cluster_scoped_resources,
            included_namespaced: &spec.included_namespace_scoped_resources,
            excluded_namespaced: &spec.excluded_namespace_scoped_resources,
        };
        if lists.has_old() && (!policies.lists.is_empty() || policies.has_filters()) {
            problems.errors.push(OLD_WITH_POLICIES.into());
        }
        let everything = namespaces.is_everything();
        let resources = ResourceFilter::resolve(&lists, &policies.lists, everything, catalog, &mut problems);
        problems.warnings.extend(policies.filter_problems(catalog));
        // A selector that selects everything makes the others pointless.
        let everything = checked.labels.iter().any(Selector::is_everything);
        let labels = if everything { Vec::new() } else { checked.labels };
        (Self { namespaces, resources, labels, policies }, problems)
    }

    /// A selection without limits.
    pub fn everything(catalog: &Catalog) -> Self {
        let lists = ResourceLists::default();
        let below = PolicyLists::default();
        let resources = ResourceFilter::resolve(&lists, &below, true, catalog, &mut Problems::default());
        let (namespaces, policies) = (Namespaces::default(), Policies::default());
        Self { namespaces, resources, labels: Vec::new(), policies }
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

    /// The label selectors to list with, one list for each. Where filter policies may want other objects than the backup's selectors,
    /// everything is listed and [`Selection::wants`] chooses.
    pub fn label_queries(&self) -> Vec<String> {
        if self.labels.is_empty() || self.policies.has_filters() {
            vec![String::new()]
        } else {
            self.selectors()
        }
    }

    /// The label selectors in string form.
    pub fn selectors(&self) -> Vec<String> {
        self.labels.iter().map(ToString::to_string).collect()
    }

    /// Whether there are label selectors at all.
    pub fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// Whether a listed object is selected by label and name: by the filter policies where they speak of it, else by the backup's own
    /// selectors.
    pub fn wants(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        let by_policy =
            if self.policies.has_filters() { self.policies.verdict(kind, head, catalog) } else { None };
        by_policy.unwrap_or_else(|| {
            self.labels.is_empty() || self.labels.iter().any(|selector| selector.matches(&head.labels))
        })
    }

    /// Whether the filter policies let an object pass that a stored object needs: one whose name they refuse does not.
    pub fn policies_allow_related(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        self.policies.allow_related(kind, head, catalog)
    }
}

/// Velero's words, which name the flags.
const OLD_WITH_POLICIES: &str = "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n\
     They cannot be used with include-exclude or filter policies";
