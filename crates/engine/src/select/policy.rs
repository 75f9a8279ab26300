//! The resource policies of a ConfigMap (behaviour §3.5 and §11): which volumes to save and how, and finer filters for objects.

pub mod filter;
mod parse;
pub mod volume;

pub use parse::PolicyError;

use filter::{ClusterFilter, NamespaceFilter};
use volume::VolumePolicy;

use crate::catalog::{Catalog, Kind};
use crate::object::Head;

/// The checked content of a resource policies ConfigMap.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// What happens to the data of volumes; the first that fits counts.
    pub volumes: Vec<VolumePolicy>,
    /// Lists that are merged below those of the backup.
    pub lists: PolicyLists,
    /// Limits on cluster-scoped kinds; `None` where there are none.
    pub cluster_filter: Option<ClusterFilter>,
    /// Allow-lists for namespaces; the first one that fits a namespace counts.
    pub namespace_filters: Vec<NamespaceFilter>,
}

impl Policies {
    /// Puts server-wide volume policies behind these: what the backup's own policies say of a volume counts.
    #[must_use]
    pub fn with_global(mut self, global: &Self) -> Self {
        self.volumes.extend(global.volumes.iter().cloned());
        self
    }

    /// Why these can't be the policies of a restore; `None` when they can. Volumes and lists are chosen when the backup is made.
    pub fn refused_for_restore(&self) -> Option<&'static str> {
        if !self.volumes.is_empty() {
            return Some("volumePolicies are for backups only");
        }
        (!self.lists.is_empty()).then_some("includeExcludePolicy is for backups only")
    }

    /// Why these can't be server-wide policies; `None` when they can.
    pub fn refused_as_global(&self) -> Option<&'static str> {
        (self.has_filters() || !self.lists.is_empty())
            .then_some("server-wide policies can hold volumePolicies only")
    }

    /// Whether there are filters for objects.
    pub fn has_filters(&self) -> bool {
        self.cluster_filter.is_some() || !self.namespace_filters.is_empty()
    }

    /// Whether the filters let an object pass. In a namespace with a policy only what that allows does; of cluster-scoped objects only
    /// the kinds that the policy names are limited.
    pub fn allow(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        self.verdict(kind, head, catalog).unwrap_or(true)
    }

    /// What the filters say of an object; `None` where they don't speak of it.
    pub fn verdict(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> Option<bool> {
        match &head.namespace {
            Some(namespace) => Some(self.namespace_filter(namespace)?.includes(kind, head, catalog)),
            None => self.cluster_filter.as_ref()?.includes(kind, head, catalog),
        }
    }

    /// Whether the filters let an object pass that a stored object needs. Only the names of kinds that they name count: a backup
    /// without what its objects need would be incomplete.
    pub fn allow_related(&self, kind: &Kind, head: &Head, catalog: &Catalog) -> bool {
        let rules = match &head.namespace {
            Some(namespace) => self.namespace_filter(namespace).map(|filter| &filter.rules),
            None => self.cluster_filter.as_ref().map(|filter| &filter.rules),
        };
        rules.and_then(|rules| filter::of_kind(rules, kind, catalog)).is_none_or(|rule| rule.fits_name(head))
    }

    /// The filter for a namespace: one that names it, else the first with a pattern that fits.
    fn namespace_filter(&self, namespace: &str) -> Option<&NamespaceFilter> {
        let filters = || self.namespace_filters.iter();
        filters()
            .find(|filter| filter.names(namespace))
            .or_else(|| filters().find(|filter| filter.is_for(namespace)))
    }

    /// What in the filters has no effect in a cluster: kinds that it does not have, or that are of the other scope.
    pub fn filter_problems(&self, catalog: &Catalog) -> Vec<String> {
        let cluster =
            self.cluster_filter.iter().map(|filter| ("clusterScopedFilterPolicy", &filter.rules, false));
        let namespaced =
            self.namespace_filters.iter().map(|it| ("namespacedFilterPolicies", &it.rules, true));
        let named = cluster.chain(namespaced).flat_map(|(field, rules, scope)| {
            rules.iter().flat_map(move |rule| rule.named_kinds().map(move |it| (field, it, scope)))
        });
        let problem = |(field, name, namespaced): (&str, &str, bool)| match catalog.resolve(name) {
            None => Some(format!("{field}: the cluster has no resource {name:?}")),
            Some(kind) if kind.namespaced == namespaced => None,
            Some(_) if namespaced => {
                Some(format!("{field}: resource {name:?} is cluster-scoped, so nothing is filtered by it"))
            }
            Some(_) => {
                Some(format!("{field}: resource {name:?} is namespaced, so nothing is filtered by it"))
            }
        };
        named.filter_map(problem).collect()
    }
}

/// `includeExcludePolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyLists {
    /// Cluster-scoped resources to include.
    pub included_cluster: Vec<String>,
    /// Cluster-scoped resources to exclude.
    pub excluded_cluster: Vec<String>,
    /// Namespaced resources to include.
    pub included_namespaced: Vec<String>,
    /// Namespaced resources to exclude.
    pub excluded_namespaced: Vec<String>,
}

impl PolicyLists {
    /// Whether there is anything in the lists.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
