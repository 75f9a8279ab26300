//! Backups and restores whose actions start operations, from the run to the final phase, over ports in memory.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bowline_api::{Backup, BackupPhase, BackupSpec, Restore, RestorePhase, RestoreSpec};
use bowline_engine::action::ItemId;
use bowline_engine::catalog::GroupResource;
use bowline_engine::port::Ports;
use bowline_engine::progress::Progress;
use bowline_reconcile::telemetry::RunLogs;
use bowline_store::layout::BackupArtifact;
use bowline_store::{BackupStore, MemoryStore};
use bowline_testing::object::{config_map, object, with};
use bowline_testing::{MemoryCluster, Mover};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;

/// What a test runs in.
struct World {
    cluster: Arc<MemoryCluster>,
    ports: Ports,
    store: BackupStore,
    settings: EngineSettings,
    logs: RunLogs,
    progress: Progress,
    cancel: CancellationToken,
}

impl World {
    fn new(rules: RunRules, objects: impl IntoIterator<Item = Value>) -> Self {
        let namespace = with(object("v1", "Namespace", "", "shop"), "/status/phase", "Active");
        let cluster = Arc::new(MemoryCluster::with(objects.into_iter().chain([namespace])));
        Self {
            ports: bowline_testing::ports(&cluster),
            cluster,
            store: BackupStore::new(Arc::new(MemoryStore::new())),
            settings: EngineSettings { rules, ..EngineSettings::default() },
            logs: RunLogs::default(),
            progress: Progress::default(),
            cancel: CancellationToken::new(),
        }
    }

    fn operation(&self) -> Operation<'_> {
        Operation {
            ports: &self.ports,
            store: &self.store,
            settings: &self.settings,
            namespace: Some("velero"),
            scratch: Path::new("/tmp"),
            logs: &self.logs,
            progress: &self.progress,
            cancel: &self.cancel,
        }
    }

    async fn back_up(&self, spec: Value) -> Backup {
        let mut backup = Backup::new("b", serde_json::from_value::<BackupSpec>(spec).unwrap());
        backup.metadata.uid = Some("backup-uid".into());
        run_backup(&self.operation(), backup).await.unwrap().backup
    }

    async fn restore(&self, spec: RestoreSpec) -> Restore {
        let mut restore = Restore::new("r", RestoreSpec { backup_name: "b".into(), ..spec });
        restore.metadata.uid = Some("restore-uid".into());
        let backup = self.store.metadata("b").await.unwrap();
        run_restore(&self.operation(), restore, backup).await.unwrap().restore
    }
}

/// Rules with this mover, both ways.
fn rules(mover: &Arc<Mover>) -> RunRules {
    let plugins = PluginActions {
        backup: vec![Arc::clone(mover) as _],
        restore: vec![Arc::clone(mover) as _],
        ..PluginActions::default()
    };
    RunRules { plugins, ..RunRules::default() }
}

async fn stored_state(world: &World) -> Value {
    let operation = world.operation();
    let backup = world.store.metadata("b").await.unwrap();
    let source = Source::read(&operation.tools(), &world.store, backup).await.unwrap();
    let id = ItemId {
        resource: GroupResource::new("", "configmaps"),
        namespace: Some("shop".into()),
        name: "data".into(),
    };
    source.spool.load(source.spool.find(&id).unwrap()).unwrap().tree().unwrap()["data"]["key"].clone()
}

fn moving() -> Value {
    with(config_map("shop", "data"), "/data/key", "moving")
}

#[tokio::test]
async fn a_backup_waits_for_its_operations_and_is_written_anew_when_they_have_ended() {
    let mover = Arc::new(Mover::of("data"));
    let world = World::new(rules(&mover), [moving()]);
    let backup = world.back_up(json!({"includedNamespaces": ["shop"]})).await;
    assert_eq!(backup.phase(), BackupPhase::WaitingForPluginOperations);
    assert_eq!(
        (backup.status.backup_item_operations_attempted, &backup.status.completion_timestamp),
        (1, &None)
    );
    assert_eq!(world.store.metadata("b").await.unwrap().phase(), BackupPhase::WaitingForPluginOperations);
    let (operation, store) = (world.operation(), &world.store);
    let waiting = poll_backup(&operation.tools(), store, backup).await.unwrap();
    assert_eq!(waiting.phase(), BackupPhase::WaitingForPluginOperations);
    mover.done.store(true, Relaxed);
    let ended = poll_backup(&operation.tools(), store, waiting).await.unwrap();
    assert_eq!((ended.phase(), ended.status.backup_item_operations_completed), (BackupPhase::Finalizing, 1));
    world.cluster.put(with(config_map("shop", "data"), "/data/key", "moved"));
    let done = finalize_backup(&operation.tools(), store, ended.clone()).await.unwrap();
    assert_eq!(done.backup.phase(), BackupPhase::Completed);
    assert!(done.backup.status.completion_timestamp.is_some() && done.archive_bytes > 0);
    assert_eq!(stored_state(&world).await, "moved");
    assert_eq!(store.metadata("b").await.unwrap().phase(), BackupPhase::Completed);
    assert!(store.verify("b").await.unwrap().is_intact());
    // The server died before it wrote the phase down: the next one finds that all is done.
    world.cluster.put(with(config_map("shop", "data"), "/data/key", "later"));
    let again = finalize_backup(&operation.tools(), store, ended).await.unwrap();
    assert_eq!((again.backup.phase(), stored_state(&world).await), (BackupPhase::Completed, json!("moved")));
}

