//! Backups while the API server misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use bowline_engine::archive::pipe;
use bowline_engine::backup::{BackupError, run};
use bowline_engine::port::ClusterError;
use bowline_engine::progress::Progress;
use bowline_testing::object::{config_map, namespace, object, with};
use bowline_testing::{Call, MemoryCluster, ports};
use futures::TryStreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::harness::{back_up, request};

fn many(count: usize, namespaces: usize) -> Arc<MemoryCluster> {
    let maps =
        (0..count).map(|index| config_map(&format!("ns-{}", index % namespaces), &format!("map-{index:04}")));
    Arc::new(MemoryCluster::with(maps))
}

fn lists_of(cluster: &MemoryCluster, resource: &str) -> Vec<String> {
    let calls = cluster.faults.calls().into_iter();
    calls.filter(|call| call.verb == "list" && call.resource == resource).map(|call| call.namespace).collect()
}

#[tokio::test]
async fn passing_failures_are_ridden_out() {
    let cluster = many(10, 1);
    let left = AtomicU32::new(40);
    cluster.faults.before(move |_| {
        let failing =
            left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok_and(|left| left % 4 != 0);
        failing.then_some(ClusterError::TooManyRequests { retry_after: None })
    });
    let made = back_up(request(json!({})), &ports(&cluster)).await.unwrap();
    assert_eq!(made.paths().len(), 11);
    assert!(made.results().errors.is_empty());
}

#[tokio::test]
async fn an_expired_continue_token_begins_the_list_anew_and_stores_nothing_twice() {
    let cluster = many(450, 1);
    let expired = AtomicU32::new(0);
    cluster.faults.before(move |call| {
        let third = call.resource == "configmaps" && expired.fetch_add(1, SeqCst) == 2;
        third.then_some(ClusterError::Expired)
    });
    let mut request = request(json!({}));
    request.page_size = 100;
    let made = back_up(request, &ports(&cluster)).await.unwrap();
    // The reader of the archive refuses paths that are there twice.
    assert_eq!(made.paths().iter().filter(|path| path.contains("map-")).count(), 450);
    assert!(made.results().errors.is_empty());
}

#[tokio::test]
async fn large_objects_make_small_pages() {
    let cluster = many(12, 1);
    for index in 0..12 {
        let body = with(config_map("ns-0", &format!("map-{index:04}")), "/data/big", "x".repeat(300_000));
        cluster.put(body);
    }
    let mut request = request(json!({"includedResources": ["configmaps"]}));
    request.memory_budget = 1 << 20;
    let made = back_up(request, &ports(&cluster)).await.unwrap();
    assert_eq!(made.outcome.stored_items, 12);
    assert!(made.results().errors.is_empty());
}

#[tokio::test]
async fn few_namespaces_of_a_large_cluster_are_listed_one_by_one() {
    for (count, expected) in [(600, vec![""]), (1200, vec!["", "ns-1", "ns-2"])] {
        let cluster = many(count, 30);
        let mut request =
            request(json!({"includedNamespaces": ["ns-1", "ns-2"], "includedResources": ["configmaps"]}));
        request.page_size = 1000;
        let made = back_up(request, &ports(&cluster)).await.unwrap();
        let mut lists = lists_of(&cluster, "configmaps");
        lists.sort();
        lists.dedup();
        assert_eq!(lists, expected);
        assert_eq!(made.outcome.stored_items, 2 * (count as u64 / 30));
    }
}

#[tokio::test]
async fn a_user_who_may_only_list_in_namespaces_gets_a_backup() {
    let cluster = many(4, 2);
    cluster.put(namespace("ns-1"));
    cluster.faults.before(|call: &Call| {
        let forbidden = call.verb == "list" && call.namespace.is_empty();
        forbidden.then(|| ClusterError::Forbidden { message: "no".into() })
    });
    let spec =
        json!({"includedNamespaces": ["ns-0", "ns-1"], "includedResources": ["configmaps", "secrets"]});
    let made = back_up(request(spec), &ports(&cluster)).await.unwrap();
    assert_eq!(made.outcome.stored_items, 4);
    assert!(made.results().errors.is_empty(), "{:?}", made.results());
}

