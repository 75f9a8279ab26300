//! Which namespaces and kinds get into a backup and out of it: Velero's ResourceFiltering, and what that leaves out.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;

use super::stage::{CONTENT, Scenario, set};

/// Two namespaces with the same content, and the ones that their copies are restored into.
struct Pair {
    scenario: Scenario,
    first: String,
    second: String,
}

impl Pair {
    fn new(purpose: &str) -> Result<Self> {
        let scenario = Scenario::new(purpose)?;
        let (first, second) = (scenario.namespace("first")?, scenario.namespace("second")?);
        Ok(Self { scenario, first, second })
    }

    fn both(&self) -> String {
        format!("{},{}", self.first, self.second)
    }

    /// Backs up and restores with these flags, and compares what is then in the copies of the two namespaces.
    fn restores<const A: usize, const B: usize>(
        &self,
        backup: &[&str],
        restore: &[&str],
        expected: ([&str; A], [&str; B]),
    ) -> Result<()> {
        self.scenario.back_up(backup)?;
        let mappings = format!("{0}:{0}-copy,{1}:{1}-copy", self.first, self.second);
        self.scenario.restore("r", &[&["--namespace-mappings", &mappings], restore].concat())?;
        let copy = |namespace: &str| self.scenario.content(&format!("{namespace}-copy"));
        let found = (copy(&self.first)?, copy(&self.second)?);
        ensure!(found == (set(expected.0), set(expected.1)), "{found:?} instead of {expected:?}");
        Ok(())
    }
}

#[test]
fn exclude_from_backup() -> Result<()> {
    let pair = Pair::new("exclude-label")?;
    let label = "velero.io/exclude-from-backup=true";
    for object in [["secret", "keys"], ["configmap", "settings"]] {
        pair.scenario.cluster.kubectl(["-n", &pair.first, "label", object[0], object[1], label])?.ok()?;
    }
    let other = "velero.io/exclude-from-backup=false";
    pair.scenario.cluster.kubectl(["-n", &pair.second, "label", "secret", "keys", other])?.ok()?;
    pair.restores(&["--include-namespaces", &pair.both()], &[], (["serviceaccount/clerk"], CONTENT))?;
    let log = pair.scenario.bowline.ok(&["backup", "logs", &pair.scenario.name])?;
    for line in [
        format!("msg=\"Including namespaces: {}", pair.first),
        "msg=\"Excluding item because it has label velero.io/exclude-from-backup=true\"".to_owned(),
        "msg=\"Retrieved ".to_owned(),
        "msg=\"Backed up a total of ".to_owned(),
    ] {
        ensure!(log.contains(&line), "{line} is not in {log}");
    }
    Ok(())
}

#[test]
fn exclude_namespaces_from_backup() -> Result<()> {
    let pair = Pair::new("exclude-ns-backup")?;
    let pattern = format!("{}-*", pair.scenario.name);
    let flags = ["--include-namespaces", &pattern, "--exclude-namespaces", &pair.first];
    pair.restores(&flags, &[], ([], CONTENT))?;
    assert!(!pair.scenario.exists(&["namespace", &format!("{}-copy", pair.first)])?);
    Ok(())
}

#[test]
fn exclude_namespaces_from_restore() -> Result<()> {
    let pair = Pair::new("exclude-ns-restore")?;
    let flags = ["--exclude-namespaces", &pair.first];
    pair.restores(&["--include-namespaces", &pair.both()], &flags, ([], CONTENT))?;
    assert!(!pair.scenario.exists(&["namespace", &format!("{}-copy", pair.first)])?);
    Ok(())
}

#[test]
fn include_namespaces_in_backup() -> Result<()> {
    let pair = Pair::new("include-ns-backup")?;
    pair.restores(&["--include-namespaces", &pair.first], &[], (CONTENT, []))
}

#[test]
fn include_namespaces_in_restore() -> Result<()> {
    let pair = Pair::new("include-ns-restore")?;
    pair.restores(
        &["--include-namespaces", &pair.both()],
        &["--include-namespaces", &pair.second],
        ([], CONTENT),
    )
}

#[test]
fn exclude_resources_from_backup() -> Result<()> {
    let pair = Pair::new("exclude-kinds-backup")?;
    let flags = ["--include-namespaces", &pair.both(), "--exclude-resources", "secrets,sa"];
    pair.restores(&flags, &[], (["configmap/settings"], ["configmap/settings"]))
}

#[test]
fn exclude_resources_from_restore() -> Result<()> {
    let pair = Pair::new("exclude-kinds-restore")?;
    let left = ["configmap/settings", "serviceaccount/clerk"];
    let flags = ["--exclude-resources", "secrets"];
    pair.restores(&["--include-namespaces", &pair.both()], &flags, (left, left))
}

