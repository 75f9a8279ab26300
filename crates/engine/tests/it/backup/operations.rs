//! Operations that go on after a backup, and the pass that writes its archive anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::artifact::OperationPhase;
use bowline_api::{Backup, Time};
use bowline_engine::action::{
    Action, ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, Item, ItemId,
};
use bowline_engine::archive::pipe;
use bowline_engine::archive::spool::{Limits, Spool};
use bowline_engine::backup::{BackupRequest, FinalizeOutcome, finalize};
use bowline_engine::catalog::GroupResource;
use bowline_engine::operation::{BackupOperators, OperationProgress, round};
use bowline_engine::port::Ports;
use bowline_testing::object::{config_map, object, with};
use bowline_testing::{MemoryCluster, ports};
use bytes::Bytes;
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::harness::{Made, back_up, read, request};

/// Copies every ConfigMap named `data` somewhere, which takes a while.
#[derive(Default)]
struct Mover {
    done: AtomicBool,
    cancelled: AtomicBool,
    starts_again: bool,
}

fn item(name: &str) -> ItemId {
    ItemId {
        resource: GroupResource::new("", "configmaps"),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

#[async_trait]
impl Action for Mover {
    fn name(&self) -> &'static str {
        "example.io/mover"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["configmaps"]))
    }
}

#[async_trait]
impl BackupAction for Mover {
    async fn execute(&self, object: &mut Item, _: &BackupContext<'_>) -> Result<BackupEffects, ActionError> {
        object.tree_mut()?["data"]["seen"] = "yes".into();
        let first = !self.done.load(Relaxed) || self.starts_again;
        if object.head().name != "data" || !first {
            return Ok(BackupEffects::default());
        }
        let operation_id = Some("op-1".to_owned());
        let post_operation_items = vec![item("data"), item("result")];
        Ok(BackupEffects { operation_id, post_operation_items, ..BackupEffects::default() })
    }

    async fn progress(&self, id: &str, _: &Backup, _: &Ports) -> Result<OperationProgress, ActionError> {
        assert_eq!(id, "op-1");
        let completed = self.done.load(Relaxed);
        Ok(OperationProgress {
            completed,
            n_total: 10,
            units: "Bytes".into(),
            ..OperationProgress::default()
        })
    }

    async fn cancel(&self, _: &str, _: &Backup, _: &Ports) -> Result<(), ActionError> {
        self.cancelled.store(true, Relaxed);
        Ok(())
    }
}

fn cluster() -> Arc<MemoryCluster> {
    let namespace = with(object("v1", "Namespace", "", "shop"), "/status/phase", "Active");
    let data = with(config_map("shop", "data"), "/data", json!({"state": "moving"}));
    Arc::new(MemoryCluster::with([namespace, data, config_map("shop", "other")]))
}

fn with_mover(mover: &Arc<Mover>) -> BackupRequest {
    let mut request = request(json!({"includedNamespaces": ["shop"]}));
    request.actions.push(Arc::clone(mover) as _);
    request
}

async fn made(mover: &Arc<Mover>, cluster: &Arc<MemoryCluster>) -> (BackupRequest, Made) {
    let request = with_mover(mover);
    let made = back_up(request.clone(), &ports(cluster)).await.unwrap();
    (request, made)
}

async fn final_pass(
    request: &BackupRequest,
    made: &Made,
    cluster: &Arc<MemoryCluster>,
) -> (FinalizeOutcome, BTreeMap<String, Vec<u8>>) {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, body) in &made.files {
        let mut header = tar::Header::new_ustar();
        header.set_size(body.len() as u64);
        tar.append_data(&mut header, path, body.as_slice()).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar.into_inner().unwrap()).unwrap();
    let blocks = futures::stream::iter([Ok(Bytes::from(gzip.finish().unwrap()))]);
    let stored = Spool::read(blocks, Limits::default(), &std::env::temp_dir()).await.unwrap();
    let items: Vec<_> = made.outcome.operations.iter().flat_map(|it| &it.spec.post_operation_items).collect();
    let items: Vec<_> = items
        .into_iter()
        .map(|it| ItemId {
            resource: it.group_resource(),
            namespace: it.key().namespace,
            name: it.name.clone(),
        })
        .collect();
    let (sink, source) = pipe::pipe();
    let (ports, cancel) = (ports(cluster), CancellationToken::new());
    let (outcome, blocks) = tokio::join!(
        finalize(request, (&stored, &items), &ports, sink, &cancel),
        source.try_collect::<Vec<_>>(),
    );
    (outcome.unwrap(), read(&blocks.unwrap().concat()))
}

