//! The CRDs in `deploy/crds`, judged by the API server that has to live with them.

use anyhow::Result;
use bowline_e2e::compare::differences;
use bowline_e2e::{Cluster, settings};
use serde_json::{Value, json};

/// Applies the CRDs; kubectl refuses fields that the API server does not know.
fn install(cluster: &Cluster) -> Result<Value> {
    let directory = settings::checkout().join("deploy/crds").display().to_string();
    cluster.kubectl(["apply", "--server-side", "--force-conflicts", "-f", &directory])?.ok()?;
    cluster.kubectl(["wait", "--for=condition=Established", "--timeout=20s", "-f", &directory])?.ok()?;
    cluster.get(&["-f", &directory])
}

#[test]
fn the_definitions_are_accepted_as_they_are() -> Result<()> {
    let installed = install(Cluster::shared()?)?;
    let definitions = installed["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(definitions.len(), 13);
    for definition in definitions {
        let name = &definition["metadata"]["name"];
        assert_eq!(definition["status"]["acceptedNames"], definition["spec"]["names"], "{name}");
        let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
        let kinds: Vec<_> =
            conditions.map(|condition| condition["type"].as_str().unwrap_or_default()).collect();
        assert!(
            !kinds.contains(&"NonStructuralSchema"),
            "{name}: {conditions:?}",
            conditions = definition["status"]
        );
    }
    Ok(())
}

#[test]
fn objects_can_be_asked_for_by_their_short_names() -> Result<()> {
    let cluster = Cluster::shared()?;
    install(cluster)?;
    for name in ["repo", "bak", "bsl", "dd", "du", "dbr", "dreq", "pvb", "pvr", "rst", "sched", "ssr", "vsl"]
    {
        cluster.kubectl(["get", name, "--all-namespaces"])?.ok()?;
    }
    Ok(())
}

#[test]
fn a_backup_object_of_velero_is_kept_whole() -> Result<()> {
    let cluster = Cluster::shared()?;
    install(cluster)?;
    let namespace = cluster.namespace("definitions")?;
    let recorded: Value =
        serde_json::from_str(include_str!("../../testdata/velero-1.18/backups/fx-res/velero-backup.json"))?;
    let name = recorded["metadata"]["name"].as_str().unwrap_or_default();
    let mut backup = recorded.clone();
    backup["metadata"] = json!({"name": name, "namespace": namespace});
    cluster.apply(&backup.to_string())?;

    let mut stored = cluster.get(&["-n", &namespace, "backup.velero.io", name])?;
    stored["metadata"] = backup["metadata"].clone();
    assert_eq!(differences(&backup, &stored, &[]), []);
    Ok(())
}

#[test]
fn an_object_that_has_nothing_or_too_much_is_accepted() -> Result<()> {
    let cluster = Cluster::shared()?;
    install(cluster)?;
    let namespace = cluster.namespace("definitions")?;
    let apply = |name: &str, spec: Value| {
        let metadata = json!({"name": name, "namespace": namespace});
        let backup =
            json!({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": metadata, "spec": spec});
        // As a client of another version does it, which knows other fields.
        cluster.kubectl_reading(&["create", "--validate=ignore", "-f", "-"], &backup.to_string())?.ok()
    };
    apply("empty", json!({}))?;
    apply("rich", json!({"fieldOfTomorrow": 1, "ttl": "24h0m0s"}))?;
    let rich = cluster.get(&["-n", &namespace, "backup.velero.io", "rich"])?;
    assert_eq!(rich["spec"]["ttl"], "24h0m0s");
    Ok(())
}
