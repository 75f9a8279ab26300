//! `backup describe -o json`: the keys and words of Velero's own form.

mod volumes;

use bowline_api::artifact::{ResultSet, Results};
use bowline_api::backup::{BackupResourceHook, BackupResourceHookSpec, ExecHook};
use bowline_api::{Backup, BackupPhase, BackupSpec, DeleteBackupRequest};
use serde_json::{Map, Value, json};

use super::super::backup::{Companions, failed_deletions};
use super::super::{NONE, list, switch};
use crate::download::Artifact;
use crate::output::time::Now;
use crate::selector;

/// The description as a tree.
pub(in super::super) fn backup(backup: &Backup, companions: &Companions, details: bool, now: &Now) -> Value {
    let mut object = json!({
        "metadata": super::metadata(&backup.metadata),
        "phase": backup.phase().as_str(),
        "spec": self::spec(&backup.spec),
        "status": status(backup, companions, details, now),
    });
    let status = &backup.status;
    super::failures(&mut object, &status.failure_reason, &status.validation_errors);
    if let Some(policy) = &backup.spec.resource_policy {
        object["resourcePolicies"] = json!({ "type": policy.kind, "name": policy.name });
    }
    let counts = (backup.status.errors, backup.status.warnings);
    if counts != (0, 0) {
        (object["errors"], object["warnings"]) = results(&companions.results, counts);
    }
    if !companions.deletions.is_empty() {
        object["deletionAttempts"] = deletions(&companions.deletions, now);
    }
    object
}

/// Errors and warnings. A set without any is an empty object; in any other, all three lists are there.
fn results(results: &Artifact<Results>, (errors, warnings): (i32, i32)) -> (Value, Value) {
    let set = |set: &ResultSet| {
        if set.is_empty() {
            return json!({});
        }
        json!({ "velero": set.velero, "cluster": set.cluster, "namespace": namespaces(set) })
    };
    match results {
        Artifact::Here(results) => (set(&results.errors), set(&results.warnings)),
        Artifact::Absent => (json!({ "count": errors }), json!({ "count": warnings })),
        Artifact::Unreadable(why) => {
            (json!({ "errorGettingErrors": why }), json!({ "errorGettingWarnings": why }))
        }
    }
}

/// A list where it is empty, as in Velero.
fn namespaces(set: &ResultSet) -> Value {
    if set.namespaces.is_empty() { json!([]) } else { json!(set.namespaces) }
}

fn deletions(requests: &[DeleteBackupRequest], now: &Now) -> Value {
    let attempt = |request: &DeleteBackupRequest| {
        let created = request.metadata.creation_timestamp.as_ref();
        let mut attempt = json!({
            "creationTimestamp": now.absolute(created),
            "phase": request.status.phase.as_ref().map(ToString::to_string).unwrap_or_default(),
        });
        if !request.status.errors.is_empty() {
            attempt["errors"] = json!(request.status.errors);
        }
        attempt
    };
    let mut object = json!({ "deleteBackupRequests": requests.iter().map(attempt).collect::<Vec<_>>() });
    let failed = failed_deletions(requests);
    if failed > 0 {
        object["failed"] = json!(failed);
    }
    object
}

