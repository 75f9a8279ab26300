use super::*;

fn catalog() -> Catalog {
    let kinds = [
        ("", "v1", "Pod", "pods", true),
        ("", "v1", "Secret", "secrets", true),
        ("", "v1", "Namespace", "namespaces", false),
        ("", "v1", "PersistentVolume", "persistentvolumes", false),
        ("apps", "v1", "Deployment", "deployments", true),
        ("storage.k8s.io", "v1", "StorageClass", "storageclasses", false),
        ("snapshot.storage.k8s.io", "v1", "VolumeSnapshot", "volumesnapshots", true),
    ];
    let kinds = kinds.map(|(group, version, kind, plural, namespaced)| {
        Kind::builtin(group, version, kind, plural, namespaced)
    });
    Catalog::new(kinds.into(), Vec::new())
}

/// `collected | allowed besides`, short names.
fn outcome(lists: &ResourceLists<'_>, all_namespaces: bool) -> String {
    let (catalog, mut problems) = (catalog(), Problems::default());
    let filter = ResourceFilter::resolve(lists, all_namespaces, &catalog, &mut problems);
    assert!(problems.errors.is_empty(), "{:?}", problems.errors);
    let names = |keep: &dyn Fn(&Kind) -> bool| {
        let kinds: Vec<_> =
            catalog.preferred().filter(|kind| keep(kind)).map(|kind| kind.plural.as_str()).collect();
        kinds.join(" ")
    };
    let collected = names(&|kind| filter.collects(kind));
    format!("{collected} | {}", names(&|kind| !filter.collects(kind) && filter.allows(kind)))
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn without_lists_a_full_backup_has_everything_and_a_partial_one_what_it_needs() {
    let none = ResourceLists::default();
    assert_eq!(
        outcome(&none, true),
        "pods secrets namespaces persistentvolumes deployments storageclasses | "
    );
    assert_eq!(
        outcome(&none, false),
        "pods secrets namespaces deployments | persistentvolumes storageclasses"
    );
}

#[test]
fn old_style() {
    let (pods, pv) = (list(&["po", "pods"]), list(&["pods", "persistentvolumes"]));
    let secrets = list(&["secrets", "storageclasses"]);
    for (lists, all, expected) in [
        (ResourceLists { included: &pods[1..], ..Default::default() }, false, "pods | "),
        (ResourceLists { included: &pv, ..Default::default() }, false, "pods | persistentvolumes"),
        (ResourceLists { included: &pv, ..Default::default() }, true, "pods persistentvolumes | "),
        (
            ResourceLists { excluded: &secrets, cluster: Some(true), ..Default::default() },
            false,
            "pods namespaces persistentvolumes deployments | ",
        ),
        (
            ResourceLists { cluster: Some(false), ..Default::default() },
            true,
            "pods secrets namespaces deployments | ",
        ),
        (
            ResourceLists { included: &pods[1..], cluster: Some(true), ..Default::default() },
            false,
            "pods | namespaces persistentvolumes storageclasses",
        ),
    ] {
        assert_eq!(outcome(&lists, all), expected, "{lists:?}");
    }
}

#[test]
fn new_style() {
    let (pods, classes, star) = (list(&["pods"]), list(&["storageclasses"]), list(&["*"]));
    let snapshots = list(&["volumesnapshots.snapshot.storage.k8s.io"]);
    let globs = list(&["deploy*"]);
    for (lists, all, expected) in [
        (
            ResourceLists { included_namespaced: &pods, ..Default::default() },
            true,
            "pods namespaces | persistentvolumes storageclasses",
        ),
        (
            ResourceLists { included_cluster: &classes, ..Default::default() },
            false,
            "pods secrets namespaces deployments storageclasses | persistentvolumes",
        ),
        (
            ResourceLists { excluded_cluster: &star, included_namespaced: &globs, ..Default::default() },
            true,
            "deployments | ",
        ),
        (
            ResourceLists { excluded_cluster: &classes, ..Default::default() },
            true,
            "pods secrets namespaces deployments | persistentvolumes",
        ),
        (
            ResourceLists { excluded_namespaced: &snapshots, ..Default::default() },
            true,
            "pods secrets namespaces persistentvolumes deployments storageclasses | ",
        ),
    ] {
        assert_eq!(outcome(&lists, all), expected, "{lists:?}");
    }
}

#[test]
fn mistakes_are_named_with_a_hint() {
    let typo = list(&["secretz"]);
    let wrong_scope = list(&["storageclasses"]);
    let pods = list(&["pods"]);
    for (lists, part) in [
        (
            ResourceLists { included: &typo, ..Default::default() },
            "no resource \"secretz\", did you mean secrets?",
        ),
        (ResourceLists { included_namespaced: &wrong_scope, ..Default::default() }, "is cluster-scoped"),
        (
            ResourceLists { included: &pods, included_cluster: &wrong_scope, ..Default::default() },
            "cannot be used together",
        ),
        (
            ResourceLists { included: &pods, excluded: &pods, ..Default::default() },
            "in the includes list: pods",
        ),
    ] {
        let mut problems = Problems::default();
        ResourceFilter::resolve(&lists, true, &catalog(), &mut problems);
        assert!(problems.errors.join("\n").contains(part), "{:?}", problems.errors);
    }
}

#[test]
fn what_is_not_installed_may_be_excluded_with_a_warning() {
    let (typo, contents) = (list(&["zebras"]), list(&["volumesnapshotcontents.snapshot.storage.k8s.io"]));
    for (excluded, warnings) in [(&typo, 1), (&contents, 0)] {
        let mut problems = Problems::default();
        let lists = ResourceLists { excluded, ..Default::default() };
        ResourceFilter::resolve(&lists, true, &catalog(), &mut problems);
        assert_eq!((problems.errors.len(), problems.warnings.len()), (0, warnings));
    }
}