/// The objects of the archive that the final pass writes, by path.
async fn finalize_only(
    request: &BackupRequest,
    made: &Made,
    cluster: &Arc<MemoryCluster>,
) -> (FinalizeOutcome, BTreeMap<String, Value>) {
    let (outcome, files) = final_pass(request, made, cluster).await;
    let objects = files.into_iter().filter(|(path, _)| path.starts_with("resources/"));
    (outcome, objects.map(|(path, body)| (path, serde_json::from_slice(&body).unwrap())).collect())
}

async fn finalized(
    request: &BackupRequest,
    made: &Made,
    cluster: &Arc<MemoryCluster>,
) -> (FinalizeOutcome, Made) {
    let (outcome, files) = final_pass(request, made, cluster).await;
    let again = back_up(request.clone(), &ports(cluster)).await.unwrap();
    (outcome, Made { files, ..again })
}

#[tokio::test]
async fn operations_are_registered_with_the_items_to_read_again() {
    let (_, made) = made(&Arc::default(), &cluster()).await;
    let [operation] = made.outcome.operations.as_slice() else { panic!("one operation is expected") };
    assert_eq!(operation.spec.backup_item_action, "example.io/mover");
    assert_eq!((operation.spec.operation_id.as_str(), operation.spec.backup_uid.as_str()), ("op-1", "u"));
    assert_eq!(operation.spec.resource_identifier.name, "data");
    assert_eq!(operation.spec.post_operation_items.len(), 2);
    assert_eq!(operation.status.phase, Some(OperationPhase::New));
}

#[tokio::test]
async fn a_round_asks_the_action_and_cancels_what_takes_too_long() {
    let (mover, cluster) = (Arc::new(Mover::default()), cluster());
    let (request, made) = made(&mover, &cluster).await;
    let mut operations = made.outcome.operations;
    let ports = ports(&cluster);
    let operators = BackupOperators { actions: &request.actions, backup: &request.backup, ports: &ports };
    let hour = Duration::from_hours(1);
    let first = round(&mut operations, &operators, &ports, hour).await;
    assert!(first.is_running && first.has_changed && first.errors.is_empty());
    let second = round(&mut operations, &operators, &ports, hour).await;
    assert!(second.is_running && !second.has_changed);
    let mut late = operations.clone();
    let long_ago = ports.clock.now() - jiff::SignedDuration::from_hours(2);
    late[0].status.created = Some(Time(long_ago));
    let third = round(&mut late, &operators, &ports, hour).await;
    assert_eq!(third.errors, ["Asynchronous action timed out, plugin: example.io/mover"]);
    assert!(!third.is_running && third.failed == 1 && mover.cancelled.load(Relaxed));
    mover.done.store(true, Relaxed);
    let last = round(&mut operations, &operators, &ports, hour).await;
    assert!(!last.is_running && last.completed == 1);
}

#[tokio::test]
async fn an_operation_whose_action_is_gone_has_failed() {
    let (request, made) = made(&Arc::default(), &cluster()).await;
    let ports = ports(&cluster());
    let operators = BackupOperators { actions: &[], backup: &request.backup, ports: &ports };
    let round =
        round(&mut made.outcome.operations.clone(), &operators, &ports, Duration::from_hours(1)).await;
    assert_eq!(round.errors, ["this server has no item action example.io/mover, plugin: example.io/mover"]);
}

#[tokio::test]
async fn the_final_pass_reads_changed_items_again_and_keeps_the_rest() {
    let (mover, cluster) = (Arc::new(Mover::default()), cluster());
    let (request, before) = made(&mover, &cluster).await;
    cluster.put(with(config_map("shop", "data"), "/data", json!({"state": "moved"})));
    cluster.put(config_map("shop", "result"));
    cluster.put(with(config_map("shop", "other"), "/data/key", "changed since"));
    mover.done.store(true, Relaxed);
    let (outcome, after) = finalized(&request, &before, &cluster).await;
    assert_eq!((outcome.updated, outcome.findings.list()), (2, Vec::new()));
    let path = |name: &str| format!("configmaps/namespaces/shop/{name}");
    assert_eq!(after.object(&path("data"))["data"], json!({"state": "moved", "seen": "yes"}));
    assert_eq!(after.object(&path("result"))["data"]["seen"], "yes");
    assert_eq!(after.object(&path("other")), before.object(&path("other")));
    for path in before.files.keys() {
        assert!(after.files.contains_key(path), "{path} is lost");
    }
    let preferred = "resources/configmaps/v1-preferredversion/namespaces/shop/data.json";
    assert_eq!(after.files[preferred], after.files["resources/configmaps/namespaces/shop/data.json"]);
}

