//! The kinds that an API server serves, and how users may name them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::nearest::nearest;

pub use bowline_api::resource::GroupResource;

/// One served kind at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: String,
    /// Version inside the group, such as `v1`.
    pub version: String,
    /// Kind in its own spelling, such as `ConfigMap`.
    pub kind: String,
    /// Plural resource name, such as `configmaps`; what paths and filters use.
    pub plural: String,
    /// Singular name; may be empty.
    pub singular: String,
    /// Short names, such as `cm`.
    pub short_names: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Verbs that the server offers.
    pub verbs: Vec<String>,
    /// Whether `version` is the version the server prefers for the group.
    pub preferred: bool,
}

impl Kind {
    /// A kind with every verb; for tests and for kinds known by heart.
    pub fn builtin(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            namespaced,
            verbs: ["create", "delete", "get", "list", "patch", "update", "watch"].map(String::from).into(),
            preferred: true,
        }
    }

    /// `group/version`, or the version alone for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `plural.group`, the name of the kind in archives, filters and logs.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource { group: self.group.clone(), resource: self.plural.clone() }
    }

    /// Whether the kind can be backed up and restored: it can be listed, read, created and deleted (behaviour §6.1).
    pub fn is_restorable(&self) -> bool {
        ["list", "create", "get", "delete"].iter().all(|verb| self.verbs.iter().any(|have| have == verb))
    }

    fn is_called(&self, name: &str) -> bool {
        self.plural == name
            || self.singular == name
            || self.kind.eq_ignore_ascii_case(name)
            || self.short_names.iter().any(|short| short == name)
    }
}

/// An API group whose kinds could not be read, mostly because its aggregated API server is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenGroup {
    /// `group/version`.
    pub api_version: String,
    /// What the server said.
    pub message: String,
}

/// All served kinds, in the order in which a backup visits them.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    kinds: Vec<Arc<Kind>>,
    broken: Vec<BrokenGroup>,
    preferred: BTreeMap<GroupResource, usize>,
}

impl Catalog {
    /// Builds a catalog from discovery. `kinds` come in the server's order and may hold several versions of a kind; the group
    /// `extensions` is moved to the end, as in Velero (behaviour §6.1).
    pub fn new(kinds: Vec<Kind>, broken: Vec<BrokenGroup>) -> Self {
        let (last, first): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|kind| kind.group == "extensions");
        let kinds: Vec<_> = first.into_iter().chain(last).map(Arc::new).collect();
        let mut preferred = BTreeMap::new();
        for (index, kind) in kinds.iter().enumerate() {
            let slot = preferred.entry(kind.group_resource()).or_insert(index);
            if kind.preferred && !kinds[*slot].preferred {
                *slot = index;
            }
        }
        Self { kinds, broken, preferred }
    }

    /// Every kind at its preferred version, in visiting order.
    pub fn preferred(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds
            .iter()
            .enumerate()
            .filter(|(index, kind)| self.preferred[&kind.group_resource()] == *index)
            .map(|(_, kind)| kind)
    }

    /// Every kind at every served version.
    pub fn all(&self) -> &[Arc<Kind>] {
        &self.kinds
    }

    /// Groups that could not be read.
    pub fn broken(&self) -> &[BrokenGroup] {
        &self.broken
    }

    /// The kind of a resource at the preferred version.
    pub fn get(&self, resource: &GroupResource) -> Option<&Arc<Kind>> {
        self.preferred.get(resource).map(|index| &self.kinds[*index])
    }

    /// The kind of a resource at a certain version.
    pub fn get_version(&self, resource: &GroupResource, version: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|kind| {
            kind.plural == resource.resource && kind.group == resource.group && kind.version == version
        })
    }

    /// The kind of an object by its apiVersion and kind.
    pub fn of_object(&self, api_version: &str, kind: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|served| served.kind == kind && served.api_version() == api_version)
    }

    /// Resolves what a user wrote: plural, singular, short name or kind, each alone or followed by `.group`, the beginning of a group
    /// or `.version.group`. The first match in visiting order wins, as with kubectl.
    pub fn resolve(&self, name: &str) -> Option<&Arc<Kind>> {
        let name = name.to_lowercase();
        if let Some(kind) = self.preferred().find(|kind| kind.is_called(&name)) {
            return Some(kind);
        }
        let (resource, rest) = name.split_once('.')?;
        let in_group =
            |group: &str| self.preferred().find(|kind| kind.group == group && kind.is_called(resource));
        let at_version = || {
            let (version, group) = rest.split_once('.')?;
            self.kinds
                .iter()
                .find(|kind| kind.group == group && kind.version == version && kind.is_called(resource))
        };
        let in_group_like =
            || self.preferred().find(|kind| kind.group.starts_with(rest) && kind.is_called(resource));
        in_group(rest).or_else(at_version).or_else(in_group_like)
    }

    /// The served resource whose name is nearest to a name that resolves to nothing, for a hint; `None` when nothing is near.
    pub fn nearest(&self, name: &str) -> Option<String> {
        let wanted = name.split('.').next().unwrap_or(name).to_lowercase();
        let aliases = self.preferred().flat_map(|kind| [kind.plural.as_str(), kind.singular.as_str()]);
        let near = nearest(&wanted, aliases)?;
        self.resolve(near).map(|kind| kind.group_resource().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let mut deployments = Kind::builtin("apps", "v1", "Deployment", "deployments", true);
        deployments.short_names = vec!["deploy".into()];
        let old = Kind { version: "v1beta1".into(), preferred: false, ..deployments.clone() };
        let legacy = Kind::builtin("extensions", "v1beta1", "Ingress", "ingresses", true);
        let ingresses = Kind::builtin("networking.k8s.io", "v1", "Ingress", "ingresses", true);
        Catalog::new(vec![legacy, old, deployments, ingresses], Vec::new())
    }

    #[test]
    fn names_resolve_in_every_form() {
        let catalog = catalog();
        for name in [
            "deployments",
            "deployment",
            "deploy",
            "Deployment",
            "deployments.apps",
            "deploy.apps",
            "deployments.v1.apps",
        ] {
            assert_eq!(catalog.resolve(name).unwrap().api_version(), "apps/v1", "{name}");
        }
        assert_eq!(catalog.resolve("deployments.v1beta1.apps").unwrap().version, "v1beta1");
        assert_eq!(catalog.resolve("ingresses").unwrap().group, "networking.k8s.io");
        assert_eq!(catalog.resolve("ingress.extensions").unwrap().group, "extensions");
        assert_eq!(catalog.resolve("ingresses.networking").unwrap().group, "networking.k8s.io");
        assert!(catalog.resolve("ingresses.").is_some() && catalog.resolve("ingresses.k8s.io").is_none());
        assert!(catalog.resolve("deployments.other").is_none());
    }

    #[test]
    fn a_mistyped_name_gets_the_nearest() {
        assert_eq!(catalog().nearest("deploymnts").as_deref(), Some("deployments.apps"));
        assert_eq!(catalog().nearest("zebra"), None);
    }

    #[test]
    fn preferred_lists_each_resource_once_with_extensions_last() {
        let catalog = catalog();
        let names: Vec<_> = catalog.preferred().map(|kind| kind.group_resource().to_string()).collect();
        assert_eq!(names, ["deployments.apps", "ingresses.networking.k8s.io", "ingresses.extensions"]);
    }
}
