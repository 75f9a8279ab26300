//! What stands between a request and its run: defaults, and what can be refused before anything has been done (behaviour §4).

use bowline_api::backup::BackupSpec;
use bowline_api::restore::{PolicyType, RestoreSpec};
use bowline_api::{Backup, BackupPhase, Duration, Restore, RestorePhase, Time, label};
use bowline_engine::hook::restore::RestoreHookRules;
use bowline_engine::port::ServerVersion;
use bowline_engine::restore::NON_RESTORABLE;
use bowline_engine::select::{CheckedSpec, list_problems};
use jiff::Timestamp;

use crate::config::BackupDefaults;

/// Snapshot objects are backed up with their claims, never for their own sake.
const SNAPSHOTS: &str = "volumesnapshots.snapshot.storage.k8s.io";
const SNAPSHOT_CONTENTS: &str = "volumesnapshotcontents.snapshot.storage.k8s.io";

/// Fills in what the backup leaves open and starts its status: phase InProgress, start and expiration.
pub fn prepare_backup(
    backup: &mut Backup,
    location: &str,
    defaults: &BackupDefaults,
    version: &ServerVersion,
    now: Timestamp,
) {
    fill_spec(&mut backup.spec, location, defaults);
    backup
        .metadata
        .labels
        .get_or_insert_default()
        .insert(label::STORAGE_LOCATION.into(), label::valid_value(location));
    backup.metadata.annotations.get_or_insert_default().extend([
        (label::SOURCE_CLUSTER_GIT_VERSION.to_owned(), version.git_version.clone()),
        (label::SOURCE_CLUSTER_MAJOR_VERSION.to_owned(), version.major.clone()),
        (label::SOURCE_CLUSTER_MINOR_VERSION.to_owned(), version.minor.clone()),
        (label::RESOURCE_TIMEOUT.to_owned(), Duration::from(defaults.resource_timeout).to_string()),
    ]);
    let status = &mut backup.status;
    status.phase = Some(BackupPhase::InProgress);
    status.version = 1;
    status.format_version = bowline_engine::archive::FORMAT_VERSION.into();
    status.start_timestamp = Some(Time(now));
    status.expiration = now.checked_add(jiff::SignedDuration::from(backup.spec.ttl)).ok().map(Time);
    status.queue_position = 0;
}

fn fill_spec(spec: &mut BackupSpec, location: &str, defaults: &BackupDefaults) {
    location.clone_into(&mut spec.storage_location);
    or_default(&mut spec.ttl, defaults.ttl);
    or_default(&mut spec.item_operation_timeout, defaults.item_operation_timeout);
    or_default(&mut spec.csi_snapshot_timeout, defaults.csi_snapshot_timeout);
    if spec.volume_group_snapshot_label_key.is_empty() {
        spec.volume_group_snapshot_label_key.clone_from(&defaults.volume_group_label);
    }
    if spec.default_volumes_to_restic == Some(true) {
        spec.default_volumes_to_fs_backup = Some(true);
    }
    spec.default_volumes_to_fs_backup.get_or_insert(defaults.volumes_to_fs_backup);
    spec.snapshot_move_data.get_or_insert(defaults.snapshot_move_data);
    if spec.included_namespaces.is_empty() {
        spec.included_namespaces.push("*".into());
    }
    if spec.has_old_filters() {
        let (included, excluded) = (&mut spec.included_resources, &mut spec.excluded_resources);
        exclude(included, excluded, &[SNAPSHOTS, SNAPSHOT_CONTENTS]);
    } else {
        let included = &mut spec.included_namespace_scoped_resources;
        exclude(included, &mut spec.excluded_namespace_scoped_resources, &[SNAPSHOTS]);
        let included = &mut spec.included_cluster_scoped_resources;
        exclude(included, &mut spec.excluded_cluster_scoped_resources, &[SNAPSHOT_CONTENTS]);
    }
}

fn or_default(value: &mut Duration, default: std::time::Duration) {
    if value.is_zero() {
        *value = default.into();
    }
}

/// Excludes kinds, also from what is included. A list that includes nothing else stays as it is: an empty one would include everything.
fn exclude(included: &mut Vec<String>, excluded: &mut Vec<String>, names: &[&str]) {
    if excluded.iter().any(|name| name == "*") {
        return;
    }
    for name in names {
        if !excluded.iter().any(|have| have == name) {
            excluded.push((*name).to_owned());
        }
    }
    if included.iter().any(|name| !names.contains(&name.as_str())) {
        included.retain(|name| !names.contains(&name.as_str()));
    }
}

fn uses_new_filters(spec: &BackupSpec) -> bool {
    [
        &spec.included_cluster_scoped_resources,
        &spec.excluded_cluster_scoped_resources,
        &spec.included_namespace_scoped_resources,
        &spec.excluded_namespace_scoped_resources,
    ]
    .iter()
    .any(|list| !list.is_empty())
}

