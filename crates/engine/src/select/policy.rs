//! The resource policies of a ConfigMap (behaviour §3.5 and §11): which volumes to save and how, and finer filters for objects.

pub mod filter;
mod parse;
pub mod volume;

pub use parse::PolicyError;

use filter::{ClusterFilter, NamespaceFilter};
use volume::VolumePolicy;

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