fn spec(spec: &BackupSpec) -> Value {
    let resources = if spec.has_old_filters() {
        json!({
            "included": list(&spec.included_resources, "*"),
            "excluded": list(&spec.excluded_resources, NONE),
            "clusterScoped": switch(spec.include_cluster_resources, "included", "excluded", "auto"),
        })
    } else {
        json!({
            // Velero names only these three, and `auto`; scripts read them.
            "included": list(&spec.included_namespace_scoped_resources, "*"),
            "excluded": NONE,
            "clusterScoped": "auto",
            "includedClusterScoped": list(&spec.included_cluster_scoped_resources, NONE),
            "excludedClusterScoped": list(&spec.excluded_cluster_scoped_resources, NONE),
            "includedNamespaceScoped": list(&spec.included_namespace_scoped_resources, "*"),
            "excludedNamespaceScoped": list(&spec.excluded_namespace_scoped_resources, NONE),
        })
    };
    let mut object = json!({
        "namespaces": lists(&spec.included_namespaces, &spec.excluded_namespaces),
        "resources": resources,
        "labelSelector": selector::format(spec.label_selector.as_ref()),
        "storageLocation": spec.storage_location,
        "veleroNativeSnapshotPVs": switch(spec.snapshot_volumes, "true", "false", "auto"),
        "veleroSnapshotMoveData": switch(spec.snapshot_move_data, "true", "false", "auto"),
        "dataMover": if spec.datamover.is_empty() { NONE } else { &spec.datamover },
        "TTL": spec.ttl.to_string(),
        "CSISnapshotTimeout": spec.csi_snapshot_timeout.to_string(),
    });
    if !spec.hooks.resources.is_empty() {
        let hooks = spec.hooks.resources.iter().map(|hook| (hook.name.clone(), hook_of_resource(hook)));
        object["hooks"] = json!({ "resources": hooks.collect::<Map<_, _>>() });
    }
    if !spec.ordered_resources.is_empty() {
        object["orderedResources"] = json!(spec.ordered_resources);
    }
    object
}

fn lists(included: &[String], excluded: &[String]) -> Value {
    json!({ "included": list(included, "*"), "excluded": list(excluded, NONE) })
}

fn hook_of_resource(hook: &BackupResourceHookSpec) -> Value {
    json!({
        "namespaces": lists(&hook.included_namespaces, &hook.excluded_namespaces),
        "resources": lists(&hook.included_resources, &hook.excluded_resources),
        "labelSelector": selector::format(hook.label_selector.as_ref()),
        "preExecHook": commands(&hook.pre),
        "postExecHook": commands(&hook.post),
    })
}

fn commands(hooks: &[BackupResourceHook]) -> Value {
    let command = |exec: &ExecHook| {
        json!({
            "container": exec.container,
            "command": exec.command.join(" "),
            // With a colon, as Velero writes it.
            "onError:": exec.on_error.as_ref().map(ToString::to_string).unwrap_or_default(),
            "timeout": exec.timeout.to_string(),
        })
    };
    hooks.iter().filter_map(|hook| hook.exec.as_ref()).map(command).collect()
}

fn status(backup: &Backup, companions: &Companions, details: bool, now: &Now) -> Value {
    let status = &backup.status;
    let mut object = json!({
        "backupFormatVersion": status.format_version,
        "started": now.absolute_or(status.start_timestamp.as_ref(), "<n/a>"),
        "completed": now.absolute_or(status.completion_timestamp.as_ref(), "<n/a>"),
        "expiration": now.absolute_or(status.expiration.as_ref(), "<nil>"),
        "backupVolumes": volumes::of_backup(&companions.volumes, details),
    });
    if let Some(progress) = &status.progress {
        let (total, done) = match backup.phase() {
            BackupPhase::InProgress => ("estimatedTotalItemsToBeBackedUp", "itemsBackedUpSoFar"),
            _ => ("totalItemsToBeBackedUp", "itemsBackedUp"),
        };
        object[total] = json!(progress.total_items);
        object[done] = json!(progress.items_backed_up);
    }
    if let Some(hooks) = &status.hook_status {
        object["hooksAttempted"] = json!(hooks.hooks_attempted);
        object["hooksFailed"] = json!(hooks.hooks_failed);
    }
    if details {
        let (key, value) = match &companions.resource_list {
            Artifact::Here(resources) => ("resourceList", json!(resources)),
            Artifact::Absent => ("errorGettingResourceList", json!("<backup resource list not found>")),
            Artifact::Unreadable(why) => {
                ("errorGettingResourceList", json!(format!("<error getting backup resource list: {why}>")))
            }
        };
        object[key] = value;
    }
    object
}

#[cfg(test)]
mod tests;
