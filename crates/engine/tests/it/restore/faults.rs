//! Clusters that throttle, fail, and go away; archives with a broken object.

use std::sync::Arc;
use std::time::Duration;

use bowline_engine::port::ClusterError;
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, RestoreError};
use bowline_testing::MemoryCluster;
use bowline_testing::object::{config_map, namespace, object, with};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::harness::{lines, request, restore_with, run, spool_of};

fn many() -> Vec<(&'static str, Value)> {
    (0..40).map(|i| ("configmaps", config_map("shop", &format!("c{i}")))).collect()
}

#[tokio::test]
async fn a_server_that_throttles_gets_everything_in_the_end() {
    let cluster = Arc::new(MemoryCluster::default());
    let mut count = 0;
    cluster.faults.before(move |call| {
        count += usize::from(call.verb == "create");
        (call.verb == "create" && count % 3 == 0)
            .then_some(ClusterError::TooManyRequests { retry_after: Some(Duration::from_secs(1)) })
    });
    let outcome = run(&cluster, &spool_of(&many()).await, restore_with(|_| ())).await.unwrap();
    assert_eq!(lines(&outcome.resource_list).iter().filter(|line| line.contains("(created)")).count(), 41);
    assert_eq!(outcome.findings.list(), []);
}

#[tokio::test]
async fn a_server_that_stays_away_ends_the_restore_with_its_reason() {
    let cluster = Arc::new(MemoryCluster::default());
    cluster.faults.before(|call| {
        (call.verb == "version" || call.verb == "create" && call.name != "shop")
            .then(|| ClusterError::Unavailable { message: "connection refused".into() })
    });
    let result = run(&cluster, &spool_of(&many()).await, restore_with(|_| ())).await;
    assert!(matches!(result, Err(RestoreError::ClusterLost { handled: 0, total: 40, .. })), "{result:?}");
}

#[tokio::test]
async fn an_aggregated_server_that_is_down_costs_a_restore_only_its_own_objects() {
    let cluster = Arc::new(MemoryCluster::default());
    cluster.faults.before(|call| {
        (call.verb == "create" && call.name == "c9")
            .then(|| ClusterError::Unavailable { message: "503".into() })
    });
    let outcome = run(&cluster, &spool_of(&many()).await, restore_with(|_| ())).await.unwrap();
    assert_eq!(lines(&outcome.resource_list).iter().filter(|line| line.contains("(created)")).count(), 40);
    let findings = outcome.findings.list();
    assert!(findings.len() == 1 && findings[0].message.contains("c9"), "{findings:?}");
}

#[tokio::test]
async fn a_cancelled_restore_says_so() {
    let cluster = Arc::new(MemoryCluster::default());
    let ports = bowline_testing::ports(&cluster);
    let request = request(restore_with(|_| ()), &ports).await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    cluster.faults.before(move |call| {
        if call.name == "c7" {
            stop.cancel();
        }
        None::<ClusterError>
    });
    let result =
        restore::run(&request, &spool_of(&many()).await, &ports, &Progress::default(), &cancel).await;
    assert!(matches!(result, Err(RestoreError::Cancelled)));
    assert!(cluster.keys().len() < 43);
}

#[tokio::test]
async fn a_refusal_is_an_error_in_the_server_s_words_and_stops_nothing_else() {
    let cluster = Arc::new(MemoryCluster::default());
    cluster.faults.before(|call| {
        let message = "Internal error occurred: failed calling webhook \"x\": no endpoints available";
        (call.verb == "create" && call.name == "c1")
            .then(|| ClusterError::Server { code: 500, message: message.into() })
    });
    let outcome = run(&cluster, &spool_of(&many()).await, restore_with(|_| ())).await.unwrap();
    let findings = outcome.findings.list();
    assert_eq!(findings.len(), 1);
    assert_eq!(
        findings[0].message,
        "error restoring configmaps/shop/c1: Internal error occurred: failed calling webhook \"x\": no endpoints available"
    );
    assert_eq!(
        cluster.faults.calls().iter().filter(|call| call.verb == "create" && call.name == "c1").count(),
        1
    );
}

#[tokio::test]
async fn a_broken_object_is_an_error_and_the_others_are_restored() {
    let cluster = Arc::new(MemoryCluster::default());
    let broken = with(config_map("shop", "bad"), "/metadata/labels", json!(["not a map"]));
    let spool = spool_of(&[("configmaps", broken), ("configmaps", config_map("shop", "good"))]).await;
    let outcome = run(&cluster, &spool, restore_with(|_| ())).await.unwrap();
    assert!(lines(&outcome.resource_list).contains(&"v1/ConfigMap shop/good(created)".to_owned()));
    assert!(outcome.findings.list()[0].message.contains("resources/configmaps/namespaces/shop/bad.json"));
}

#[tokio::test]
async fn a_namespace_that_does_not_go_away_is_an_error_for_what_needs_it() {
    let dying = with(namespace("shop"), "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z");
    let cluster = Arc::new(MemoryCluster::with([dying]));
    let outcome =
        run(&cluster, &spool_of(&[("configmaps", config_map("shop", "a"))]).await, restore_with(|_| ()))
            .await
            .unwrap();
    assert!(outcome.findings.list()[0].message.contains("namespace shop is being deleted"));
    assert!(cluster.object("configmaps", "shop", "a").is_none());
}

/// A cluster with one object that is being deleted, and is gone when somebody has waited for it.
fn leaving(resource: &'static str, namespace: &'static str, object: Value) -> Arc<MemoryCluster> {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let cluster =
        Arc::new(MemoryCluster::with([with(object, "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z")]));
    let weak = Arc::downgrade(&cluster);
    cluster.faults.before(move |call| {
        if call.verb == "wait" && call.resource == resource {
            weak.upgrade().unwrap().remove(resource, namespace, &name);
        }
        None::<ClusterError>
    });
    cluster
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_waited_for() {
    let cluster = leaving("namespaces", "", namespace("shop"));
    let outcome =
        run(&cluster, &spool_of(&[("configmaps", config_map("shop", "a"))]).await, restore_with(|_| ()))
            .await
            .unwrap();
    assert_eq!(outcome.findings.list(), []);
    assert_eq!(lines(&outcome.resource_list), ["v1/ConfigMap shop/a(created)", "v1/Namespace shop(created)"]);
}

#[tokio::test]
async fn a_claim_that_is_being_deleted_is_waited_for() {
    let claim = || object("v1", "PersistentVolumeClaim", "shop", "data");
    let cluster = leaving("persistentvolumeclaims", "shop", claim());
    let outcome =
        run(&cluster, &spool_of(&[("persistentvolumeclaims", claim())]).await, restore_with(|_| ()))
            .await
            .unwrap();
    assert_eq!(outcome.findings.list(), []);
    assert_eq!(lines(&outcome.resource_list), ["v1/PersistentVolumeClaim shop/data(created)"]);
}

#[tokio::test]
async fn a_restore_after_a_failed_one_finishes_the_work() {
    let cluster = Arc::new(MemoryCluster::default());
    cluster.faults.before(|call| {
        (call.verb == "version" || call.verb == "create" && call.name == "c9")
            .then(|| ClusterError::Unavailable { message: "gone".into() })
    });
    let spool = spool_of(&many()).await;
    assert!(run(&cluster, &spool, restore_with(|_| ())).await.is_err());
    cluster.faults.clear();
    let outcome = run(&cluster, &spool, restore_with(|_| ())).await.unwrap();
    assert_eq!(lines(&outcome.resource_list).len(), 40);
    assert_eq!(outcome.findings.list(), []);
}
