//! Comparisons of backups with each other and with a memory cluster.

use std::sync::Arc;

use bowline_engine::archive::spool::{Limits, Spool};
use bowline_engine::backup::BackupRequest;
use bowline_engine::diff::{Diff, DiffOptions, ObjectFilter, compare, spool_cluster};
use bowline_engine::progress::Progress;
use bowline_testing::MemoryCluster;
use bowline_testing::object::{config_map, object, with};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn request() -> BackupRequest {
    let backup = json!({"metadata": {"name": "b"}, "spec": {"includedNamespaces": ["shop"]}});
    BackupRequest {
        backup: Arc::new(serde_json::from_value(backup).unwrap()),
        actions: bowline_engine::action::backup::builtin(),
        memory_budget: 16 << 20,
        workers: 1,
        ..BackupRequest::default()
    }
}

async fn spool(objects: impl IntoIterator<Item = Value>) -> Spool {
    let cluster = Arc::new(MemoryCluster::with(objects));
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let ports = bowline_testing::ports(&cluster);
    let place = (Limits::default(), std::env::temp_dir());
    let (spool, findings) =
        spool_cluster(&request(), &ports, (place.0, &place.1), &progress, &cancel).await.unwrap();
    assert_eq!(findings.list(), []);
    let writes = ["create", "patch", "status", "delete", "exec"];
    assert!(!cluster.faults.calls().iter().any(|call| writes.contains(&call.verb)));
    spool
}

fn namespace() -> Value {
    with(object("v1", "Namespace", "", "shop"), "/status/phase", "Active")
}

fn lines(diff: &Diff) -> Vec<String> {
    diff.differences.iter().map(|it| serde_json::to_string(it).unwrap()).collect()
}

#[tokio::test]
async fn a_backup_is_compared_with_what_it_would_hold_now() {
    let hooked = with(
        object("v1", "Pod", "shop", "web"),
        "/metadata/annotations",
        json!({"pre.hook.backup.velero.io/command": "/freeze"}),
    );
    let before = spool([
        namespace(),
        config_map("shop", "same"),
        config_map("shop", "gone"),
        with(config_map("shop", "changed"), "/data/key", "old"),
        hooked.clone(),
    ])
    .await;
    let after = spool([
        namespace(),
        with(config_map("shop", "same"), "/metadata/generation", 7),
        config_map("shop", "new"),
        with(config_map("shop", "changed"), "/data/key", "new"),
        hooked,
    ])
    .await;
    let options = DiffOptions { fields: true, ..DiffOptions::default() };
    let diff = compare(&before, &after, &options).unwrap();
    assert_eq!(
        lines(&diff),
        [
            r#"{"resource":"configmaps","namespace":"shop","name":"changed","change":"changed","fields":[{"path":"data.key","before":"old","after":"new"}]}"#,
            r#"{"resource":"configmaps","namespace":"shop","name":"gone","change":"removed"}"#,
            r#"{"resource":"configmaps","namespace":"shop","name":"new","change":"added"}"#,
        ]
    );
    let total = diff.total();
    assert_eq!((total.added, total.removed, total.changed, total.equal), (1, 1, 1, 3));
}

#[tokio::test]
async fn one_object_can_be_picked_out() {
    let before = spool([namespace(), config_map("shop", "a"), config_map("shop", "b")]).await;
    let after = spool([namespace()]).await;
    let only = ObjectFilter {
        resources: vec!["configmap".into()],
        namespaces: vec!["shop".into()],
        names: vec!["b".into()],
    };
    let diff = compare(&before, &after, &DiffOptions { only, ..DiffOptions::default() }).unwrap();
    assert_eq!(
        lines(&diff),
        [r#"{"resource":"configmaps","namespace":"shop","name":"b","change":"removed"}"#]
    );
}
