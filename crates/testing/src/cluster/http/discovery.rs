//! Discovery: aggregated as servers since 1.26 answer it, and the older form.

use std::collections::BTreeMap;

use bowline_engine::catalog::{Catalog, Kind};
use bowline_engine::port::ClusterError;
use http::Response;
use serde_json::{Value, json};

use super::answer::{self, Content};

pub(super) fn answer(
    catalog: &Catalog,
    path: &str,
    aggregated: bool,
) -> Result<Response<Content>, ClusterError> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let body = match *parts.as_slice() {
        ["api"] if aggregated => groups(catalog, str::is_empty),
        ["apis"] if aggregated => groups(catalog, |group| !group.is_empty()),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"]}),
        ["apis"] => group_list(catalog),
        ["api", version] => resources(catalog, "", version),
        ["apis", group, version] => resources(catalog, group, version),
        _ => return Err(ClusterError::NotFound { message: format!("{path} is not served") }),
    };
    Ok(answer::object(200, &body))
}

/// Versions by group, with the preferred one first.
fn versions(catalog: &Catalog) -> BTreeMap<&str, Vec<&str>> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in catalog.all() {
        let known = versions.entry(&kind.group).or_default();
        if !known.contains(&kind.version.as_str()) {
            known.push(&kind.version);
        }
    }
    versions
}

fn kinds<'a>(catalog: &'a Catalog, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Kind> {
    let kinds = catalog.all().iter().map(|kind| &**kind);
    kinds.filter(move |kind| kind.group == group && kind.version == version)
}

fn groups(catalog: &Catalog, wanted: impl Fn(&str) -> bool) -> Value {
    let version = |group: &str, version: &str| {
        let resources: Vec<_> = kinds(catalog, group, version)
            .map(|kind| {
                json!({
                    "resource": kind.plural,
                    "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
                    "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
                    "singularResource": kind.singular, "verbs": kind.verbs, "shortNames": kind.short_names,
                })
            })
            .collect();
        json!({"version": version, "resources": resources, "freshness": "Current"})
    };
    let items: Vec<_> = versions(catalog)
        .into_iter()
        .filter(|(group, _)| wanted(group))
        .map(|(group, versions)| {
            let versions: Vec<_> = versions.iter().map(|name| version(group, name)).collect();
            json!({"metadata": {"name": group}, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn group_list(catalog: &Catalog) -> Value {
    let groups: Vec<_> = versions(catalog)
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| {
            let versions: Vec<_> = versions
                .iter()
                .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
                .collect();
            json!({"name": group, "preferredVersion": versions[0], "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn resources(catalog: &Catalog, group: &str, version: &str) -> Value {
    let resources: Vec<_> = kinds(catalog, group, version)
        .map(|kind| {
            json!({
                "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": kind.verbs, "shortNames": kind.short_names,
            })
        })
        .collect();
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}
