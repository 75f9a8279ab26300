use serde_json::json;

use super::super::Policies;
use super::*;
use crate::object::Object;

fn catalog() -> Catalog {
    let mut maps = Kind::builtin("", "v1", "ConfigMap", "configmaps", true);
    maps.short_names = vec!["cm".into()];
    let kinds = vec![
        maps,
        Kind::builtin("", "v1", "Secret", "secrets", true),
        Kind::builtin("", "v1", "PersistentVolume", "persistentvolumes", false),
        Kind::builtin("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false),
    ];
    Catalog::new(kinds, Vec::new())
}

fn head(namespace: &str, name: &str, label: &str) -> Head {
    let mut metadata = json!({"name": name, "labels": {"app": label}});
    if !namespace.is_empty() {
        metadata["namespace"] = namespace.into();
    }
    Object::from_tree(&json!({"metadata": metadata})).unwrap().head().clone()
}

fn policies(text: &str) -> Policies {
    Policies::parse(&format!("version: v1\n{text}")).unwrap()
}

/// What the policies say of `resource namespace/name`, labelled `app=label`.
fn verdict(policies: &Policies, resource: &str, object: &str, label: &str) -> Option<bool> {
    let catalog = catalog();
    let kind = catalog.resolve(resource).unwrap();
    let (namespace, name) = object.split_once('/').unwrap_or(("", object));
    policies.verdict(kind, &head(namespace, name, label), &catalog)
}

const NAMESPACED: &str = "namespacedFilterPolicies:
- namespaces: ['team-*']
  resourceFilters: [{kinds: [secrets]}]
- namespaces: [team-a, 'x*']
  resourceFilters:
  - {kinds: [ConfigMap], names: ['app-*', one], excludedNames: [app-x], labelSelector: {matchLabels: {app: web}}}
- namespaces: [rest]
  resourceFilters:
  - {kinds: [cm], names: [one]}
  - {kinds: ['*'], orLabelSelectors: [{matchLabels: {app: web}}, {matchLabels: {app: db}}]}";

#[test]
fn a_namespace_holds_nothing_but_what_its_filter_names() {
    let policies = policies(NAMESPACED);
    for (resource, object, label, expected) in [
        ("configmaps", "team-a/app-1", "web", Some(true)),
        ("configmaps", "team-a/one", "web", Some(true)),
        ("configmaps", "team-a/two", "web", Some(false)),
        ("configmaps", "team-a/app-x", "web", Some(false)),
        ("configmaps", "team-a/app-1", "db", Some(false)),
        ("secrets", "team-a/app-1", "web", Some(false)),
        ("configmaps", "elsewhere/one", "web", None),
        ("persistentvolumes", "one", "web", None),
    ] {
        assert_eq!(verdict(&policies, resource, object, label), expected, "{resource} {object} {label}");
    }
}

#[test]
fn a_filter_that_names_the_namespace_goes_before_one_whose_pattern_fits() {
    let policies = policies(NAMESPACED);
    assert_eq!(verdict(&policies, "secrets", "team-a/s", ""), Some(false));
    assert_eq!(verdict(&policies, "secrets", "team-b/s", ""), Some(true));
    assert_eq!(verdict(&policies, "configmaps", "xy/one", "web"), Some(true));
}

#[test]
fn of_two_patterns_the_first_counts() {
    let policies = policies(
        "namespacedFilterPolicies:
- {namespaces: ['a*'], resourceFilters: [{kinds: [secrets]}]}
- {namespaces: ['ab*'], resourceFilters: [{kinds: [configmaps]}]}",
    );
    assert_eq!(verdict(&policies, "secrets", "abc/s", ""), Some(true));
    assert_eq!(verdict(&policies, "configmaps", "abc/c", ""), Some(false));
}

#[test]
fn a_filter_without_kinds_takes_the_rest_and_one_that_names_the_kind_goes_before_it() {
    let policies = policies(NAMESPACED);
    for (resource, object, label, expected) in [
        ("secrets", "rest/s", "db", true),
        ("secrets", "rest/s", "other", false),
        ("configmaps", "rest/one", "other", true),
        ("configmaps", "rest/two", "web", false),
    ] {
        assert_eq!(
            verdict(&policies, resource, object, label),
            Some(expected),
            "{resource} {object} {label}"
        );
    }
}

#[test]
fn the_cluster_scoped_filter_limits_only_the_kinds_that_it_names() {
    let policies = policies(
        "clusterScopedFilterPolicy:\n  resourceFilters: [{kinds: [clusterroles], names: ['app-*']}]",
    );
    assert_eq!(verdict(&policies, "clusterroles", "app-1", ""), Some(true));
    assert_eq!(verdict(&policies, "clusterroles", "other", ""), Some(false));
    assert_eq!(verdict(&policies, "persistentvolumes", "other", ""), None);
    assert_eq!(verdict(&policies, "secrets", "shop/other", ""), None);
}

#[test]
fn related_objects_are_kept_out_only_by_name() {
    let (policies, catalog) = (policies(NAMESPACED), catalog());
    let allows = |resource: &str, object: &str| {
        let (namespace, name) = object.split_once('/').unwrap();
        let kind = catalog.resolve(resource).unwrap();
        policies.allow_related(kind, &head(namespace, name, "other"), &catalog)
    };
    assert!(allows("secrets", "team-a/any") && allows("configmaps", "team-a/app-1"));
    assert!(!allows("configmaps", "team-a/two") && !allows("configmaps", "team-a/app-x"));
    assert!(allows("configmaps", "elsewhere/any") && allows("secrets", "rest/any"));
}

#[test]
fn kinds_that_can_never_be_found_are_told() {
    let policies = policies(
        "clusterScopedFilterPolicy: {resourceFilters: [{kinds: [secrets, zebras]}]}
namespacedFilterPolicies: [{namespaces: [a], resourceFilters: [{kinds: [clusterroles, secrets]}]}]",
    );
    let problems = policies.filter_problems(&catalog());
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(
        problems[0].contains("\"secrets\" is namespaced") && problems[1].contains("no resource \"zebras\"")
    );
    assert!(problems[2].contains("\"clusterroles\" is cluster-scoped"));
}