#[tokio::test]
async fn a_cluster_without_its_storage_is_away_though_it_tells_its_version() {
    let cluster = many(10, 1);
    cluster.faults.before(|call| {
        let stored =
            matches!(call.verb, "get" | "list") && call.resource != "namespaces" || call.name == "default";
        stored.then(|| ClusterError::Server { code: 500, message: "etcdserver: request timed out".into() })
    });
    let outcome = back_up(request(json!({})), &ports(&cluster)).await;
    assert!(outcome.is_err_and(|error| error.is_retryable()), "taken for a backup that lacks some kinds");
}

#[tokio::test]
async fn a_cluster_that_goes_away_ends_the_backup_and_the_archive() {
    let cluster = many(10, 1);
    cluster.faults.before(|call| {
        let gone = call.verb == "version" || call.resource == "secrets";
        gone.then(|| ClusterError::Unavailable { message: "connection refused".into() })
    });
    let (sink, source) = pipe::pipe();
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let (request, ports) = (request(json!({})), ports(&cluster));
    let run = async {
        let outcome = run(&request, &ports, sink, &progress, &cancel).await;
        assert!(matches!(outcome, Err(BackupError::List { resource, .. }) if resource == "secrets"));
    };
    let ((), archive) = tokio::join!(run, source.try_collect::<Vec<_>>());
    assert!(archive.is_err());
}

#[tokio::test]
async fn an_aggregated_server_that_is_down_costs_only_its_own_kinds() {
    let cluster = many(3, 1);
    cluster.faults.before(|call| {
        let down = call.verb == "list" && call.resource == "widgets.example.com";
        down.then(|| ClusterError::Unavailable { message: "503".into() })
    });
    cluster.serve(bowline_engine::catalog::Kind::builtin("example.com", "v1", "Widget", "widgets", true));
    let made = back_up(request(json!({})), &ports(&cluster)).await.unwrap();
    assert!(made.results().errors.velero[0].contains("failed to list widgets.example.com"));
    assert!(made.paths().len() > 3);
}

#[tokio::test]
async fn a_cancelled_backup_stops_and_abandons_the_archive() {
    let cluster = many(10, 1);
    let (sink, source) = pipe::pipe();
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let (request, ports) = (request(json!({})), ports(&cluster));
    cancel.cancel();
    let run = run(&request, &ports, sink, &progress, &cancel);
    let (outcome, archive) = tokio::join!(run, source.try_collect::<Vec<_>>());
    assert!(matches!(outcome, Err(BackupError::Cancelled)));
    assert!(archive.is_err());
}

#[tokio::test]
async fn every_served_version_is_stored_when_asked() {
    let cluster = many(1, 1);
    let versions = |name: &str| json!({"name": name, "served": true, "storage": name == "v1"});
    let crd = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.com");
    let spec = json!({"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
                      "versions": [versions("v1"), versions("v1beta1")]});
    cluster.put(with(crd, "/spec", spec));
    cluster.put(object("example.com/v1", "Widget", "ns-0", "w"));
    let mut request = request(json!({"includedResources": ["widgets", "crd"]}));
    request.all_versions = true;
    let made = back_up(request, &ports(&cluster)).await.unwrap();
    let widgets: Vec<_> = made.files.keys().filter(|path| path.contains("widgets.example.com/")).collect();
    assert_eq!(
        widgets,
        [
            "resources/widgets.example.com/namespaces/ns-0/w.json",
            "resources/widgets.example.com/v1-preferredversion/namespaces/ns-0/w.json",
            "resources/widgets.example.com/v1beta1/namespaces/ns-0/w.json",
        ]
    );
}