#[tokio::test]
async fn a_failed_operation_makes_the_backup_partially_failed_and_is_in_its_results() {
    let mover = Arc::new(Mover::of("data"));
    let world = World::new(rules(&mover), [moving()]);
    let backup = world.back_up(json!({"includedNamespaces": ["shop"]})).await;
    mover.done.store(true, Relaxed);
    mover.fails.store(true, Relaxed);
    let (operation, store) = (world.operation(), &world.store);
    let ended = poll_backup(&operation.tools(), store, backup.clone()).await.unwrap();
    assert_eq!((ended.phase(), ended.status.errors), (BackupPhase::FinalizingPartiallyFailed, 1));
    // The same round again, because its outcome was not written down.
    let again = poll_backup(&operation.tools(), store, backup).await.unwrap();
    assert_eq!((again.phase(), again.status.errors), (BackupPhase::FinalizingPartiallyFailed, 1));
    let results = store.results("b").await.unwrap();
    assert_eq!(results.errors.velero, ["the disk is full, plugin: example.io/mover"]);
    let done = finalize_backup(&operation.tools(), store, again).await.unwrap();
    assert_eq!(done.backup.phase(), BackupPhase::PartiallyFailed);
}

#[tokio::test]
async fn a_restore_waits_for_its_operations() {
    let mover = Arc::new(Mover::of("data"));
    // The backup before it has none to wait for.
    mover.done.store(true, Relaxed);
    let world = World::new(rules(&mover), [moving()]);
    world.back_up(json!({"includedNamespaces": ["shop"]})).await;
    let restore = world.restore(RestoreSpec::default()).await;
    assert_eq!(restore.phase(), RestorePhase::WaitingForPluginOperations);
    assert_eq!(restore.status.restore_item_operations_attempted, 1);
    let (operation, store) = (world.operation(), &world.store);
    let ended = poll_restore(&operation.tools(), store, restore).await.unwrap();
    assert_eq!(
        (ended.phase(), ended.status.restore_item_operations_completed),
        (RestorePhase::Finalizing, 1)
    );
    let done = finalize_restore(&operation.tools(), store, ended).await.unwrap();
    assert_eq!(done.phase(), RestorePhase::Completed);
    assert!(done.status.completion_timestamp.is_some());
}

fn rules_map(name: &str, rules: &str) -> Value {
    with(object("v1", "ConfigMap", "velero", name), "/data", json!({"rules": rules}))
}

const REPLACE: &str = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: configmaps}\n  mergePatches:\n  - patchData: '{\"data\": {\"key\": \"changed\"}}'\n";

#[tokio::test]
async fn the_server_s_modifiers_are_for_restores_that_name_none_and_do_not_opt_out() {
    for (skip, expected) in [(None, "changed"), (Some(true), "moving")] {
        let rules = RunRules { default_modifiers: Some("all".into()), ..RunRules::default() };
        let world = World::new(rules, [moving(), rules_map("all", REPLACE)]);
        world.back_up(json!({"includedNamespaces": ["shop"]})).await;
        let spec = RestoreSpec { skip_default_resource_modifier: skip, ..RestoreSpec::default() };
        let namespace_mapping = [("shop".to_owned(), "copy".to_owned())].into();
        let restore = world.restore(RestoreSpec { namespace_mapping, ..spec }).await;
        assert_eq!(restore.phase(), RestorePhase::Completed, "{:?}", restore.status);
        assert_eq!(world.cluster.object("configmaps", "copy", "data").unwrap()["data"]["key"], expected);
    }
}

#[tokio::test]
async fn a_restore_obeys_the_filters_of_its_policies_and_refuses_volume_policies() {
    let filter = "version: v1\nnamespacedFilterPolicies:\n- namespaces: [shop]\n  resourceFilters:\n  - {kinds: [configmaps], names: [da*]}\n";
    let volumes = "version: v1\nvolumePolicies:\n- {conditions: {}, action: {type: skip}}\n";
    let objects =
        [moving(), config_map("shop", "other"), rules_map("filter", filter), rules_map("volumes", volumes)];
    let world = World::new(RunRules::default(), objects);
    world.back_up(json!({"includedNamespaces": ["shop"]})).await;
    let spec = |policy: &str| -> RestoreSpec {
        let reference = json!({"kind": "configmap", "name": policy});
        serde_json::from_value(json!({"resourcePolicy": reference, "namespaceMapping": {"shop": "copy"}}))
            .unwrap()
    };
    let restore = world.restore(spec("filter")).await;
    assert_eq!(restore.phase(), RestorePhase::Completed, "{:?}", restore.status);
    assert!(world.cluster.object("configmaps", "copy", "data").is_some());
    assert!(world.cluster.object("configmaps", "copy", "other").is_none());
    let refused = world.restore(spec("volumes")).await;
    assert_eq!(refused.phase(), RestorePhase::FailedValidation);
    assert!(refused.status.validation_errors[0].contains("volumePolicies are for backups only"));
}