/// What is wrong with a backup's spec, as far as that can be seen without the cluster; empty when nothing is.
pub fn validate_backup(spec: &BackupSpec) -> Vec<String> {
    let mut errors = CheckedSpec::new(spec).err().unwrap_or_default();
    if spec.has_old_filters() && uses_new_filters(spec) {
        errors.push(
            "include-resources, exclude-resources and include-cluster-resources can't be combined with the filters by scope: use \
             either the old filters or include/exclude-cluster-scoped-resources and include/exclude-namespace-scoped-resources"
                .into(),
        );
    }
    if spec.ttl.is_negative() {
        errors.push(format!("ttl: {} is negative", spec.ttl));
    }
    if let Some(policy) =
        spec.resource_policy.as_ref().filter(|policy| !policy.kind.eq_ignore_ascii_case("configmap"))
    {
        errors.push(format!(
            "resourcePolicy.kind: {:?} can't hold policies, it must be configmap",
            policy.kind
        ));
    }
    errors
}

/// Fills in what the restore leaves open and starts its status.
pub fn prepare_restore(restore: &mut Restore, defaults: &BackupDefaults, now: Timestamp) {
    let spec = &mut restore.spec;
    or_default(&mut spec.item_operation_timeout, defaults.item_operation_timeout);
    if spec.included_namespaces.is_empty() {
        spec.included_namespaces.push("*".into());
    }
    for name in NON_RESTORABLE.iter().copied() {
        if !spec.excluded_resources.iter().any(|have| have == name) {
            spec.excluded_resources.push(name.to_owned());
        }
    }
    restore.status.phase = Some(RestorePhase::InProgress);
    restore.status.start_timestamp = Some(Time(now));
}

/// What is wrong with a restore's spec, as far as that can be seen without cluster and store; empty when nothing is.
pub fn validate_restore(spec: &RestoreSpec) -> Vec<String> {
    let mut errors = Vec::new();
    for name in &spec.included_resources {
        if NON_RESTORABLE.contains(&name.as_str()) {
            errors.push(format!("{name} are non-restorable resources"));
        }
    }
    match (spec.backup_name.is_empty(), spec.schedule_name.is_empty()) {
        (true, true) => {
            errors.push("either a backup or a schedule must be named as the source of the restore".into());
        }
        (false, false) => {
            errors.push("both a backup and a schedule are named, only one can be the source".into());
        }
        _ => {}
    }
    if spec.label_selector.is_some() && !spec.or_label_selectors.is_empty() {
        errors.push(
            "encountered labelSelector as well as orLabelSelectors in restore spec, only one can be specified".into(),
        );
    }
    if let Some(PolicyType::Other(policy)) = &spec.existing_resource_policy
        && !policy.is_empty()
    {
        errors.push(format!("existingResourcePolicy: {policy:?} is unknown, use none or update"));
    }
    if let Some(modifier) = &spec.resource_modifier
        && !modifier.kind.eq_ignore_ascii_case("configmap")
    {
        errors
            .push(format!("resourceModifier.kind: {:?} is not supported, only configmap is", modifier.kind));
    }
    errors.extend(RestoreHookRules::resolve(&spec.hooks).err().into_iter().flatten());
    for (what, included, excluded) in [
        ("resource", &spec.included_resources, &spec.excluded_resources),
        ("namespace", &spec.included_namespaces, &spec.excluded_namespaces),
    ] {
        let problems = list_problems(included, excluded);
        errors.extend(
            problems.into_iter().map(|problem| format!("Invalid included/excluded {what} lists: {problem}")),
        );
    }
    errors
}

#[cfg(test)]
mod tests {
    use bowline_api::Kind;
    use serde_json::{Value, json};

    use super::*;

    fn prepared(spec: Value) -> Value {
        let spec: BackupSpec = serde_json::from_value(spec).unwrap();
        let mut backup = Backup::new("b", spec);
        let version = ServerVersion { git_version: "v1.34.2".into(), major: "1".into(), minor: "34".into() };
        let now = "2026-11-21T04:48:18Z".parse().unwrap();
        prepare_backup(&mut backup, "default", &BackupDefaults::default(), &version, now);
        serde_json::to_value(&backup).unwrap()
    }

    #[test]
    fn a_backup_is_filled_in_as_velero_does() {
        let backup = prepared(json!({"includedNamespaces": ["shop"], "snapshotVolumes": false}));
        assert_eq!(
            backup["spec"],
            json!({
                "metadata": {}, "includedNamespaces": ["shop"], "snapshotVolumes": false, "ttl": "720h0m0s", "hooks": {},
                "excludedClusterScopedResources": [SNAPSHOT_CONTENTS], "excludedNamespaceScopedResources": [SNAPSHOTS],
                "volumeGroupSnapshotLabelKey": "velero.io/volume-group", "storageLocation": "default", "snapshotMoveData": false,
                "defaultVolumesToFsBackup": false, "csiSnapshotTimeout": "10m0s", "itemOperationTimeout": "4h0m0s",
            })
        );
        assert_eq!(backup["metadata"]["annotations"]["velero.io/resource-timeout"], "10m0s");
        assert_eq!(backup["metadata"]["labels"]["velero.io/storage-location"], "default");
        assert_eq!(backup["status"]["expiration"], "2026-12-21T04:48:18Z");
    }

