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
    let filter =
        ResourceFilter::resolve(lists, &PolicyLists::default(), all_namespaces, &catalog, &mut problems);
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
    let (star, globs) = (list(&["*"]), list(&["*.apps", "sec*"]));
    for (lists, all, expected) in [
        (ResourceLists { included: &pods[1..], ..Default::default() }, false, "pods | "),
        (ResourceLists { included: &pv, ..Default::default() }, false, "pods | persistentvolumes"),
        (ResourceLists { included: &pv, ..Default::default() }, true, "pods persistentvolumes | "),
        (
            ResourceLists { excluded: &secrets, cluster: Some(true), ..Default::default() },
            false,
            "pods namespaces persistentvolumes deployments | ",
        ),
        (ResourceLists { cluster: Some(false), ..Default::default() }, true, "pods secrets deployments | "),
        (
            ResourceLists { cluster: Some(true), ..Default::default() },
            false,
            "pods secrets namespaces persistentvolumes deployments storageclasses | ",
        ),
        (
            ResourceLists { included: &star, cluster: Some(false), ..Default::default() },
            true,
            "pods secrets deployments | ",
        ),
        (
            ResourceLists { included: &star, ..Default::default() },
            false,
            "pods secrets namespaces deployments | persistentvolumes storageclasses",
        ),
        (ResourceLists { included: &globs, ..Default::default() }, false, "secrets deployments | "),
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
    let (globs, namespaces) = (list(&["deploy*"]), list(&["ns*", "namespaces"]));
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
        (
            ResourceLists { included_namespaced: &star, ..Default::default() },
            true,
            "pods secrets namespaces persistentvolumes deployments storageclasses | ",
        ),
        (
            ResourceLists { included_cluster: &star, included_namespaced: &pods, ..Default::default() },
            false,
            "pods namespaces persistentvolumes storageclasses | ",
        ),
        (
            ResourceLists { excluded_namespaced: &star, included_cluster: &classes, ..Default::default() },
            true,
            "namespaces storageclasses | persistentvolumes",
        ),
        (
            ResourceLists { excluded_namespaced: &pods, ..Default::default() },
            true,
            "secrets namespaces deployments | persistentvolumes storageclasses",
        ),
        (
            ResourceLists { included_cluster: &star, excluded_cluster: &namespaces, ..Default::default() },
            false,
            "pods secrets persistentvolumes deployments storageclasses | ",
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
        ResourceFilter::resolve(&lists, &PolicyLists::default(), true, &catalog(), &mut problems);
        assert!(problems.errors.join("\n").contains(part), "{:?}", problems.errors);
    }
}

#[test]
fn contradictions_in_the_lists_by_scope_are_refused() {
    let (star, both, pods) = (list(&["*"]), list(&["*", "pods"]), list(&["pods"]));
    for (lists, part) in [
        (
            ResourceLists { included_namespaced: &both, ..Default::default() },
            "includes list must either contain",
        ),
        (
            ResourceLists { excluded_namespaced: &both, ..Default::default() },
            "excludes list must either contain",
        ),
        (
            ResourceLists { included_namespaced: &pods, excluded_namespaced: &star, ..Default::default() },
            "when exclude is '*', include cannot have value",
        ),
        (
            ResourceLists { included_namespaced: &pods, excluded_namespaced: &pods, ..Default::default() },
            "in the includes list: pods",
        ),
        (ResourceLists { excluded: &star, ..Default::default() }, "excludes list cannot contain '*'"),
    ] {
        let mut problems = Problems::default();
        ResourceFilter::resolve(&lists, &PolicyLists::default(), true, &catalog(), &mut problems);
        assert!(problems.errors.join("\n").contains(part), "{:?}", problems.errors);
    }
}