#[tokio::test]
async fn an_operation_started_by_the_final_pass_is_an_error() {
    let (mover, cluster) = (Arc::new(Mover { starts_again: true, ..Mover::default() }), cluster());
    let (request, before) = made(&mover, &cluster).await;
    cluster.put(with(config_map("shop", "data"), "/data", json!({"state": "moved"})));
    let (outcome, after) = finalized(&request, &before, &cluster).await;
    let errors: Vec<_> = outcome.findings.list().into_iter().map(|finding| finding.message).collect();
    let told = "the object stays in this backup as it was, example.io/mover failed: it started an operation";
    assert!(errors.iter().any(|error| error.contains(told)), "{errors:?}");
    let path = "configmaps/namespaces/shop/data";
    assert_eq!(after.object(path), before.object(path), "it stays as it was");
}

#[tokio::test]
async fn the_final_pass_needs_nothing_that_chose_the_objects() {
    let (mover, cluster) = (Arc::new(Mover::default()), cluster());
    let (request, before) = made(&mover, &cluster).await;
    mover.done.store(true, Relaxed);
    cluster.put(with(config_map("shop", "data"), "/data", json!({"state": "moved"})));
    let mut backup = (*request.backup).clone();
    backup.spec.included_resources = vec!["widgets.example.com".into()];
    let request = BackupRequest { backup: Arc::new(backup), ..request };
    let (outcome, after) = finalize_only(&request, &before, &cluster).await;
    assert_eq!(outcome.updated, 1, "{:?}", outcome.findings.list());
    assert_eq!(after["resources/configmaps/namespaces/shop/data.json"]["data"]["state"], "moved");
}

/// Moves a Widget.
struct WidgetMover;

#[async_trait]
impl Action for WidgetMover {
    fn name(&self) -> &'static str {
        "example.io/widget-mover"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["widgets.v1.example.com"]))
    }
}

#[async_trait]
impl BackupAction for WidgetMover {
    async fn execute(&self, object: &mut Item, _: &BackupContext<'_>) -> Result<BackupEffects, ActionError> {
        let id = ItemId {
            resource: GroupResource::new("example.com", "widgets"),
            namespace: Some("shop".into()),
            name: object.head().name.clone(),
        };
        let first = object.head().api_version == "example.com/v1" && object.head().label("moved").is_none();
        if !first {
            return Ok(BackupEffects::default());
        }
        let operation_id = Some("op-1".to_owned());
        Ok(BackupEffects { operation_id, post_operation_items: vec![id], ..BackupEffects::default() })
    }
}

#[tokio::test]
async fn the_final_pass_reads_every_stored_version_again() {
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage});
    let crd = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.com");
    let spec = json!({"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
                      "versions": [version("v1", true), version("v1beta1", false)]});
    let cluster = cluster();
    cluster.put(with(crd, "/spec", spec));
    cluster.put(object("example.com/v1", "Widget", "shop", "w"));
    let mut request = request(json!({"includedNamespaces": ["shop"]}));
    request.all_versions = true;
    request.actions.push(Arc::new(WidgetMover));
    let before = back_up(request.clone(), &ports(&cluster)).await.unwrap();
    let path = |version: &str| format!("resources/widgets.example.com/{version}namespaces/shop/w.json");
    let versions = ["", "v1-preferredversion/", "v1beta1/"];
    for version in versions {
        assert!(before.files.contains_key(&path(version)), "{version} in {:?}", before.files.keys());
    }
    cluster.put(with(object("example.com/v1", "Widget", "shop", "w"), "/metadata/labels/moved", "yes"));
    let (outcome, after) = finalize_only(&request, &before, &cluster).await;
    assert_eq!(outcome.updated, 2, "{:?}", outcome.findings.list());
    for version in versions {
        assert_eq!(after[&path(version)]["metadata"]["labels"]["moved"], "yes", "{version}");
    }
}

#[tokio::test]
async fn an_item_that_is_gone_by_now_stays_as_it_was() {
    let (mover, cluster) = (Arc::new(Mover::default()), cluster());
    let (request, before) = made(&mover, &cluster).await;
    mover.done.store(true, Relaxed);
    let (outcome, after) = finalized(&request, &before, &cluster).await;
    assert_eq!(outcome.updated, 1);
    assert!(outcome.findings.list()[0].message.contains("does not exist"));
    assert!(!after.files.contains_key("resources/configmaps/namespaces/shop/result.json"));
}