    #[test]
    fn old_filters_exclude_snapshots_in_their_own_list() {
        let spec = prepared(json!({"includedResources": ["pods"]}))["spec"].clone();
        assert_eq!(spec["excludedResources"], json!([SNAPSHOTS, SNAPSHOT_CONTENTS]));
        assert_eq!(spec["includedNamespaces"], json!(["*"]));
        let spec: BackupSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(validate_backup(&spec), Vec::<String>::new());
    }

    #[test]
    fn snapshots_are_taken_out_of_what_is_included_unless_nothing_else_is() {
        let spec = prepared(json!({"includedResources": ["pods", SNAPSHOTS]}))["spec"].clone();
        assert_eq!(spec["includedResources"], json!(["pods"]));
        let spec = prepared(json!({"includedClusterScopedResources": [SNAPSHOT_CONTENTS]}))["spec"].clone();
        assert_eq!(spec["includedClusterScopedResources"], json!([SNAPSHOT_CONTENTS]));
        let spec = prepared(json!({"excludedNamespaceScopedResources": ["*"]}))["spec"].clone();
        assert_eq!(spec["excludedNamespaceScopedResources"], json!(["*"]));
    }

    #[test]
    fn the_old_name_of_file_system_backup_counts_only_when_it_is_true() {
        for (spec, expected) in [
            (json!({"defaultVolumesToRestic": true, "defaultVolumesToFsBackup": false}), true),
            (json!({"defaultVolumesToRestic": false}), false),
            (json!({"defaultVolumesToFsBackup": true}), true),
        ] {
            assert_eq!(prepared(spec.clone())["spec"]["defaultVolumesToFsBackup"], expected, "{spec}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let errors = |spec: Value| validate_backup(&serde_json::from_value(spec).unwrap());
        assert_eq!(errors(json!({})), Vec::<String>::new());
        assert_eq!(
            errors(json!({"includedResources": ["pods"], "includedClusterScopedResources": ["*"]})).len(),
            1
        );
        assert_eq!(errors(json!({"labelSelector": {}, "orLabelSelectors": [{}]})).len(), 1);
        assert_eq!(errors(json!({"resourcePolicy": {"kind": "secret", "name": "x"}})).len(), 1);
        assert_eq!(errors(json!({"resourcePolicy": {"kind": "ConfigMap", "name": "x"}})).len(), 0);
    }

    #[test]
    fn a_restore_is_filled_in_as_velero_does() {
        let mut restore = Restore::default();
        restore.spec.excluded_resources = vec!["nodes".into(), "secrets".into()];
        let now = "2026-11-21T04:48:18Z".parse().unwrap();
        prepare_restore(&mut restore, &BackupDefaults::default(), now);
        assert_eq!(restore.spec.item_operation_timeout.to_string(), "4h0m0s");
        let excluded = &restore.spec.excluded_resources;
        assert_eq!(excluded.iter().filter(|name| *name == "nodes").count(), 1);
        assert!(NON_RESTORABLE.iter().all(|name| excluded.iter().any(|have| have == name)));
        assert!(excluded.contains(&"secrets".to_owned()));
        assert_eq!(restore.status.phase, Some(RestorePhase::InProgress));
        assert_eq!(restore.status.start_timestamp, Some(Time(now)));
    }

    #[test]
    fn restores_name_one_source_and_only_what_can_be_restored() {
        let cases = [
            (json!({"backupName": "b"}), 0),
            (json!({}), 1),
            (json!({"backupName": "b", "scheduleName": "s"}), 1),
            (json!({"backupName": "b", "includedResources": ["nodes", "events"]}), 2),
            (json!({"backupName": "b", "existingResourcePolicy": "sometimes"}), 1),
            (json!({"backupName": "b", "existingResourcePolicy": "none"}), 0),
            (json!({"backupName": "b", "includedNamespaces": ["a"], "excludedNamespaces": ["a"]}), 1),
            (json!({"backupName": "b", "includedNamespaces": ["a", "*"]}), 1),
            (json!({"backupName": "b", "excludedNamespaces": ["*"]}), 1),
            (json!({"backupName": "b", "includedResources": ["pods", "*"]}), 1),
            (json!({"backupName": "b", "excludedResources": ["*"]}), 1),
            (json!({"backupName": "b", "labelSelector": {}, "orLabelSelectors": [{}]}), 1),
            (json!({"backupName": "b", "resourceModifier": {"kind": "secret", "name": "x"}}), 1),
            (json!({"backupName": "b", "resourceModifier": {"kind": "ConfigMap", "name": "x"}}), 0),
            (
                json!({"backupName": "b", "hooks": {"resources": [{"name": "h", "postHooks": [
                    {"init": {"initContainers": [{"name": "no-image", "command": ["x"]}]}}]}]}}),
                1,
            ),
        ];
        for (spec, count) in cases {
            let mut restore = Restore::default();
            *restore.spec_mut() = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(validate_restore(&restore.spec).len(), count, "{spec}");
        }
    }
}