#[test]
fn include_resources_in_backup() -> Result<()> {
    let pair = Pair::new("include-kinds-backup")?;
    let flags = ["--include-namespaces", &pair.both(), "--include-resources", "configmaps"];
    pair.restores(&flags, &[], (["configmap/settings"], ["configmap/settings"]))
}

#[test]
fn include_resources_in_restore() -> Result<()> {
    let pair = Pair::new("include-kinds-restore")?;
    let flags = ["--include-resources", "cm,Secret"];
    let left = ["configmap/settings", "secret/keys"];
    pair.restores(&["--include-namespaces", &pair.both()], &flags, (left, left))
}

#[test]
fn wildcard_namespaces() -> Result<()> {
    let pair = Pair::new("wildcards")?;
    let patterns = format!("{0}-f*,{0}-?econd", pair.scenario.name);
    pair.restores(&["--include-namespaces", &patterns], &[], (CONTENT, CONTENT))?;
    let status = &pair.scenario.bowline.object("backup", &pair.scenario.name)?["status"];
    assert_eq!(status["progress"]["totalItems"], status["progress"]["itemsBackedUp"], "{status}");
    Ok(())
}

#[test]
fn wildcard_namespaces_of_a_restore() -> Result<()> {
    let pair = Pair::new("wildcards-restore")?;
    let pattern = format!("{}-[f]irst", pair.scenario.name);
    pair.restores(&["--include-namespaces", &pair.both()], &["--include-namespaces", &pattern], (CONTENT, []))
}

#[test]
fn filters_by_scope() -> Result<()> {
    let pair = Pair::new("by-scope")?;
    let flags = [
        "--include-namespaces",
        &pair.both(),
        "--include-namespace-scoped-resources",
        "secrets,serviceaccounts",
        "--exclude-cluster-scoped-resources",
        "*",
    ];
    let left = ["secret/keys", "serviceaccount/clerk"];
    pair.restores(&flags, &[], (left, left))?;
    let paths = pair.scenario.archive(&pair.scenario.name)?;
    assert!(!paths.iter().any(|path| path.contains("/cluster/")), "{paths:?}");
    Ok(())
}

/// Cluster-scoped objects come with all namespaces, or when they are asked for, and only those that the selector finds.
#[test]
fn cluster_scoped_resources() -> Result<()> {
    let scenario = Scenario::new("cluster-scoped")?;
    let namespace = scenario.namespace("first")?;
    let label = scenario.named("mark");
    let marked = |api: &str, kind: &str, more: (&str, &str)| {
        let metadata = json!({"name": scenario.named("x"), "labels": {"mark": label}});
        json!({"apiVersion": api, "kind": kind, "metadata": metadata, more.0: more.1})
    };
    scenario.apply(&[
        marked("storage.k8s.io/v1", "StorageClass", ("provisioner", "none")),
        marked("node.k8s.io/v1", "RuntimeClass", ("handler", "none")),
    ])?;
    let selected = format!("mark={label}");
    let found = |name: &str, flags: &[&str]| -> Result<Vec<String>> {
        let backup = scenario.named(name);
        let create = ["backup", "create", &backup, "--wait", "--include-namespaces", &namespace];
        scenario.bowline.ok(&[&create[..], &["--selector", &selected], flags].concat())?;
        let paths = scenario.archive(&backup)?.into_iter();
        let cluster_scoped =
            paths.filter(|path| path.contains("/cluster/") && !path.contains("/namespaces/"));
        // Sorted: the order of kinds is the cluster's.
        let paths: BTreeSet<_> = cluster_scoped.filter(|path| !path.contains("preferredversion")).collect();
        Ok(paths.into_iter().collect())
    };
    let path = |kind: &str| format!("resources/{kind}/cluster/{}.json", scenario.named("x"));
    let (storage, runtime) = (path("storageclasses.storage.k8s.io"), path("runtimeclasses.node.k8s.io"));
    let none: [&str; 0] = [];
    assert_eq!(found("none", &[])?, none);
    assert_eq!(found("old", &["--include-cluster-resources"])?, [runtime.clone(), storage.clone()]);
    assert_eq!(found("new", &["--include-cluster-scoped-resources", "storageclasses"])?, [storage]);
    let but = [
        "--include-cluster-scoped-resources",
        "*",
        "--exclude-cluster-scoped-resources",
        "storageclasses.storage.k8s.io",
    ];
    assert_eq!(found("but", &but)?, [runtime]);
    Ok(())
}
