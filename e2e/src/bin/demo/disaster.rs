//! Deletes the application for good, as an administrator in a hurry would.

use anyhow::Result;
use bowline_e2e::{Cluster, Snapshot};

use crate::NAMESPACES;

/// Deletes both namespaces and every cluster-scoped object of the snapshot, and waits until they are gone.
pub(crate) fn strike(cluster: &Cluster, application: &Snapshot) -> Result<()> {
    release_finalizers(cluster, application)?;
    let [first, second] = NAMESPACES;
    cluster.kubectl(["delete", "namespace", first, second, "--timeout=60s"])?.ok()?;
    // Definitions last, because their objects go with them.
    let cluster_scoped =
        application.objects.keys().filter(|key| key.namespace.is_empty() && key.kind != "Namespace");
    let (definitions, others): (Vec<_>, Vec<_>) =
        cluster_scoped.partition(|key| key.kind == "CustomResourceDefinition");
    for key in others.into_iter().chain(definitions) {
        cluster.kubectl(["delete", &key.kind_and_group(), &key.name, "--timeout=60s"])?.ok()?;
    }
    Ok(())
}

/// Nobody serves the sample's finalizers; without this its namespaces would stay in deletion for ever.
fn release_finalizers(cluster: &Cluster, application: &Snapshot) -> Result<()> {
    let held = application.objects.iter().filter(|(_, object)| {
        let finalizers = object.pointer("/metadata/finalizers").and_then(|list| list.as_array());
        finalizers.into_iter().flatten().any(|finalizer| finalizer == "shop.example/hold")
    });
    for (key, _) in held {
        let patch = r#"{"metadata":{"finalizers":null}}"#;
        let kind = key.kind_and_group();
        cluster
            .kubectl(["patch", &kind, &key.name, "-n", &key.namespace, "--type=merge", "-p", patch])?
            .ok()?;
    }
    Ok(())
}