#[tokio::test]
async fn the_server_s_volume_policies_are_noted_on_the_backup_and_can_hold_nothing_else() {
    let rules = || RunRules { global_policies: Some("all".into()), ..RunRules::default() };
    let volumes = "version: v1\nvolumePolicies:\n- {conditions: {}, action: {type: skip}}\n";
    let world = World::new(rules(), [moving(), rules_map("all", volumes)]);
    let backup = world.back_up(json!({})).await;
    assert_eq!(backup.phase(), BackupPhase::Completed);
    let noted = &backup.metadata.annotations.unwrap_or_default()[bowline_api::label::GLOBAL_VOLUME_POLICIES];
    assert_eq!(noted, "all");
    let lists = "version: v1\nincludeExcludePolicy: {excludedNamespaceScopedResources: [events]}\n";
    let world = World::new(rules(), [moving(), rules_map("all", lists)]);
    let backup = world.back_up(json!({})).await;
    assert_eq!(backup.phase(), BackupPhase::FailedValidation);
}

#[tokio::test]
async fn the_user_s_order_of_versions_is_read_only_with_the_feature() {
    let order = with(
        object("v1", "ConfigMap", "velero", "enableapigroupversions"),
        "/data",
        json!({"restoreResourcesVersionPriority": "rockbands.music.example.io=v2beta1,v2beta2"}),
    );
    for all_versions in [false, true] {
        let world = World::new(RunRules { all_versions, ..RunRules::default() }, [order.clone()]);
        let operation = world.operation();
        let read = config_map::version_priorities(&operation.tools()).await.unwrap();
        assert_eq!(read.is_some(), all_versions);
        let versions = read.map(|read| read[&"rockbands.music.example.io".into()].join(","));
        assert_eq!(versions.as_deref(), all_versions.then_some("v2beta1,v2beta2"));
    }
    let world = World::new(RunRules { all_versions: true, ..RunRules::default() }, []);
    let operation = world.operation();
    assert!(config_map::version_priorities(&operation.tools()).await.unwrap().unwrap().is_empty());
}

#[test]
fn the_action_for_old_definitions_is_left_out_where_every_version_is_stored() {
    for all_versions in [false, true] {
        let world = World::new(RunRules { all_versions, ..RunRules::default() }, []);
        let actions = world.operation().tools().backup_actions().item;
        let has = actions.iter().any(|action| action.name() == "velero.io/crd-remap-version");
        assert_eq!(has, !all_versions);
    }
}

#[tokio::test]
async fn the_lists_of_old_backups_become_volume_infos() {
    let world = World::new(RunRules::default(), [config_map("shop", "a")]);
    world.back_up(json!({"includedNamespaces": ["shop"]})).await;
    let upload = world.store.amend("b").await.unwrap();
    let native = json!([{"spec": {"persistentVolumeName": "disk"}, "status": {}}]);
    upload.write(BackupArtifact::VolumeSnapshots, &native).await.unwrap();
    let files = json!([
        {"metadata": {"name": "p1", "annotations": {"velero.io/pvc-name": "files"}},
            "spec": {"pod": {"namespace": "shop", "name": "web"}, "volume": "v"}},
        {"metadata": {"name": "p2"}, "spec": {"pod": {"namespace": "shop", "name": "web"}, "volume": "empty"}}]);
    upload.write(BackupArtifact::PodVolumeBackups, &files).await.unwrap();
    let snapshots = json!([
        {"metadata": {"name": "s1", "namespace": "shop"}, "spec": {"source": {"persistentVolumeClaimName": "csi"}}},
        {"metadata": {"name": "s2", "namespace": "shop"}, "spec": {"source": {}}}]);
    upload.write(BackupArtifact::CsiVolumeSnapshots, &snapshots).await.unwrap();
    upload.write(BackupArtifact::VolumeInfo, &json!([])).await.unwrap();
    let metadata = world.store.metadata("b").await.unwrap();
    upload.commit(&metadata).await.unwrap();
    let source = Source::read(&world.operation().tools(), &world.store, metadata).await.unwrap();
    let mut infos: Vec<String> = source
        .volume_infos
        .iter()
        .map(|it| {
            let method = it.backup_method.as_ref().unwrap();
            format!("{}|{}/{} {method}", it.pv_name, it.pvc_namespace, it.pvc_name)
        })
        .collect();
    infos.sort();
    assert_eq!(infos, ["disk|/ NativeSnapshot", "|shop/csi CSISnapshot", "|shop/files PodVolumeBackup"]);
}
