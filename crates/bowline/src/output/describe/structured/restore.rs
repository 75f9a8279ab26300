//! `restore describe -o json`: built as `backup describe -o json` is; Velero has none for restores.

use bowline_api::artifact::{ResourceList, RestoreVolumeInfo};
use bowline_api::{Restore, RestoreSpec};
use serde_json::{Value, json};

use super::super::restore::Companions;
use super::super::volumes::{NO_DETAILS, NONE_INCLUDED};
use super::super::{NONE, list, spec, switch};
use crate::download::Artifact;
use crate::output::time::Now;
use crate::selector;

/// The description as a tree.
pub(in super::super) fn restore(
    restore: &Restore,
    companions: &Companions,
    details: bool,
    now: &Now,
) -> Value {
    let mut object = json!({
        "metadata": super::metadata(&restore.metadata),
        "phase": restore.phase().as_str(),
        "spec": self::spec(&restore.spec),
        "status": status(restore, companions, details, now),
    });
    let status = &restore.status;
    super::failures(&mut object, &status.failure_reason, &status.validation_errors);
    super::findings(&mut object, &companions.results);
    object
}

/// What the files of a restore tell, where its object is not known.
pub(in super::super) fn files(name: &str, companions: &Companions, details: bool) -> Value {
    let mut object = json!({ "metadata": { "name": name }, "status": {} });
    add_files(&mut object["status"], &companions.volumes, &companions.resource_list, details);
    super::findings(&mut object, &companions.results);
    object
}

fn spec(spec: &RestoreSpec) -> Value {
    let policy = spec.existing_resource_policy.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
    let mut object = json!({
        "backup": spec.backup_name,
        "namespaces": {
            "included": list(&spec.included_namespaces, "*"),
            "excluded": list(&spec.excluded_namespaces, NONE),
        },
        "resources": {
            "included": list(&spec.included_resources, "*"),
            "excluded": list(&spec.excluded_resources, NONE),
            "clusterScoped": switch(spec.include_cluster_resources, "included", "excluded", "auto"),
        },
        "namespaceMappings": spec.namespace_mapping,
        "labelSelector": selector::format(spec.label_selector.as_ref()),
        "orLabelSelectors": spec::or_selectors(&spec.or_label_selectors),
        "restorePVs": switch(spec.restore_pvs, "true", "false", "auto"),
        "existingResourcePolicy": policy,
        "itemOperationTimeout": spec::timeout(spec.item_operation_timeout),
        "preserveServiceNodePorts": switch(spec.preserve_node_ports, "true", "false", "auto"),
    });
    if !spec.schedule_name.is_empty() {
        object["schedule"] = json!(spec.schedule_name);
    }
    if let Some(status) = &spec.restore_status {
        object["restoreStatus"] = json!({
            "included": list(&status.included_resources, NONE),
            "excluded": list(&status.excluded_resources, NONE),
        });
    }
    for (key, reference) in
        [("resourceModifier", &spec.resource_modifier), ("resourcePolicies", &spec.resource_policy)]
    {
        if let Some(reference) = reference {
            object[key] = json!({ "type": reference.kind, "name": reference.name });
        }
    }
    if let Some(config) = &spec.uploader_config {
        object["uploaderConfig"] = json!(config);
    }
    object
}

fn status(restore: &Restore, companions: &Companions, details: bool, now: &Now) -> Value {
    let status = &restore.status;
    let mut object = json!({
        "started": now.absolute(status.start_timestamp.as_ref()),
        "completed": now.absolute(status.completion_timestamp.as_ref()),
    });
    if let Some(progress) = &status.progress {
        object["totalItemsToBeRestored"] = json!(progress.total_items);
        object["itemsRestored"] = json!(progress.items_restored);
    }
    if status.restore_item_operations_attempted > 0 {
        object["itemOperations"] = json!({
            "attempted": status.restore_item_operations_attempted,
            "completed": status.restore_item_operations_completed,
            "failed": status.restore_item_operations_failed,
        });
        if let Artifact::Here(operations) = &companions.operations {
            object["itemOperations"]["operations"] = json!(operations);
        }
    }
    if let Some(hooks) = &status.hook_status {
        object["hooksAttempted"] = json!(hooks.hooks_attempted);
        object["hooksFailed"] = json!(hooks.hooks_failed);
    }
    add_files(&mut object, &companions.volumes, &companions.resource_list, details);
    object
}

fn add_files(
    status: &mut Value,
    volumes: &Artifact<Vec<RestoreVolumeInfo>>,
    resources: &Artifact<ResourceList>,
    details: bool,
) {
    let volumes = volumes.here().map(Vec::as_slice).unwrap_or_default();
    status["restoreVolumes"] = match (volumes.len(), details) {
        (0, _) => json!(NONE_INCLUDED),
        (_, true) => json!(volumes),
        (count, false) => json!(format!("{count} included, {NO_DETAILS}")),
    };
    if let (true, Artifact::Here(resources)) = (details, resources) {
        status["resourceList"] = json!(resources);
    }
}
