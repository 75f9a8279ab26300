//! The order of kinds: priorities first, the rest by name, low priorities last (behaviour §7.2).

use crate::catalog::{Catalog, GroupResource};

/// The default of `--restore-resource-priorities`.
pub const DEFAULT_PRIORITIES: &[&str] = &[
    "customresourcedefinitions",
    "namespaces",
    "storageclasses",
    "volumesnapshotclass.snapshot.storage.k8s.io",
    "volumesnapshotcontents.snapshot.storage.k8s.io",
    "volumesnapshots.snapshot.storage.k8s.io",
    "datauploads.velero.io",
    "persistentvolumes",
    "persistentvolumeclaims",
    "clusterroles",
    "roles",
    "serviceaccounts",
    "clusterrolebindings",
    "rolebindings",
    "secrets",
    "configmaps",
    "limitranges",
    "priorityclasses",
    "pods",
    "replicasets.apps",
    "clusterclasses.cluster.x-k8s.io",
    "endpoints",
    "services",
    SEPARATOR,
    "clusterbootstraps.run.tanzu.vmware.com",
    "clusters.cluster.x-k8s.io",
    "clusterresourcesets.addons.cluster.x-k8s.io",
    "apps.kappctrl.k14s.io",
    "packageinstalls.packaging.carvel.dev",
];

/// Stands between the high and the low priorities.
const SEPARATOR: &str = "-";

/// Sorts kinds of a backup into the order in which they are restored. Names that nothing resolves are no error: their kind may not be
/// served here at all.
pub(super) fn order<'a>(
    resources: impl IntoIterator<Item = &'a GroupResource>,
    priorities: &[String],
    catalog: &Catalog,
) -> Vec<GroupResource> {
    let defaults: Vec<String>;
    let priorities = if priorities.is_empty() {
        defaults = DEFAULT_PRIORITIES.iter().map(ToString::to_string).collect();
        &defaults
    } else {
        priorities
    };
    let middle = priorities.iter().position(|name| name == SEPARATOR).unwrap_or(priorities.len());
    let resolve = |name: &String| {
        catalog.resolve(name).map_or_else(|| GroupResource::from(name.as_str()), |kind| kind.group_resource())
    };
    let ranks: Vec<(GroupResource, usize)> = priorities
        .iter()
        .enumerate()
        .filter(|(_, name)| *name != SEPARATOR)
        .map(|(at, name)| (resolve(name), if at < middle { at } else { priorities.len() + at }))
        .collect();
    let rank = |resource: &GroupResource| {
        ranks.iter().find(|(have, _)| have == resource).map_or(priorities.len(), |(_, rank)| *rank)
    };
    let mut ordered: Vec<GroupResource> = resources.into_iter().cloned().collect();
    ordered.sort_by_key(|resource| (rank(resource), resource.to_string()));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Kind;

    fn catalog() -> Catalog {
        let kinds = [("", "Pod", "pods"), ("", "Secret", "secrets"), ("apps", "Deployment", "deployments")];
        let kinds = kinds.map(|(group, kind, plural)| Kind::builtin(group, "v1", kind, plural, true));
        Catalog::new(kinds.into(), Vec::new())
    }

    fn ordered(resources: &[&str], priorities: &[&str]) -> Vec<String> {
        let resources: Vec<GroupResource> = resources.iter().map(|name| GroupResource::from(*name)).collect();
        let priorities: Vec<String> = priorities.iter().map(ToString::to_string).collect();
        order(&resources, &priorities, &catalog()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_puts_secrets_before_pods_and_the_rest_by_name() {
        let got = ordered(
            &["widgets.example.io", "pods", "deployments.apps", "apps.kappctrl.k14s.io", "secrets"],
            &[],
        );
        assert_eq!(
            got,
            ["secrets", "pods", "deployments.apps", "widgets.example.io", "apps.kappctrl.k14s.io"]
        );
    }

    #[test]
    fn the_default_order_of_kinds_is_velero_s() {
        let high = "customresourcedefinitions namespaces storageclasses volumesnapshotclass.snapshot.storage.k8s.io \
            volumesnapshotcontents.snapshot.storage.k8s.io volumesnapshots.snapshot.storage.k8s.io datauploads.velero.io \
            persistentvolumes persistentvolumeclaims clusterroles roles serviceaccounts clusterrolebindings rolebindings \
            secrets configmaps limitranges priorityclasses pods replicasets.apps clusterclasses.cluster.x-k8s.io endpoints services";
        let low = "clusterbootstraps.run.tanzu.vmware.com clusters.cluster.x-k8s.io clusterresourcesets.addons.cluster.x-k8s.io \
            apps.kappctrl.k14s.io packageinstalls.packaging.carvel.dev";
        let expected: Vec<&str> =
            high.split_whitespace().chain(["-"]).chain(low.split_whitespace()).collect();
        assert_eq!(DEFAULT_PRIORITIES, expected);
    }

    #[test]
    fn own_priorities_resolve_and_what_follows_the_dash_is_last() {
        assert_eq!(
            ordered(&["deployments.apps", "pods", "secrets"], &["secret", "-", "deployment"]),
            ["secrets", "pods", "deployments.apps"]
        );
    }
}