/// `collected` under these lists of the spec and of the policies, by scope.
fn merged(spec: &ResourceLists<'_>, policy: &PolicyLists) -> String {
    let (catalog, mut problems) = (catalog(), Problems::default());
    let filter = ResourceFilter::resolve(spec, policy, true, &catalog, &mut problems);
    assert!(problems.errors.is_empty(), "{:?}", problems.errors);
    let collected = catalog.preferred().filter(|kind| filter.collects(kind)).map(|kind| kind.plural.as_str());
    collected.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_lists_of_policies_count_where_the_spec_is_silent() {
    let (pods, star, deploy) = (list(&["po", "pods"]), list(&["*"]), list(&["deployment"]));
    let policy = |included: &[&str], excluded: &[&str]| PolicyLists {
        included_namespaced: list(included),
        excluded_namespaced: list(excluded),
        ..PolicyLists::default()
    };
    let everything = "pods secrets namespaces persistentvolumes deployments storageclasses";
    for (spec, below, expected) in [
        (ResourceLists::default(), policy(&[], &["secrets"]), "pods namespaces deployments"),
        (ResourceLists::default(), policy(&["pods"], &[]), "pods namespaces"),
        (
            ResourceLists { included_namespaced: &pods[1..], ..Default::default() },
            policy(&["deployments"], &["pod"]),
            "pods namespaces deployments",
        ),
        (
            ResourceLists { excluded_namespaced: &deploy, ..Default::default() },
            policy(&["deployments.apps", "pods"], &[]),
            "pods namespaces",
        ),
        // A star of the spec speaks of everything.
        (
            ResourceLists { included_namespaced: &star, ..Default::default() },
            policy(&["pods"], &["secrets", "dep*"]),
            everything,
        ),
    ] {
        assert_eq!(merged(&spec, &below), expected, "{spec:?} {below:?}");
    }
    let cluster = PolicyLists { included_cluster: list(&["storageclasses"]), ..PolicyLists::default() };
    assert_eq!(
        merged(&ResourceLists::default(), &cluster),
        "pods secrets namespaces deployments storageclasses"
    );
}

#[test]
fn policies_that_name_what_the_cluster_does_not_have_are_told() {
    let below =
        PolicyLists { excluded_namespaced: list(&["zebras", "storageclasses"]), ..PolicyLists::default() };
    let mut problems = Problems::default();
    ResourceFilter::resolve(&ResourceLists::default(), &below, true, &catalog(), &mut problems);
    assert_eq!((problems.errors.len(), problems.warnings.len()), (0, 2), "{problems:?}");
    assert!(problems.warnings[0].starts_with("includeExcludePolicy: the cluster has no resource \"zebras\""));
}

#[test]
fn snapshots_are_named_as_what_is_never_saved_for_its_own_sake() {
    let snapshots = list(&["volumesnapshots.snapshot.storage.k8s.io"]);
    let mut problems = Problems::default();
    let lists = ResourceLists { included: &snapshots, excluded: &snapshots, ..Default::default() };
    let filter = ResourceFilter::resolve(&lists, &PolicyLists::default(), true, &catalog(), &mut problems);
    assert!(problems.errors.is_empty() && problems.warnings[0].contains("are saved with the claims"));
    assert!(catalog().preferred().all(|kind| !filter.collects(kind)));
}

#[test]
fn what_is_not_installed_may_be_excluded_with_a_warning() {
    let (typo, contents) = (list(&["zebras"]), list(&["volumesnapshotcontents.snapshot.storage.k8s.io"]));
    for (excluded, warnings) in [(&typo, 1), (&contents, 0)] {
        let mut problems = Problems::default();
        let lists = ResourceLists { excluded, ..Default::default() };
        ResourceFilter::resolve(&lists, &PolicyLists::default(), true, &catalog(), &mut problems);
        assert_eq!((problems.errors.len(), problems.warnings.len()), (0, warnings));
    }
}

#[test]
fn an_empty_name_as_veleros_command_line_makes_it_names_nothing() {
    let (empty, pods) = (list(&[""]), list(&["pods", ""]));
    let everything = "pods secrets namespaces persistentvolumes deployments storageclasses | ";
    assert_eq!(outcome(&ResourceLists { included: &empty, ..Default::default() }, true), everything);
    assert_eq!(outcome(&ResourceLists { excluded: &empty, ..Default::default() }, true), everything);
    assert_eq!(outcome(&ResourceLists { included: &pods, ..Default::default() }, false), "pods | ");
}
